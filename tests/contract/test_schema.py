"""Holds the results file to its schema."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import CancelledError, GateError, OutageError
from fini_gate.models import Job, JobState
from fini_gate.output.results import results_json
from fini_gate.verdict import Limit, Result, decide

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "results.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
TEXTS = st.none() | st.text()
JOBS = st.builds(
    Job,
    id=st.text(min_size=1, max_size=200),
    state=st.sampled_from(JobState),
    **dict.fromkeys(["document_id", "status", "article_id", "article_title", "reason"], TEXTS),
    **dict.fromkeys(["created_at", "started_at", "completed_at"], TEXTS),
)


def _document(jobs: list[Job], seconds: float = 1, error: GateError | None = None) -> dict[str, Any]:
    verdict = decide(jobs, elapsed_seconds=seconds, error=error, limit=Limit("timeout", 30))
    document: dict[str, Any] = json.loads("".join(results_json(verdict)))
    return document


@given(st.lists(JOBS, max_size=5), st.floats(0, 1e6), st.sampled_from([None, CancelledError(15), OutageError("x")]))
def test_schema__allows_what_is_written(jobs: list[Job], seconds: float, error: GateError | None) -> None:
    """Whatever the jobs and the result, the document matches the schema."""
    VALIDATOR.validate(_document(jobs, seconds, error))


@pytest.mark.parametrize(
    ("change", "job_change"),
    [
        ({"version": 2}, {}),
        ({"result": "passed"}, {}),
        ({"message": ""}, {}),
        ({"more": 1}, {}),
        ({"elapsedSeconds": "1"}, {}),
        ({}, {"state": "done"}),
        ({}, {"id": None}),
        ({}, {"reason": 1}),
        ({}, {"more": 1}),
    ],
)
def test_schema__refuses_anything_else(change: dict[str, Any], job_change: dict[str, Any]) -> None:
    """A field that is new or of another type is invalid."""
    document = _document([Job(id="a")])
    job = {**document["jobs"][0], **job_change}
    assert not VALIDATOR.is_valid({**document, "jobs": [job], **change})


def test_schema__requires_every_field() -> None:
    """A document or a job without one of its fields is invalid."""
    document = _document([Job(id="a")])
    (job,) = document["jobs"]
    assert sorted(SCHEMA["required"]) == sorted(document)
    assert sorted(SCHEMA["properties"]["jobs"]["items"]["required"]) == sorted(job)


def test_schema__has_the_results_and_states_of_the_code() -> None:
    """The schema has each result and each state, and no other."""
    assert SCHEMA["properties"]["result"]["enum"] == list(Result)
    assert SCHEMA["properties"]["jobs"]["items"]["properties"]["state"]["enum"] == list(JobState)
