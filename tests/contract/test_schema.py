"""Holds the results file to its schema."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import CancelledError, OutageError
from fini_gate.models import Job, JobState
from fini_gate.output.report import results_document
from fini_gate.output.results import write_results_file
from fini_gate.verdict import Limit, Result, decide

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "results.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
TEXTS = st.none() | st.text()
JOBS = st.builds(
    Job,
    id=st.text(min_size=1, max_size=200),
    document_id=TEXTS,
    state=st.sampled_from(JobState),
    status=TEXTS,
    article_id=TEXTS,
    article_title=TEXTS,
    created_at=TEXTS,
    started_at=TEXTS,
    completed_at=TEXTS,
    reason=TEXTS,
)


@given(
    st.lists(JOBS, min_size=1, max_size=5),
    st.floats(0, 1e6),
    st.sampled_from([None, CancelledError(15), OutageError("x")]),
)
def test_schema__allows_what_is_written(
    jobs: list[Job], seconds: float, error: CancelledError | OutageError | None
) -> None:
    """Whatever the jobs and the ending, the document is as the schema says."""
    verdict = decide(jobs, elapsed_seconds=seconds, error=error, limit=Limit("timeout", 30))
    VALIDATOR.validate(results_document(verdict))


def test_schema__allows_the_file_as_it_is_written(tmp_path: Path) -> None:
    """What stands in the file is the document."""
    jobs = [Job(id="a", state=JobState.COMPLETED, article_id="b"), Job(id="c", reason="d")]
    write_results_file(tmp_path, "results.json", results_document(decide(jobs, elapsed_seconds=1.26)))
    VALIDATOR.validate(json.loads((tmp_path / "results.json").read_text(encoding="utf-8")))


def _changed(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    document: dict[str, Any] = json.loads(json.dumps(results_document(decide([Job(id="a")], elapsed_seconds=1))))
    job = {**document["jobs"][0], **values.pop("job", {})}
    return {**document, "jobs": [{name: value for name, value in job.items() if value != "left out"}], **values}


@pytest.mark.parametrize(
    "document",
    [
        _changed(version=2),
        _changed(result="passed"),
        _changed(message=""),
        _changed(more=1),
        _changed(elapsedSeconds="1"),
        _changed(job={"state": "done"}),
        _changed(job={"id": None}),
        _changed(job={"reason": "left out"}),
        _changed(job={"more": 1}),
    ],
)
def test_schema__refuses_anything_else(document: dict[str, Any]) -> None:
    """A field too many, too few or of another kind is no results file."""
    assert not VALIDATOR.is_valid(document)


def test_schema__names_the_endings_and_states_of_the_code() -> None:
    """The schema knows each ending and each state, and no other."""
    assert SCHEMA["properties"]["result"]["enum"] == list(Result)
    assert SCHEMA["properties"]["jobs"]["items"]["properties"]["state"]["enum"] == list(JobState)
