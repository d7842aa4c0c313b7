"""A model of Fini's API in simulated time, which stands in for the transport and records every request.

The API says of a job, for a while: a mapping, the fields of its row; None, no row at all; or a number, the status of
every request that names it.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias, TypeVar
from urllib.parse import unquote
from zlib import crc32

from fini_gate.client.failures import Failure
from fini_gate.client.transport import Response
from fini_gate.errors import CancelledError

from .contract import read_rows
from .replies import FAULTS, KEY, OTHER_JOB, Meaning, Reply, body_text, header_text

Word: TypeAlias = Mapping[str, Any] | int | None

# An article by its kind: what the rows for it say of `isDraftPublished`.
ARTICLES: Mapping[str, tuple[object, ...]] = {
    "live": (None,),
    "live and said so": (True,),
    "draft": (False,),
    "live and draft": (True, False),
    "absent": (),
}


_Result = TypeVar("_Result")


@dataclass
class Clock:
    """A clock that advances only where something waits. It may jump, and a signal may arrive. It is an executor too."""

    now: float = 0.0
    jumps: list[tuple[float, float]] = field(default_factory=list)  # when, earliest first, and by how much
    signal: tuple[float, int] | None = None  # when it arrives, and its number
    jumped_to: list[float] = field(default_factory=list)
    signalled_at: float | None = None

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    @property
    def signal_number(self) -> int | None:
        """The signal that has arrived, if any."""
        return self.signal[1] if self.signal and self.signalled_at is not None else None

    def call(self, function: Callable[[], _Result]) -> _Result:
        """Call a function, as the executor does."""
        return function()

    def sleep(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            CancelledError: a signal arrived, now or earlier.
        """
        target = self.now + max(0.0, seconds)
        if self.signal is not None and self.signal[0] <= target:
            self.now = max(self.now, self.signal[0])
            self.signalled_at = self.now if self.signalled_at is None else self.signalled_at
            raise CancelledError(self.signal[1])
        while self.jumps and self.jumps[0][0] <= target:
            target += self.jumps.pop(0)[1]
            self.jumped_to.append(target)
        self.now = target


@dataclass
class Timeline:
    """What the API says of a job, and from how many seconds after the start on, earliest first."""

    id: str
    words: list[tuple[float, Word]]

    def between(self, start: float, end: float) -> list[Word]:
        """Return all that the API says from a time to another, in order."""
        first = max(index for index, (since, _) in enumerate(self.words) if since <= max(0.0, start))
        return [word for since, word in self.words[first:] if since <= max(start, end)]


@dataclass(frozen=True)
class Behaviour:
    """How the API behaves: how fast it is, how many IDs it accepts, and which faults happen."""

    seconds: tuple[float, float] = (0.01, 0.1)
    max_ids: float = math.inf
    status_above: int = 413  # of a request with more IDs
    order: tuple[int, ...] = (400, 404, 500)  # which of several bad IDs decides the status
    faults: tuple[str, ...] = ()
    fault_rate: float = 1.0
    outages: tuple[tuple[float, float, str], ...] = ()  # from and until when, in seconds after the start, and the fault
    refusal: tuple[int, str] | None = None  # the number of the request, from 1, and the fault
    articles: tuple[str, ...] = ("live",)  # the kinds of articles that there are


@dataclass(eq=False)
class Request:
    """A request, and what became of it."""

    began_at: float
    timeout_seconds: float
    in_flight: int  # how many requests were, with this one, when it began
    responses_before: int  # how many the gate had received by then
    job_ids: tuple[str, ...] = field(repr=False)  # of a look-up: the IDs of articles, or of a source
    reply: Reply = field(repr=False)
    fault: str | None = None
    ended_at: float = math.inf
    status: int | None = None
    meaning: Meaning | None = None  # None until the response has arrived
    retry_not_before: float = -math.inf
    response: Response | Failure | None = field(default=None, repr=False)
    rows: Mapping[str, list[Mapping[str, Any]]] = field(default_factory=dict, repr=False)  # by job ID in lower case

    def arrive(self, now: float) -> None:
        """Let the response arrive."""
        self.ended_at, self.response = now, self.reply.response()
        if isinstance(self.response, Response):
            self.status, self.retry_not_before = self.response.status, now + self.reply.retry_after_seconds
            if self.route != "status" and self.status == 200:
                rows_by_id = read_rows(self.route, self.response.body, self.job_ids, KEY)
                self.reply.is_readable = rows_by_id is not None
                self.rows = {each.lower(): rows for each, rows in (rows_by_id or {}).items()}
        self.meaning = self.reply.meaning
        if self.meaning is Meaning.OK and self.route == "status":
            rows: dict[str, list[Mapping[str, Any]]] = {}
            for row in self.reply.rows:
                rows.setdefault(row["id"].lower(), []).append(row)
            self.rows = rows

    @property
    def route(self) -> str:
        """What was asked for: the status of jobs, articles, or a source."""
        return self.reply.route

    @property
    def ends_at(self) -> float:
        """When the response arrives."""
        return self.began_at + self.reply.seconds

    @property
    def is_usable(self) -> bool:
        """Whether the response is usable by the contract."""
        return self.meaning in {Meaning.OK, Meaning.NOT_FOUND, Meaning.BAD_REQUEST}

    @property
    def is_refusal(self) -> bool:
        """Whether the response ends the gate."""
        return self.meaning is Meaning.FATAL or (self.meaning is Meaning.TOO_LARGE and len(self.job_ids) == 1)


@dataclass
class Transport:
    """Stands in for the gate's transport."""

    clock: Clock
    requests: list[Request] = field(default_factory=list)  # for the status of jobs, in the order in which they began
    lookups: list[Request] = field(default_factory=list)  # for articles and sources
    responses: list[Request] = field(default_factory=list)  # in the order in which they arrived
    in_flight: list[Request] = field(default_factory=list)

    def submit(self, path: str, document: Mapping[str, Sequence[str]] | None, *, timeout_seconds: float) -> Request:
        """Begin a request."""
        now = self.clock.now
        ((field_name, ids),) = (document or {"": [unquote(path.rpartition("/")[2])]}).items()
        job_ids, route = tuple(ids), {"jobIds": "status", "articleIds": "articles", "": "source"}[field_name]
        reply, fault = self.reply(job_ids) if route == "status" else self.lookup_reply(route, job_ids)
        if reply.seconds > timeout_seconds:
            reply.seconds, reply.failure = timeout_seconds, Failure("no whole response in time")
        self.in_flight = [each for each in self.in_flight if each.ends_at > now]
        numbers = len(self.in_flight) + 1, len(self.responses)
        request = Request(now, timeout_seconds, *numbers, job_ids, reply, fault)
        (self.requests if route == "status" else self.lookups).append(request)
        self.in_flight.append(request)
        return request

    def wait_any(self, requests: Sequence[Request], until: float) -> Request | None:
        """Let time pass until the first response arrives, or until `until`."""
        in_order = sorted(requests, key=lambda request: request.ends_at)
        try:
            self.clock.sleep(min([until, *(request.ends_at for request in in_order)]) - self.clock.now)
        finally:
            for request in in_order:
                if request.response is None and request.ends_at <= self.clock.now:
                    request.arrive(self.clock.now)
                    if request.route == "status":
                        self.responses.append(request)
        return next((request for request in in_order if request.response is not None), None)

    def reply(self, job_ids: Sequence[str]) -> tuple[Reply, str | None]:
        """Return the reply to a request, and the fault that spoiled it."""
        raise NotImplementedError

    def lookup_reply(self, route: str, ids: Sequence[str]) -> tuple[Reply, str | None]:
        """Return the reply to a request for articles or a source, and the fault that spoiled it."""
        raise NotImplementedError


@dataclass
class Api(Transport):
    """The API: it knows each job's timeline, and faults spoil its replies."""

    timelines: Mapping[str, Timeline] = field(default_factory=dict)  # by job ID in lower case
    behaviour: Behaviour = Behaviour()
    rng: Random = field(default_factory=Random)
    injected: Counter[str] = field(default_factory=Counter)  # how often each fault happened
    sources: Mapping[str, str] = field(default_factory=dict)  # source → the job that its record is about

    def __post_init__(self) -> None:
        """Start the jobs' time."""
        self.started_at = self.clock.now

    def reply(self, job_ids: Sequence[str]) -> tuple[Reply, str | None]:
        """Reply with the truth, unless a fault spoils it."""
        return self._spoiled(self._true_reply(job_ids))

    def lookup_reply(self, route: str, ids: Sequence[str]) -> tuple[Reply, str | None]:
        """Reply with the articles or the source, unless a fault spoils it."""
        rows = [row for each in ids for row in (self._articles(each) if route == "articles" else [self._source(each)])]
        return self._spoiled(Reply(200, rows, seconds=self.rng.uniform(*self.behaviour.seconds), route=route))

    def _articles(self, article_id: str) -> list[dict[str, Any]]:
        title = {"title": self.rng.choice((body_text(self.rng), "A title", None, 5))}
        # The same article is always of the same kind.
        kinds = self.behaviour.articles
        kind = kinds[crc32(article_id.lower().encode("utf-8", "replace")) % len(kinds)]
        rows = [{"id": article_id, "isDraftPublished": word, **title} for word in ARTICLES[kind]]
        return [{name: value for name, value in row.items() if value is not None} for row in rows]

    def _source(self, source_id: str) -> dict[str, Any]:
        linked = self.sources.get(source_id, "")
        about = f"{OTHER_JOB} " if self.rng.random() < 0.3 else ""
        texts = (body_text(self.rng), "", None, 7)
        reasons = {name: about + str(self.rng.choice(texts)) for name in ("error", "linkedReason")}
        return {"id": source_id, "linkedJobId": f"not-{linked}" if about else linked, **reasons}

    def _spoiled(self, reply: Reply) -> tuple[Reply, str | None]:
        fault = self._next_fault()
        if fault is not None:
            FAULTS[fault](self.rng, reply)
            self.injected[fault] += 1
        return reply, fault

    def _true_reply(self, job_ids: Sequence[str]) -> Reply:
        seconds = self.rng.uniform(*self.behaviour.seconds)
        at = self.clock.now + seconds / 2 - self.started_at
        words = {job_id: self.timelines[job_id.lower()].between(at, at)[0] for job_id in job_ids}
        bad = [word for word in words.values() if isinstance(word, int)]
        status = min(bad, key=lambda status: self.behaviour.order.index(min(status, 500)), default=200)
        if len(job_ids) > self.behaviour.max_ids:
            status = self.behaviour.status_above
        headers = {"X-Request-Id": header_text(self.rng)}
        if status == 200:
            rows = [{"id": job_id, **word} for job_id, word in words.items() if isinstance(word, Mapping)]
            return Reply(status, rows, headers, seconds=seconds)
        texts = [header_text(self.rng) for _ in range(3)]
        message: object = texts[0] if self.rng.random() < 0.7 else texts[:2]
        body = json.dumps({"statusCode": status, "message": message, "error": texts[2]}).encode()
        return Reply(status, headers=headers, body=body, seconds=seconds)

    def _next_fault(self) -> str | None:
        behaviour, elapsed = self.behaviour, self.clock.now - self.started_at
        if behaviour.refusal is not None and behaviour.refusal[0] == len(self.requests) + 1:
            return behaviour.refusal[1]
        outage = next((fault for since, until, fault in behaviour.outages if since <= elapsed < until), None)
        is_due = behaviour.faults and self.rng.random() < behaviour.fault_rate
        return outage or (self.rng.choice(behaviour.faults) if is_due else None)
