"""The stand-in as a server: HTTP/1.1 over sockets, with or without TLS, one thread per connection."""

import contextlib
import logging
import math
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, Final, Self, cast
from urllib.parse import parse_qsl
from uuid import uuid4

from fake_fini.articles import Articles
from fake_fini.faults import Fault
from fake_fini.jobs import Jobs
from fake_fini.messages import Request, Response, error_response
from fake_fini.routes import Workspace, respond
from fake_fini.scenario import AT_START, Scenario
from fake_fini.sources import Sources

# A longer body is not read; the API accepts far less.
_MAX_READ_BYTES: Final = 16 * 1024**2
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
_SHUTDOWN_POLL_SECONDS: Final = 0.02

_log: Final = logging.getLogger("fake_fini")


class SocketServer(ThreadingTCPServer):
    """Serves while the context lasts, with or without TLS, one thread per connection."""

    # server_close waits only for threads that are not daemons.
    daemon_threads = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseRequestHandler], tls: ssl.SSLContext | None) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._tls = tls
        self._connections: set[socket.socket] = set()
        super().__init__(address, handler)

    @property
    def url(self) -> str:
        """The URL, without a slash at the end."""
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    def __enter__(self) -> Self:
        """Start to respond."""
        threading.Thread(target=self.serve_forever, args=(_SHUTDOWN_POLL_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, end every connection, and wait for the threads."""
        self.shutdown()
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                # Not SSLSocket's method, which takes the TLS session away from the thread that uses it.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; the TLS handshake comes with the first read, in the connection's own thread."""
        connection, address = super().get_request()
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - the base class's signature
        """Close a connection without sending FIN first, which would spoil a reset."""
        self._connections.discard(request)
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - the base class's signature
        """Log an error; only clients that leave early are normal."""
        level = logging.DEBUG if isinstance(error := sys.exception(), OSError) else logging.ERROR
        _log.log(level, "A connection ended: %r", error)


class FakeFini(SocketServer):
    """The stand-in.

    `clock` returns seconds from any origin and decides how far jobs are; pauses that faults make are real. Without
    `tls`, `host` must be a loopback address, so that no API key crosses a network in the clear.
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
        if tls is None and not _is_loopback(host):
            raise ValueError(f"{host} is not a loopback address: use TLS to protect API keys")
        self.scenario: Final = scenario
        self._jobs = Jobs(scenario.jobs, scenario.queued, clock)
        self._workspace = Workspace(self._jobs, Articles(self._jobs), Sources(scenario.sources, self._jobs))
        if scenario.clock_starts == AT_START:
            self._jobs.start_clock()
        # In the order of their responses.
        self.requests: Final[list[Request]] = []
        self._requests_by_route: Counter[str] = Counter()
        self._uses_by_rule: Counter[int] = Counter()
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler, tls)

    def respond(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Response:
        """Record a request, and return the response to send."""
        path, _, query = target.partition("?")
        # The path goes into the log: it must not act on a terminal, and a query may hold a key.
        path = path.encode("unicode_escape").decode()
        fields = dict(parse_qsl(query, keep_blank_values=True))
        with self._lock:
            now = self._jobs.now()
            request = Request(at_seconds=now, method=method, path=path, query=fields, headers=headers, body=body)
            response = respond(request, self.scenario.api_keys, self._workspace)
            fault = self._next_fault(request)
        response = replace(response, headers={**response.headers, "X-Request-Id": str(uuid4())})
        response = fault(response) if fault else response
        request.status = response.status
        self.requests.append(request)
        _log.info("%s %s: %s, %d IDs", method, path, request.status or "no response", len(request.ids))
        return response

    def _next_fault(self, request: Request) -> Fault | None:
        """Count a request, and return the fault of the first rule that applies to it."""
        if request.route is None:
            return None
        self._requests_by_route[request.route] += 1
        number, elapsed = self._requests_by_route[request.route], self._jobs.elapsed()
        for index, rule in enumerate(self.scenario.faults):
            is_left = self._uses_by_rule[index] < (rule.at_most or math.inf)
            if is_left and rule.applies(request, number, elapsed):
                self._uses_by_rule[index] += 1
                return rule.do
        return None


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        fini = cast("FakeFini", self.server)
        body = self._read_body()
        if body is None:
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        response = fini.respond(self.command, self.path, headers, body)
        self._pause(fini.scenario.latency)
        for step in (response.to_bytes(),) if response.steps is None else response.steps:
            if isinstance(step, bytes):
                self.connection.sendall(step)
            else:
                self._pause(step)
        if response.ending == "reset":
            # A socket that does not linger sends RST when it is closed.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection |= response.ending != "keep"

    do_DELETE = do_GET = do_PATCH = do_POST = do_PUT = _serve  # noqa: N815 - the base class calls these names

    def _read_body(self) -> bytes | None:
        """Return the body, or None if the connection has to end."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not _LENGTH.fullmatch(length):
            self.wfile.write(error_response(HTTPStatus.LENGTH_REQUIRED).to_bytes())
            return None
        body = self.rfile.read(int(length)) if int(length) <= _MAX_READ_BYTES else b""
        return body if len(body) == int(length) else None

    def _pause(self, seconds: float) -> None:
        # A pause ends early if the client leaves or the server stops: both make the socket readable.
        select.select([self.connection], [], [], None if seconds == math.inf else seconds)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's signature
        """Keep the base class's lines out of the log."""
        _log.debug(format, *args)
