"""A stand-in for Fini's API that is fast: it knows every job, and answers in one write.

A process of its own, so that its CPU is not the gate's. With `fake_fini`, which can do far more, half of a bare
session's time would be the stand-in's. A first byte's time is on the monotonic clock, which all processes share.
"""

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import IO, Final, cast

from bench.machine import ROOT

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
# Multiples of it fill the time between 0 and 1 evenly, however many there are.
_GOLDEN_RATIO: Final = 0.618034


def job_ids(count: int) -> list[str]:
    """So many job IDs, of the length that Fini's have."""
    return [f"{number:08x}-5a17-4c0d-9b1e-2f6d8c3a7e50" for number in range(count)]


@dataclass
class Tally:
    """What the API was asked since the last tally."""

    first_byte_at: float | None = None
    request_count: int = 0
    asked: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Api:
    """The API, listening."""

    url: str

    def tally(self) -> tuple[float, int, int]:
        """Begin a new tally, and return the old one.

        Returns:
            When the first byte came (0 where none did), how many requests, and how often one job was asked for at most.
        """
        # Not urlopen, which would ask a proxy.
        with contextlib.closing(HTTPConnection(self.url.removeprefix("http://"))) as connection:
            connection.request("GET", "/tally")
            first_byte_at, request_count, look_count = json.load(connection.getresponse())
        return first_byte_at, request_count, look_count


@contextlib.contextmanager
def serve(*, latency_seconds: float = 0, spread_seconds: float = 0) -> Iterator[Api]:
    """Serve while the context lasts.

    Args:
        latency_seconds: how long each answer takes, while others take theirs.
        spread_seconds: over how long after the tally's first request the jobs end, evenly; without it all have ended.
    """
    command = [sys.executable, "-m", "bench.api", str(latency_seconds), str(spread_seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        try:
            yield Api(cast("IO[str]", process.stdout).readline().strip())
        finally:
            process.terminate()


class _Connection(asyncio.Protocol):
    def __init__(self, latency_seconds: float, spread_seconds: float, tallies: list[Tally]) -> None:
        self._latency_seconds = latency_seconds
        self._spread_seconds = spread_seconds
        self._tallies = tallies
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        tally = self._tallies[-1]
        tally.first_byte_at = tally.first_byte_at or time.monotonic()
        self._received += data
        head, _, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if b"\r\n\r\n" not in self._received or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        if not head.startswith(b"GET /tally "):
            asyncio.get_running_loop().call_later(self._latency_seconds, self._answer, self._rows(json.loads(body)))
            return
        polls = max(tally.asked.values(), default=0)
        self._tallies.append(Tally())
        self._answer(json.dumps([tally.first_byte_at if tally.request_count else 0, tally.request_count, polls]))

    def _rows(self, body: dict[str, list[str]]) -> str:
        tally = self._tallies[-1]
        tally.request_count += 1
        tally.asked.update(body["jobIds"])
        seconds = time.monotonic() - (tally.first_byte_at or 0)
        rows = (
            _row(job_id, seconds / self._spread_seconds if self._spread_seconds else 1) for job_id in body["jobIds"]
        )
        return f'{{"jobs":[{",".join(rows)}]}}'

    def _answer(self, content: str) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self._transport.write((head + content).encode())


def _row(job_id: str, share: float) -> str:
    """What is told of a job once this share of all has ended."""
    number = int(job_id[:8], 16)
    minute = f"2026-06-11T12:{number // 60 % 60:02}"
    begun = f'"id":"{job_id}","createdAt":"{minute}:00.000Z","startedAt":"{minute}:01.{number % 1000:03}Z"'
    if number * _GOLDEN_RATIO % 1 > share:
        return f'{{{begun},"jobStatus":"IN_PROGRESS","hcArticleId":null}}'
    article_id = f"7{job_id[1:]}"
    return f'{{{begun},"jobStatus":"COMPLETED","completedAt":"{minute}:05.000Z","hcArticleId":"{article_id}"}}'


async def _listen(latency_seconds: float, spread_seconds: float) -> None:
    tallies = [Tally()]
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(latency_seconds, spread_seconds, tallies), "127.0.0.1", 0
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until terminated; the first line printed is where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("latency_seconds", type=float)
    parser.add_argument("spread_seconds", type=float)
    arguments = parser.parse_args()
    asyncio.run(_listen(arguments.latency_seconds, arguments.spread_seconds))


if __name__ == "__main__":
    main()
