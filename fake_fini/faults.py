"""Everything that can go wrong with an answer, one kind a row in `KINDS`, and when it is to go wrong.

A fault has two halves: how it changes the answer, and how the answer is put on the wire. Most kinds use one of them.
"""

import json
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any, Final, Protocol, TypeAlias
from uuid import uuid4

from fake_fini.reading import Node
from fake_fini.responses import JSON_TYPE, Response, error_response

_FOREVER: Final = "forever"
_MEGABYTE: Final = 1_000_000
_MOST_MEGABYTES: Final = 10_000
_CHUNK: Final = b" " * 65_536
_MOST_ROWS: Final = 100_000
_FIRST_STATUS: Final = 200
_LAST_STATUS: Final = 599
# What would follow one of these is the next answer to the client.
_STATUSES_WITHOUT_BODY: Final = (204, 304)
_PROXY_PAGE: Final = (
    "<!DOCTYPE html>\n<html><head><title>One moment</title></head>"
    "<body><h1>One moment</h1><p>The proxy is looking for the service.</p></body></html>\n"
)


class Wire(Protocol):
    """The connection as a fault sees it. Every method may raise OSError: the client has left."""

    def send(self, data: bytes) -> None:
        """Send these bytes now."""

    def pause(self, seconds: float) -> None:
        """Wait, shorter where the server ends."""

    def wait_for_client_to_leave(self, seconds: float) -> None:
        """Wait until the client closes the connection, or for so long."""

    def reset(self) -> None:
        """End the connection with RST."""


def _send_whole(response: Response, wire: Wire) -> None:
    wire.send(response.whole())


@dataclass(frozen=True)
class Fault:
    """What is wrong with an answer."""

    alter: Callable[[Response], Response] = lambda response: response
    send: Callable[[Response, Wire], None] = _send_whole
    sends_status: bool = True
    ends_connection: bool = False


NO_FAULT: Final = Fault()


# --- Changes to the answer ---------------------------------------------------------------------------------------

Row: TypeAlias = dict[str, Any]


def _status(value: Node, options: Mapping[str, Node]) -> Fault:
    status = value.whole_number(_FIRST_STATUS, _LAST_STATUS)
    headers = {name: header.text() for name, header in options["headers"].entries().items()}
    body = options["body"].text_or_null()
    content_type = options["content-type"].text()
    date_node = options["retry-after-date"]
    date_seconds = None if date_node.value is None else date_node.seconds()

    def alter(response: Response) -> Response:
        date = {} if date_seconds is None else {"Retry-After": _http_date(date_seconds)}
        encoded = error_response(status).body if body is None else body.encode()
        return response.but(
            status=status,
            body=b"" if status in _STATUSES_WITHOUT_BODY else encoded,
            headers={"Content-Type": content_type, **date, **headers},
        )

    return Fault(alter)


def _http_date(seconds_from_now: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds_from_now), usegmt=True)


def _body(content: bytes, content_type: str) -> Fault:
    return Fault(lambda response: response.but(status=200, body=content, headers={"Content-Type": content_type}))


def _redirect(value: Node, _: Mapping[str, Node]) -> Fault:
    location = value.text()
    return Fault(lambda response: response.but(status=302, body=b"", headers={"Location": location}))


def _mislabel(value: Node, _: Mapping[str, Node]) -> Fault:
    content_type = value.text()
    return Fault(lambda response: response.but(headers={"Content-Type": content_type}))


def _encode(value: Node, _: Mapping[str, Node]) -> Fault:
    charset = value.text()
    try:
        "".encode(charset)
    except (LookupError, ValueError):
        raise value.error("a character encoding that Python knows, such as utf-16") from None

    def alter(response: Response) -> Response:
        body = response.body.decode().encode(charset, "replace")
        return response.but(body=body, headers={"Content-Type": f"application/json; charset={charset}"})

    return Fault(alter)


def _cut_short(response: Response) -> Response:
    return response.but(body=response.body[: len(response.body) // 2])


def _gzip_bomb(value: Node, _: Mapping[str, Node]) -> Fault:
    megabytes = value.whole_number(1, _MOST_MEGABYTES)
    return Fault(
        lambda response: response.but(
            status=200, body=_packed(megabytes), headers={"Content-Type": JSON_TYPE, "Content-Encoding": "gzip"}
        )
    )


@cache
def _packed(megabytes: int) -> bytes:
    # 16 + 15: a gzip header, the largest window.
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + 15)
    return b"".join(packer.compress(b" " * _MEGABYTE) for _ in range(megabytes)) + packer.flush()


def _rows(change: Callable[[list[Row]], list[Row]]) -> Fault:
    """A fault that changes the rows of an answer that has rows, and leaves any other as it is."""

    def alter(response: Response) -> Response:
        payload = json.loads(response.body)
        if isinstance(payload, list):
            payload = change(payload)
        elif isinstance(payload.get("jobs"), list):
            payload = {**payload, "jobs": change(payload["jobs"])}
        return response.but(body=json.dumps(payload).encode())

    return Fault(alter)


def _drop_rows(value: Node, _: Mapping[str, Node]) -> Fault:
    count = sys.maxsize if value.value == "all" else value.whole_number(1, _MOST_ROWS)
    return _rows(lambda rows: rows[count:])


def _contradict_rows(value: Node, _: Mapping[str, Node]) -> Fault:
    status = value.text()
    return _rows(lambda rows: [other for row in rows for other in ({**row, "jobStatus": status}, row)])


def _alien_rows(value: Node, _: Mapping[str, Node]) -> Fault:
    count = value.whole_number(1, _MOST_ROWS)

    def alien() -> Row:
        return {"id": str(uuid4()), "jobStatus": "COMPLETED", "hcArticleId": str(uuid4())}

    return _rows(lambda rows: [*(alien() for _ in range(count)), *rows])


# --- Ways over the wire --------------------------------------------------------------------------------------------


def _hang_up_midway(response: Response, wire: Wire) -> None:
    wire.send(response.head(content_length=len(response.body)) + response.body[: len(response.body) // 2])


def _hang(value: Node, _: Mapping[str, Node]) -> Fault:
    seconds = value.seconds_or(_FOREVER)
    return Fault(send=lambda _, wire: wire.wait_for_client_to_leave(seconds), sends_status=False, ends_connection=True)


def _delay(value: Node, _: Mapping[str, Node]) -> Fault:
    seconds = value.seconds()

    def send(response: Response, wire: Wire) -> None:
        wire.pause(seconds)
        wire.send(response.whole())

    return Fault(send=send)


def _drip(value: Node, options: Mapping[str, Node]) -> Fault:
    interval_seconds = value.seconds()
    is_endless = options["endless"].switch()

    def send(response: Response, wire: Wire) -> None:
        wire.send(response.head(content_length=None if is_endless else len(response.body)))
        for byte in response.body:
            wire.pause(interval_seconds)
            wire.send(bytes([byte]))
        while is_endless:
            wire.pause(interval_seconds)
            # White space after JSON is still JSON.
            wire.send(b" ")

    return Fault(send=send, ends_connection=is_endless)


def _huge(value: Node, _: Mapping[str, Node]) -> Fault:
    size = value.whole_number(1, _MOST_MEGABYTES) * _MEGABYTE

    def send(response: Response, wire: Wire) -> None:
        # The right answer at the end of much white space: too large is all that is wrong with it.
        padding = max(0, size - len(response.body))
        wire.send(response.head(content_length=padding + len(response.body)))
        for start in range(0, padding, len(_CHUNK)):
            wire.send(_CHUNK[: padding - start])
        wire.send(response.body)

    return Fault(send=send)


# --- The table -----------------------------------------------------------------------------------------------------


class _Required:
    """The default of what has none."""


_REQUIRED: Final = _Required()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of fault: its name, its value where the scenario gives none, its options with their defaults."""

    name: str
    read: Callable[[Node, Mapping[str, Node]], Fault]
    example: str
    meaning: str
    value: object = _REQUIRED
    options: Mapping[str, object] = field(default_factory=dict)


def _fixed(fault: Fault) -> Callable[[Node, Mapping[str, Node]], Fault]:
    """A kind that takes no value."""

    def read(value: Node, _: Mapping[str, Node]) -> Fault:
        if value.value is not None:
            raise value.error("no value")
        return fault

    return read


KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind(
            name="status",
            read=_status,
            options={"headers": {}, "body": None, "content-type": JSON_TYPE, "retry-after-date": None},
            example='{status: 429, headers: {Retry-After: "2"}}',
            meaning="this status instead; options: headers, body (a text; without it, Fini's error JSON), content-type,"
            " retry-after-date (a duration: Retry-After as the date so far from now)",
        ),
        Kind(
            name="redirect",
            read=_redirect,
            example='{redirect: "http://127.0.0.1:1/"}',
            meaning="a redirect to there, by 302",
        ),
        Kind(
            name="reset",
            read=_fixed(Fault(send=lambda _, wire: wire.reset(), sends_status=False, ends_connection=True)),
            value=None,
            example="reset",
            meaning="the connection is reset (RST) without an answer",
        ),
        Kind(
            name="hang-up",
            read=_fixed(Fault(send=lambda _, __: None, sends_status=False, ends_connection=True)),
            value=None,
            example="hang-up",
            meaning="the connection is closed without an answer",
        ),
        Kind(
            name="hang-up-midway",
            read=_fixed(Fault(send=_hang_up_midway, ends_connection=True)),
            value=None,
            example="hang-up-midway",
            meaning="the connection is closed after half of the body that the headers promise",
        ),
        Kind(
            name="hang",
            read=_hang,
            value=_FOREVER,
            example="{hang: 5s}",
            meaning="nothing is answered; the connection is closed after so long, or never (forever, which the bare"
            " word means)",
        ),
        Kind(name="delay", read=_delay, example="{delay: 5s}", meaning="the right answer, so much later"),
        Kind(
            name="drip",
            read=_drip,
            options={"endless": False},
            example="{drip: 50ms, endless: true}",
            meaning="the right answer, its body one byte at a time at this interval; option: endless (white space goes"
            " on dripping after it)",
        ),
        Kind(name="huge", read=_huge, example="{huge: 100}", meaning="the right answer, so many megabytes long"),
        Kind(
            name="gzip-bomb",
            read=_gzip_bomb,
            example="{gzip-bomb: 1000}",
            meaning="200, a small gzip body that unpacks to so many megabytes",
        ),
        Kind(
            name="empty",
            read=_fixed(_body(b"", JSON_TYPE)),
            value=None,
            example="empty",
            meaning="200 without a body",
        ),
        Kind(
            name="garbage",
            read=lambda value, options: _body(value.text().encode(), options["content-type"].text()),
            options={"content-type": JSON_TYPE},
            example='{garbage: "null"}',
            meaning="200 with this body; option: content-type",
        ),
        Kind(
            name="html",
            read=_fixed(_body(_PROXY_PAGE.encode(), "text/html; charset=utf-8")),
            value=None,
            example="html",
            meaning="200 with a proxy's HTML page",
        ),
        Kind(
            name="not-json",
            read=_fixed(Fault(_cut_short)),
            value=None,
            example="not-json",
            meaning="the first half of the right body, as if it were all",
        ),
        Kind(
            name="mislabel",
            read=_mislabel,
            example="{mislabel: text/html}",
            meaning="the right answer under this content type",
        ),
        Kind(
            name="encode",
            read=_encode,
            example="{encode: utf-16}",
            meaning="the right answer in this character encoding, and labelled so",
        ),
        Kind(
            name="drop-rows",
            read=_drop_rows,
            value="all",
            example="{drop-rows: 2}",
            meaning="the first so many rows are left out, or all of them (all, which the bare word means)",
        ),
        Kind(
            name="double-rows",
            read=_fixed(_rows(lambda rows: [row for row in rows for _ in range(2)])),
            value=None,
            example="double-rows",
            meaning="each row is given twice",
        ),
        Kind(
            name="contradict-rows",
            read=_contradict_rows,
            value="COMPLETED",
            example="{contradict-rows: FAILED}",
            meaning="each row is given twice, first with this status (COMPLETED)",
        ),
        Kind(
            name="reverse-rows",
            read=_fixed(_rows(lambda rows: rows[::-1])),
            value=None,
            example="reverse-rows",
            meaning="the rows come in reverse order",
        ),
        Kind(
            name="alien-rows",
            read=_alien_rows,
            value=1,
            example="{alien-rows: 3}",
            meaning="so many rows (1) of completed jobs that nobody asked for come first",
        ),
        Kind(
            name="rows-without-ids",
            read=_fixed(
                _rows(lambda rows: [{name: value for name, value in row.items() if name != "id"} for row in rows])
            ),
            value=None,
            example="rows-without-ids",
            meaning="each row lacks its id",
        ),
    )
}


def read_fault(node: Node) -> Fault:
    """Read `do`: the name of a kind, or a mapping from it to its value with its options beside it."""
    mapping = {node.value: _REQUIRED} if isinstance(node.value, str) else node.value
    name = next((key for key in mapping if key in KINDS), None) if isinstance(mapping, Mapping) else None
    if name is None:
        raise node.error(f"one of {', '.join(KINDS)}")
    kind = KINDS[name]
    given = {} if isinstance(node.value, str) else node.value
    fields = Node(given, node.place).fields({name: kind.value, **kind.options})
    if fields[name].value is _REQUIRED:
        raise node.error(f"a value too, such as {kind.example}")
    return kind.read(fields[name], fields)
