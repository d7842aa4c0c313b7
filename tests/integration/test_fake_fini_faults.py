"""What the stand-in can make go wrong, byte by byte, and when."""

import gzip
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.integration.clients import ask, connected, request, rows, send, serving, wait_until
from tests.unit.fake_transport import Clock

JOBS = [{"id": "a", "article-id": "article-a"}, {"id": "b", "runs-for": "never"}]
HTML = b"<!DOCTYPE html>\n<html><head><title>One moment</title></head><body><h1>One moment</h1></body></html>\n"
JSON_TYPE = "application/json; charset=utf-8"
UTF_16 = {"content-type": "application/json; charset=utf-16"}
TEXT = {"status": 503, "body": "<h1>down</h1>", "content-type": "text/html"}
TEXT["headers"] = {"Retry-After": "2", "x-request-id": "the-proxy's"}


def error_body(status: int, error: str) -> bytes:
    """Return Fini's error JSON."""
    return f'{{"statusCode": {status}, "message": "{error}", "error": "{error}"}}'.encode()


@pytest.mark.parametrize(
    ("fault", "status", "headers", "change"),
    [
        ({"status": 429}, 429, {"retry-after": None}, lambda _: error_body(429, "Too Many Requests")),
        ({"status": 520}, 520, {"content-type": JSON_TYPE}, lambda _: error_body(520, "Unknown")),
        (TEXT, 503, {"retry-after": "2", "content-type": "text/html"}, lambda _: b"<h1>down</h1>"),
        (TEXT, 503, {"x-request-id": "the-proxy's"}, lambda _: b"<h1>down</h1>"),
        ({"status": 204}, 204, {}, lambda _: b""),
        ({"status": 304}, 304, {}, lambda _: b""),
        ({"redirect": "http://127.0.0.1:1/"}, 302, {"location": "http://127.0.0.1:1/"}, lambda _: b""),
        ("empty", 200, {"content-type": JSON_TYPE}, lambda _: b""),
        ({"garbage": "null"}, 200, {"content-type": JSON_TYPE}, lambda _: b"null"),
        ({"garbage": "hi", "content-type": "text/plain"}, 200, {"content-type": "text/plain"}, lambda _: b"hi"),
        ({"mislabel": "text/html"}, 200, {"content-type": "text/html"}, bytes),
        ("not-json", 200, {"content-type": JSON_TYPE}, lambda body: body[: len(body) // 2]),
        ({"encode": "utf-16"}, 200, UTF_16, lambda body: body.decode().encode("utf-16")),
        ("html", 200, {"content-type": "text/html; charset=utf-8"}, lambda _: HTML),
        ({"delay": "20ms"}, 200, {}, bytes),
        ({"drip": "0.2ms"}, 200, {}, bytes),
        ({"huge": 3}, 200, {}, lambda body: body.rjust(3_000_000)),
    ],
)
def test_response__is_altered(
    fault: object, status: int, headers: dict[str, str | None], change: Callable[[bytes], bytes]
) -> None:
    """The response has its own length, so that nothing is wrong but what the fault says."""
    with serving(*JOBS, faults=[{"do": fault, "requests": 1}]) as api:
        altered, correct = ask(api, "a"), ask(api, "a")
    assert altered.status == status
    assert {name: altered.headers.get(name) for name in headers} == headers
    assert altered.body == change(correct.body)
    assert altered.headers["content-length"] == str(len(altered.body))


def test_status__can_give_retry_after_as_a_date() -> None:
    """The date is as far ahead as the scenario says."""
    with serving(faults=[{"do": {"status": 429, "retry-after-date": "1h"}}]) as api:
        date = parsedate_to_datetime(ask(api, "a").headers["retry-after"])
    assert 3500 < (date - datetime.now(UTC)).total_seconds() <= 3600


def test_gzip_bomb__is_small_and_unpacks_to_its_size() -> None:
    """A small body that is labelled as gzip contains a large one."""
    with serving(faults=[{"do": {"gzip-bomb": 3}}]) as api:
        received = ask(api, "a")
    assert received.headers["content-encoding"] == "gzip"
    assert len(gzip.decompress(received.body)) == 3_000_000 > 100 * len(received.body)


@pytest.mark.parametrize(
    ("fault", "was_reset"), [("reset", True), ("hang-up", False), ({"hang": "20ms"}, False), ({"hang": 0}, False)]
)
def test_connection__ends_without_a_response(fault: object, *, was_reset: bool) -> None:
    """The client sees a reset or an orderly end; no status is recorded."""
    with serving(*JOBS, faults=[{"do": fault}]) as api:
        received = ask(api, "a")
        assert [recorded.status for recorded in api.requests] == [None]
    assert (received.status, received.was_reset) == (0, was_reset)


def test_connection__ends_midway() -> None:
    """The headers announce the whole body, and half of it comes."""
    with serving(*JOBS, faults=[{"do": "hang-up-midway", "requests": 1}]) as api:
        half, whole = ask(api, "a"), ask(api, "a")
        assert [recorded.status for recorded in api.requests] == [200, 200]
    assert half.headers["content-length"] == whole.headers["content-length"]
    assert half.body == whole.body[: len(whole.body) // 2]


@pytest.mark.parametrize(
    ("scenario", "status"),
    [
        ({"faults": [{"do": "hang"}]}, None),
        ({"faults": [{"do": {"hang": "forever"}}]}, None),
        ({"faults": [{"do": {"hang": "1h"}}]}, None),
        ({"faults": [{"do": {"delay": "1h"}}]}, 200),
        ({"latency": "1h"}, 200),
    ],
)
def test_connection__stays_open_and_silent(scenario: dict[str, Any], status: int | None) -> None:
    """Nothing comes."""
    with serving(*JOBS, **scenario) as api, connected(api.url) as connection:
        connection.settimeout(0.05)
        connection.sendall(request({"jobIds": ["a"]}))
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert [recorded.status for recorded in api.requests] == [status]


def test_drip__can_be_endless() -> None:
    """The correct response is followed by white space for as long as the client reads."""
    with serving(*JOBS, faults=[{"do": {"drip": 0, "endless": True}}]) as api, connected(api.url) as connection:
        connection.sendall(request({"jobIds": ["a"]}))
        received = b""
        while not received.endswith(b" " * 100):
            received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-length" not in head.lower()
    assert body.startswith(b'{"jobs": [{"id": "a"')


@pytest.mark.parametrize(
    "fault", ["hang", {"delay": "1h"}, {"drip": "1h"}, {"drip": 0, "endless": True}, {"huge": 100}]
)
def test_server__ends_during_any_fault(fault: object) -> None:
    """Neither a fault that goes on nor an idle client delays other clients or keeps the stand-in from ending."""
    threads = threading.active_count()
    with ExitStack() as connections:
        with serving(*JOBS, faults=[{"do": fault, "requests": 1}]) as api:
            idle, connection = (connections.enter_context(connected(api.url)) for _ in range(2))
            connection.sendall(request({"jobIds": ["a"]}))
            wait_until(lambda: api.requests)
            assert len(rows(api, "a")) == 1
        assert idle.recv(1) == b""
        wait_until(lambda: threading.active_count() == threads)
        assert threading.active_count() == threads


A, B, ALIEN = ("a", "COMPLETED"), ("b", "IN_PROGRESS"), ("alien", "COMPLETED")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("drop-rows", []),
        ({"drop-rows": "all"}, []),
        ({"drop-rows": 1}, [B]),
        ("double-rows", [A, A, B, B]),
        ("contradict-rows", [A, A, ("b", "COMPLETED"), B]),
        ({"contradict-rows": "FAILED"}, [("a", "FAILED"), A, ("b", "FAILED"), B]),
        ("reverse-rows", [B, A]),
        ("alien-rows", [ALIEN, A, B]),
        ({"alien-rows": 3}, [ALIEN, ALIEN, ALIEN, A, B]),
        ("rows-without-ids", [("absent", "COMPLETED"), ("absent", "IN_PROGRESS")]),
    ],
)
def test_rows__are_changed(fault: object, expected: list[tuple[str, str]]) -> None:
    """The response is well formed, but its rows are wrong; an error has no rows and stays as it is."""
    names = {"a": "a", "b": "b", None: "absent"}
    with serving(*JOBS, faults=[{"do": fault}]) as api:
        found, error = rows(api, "a", "b"), ask(api, "lost")
    assert [(names.get(row.get("id"), "alien"), row["jobStatus"]) for row in found] == expected
    aliens = {(row["id"], row["hcArticleId"]) for row in found if row.get("id") not in names}
    assert len(aliens) == expected.count(ALIEN)
    assert error.payload["statusCode"] == 404


def test_rows__of_articles_are_changed_too() -> None:
    """A list of articles is a list of rows; each route counts its own requests."""
    with serving(*JOBS, faults=[{"route": "articles", "requests": 2, "do": {"drop-rows": 1}}]) as api:
        ask(api, "a")
        found = [send(api, request({"articleIds": ["article-a"]}, "articles")).payload for _ in range(2)]
    assert [len(articles) for articles in found] == [1, 0]


SOURCES = request(b"", "sources", method="GET")


@pytest.mark.parametrize(
    ("route", "fault", "data", "change"),
    [
        ("sources", "contradict-rows", SOURCES, lambda rows: [{**rows[0], "linkedJobStatus": "COMPLETED"}, *rows]),
        ("sources", "double-rows", SOURCES, lambda rows: rows * 2),
        ("sources", "drop-rows", SOURCES, lambda _: []),
        (
            "articles",
            "contradict-drafts",
            request({"articleIds": ["article-a"]}, "articles"),
            lambda rows: [{**rows[0], "isDraftPublished": is_published} for is_published in (True, False)],
        ),
        # A record and a list of IDs are no rows.
        ("source", "double-rows", request(b"", "/v2/documents/public/doc", method="GET"), lambda record: record),
        ("refresh", "alien-rows", request({"documentIds": ["doc"]}, "refresh"), lambda ids: ids),
    ],
)
def test_rows__may_be_articles_and_sources(
    route: str, fault: object, data: bytes, change: Callable[[object], object]
) -> None:
    """Faults of rows change them, too."""
    job = {"id": "c", "document-id": "doc", "runs-for": "never"}
    with serving(*JOBS, job, faults=[{"route": route, "do": fault, "requests": 1}]) as api:
        payloads = [send(api, data).payload for _ in range(2)]
    altered, correct = (payload["documents"] if route == "sources" else payload for payload in payloads)
    assert altered == change(correct)


DOWN: dict[str, Any] = {"do": {"status": 503}}


@pytest.mark.parametrize(
    ("rules", "failing"),
    [
        ([{**DOWN, "requests": "all"}], [1, 2, 3, 4, 5, 6, 7, 8]),
        ([{**DOWN, "requests": 2}], [2]),
        ([{**DOWN, "requests": [1, 4]}], [1, 4]),
        ([{**DOWN, "requests": "3-5"}], [3, 4, 5]),
        ([{**DOWN, "requests": "6-"}], [6, 7, 8]),
        ([{**DOWN, "requests": "every 3"}], [3, 6]),
        ([{**DOWN, "requests": "every 2", "at-most": 2}], [2, 4]),
        ([{**DOWN, "between": ["2s", "4s"]}], [3, 4]),
        ([{**DOWN, "more-ids-than": 1}], [2, 4, 6, 8]),
        ([{"do": "double-rows", "at-most": 1}, DOWN], [2, 3, 4, 5, 6, 7, 8]),
        ([{**DOWN, "route": "articles"}], []),
    ],
)
def test_conditions__choose_requests(rules: list[object], failing: list[int]) -> None:
    """One request per second, counted from 1, every other one for two jobs; the first rule that applies counts."""
    clock, statuses = Clock(), []
    with serving(*JOBS, clock=clock, faults=rules) as api:
        for number in range(1, 9):
            statuses.append(ask(api, *"ab"[: 2 - number % 2]).status)
            clock.now += 1
    assert [number for number, status in enumerate(statuses, start=1) if status == 503] == failing
