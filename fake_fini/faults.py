"""Everything that can go wrong with a response: `KINDS` lists it."""

import json
import math
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import uuid4

from fake_fini.messages import JSON_TYPE, Response, Step, error_response
from fake_fini.reading import Node, Parser, accept, duration, duration_or, read_arguments, text, whole_number

Fault: TypeAlias = Callable[[Response], Response]
"""Turns the correct response into the one that is sent."""
_Row: TypeAlias = dict[str, Any]

_SPACES: Final = b" " * 1_000_000
_HTML: Final = b"<!DOCTYPE html>\n<html><head><title>One moment</title></head><body><h1>One moment</h1></body></html>\n"
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_REQUIRED: Final = object()


class Kind(NamedTuple):
    """A kind of fault. `make` takes its value (for the bare name, the default) and its options as keyword arguments."""

    make: Callable[..., Fault]
    parse: Parser
    default: object = _REQUIRED


def read_fault(node: Node) -> Fault:
    """Read `do`: the name of a kind, or a mapping from it to its value, with options beside it."""
    given = dict(node.value) if isinstance(node.value, Mapping) else {}
    name = next((name for name in KINDS if name in given or name == node.value), None)
    if name is None:
        raise node.error(f"one of {', '.join(KINDS)}")
    make, parse, value = KINDS[name]
    if name in given:
        value = parse(Node(given.pop(name), f"{node.place}.{name}"))
    if value is _REQUIRED:
        raise node.error(f"{name} with a value")
    return make(value, **read_arguments(Node(given, node.place), make))


def _plain(fault: Fault) -> Kind:
    """Return a kind that takes no value."""
    return Kind(lambda _: fault, accept(lambda value: value is None, "no value"), None)


def _altered(headers: Mapping[str, str] = _NO_HEADERS, **fields: Any) -> Fault:  # noqa: ANN401 - each has its own type
    """Return a fault that adds headers and replaces fields."""
    return lambda response: replace(response, headers={**response.headers, **headers}, **fields)


def _with_rows(change: Callable[[list[_Row]], list[_Row]]) -> Fault:
    """Return a fault that changes rows, which are objects; a response without rows stays as it is."""

    def alter(response: Response) -> Response:
        payload = json.loads(response.body)
        rows = payload if isinstance(payload, list) else payload.get("jobs", payload.get("documents"))
        if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
            rows[:] = change(rows)
        return replace(response, body=json.dumps(payload).encode())

    return alter


def _status(
    status: int,
    *,
    headers: Mapping[str, str] = _NO_HEADERS,
    body: str | None = None,
    content_type: str = JSON_TYPE,
    retry_after_date: float | None = None,
) -> Fault:
    content = error_response(status).body if body is None else body.encode()
    if status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        content = b""  # a client would take a body for the next response

    def alter(response: Response) -> Response:
        added = {"Content-Type": content_type}
        if retry_after_date is not None:
            date = datetime.now(UTC) + timedelta(seconds=retry_after_date)
            added["Retry-After"] = format_datetime(date, usegmt=True)
        return _altered({**added, **headers}, status=status, body=content)(response)

    return alter


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _hang_up_midway(response: Response) -> Response:
    return replace(response, steps=(response.head(len(response.body)), _half(response.body)), ending="close")


def _drip(interval: float, *, endless: bool = False) -> Fault:
    def steps(response: Response) -> Iterator[Step]:
        yield response.head(None if endless else len(response.body))
        for byte in response.body:
            yield interval
            yield bytes([byte])
        while endless:
            yield interval
            yield b" "

    return lambda response: replace(response, steps=steps(response), ending="close" if endless else "keep")


def _huge(megabytes: int) -> Fault:
    def alter(response: Response) -> Response:
        chunks = [*[_SPACES] * (megabytes - 1), _SPACES[len(response.body) :], response.body]
        return replace(response, steps=(response.head(sum(map(len, chunks))), *chunks))

    return alter


@cache
def _compressed_spaces(megabytes: int) -> bytes:
    # 1: the fastest; 16 + 15: a gzip header, the largest window.
    compressor = zlib.compressobj(1, zlib.DEFLATED, 16 + 15)
    return b"".join(compressor.compress(_SPACES) for _ in range(megabytes)) + compressor.flush()


def _gzip_bomb(megabytes: int) -> Fault:
    alter = _altered({"Content-Type": JSON_TYPE, "Content-Encoding": "gzip"}, status=200)
    return lambda response: replace(alter(response), body=_compressed_spaces(megabytes))


def _garbage(body: str, *, content_type: str = JSON_TYPE) -> Fault:
    return _altered({"Content-Type": content_type}, status=200, body=body.encode())


def _is_charset(value: object) -> bool:
    try:
        "".encode(str(value))
    except (LookupError, ValueError):
        return False
    return isinstance(value, str)


def _encode(charset: str) -> Fault:
    alter = _altered({"Content-Type": f"application/json; charset={charset}"})
    return lambda response: replace(alter(response), body=response.body.decode().encode(charset, "replace"))


def _contradict_rows(status: str) -> Fault:
    return _with_rows(lambda rows: [sent for row in rows for sent in ({**row, _status_field(row): status}, row)])


def _status_field(row: _Row) -> str:
    return "linkedJobStatus" if "linkedJobStatus" in row else "jobStatus"


def _contradict_drafts(rows: list[_Row]) -> list[_Row]:
    return [{**row, "isDraftPublished": is_published} for row in rows for is_published in (True, False)]


def _alien() -> _Row:
    return {"id": str(uuid4()), "jobStatus": "COMPLETED", "hcArticleId": str(uuid4())}


_megabytes: Final = whole_number(1, 10_000)
_row_count: Final = whole_number(1, 100_000)


def _row_count_or_all(node: Node) -> int:
    return sys.maxsize if node.value == "all" else int(_row_count(node))


KINDS: Final[Mapping[str, Kind]] = {
    "status": Kind(_status, whole_number(200, 599)),
    "redirect": Kind(lambda location: _altered({"Location": location}, status=302, body=b""), text),
    "reset": _plain(_altered(status=None, steps=(), ending="reset")),
    "hang-up": _plain(_altered(status=None, steps=(), ending="close")),
    "hang-up-midway": _plain(_hang_up_midway),
    "hang": Kind(lambda wait: _altered(status=None, steps=(wait,), ending="close"), duration_or("forever"), math.inf),
    "delay": Kind(lambda wait: lambda response: replace(response, steps=(wait, response.to_bytes())), duration),
    "drip": Kind(_drip, duration),
    "huge": Kind(_huge, _megabytes),
    "gzip-bomb": Kind(_gzip_bomb, _megabytes),
    "empty": _plain(_altered({"Content-Type": JSON_TYPE}, status=200, body=b"")),
    "garbage": Kind(_garbage, text),
    "html": _plain(_altered({"Content-Type": "text/html; charset=utf-8"}, status=200, body=_HTML)),
    "not-json": _plain(lambda response: replace(response, body=_half(response.body))),
    "mislabel": Kind(lambda content_type: _altered({"Content-Type": content_type}), text),
    "encode": Kind(_encode, accept(_is_charset, "a character encoding that Python knows, such as utf-16")),
    "drop-rows": Kind(lambda count: _with_rows(lambda rows: rows[count:]), _row_count_or_all, sys.maxsize),
    "double-rows": _plain(_with_rows(lambda rows: [row for row in rows for _ in range(2)])),
    "contradict-rows": Kind(_contradict_rows, text, "COMPLETED"),
    "contradict-drafts": _plain(_with_rows(_contradict_drafts)),
    "reverse-rows": _plain(_with_rows(lambda rows: rows[::-1])),
    "alien-rows": Kind(
        lambda count: _with_rows(lambda rows: [*(_alien() for _ in range(count)), *rows]), _row_count, 1
    ),
    "rows-without-ids": _plain(
        _with_rows(lambda rows: [{key: row[key] for key in row if key != "id"} for row in rows])
    ),
}
