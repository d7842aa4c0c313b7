"""The stand-in as a server: HTTP/1.1 on a socket, with TLS or not, each connection in a thread of its own."""

import contextlib
import logging
import math
import re
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socketserver import TCPServer
from typing import Any, Final, Self, cast
from uuid import uuid4

from fake_fini.faults import NO_FAULT
from fake_fini.responses import error_response
from fake_fini.routes import Api, Request
from fake_fini.scenario import Scenario
from fake_fini.workspace import Workspace

# A client that sends more than the API takes hears so once it has sent it; one that sends more than this is cut off.
_DRAINED_BYTES: Final = 16 * 1024**2
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_SHUTDOWN_POLL_SECONDS: Final = 0.02
_FAREWELL_SECONDS: Final = 5.0

_log: Final = logging.getLogger("fake_fini")


@dataclass(frozen=True, kw_only=True)
class RecordedRequest:
    """A request that came in, for a test to look at."""

    at_seconds: float
    """When it had come in whole: seconds since the start, by the stand-in's clock."""
    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    job_ids: tuple[str, ...]
    """The job IDs asked for; empty where the request named none, or was refused before they were read."""
    status: int | None
    """None where no status was sent."""


class FakeFini:
    """The stand-in, listening while the context lasts.

    `clock` (seconds, any origin) decides how far jobs are. Pauses that a fault makes are real ones. With `tls` it
    speaks TLS, and only then may `host` be an address that others can reach: no key crosses a network in the clear.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if tls is None and not is_loopback(host):
            raise ValueError(f"{host!r} is not a loopback address")
        self._scenario = scenario
        self._address = (host, port)
        self._tls = tls
        self._clock = clock
        self._server: _Server | None = None
        self._requests: list[RecordedRequest] = []

    @property
    def url(self) -> str:
        """Where the stand-in listens, without a slash at the end."""
        if self._server is None:
            raise RuntimeError("the stand-in has not been started")
        host, port = self._server.server_address[:2]
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://[{host!s}]:{port}" if ":" in str(host) else f"{scheme}://{host!s}:{port}"

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, in the order in which their answers were decided on."""
        return list(self._requests)

    def __enter__(self) -> Self:
        """Start to listen.

        Raises:
            OSError: the port cannot be had.
        """
        self._server = _Server(self._address, self._tls, self._scenario, self._clock, self._requests)
        threading.Thread(target=self._server.serve_forever, args=(_SHUTDOWN_POLL_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, and end every connection."""
        if self._server is not None:
            self._server.stop()


def is_loopback(host: str) -> bool:
    """Whether this host is the machine itself, and nothing else can reach it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    # A port that is taken is an error: two servers on one port would share the requests.
    allow_reuse_port = False

    def __init__(
        self,
        address: tuple[str, int],
        tls: ssl.SSLContext | None,
        scenario: Scenario,
        clock: Callable[[], float],
        requests: list[RecordedRequest],
    ) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._tls = tls
        self.scenario = scenario
        self.workspace = Workspace(scenario, clock)
        self.api = Api(scenario, self.workspace)
        self.requests = requests
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._connections_changed = threading.Condition()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for the host's name, which can take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls is not None:
            # The handshake comes with the first read, in the connection's own thread: one client holds up no other.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def stop(self) -> None:
        """End the server and every connection, whatever its thread is at."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._connections_changed:
            for connection in self._connections:
                _end(connection)
            self._connections_changed.wait_for(lambda: not self._connections, timeout=_FAREWELL_SECONDS)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's signature
        with self._connections_changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - the base class's signature
        # Not the base class's way, which sends FIN first and so spoils a reset.
        self.close_request(request)
        with self._connections_changed:
            self._connections.discard(request)
            self._connections_changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - the base class's signature
        # A client that leaves early is no concern of ours; anything else is a defect, and one line says so.
        level = logging.DEBUG if isinstance(error := sys.exception(), OSError) else logging.ERROR
        _log.log(level, "A connection ended: %r", error)


class _SocketWire:
    """The connection of one client, as faults see it."""

    def __init__(self, connection: socket.socket, stopping: threading.Event) -> None:
        self._connection = connection
        self._stopping = stopping

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def wait_for_client_to_leave(self, seconds: float) -> None:
        # A client that waits for an answer sends nothing, so whatever arrives is the end of the connection.
        self._connection.settimeout(None if seconds == math.inf else seconds)
        with contextlib.suppress(OSError):
            self._connection.recv(1)

    def reset(self) -> None:
        # Lingering for no time is what makes the kernel send RST in place of FIN.
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads a request, lets the API answer it and a fault spoil the answer, and so on."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        server = cast("_Server", self.server)
        request = self._read_request()
        if request is None:
            return
        at_seconds = server.workspace.seconds_since_start()
        reply = server.api.reply(request)
        fault = NO_FAULT
        if reply.route_name is not None:
            fault = server.workspace.next_fault(reply.route_name, len(reply.ids))
        response = fault.alter(reply.response.but(headers={"X-Request-Id": str(uuid4())}))
        recorded = RecordedRequest(
            at_seconds=at_seconds,
            method=request.method,
            path=request.path,
            headers=request.headers,
            body=request.body,
            job_ids=reply.ids if reply.route_name == "status" else (),
            status=response.status if fault.sends_status else None,
        )
        # Before anything is sent: who has the answer finds the request recorded.
        server.requests.append(recorded)
        _log.info("%s %s: %s, %d IDs", recorded.method, recorded.path, recorded.status or "no response", len(reply.ids))
        wire = _SocketWire(self.connection, server.stopping)
        wire.pause(server.scenario.latency_seconds)
        fault.send(response, wire)
        self.close_connection = self.close_connection or fault.ends_connection

    do_DELETE = do_GET = do_PATCH = do_POST = do_PUT = _serve  # noqa: N815 - the base class looks for these names

    def _read_request(self) -> Request | None:
        """Read the rest of a request; None where that cannot be done, and the connection is to end."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not _LENGTH.fullmatch(length):
            self.close_connection = True
            self.wfile.write(error_response(HTTPStatus.LENGTH_REQUIRED).whole())
            return None
        body = self.rfile.read(int(length)) if int(length) <= _DRAINED_BYTES else b""
        if len(body) < int(length):
            self.close_connection = True
            return None
        # The path goes into the log: whatever could act on a terminal is escaped, and the query stays out.
        path = self.path.partition("?")[0].encode("unicode_escape").decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(method=self.command, path=path, headers=headers, body=body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's signature
        """Keep the base class's own lines out of the log."""
        _log.debug(format, *args)
