"""A seed → a whole scenario: what the workflow asks for, the jobs' true courses, and what goes wrong."""

import json
import math
import signal
import unicodedata
from dataclasses import dataclass, field
from random import Random
from typing import Any

from .faults import ERROR_FIELDS, HEALED_BY_TIME, KEY, OUTAGES, REFUSALS, TEXTS, say_worse
from .model import Course, Limits, Presence, Standing, Weather

# How many requests for single jobs a gate should be able to make, for the campaign to end.
MOST_REQUESTS = 3000
CREATED, STARTED, COMPLETED = "2026-06-11T12:00:00.000Z", "2026-06-11T12:00:01.000Z", "2026-06-11T12:00:05.000Z"


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the workflow asks for, as numbers."""

    timeout: float = 60.0
    stall_timeout: float | None = None
    poll_interval: float = 1.0
    max_poll_interval: float = 30.0
    fail_fast: bool = False
    require_articles: bool = False
    not_found_grace: float = 10.0
    outage_tolerance: float = 300.0
    request_timeout: float = 30.0
    batch_size: int = 100
    max_parallel: int = 4
    results_file: str = ""

    def inputs(self) -> dict[str, str]:
        """The inputs that say so."""
        durations = {
            "timeout": self.timeout,
            "poll-interval": self.poll_interval,
            "max-poll-interval": self.max_poll_interval,
            "not-found-grace": self.not_found_grace,
            "outage-tolerance": self.outage_tolerance,
            "request-timeout": self.request_timeout,
            **({} if self.stall_timeout is None else {"stall-timeout": self.stall_timeout}),
        }
        return {
            **{name: f"{round(seconds * 1000)}ms" for name, seconds in durations.items()},
            "fail-fast": str(self.fail_fast).lower(),
            "require-articles": str(self.require_articles).lower(),
            "batch-size": str(self.batch_size),
            "max-parallel": str(self.max_parallel),
            "results-file": self.results_file,
        }


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One gate's world."""

    seed: int
    wishes: Wishes
    job_ids: tuple[str, ...]
    """As given, some twice."""
    courses: dict[str, Course]
    """Case folded ID → course, in the order in which the IDs are first given."""
    weather: Weather = field(default_factory=Weather)
    limits: Limits = field(default_factory=Limits)
    jumps: tuple[tuple[float, float], ...] = ()
    """When, in seconds after the start, the clock jumps, and by how much."""
    signal: tuple[float, int] | None = None
    """When, in seconds after the start, a signal strikes, and its number."""
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def expected_ids(self) -> tuple[str, ...]:
        """Each job's ID once, in order, as the gate is to report it."""
        return tuple(course.id for course in self.courses.values())


def scenario(seed: int) -> Scenario:
    """Make the scenario of a seed."""
    chance = Random(seed)  # noqa: S311 - chance to play with, no secrets
    wishes = _wishes(chance)
    most = max(1, min(300, int(MOST_REQUESTS / max(1.0, _most_looks(wishes)))))
    count = min(most, chance.choice((1, 2, 3, chance.randint(1, 12), chance.randint(1, 50), chance.randint(1, 300))))
    courses = {}
    badness = chance.choice((0.0, 0.0, 0.05, 0.3, 1.0))
    # Else next to no gate of many jobs would ever pass.
    all_complete = chance.random() < 0.4
    for number in range(count):
        job_id = _job_id(chance, number)
        courses[job_id.casefold()] = Course(job_id, _phases(chance, wishes, badness, all_complete=all_complete))
    job_ids = [course.id for course in courses.values()]
    job_ids += [job_id.swapcase() for job_id in chance.sample(job_ids, min(count, chance.choice((0, 0, 3))))]
    job_ids = [job_id for job_id in job_ids if job_id.casefold() in courses]
    signal_at = chance.uniform(0, wishes.timeout + 4) * chance.random()
    return Scenario(
        seed=seed,
        wishes=wishes,
        job_ids=tuple(job_ids),
        courses=courses,
        weather=_weather(chance, wishes),
        limits=_limits(chance),
        jumps=tuple(sorted((chance.uniform(0, wishes.timeout), 2 ** chance.uniform(0, 12)) for _ in range(2)))
        if chance.random() < 0.05
        else (),
        signal=(signal_at, chance.choice((signal.SIGINT, signal.SIGTERM))) if chance.random() < 0.1 else None,
        environ={"INPUT_JOB-IDS": json.dumps(job_ids)},
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds, 3)


def _wishes(chance: Random) -> Wishes:
    timeout = 0.0 if chance.random() < 0.07 else _milliseconds(2 ** chance.uniform(0, 11))
    poll_interval = max(0.1, chance.choice((1.0, 0.1, _milliseconds(timeout * chance.random()), timeout / 100)))
    most_looks = chance.choice((10, 40, 200))
    poll_interval = _milliseconds(max(poll_interval, timeout / most_looks))

    def some(*values: float) -> float:
        return _milliseconds(chance.choice((*values, timeout * chance.random())))

    return Wishes(
        timeout=timeout,
        stall_timeout=max(0.001, some(2.0, 60.0)) if chance.random() < 0.2 else None,
        poll_interval=poll_interval,
        max_poll_interval=chance.choice((poll_interval, _milliseconds(poll_interval * 2 ** chance.uniform(0, 6)))),
        fail_fast=chance.random() < 0.25,
        require_articles=chance.random() < 0.25,
        not_found_grace=some(0.0, 10.0),
        outage_tolerance=some(300.0, 300.0, 30.0, 2.0, 0.0),
        request_timeout=chance.choice((30.0, 30.0, 1.0, 0.05, 100.0)),
        batch_size=chance.choice((1, 2, 10, 100, 100, 1000)),
        max_parallel=chance.choice((1, 2, 4, 4, 16)),
        results_file=chance.choice(("", "out/results.json")),
    )


def _most_looks(wishes: Wishes) -> float:
    return wishes.timeout / wishes.poll_interval


def _job_id(chance: Random, number: int) -> str:
    if chance.random() < 0.8:
        return f"{chance.getrandbits(96):x}-{number}"
    # An ID that holds the key, or a control character, or half of one, is an error before anything is asked.
    text = chance.choice(TEXTS).replace(KEY, "key")
    harmless = (character for character in text if unicodedata.category(character) not in {"Cc", "Cs"})
    return f"{''.join(harmless)[:150]}-{number}".strip()


def _phases(chance: Random, wishes: Wishes, badness: float, *, all_complete: bool) -> list[tuple[float, Standing]]:
    """Make a job's course: bad or not at first, then queued, then running, then ended, or never."""
    horizon = chance.choice((0.0, 1.0, wishes.timeout / 2, wishes.timeout, wishes.timeout * 2)) + 0.001
    phases = _row_phases(
        chance, min(horizon, wishes.timeout / 2) if all_complete else horizon, all_complete=all_complete
    )
    if chance.random() >= badness:
        return phases
    presence = chance.choice((Presence.LEFT_OUT, Presence.UNKNOWN, Presence.MALFORMED, Presence.POISON))
    bad = Standing(presence, status=chance.choice((500, 500, 502, 503, 504)))
    since = chance.choice((0.0, 0.0, chance.uniform(0, horizon)))
    until = chance.choice((math.inf, since + chance.uniform(0, horizon), since + wishes.not_found_grace + 0.001))
    if presence is Presence.MALFORMED:  # no time heals that
        since, until = 0.0, math.inf
    earlier = [phase for phase in phases if phase[0] < since]
    later = [phase for phase in phases if since <= phase[0] < until]
    resumed = [(until, (later or earlier)[-1][1])] if math.isfinite(until) else []
    return [*earlier, (since, bad), *resumed, *(phase for phase in phases if phase[0] >= until)]


def _row_phases(chance: Random, horizon: float, *, all_complete: bool) -> list[tuple[float, Standing]]:
    times = sorted(chance.uniform(0, horizon) for _ in range(3))
    created = {"createdAt": CREATED, "hcArticleId": None}
    running = {**created, "startedAt": STARTED}
    phases = [(0.0, Standing(fields={**created, "jobStatus": _cased(chance, "PENDING")}))]
    phases.append((times[0], Standing(fields={**running, "jobStatus": _cased(chance, "IN_PROGRESS")})))
    if chance.random() < 0.15:
        phases.append((times[1], Standing(fields={**running, **_odd(chance)})))
    if all_complete or chance.random() < 0.9:
        end = _completed(chance) if all_complete or chance.random() < 0.75 else _end_of_another_kind(chance)
        phases.append((times[2], Standing(fields={**running, "completedAt": COMPLETED, **end})))
    return phases


def _odd(chance: Random) -> dict[str, Any]:
    """Make fields of a status never heard of, or of none, or no status at all."""
    status = chance.choice(("PONDERING", "", None, 5, True, {"a": 1}, ["x"], 1.5, say_worse(chance)))
    fields: dict[str, Any] = {"jobStatus": status}
    if chance.random() < 0.2:
        fields["completedAt"] = chance.choice((COMPLETED, "", 5, None, say_worse(chance)))
    return fields


def _completed(chance: Random) -> dict[str, Any]:
    status = chance.choice(("COMPLETED",) * 6 + ("SUCCEEDED", "SUCCESS", "DONE", "FINISHED"))
    article = chance.choice((*(f"article-{chance.randrange(1000)}" for _ in range(6)), None, "", 7, say_worse(chance)))
    return {"jobStatus": _cased(chance, status), "hcArticleId": article}


def _end_of_another_kind(chance: Random) -> dict[str, Any]:
    if chance.random() < 0.8:
        status = chance.choice(
            ("FAILED",) * 6
            + ("FAILURE", "ERROR", "ERRORED", "CANCELLED", "CANCELED", "ABORTED", "REJECTED", "EXPIRED", "TIMED_OUT")
        )
        return {"jobStatus": _cased(chance, status), **chance.choice(ERROR_FIELDS)(say_worse(chance))}
    return {"jobStatus": chance.choice(("VANISHED", say_worse(chance), None, 3)), "error": say_worse(chance)}


def _cased(chance: Random, status: str) -> str:
    return chance.choice((status, status, status.lower(), status.capitalize(), status.swapcase()))


def _weather(chance: Random, wishes: Wishes) -> Weather:
    kinds = chance.choice((HEALED_BY_TIME, tuple(chance.sample(HEALED_BY_TIME, 3)), (chance.choice(HEALED_BY_TIME),)))
    outages = []
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        since = chance.choice((0.0, chance.uniform(0, wishes.timeout)))
        length = chance.choice((wishes.outage_tolerance, wishes.timeout, 3.0)) * chance.uniform(0, 1.5)
        outages.append((since, since + length, chance.choice(OUTAGES)))
    return Weather(
        chance=chance.choice((0.0, 0.0, 0.02, 0.1, 0.5, 1.0)),
        kinds=kinds,
        outages=tuple(outages),
        refusal=(chance.randint(1, 12), f"status-{chance.choice(REFUSALS)}") if chance.random() < 0.06 else None,
    )


def _limits(chance: Random) -> Limits:
    orders = [Presence.MALFORMED, Presence.UNKNOWN, Presence.POISON]
    shortest = chance.choice((0.001, 0.05, 0.5))
    return Limits(
        most_ids=chance.choice((1, 2, 7, 50)) if chance.random() < 0.15 else math.inf,
        status_of_more=chance.choice((413, 413, 400, 500)),
        min_seconds=shortest,
        max_seconds=shortest * chance.choice((1, 3, 10)),
        order=tuple(chance.sample(orders, 3)),
    )
