from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.models import Job, JobState, StatusRow, worse_of

COMPLETED = ["COMPLETED", "SUCCEEDED", "SUCCESS", "DONE", "FINISHED"]
FAILED = ["FAILED", "FAILURE", "ERROR", "ERRORED", "CANCELLED", "CANCELED", "ABORTED", "REJECTED", "EXPIRED"]
FAILED += ["TIMED_OUT"]
PENDING = ["PENDING", "IN_PROGRESS"]
UNKNOWN = ["QUEUED", "COMPLETE", "COMPLETED_WITH_ERRORS", "NOT_FAILED", "?"]
UNKNOWN += ["FÄILED", "\u017fUCCE\u017f\u017f", "DONE\u00a0"]
NOTHING: list[Any] = [None, "", [], {}]
NOT_TEXT = [*NOTHING, 7, True, ["COMPLETED"], {"status": "COMPLETED"}]
END = "2026-06-11T12:00:05.000Z"


def job_from(*, require_article: bool = False, **fields: Any) -> Job:  # noqa: ANN401 - each may have any type
    """Make the job that a row with these fields describes."""
    return Job(id="a").updated_from(StatusRow.from_json({"id": "a", **fields}), require_article=require_article)


@pytest.mark.parametrize(
    ("status", "state", "state_with_end"),
    [
        *((status, "completed", "completed") for status in COMPLETED),
        *((status, "failed", "failed") for status in FAILED),
        *((status, "pending", "pending") for status in PENDING),
        *((status, "pending", "failed") for status in (*UNKNOWN, *NOT_TEXT)),
    ],
)
def test_status__means_a_state(status: object, state: str, state_with_end: str) -> None:
    """A status has its meaning in any case; an unknown one is pending, or failed if the row has an end."""
    spellings = [str.lower(status), str.title(status), f" {status}\n"] if isinstance(status, str) else []
    for spelling in [status, *spellings]:
        job, ended_job = job_from(jobStatus=spelling), job_from(jobStatus=spelling, completedAt=END)
        assert (job.state, ended_job.state) == (state, state_with_end)
        assert job.has_unknown_status is (state != state_with_end)
        assert not ended_job.has_unknown_status


@given(st.text())
def test_job__completes_by_the_documented_words_alone(status: str) -> None:
    """No text but those that mean completed lets a job pass."""
    is_known = status.isascii() and status.strip().upper() in COMPLETED
    assert (job_from(jobStatus=status).state is JobState.COMPLETED) is is_known


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        *((nothing, "") for nothing in NOTHING),
        (True, "true"),
        (["COMPLETED"], '["COMPLETED"]'),
        ({"code": Decimal("1.5")}, '{"code": "1.5"}'),
    ],
)
def test_job__shows_a_status_that_is_not_text_as_json(status: object, shown: str) -> None:
    """Such a job is pending; a row without a status has an empty one."""
    job = job_from(jobStatus=status)
    assert (job.state, job.status) == (JobState.PENDING, shown)


@pytest.mark.parametrize(
    ("fields", "state", "reason"),
    [
        ({"hcArticleId": "article"}, "completed", None),
        *(
            ({"hcArticleId": other}, "failed", "completed without an article, but require-articles is true")
            for other in (None, "", 5, ["a"])
        ),
        *(({"jobStatus": status}, "pending", None) for status in (*PENDING, *UNKNOWN)),
    ],
)
def test_job__needs_an_article_if_one_is_required(fields: dict[str, Any], state: str, reason: str | None) -> None:
    """A completed job without an article passes, but fails under `require-articles`."""
    row = {"jobStatus": "COMPLETED", **fields}
    job = job_from(**row, require_article=True)
    assert (job.state, job.reason) == (state, reason)
    assert job_from(**row).state is (JobState.PENDING if state == "pending" else JobState.COMPLETED)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "FAILED"),
        *(({name: "no text"}, "no text") for name in ("error", "errorMessage", "message", "failureReason")),
        *(({name: {"message": "no text"}}, "no text") for name in ("error", "errorMessage", "message")),
        ({"error": "first", "message": "second"}, "first"),
        ({"errorMessage": "first", "failureReason": "second"}, "first"),
        *(({"error": other, "failureReason": "why"}, "why") for other in (*NOTHING, 5, {"message": ["list"]})),
        ({"error": {"code": 7}}, "FAILED"),
        ({"error": "x" * 501}, "x" * 500),
        ({"jobStatus": None, "completedAt": END}, "finished without a status"),
        ({"jobStatus": "HALTED", "completedAt": END}, "finished with the unknown status HALTED"),
        ({"jobStatus": "x" * 501, "completedAt": END}, f"finished with the unknown status {'x' * 467}"),
        ({"jobStatus": "HALTED", "error": "power cut", "completedAt": END}, "power cut"),
        ({"jobStatus": "COMPLETED", "message": "all is well"}, None),
        ({"jobStatus": "PENDING", "message": "all is well"}, None),
    ],
)
def test_job__that_failed_has_a_reason(fields: dict[str, Any], reason: str | None) -> None:
    """The reason is the row's own error text, cut at 500 characters, or else its status."""
    assert job_from(**{"jobStatus": "FAILED", **fields}).reason == reason


def test_row__is_read() -> None:
    """Every documented field goes from the row to the job, which keeps its own ID and document."""
    times = {"createdAt": "created", "startedAt": "started", "completedAt": END}
    row = StatusRow.from_json({"id": "JOB", "jobStatus": "Completed", **times, "hcArticleId": Decimal(12), "extra": {}})
    job = Job(id="job", document_id="document", reason="HTTP 500").updated_from(row, require_article=True)
    assert row.id == "JOB"
    assert job == Job(
        id="job",
        document_id="document",
        state=JobState.COMPLETED,
        status="Completed",
        article_id="12",
        created_at="created",
        started_at="started",
        completed_at=END,
    )


@pytest.mark.parametrize(
    ("fields", "is_progress"),
    [
        ({}, False),
        ({"createdAt": "later"}, False),
        ({"hcArticleId": "article"}, False),
        ({"jobStatus": "pending"}, True),
        ({"jobStatus": "IN_PROGRESS"}, True),
        ({"startedAt": "now"}, True),
        ({"completedAt": "now"}, True),
    ],
)
def test_job__makes_progress_by_its_status_start_and_end(fields: dict[str, Any], *, is_progress: bool) -> None:
    """A change of another field is no progress."""
    before, after = job_from(jobStatus="PENDING"), job_from(**{"jobStatus": "PENDING", **fields})
    assert (before.progress_key != after.progress_key) is is_progress
    assert before.progress_key != before._replace(state=JobState.MISSING).progress_key


def test_worse_of__keeps_the_article() -> None:
    """Of two rows with the same state the one with an article counts, or else the first."""
    first, second = job_from(jobStatus="DONE"), job_from(jobStatus="SUCCESS")
    with_article = job_from(jobStatus="DONE", hcArticleId="article")
    assert worse_of(first, with_article) is worse_of(with_article, first) is with_article
    assert worse_of(first, second) is first


def test_worse_of__prefers_a_failure_in_fini() -> None:
    """A row that says so counts before one that only lacks the article that an input requires."""
    lacking, failed = (job_from(jobStatus=status, require_article=True) for status in ("DONE", "FAILED"))
    assert worse_of(lacking, failed) is worse_of(failed, lacking) is failed
