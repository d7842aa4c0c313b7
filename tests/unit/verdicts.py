"""Jobs in every state, and verdicts on them, for the tests of what the gate reports."""

import signal
from typing import Final

from fini_gate.errors import CancelledError, GateError, InternalError, OutageError, RequestRefusedError, UsageError
from fini_gate.models import Job, JobState
from fini_gate.verdict import Limit, Verdict, decide

HOSTILE: Final = "\n::error::planted\r##[error]<b>@team `|` [x](http://y) ```\n</details>\x1b[2K\u2028\ud800"
ERRORS: Final = {
    "usage": UsageError("Input timeout is 'soon': it must be a duration."),
    "refused": RequestRefusedError("The API refused the key."),
    "outage": OutageError("The API gave no usable response for 5m. Check api-url."),
    "internal": InternalError("fini-gate itself failed."),
    "cancelled": CancelledError(signal.SIGTERM),
}


def at(seconds: float) -> str:
    """Return a time as the API writes it, within the hour after noon."""
    return f"2026-06-11T12:{int(seconds) // 60:02}:{seconds % 60:06.3f}Z"


COMPLETED: Final = Job(
    id="done",
    state=JobState.COMPLETED,
    status="COMPLETED",
    article_id="article-1",
    document_id="doc-1",
    created_at=at(0),
    started_at=at(1),
    completed_at=at(4),
)
NO_ARTICLE: Final = COMPLETED._replace(id="nothing", article_id=None, document_id=None, completed_at=at(9))
FAILED: Final = COMPLETED._replace(
    id="bad", state=JobState.FAILED, status="FAILED", reason="no text", article_id="article-2", document_id="doc-2"
)
RUNNING: Final = Job(id="slow", status="IN_PROGRESS", created_at=at(0), started_at=at(5))
QUEUED: Final = Job(id="new", status="PENDING", created_at=at(1))
MISSING: Final = Job(id="gone", state=JobState.MISSING, reason="the API does not know the ID (404)")
UNREADABLE: Final = Job(id="dark", state=JobState.UNREADABLE, reason="HTTP 500")
ALL: Final = (COMPLETED, QUEUED, UNREADABLE, RUNNING, NO_ARTICLE, MISSING, FAILED)


def many(job: Job, count: int) -> tuple[Job, ...]:
    """Return copies of a job, numbered from 0."""
    return tuple(job._replace(id=f"{job.id}-{number}") for number in range(count))


def verdict(
    *jobs: Job, error: GateError | None = None, limit: Limit | None = None, elapsed_seconds: float = 65
) -> Verdict:
    """Return the verdict on jobs, by default after 1m5s."""
    return decide(jobs, elapsed_seconds=elapsed_seconds, error=error, limit=limit)
