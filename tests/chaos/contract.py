"""The contract's tables, written once more: what a response's rows are, what they mean, and which result follows."""

import json
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


def read_rows(route: str, body: bytes, ids: Sequence[str], key: str) -> dict[str, list[Mapping[str, Any]]] | None:
    """Read the rows for some IDs, by ID as given; None where the body is not what the route returns."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        document = json.loads(body.decode("utf-8-sig"), parse_int=Decimal, parse_constant=refuse)
        rows = document["jobs"] if route == "status" else document if route == "articles" else [document]
        # Only the ID of an article may be a number.
        texts: list[Any] = [text_of(row["id"]) if route == "articles" else row["id"] for row in rows]
        names = [text.replace(key, "***").encode("utf-8", "replace").decode().lower() for text in texts]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(rows, list):
        return None
    found = {each: [row for name, row in zip(names, rows, strict=True) if name == each.lower()] for each in ids}
    return {each: rows for each, rows in found.items() if rows}


def is_live(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the rows for one article mean that it is live: it is returned, and no row says it is a draft."""
    return bool(rows) and all(row.get("isDraftPublished") is not False for row in rows)


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
