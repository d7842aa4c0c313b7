"""Servers on loopback that misbehave in every way, and a proxy that opens tunnels."""

import base64
import math
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from http.client import parse_headers
from socketserver import StreamRequestHandler
from typing import Any, Final, NamedTuple, TypeAlias

from fake_fini.server import SocketServer

OK: Final = b'{"jobs": [{"id": "a", "jobStatus": "COMPLETED"}]}'
# Steps: pause until the client leaves, close the connection, or break it off.
HANG: Final = math.inf
CLOSE: Final = "close"
RESET: Final = "reset"


class Received(NamedTuple):
    """A request. Header names are in lower case."""

    line: str
    headers: Mapping[str, str]
    body: bytes


class Relay(NamedTuple):
    """Pass everything between the client and a port of this machine, until one of them leaves."""

    port: int


Step: TypeAlias = bytes | float | str | Relay
"""Bytes to send, seconds to pause, or what else to do with the connection."""
Script: TypeAlias = Iterable[Step] | Callable[[Received], Iterable[Step]]
"""What a server does with a request. The connection stays open unless a step ends it."""


class Server(SocketServer):
    """Plays one script for each request, in order, and the last one again and again."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Connection, tls)
        self.port: int = self.server_address[1]
        self.requests: list[Received] = []
        self.connection_count = 0
        self.sent_bytes = 0
        # Released when a connection has ended.
        self.ended = threading.Semaphore(0)
        self.scripts = scripts

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - the base class's signature
        """Close a connection."""
        super().shutdown_request(request)
        self.ended.release()


class _Connection(StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        self.server.connection_count += 1
        while line := self.rfile.readline():
            headers = {name.lower(): value for name, value in parse_headers(self.rfile).items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            requests, scripts = self.server.requests, self.server.scripts
            received = Received(line.decode().strip(), headers, body)
            requests.append(received)
            script = scripts[min(len(requests), len(scripts)) - 1]
            steps = script(received) if callable(script) else script
            if not all(self._play(step) for step in steps):
                return

    def _play(self, step: Step) -> bool:
        """Return whether the connection goes on."""
        match step:
            case bytes(data):
                self.request.sendall(data)
                self.server.sent_bytes += len(data)
            case str(ending):
                if ending == RESET:
                    self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            case Relay(port):
                return self._relay(port)
            case seconds:
                # A client that leaves and a server that stops both make the socket readable.
                return not select.select([self.request], [], [], None if seconds == HANG else seconds)[0]
        return True

    def _relay(self, port: int) -> bool:
        with socket.create_connection(("127.0.0.1", port)) as target:
            others = {self.request: target, target: self.request}
            while True:
                for sender in select.select(list(others), [], [])[0]:
                    if not (data := sender.recv(65536)):
                        return False
                    others[sender].sendall(data)


Start = Callable[..., Server]
"""What the fixture `start` gives: it starts a server with the arguments of `Server`."""


def drip(data: bytes, *, size: int = 1, seconds: float = 0.02) -> list[Step]:
    """Send data in small pieces, with pauses."""
    return [step for start in range(0, len(data), size) for step in (data[start : start + size], seconds)]


def head(status: str = "200 OK", **headers: str) -> bytes:
    """Return a status line and headers."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def whole(body: bytes = OK, status: str = "200 OK", **headers: str) -> bytes:
    """Return a response with its length."""
    return head(status, Content_Length=str(len(body)), **headers) + body


def chunked(*chunks: bytes, **headers: str) -> bytes:
    """Return a response in chunks."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return head(Transfer_Encoding="chunked", **headers) + framed


GOOD: Final = (whole(),)


def tunnelling(port: int, *, login: str = "") -> Script:
    """Answer CONNECT as a proxy does, whatever the host, if the login (`user:password`) is right."""
    expected = f"Basic {base64.b64encode(login.encode()).decode()}"

    def steps(request: Received) -> Iterable[Step]:
        assert request.line.startswith("CONNECT ")
        if login and request.headers.get("proxy-authorization") != expected:
            return whole(b"", "407 Proxy Authentication Required", Proxy_Authenticate="Basic"), CLOSE
        return head("200 Connection established"), Relay(port)

    return steps
