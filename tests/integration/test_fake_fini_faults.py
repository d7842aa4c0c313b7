"""What the stand-in can make go wrong, byte by byte, and when."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from fake_fini import FakeFini, Scenario

STATUS_ROUTE: Final = "/v2/knowledge/public/jobs/status"
ARTICLES_ROUTE: Final = "/v2/hc-articles/ids/public"
JOBS: Final = [{"id": "a", "article-id": "article-a"}, {"id": "b", "runs-for": "never"}]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


@dataclass(frozen=True)
class Raw:
    """An answer as it came over the wire, and whether the connection ended by a reset."""

    status: int
    headers: dict[str, str]
    body: bytes
    was_reset: bool = False

    @property
    def payload(self) -> Any:  # noqa: ANN401 - JSON
        """The body as JSON."""
        return json.loads(self.body)


@contextmanager
def connected(api: FakeFini) -> Iterator[socket.socket]:
    """A connection of its own."""
    parts = urlsplit(api.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        yield connection


def send_request(connection: socket.socket, path: str, payload: object, *, close: bool = True) -> None:
    """Send a request, by default the last on its connection."""
    body = json.dumps(payload)
    head = [
        f"POST {path} HTTP/1.1",
        "Authorization: Bearer fini_demo_key",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(["Connection: close"] if close else []),
    ]
    connection.sendall("\r\n".join([*head, "", body]).encode())


def ask(api: FakeFini, *job_ids: str, path: str = STATUS_ROUTE, field: str = "jobIds") -> Raw:
    """Ask on a connection of its own, and take all that comes until it ends; status 0 where nothing comes."""
    with connected(api) as connection:
        send_request(connection, path, {field: job_ids or ("a", "b")})
        received, was_reset = b"", False
        try:
            while chunk := connection.recv(65_536):
                received += chunk
        except ConnectionResetError:
            was_reset = True
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return Raw(int(lines[0].split()[1]) if received else 0, headers, body, was_reset)


@contextmanager
def serving(*faults: object, clock: Clock | None = None) -> Iterator[FakeFini]:
    """A stand-in with two jobs and these faults; a fault without conditions may be given as what it does."""
    rules = [fault if isinstance(fault, dict) and "do" in fault else {"do": fault} for fault in faults]
    with FakeFini(Scenario.from_mapping({"jobs": JOBS, "faults": rules}), clock=clock or Clock()) as api:
        yield api


def test_status__replaces_the_answer_by_an_error_in_the_documented_form() -> None:
    """Without a body of the scenario's, the error is Fini's own."""
    with serving({"status": 429}) as api:
        answer = ask(api)
    assert answer.status == 429
    assert answer.payload == {"statusCode": 429, "message": "Too Many Requests", "error": "Too Many Requests"}
    assert "retry-after" not in answer.headers


def test_status__takes_headers_body_and_content_type() -> None:
    """A proxy's error looks as the scenario says; a header that the answer has anyway is replaced."""
    fault = {
        "status": 503,
        "headers": {"Retry-After": "2", "x-request-id": "from-the-proxy"},
        "body": "<h1>down</h1>",
        "content-type": "text/html",
    }
    with serving(fault) as api:
        answer = ask(api)
    assert (answer.status, answer.body) == (503, b"<h1>down</h1>")
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["x-request-id"] == "from-the-proxy"
    assert answer.headers["content-type"] == "text/html"


def test_status__gives_retry_after_as_a_date() -> None:
    """The date lies as far ahead as the scenario says."""
    with serving({"status": 429, "retry-after-date": "1h"}) as api:
        answer = ask(api)
    ahead = parsedate_to_datetime(answer.headers["retry-after"]) - datetime.now(UTC)
    assert 3500 < ahead.total_seconds() <= 3600


def test_status__may_be_one_without_a_name() -> None:
    """A status that no standard knows is sent all the same."""
    with serving({"status": 520}) as api:
        assert ask(api).payload == {"statusCode": 520, "message": "Unknown", "error": "Unknown"}


@pytest.mark.parametrize("status", [204, 304])
def test_status__sends_no_body_where_none_may_follow(status: int) -> None:
    """The next answer on the connection is not mistaken for a body."""
    with serving({"status": status}) as api:
        assert ask(api).body == b""


def test_redirect__names_the_other_place() -> None:
    """A 302 with a location, without a body."""
    with serving({"redirect": "http://127.0.0.1:1/"}) as api:
        answer = ask(api)
    assert (answer.status, answer.headers["location"], answer.body) == (302, "http://127.0.0.1:1/", b"")


def test_reset__ends_the_connection_by_rst() -> None:
    """The client sees a reset, not an orderly end."""
    with serving("reset") as api:
        answer = ask(api)
        assert [request.status for request in api.requests] == [None]
    assert (answer.status, answer.was_reset) == (0, True)


def test_hang_up__ends_the_connection_in_order() -> None:
    """The client sees the end where it expects an answer."""
    with serving("hang-up") as api:
        answer = ask(api)
        assert [request.status for request in api.requests] == [None]
    assert (answer.status, answer.was_reset) == (0, False)


def test_hang_up_midway__breaks_off_in_the_body() -> None:
    """The headers promise the whole body, half of it comes."""
    with serving({"do": "hang-up-midway", "requests": 1}) as api:
        half, whole = ask(api), ask(api)
        assert [request.status for request in api.requests] == [200, 200]
    assert half.headers["content-length"] == whole.headers["content-length"]
    assert half.body == whole.body[: len(whole.body) // 2]


@pytest.mark.parametrize("fault", ["hang", {"hang": "forever"}, {"hang": "1h"}])
def test_hang__answers_nothing(fault: object) -> None:
    """The connection stays open, and silent."""
    with serving(fault) as api, connected(api) as connection:
        connection.settimeout(0.1)
        send_request(connection, STATUS_ROUTE, {"jobIds": ["a"]})
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert [request.status for request in api.requests] == [None]


@pytest.mark.parametrize("duration", ["20ms", 0])
def test_hang__ends_the_connection_after_its_time(duration: object) -> None:
    """A hang of a given length ends without an answer."""
    with serving({"hang": duration}) as api:
        answer = ask(api)
    assert (answer.status, answer.was_reset) == (0, False)


def test_hang__lets_go_of_a_client_that_leaves() -> None:
    """No thread is left behind for a client that has given up."""
    with serving("hang") as api:
        threads_before = threading.active_count()
        with connected(api) as connection:
            send_request(connection, STATUS_ROUTE, {"jobIds": ["a"]})
            while not api.requests:
                time.sleep(0.005)
        while threading.active_count() > threads_before:
            time.sleep(0.005)


def test_delay__sends_the_right_answer_later() -> None:
    """Nothing comes at first, then all of it."""
    with serving({"delay": "100ms"}) as api, connected(api) as connection:
        connection.settimeout(0.03)
        send_request(connection, STATUS_ROUTE, {"jobIds": ["a"]})
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(5)
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_drip__sends_the_right_answer_byte_by_byte() -> None:
    """The body comes whole in the end, and takes its time."""
    with serving({"do": {"drip": "0.2ms"}, "requests": 1}) as api:
        started = time.monotonic()
        dripped = ask(api)
        assert time.monotonic() - started >= 0.0002 * len(dripped.body)
        whole = ask(api)
    assert dripped.body == whole.body


def test_drip__may_never_end() -> None:
    """After the right answer there comes white space, for as long as the client cares to read."""
    with serving({"drip": 0, "endless": True}) as api, connected(api) as connection:
        send_request(connection, STATUS_ROUTE, {"jobIds": ["a"]})
        received = b""
        while not received.endswith(b" " * 100):
            received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-length" not in head.lower()
    assert json.loads(body)["jobs"][0]["id"] == "a"


def test_huge__pads_the_right_answer() -> None:
    """The answer has the size asked for, and is right."""
    with serving({"huge": 3}) as api:
        answer = ask(api)
    assert len(answer.body) == int(answer.headers["content-length"]) == 3_000_000
    assert len(answer.payload["jobs"]) == 2


def test_gzip_bomb__unpacks_to_its_size() -> None:
    """A small body that says it is gzip holds a large one."""
    with serving({"gzip-bomb": 3}) as api:
        answer = ask(api)
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < 10_000
    assert len(gzip.decompress(answer.body)) == 3_000_000


@pytest.mark.parametrize(
    ("fault", "content_type", "body"),
    [
        ("empty", "application/json; charset=utf-8", b""),
        ({"garbage": "null"}, "application/json; charset=utf-8", b"null"),
        ({"garbage": "hello", "content-type": "text/plain"}, "text/plain", b"hello"),
    ],
)
def test_body__is_replaced(fault: object, content_type: str, body: bytes) -> None:
    """A 200 with another body."""
    with serving(fault) as api:
        answer = ask(api)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, content_type, body)


def test_html__is_a_page_with_200() -> None:
    """A proxy's page in place of the answer."""
    with serving("html") as api:
        answer = ask(api)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.body.startswith(b"<!DOCTYPE html>")


def test_not_json__cuts_the_body_but_not_the_answer() -> None:
    """The answer is whole as HTTP, and broken as JSON."""
    with serving("not-json") as api:
        answer = ask(api)
    assert len(answer.body) == int(answer.headers["content-length"])
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)


def test_mislabel__keeps_the_body() -> None:
    """The right answer under another content type."""
    with serving({"mislabel": "text/html"}) as api:
        answer = ask(api)
    assert (answer.headers["content-type"], len(answer.payload["jobs"])) == ("text/html", 2)


def test_encode__changes_the_body_s_encoding() -> None:
    """The right answer in the encoding that its label names."""
    with serving({"encode": "utf-16"}) as api:
        answer = ask(api)
    assert answer.headers["content-type"] == "application/json; charset=utf-16"
    assert len(json.loads(answer.body.decode("utf-16"))["jobs"]) == 2


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("drop-rows", []),
        ({"drop-rows": "all"}, []),
        ({"drop-rows": 1}, [("b", "IN_PROGRESS")]),
        (
            "double-rows",
            [("a", "COMPLETED"), ("a", "COMPLETED"), ("b", "IN_PROGRESS"), ("b", "IN_PROGRESS")],
        ),
        (
            "contradict-rows",
            [("a", "COMPLETED"), ("a", "COMPLETED"), ("b", "COMPLETED"), ("b", "IN_PROGRESS")],
        ),
        (
            {"contradict-rows": "FAILED"},
            [("a", "FAILED"), ("a", "COMPLETED"), ("b", "FAILED"), ("b", "IN_PROGRESS")],
        ),
        ("reverse-rows", [("b", "IN_PROGRESS"), ("a", "COMPLETED")]),
        ("rows-without-ids", [(None, "COMPLETED"), (None, "IN_PROGRESS")]),
    ],
)
def test_rows__are_changed(fault: object, expected: list[tuple[str | None, str]]) -> None:
    """The answer is well formed, its rows are not what they ought to be."""
    with serving(fault) as api:
        answer = ask(api)
    assert answer.status == 200
    assert [(row.get("id"), row["jobStatus"]) for row in answer.payload["jobs"]] == expected


@pytest.mark.parametrize(("fault", "count"), [("alien-rows", 1), ({"alien-rows": 3}, 3)])
def test_rows__of_jobs_that_nobody_asked_for_come_first(fault: object, count: int) -> None:
    """Alien rows look as if completed, and the right rows follow."""
    with serving(fault) as api:
        rows = ask(api).payload["jobs"]
    assert [row["id"] for row in rows[count:]] == ["a", "b"]
    assert all(row["jobStatus"] == "COMPLETED" and row["hcArticleId"] for row in rows[:count])
    assert len({row["id"] for row in rows}) == count + 2


@pytest.mark.parametrize("fault", ["drop-rows", "rows-without-ids", "alien-rows", "contradict-rows"])
def test_rows__leave_an_error_as_it_is(fault: str) -> None:
    """What has no rows is not changed."""
    with serving(fault) as api:
        assert ask(api, "lost").payload["statusCode"] == 404


def test_rows__of_articles_can_be_changed_too() -> None:
    """A list of articles is a list of rows."""
    with serving({"route": "articles", "do": {"drop-rows": 1}}) as api:
        ask(api)
        answer = ask(api, "article-a", path=ARTICLES_ROUTE, field="articleIds")
    assert (answer.status, answer.payload) == (200, [])


@pytest.mark.parametrize(
    ("requests", "hit"),
    [
        ("all", [1, 2, 3, 4, 5, 6, 7]),
        (2, [2]),
        ([1, 4], [1, 4]),
        ("3-5", [3, 4, 5]),
        ("6-", [6, 7]),
        ("every 3", [3, 6]),
    ],
)
def test_when__a_request_is_chosen_by_its_number(requests: object, hit: list[int]) -> None:
    """Requests are counted from one."""
    with serving({"requests": requests, "do": {"status": 503}}) as api:
        assert [number for number in range(1, 8) if ask(api).status == 503] == hit


def test_when__each_route_counts_its_own_requests() -> None:
    """A request to another route neither counts nor is hit."""
    with serving({"route": "status", "requests": 1, "do": {"status": 503}}) as api:
        assert ask(api, path=ARTICLES_ROUTE, field="articleIds").status == 200
        assert ask(api).status == 503


def test_when__a_fault_ends_after_so_many_times() -> None:
    """`at-most` counts the times that it happened."""
    with serving({"requests": "every 2", "at-most": 2, "do": {"status": 503}}) as api:
        assert [ask(api).status for _ in range(8)] == [200, 503, 200, 503, 200, 200, 200, 200]


def test_when__a_fault_lasts_for_a_time() -> None:
    """`between` counts from the scenario's time zero, its end left out."""
    clock = Clock()
    with serving({"between": ["2s", "4s"], "do": {"status": 503}}, clock=clock) as api:
        statuses = []
        for _ in range(5):
            statuses.append(ask(api).status)
            clock.now += 1
    assert statuses == [200, 200, 503, 503, 200]


def test_when__a_fault_needs_a_large_request() -> None:
    """`more-ids-than` makes a limit that a smaller request gets under."""
    with serving({"more-ids-than": 1, "do": {"status": 413}}) as api:
        assert [ask(api, "a", "b").status, ask(api, "a").status] == [413, 200]


def test_when__the_first_of_several_faults_happens() -> None:
    """Faults do not add up; one that is used up makes room for the next."""
    with serving({"at-most": 1, "do": {"status": 502}}, {"do": {"status": 503}}) as api:
        assert [ask(api).status, ask(api).status] == [502, 503]


def test_connection__goes_on_after_a_fault_that_does_not_end_it() -> None:
    """The answer after a wrong one is right, on the same connection."""
    with serving({"requests": 1, "do": {"status": 503}}) as api, connected(api) as connection:
        send_request(connection, STATUS_ROUTE, {"jobIds": ["a"]}, close=False)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 503")
        send_request(connection, STATUS_ROUTE, {"jobIds": ["a"]})
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "fault", ["hang", {"delay": "1h"}, {"drip": "1h"}, {"drip": 0, "endless": True}, {"huge": 100}]
)
def test_server__ends_amid_any_fault(fault: object) -> None:
    """A fault that goes on does not keep the stand-in from ending, nor does a client that does not read."""
    threads_before = threading.active_count()
    with ExitStack() as connections:
        with serving(fault) as api:
            connection = connections.enter_context(connected(api))
            send_request(connection, STATUS_ROUTE, {"jobIds": ["a"]})
            while not api.requests:
                time.sleep(0.005)
        while threading.active_count() > threads_before:
            time.sleep(0.005)
