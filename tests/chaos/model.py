"""A model of Fini's API in simulated time: jobs with true courses, and faults, behind the transport's own method.

It records of every request what its answer meant, as it knew when it made it: nothing here parses an answer.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from typing import Any

from requests.structures import CaseInsensitiveDict

from fini_gate.client.transport import Failure, Response
from fini_gate.errors import CancelledError

# What the gate may take past its deadline; longer than that nothing may be asked for.
OVERRUN_SECONDS = 5.0


@dataclass
class Clock:
    """Seconds that pass only where something takes time; they may jump, and a signal may strike."""

    now: float = 0.0
    jumps: list[tuple[float, float]] = field(default_factory=list)
    """When, and by how much; the earliest first."""
    signal: tuple[float, int] | None = None
    """When it strikes, and its number."""
    landings: list[float] = field(default_factory=list)
    """Where the jumps ended."""
    fired_at: float | None = None
    """When the signal was heard."""

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def pass_time(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            CancelledError: the signal struck, now or earlier.
        """
        target = self.now + max(0.0, seconds)
        if self.signal is not None and self.signal[0] <= target:
            self.now = max(self.now, self.signal[0])
            self.fired_at = self.now if self.fired_at is None else self.fired_at
            raise CancelledError(self.signal[1])
        while self.jumps and self.jumps[0][0] <= target:
            target += self.jumps.pop(0)[1]
            self.landings.append(target)
        self.now = target


class Presence(Enum):
    """What the API makes of a job's ID."""

    ROW = auto()
    LEFT_OUT = auto()
    UNKNOWN = auto()
    MALFORMED = auto()
    POISON = auto()


@dataclass(frozen=True)
class Standing:
    """How a job stands with the API for a while."""

    presence: Presence = Presence.ROW
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Of its row, but for the ID."""
    status: int = 500
    """Of a poisonous one."""


@dataclass
class Course:
    """What becomes of a job: from when (seconds after the start) it stands how; the earliest first."""

    id: str
    phases: list[tuple[float, Standing]]

    def at(self, seconds: float) -> Standing:
        """How it stands by then."""
        return [standing for since, standing in self.phases if since <= seconds][-1]


class Meaning(Enum):
    """What an answer says by the contract."""

    OK = auto()
    NOT_FOUND = auto()
    BAD_REQUEST = auto()
    TOO_LARGE = auto()
    SERVER_ERROR = auto()
    RETRYABLE = auto()
    FATAL = auto()
    NEVER_CAME = auto()
    """A signal struck meanwhile."""


MEANINGS = {
    200: Meaning.OK,
    400: Meaning.BAD_REQUEST,
    404: Meaning.NOT_FOUND,
    408: Meaning.RETRYABLE,
    413: Meaning.TOO_LARGE,
    429: Meaning.RETRYABLE,
}


def meaning_of(status: int) -> Meaning:
    """What a status says by the contract."""
    by_class = {3: Meaning.FATAL, 4: Meaning.FATAL, 5: Meaning.SERVER_ERROR}
    return MEANINGS.get(status) or by_class.get(status // 100, Meaning.RETRYABLE)


@dataclass
class Reply:
    """An answer in the making."""

    status: int
    rows: list[Any] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Where it is not made of the rows."""
    failure: Failure | None = None
    """Where nothing comes, or not all of it."""
    seconds: float = 0.0
    is_readable: bool = True
    """Whether it is a well-formed list of rows, where its status says so."""
    retry_after_seconds: float = 0.0

    @property
    def meaning(self) -> Meaning:
        """What it says by the contract."""
        if self.failure is not None or (self.status == 200 and not self.is_readable):
            return Meaning.RETRYABLE
        return meaning_of(self.status)

    def response(self) -> Response | Failure:
        """It as the transport has it."""
        if self.failure is not None:
            return self.failure
        body = json.dumps({"jobs": self.rows}).encode() if self.body is None else self.body
        return Response(self.status, CaseInsensitiveDict(self.headers), body)


@dataclass(eq=False)
class UnderWay:
    """A request that is yet to be answered."""

    job_ids: tuple[str, ...]
    reply: Reply
    fault: str | None
    began_at: float
    timeout_seconds: float
    in_flight: int
    heard: int

    @property
    def ends_at(self) -> float:
        """When it is answered."""
        return self.began_at + self.reply.seconds


@dataclass(frozen=True)
class Exchange:
    """A request, and what became of it. They are listed as they end."""

    job_ids: tuple[str, ...]
    began_at: float
    ended_at: float
    timeout_seconds: float
    meaning: Meaning
    in_flight: int
    """How many requests were, when it began, itself among them."""
    heard: int
    """How many answers had been taken when it began; of others that came in that very instant it could not know."""
    rows: tuple[Mapping[str, Any], ...] = ()
    retry_after_seconds: float = 0.0
    fault: str | None = None
    status: int | None = None

    def rows_of(self, job_id: str) -> list[Mapping[str, Any]]:
        """The rows for a job."""
        return [row for row in self.rows if str(row["id"]).casefold() == job_id.casefold()]


Spoil = Callable[[Random, Reply, float], None]
"""What a fault does to a reply, at a time."""


@dataclass(frozen=True)
class Weather:
    """Which faults come, and how often."""

    chance: float = 0.0
    kinds: tuple[str, ...] = ()
    outages: tuple[tuple[float, float, str], ...] = ()
    """From when (seconds after the start) until when everything meets this fault."""
    refusal: tuple[int, str] | None = None
    """The request, counted from 1, that meets this fault."""


@dataclass(frozen=True)
class Limits:
    """How much the API takes in one request, and in what time it answers."""

    most_ids: float = math.inf
    status_of_more: int = 413
    min_seconds: float = 0.01
    max_seconds: float = 0.1
    order: tuple[Presence, ...] = (Presence.MALFORMED, Presence.UNKNOWN, Presence.POISON)
    """Which of several bad IDs decides on the answer."""


@dataclass
class Api:
    """The API, in place of the transport."""

    courses: Mapping[str, Course]
    """Job ID, case folded → its course."""
    clock: Clock
    chance: Random
    faults: Mapping[str, Spoil]
    weather: Weather = Weather()
    limits: Limits = Limits()
    say: Callable[[Random], str] = lambda _: "an error"
    """Makes the API's words."""
    exchanges: list[Exchange] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    in_flight: list[UnderWay] = field(default_factory=list)
    asked: int = 0
    """How many requests there have been."""
    started_at: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin the jobs' time."""
        self.started_at = self.clock.now

    def submit(self, job_ids: Sequence[str], *, timeout_seconds: float) -> UnderWay:
        """Take a request as the transport would."""
        reply = self._reply(job_ids)
        fault = self._spoil(reply)
        if reply.seconds > timeout_seconds:
            reply.seconds, reply.failure = timeout_seconds, Failure("no whole answer in time")
        self.in_flight = [request for request in self.in_flight if request.ends_at > self.clock.now]
        in_flight, heard = len(self.in_flight) + 1, len(self.exchanges)
        request = UnderWay(tuple(job_ids), reply, fault, self.clock.now, timeout_seconds, in_flight, heard)
        self.in_flight.append(request)
        return request

    def wait_any(self, under_way: Sequence[UnderWay]) -> tuple[UnderWay, Response | Failure]:
        """Answer, as the transport would, the request that is answered first."""
        request = min(under_way, key=lambda each: each.ends_at)
        reply, meaning = request.reply, Meaning.NEVER_CAME
        try:
            self.clock.pass_time(request.ends_at - self.clock.now)
            meaning = reply.meaning
        finally:
            came = meaning is not Meaning.NEVER_CAME and reply.failure is None
            exchange = Exchange(
                job_ids=request.job_ids,
                began_at=request.began_at,
                ended_at=self.clock.now,
                timeout_seconds=request.timeout_seconds,
                meaning=meaning,
                in_flight=request.in_flight,
                heard=request.heard,
                rows=tuple(reply.rows) if meaning is Meaning.OK else (),
                retry_after_seconds=reply.retry_after_seconds if came else 0,
                fault=request.fault,
                status=reply.status if came else None,
            )
            self.exchanges.append(exchange)
        return request, reply.response()

    def _reply(self, job_ids: Sequence[str]) -> Reply:
        """Answer truthfully."""
        seconds = self.chance.uniform(self.limits.min_seconds, self.limits.max_seconds)
        if len(job_ids) > self.limits.most_ids:
            return self._error(self.limits.status_of_more, seconds)
        elapsed = self.clock.now + seconds / 2 - self.started_at
        standings = {job_id: self.courses[job_id.casefold()].at(elapsed) for job_id in job_ids}
        for presence in self.limits.order:
            bad = next((standing for standing in standings.values() if standing.presence is presence), None)
            if bad is not None:
                status = {Presence.MALFORMED: 400, Presence.UNKNOWN: 404}.get(presence, bad.status)
                return self._error(status, seconds)
        rows = [
            {"id": job_id, **standing.fields}
            for job_id, standing in standings.items()
            if standing.presence is Presence.ROW
        ]
        return Reply(200, rows, {"X-Request-Id": self.say(self.chance)}, seconds=seconds)

    def _error(self, status: int, seconds: float) -> Reply:
        message: object = self.say(self.chance)
        if self.chance.random() < 0.3:
            message = [message, self.say(self.chance)]
        body = json.dumps({"statusCode": status, "message": message, "error": self.say(self.chance)}).encode()
        return Reply(status, headers={"X-Request-Id": self.say(self.chance)}, body=body, seconds=seconds)

    def _spoil(self, reply: Reply) -> str | None:
        """Let what is wrong today happen to a reply, and return its name."""
        self.asked += 1
        elapsed, number = self.clock.now - self.started_at, self.asked
        weather = self.weather
        fault = next((kind for since, until, kind in weather.outages if since <= elapsed < until), None)
        if fault is None and weather.kinds and self.chance.random() < weather.chance:
            fault = self.chance.choice(weather.kinds)
        if weather.refusal is not None and weather.refusal[0] == number:
            fault = weather.refusal[1]
        if fault is not None:
            self.faults[fault](self.chance, reply, self.clock.now)
            self.injected[fault] += 1
        return fault
