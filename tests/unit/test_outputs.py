import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fini_gate.inputs import Inputs
from fini_gate.job_ids import read_job_ids
from fini_gate.models import Job, JobState
from fini_gate.output.outputs import OUTPUT_FILES, step_outputs
from fini_gate.verdict import Verdict
from tests.unit.verdicts import many, verdict

MAX_UNITS = 450_000
DROPPED_IN_ORDER = [
    *("completed-job-ids", "articles-by-job", "article-ids-lines", "draft-article-ids", "pending-job-ids"),
    *("missing-job-ids", "unreadable-job-ids", "failed-document-ids", "failed-job-ids", "article-ids"),
]


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def _lists(found: Verdict) -> dict[str, str]:
    """Return the outputs that can be emptied, as the contract describes them."""
    by_job = {job.id: job.article_id for job in found.in_state(JobState.COMPLETED)}
    articles = list(dict.fromkeys(article_id for article_id in by_job.values() if article_id is not None))
    drafts = dict.fromkeys(job.article_id for job in found.jobs if job.article_is_draft)
    sources = dict.fromkeys(job.document_id for job in found.jobs if job.has_failed_in_fini)
    documents: dict[str, Any] = {"articles-by-job": by_job, "article-ids": articles}
    documents |= {"draft-article-ids": list(drafts), "failed-document-ids": list(sources)}
    documents |= {f"{state}-job-ids": [job.id for job in found.jobs if job.state is state] for state in JobState}
    texts = {name: json.dumps(document, separators=(",", ":")) for name, document in documents.items()}
    return {**texts, "article-ids-lines": "\n".join(articles)}


@given(st.lists(st.text("aAbB ,#é😀\"'[]{}", min_size=1, max_size=20).filter(str.strip), unique_by=str.lower))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_outputs__of_pending_jobs_are_the_next_gates_input(make_inputs: Callable[..., Inputs], ids: list[str]) -> None:
    """`pending-job-ids` gives the next gate the same jobs in the same order."""
    values, _ = step_outputs(verdict(*(Job(id=job_id) for job_id in ids)), {})
    assert list(read_job_ids(make_inputs(job_ids=values["pending-job-ids"]), lambda _: b"")) == ids


@given(
    groups=st.lists(
        st.tuples(
            st.sampled_from(JobState),
            st.integers(0, 150),
            st.sampled_from([1, 36, 100, 190]),
            st.sampled_from(["x", "é", "😀"]),
            st.sampled_from([0, 1, 36, 300]),
        ),
        max_size=6,
    ),
)
@settings(max_examples=50)
def test_outputs__stay_below_the_limit(groups: list[tuple[JobState, int, int, str, int]]) -> None:
    """Whatever the jobs, all outputs fit; lists are emptied whole, in order, and no more of them than needed."""
    jobs = [
        Job(
            f"{group}-{number}-{letter * length}",
            state=state,
            status=state.upper(),
            document_id=f"{number}{'d' * length}",
            article_id=f"{number}{'a' * article}" if article else None,
            article_is_draft=bool(article) and state is JobState.COMPLETED and number % 2 == 0,
        )
        for group, (state, count, length, letter, article) in enumerate(groups)
        for number in range(count)
    ]
    found = verdict(*jobs)
    values, dropped = step_outputs(found, {"results-file": "results.json"})
    full = _lists(found)
    total = sum(map(_utf16_units, values.values()))
    assert total < MAX_UNITS
    assert dropped == [name for name in DROPPED_IN_ORDER if full[name]][: len(dropped)]
    assert {name: values[name] for name in full} == {**full, **dict.fromkeys(dropped, "")}
    assert not dropped or total + _utf16_units(full[dropped[-1]]) >= MAX_UNITS
    assert values["job-count"] == str(len(found.jobs))


@pytest.mark.parametrize("results_file", ["results.json", "😀😀.json"])
@pytest.mark.parametrize(("units", "expected"), [(MAX_UNITS - 1, []), (MAX_UNITS, ["completed-job-ids"])])
def test_outputs__are_measured_exactly(units: int, expected: list[str], results_file: str) -> None:
    """One unit below the limit everything is written; at the limit the first list is emptied."""
    values, _ = step_outputs(verdict(Job(id="")), {"results-file": results_file})
    missing = units - sum(map(_utf16_units, values.values()))
    _, dropped = step_outputs(verdict(Job(id="x" * missing)), {"results-file": results_file})
    assert dropped == expected


@pytest.mark.parametrize(
    ("article", "not_dropped"), [("{}-article", set()), (None, {"article-ids-lines", "article-ids"})]
)
def test_outputs__are_all_emptied_in_order(article: str | None, not_dropped: set[str]) -> None:
    """Far too much in every list empties all of them in the contract's order, but for those that are empty anyway."""
    kinds = [Job(f"{state}-{'😀' * 180}", state=state) for state in JobState]
    jobs = [
        job._replace(
            article_id=article and article.format(job.id),
            article_is_draft=article is not None,
            document_id=job.id,
            status=job.state.upper(),
        )
        for kind in kinds
        for job in many(kind, 250)
    ]
    values, dropped = step_outputs(verdict(*jobs), dict.fromkeys(OUTPUT_FILES, "f"))
    assert dropped == [name for name in DROPPED_IN_ORDER if name not in not_dropped]
    assert {name for name, value in values.items() if not value} == {*dropped, "article-ids-lines"}
    assert values["failed-count"] == "250"
