"""A client of the stand-in that shows what comes over the wire."""

import json
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fake_fini import FakeFini, Scenario

# As Fini documents them.
PATHS = {
    "status": "/v2/knowledge/public/jobs/status",
    "articles": "/v2/hc-articles/ids/public",
    "publish": "/v2/hc-articles/article-a/publish/public",
    "generate": "/v2/knowledge/public",
    "bulk": "/v2/knowledge/public/bulk",
    "sources": "/v2/documents/public",
    "refresh": "/v2/documents/public/refresh",
}
KEY = "fini_demo_key"


class Received(NamedTuple):
    """All that came over a connection; the status is 0 if nothing came. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    was_reset: bool
    raw: bytes

    @property
    def payload(self) -> Any:  # noqa: ANN401 - JSON
        """The body as JSON."""
        return json.loads(self.body)


def serving(*jobs: object, clock: Callable[[], float] = time.monotonic, **scenario: object) -> FakeFini:
    """Return a stand-in with these jobs; `_` in another key of the scenario stands for `-`."""
    mapping = {name.replace("_", "-"): value for name, value in scenario.items()}
    return FakeFini(Scenario.from_mapping({"jobs": jobs, **mapping}), clock=clock)


def connected(url: str) -> socket.socket:
    """Open a connection."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=5)


def request(payload: object, route: str = "status", *, method: str = "POST", **headers: str) -> bytes:
    """Return a request, the last one on its connection, to a route or a path; bytes are sent as they are."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    fields = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "Connection": "close"}
    fields |= {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {PATHS.get(route, route)} HTTP/1.1", *map(": ".join, fields.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def send(api: FakeFini, data: bytes) -> Received:
    """Send bytes over a connection of their own, and receive until it ends."""
    received, was_reset = b"", False
    with connected(api.url) as connection:
        connection.sendall(data)
        try:
            while chunk := connection.recv(65_536):
                received += chunk
        except ConnectionResetError:
            was_reset = True
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Received(int(status.split()[1]) if status else 0, headers, body, was_reset, received)


def ask(api: FakeFini, *job_ids: str) -> Received:
    """Ask for the status of jobs."""
    return send(api, request({"jobIds": job_ids}))


def rows(api: FakeFini, *job_ids: str) -> list[dict[str, Any]]:
    """Ask for the status of jobs, and return their rows."""
    found: list[dict[str, Any]] = ask(api, *job_ids).payload["jobs"]
    return found


def get(api: FakeFini, path: str) -> Received:
    """Send a GET request."""
    return send(api, request(b"", path, method="GET"))


def wait_until(is_reached: Callable[[], object]) -> None:
    """Wait until something is true, or long enough for a test to fail."""
    end_at = time.monotonic() + 20
    while not is_reached() and time.monotonic() < end_at:
        time.sleep(0.001)
