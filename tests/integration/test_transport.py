"""The transport over real sockets: requests, responses whole and broken, limits, and where the key goes."""

import gzip
import json
import os
import socket
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

import pytest

from fini_gate.client.failures import Failure
from fini_gate.client.routes import STATUS
from fini_gate.client.transport import MAX_BODY_BYTES, Response, Transport
from tests.integration.clients import wait_until
from tests.integration.sending import KEY, LONG, SHORT, TIMED_OUT, TOLERANCE, is_good, post, submit, transport_to
from tests.integration.servers import CLOSE, GOOD, HANG, OK, RESET, Script, Start, chunked, drip, head, whole

GZIP: Final = gzip.compress(OK)
MEGABYTE: Final = b" " * 1_000_000
BOMB: Final = gzip.compress(MEGABYTE * 100, 1)


def test_request__is_what_the_api_expects(start: Start) -> None:
    """It is JSON for its route below the base URL, with the key in one header; no cookie or .netrc adds anything."""
    server = start([whole(Set_Cookie="a=1; Path=/")])
    transport = transport_to(f"{server.url}/prefix")
    assert is_good(post(transport, "a", "b ü"))
    other = transport.submit("/other", {"ids": [1]}, timeout_seconds=LONG)
    assert transport.wait_any([other], time.monotonic() + LONG) is other
    assert [(request.line, json.loads(request.body)) for request in server.requests] == [
        (f"POST /prefix{STATUS.path} HTTP/1.1", {"jobIds": ["a", "b ü"]}),
        ("POST /prefix/other HTTP/1.1", {"ids": [1]}),
    ]
    for request in server.requests:
        assert request.headers["content-type"] == "application/json"
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["user-agent"].startswith("fini-gate")
        assert "cookie" not in request.headers
        assert str(request).count(KEY) == 1
    assert server.connection_count == 1


@pytest.mark.parametrize("status", [200, 204, 301, 302, 303, 307, 308, 400, 401, 429, 500])
@pytest.mark.parametrize("location", ["/login", "{}/login"])
def test_response__may_have_any_status(start: Start, status: int, location: str) -> None:
    """Status, headers and body are returned as they are, and no redirect is followed."""
    elsewhere = start(GOOD)
    location = location.format(elsewhere.url)
    body = b"" if status == 204 else b"<html>\xff"
    server = start([whole(body, f"{status} Some", LOCATION=location)])
    response = post(transport_to(server.url))
    assert isinstance(response, Response)
    assert (response.status, response.body, response.headers["Location"]) == (status, body, location)
    assert (len(server.requests), len(elsewhere.requests)) == (1, 0)


WHOLE: Final[Mapping[str, Script]] = {
    "in chunks": [chunked(OK[:10], OK[10:])],
    "until the connection ends": [head() + OK, CLOSE],
    "HTTP/1.0": [b"HTTP/1.0 200 OK\r\n\r\n" + OK, CLOSE],
    "gzip": [whole(GZIP, Content_Encoding="gzip")],
    "gzip in chunks": [chunked(GZIP[:5], GZIP[5:12], GZIP[12:], Content_Encoding="gzip")],
    "deflate": [whole(zlib.compress(OK), Content_Encoding="deflate")],
    "after an interim response": [b"HTTP/1.1 100 Continue\r\n\r\n" + whole()],
    "byte by byte": drip(whole(), seconds=0.001),
    "gzip, byte by byte": drip(whole(GZIP, Content_Encoding="gzip"), seconds=0.001),
    "in chunks, byte by byte": drip(chunked(OK[:10], OK[10:]), seconds=0.001),
}


@pytest.mark.parametrize("case", WHOLE)
def test_response__may_arrive_in_any_form(start: Start, case: str) -> None:
    """Framing, compression and speed make no difference to the body."""
    assert is_good(post(transport_to(start(WHOLE[case]).url)))


BROKEN: Final[Mapping[str, Script]] = {
    "Connection reset by peer": [RESET],
    "RemoteDisconnected": [CLOSE],
    "IncompleteRead": [head(Content_Length="100") + OK, CLOSE],
    "BadStatusLine": [b"SSH-2.0-OpenSSH_9.6\r\n", CLOSE],
    "(closed in the status line)": [b"HTTP/1.1 2", CLOSE],
    "(closed before the body)": [head(Content_Length="100"), CLOSE],
    "(reset in the body)": [head(Content_Length="100") + OK, RESET],
    "(closed in a chunk)": [chunked(OK)[:-20], CLOSE],
    "(closed between chunks)": [chunked(OK)[:-5], CLOSE],
    "(no chunk size)": [head(Transfer_Encoding="chunked") + b"what?\r\n", CLOSE],
    "(no status)": [b"HTTP/1.1 abc OK\r\n\r\n", CLOSE],
    "(endless status line)": [b"HTTP/1.1 200 " + b"x" * 100_000, CLOSE],
    "(endless headers)": [b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 10_000, CLOSE],
    "(no gzip)": [whole(OK, Content_Encoding="gzip")],
    "(no deflate)": [whole(b"\xff" * 20, Content_Encoding="deflate")],
}


@pytest.mark.parametrize("case", BROKEN)
def test_response__that_is_broken_is_a_failure(start: Start, case: str) -> None:
    """A response that did not arrive whole never passes for a whole one, and the next request works."""
    transport = transport_to(start(BROKEN[case], GOOD).url)
    response = post(transport)
    assert isinstance(response, Failure)
    assert response.is_broken_connection
    assert "127.0.0.1" not in response.problem
    assert response.problem == f"the connection failed ({case})" or case.startswith("(")
    assert is_good(post(transport))


def test_connection__that_breaks_between_requests_fails_once(start: Start) -> None:
    """After a connection breaks at its next use, the transport opens a new one."""
    server = start(GOOD, [CLOSE], GOOD)
    transport = transport_to(server.url)
    assert [is_good(post(transport)) for _ in range(3)] == [True, False, True]
    assert server.connection_count == 2


def test_connection__that_was_closed_properly_is_replaced(start: Start) -> None:
    """A request does not fail because the server has closed an idle connection."""
    server = start([whole(), CLOSE], GOOD)
    transport = transport_to(server.url)
    assert is_good(post(transport))
    assert server.ended.acquire(timeout=TOLERANCE)
    assert is_good(post(transport))


SLOW: Final[Mapping[str, Script]] = {
    "nothing": [HANG],
    "slow status line": drip(b"HTTP/1.1 200 " + b"x" * 10_000),
    "slow headers": drip(head(X_Long="x" * 10_000)),
    "endless header": [b"HTTP/1.1 200 OK\r\nX-Long: ", *drip(b" " * 10_000)],
    "endless interim responses": drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, size=25),
    "slow body": drip(whole(b"x" * 10_000)),
    "body that stops": [head(Content_Length="100") + OK, HANG],
    "white space after the rows": [head() + OK, *drip(b" " * 10_000)],
    "endless chunks": [head(Transfer_Encoding="chunked"), *drip(b"1\r\n \r\n" * 10_000, size=6)],
    "slow gzip": drip(whole(os.urandom(10_000), Content_Encoding="gzip")),
}


@pytest.mark.parametrize("case", SLOW)
def test_limit__ends_every_slow_response(start: Start, case: str) -> None:
    """A request that takes too long is abandoned with its connection, and the next request works."""
    server = start(SLOW[case], GOOD)
    transport = transport_to(server.url)
    assert post(transport, seconds=SHORT) == TIMED_OUT
    if case in ("nothing", "white space after the rows"):  # only in these is the thread free to act
        assert server.ended.acquire(timeout=TOLERANCE)
    assert is_good(post(transport))
    assert server.connection_count == 2


def test_limit__is_named_by_the_library_too(start: Start) -> None:
    """The request itself ends at its limit, even if nobody waits for it."""
    assert submit(transport_to(start([HANG]).url), seconds=SHORT).future.result(LONG) == TIMED_OUT


@pytest.mark.parametrize("seconds", [0, SHORT + 0.2])
def test_limit__includes_the_name_look_up(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """No socket timeout bounds a look-up; one that fails in time is reported without the name."""

    def look_up(*_: object, **__: object) -> None:
        time.sleep(seconds)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    unknown = Failure("the connection failed (Name or service not known)", is_broken_connection=True)
    assert post(transport_to("https://api.example"), seconds=SHORT) == (TIMED_OUT if seconds else unknown)


def test_wait__returns_the_first_response(start: Start) -> None:
    """Requests run side by side; a later one uses the connection of a finished one."""
    server = start(lambda received: [HANG] if json.loads(received.body)["jobIds"] == ["slow"] else [whole()])
    transport = transport_to(server.url)
    slow = submit(transport, "slow")
    wait_until(lambda: server.requests)
    for job_id in ("a", "b"):
        quick = submit(transport, job_id)
        assert transport.wait_any([slow, quick], time.monotonic() + LONG) is quick
        assert is_good(quick.response)
    assert slow.response is None
    assert server.connection_count == 2


@pytest.mark.parametrize(
    ("limits", "until", "late"),
    [((3, 5), 9, 0), ((5, 3), 9, 1), ((5, 3), 3, 1), ((5, 3), 2, None), ((), 4, None)],
)
def test_wait__ends_with_the_first_deadline(limits: Sequence[float], until: float, late: int | None) -> None:
    """The first request that reaches its limit is returned as timed out, unless `until` comes first."""
    waits: list[float] = []

    class SlowExecutor:
        def submit(self, _: Callable[[], Any]) -> Future[Any]:
            return Future()

        def wait_any(self, _: Sequence[Future[Any]], seconds: float) -> bool:
            waits.append(seconds)
            return False

    transport = Transport(api_url="http://a", api_key=KEY, executor=SlowExecutor(), clock=lambda: 100.0)
    requests = [submit(transport, seconds=seconds) for seconds in limits]
    assert transport.wait_any(requests, 100.0 + until) is (None if late is None else requests[late])
    assert waits == [min(*limits, until, until)]
    problems = [None if number != late else Failure("no complete response within 3s") for number in range(len(limits))]
    assert [request.response for request in requests] == problems


LARGE: Final[Mapping[str, Script]] = {
    "100 MB": [head(Content_Length="100000000"), *[MEGABYTE] * 100],
    "without a length": [head(), *[MEGABYTE] * 100],
    "in chunks": [head(Transfer_Encoding="chunked"), *[b"f4240\r\n%b\r\n" % MEGABYTE] * 100],
    "gzip": [whole(BOMB, Content_Encoding="gzip")],
    "gzip in one chunk": [chunked(BOMB, Content_Encoding="gzip")],
    "gzip of a redirect": [whole(BOMB, "302 Found", Location="/", Content_Encoding="gzip")],
    "one byte too much": [whole(b" " * (MAX_BODY_BYTES + 1))],
}


@pytest.mark.parametrize("case", LARGE)
def test_size__of_a_body_is_limited(start: Start, case: str) -> None:
    """A body of more than 16 MiB, uncompressed, is not read to its end, and the next request works."""
    server = start(LARGE[case], GOOD)
    transport = transport_to(server.url)
    assert post(transport) == Failure("a response of more than 16 MiB")
    assert is_good(post(transport))
    assert server.sent_bytes < 60_000_000  # with what the sockets hold


def test_size__up_to_the_limit_is_accepted(start: Start) -> None:
    """A body of exactly 16 MiB arrives."""
    response = post(transport_to(start([whole(b" " * MAX_BODY_BYTES)]).url))
    assert isinstance(response, Response)
    assert len(response.body) == MAX_BODY_BYTES


@pytest.mark.parametrize("key", ["fini_0123\n456", "fini_ü", "fini_0123\x00456", " fini_012345", "fini_\u2028"])
def test_key__that_fits_no_header_is_not_shown(start: Start, key: str) -> None:
    """A key that cannot be sent is a failure that does not contain it."""
    response = post(transport_to(start(GOOD).url, api_key=key))
    assert isinstance(response, Response) or key.strip() not in response.problem
