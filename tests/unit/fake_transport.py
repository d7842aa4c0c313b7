"""A transport in simulated time, in front of an API in memory."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from requests.structures import CaseInsensitiveDict

from fini_gate.client.failures import Failure
from fini_gate.client.transport import Response

STARTED_AT = 1000.0
HUNG_UP = Failure("it hung up", is_broken_connection=True)
TOO_SLOW = Failure("no complete response within 30s")


def respond(status: int, document: object = None, **headers: str) -> Response:
    """Build a response; an error's document by default."""
    body = {"statusCode": status, "message": "It said why"} if document is None else document
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, CaseInsensitiveDict(named), json.dumps(body).encode())


class Clock:
    """Time that passes only while the gate waits."""

    def __init__(self) -> None:
        self.now = STARTED_AT

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


@dataclass(eq=False)
class FakeRequest:
    """A request whose response arrives at a known time."""

    clock: Clock
    ends_at: float
    outcome: Response | Failure

    @property
    def response(self) -> Response | Failure | None:
        """What came of it, once its time has come."""
        return self.outcome if self.clock.now >= self.ends_at else None


@dataclass
class FakeTransport:
    """Responds as the API does: one bad ID fails a whole request without being named."""

    clock: Clock
    script: list[Response | Failure | None] = field(default_factory=list)
    """Responses to give first, one a request; None stands for the API's own."""
    bad: dict[int, set[str]] = field(default_factory=lambda: {400: set(), 404: set(), 500: set(), 502: set()})
    """Status → the IDs that cause it in any request; the first status in the table counts."""
    omitted: set[str] = field(default_factory=set)
    max_ids: int = 10_000
    status_if_too_many: int = 413
    down: Response | Failure | None = None
    request_seconds: float = 0.0
    slow: Mapping[str, float] = field(default_factory=dict)
    """The first ID of a request → the seconds that it takes instead."""
    requests: list[tuple[str, ...]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)
    in_flight: list[FakeRequest] = field(default_factory=list)
    max_in_flight: int = 0

    def submit(self, path: str, document: Any, *, timeout_seconds: float) -> FakeRequest:  # noqa: ANN401 - JSON
        """Take a request: the IDs are in its document, or else at the end of its path."""
        (ids,) = document.values() if document is not None else [[unquote(path.rpartition("/")[2])]]
        assert ids
        assert timeout_seconds > 0
        self.requests.append(tuple(ids))
        self.paths.append(path)
        self.timeouts.append(timeout_seconds)
        self.sent_at.append(self.clock.now - STARTED_AT)
        outcome = (self.script.pop(0) if self.script else self.down) or self.own_response(ids)
        seconds = self.slow.get(ids[0], self.request_seconds)
        if seconds > timeout_seconds:
            seconds, outcome = timeout_seconds, TOO_SLOW
        request = FakeRequest(self.clock, self.clock.now + seconds, outcome)
        self.in_flight = [*(each for each in self.in_flight if each.ends_at > self.clock.now), request]
        self.max_in_flight = max(self.max_in_flight, len(self.in_flight))
        return request

    def wait_any(self, requests: Sequence[FakeRequest], until: float) -> FakeRequest | None:
        """Let time pass until the first response or a time."""
        first = min(requests, key=lambda request: request.ends_at, default=None)
        self.clock.now = max(self.clock.now, min(until, first.ends_at if first else until))
        return first if first is not None and first.response is not None else None

    def own_response(self, ids: Sequence[str]) -> Response:
        """Respond truthfully."""
        if len(ids) > self.max_ids:
            return respond(self.status_if_too_many)
        for status, bad in self.bad.items():
            if not bad.isdisjoint(ids):
                return respond(status)
        rows = [{"id": job_id, "jobStatus": "PENDING"} for job_id in ids if job_id not in self.omitted]
        return respond(200, {"jobs": rows})

    @property
    def sizes(self) -> list[int]:
        """How many IDs each request named."""
        return [len(request) for request in self.requests]

    def forget(self) -> None:
        """Forget the requests so far."""
        self.requests.clear()
        self.timeouts.clear()
        self.sent_at.clear()
        self.max_in_flight = 0
