"""Jobs and what their status means. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from fini_gate.errors import GateError


class JobState(StrEnum):
    """What a job is to the gate."""

    COMPLETED = "completed"
    FAILED = "failed"
    PENDING = "pending"
    MISSING = "missing"
    UNREADABLE = "unreadable"


# `jobStatus`, whatever its letters' case, to state. Fini's reference shows COMPLETED alone and documents no full list;
# its other background jobs run PENDING → IN_PROGRESS → COMPLETED or FAILED. The rest is what such services tend to say.
STATE_BY_STATUS: Final[Mapping[str, JobState]] = {
    **dict.fromkeys(("COMPLETED", "SUCCEEDED", "SUCCESS", "DONE", "FINISHED"), JobState.COMPLETED),
    **dict.fromkeys(
        (
            *("FAILED", "FAILURE", "ERROR", "ERRORED", "CANCELLED", "CANCELED"),
            *("ABORTED", "REJECTED", "EXPIRED", "TIMED_OUT"),
        ),
        JobState.FAILED,
    ),
    **dict.fromkeys(("PENDING", "IN_PROGRESS"), JobState.PENDING),
}

# Where a row that failed may say why; none of it is documented.
_REASON_FIELDS: Final = ("error", "errorMessage", "message", "failureReason")
_REASON_CHARACTERS: Final = 500


# Rows and jobs are named tuples: there may be a hundred thousand, and a frozen dataclass takes thrice the time to make.
class StatusRow(NamedTuple):
    """One row of a status answer, read with care: a field that is neither text nor a whole number counts as absent."""

    id: str
    status: str | None = None
    created_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    article_id: str | None = None
    error: str | None = None

    @classmethod
    def from_json(cls, row: object) -> "StatusRow":
        """Read `{"id", "jobStatus", "createdAt", "startedAt", "completedAt", "hcArticleId", …}`.

        Raises:
            ValueError: it is no row: not an object, or without an ID.
        """
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise ValueError("a row without an ID")  # noqa: TRY004 - to the caller it is a bad value like any other
        status = row.get("jobStatus")
        return cls(
            id=row["id"],
            status=_text(status) or (json.dumps(status, default=str) if status else None),
            created_at=_text(row.get("createdAt")),
            started_at=_text(row.get("startedAt")),
            completed_at=_text(row.get("completedAt")),
            article_id=_text(row.get("hcArticleId")),
            error=None if row.keys().isdisjoint(_REASON_FIELDS) else _reason(row),
        )


class Job(NamedTuple):
    """A job as the gate last saw it. Times are the API's own text (ISO 8601)."""

    id: str
    document_id: str | None = None
    state: JobState = JobState.PENDING
    status: str | None = None
    """`jobStatus`; empty where the row had none, None where there was no row yet."""
    article_id: str | None = None
    article_title: str | None = None
    """Where it was looked up."""
    article_is_draft: bool = False
    created_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    reason: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it is never asked for again."""
        return self.state is not JobState.PENDING

    @property
    def progress_key(self) -> tuple[object, ...]:
        """What makes a job another than before: its state, its status, its start and its end."""
        return self.state, self.status, self.started_at, self.completed_at

    @property
    def has_unknown_status(self) -> bool:
        """Whether the job is pending because nobody knows what its status means, or what it means to have none."""
        return self.state is JobState.PENDING and self.status is not None and _state_of(self.status) is None

    def updated_from(self, row: StatusRow, *, require_article: bool) -> "Job":
        """The job as a row of an answer tells it."""
        state, reason = _judge(row, require_article=require_article)
        # Not `replace`, which takes its time to find out what there is to copy.
        return Job(
            id=self.id,
            document_id=self.document_id,
            state=state,
            reason=reason,
            status=row.status or "",
            article_id=row.article_id,
            created_at=row.created_at,
            started_at=row.started_at,
            completed_at=row.completed_at,
        )


@dataclass(slots=True, kw_only=True)
class PollResult:
    """What one round of requests told of the jobs that it asked for. A job in none of these was not answered for."""

    rows: dict[str, list[StatusRow]] = field(default_factory=dict)
    """Job ID → its rows, nearly always one."""
    omitted: set[str] = field(default_factory=set)
    """Asked for in a request that was answered, without a row of its own."""
    not_found: dict[str, str] = field(default_factory=dict)
    """Answered 404 when asked for alone → what the API said."""
    malformed: dict[str, str] = field(default_factory=dict)
    """Answered 400 when asked for alone → what the API said."""
    server_errors: dict[str, str] = field(default_factory=dict)
    """Answered 5xx when asked for alone → what the API said."""
    last_response_at: float | None = None
    """When the last usable answer came, on the gate's clock."""
    incomplete_reason: str | None = None
    """What cut the look short."""
    retry_after_seconds: float = 0
    """How long the API asked to be left alone, with the trouble."""
    error: GateError | None = None
    """What ended the look, and the gate with it."""
    found_failure: bool = False
    """Whether it was ended by a job that failed or is malformed, since one is enough."""

    @property
    def should_stop(self) -> bool:
        """Whether nothing more is to be asked."""
        return self.incomplete_reason is not None or self.found_failure


def worse_of(first: Job, second: Job) -> Job:
    """Of two sightings of one job the one that counts: failed, then pending, then completed.

    Between equals the one with an article counts, or else the first.
    """
    severity = (JobState.FAILED, JobState.PENDING, JobState.COMPLETED)
    return min(first, second, key=lambda job: (severity.index(job.state), job.article_id is None))


def _judge(row: StatusRow, *, require_article: bool) -> tuple[JobState, str | None]:
    match _state_of(row.status):
        case JobState.COMPLETED if require_article and row.article_id is None:
            return JobState.FAILED, "completed without an article, which require-articles asks for"
        case JobState.COMPLETED:
            return JobState.COMPLETED, None
        case JobState.FAILED:
            return JobState.FAILED, row.error or row.status
        case None if row.completed_at is not None:
            return JobState.FAILED, row.error or f"ended with the status {row.status}, which is not known"[
                :_REASON_CHARACTERS
            ]
        case _:
            return JobState.PENDING, None


def _state_of(status: str | None) -> JobState | None:
    """The state that a status stands for, or None where it was never heard of."""
    status = status or ""
    # Beyond ASCII there are letters whose capitals are those of a known status: a long s is no S.
    return STATE_BY_STATUS.get(status.strip().upper()) if status.isascii() else None


def _text(value: object) -> str | None:
    """A text, or a whole number as one; None for anything else, and for the empty text."""
    if isinstance(value, Decimal):
        return str(value)
    return value if isinstance(value, str) and value else None


def _reason(row: Mapping[str, object]) -> str | None:
    return next(filter(None, (_error_text(row.get(name)) for name in _REASON_FIELDS)), None)


def _error_text(value: object) -> str | None:
    text = _text(value.get("message") if isinstance(value, dict) else value)
    return text and text[:_REASON_CHARACTERS]
