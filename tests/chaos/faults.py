"""What can be wrong with an answer: one function a kind, by name; and texts that mean harm."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any

from fini_gate.client.transport import Failure

from .model import Meaning, Reply, Spoil, meaning_of

KEY = "fini_secret_0123456789abcdef"
TEXTS = (
    *("Something went wrong.", "The source is empty.", "", "ü", "a" * 2000),
    *(KEY, f"Bearer {KEY}", f"{'x' * 290}{KEY}", f"{'x' * 490}{KEY}{KEY}"),
    *("\r\n::error::pwned", "::set-output name=result::success", "\n::add-mask::a\n", "  ::stop-commands::x"),
    *("##[error]pwned", "x ##[add-mask]a", "##[group]\r##[endgroup]", "%0A::error::pwned", "\r::warning::pwned"),
    *("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u202ereversed", "a\u2028b\u2029c\x85d", "nul\x00", "half \ud800"),
    *("<img src=x onerror=alert(1)>", "<b>bold</b>", "@octocat", "[link](http://evil.example)", "`code`", "| a | b |"),
    *("a\nresult<<EOF\nsuccess\nEOF\n", "ghadelimiter_x", "$(reboot)", "${{ secrets.KEY }}", "# heading", "- list"),
)
# What a header can hold: no line break ever arrives in one.
HEADER_TEXTS = tuple(text for text in TEXTS if text.isascii() and not {"\r", "\n"} & set(text))


def say(chance: Random) -> str:
    """Make words that an API may say; they fit into a header too."""
    return chance.choice(HEADER_TEXTS) if chance.random() < 0.5 else f"words-{chance.randrange(10**6)}"


def say_worse(chance: Random) -> str:
    """Make words that an API may say in a body."""
    return chance.choice(TEXTS) + chance.choice(TEXTS) if chance.random() < 0.5 else chance.choice(TEXTS)


# What a row of a failed job may carry; the first is what most would.
ERROR_FIELDS: tuple[Callable[[str], dict[str, Any]], ...] = (
    lambda text: {"error": text},
    lambda text: {"error": {"message": text, "code": 7}},
    lambda text: {"errorMessage": text},
    lambda text: {"message": text},
    lambda text: {"failureReason": text},
    lambda text: {"failureReason": {"message": text}},
    lambda text: {"error": None, "message": [text]},
    lambda text: {"error": 42, "errorMessage": {"text": text}},
    lambda text: {"error": {"message": {"message": text}}},
    lambda _: {},
)


def _fail(problem: str, *, is_broken_connection: bool = True) -> Spoil:
    def spoil(chance: Random, reply: Reply, _: float) -> None:
        reply.failure = Failure(problem, is_broken_connection=is_broken_connection)
        reply.seconds *= chance.random()

    return spoil


def _never_answer(_: Random, reply: Reply, __: float) -> None:
    reply.seconds = math.inf


def _answer_slowly(chance: Random, reply: Reply, _: float) -> None:
    reply.seconds = 2 ** chance.uniform(-2, 7)


def _body(body: bytes, content_type: str = "application/json") -> Spoil:
    """Answer 200 with a body that is not to be read as rows."""

    def spoil(_: Random, reply: Reply, __: float) -> None:
        reply.status, reply.rows, reply.body, reply.is_readable = 200, [], body, False
        reply.headers["Content-Type"] = content_type

    return spoil


def _rewrite(change: Callable[[bytes], bytes], *, is_readable: bool) -> Spoil:
    """Change the bytes of an answer that has rows."""

    def spoil(_: Random, reply: Reply, __: float) -> None:
        if reply.status == 200:
            reply.body = change(json.dumps({"jobs": reply.rows}).encode())
            reply.is_readable = is_readable

    return spoil


def _rows(change: Callable[[Random, list[Any]], list[Any]], *, is_readable: bool = True) -> Spoil:
    """Change the rows of an answer that has some."""

    def spoil(chance: Random, reply: Reply, _: float) -> None:
        if reply.status == 200 and reply.rows:
            reply.rows = change(chance, reply.rows)
            reply.is_readable = is_readable

    return spoil


def _with_id(make: Callable[[dict[str, Any]], Any]) -> Callable[[Random, list[Any]], list[Any]]:
    """Change one row."""

    def change(chance: Random, rows: list[Any]) -> list[Any]:
        index = chance.randrange(len(rows))
        return [*rows[:index], make(rows[index]), *rows[index + 1 :]]

    return change


def _shuffled(chance: Random, rows: list[Any]) -> list[Any]:
    return chance.sample(rows, len(rows))


def _some_dropped(chance: Random, rows: list[Any]) -> list[Any]:
    return chance.sample(rows, chance.randrange(len(rows)))


def _contradicted(chance: Random, rows: list[Any]) -> list[Any]:
    """Give some rows twice, the other one with another status, before or after."""
    found = []
    for row in rows:
        other = {**row, "jobStatus": chance.choice(("COMPLETED", "PENDING", "FAILED", "Done", "PONDERING"))}
        found += chance.choice(([row], [row, other], [other, row], [row, row, other]))
    return found


def _in_other_case(chance: Random, rows: list[Any]) -> list[Any]:
    return [{**row, "id": chance.choice((str.upper, str.lower, str.swapcase))(row["id"])} for row in rows]


def _with_aliens(chance: Random, rows: list[Any]) -> list[Any]:
    aliens = [{"id": f"alien-{chance.random()}{say_worse(chance)}", "jobStatus": "COMPLETED"} for _ in range(3)]
    return _shuffled(chance, [*rows, *aliens])


def _with_more_fields(chance: Random, rows: list[Any]) -> list[Any]:
    return [{**row, "extra": say_worse(chance), "deep": {"a": [say_worse(chance)]}, "id": row["id"]} for row in rows]


def _without_id(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def _answer_status(status: int) -> Spoil:
    def spoil(chance: Random, reply: Reply, _: float) -> None:
        message = chance.choice((say_worse(chance), [say_worse(chance), say_worse(chance)], {"a": 1}, None))
        bodies = (
            json.dumps({"statusCode": status, "message": message, "error": say_worse(chance)}).encode(),
            b"",
            b"<html>" + say(chance).encode(),
        )
        reply.status, reply.rows, reply.body = status, [], chance.choice(bodies)
        reply.headers["X-Request-Id"] = say(chance)
        if meaning_of(status) is Meaning.FATAL:
            reply.headers["Location"] = f"https://evil.example/?{say(chance)}"

    return spoil


# A `Retry-After` → how many seconds it asks for, if it is one at all.
RETRY_AFTERS: tuple[tuple[str, float], ...] = (
    *(("0", 0), ("1", 1), ("3", 3), ("20", 20), ("300", 300), ("86400", 86400), (" 7 ", 7)),
    *(("-5", 0), ("1e3", 0), ("soon", 0), ("", 0), ("9" * 30, 1e30), ("9" * 400, math.inf), ("0x10", 0)),
    *(("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Fri, 31 Dec 9999 23:59:59 GMT", 1e9), ("31 Dec", 0)),
)


def _ask_for_patience(status: int) -> Spoil:
    """Answer with a `Retry-After`, as a number, as a date by the server's own clock, or as nonsense."""
    answer = _answer_status(status)

    def spoil(chance: Random, reply: Reply, now: float) -> None:
        answer(chance, reply, now)
        if chance.random() < 0.3:
            seconds = chance.choice((-3600, 0, 2, 15, 7200))
            date = datetime.fromtimestamp(1.8e9 + int(now), UTC)
            reply.headers["Date"] = format_datetime(date, usegmt=True)
            reply.headers["Retry-After"] = format_datetime(date + timedelta(seconds=seconds), usegmt=True)
            reply.retry_after_seconds = max(0, seconds)
        else:
            reply.headers["Retry-After"], reply.retry_after_seconds = chance.choice(RETRY_AFTERS)

    return spoil


_PAGE = b"<!DOCTYPE html><html><title>One moment</title></html>"

REFUSALS = (401, 403, 301, 302, 307, 402, 405, 410, 418, 422, 451)

FAULTS: dict[str, Spoil] = {
    "reset": _fail("the connection failed (Connection reset by peer)"),
    "hang-up": _fail("the connection failed (RemoteDisconnected)"),
    "hang-up-midway": _fail("the connection failed (IncompleteRead)"),
    "too-large-answer": _fail("an answer of more than 16 MiB", is_broken_connection=False),
    "no-answer": _never_answer,
    "slow": _answer_slowly,
    "empty": _body(b""),
    "html": _body(_PAGE, "text/html"),
    "broken-json": _body(b'{"jobs": ['),
    "null": _body(b"null"),
    "list": _body(b"[]"),
    "text": _body(b'"jobs"'),
    "jobs-null": _body(b'{"jobs": null}'),
    "jobs-object": _body(b'{"jobs": {}}'),
    "no-jobs": _body(json.dumps({"error": KEY, "message": [KEY, "\r\n::error::x"]}).encode()),
    "not-a-number": _body(b'{"jobs": [], "x": NaN}'),
    "deep": _body(b"[" * 100_000),
    "not-utf-8": _body(b'{"jobs": [], "x": "\xff"}'),
    "truncated": _rewrite(lambda body: body[: len(body) // 2], is_readable=False),
    "utf-16": _rewrite(lambda body: body.decode().encode("utf-16"), is_readable=False),
    "long-number": _rewrite(lambda body: body[:-1] + b', "x": ' + b"9" * 5000 + b"}", is_readable=True),
    "byte-order-mark": _rewrite(lambda body: b"\xef\xbb\xbf" + body, is_readable=True),
    "row-without-id": _rows(_with_id(_without_id), is_readable=False),
    "row-null": _rows(_with_id(lambda _: None), is_readable=False),
    "row-id-number": _rows(_with_id(lambda row: {**row, "id": 7}), is_readable=False),
    "all-rows-dropped": _rows(lambda _, __: []),
    "some-rows-dropped": _rows(_some_dropped),
    "rows-doubled": _rows(lambda chance, rows: _shuffled(chance, rows * 2)),
    "rows-shuffled": _rows(_shuffled),
    "rows-contradictory": _rows(_contradicted),
    "rows-in-other-case": _rows(_in_other_case),
    "rows-never-asked-for": _rows(_with_aliens),
    "rows-with-more-fields": _rows(_with_more_fields),
    **{f"status-{status}": _answer_status(status) for status in (202, 204, 206, 400, 404, 408, 413, 429)},
    **{f"status-{status}": _answer_status(status) for status in (500, 502, 503, 504, 520, 599, 600)},
    **{f"status-{status}": _answer_status(status) for status in REFUSALS},
    **{f"retry-after-{status}": _ask_for_patience(status) for status in (429, 503)},
}
HEALED_BY_TIME = tuple(name for name in FAULTS if name not in {f"status-{status}" for status in REFUSALS})
OUTAGES = ("reset", "no-answer", "html", "empty", "status-429", "status-503", "status-500", "retry-after-429", "null")
