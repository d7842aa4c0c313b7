"""What an answer of the API means to the gate. Pure, but for the clock that a `Retry-After` may be told by."""

import email.utils
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from fini_gate.client.transport import Failure, Response
from fini_gate.errors import RequestRefusedError
from fini_gate.escaping import redact
from fini_gate.models import StatusRow

_REQUEST_ID_HEADERS: Final = (
    *("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "x-amzn-trace-id"),
    *("x-cloud-trace-context", "cf-ray", "traceparent"),
)
_MESSAGE_CHARACTERS: Final = 300
# In one answer; of an honest one a row has some ten. More would take the memory and the time of the whole gate.
MAX_VALUES: Final = 500_000


class ResponseKind(Enum):
    """What the client does about an answer."""

    OK = auto()
    """200: takes the rows."""
    NOT_FOUND = auto()
    """404: narrows."""
    BAD_REQUEST = auto()
    """400: narrows."""
    TOO_LARGE = auto()
    """413: halves the batch, for good."""
    SERVER_ERROR = auto()
    """5xx: tries again a few times, then narrows."""
    FATAL = auto()
    """3xx, other 4xx: gives up."""
    RETRYABLE = auto()
    """All else that time may heal: tries again."""


_KIND_BY_STATUS: Final = {
    200: ResponseKind.OK,
    400: ResponseKind.BAD_REQUEST,
    404: ResponseKind.NOT_FOUND,
    408: ResponseKind.RETRYABLE,
    413: ResponseKind.TOO_LARGE,
    429: ResponseKind.RETRYABLE,
}
_KIND_BY_STATUS_CLASS: Final = {3: ResponseKind.FATAL, 4: ResponseKind.FATAL, 5: ResponseKind.SERVER_ERROR}


@dataclass(frozen=True, kw_only=True)
class ParsedResponse:
    """An answer, judged."""

    kind: ResponseKind
    problem: str = ""
    """What was wrong, for people."""
    rows: Mapping[str, list[StatusRow]] = field(default_factory=dict)
    """Job ID, as asked for → its rows, nearly always one. A job that was left out is not in it."""
    status: int | None = None
    retry_after_seconds: float = 0
    """How long the API asked to be left alone."""
    retry_immediately: bool = False
    """A connection kept alive is lost when the server closes it first: a new one may do at once."""

    @property
    def is_usable(self) -> bool:
        """Whether it says something of the jobs, or narrowing will make it do so."""
        return self.kind in {ResponseKind.OK, ResponseKind.NOT_FOUND, ResponseKind.BAD_REQUEST}


def classify(response: Response | Failure, job_ids: Sequence[str], *, secret: str) -> ParsedResponse:
    """Say what an answer to a request for these jobs means.

    Args:
        response: as it came.
        job_ids: the jobs that were asked for.
        secret: the API key, which no text of the answer may hand on.

    Raises:
        RequestRefusedError: no retry and no smaller request can heal it.
    """
    if isinstance(response, Failure):
        return ParsedResponse(
            kind=ResponseKind.RETRYABLE, problem=response.problem, retry_immediately=response.is_broken_connection
        )
    document, flaw = decode(response.body, secret)
    answer = ParsedResponse(
        kind=_KIND_BY_STATUS.get(response.status)
        or _KIND_BY_STATUS_CLASS.get(response.status // 100)
        or ResponseKind.RETRYABLE,
        status=response.status,
        problem=_problem(response, document, secret),
        retry_after_seconds=_retry_after_seconds(response),
    )
    if answer.kind is ResponseKind.FATAL:
        raise RequestRefusedError(_fatal_message(answer.problem, response, secret))
    if answer.kind is ResponseKind.OK:
        return _with_rows(answer, document, flaw, job_ids)
    if answer.kind is ResponseKind.SERVER_ERROR and answer.retry_after_seconds:
        # It says itself that time will heal it.
        return replace(answer, kind=ResponseKind.RETRYABLE)
    return answer


def _fatal_message(problem: str, response: Response, secret: str) -> str:
    match response.status:
        case HTTPStatus.UNAUTHORIZED:
            return (
                f"The API refused the key: {problem}. It is missing, revoked or of another workspace: hand over a key"
                " made under Deploy → API Keys of the workspace that queued the jobs."
            )
        case HTTPStatus.FORBIDDEN:
            return f"The API refused the key: {problem}. It needs the read scope: make a key that has it."
        case status if status // 100 == 3:  # noqa: PLR2004 - 3xx
            target = _safe(response.headers.get("location", "nowhere"), secret)[:_MESSAGE_CHARACTERS]
            return (
                f"The API answered with a redirect: {problem}, to {target}. It is not followed, so that the key goes"
                " nowhere else: set api-url to the API's own address."
            )
        case _:
            return f"The API refused the request: {problem}. Check api-url, and any proxy before it."


def _with_rows(answer: ParsedResponse, document: object, flaw: str | None, job_ids: Sequence[str]) -> ParsedResponse:
    try:
        status_rows = _status_rows(document)
    except ValueError as error:
        return replace(
            answer, kind=ResponseKind.RETRYABLE, problem=f"{answer.problem}, but {flaw or f'with {error} in it'}"
        )
    asked = {job_id.lower(): job_id for job_id in job_ids}
    rows: dict[str, list[StatusRow]] = {}
    for row in status_rows:
        if (job_id := asked.get(row.id.lower())) is not None:  # else nobody asked for it
            rows.setdefault(job_id, []).append(row)
    return replace(answer, rows=rows)


def _status_rows(document: object) -> list[StatusRow]:
    if not isinstance(document, dict) or not isinstance(document.get("jobs"), list):
        raise ValueError("no list of jobs")  # noqa: TRY004 - to the caller it is a bad value like any other
    return [StatusRow.from_json(row) for row in document["jobs"]]


def _problem(response: Response, document: object, secret: str) -> str:
    """An answer in words: its status, the API's own message and the ID to ask Fini's support about."""
    message = document.get("message") if isinstance(document, dict) else None
    if isinstance(message, list):
        message = "; ".join(part for part in message if isinstance(part, str))
    said = f": {message[:_MESSAGE_CHARACTERS]}" if isinstance(message, str) and message else ""
    request_id = next(filter(None, map(response.headers.get, _REQUEST_ID_HEADERS)), None)
    reference = f" (request ID {_safe(request_id, secret)[:_MESSAGE_CHARACTERS]})" if request_id else ""
    return f"HTTP {response.status}{said}{reference}"


def decode(body: bytes, secret: str) -> tuple[object, str | None]:
    """Read JSON, its texts made safe to handle. The charset that an answer claims is not asked: JSON is UTF-8.

    Returns:
        What it holds, and None; or None, and what is wrong with it.
    """

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        return {_safe(name, secret): _cleaned(value, secret) for name, value in pairs}

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        return None, f"with more than {MAX_VALUES} values in it"
    # With no escapes in it, what is to be made safe would stand there in plain sight: the usual answer has nothing.
    is_plain = b"\\" not in body and secret.encode() not in body
    hook = None if is_plain else members
    try:
        # An article's ID may be a number, of any length and to the last digit.
        text = body.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=hook, parse_int=Decimal, parse_constant=refuse), None
    except (ValueError, RecursionError):
        return None, "what came is no JSON"


def _cleaned(value: object, secret: str) -> object:
    if isinstance(value, list):
        return [_cleaned(item, secret) for item in value]
    return _safe(value, secret) if isinstance(value, str) else value


def _safe(text: str, secret: str) -> str:
    """The text without the API key, and without halves of characters, which no file can hold."""
    return redact(text, secret).encode("utf-8", errors="replace").decode()


def _retry_after_seconds(response: Response) -> float:
    """The `Retry-After` of an answer, which is a number of seconds or a date; 0 where it is none."""
    if response.status not in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return 0
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+", value):
        return float(value)
    if (until := _date(value)) is None:
        return 0
    # By the server's own clock, where it tells it: ours may be wrong.
    now = _date(response.headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    """A date as HTTP writes it, or None."""
    try:
        date = email.utils.parsedate_to_datetime(text)
        return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
