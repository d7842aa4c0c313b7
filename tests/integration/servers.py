"""Servers on loopback that do what no proper one would, and a proxy that opens tunnels."""

import base64
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final, Self

OK: Final = b'{"jobs": [{"id": "a", "jobStatus": "COMPLETED"}]}'


@dataclass(frozen=True)
class Received:
    """A request as it came in. The names of its headers are in lower case."""

    line: str
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One client's connection, as an answer sees it."""

    def __init__(self, wire: socket.socket, over: threading.Event) -> None:
        self._wire = wire
        self._over = over
        self.requests: list[Received] = []
        self.is_open = True
        self.sent_bytes = 0

    def send(self, data: bytes) -> None:
        """Send these bytes now."""
        self._wire.sendall(data)
        self.sent_bytes += len(data)

    def drip(self, data: bytes, seconds: float = 0.02) -> None:
        """Send a byte at a time."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            self.pause(seconds)

    def pause(self, seconds: float) -> None:
        """Wait, until the test is over at the longest."""
        if self._over.wait(seconds):
            raise ConnectionAbortedError

    def hang(self) -> None:
        """Send nothing more, and leave the connection open, until the client closes it."""
        while not select.select([self._wire], [], [], 0.02)[0]:
            self.pause(0)
        self.is_open = False

    def hand_on(self, other: socket.socket) -> None:
        """Hand on what each side says to the other, until one of them ends."""
        while True:
            for end in select.select([self._wire, other], [], [], 0.02)[0]:
                if not (data := end.recv(65536)):
                    return
                (other if end is self._wire else self._wire).sendall(data)
            self.pause(0)

    def hang_up(self) -> None:
        """Close the connection in good order."""
        self.is_open = False

    def reset(self) -> None:
        """Break the connection off."""
        self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.is_open = False


ParsedResponse = Callable[[Connection], None]


class Server:
    """Answers the requests of all its connections by a list of answers, the last of them again and again.

    The greeting is what it sends on each connection before it is asked anything.
    """

    def __init__(self, *answers: ParsedResponse, tls: ssl.SSLContext | None = None, greeting: bytes = b"") -> None:
        self._answers = answers
        self._tls = tls
        self._greeting = greeting
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wires: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.requests: list[Received] = []
        self.connections: list[Connection] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Start to listen."""
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """End every connection and every thread."""
        self._over.set()
        for wire in (self._listener, *self._wires):
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                wire, _ = self._listener.accept()
                self._wires.append(wire)
                self._start(self._serve, wire)

    def _serve(self, plain: socket.socket) -> None:
        with plain, suppress(OSError), ExitStack() as stack:
            wire = stack.enter_context(self._tls.wrap_socket(plain, server_side=True)) if self._tls else plain
            self._wires.append(wire)  # to speak TLS, it took the place of the plain one
            stream = stack.enter_context(wire.makefile("rb"))
            connection = Connection(wire, self._over)
            self.connections.append(connection)
            connection.send(self._greeting)
            while connection.is_open and (line := stream.readline()):
                headers = dict(iter(lambda: _header(stream.readline()), ("", "")))
                body = stream.read(int(headers.get("content-length", 0)))
                received = Received(line.decode().strip(), headers, body)
                connection.requests.append(received)
                self.requests.append(received)
                self._answers[min(len(self.requests), len(self._answers)) - 1](connection)


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip().lower(), value.strip()


def sending(data: bytes) -> ParsedResponse:
    """Send these bytes and wait for the next request."""
    return lambda connection: connection.send(data)


def ending(data: bytes) -> ParsedResponse:
    """Send these bytes and close the connection."""

    def answer(connection: Connection) -> None:
        connection.send(data)
        connection.hang_up()

    return answer


def resetting(data: bytes) -> ParsedResponse:
    """Send these bytes and break the connection off."""

    def answer(connection: Connection) -> None:
        connection.send(data)
        connection.reset()

    return answer


def head(status: str = "200 OK", **headers: str) -> bytes:
    """A status line and headers."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def whole(body: bytes = OK, status: str = "200 OK", **headers: str) -> bytes:
    """An answer with its length."""
    return head(status, Content_Length=str(len(body)), **headers) + body


def chunked(*chunks: bytes, **headers: str) -> bytes:
    """An answer in chunks."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return head(Transfer_Encoding="chunked", **headers) + framed


def tunnelling(port: int, *, login: str = "") -> ParsedResponse:
    """Answer a CONNECT as a proxy does, whatever host it is for, where the login (`user:password`) is right."""
    expected = f"Basic {base64.b64encode(login.encode()).decode()}"

    def answer(connection: Connection) -> None:
        (request,) = connection.requests
        assert request.line.startswith("CONNECT ")
        if login and request.headers.get("proxy-authorization") != expected:
            connection.send(whole(b"", "407 Proxy Authentication Required", Proxy_Authenticate="Basic"))
        else:
            with socket.create_connection(("127.0.0.1", port)) as other:
                connection.send(head("200 Connection established"))
                connection.hand_on(other)
        connection.hang_up()

    return answer
