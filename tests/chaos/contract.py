"""The contract's tables, written once more: which state a row means, and which result the states mean."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

COMPLETED = ("COMPLETED", "SUCCEEDED", "SUCCESS", "DONE", "FINISHED")
FAILED = (
    *("FAILED", "FAILURE", "ERROR", "ERRORED", "CANCELLED", "CANCELED"),
    *("ABORTED", "REJECTED", "EXPIRED", "TIMED_OUT"),
)
PENDING = ("PENDING", "IN_PROGRESS")
# A job that has no row in as many responses may be missing.
MIN_OMISSIONS = 3


def text_of(value: object) -> str | None:
    """Return what a field says: a text that is not empty, or a whole number as a text."""
    is_text = isinstance(value, str | int | Decimal) and not isinstance(value, bool) and value != ""
    return str(value) if is_text else None


def state_of(rows: Sequence[Mapping[str, Any]], *, require_articles: bool) -> str:
    """Return the state that the rows for one job mean: the worst of them."""
    states = {_state_of_row(row, require_articles=require_articles) for row in rows}
    return next(state for state in ("failed", "pending", "completed") if state in states)


def _state_of_row(row: Mapping[str, Any], *, require_articles: bool) -> str:
    status = row.get("jobStatus")
    # Outside ASCII there are letters whose capitals are those of a known status.
    name = status.strip().upper() if isinstance(status, str) and status.isascii() else None
    if name in COMPLETED:
        return "failed" if require_articles and text_of(row.get("hcArticleId")) is None else "completed"
    is_unknown_and_ended = name not in PENDING and text_of(row.get("completedAt")) is not None
    return "failed" if name in FAILED or is_unknown_and_ended else "pending"


def ending_of(states: Collection[str]) -> tuple[str, int]:
    """Return the result and the exit code that the jobs' states mean."""
    if "failed" in states or "missing" in states:
        return "failure", 1
    if "unreadable" in states:
        return "error", 4
    return ("timed_out", 3) if "pending" in states else ("success", 0)
