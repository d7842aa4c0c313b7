"""Jobs, the rows that the API returns for them, and the result of a poll. Pure."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from fini_gate.errors import GateError


class JobState(StrEnum):
    """The gate's view of a job."""

    COMPLETED = "completed"
    FAILED = "failed"
    PENDING = "pending"
    MISSING = "missing"
    UNREADABLE = "unreadable"


# The state for each `jobStatus`, in upper case. Fini's reference documents COMPLETED and no full list. Its other
# background jobs go PENDING → IN_PROGRESS → COMPLETED or FAILED; the remaining words are common in similar APIs.
STATE_BY_STATUS: Final[Mapping[str, JobState]] = {
    **dict.fromkeys(("COMPLETED", "SUCCEEDED", "SUCCESS", "DONE", "FINISHED"), JobState.COMPLETED),
    **dict.fromkeys(("FAILED", "FAILURE", "ERROR", "ERRORED", "CANCELLED", "CANCELED"), JobState.FAILED),
    **dict.fromkeys(("ABORTED", "REJECTED", "EXPIRED", "TIMED_OUT"), JobState.FAILED),
    **dict.fromkeys(("PENDING", "IN_PROGRESS"), JobState.PENDING),
}

# Fields in which a failed row may give its reason. None of them is documented.
_REASON_FIELDS: Final = ("error", "errorMessage", "message", "failureReason")
_MAX_REASON_CHARACTERS: Final = 500
_NO_ARTICLE: Final = "completed without an article, but require-articles is true"


# Rows and jobs are named tuples because there may be hundreds of thousands, and frozen dataclasses are three times as
# slow to create.
class StatusRow(NamedTuple):
    """One row of a status response. A field that is neither text nor a whole number counts as absent."""

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
            ValueError: the row is not an object, or has no ID.
        """
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise ValueError("a row without an ID")  # noqa: TRY004 - the caller handles every bad value alike
        status = row.get("jobStatus")
        return cls(
            id=row["id"],
            status=text_or_none(status) or (json.dumps(status, default=str) if status else None),
            created_at=text_or_none(row.get("createdAt")),
            started_at=text_or_none(row.get("startedAt")),
            completed_at=text_or_none(row.get("completedAt")),
            article_id=text_or_none(row.get("hcArticleId")),
            error=None if row.keys().isdisjoint(_REASON_FIELDS) else _find_reason(row),
        )

    def evaluate(self, *, require_article: bool) -> tuple[JobState, str | None]:
        """Return the job's state by this row and, if it failed, the reason."""
        match _state_of(self.status):
            case JobState.COMPLETED if require_article and self.article_id is None:
                return JobState.FAILED, _NO_ARTICLE
            case JobState.COMPLETED:
                return JobState.COMPLETED, None
            case JobState.FAILED:
                return JobState.FAILED, self.error or _status_as_reason(self.status)
            case None if self.completed_at is not None:
                return JobState.FAILED, self.error or _status_as_reason(self.status)
            case _:
                return JobState.PENDING, None


class Job(NamedTuple):
    """A job as the gate last saw it. Times are ISO 8601 text, as the API sent them."""

    id: str
    document_id: str | None = None
    state: JobState = JobState.PENDING
    status: str | None = None
    """`jobStatus`: empty if the row had none, None if no row has arrived yet."""
    article_id: str | None = None
    article_title: str | None = None
    """The title, if it was looked up."""
    article_is_draft: bool | None = None
    """Whether the article is a draft, if that was looked up."""
    created_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    reason: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the job has reached a state that it keeps. A finished job is never polled again."""
        return self.state is not JobState.PENDING

    @property
    def has_failed_in_fini(self) -> bool:
        """Whether the job failed by its own status, and not because an input requires more."""
        return self.state is JobState.FAILED and _state_of(self.status) is not JobState.COMPLETED

    @property
    def lacks_article(self) -> bool:
        """Whether the job failed only because `require-articles` is set."""
        return self.state is JobState.FAILED and not self.has_failed_in_fini and self.article_id is None

    @property
    def lacks_reason(self) -> bool:
        """Whether the job failed, and its row did not say why."""
        return self.has_failed_in_fini and self.reason == _status_as_reason(self.status)

    @property
    def may_be_explained(self) -> bool:
        """Whether the job's source may say more about its failure than its row does."""
        return self.document_id is not None and (self.lacks_reason or self.lacks_article)

    @property
    def progress_key(self) -> tuple[object, ...]:
        """The values that count as progress when any of them changes."""
        return self.state, self.status, self.started_at, self.completed_at

    @property
    def has_unknown_status(self) -> bool:
        """Whether the job is pending because its row has an unknown status, or none."""
        return self.state is JobState.PENDING and self.status is not None and _state_of(self.status) is None

    def updated_from(self, row: StatusRow, *, require_article: bool) -> "Job":
        """Return the job as a row describes it."""
        state, reason = row.evaluate(require_article=require_article)
        # `_replace` would be slower.
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


class PollLimits(NamedTuple):
    """The time limits of one poll, on the gate's clock."""

    retry_until: float
    """No delayed retry is scheduled past this time."""
    end_at: float
    """No request runs past this time."""
    is_final: bool = False
    """Whether this is the last poll, at the deadline. It does not wait for Retry-After."""


@dataclass(slots=True, kw_only=True)
class RequestsResult:
    """How a round of requests went."""

    last_response_at: float | None = None
    """When the last usable response arrived, on the gate's clock."""
    incomplete_reason: str | None = None
    """Why some IDs got no response."""
    retry_not_before: float = -math.inf
    """The latest time that a `Retry-After` asked to wait for, on the gate's clock."""
    error: GateError | None = None
    """The error that ended the round, and ends the gate."""

    @property
    def problem(self) -> str:
        """What went wrong, if no response was usable."""
        return self.incomplete_reason or "no response"


@dataclass(slots=True, kw_only=True)
class PollResult(RequestsResult):
    """What the API said about each job in one poll. A job in none of the collections got no response."""

    rows: dict[str, list[StatusRow]] = field(default_factory=dict)
    """Job ID → its rows, nearly always one."""
    omitted: set[str] = field(default_factory=set)
    """Jobs whose batch got a response without a row for them."""
    not_found: dict[str, str] = field(default_factory=dict)
    """Job ID → the API's message, for a 404 to a request for that job alone."""
    malformed: dict[str, str] = field(default_factory=dict)
    """Job ID → the API's message, for a 400 to a request for that job alone."""
    server_errors: dict[str, str] = field(default_factory=dict)
    """Job ID → the API's message, for a 5xx to a request for that job alone."""

    @property
    def problem(self) -> str:
        """What went wrong, if no response was usable."""
        return self.incomplete_reason or next(iter(self.server_errors.values()), "no response")


def worse_of(first: Job, second: Job) -> Job:
    """Return the version of a job that counts when two rows disagree: failed, then pending, then completed.

    If both have the same state, a failure in Fini counts, then one with an article, otherwise the first.
    """
    severity = (JobState.FAILED, JobState.PENDING, JobState.COMPLETED)
    return min(
        first, second, key=lambda job: (severity.index(job.state), not job.has_failed_in_fini, job.article_id is None)
    )


def _state_of(status: str | None) -> JobState | None:
    """Return the state that a status means, or None if it is unknown."""
    # In upper case some letters outside ASCII become ASCII: a long s, for example, becomes an S.
    if status is None or not status.isascii():
        return None
    return STATE_BY_STATUS.get(status.strip().upper())


def text_or_none(value: object) -> str | None:
    """Return text, or a whole number as text; None for anything else and for empty text."""
    if isinstance(value, Decimal):
        return str(value)
    return value if isinstance(value, str) and value else None


def _status_as_reason(status: str | None) -> str:
    """Return the reason of a failure that its row does not explain."""
    if status and _state_of(status) is not None:
        return status
    return f"finished {f'with the unknown status {status}' if status else 'without a status'}"[:_MAX_REASON_CHARACTERS]


def _find_reason(row: Mapping[str, object]) -> str | None:
    return next(filter(None, (error_text(row.get(name)) for name in _REASON_FIELDS)), None)


def error_text(value: object) -> str | None:
    """Return what an error says: it is a text, or an object with a `message`. Long texts are cut."""
    text = text_or_none(value.get("message") if isinstance(value, dict) else value)
    return text and text[:_MAX_REASON_CHARACTERS]
