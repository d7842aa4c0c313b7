"""Responses in the making, the faults that spoil them, and hostile texts to fill them with."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import Enum, auto
from random import Random
from typing import Any

from requests.structures import CaseInsensitiveDict

from fini_gate.client.failures import Failure
from fini_gate.client.transport import Response

KEY = "fini_secret_0123456789abcdef"
# Part of every text that a source has about a job other than the one asked about.
OTHER_JOB = "about another job"
TEXTS = (
    *("Something went wrong.", "The source is empty.", "", "ü", "a" * 2000),
    *(KEY, f"Bearer {KEY}", f"{'x' * 290}{KEY}", f"{'x' * 490}{KEY}{KEY}"),
    *("\r\n::error::pwned", "::set-output name=result::success", "\n::add-mask::a\n", "  ::stop-commands::x"),
    *("##[error]pwned", "x ##[add-mask]a", "##[group]\r##[endgroup]", "%0A::error::pwned", "\r::warning::pwned"),
    *("##vso[task.complete result=Succeeded;]done", "x ##VsO[task.setvariable variable=a]b", "#\ufe0f#\u3164[error]x"),
    *("##teamcity[buildStatus status='SUCCESS']", "#\u200b#TeamCity[x]", " \u3164::error::x", "$HOME %PATH% ${A}"),
    *("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u202ereversed", "a\u2028b\u2029c\x85d", "nul\x00", "half \ud800"),
    *("<img src=x onerror=alert(1)>", "<b>bold</b>", "@octocat", "[link](http://evil.example)", "`code`", "| a | b |"),
    *("a\nresult<<EOF\nsuccess\nEOF\n", "ghadelimiter_x", "$(reboot)", "${{ secrets.KEY }}", "# heading", "- list"),
)
HEADER_TEXTS = tuple(text for text in TEXTS if text.isascii() and not {"\r", "\n"} & set(text))


def header_text(rng: Random) -> str:
    """Make a text that fits into a header."""
    return rng.choice(HEADER_TEXTS) if rng.random() < 0.5 else f"words-{rng.randrange(10**6)}"


def body_text(rng: Random) -> str:
    """Make a text that fits into a body."""
    return rng.choice(TEXTS) + rng.choice(("", rng.choice(TEXTS)))


class Meaning(Enum):
    """What a response means by the contract."""

    OK = auto()
    NOT_FOUND = auto()
    BAD_REQUEST = auto()
    TOO_LARGE = auto()
    SERVER_ERROR = auto()
    RETRYABLE = auto()
    FATAL = auto()


MEANING_BY_STATUS = {
    200: Meaning.OK,
    400: Meaning.BAD_REQUEST,
    404: Meaning.NOT_FOUND,
    408: Meaning.RETRYABLE,
    413: Meaning.TOO_LARGE,
    429: Meaning.RETRYABLE,
}
MEANING_BY_CLASS = {3: Meaning.FATAL, 4: Meaning.FATAL, 5: Meaning.SERVER_ERROR}


# Where the look-ups differ: an article that is not found is no error, and a source's error concerns that source alone.
MEANINGS_OF_LOOKUPS = {
    "articles": {400: Meaning.FATAL, 404: Meaning.FATAL, 5: Meaning.RETRYABLE},
    "source": {400: Meaning.NOT_FOUND, 401: Meaning.FATAL, 4: Meaning.NOT_FOUND},
}


def meaning_of(status: int, route: str = "status") -> Meaning:
    """Return what a status means by the contract."""
    own, hundreds = MEANINGS_OF_LOOKUPS.get(route, {}), status // 100
    by_status = own.get(status) or MEANING_BY_STATUS.get(status)
    return by_status or own.get(hundreds) or MEANING_BY_CLASS.get(hundreds, Meaning.RETRYABLE)


@dataclass
class Reply:
    """A response in the making, which a fault may spoil."""

    status: int
    rows: list[Any] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """What is sent instead of the rows."""
    failure: Failure | None = None
    """Why no response arrives."""
    seconds: float = 0.0
    is_readable: bool = True
    """Whether a 200 is a well-formed list of rows."""
    retry_after_seconds: float = 0.0
    route: str = "status"

    @property
    def document(self) -> object:
        """The rows in the shape of the route."""
        source = self.rows[0] if self.rows else {}
        return {"status": {"jobs": self.rows}, "articles": self.rows, "source": source}[self.route]

    @property
    def meaning(self) -> Meaning:
        """What the response means by the contract."""
        meaning = meaning_of(self.status, self.route)
        is_broken = self.failure is not None or (meaning is Meaning.OK and not self.is_readable)
        is_to_be_retried = meaning is Meaning.SERVER_ERROR and self.retry_after_seconds > 0
        return Meaning.RETRYABLE if is_broken or is_to_be_retried else meaning

    def response(self) -> Response | Failure:
        """Return it as the transport would."""
        body = json.dumps(self.document).encode() if self.body is None else self.body
        return self.failure or Response(self.status, CaseInsensitiveDict(self.headers), body)


Fault = Callable[[Random, Reply], None]


def _set(**fields: Any) -> Fault:  # noqa: ANN401 - a reply's fields
    return lambda _, reply: vars(reply).update(fields)


def _lose(problem: str, *, is_broken_connection: bool = True) -> Fault:
    return _set(failure=Failure(problem, is_broken_connection=is_broken_connection))


def _send(body: bytes, content_type: str = "application/json") -> Fault:
    """Respond 200 with a body that is not a list of rows."""
    return _set(status=200, rows=[], body=body, is_readable=False, headers={"Content-Type": content_type})


def _slow_down(rng: Random, reply: Reply) -> None:
    reply.seconds = 2 ** rng.uniform(-2, 7)


def _rewrite(change: Callable[[bytes], bytes], *, is_readable: bool) -> Fault:
    """Change the bytes of a list of rows."""

    def spoil(_: Random, reply: Reply) -> None:
        if reply.status == 200:
            reply.body, reply.is_readable = change(json.dumps(reply.document).encode()), is_readable

    return spoil


def _rows(change: Callable[[Random, list[Any]], list[Any]], *, is_readable: bool = True) -> Fault:
    """Change the rows, if there are any."""

    def spoil(rng: Random, reply: Reply) -> None:
        if reply.status == 200 and reply.rows:
            reply.rows, reply.is_readable = change(rng, reply.rows), is_readable

    return spoil


def _bad_row(make: Callable[[dict[str, Any]], object]) -> Fault:
    """Make one of the rows malformed."""

    def change(rng: Random, rows: list[Any]) -> list[Any]:
        bad = rng.randrange(len(rows))
        return [make(row) if index == bad else row for index, row in enumerate(rows)]

    return _rows(change, is_readable=False)


def _contradict(rng: Random, rows: list[Any]) -> list[Any]:
    """Repeat some rows with another status, before or after the true one."""
    found = []
    for row in rows:
        other = {**row, "jobStatus": rng.choice(("COMPLETED", "PENDING", "FAILED", "Done", "PONDERING"))}
        found += rng.choice(([row], [row, other], [other, row], [row, row, other]))
    return found


def _respond(status: int) -> Fault:
    """Respond with an error status and a hostile body."""

    def spoil(rng: Random, reply: Reply) -> None:
        message = rng.choice((body_text(rng), [body_text(rng), body_text(rng)], {"a": 1}, None))
        document = {"statusCode": status, "message": message, "error": body_text(rng)}
        page = b"<html>" + header_text(rng).encode()
        reply.status, reply.rows, reply.body = status, [], rng.choice((json.dumps(document).encode(), b"", page))
        reply.headers["X-Request-Id"] = header_text(rng)
        if meaning_of(status, reply.route) is Meaning.FATAL:
            reply.headers["Location"] = f"https://evil.example/?{header_text(rng)}"

    return spoil


# The value of a `Retry-After`, and how many seconds it asks for.
RETRY_AFTERS: tuple[tuple[str, float], ...] = (
    *(("0", 0), ("1", 1), ("3", 3), ("20", 20), ("300", 300), ("86400", 86400), (" 7 ", 7)),
    *(("-5", 0), ("1e3", 0), ("soon", 0), ("", 0), ("9" * 30, 1e30), ("9" * 400, math.inf), ("0x10", 0)),
    *(("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Fri, 31 Dec 9999 23:59:59 GMT", 1e9), ("31 Dec", 0)),
)


def _respond_retry_after(status: int) -> Fault:
    """Respond with a `Retry-After`: a number, a date by the server's clock, or nonsense."""

    def spoil(rng: Random, reply: Reply) -> None:
        _respond(status)(rng, reply)
        if rng.random() < 0.7:
            reply.headers["Retry-After"], reply.retry_after_seconds = rng.choice(RETRY_AFTERS)
            return
        date, seconds = datetime(2026, 6, 11, tzinfo=UTC), rng.choice((-3600, 0, 2, 15, 7200))
        reply.headers["Date"] = format_datetime(date, usegmt=True)
        reply.headers["Retry-After"] = format_datetime(date + timedelta(seconds=seconds), usegmt=True)
        reply.retry_after_seconds = max(0, seconds)

    return spoil


REFUSALS = tuple(f"status-{status}" for status in (401, 403, 301, 302, 307, 402, 405, 410, 418, 422, 451))
PASSING: dict[str, Fault] = {
    "reset": _lose("the connection failed (Connection reset by peer)"),
    "hang-up": _lose("the connection failed (RemoteDisconnected)"),
    "hang-up-midway": _lose("the connection failed (IncompleteRead)"),
    "too-large-response": _lose("a response of more than 16 MiB", is_broken_connection=False),
    "no-response": _set(seconds=math.inf),
    "slow": _slow_down,
    "empty": _send(b""),
    "html": _send(b"<!DOCTYPE html><html><title>One moment</title></html>", "text/html"),
    "broken-json": _send(b'{"jobs": ['),
    "null": _send(b"null"),
    "list": _send(b"[]"),
    "text": _send(b'"jobs"'),
    "jobs-null": _send(b'{"jobs": null}'),
    "jobs-object": _send(b'{"jobs": {}}'),
    "no-jobs": _send(json.dumps({"error": KEY, "message": [KEY, "\r\n::error::x"]}).encode()),
    "not-a-number": _send(b'{"jobs": [], "x": NaN}'),
    "deep": _send(b"[" * 100_000),
    "not-utf-8": _send(b'{"jobs": [], "x": "\xff"}'),
    "truncated": _rewrite(lambda body: body[: len(body) // 2], is_readable=False),
    "utf-16": _rewrite(lambda body: body.decode().encode("utf-16"), is_readable=False),
    "long-number": _rewrite(lambda body: body[:-1] + b', "x": ' + b"9" * 5000 + b"}", is_readable=True),
    "byte-order-mark": _rewrite(lambda body: b"\xef\xbb\xbf" + body, is_readable=True),
    "row-without-id": _bad_row(lambda row: {name: row[name] for name in row if name != "id"}),
    "row-null": _bad_row(lambda _: None),
    "row-id-number": _bad_row(lambda row: {**row, "id": 7}),
    "all-rows-dropped": _rows(lambda _, __: []),
    "some-rows-dropped": _rows(lambda rng, rows: rng.sample(rows, rng.randrange(len(rows)))),
    "rows-doubled": _rows(lambda rng, rows: rng.sample(rows * 2, len(rows) * 2)),
    "rows-shuffled": _rows(lambda rng, rows: rng.sample(rows, len(rows))),
    "rows-contradictory": _rows(_contradict),
    "rows-in-other-case": _rows(lambda _, rows: [{**row, "id": row["id"].swapcase()} for row in rows]),
    "rows-never-asked-for": _rows(
        lambda rng, rows: [{"id": f"alien-{body_text(rng)}", "jobStatus": "COMPLETED"} for _ in range(3)] + rows
    ),
    "rows-with-more-fields": _rows(
        lambda rng, rows: [{**row, "extra": body_text(rng), "deep": {"a": [body_text(rng)]}} for row in rows]
    ),
    **{f"status-{status}": _respond(status) for status in (202, 204, 206, 400, 404, 408, 413, 429)},
    **{f"status-{status}": _respond(status) for status in (500, 502, 503, 504, 520, 599, 600)},
    **{f"retry-after-{status}": _respond_retry_after(status) for status in (429, 503)},
}
FAULTS = PASSING | {name: _respond(int(name.removeprefix("status-"))) for name in REFUSALS}
OUTAGES = ("reset", "no-response", "html", "empty", "status-429", "status-503", "status-500", "retry-after-429", "null")
