import gzip
import http.client
import inspect
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeVar

import pytest
import requests.exceptions
import urllib3.exceptions

from fake_fini import FakeFini, Scenario
from fini_gate.client.transport import ARTICLES_ROUTE, MAX_BODY_BYTES, STATUS_ROUTE, Failure, Response, Transport
from fini_gate.errors import CancelledError, UsageError
from fini_gate.executor import InterruptibleExecutor
from tests.integration.servers import (
    OK,
    Connection,
    ParsedResponse,
    Server,
    chunked,
    ending,
    head,
    resetting,
    sending,
    whole,
)

KEY: Final = "fini_0123456789abcdef"
# The limit of a request that is to be cut short, and of one that is not.
SHORT: Final = 0.3
LONG: Final = 30.0
# A request that was to be cut short has been, on however slow a machine.
AMPLE: Final = 10.0
MEGABYTE: Final = 1_000_000

_Result = TypeVar("_Result")


GOOD: Final = sending(whole())


# --- The transport under test --------------------------------------------------------------------------------------


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start a server that gives these answers."""
    with ExitStack() as stack:
        yield lambda *answers, **options: stack.enter_context(Server(*answers, **options))


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """What makes a server speak TLS, with a certificate for 127.0.0.1 that it has signed itself."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("there is no openssl to make a certificate with")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch"]
    subject = ["-subj", "/CN=fini-gate test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "certificate.pem")]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)  # noqa: S603 - found above
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    return context


Serve = Callable[..., Server]


def transport_to(url: str, *, api_key: str = KEY) -> Transport:
    """A transport whose calls are bounded as the real ones are."""
    return Transport(api_url=url, api_key=api_key, calls=InterruptibleExecutor())


def post(transport: Transport, *job_ids: str, seconds: float = LONG) -> Response | Failure:
    """Ask for jobs, and see to it that no answer comes long after its limit, or tells where it was asked for."""
    began_at = time.monotonic()
    _, response = transport.wait_any([transport.submit(job_ids or ("a",), timeout_seconds=seconds)])
    assert time.monotonic() - began_at < seconds + AMPLE
    if isinstance(response, Failure):
        assert response.problem
        for secret in (KEY, "127.0.0.1", "http:", "https:", STATUS_ROUTE):
            assert secret not in response.problem
    return response


def good(response: Response | Failure) -> bool:
    """Whether the rows came through."""
    return isinstance(response, Response) and (response.status, response.body) == (200, OK)


# --- The request ---------------------------------------------------------------------------------------------------


def test_post__asks_as_the_api_wants_to_be_asked(serve: Serve) -> None:
    """One POST to the status route, the IDs as JSON, the key in the Authorization header and nowhere else."""
    server = serve(GOOD)
    assert good(post(transport_to(server.url), "a", "b ü"))
    (request,) = server.requests
    assert request.line == f"POST {STATUS_ROUTE} HTTP/1.1"
    assert json.loads(request.body) == {"jobIds": ["a", "b ü"]}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str({**request.headers, "authorization": ""})
    assert request.headers["user-agent"].startswith("fini-gate")
    assert int(request.headers["content-length"]) == len(request.body)


def test_post__keeps_the_path_of_a_base_url(serve: Serve) -> None:
    """An API behind a prefix is asked there."""
    server = serve(GOOD)
    assert good(post(transport_to(f"{server.url}/prefix")))
    assert server.requests[0].line.split()[1] == f"/prefix{STATUS_ROUTE}"


def test_post__is_understood_by_the_api() -> None:
    """The stand-in, which is as strict as the API, answers."""
    with FakeFini(Scenario.from_mapping({"api-keys": {KEY: ["read"]}, "jobs": [{"id": "a"}]})) as api:
        response = post(transport_to(api.url))
    assert isinstance(response, Response)
    assert response.status == 200
    assert [row["id"] for row in json.loads(response.body)["jobs"]] == ["a"]


def test_post__of_articles_asks_the_route_that_they_have(serve: Serve) -> None:
    """Articles are asked for by the same transport, each route by its own words, within a limit as well."""
    server = serve(GOOD, GOOD, Connection.hang)
    transport = transport_to(server.url)
    assert good(post(transport, "a"))
    _, response = transport.wait_any([transport.submit_articles(["b", "c"], timeout_seconds=LONG)])
    assert good(response)
    _, response = transport.wait_any([transport.submit_articles(["d"], timeout_seconds=SHORT)])
    assert response == Failure(f"no whole answer within {SHORT}s")
    assert [(asked.line.split()[1], json.loads(asked.body)) for asked in server.requests] == [
        (STATUS_ROUTE, {"jobIds": ["a"]}),
        (ARTICLES_ROUTE, {"articleIds": ["b", "c"]}),
        (ARTICLES_ROUTE, {"articleIds": ["d"]}),
    ]


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "400 Bad Request", "401 Unauthorized", "429 ", "500 "])
def test_post__returns_an_answer_of_any_status(serve: Serve, status: str) -> None:
    """A status is the judge's business: it comes with the headers, whatever their letters' case, and the body."""
    body = b"" if status.startswith("204") else b"<html>\xff"
    response = post(transport_to(serve(sending(whole(body, status, x_REQUEST_id="req-1"))).url))
    assert isinstance(response, Response)
    assert (response.status, response.body) == (int(status[:3]), body)
    assert response.headers["X-Request-Id"] == "req-1"


PACKED: Final = gzip.compress(OK)
WHOLE_ANSWERS: Final[Mapping[str, ParsedResponse]] = {
    "in chunks": sending(chunked(OK[:10], OK[10:])),
    "until the connection ends": ending(head() + OK),
    "HTTP/1.0": ending(b"HTTP/1.0 200 OK\r\n\r\n" + OK),
    "gzip": sending(whole(PACKED, Content_Encoding="gzip")),
    "gzip in chunks": sending(chunked(PACKED[:5], PACKED[5:12], PACKED[12:], Content_Encoding="gzip")),
    "deflate": sending(whole(zlib.compress(OK), Content_Encoding="deflate")),
    "with an interim answer": sending(b"HTTP/1.1 100 Continue\r\n\r\n" + whole()),
    "a byte at a time": lambda connection: connection.drip(whole(), 0.001),
    "gzip, a byte at a time": lambda connection: connection.drip(whole(PACKED, Content_Encoding="gzip"), 0.001),
    "in chunks, a byte at a time": lambda connection: connection.drip(chunked(OK[:10], OK[10:]), 0.001),
}


@pytest.mark.parametrize("answer", WHOLE_ANSWERS.values(), ids=WHOLE_ANSWERS)
def test_post__takes_a_whole_answer_in_whatever_form(serve: Serve, answer: ParsedResponse) -> None:
    """Framing, packing and pace make no difference to what arrives."""
    assert good(post(transport_to(serve(answer).url)))


def test_post__of_several_requests_uses_one_connection(serve: Serve) -> None:
    """A connection is kept, as hand-shakes cost time."""
    server = serve(GOOD)
    transport = transport_to(server.url)
    assert all(good(post(transport)) for _ in range(3))
    assert len(server.requests) == 3
    assert len(server.connections) == 1


# --- Broken answers ------------------------------------------------------------------------------------------------

BROKEN_ANSWERS: Final[Mapping[str, ParsedResponse]] = {
    "reset": resetting(b""),
    "hang-up": ending(b""),
    "hang-up in the status line": ending(b"HTTP/1.1 2"),
    "hang-up in the body": ending(head(Content_Length="100") + OK),
    "hang-up before the body": ending(head(Content_Length="100")),
    "reset in the body": resetting(head(Content_Length="100") + OK),
    "hang-up in a chunk": ending(chunked(OK)[:-20]),
    "hang-up between chunks": ending(chunked(OK)[:-5]),
    "a chunk of no length": ending(head(Transfer_Encoding="chunked") + b"what?\r\n" + OK),
    "no HTTP": ending(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "a status that is none": ending(b"HTTP/1.1 abc OK\r\n\r\n"),
    "a line without end": ending(b"HTTP/1.1 200 " + b"x" * 100_000),
    "headers without end": ending(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 10_000),
    "no gzip": sending(whole(OK, Content_Encoding="gzip")),
    "no deflate": sending(whole(b"\xff" * 20, Content_Encoding="deflate")),
}


@pytest.mark.parametrize("answer", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS)
def test_post__of_a_broken_answer_is_a_failure(serve: Serve, answer: ParsedResponse) -> None:
    """What did not arrive whole is never handed on as if it had, and the next request is none the worse for it."""
    transport = transport_to(serve(answer, GOOD).url)
    response = post(transport)
    assert isinstance(response, Failure)
    assert response.is_broken_connection
    assert good(post(transport))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("reset", "Connection reset by peer"),
        ("hang-up", "RemoteDisconnected"),
        ("hang-up in the body", "IncompleteRead"),
        ("no HTTP", "BadStatusLine"),
    ],
)
def test_post__of_a_broken_answer_says_what_broke(serve: Serve, case: str, words: str) -> None:
    """The failure is told in the words of the operating system, or by the name that it goes by."""
    response = post(transport_to(serve(BROKEN_ANSWERS[case]).url))
    assert response == Failure(f"the connection failed ({words})", is_broken_connection=True)


@pytest.mark.parametrize("fault", ["reset", "hang-up", "hang-up-midway"])
def test_post__of_an_answer_that_the_api_breaks_off_is_a_failure(fault: str) -> None:
    """The stand-in's own faults come as failures."""
    scenario = {"api-keys": {KEY: ["read"]}, "jobs": [{"id": "a"}], "faults": [{"requests": 1, "do": fault}]}
    with FakeFini(Scenario.from_mapping(scenario)) as api:
        transport = transport_to(api.url)
        assert isinstance(post(transport), Failure)
        assert isinstance(post(transport), Response)


def test_post__of_packed_rows_cut_short_gives_no_whole_rows(serve: Serve) -> None:
    """A packed answer whose end is missing is not taken for a whole one."""
    response = post(transport_to(serve(sending(whole(PACKED[:-20], Content_Encoding="gzip"))).url))
    assert not good(response)


def test_post__over_a_connection_that_the_server_gave_up_fails_once(serve: Serve) -> None:
    """A connection kept alive that breaks at its next use is said to be broken; after that there is a new one."""
    server = serve(GOOD, ending(b""), GOOD)
    transport = transport_to(server.url)
    assert good(post(transport))
    response = post(transport)
    assert isinstance(response, Failure)
    assert response.is_broken_connection
    assert good(post(transport))
    assert len(server.connections) == 2


def test_post__over_a_connection_that_was_closed_meanwhile_needs_no_second_try(serve: Serve) -> None:
    """A connection that the server has closed in good order is seen to be closed, and replaced."""
    server = serve(ending(whole()), GOOD)
    transport = transport_to(server.url)
    assert good(post(transport))
    server._threads[1].join()  # noqa: SLF001 - until the server has closed it
    assert good(post(transport))


def test_post__where_nobody_listens_says_so() -> None:
    """A refused connection is told in the words of the operating system."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert post(transport_to(f"http://127.0.0.1:{port}")) == Failure(
        "the connection failed (Connection refused)", is_broken_connection=True
    )


def test_post__to_a_name_that_does_not_resolve_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed look-up is told without the name."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert post(transport_to("https://api.example")) == Failure(
        "the connection failed (Name or service not known)", is_broken_connection=True
    )


# --- Limits --------------------------------------------------------------------------------------------------------


def _endless(connection: Connection) -> None:
    while True:
        connection.drip(b" ")


def _after(data: bytes) -> ParsedResponse:
    def answer(connection: Connection) -> None:
        connection.send(data)
        _endless(connection)

    return answer


def _unfinished(connection: Connection) -> None:
    connection.send(head(Content_Length="100") + OK)
    connection.hang()


def _chunks_for_ever(connection: Connection) -> None:
    connection.send(head(Transfer_Encoding="chunked"))
    while True:
        connection.send(b"1\r\n \r\n")
        connection.pause(0.02)


def _interim_for_ever(connection: Connection) -> None:
    while True:
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.pause(0.02)


SLOW_ANSWERS: Final[Mapping[str, ParsedResponse]] = {
    "nothing": Connection.hang,
    "a status line that drips": lambda connection: connection.drip(b"HTTP/1.1 200 " + b"x" * 10_000),
    "headers that drip": lambda connection: connection.drip(head(X_Long="x" * 10_000)),
    "headers without end": _after(b"HTTP/1.1 200 OK\r\nX-Long: "),
    "interim answers without end": _interim_for_ever,
    "a body that drips": lambda connection: connection.drip(whole(b"x" * 10_000)),
    "a body that stands still": _unfinished,
    "white space after the rows": _after(head() + OK),
    "chunks without end": _chunks_for_ever,
    "a packed body that drips": lambda connection: connection.drip(whole(os.urandom(10_000), Content_Encoding="gzip")),
}


@pytest.mark.parametrize("answer", SLOW_ANSWERS.values(), ids=SLOW_ANSWERS)
def test_limit__bounds_the_request_as_a_whole(serve: Serve, answer: ParsedResponse) -> None:
    """An answer may come as slowly as it likes: past the limit it is given up, and a new connection made."""
    server = serve(answer, GOOD)
    transport = transport_to(server.url)
    assert post(transport, seconds=SHORT) == Failure(f"no whole answer within {SHORT}s")
    assert good(post(transport))
    assert len(server.connections) == 2


@pytest.mark.parametrize("fault", [{"hang": "forever"}, {"drip": "20ms", "endless": True}], ids=["hang", "drip"])
def test_limit__bounds_what_the_api_does(fault: Mapping[str, object]) -> None:
    """The stand-in's own slow answers are given up in time."""
    scenario = {"api-keys": {KEY: ["read"]}, "jobs": [{"id": "a"}], "faults": [{"requests": 1, "do": fault}]}
    with FakeFini(Scenario.from_mapping(scenario)) as api:
        transport = transport_to(api.url)
        assert post(transport, seconds=SHORT) == Failure(f"no whole answer within {SHORT}s")
        assert isinstance(post(transport), Response)


def test_limit__counts_from_before_the_name_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up that hangs, which no socket's timeout bounds, is given up too."""
    over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        over.wait(AMPLE)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        assert post(transport_to("https://api.example"), seconds=SHORT) == Failure(f"no whole answer within {SHORT}s")
    finally:
        over.set()


def test_limit__bounds_the_hand_shake_too(serve: Serve) -> None:
    """A server that accepts and then says nothing is given up as well when it is to speak TLS."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        transport = transport_to(f"https://127.0.0.1:{silent.getsockname()[1]}")
        assert post(transport, seconds=SHORT) == Failure(f"no whole answer within {SHORT}s")
    assert good(post(transport_to(serve(GOOD).url)))


def test_limit__is_worded_as_people_read_it(serve: Serve) -> None:
    """The limit is named in the unit of the input."""
    response = post(transport_to(serve(Connection.hang).url), seconds=0.21)
    assert response == Failure("no whole answer within 0.2s")


@pytest.mark.parametrize("case", ["nothing", "white space after the rows"])
def test_limit__leaves_no_connection_open(serve: Serve, case: str) -> None:
    """A request that nobody waits for any more lets go of its connection, too."""
    server = serve(SLOW_ANSWERS[case])
    assert post(transport_to(server.url), seconds=SHORT) == Failure(f"no whole answer within {SHORT}s")
    _, answering = server._threads  # noqa: SLF001 - there is no other way to learn when the server has seen it
    answering.join(AMPLE)
    assert not answering.is_alive()


# --- Several at once -----------------------------------------------------------------------------------------------


def _hanging_for_a(connection: Connection) -> None:
    (Connection.hang if json.loads(connection.requests[-1].body)["jobIds"] == ["a"] else GOOD)(connection)


def test_first__is_the_one_that_is_answered(serve: Serve) -> None:
    """Of several requests the one that has an answer comes first; the next goes over its connection, kept alive."""
    server = serve(_hanging_for_a)
    transport = transport_to(server.url)
    slow = transport.submit(["a"], timeout_seconds=LONG)
    for job_id in ("b", "c"):
        quick = transport.submit([job_id], timeout_seconds=LONG)
        request, response = transport.wait_any([slow, quick])
        assert request is quick
        assert good(response)
    assert len(server.connections) == 2


@pytest.mark.parametrize("limits", [(SHORT, LONG), (LONG, SHORT)])
def test_first__is_the_one_whose_time_is_over(serve: Serve, limits: Sequence[float]) -> None:
    """Where none is answered, the first to have taken too long is given up, and the others go on."""
    transport = transport_to(serve(Connection.hang).url)
    under_way = [transport.submit(["a"], timeout_seconds=seconds) for seconds in limits]
    request, response = transport.wait_any(under_way)
    assert request is under_way[limits.index(SHORT)]
    assert response == Failure(f"no whole answer within {SHORT}s")


# --- Sizes ---------------------------------------------------------------------------------------------------------


def _flood(connection: Connection) -> None:
    while connection.sent_bytes < 100 * MEGABYTE:
        connection.send(b" " * MEGABYTE)


def _large(connection: Connection) -> None:
    connection.send(head(Content_Length=str(100 * MEGABYTE)))
    _flood(connection)


def _large_in_chunks(connection: Connection) -> None:
    connection.send(head(Transfer_Encoding="chunked"))
    while connection.sent_bytes < 100 * MEGABYTE:
        connection.send(b"%x\r\n%b\r\n" % (MEGABYTE, b" " * MEGABYTE))


def _large_until_the_end(connection: Connection) -> None:
    connection.send(head())
    _flood(connection)


BOMB: Final = gzip.compress(b" " * (100 * MEGABYTE), 1)
LARGE_ANSWERS: Final[Mapping[str, ParsedResponse]] = {
    "100 MB": _large,
    "100 MB in chunks": _large_in_chunks,
    "100 MB of no length": _large_until_the_end,
    "gzip that unpacks to 100 MB": sending(whole(BOMB, Content_Encoding="gzip")),
    "the same in one chunk": sending(chunked(BOMB, Content_Encoding="gzip")),
    "one byte too much": sending(whole(b" " * (MAX_BODY_BYTES + 1))),
}


@pytest.mark.parametrize("answer", LARGE_ANSWERS.values(), ids=LARGE_ANSWERS)
def test_size__of_a_body_is_bounded(serve: Serve, answer: ParsedResponse) -> None:
    """A body of more than 16 MiB, unpacked, is not read to its end, and the next request is none the worse for it."""
    server = serve(answer, GOOD)
    transport = transport_to(server.url)
    assert post(transport) == Failure("an answer of more than 16 MiB")
    assert good(post(transport))
    # What the sockets hold comes on top.
    assert server.connections[0].sent_bytes < 60 * MEGABYTE


def test_size__up_to_the_bound_is_fine(serve: Serve) -> None:
    """A body of just 16 MiB comes through."""
    response = post(transport_to(serve(sending(whole(b" " * MAX_BODY_BYTES))).url))
    assert isinstance(response, Response)
    assert len(response.body) == MAX_BODY_BYTES


@pytest.mark.parametrize("fault", [{"gzip-bomb": 100}, {"huge": 100}], ids=["gzip bomb", "huge"])
def test_size__of_what_the_api_sends_is_bounded(fault: Mapping[str, object]) -> None:
    """The stand-in's own large answers are refused."""
    scenario = {"api-keys": {KEY: ["read"]}, "jobs": [{"id": "a"}], "faults": [{"do": fault}]}
    with FakeFini(Scenario.from_mapping(scenario)) as api:
        assert post(transport_to(api.url)) == Failure("an answer of more than 16 MiB")


# --- Where the key goes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_redirect__is_not_followed(serve: Serve, status: int, *, is_elsewhere: bool) -> None:
    """Neither to another host nor on the same one: the answer itself is returned, and the key goes nowhere."""
    elsewhere = serve(GOOD)
    location = f"{elsewhere.url}/login" if is_elsewhere else "/login"
    server = serve(sending(whole(b"", f"{status} Moved", Location=location)))
    response = post(transport_to(server.url))
    assert isinstance(response, Response)
    assert (response.status, response.headers["location"]) == (status, location)
    assert elsewhere.requests == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("env_name", ["HOME", "NETRC"])
@pytest.mark.parametrize("entry", ["machine 127.0.0.1", "default"])
def test_netrc__does_not_replace_the_key(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, env_name: str, entry: str
) -> None:
    """A user name and password that lie about for the API's host are not sent."""
    path = tmp_path / ".netrc"
    path.write_text(f"{entry} login someone password else\n")
    path.chmod(0o600)
    monkeypatch.setenv(env_name, str(tmp_path if env_name == "HOME" else path))
    server = serve(GOOD)
    assert good(post(transport_to(server.url)))
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_cookies__are_not_sent_back(serve: Serve) -> None:
    """Nothing that one answer sets goes along with the next request."""
    server = serve(sending(head(Set_Cookie="a=1; Path=/").replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")), GOOD)
    transport = transport_to(server.url)
    post(transport)
    assert good(post(transport))
    _, response = transport.wait_any([transport.submit_articles(["b"], timeout_seconds=LONG)])
    assert good(response)
    assert not [request for request in server.requests if "cookie" in request.headers]


@pytest.mark.parametrize(
    "key", ["fini_01234\n56789", "fini_ü", "fini_01234\x0056789", " fini_0123456789", "fini_\u2028"]
)
def test_key__that_fits_no_header_is_not_told(serve: Serve, key: str) -> None:
    """A key that cannot be sent is a failure whose words do not hold it."""
    response = post(transport_to(serve(GOOD).url, api_key=key))
    assert isinstance(response, Response) or key.strip() not in response.problem


# --- Proxies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env_name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "http://localhost:{}", "http://127.0.0.1:{}/", "127.0.0.1:{}"])
def test_proxy__of_this_machine_is_used(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, env_name: str, form: str
) -> None:
    """A proxy of the environment is asked in place of the API, where no other machine sees the key."""
    proxy, server = serve(GOOD), serve(GOOD)
    monkeypatch.setenv(env_name, form.format(proxy.port))
    assert good(post(transport_to(server.url)))
    assert server.requests == []
    assert proxy.requests[0].line == f"POST {server.url}{STATUS_ROUTE} HTTP/1.1"
    assert proxy.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("excepted", ["127.0.0.1", "*", "example.com, 127.0.0.1", "127.0.0.0/8"])
@pytest.mark.parametrize("env_name", ["NO_PROXY", "no_proxy"])
def test_proxy__is_not_used_where_no_proxy_says_so(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, env_name: str, excepted: str
) -> None:
    """`NO_PROXY` names hosts that are asked directly."""
    proxy, server = serve(GOOD), serve(GOOD)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv(env_name, excepted)
    assert good(post(transport_to(server.url)))
    assert proxy.requests == []


@pytest.mark.parametrize(
    "proxy",
    [
        "http://192.0.2.1:3128",
        "http://proxy.example:3128",
        "https://192.0.2.1",
        "http://127.0.0.1@192.0.2.1:3128",
        "http://127.0.0.1.example:3128",
        "192.0.2.1:3128",
        "socks5://192.0.2.1:1080",
        "//192.0.2.1",
    ],
)
@pytest.mark.parametrize("env_name", ["HTTP_PROXY", "ALL_PROXY"])
def test_proxy__of_another_machine_never_sees_a_plain_request(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, env_name: str, proxy: str
) -> None:
    """What is not encrypted does not leave this machine: the stand-in on loopback is asked directly."""
    monkeypatch.setenv(env_name, proxy)
    assert good(post(transport_to(serve(GOOD).url)))


@pytest.mark.parametrize(
    "proxy", ["http://[bad", "http://127.0.0.1:port", "http://", "socks5://127.0.0.1:1", "nonsense"]
)
@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://127.0.0.1:9"])
def test_proxy__that_is_none_breaks_nothing(monkeypatch: pytest.MonkeyPatch, proxy: str, url: str) -> None:
    """An address that cannot be used is a failure of the request, or said to be wrong; it is no crash."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    try:
        transport = transport_to(url)
    except UsageError as error:
        assert "PROXY" in str(error)  # noqa: PT017 - a usage error will do as well
    else:
        assert isinstance(post(transport, seconds=SHORT), Failure)


@pytest.mark.parametrize("env_name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_proxy__of_an_encrypted_request_is_asked_for_a_tunnel(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, env_name: str
) -> None:
    """All that a proxy hears is the host to connect to; where it refuses, that is told."""
    proxy = serve(ending(whole(b"", "407 Proxy Authentication Required")))
    monkeypatch.setenv(env_name, f"http://user:word@127.0.0.1:{proxy.port}")
    response = post(transport_to("https://api.example"))
    assert isinstance(response, Failure)
    assert "word" not in response.problem
    (request,) = proxy.requests
    assert request.line.startswith("CONNECT api.example:443 ")
    assert KEY not in str(request)
    assert "proxy-authorization" in request.headers


def test_proxy__of_another_machine_is_asked_where_the_request_is_encrypted(
    serve: Serve, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is encrypted goes by way of the proxy, wherever that is, and not around it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    server = serve(GOOD, tls=tls)
    assert isinstance(post(transport_to(server.url)), Failure)
    assert server.requests == []


# --- TLS -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env_name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates__of_the_environment_are_trusted(
    serve: Serve, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env_name: str
) -> None:
    """A server is talked to where the environment names a file that vouches for it."""
    monkeypatch.setenv(env_name, str(tmp_path / "certificate.pem"))
    assert good(post(transport_to(serve(GOOD, tls=tls).url)))


def test_certificates__of_nobody_known_are_refused(serve: Serve, tls: ssl.SSLContext) -> None:
    """Nothing is sent to a server that nobody vouches for, and the words say that its certificate is why."""
    server = serve(GOOD, tls=tls)
    response = post(transport_to(server.url))
    assert isinstance(response, Failure)
    assert "the certificate could not be verified (self-signed certificate)" in response.problem
    assert server.requests == []


def test_certificates__of_another_host_are_refused(
    serve: Serve, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is good for another host is not good enough."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    server = serve(GOOD, tls=tls)
    response = post(transport_to(f"https://localhost:{server.port}"))
    assert isinstance(response, Failure)
    assert "mismatch" in response.problem
    assert server.requests == []


def test_certificates__that_are_none_are_a_failure(
    serve: Serve, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file without a certificate in it vouches for nobody."""
    (tmp_path / "bundle").write_text("nothing\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "bundle"))
    assert isinstance(post(transport_to(serve(GOOD, tls=tls).url)), Failure)


@pytest.mark.parametrize("env_name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates__that_are_not_there_are_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, env_name: str
) -> None:
    """A file that is not in the container is named at the start, with what to do."""
    monkeypatch.setenv(env_name, str(tmp_path / "missing.pem"))
    with pytest.raises(UsageError) as refusal:
        transport_to("https://api.example")
    assert str(refusal.value) == (
        f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE in the environment is '{tmp_path}/missing.pem', which is not there: the"
        " action runs in a container of its own, so unset it for this step, and give ca-bundle instead."
    )


def test_tls__with_a_server_that_speaks_none_is_told(serve: Serve) -> None:
    """The words of a failed hand-shake come through."""
    server = serve(GOOD, greeting=b"220 ready\r\n")
    response = post(transport_to(server.url.replace("http:", "https:")))
    assert isinstance(response, Failure)
    assert response.is_broken_connection
    assert "SSL" in response.problem


# --- Every failure -------------------------------------------------------------------------------------------------

TELLTALE: Final = f"https://api.example{STATUS_ROUTE} 127.0.0.1 Bearer {KEY}"


def _exceptions() -> dict[str, Exception]:
    """One of each exception that a request can end by, its text full of what nobody may see."""
    modules = (requests.exceptions, urllib3.exceptions, http.client, ssl, socket, zlib)
    found = {error for module in modules for _, error in inspect.getmembers(module, inspect.isclass)}
    found |= {*OSError.__subclasses__(), OSError, ValueError, TypeError, AttributeError, KeyError, RuntimeError}
    found |= {RecursionError, MemoryError, EOFError, AssertionError, StopIteration}
    errors = [error for error in found if issubclass(error, Exception) and error is not CancelledError]
    made = {f"{error.__module__}.{error.__qualname__}": _made(error) for error in errors}
    made["UnicodeEncodeError"] = UnicodeEncodeError("latin-1", TELLTALE, 0, 1, TELLTALE)
    made["OSError with a number"] = OSError(104, "Connection reset by peer", TELLTALE)
    return made


def _made(error: type[Exception]) -> Exception:
    # Past the constructors, which ask for pools, responses and what not.
    made: Exception = error.__new__(error, TELLTALE)
    return made


EXCEPTIONS: Final = dict(sorted(_exceptions().items()))


def _raising(error: BaseException, cause: BaseException | None = None) -> Transport:
    """A transport whose every call ends by this error."""

    class Broken(InterruptibleExecutor):
        def submit(self, function: Callable[[], _Result]) -> Future[_Result]:
            del function

            def fail() -> _Result:
                raise error from cause

            return super().submit(fail)

    return Transport(api_url="https://api.example", api_key=KEY, calls=Broken())


@pytest.mark.parametrize("error", EXCEPTIONS.values(), ids=EXCEPTIONS)
@pytest.mark.parametrize("is_cause", [True, False])
def test_failure__is_what_every_exception_becomes(error: Exception, *, is_cause: bool) -> None:
    """Whatever is raised, as itself or as the cause of another, becomes a failure without URL, host and key."""
    outer = requests.exceptions.ConnectionError(TELLTALE)
    response = post(_raising(outer, error) if is_cause else _raising(error))
    assert isinstance(response, Failure)
    assert "api.example" not in response.problem
    assert response.is_broken_connection is not isinstance(error, TimeoutError)


def test_failure__tells_the_innermost_cause() -> None:
    """Of a chain of exceptions the one at its root says what happened."""
    cause = ConnectionResetError(104, "Connection reset by peer")
    response = post(_raising(requests.exceptions.ConnectionError("outer"), cause))
    assert response == Failure("the connection failed (Connection reset by peer)", is_broken_connection=True)


@pytest.mark.parametrize("error", [CancelledError(15), KeyboardInterrupt(), SystemExit(1)])
def test_failure__is_no_name_for_a_cancellation(error: BaseException) -> None:
    """What ends the gate comes through as it is."""
    with pytest.raises(type(error)) as caught:
        post(_raising(error))
    assert caught.value is error


def test_exceptions__are_all_there() -> None:
    """The table above holds those that are known to come."""
    names: Sequence[str] = (
        "ProtocolError",
        "ReadTimeoutError",
        "SSLCertVerificationError",
        "IncompleteRead",
        "gaierror",
    )
    assert len(EXCEPTIONS) > 80
    assert all(any(name in known for known in EXCEPTIONS) for name in names)
