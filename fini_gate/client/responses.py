"""What a response of the API means. Pure, but for the wall clock that a Retry-After date is compared with."""

import email.utils
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final

from fini_gate.client.failures import Failure
from fini_gate.client.routes import ResponseKind, Route
from fini_gate.client.transport import Response
from fini_gate.escaping import redact

_REQUEST_ID_HEADERS: Final = (
    *("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "x-amzn-trace-id"),
    *("x-cloud-trace-context", "cf-ray", "traceparent"),
)
_MAX_MESSAGE_CHARACTERS: Final = 300
# A genuine row has about ten values. A response with more than this would exhaust memory and time.
MAX_VALUES: Final = 500_000


@dataclass(frozen=True, kw_only=True)
class ParsedResponse:
    """A response and what it means."""

    kind: ResponseKind
    problem: str = ""
    """What was wrong, for people. For FATAL, a whole message that says what to do."""
    rows: Mapping[str, list[Any]] = field(default_factory=dict)
    """ID, as it was sent → the route's rows for it, nearly always one. An omitted ID has no entry."""
    status: int | None = None
    retry_after_seconds: float = 0
    retry_immediately: bool = False
    """A server that closes an idle connection breaks the next request on it. A new connection may work at once."""

    @property
    def is_usable(self) -> bool:
        """Whether it describes what was asked for, directly or after bisection."""
        return self.kind in {ResponseKind.OK, ResponseKind.NOT_FOUND, ResponseKind.BAD_REQUEST}


def classify(response: Response | Failure, ids: Sequence[str], *, route: Route, secret: str) -> ParsedResponse:
    """Return what a response to a request for these IDs means.

    Args:
        response: the response as it arrived.
        ids: the IDs in the request.
        route: where it was sent.
        secret: the API key, which is redacted from all text of the response.
    """
    if isinstance(response, Failure):
        return ParsedResponse(
            kind=ResponseKind.RETRYABLE, problem=response.problem, retry_immediately=response.is_broken_connection
        )
    document, flaw = decode(response.body, secret)
    parsed = ParsedResponse(
        kind=route.kind_of(response.status),
        status=response.status,
        problem=_describe(response, document, secret),
        retry_after_seconds=_retry_after_seconds(response),
    )
    match parsed.kind:
        case ResponseKind.FATAL:
            return replace(parsed, problem=_fatal_message(parsed.problem, response, secret))
        case ResponseKind.OK:
            return _with_rows(parsed, document, flaw, ids, route)
        case ResponseKind.SERVER_ERROR if parsed.retry_after_seconds:
            # Retry-After marks the error as temporary.
            return replace(parsed, kind=ResponseKind.RETRYABLE)
        case _:
            return parsed


def _fatal_message(problem: str, response: Response, secret: str) -> str:
    match response.status:
        case HTTPStatus.UNAUTHORIZED:
            return (
                f"The API rejected the key: {problem}. It may be invalid, revoked or from another workspace. Create a"
                " key under Deploy → API Keys in the workspace that queued the jobs."
            )
        case HTTPStatus.FORBIDDEN:
            return f"The API rejected the key: {problem}. Use a key with the read scope."
        case status if status // 100 == 3:  # noqa: PLR2004 - 3xx
            location = _clean(response.headers.get("location", ""), secret)[:_MAX_MESSAGE_CHARACTERS]
            target = f"to {location}" if location else "without a Location"
            return (
                f"The API redirected the request: {problem}, {target}. Redirects are not followed, so that the key"
                " reaches no other host. Set «api-url» to the API's own address."
            )
        case _:
            return f"The API rejected the request: {problem}. Check «api-url» and any proxy in front of the API."


def _with_rows(
    parsed: ParsedResponse, document: object, flaw: str | None, ids: Sequence[str], route: Route
) -> ParsedResponse:
    try:
        received = route.read_rows(document)
    except ValueError as error:
        return replace(parsed, kind=ResponseKind.RETRYABLE, problem=f"{parsed.problem} with {flaw or error}")
    sent = {each.lower(): each for each in ids}
    rows: dict[str, list[Any]] = {}
    for row in received:
        if (sent_id := sent.get(row.id.lower())) is not None:  # ignore rows that nobody asked for
            rows.setdefault(sent_id, []).append(row)
    return replace(parsed, rows=rows)


def _describe(response: Response, document: object, secret: str) -> str:
    """Describe a response: its status, the API's own message, and the request ID for Fini's support."""
    message = document.get("message") if isinstance(document, dict) else None
    if isinstance(message, list):
        message = "; ".join(part for part in message if isinstance(part, str))
    text = f": {message[:_MAX_MESSAGE_CHARACTERS]}" if isinstance(message, str) and message else ""
    request_id = next(filter(None, map(response.headers.get, _REQUEST_ID_HEADERS)), None)
    reference = f" (request ID {_clean(request_id, secret)[:_MAX_MESSAGE_CHARACTERS]})" if request_id else ""
    return f"HTTP {response.status}{text}{reference}"


def decode(body: bytes, secret: str) -> tuple[object, str | None]:
    """Decode a JSON body. JSON is UTF-8, whatever charset the response claims.

    Returns:
        The document, with the secret redacted from all its text, and None; or None, and what is wrong with the body.
    """

    def clean_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        return {_clean(name, secret): _clean_value(value, secret) for name, value in pairs}

    def reject(constant: str) -> None:
        raise ValueError(constant)

    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        return None, f"more than {MAX_VALUES} values"
    # Without escapes, the secret and broken characters would be visible as bytes. Most responses need no cleaning.
    needs_cleaning = b"\\" in body or secret.encode() in body
    hook = clean_members if needs_cleaning else None
    try:
        # Decimal keeps every digit of a numeric article ID.
        text = body.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=hook, parse_int=Decimal, parse_constant=reject), None
    except (ValueError, RecursionError):
        return None, "a body that is not JSON"


def _clean_value(value: object, secret: str) -> object:
    if isinstance(value, list):
        return [_clean_value(item, secret) for item in value]
    return _clean(value, secret) if isinstance(value, str) else value


def _clean(text: str, secret: str) -> str:
    """Redact the secret, and replace lone surrogates, which no file can hold."""
    return redact(text, secret).encode("utf-8", errors="replace").decode()


def _retry_after_seconds(response: Response) -> float:
    """Return the Retry-After of a 429 or 503 in seconds, or 0. The header holds seconds or a date."""
    if response.status not in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return 0
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+", value):
        return float(value)
    if (until := _parse_date(value)) is None:
        return 0
    # Prefer the server's own clock: the local one may be wrong.
    now = _parse_date(response.headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _parse_date(text: str) -> datetime | None:
    """Return an HTTP date, or None if the text is not one."""
    try:
        date = email.utils.parsedate_to_datetime(text)
        return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
