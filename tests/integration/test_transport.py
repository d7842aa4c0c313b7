"""One request against real sockets: what a server and an environment can do to it."""

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
import urllib3.exceptions

from fini_gate.client.transport import Failure, Response, Transport
from fini_gate.errors import CancelledError, UsageError
from fini_gate.waiting import Waiter

KEY = "fini_secret_0123456789"
ROWS = b'{"jobs": []}'


class Server:
    """A server of bytes on loopback: what a connection's n-th request is told is up to the test."""

    def __init__(self, serve: Callable[["Server", socket.socket], None]) -> None:
        self.received: list[bytes] = []
        self.connections = 0
        self._serve = serve
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def read_request(self, connection: socket.socket) -> bytes:
        """Read a request with its body, and keep it."""
        request = b""
        while b"\r\n\r\n" not in request or not request.endswith(b"]}"):
            chunk = connection.recv(65536)
            if not chunk:
                raise ConnectionError
            request += chunk
        self.received.append(request)
        return request

    def pause(self, seconds: float) -> bool:
        """Wait, and say whether to go on."""
        return not self._stop.wait(seconds)

    def close(self) -> None:
        """End it, and all of its connections."""
        self._stop.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._handle, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(5)
            self._serve(self, connection)


Start = Callable[[Callable[[Server, socket.socket], None]], Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a server."""
    servers: list[Server] = []

    def start_server(serve: Callable[[Server, socket.socket], None]) -> Server:
        servers.append(Server(serve))
        return servers[-1]

    yield start_server
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def transport(url: str) -> Transport:
    """Give a transport to a server."""
    return Transport(api_url=url, api_key=KEY, call=Waiter().call)


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Give an answer as it goes over the wire."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
    return f"{head}\r\n\r\n".encode() + body


def saying(*answers: bytes) -> Callable[[Server, socket.socket], None]:
    """Answer the requests of each connection with these, then close it."""

    def serve(server: Server, connection: socket.socket) -> None:
        for each in answers:
            server.read_request(connection)
            connection.sendall(each)

    return serve


def test_transport__posts_the_job_ids(start: Start) -> None:
    """A request is a POST of JSON to the status route, with the key in its header."""
    server = start(saying(answer(ROWS, "X-Request-Id: r-1")))
    response = transport(server.url).post(["a", "ü"], timeout_seconds=5)
    assert isinstance(response, Response)
    assert (response.status, response.body, response.headers["x-request-id"]) == (200, ROWS, "r-1")
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v2/knowledge/public/jobs/status HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}".encode() in head
    assert b"Content-Type: application/json" in head
    assert body == b'{"jobIds": ["a", "\\u00fc"]}'


def test_transport__keeps_its_connection(start: Start) -> None:
    """A second request goes over the connection of the first."""
    server = start(saying(answer(ROWS), answer(ROWS)))
    client = transport(server.url)
    for _ in range(2):
        assert isinstance(client.post(["a"], timeout_seconds=5), Response)
    assert server.connections == 1


@pytest.mark.parametrize(
    "told",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n"
        + ROWS[:4]
        + b"\r\n8\r\n"
        + ROWS[4:]
        + b"\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + ROWS,
        answer(gzip.compress(ROWS), "Content-Encoding: gzip"),
    ],
    ids=["chunked", "until the end", "gzip"],
)
def test_transport__reads_a_body_in_any_form(start: Start, told: bytes) -> None:
    """In pieces, without a length, packed: the body is the same."""
    response = transport(start(saying(told)).url).post(["a"], timeout_seconds=5)
    assert isinstance(response, Response)
    assert response.body == ROWS


def reset(server: Server, connection: socket.socket) -> None:
    """Reset the connection."""
    server.read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (reset, "Connection reset by peer"),
        (saying(b""), "RemoteDisconnected"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"), "IncompleteRead"),
        (
            saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "InvalidChunkLength|ValueError|IncompleteRead",
        ),
        (saying(b"nonsense\r\n\r\n"), "BadStatusLine"),
        (saying(answer(b"no gzip", "Content-Encoding: gzip")), "error"),
    ],
    ids=["reset", "hang-up", "truncated", "broken chunk", "no HTTP", "broken gzip"],
)
def test_transport__tells_of_a_broken_connection(
    start: Start, serve: Callable[[Server, socket.socket], None], words: str
) -> None:
    """Whatever breaks is a failure in a few words, without URL or key."""
    server = start(serve)
    failure = transport(server.url).post(["a"], timeout_seconds=5)
    assert isinstance(failure, Failure)
    assert failure.is_broken_connection
    assert any(word in failure.problem for word in words.split("|")), failure.problem
    assert KEY not in failure.problem
    assert "127.0.0.1" not in failure.problem


def test_transport__tells_of_a_refused_connection() -> None:
    """Nobody listens: the operating system's own words."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    failure = transport(f"http://127.0.0.1:{port}").post(["a"], timeout_seconds=5)
    assert failure == Failure("the connection failed (Connection refused)", is_broken_connection=True)


def hang(server: Server, connection: socket.socket) -> None:
    """Answer nothing."""
    server.read_request(connection)
    server.pause(20)


def drip(told: bytes) -> Callable[[Server, socket.socket], None]:
    """Send a byte at a time, for ever."""

    def serve(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        connection.sendall(told)
        while server.pause(0.02):
            connection.sendall(b" ")

    return serve


@pytest.mark.parametrize(
    "serve",
    [hang, drip(b"HTTP/1.1 200 OK\r\nX: "), drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")],
    ids=["nothing", "headers that drip", "a body that drips"],
)
def test_transport__waits_no_longer_than_its_limit(
    start: Start, serve: Callable[[Server, socket.socket], None]
) -> None:
    """An answer that never ends is given up at the limit, and the next request has a connection of its own."""
    server = start(serve)
    client = transport(server.url)
    for _ in range(2):
        assert client.post(["a"], timeout_seconds=0.3) == Failure("no whole answer within 0.3s")
    assert server.connections == 2


@pytest.mark.parametrize("packed", [False, True])
def test_transport__reads_no_more_than_its_limit(start: Start, packed: bool) -> None:  # noqa: FBT001 - a table
    """A hundred megabytes, or what unpacks to them, are given up."""
    body = b" " * 100_000_000
    told = answer(gzip.compress(body), "Content-Encoding: gzip") if packed else answer(body)
    failure = transport(start(saying(told)).url).post(["a"], timeout_seconds=20)
    assert failure == Failure("an answer of more than 16 MiB")


def test_transport__follows_no_redirect(start: Start) -> None:
    """A redirect is an answer: the key does not go where it leads."""
    other = start(saying(answer(ROWS)))
    server = start(saying(answer(b"", f"Location: {other.url}/", status="307 Temporary Redirect")))
    response = transport(server.url).post(["a"], timeout_seconds=5)
    assert isinstance(response, Response)
    assert response.status == 307
    assert other.connections == 0


def test_transport__sends_no_cookie_back(start: Start) -> None:
    """A cookie that the API sets is forgotten."""
    server = start(saying(answer(ROWS, "Set-Cookie: a=b"), answer(ROWS)))
    client = transport(server.url)
    for _ in range(2):
        client.post(["a"], timeout_seconds=5)
    assert b"Cookie" not in server.received[1]


def test_transport__heeds_no_netrc(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry in a .netrc does not replace the key."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server = start(saying(answer(ROWS)))
    transport(server.url).post(["a"], timeout_seconds=5)
    assert f"Authorization: Bearer {KEY}".encode() in server.received[0]


@pytest.mark.parametrize(("no_proxy", "proxied"), [("", True), ("127.0.0.1", False)])
def test_transport__heeds_the_proxies_of_the_environment(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    no_proxy: str,
    proxied: bool,  # noqa: FBT001 - a table
) -> None:
    """HTTP_PROXY and NO_PROXY count as for everybody."""
    proxy, server = start(saying(answer(ROWS))), start(saying(answer(ROWS)))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert isinstance(transport(server.url).post(["a"], timeout_seconds=5), Response)
    assert (proxy.connections, server.connections) == ((1, 0) if proxied else (0, 1))


def test_transport__sends_no_plain_request_to_a_proxy_elsewhere(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TLS a request, and the key in it, does not leave the machine."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    server = start(saying(answer(ROWS)))
    assert isinstance(transport(server.url).post(["a"], timeout_seconds=5), Response)


def test_transport__sends_an_encrypted_request_through_a_proxy(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """With TLS the proxy is asked for a tunnel, and does not see the key."""
    seen: list[bytes] = []

    def refuse(_: Server, connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    monkeypatch.setenv("HTTPS_PROXY", start(refuse).url)
    failure = transport("https://fini.example").post(["a"], timeout_seconds=5)
    assert isinstance(failure, Failure)
    assert seen[0].startswith(b"CONNECT fini.example:443 ")
    assert KEY.encode() not in seen[0]


def test_transport__refuses_certificates_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A path to certificates that leads nowhere in the container is a usage error, not an outage."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(UsageError, match=r"nowhere\.pem"):
        transport("https://fini.example")


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.InvalidHeader(f"Bearer {KEY}"),
        requests.exceptions.SSLError(f"https://x/{KEY}"),
        requests.exceptions.ChunkedEncodingError(KEY),
        urllib3.exceptions.ProtocolError(KEY),
        urllib3.exceptions.LocationParseError(KEY),
        ssl.SSLCertVerificationError(1, "certificate verify failed"),
        UnicodeEncodeError("latin-1", KEY, 0, 1, KEY),
        OSError(KEY),
        RuntimeError(KEY),
    ],
    ids=lambda error: type(error).__name__,
)
def test_transport__maps_every_exception(error: Exception) -> None:
    """Whatever a library raises is a failure, and its text, which may hold anything, goes nowhere."""

    def call(function: Callable[[], object], seconds: float) -> object:
        assert callable(function)
        assert seconds
        raise error

    client = Transport(api_url="https://fini.example", api_key=KEY, call=call)  # type: ignore[arg-type]
    failure = client.post(["a"], timeout_seconds=1)
    assert isinstance(failure, Failure)
    assert failure.problem.startswith("the connection failed (")
    assert KEY not in failure.problem


def test_transport__lets_a_cancellation_through(start: Start) -> None:
    """A signal ends the wait for an answer."""
    waiter = Waiter()
    waiter.signal_number = 15
    client = Transport(api_url=start(hang).url, api_key=KEY, call=waiter.call)
    with pytest.raises(CancelledError):
        client.post(["a"], timeout_seconds=5)
