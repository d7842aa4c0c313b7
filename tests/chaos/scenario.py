"""Makes a scenario from a seed: what the workflow asks for, what becomes of the jobs, and what goes wrong."""

import json
import math
import signal
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from .contract import COMPLETED, FAILED, state_of
from .model import ARTICLES, Behaviour, Timeline, Word
from .replies import KEY, OUTAGES, PASSING, REFUSALS, TEXTS, body_text
from .start import Start, start

# Even a gate that polls its jobs one by one needs no more requests, or the campaign would take too long.
MAX_REQUESTS = 3000
CREATED_AT, STARTED_AT, COMPLETED_AT = (f"2026-06-11T12:00:0{second}.000Z" for second in (0, 1, 5))

# Where the row of a failed job may say why.
ERROR_FIELDS: tuple[Callable[[str], dict[str, Any]], ...] = (
    lambda text: {"error": text},
    lambda text: {"error": {"message": text, "code": 7}},
    lambda text: {"errorMessage": text},
    lambda text: {"message": text},
    lambda text: {"failureReason": text},
    lambda text: {"failureReason": {"message": text}},
    lambda text: {"error": None, "message": [text]},
    lambda text: {"error": 42, "errorMessage": {"text": text}},
    lambda text: {"error": {"message": {"message": text}}},
    lambda _: {},
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the workflow asks for, by the names of the inputs. Times are seconds."""

    timeout: float = 60.0
    stall_timeout: float | None = None
    poll_interval: float = 1.0
    max_poll_interval: float = 30.0
    fail_fast: bool = False
    require_articles: bool = False
    require_published: bool = False
    article_details: bool = True
    not_found_grace: float = 10.0
    outage_tolerance: float = 300.0
    request_timeout: float = 30.0
    batch_size: int = 100
    max_parallel: int = 4
    results_file: str = ""
    junit_file: str = ""
    dotenv_file: str = ""
    summary_file: str = ""

    def state_of(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Return the state that the rows for one job mean."""
        return state_of(rows, require_articles=self.require_articles)

    def inputs(self) -> dict[str, str]:
        """Return the inputs that ask for it, by name."""
        return {name.replace("_", "-"): _input_text(value) for name, value in asdict(self).items()}


def _input_text(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{round(value * 1000)}ms"
        case _:
            return str(value)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The world of one gate."""

    seed: int
    options: Options
    job_ids: tuple[str, ...]
    """As given, some of them twice."""
    timelines: dict[str, Timeline]
    """Job ID in lower case → timeline, in the order in which the IDs are first given."""
    sources: dict[str, str] = field(default_factory=dict)
    """Source → the job that was made from it."""
    behaviour: Behaviour = field(default_factory=Behaviour)
    jumps: tuple[tuple[float, float], ...] = ()
    """When the clock jumps, in seconds after the start, and by how much."""
    signal: tuple[float, int] | None = None
    """When a signal arrives, in seconds after the start, and its number."""

    @property
    def unique_ids(self) -> tuple[str, ...]:
        """Each job's ID once, in order, as the gate has to report it."""
        return tuple(timeline.id for timeline in self.timelines.values())

    def start(self, workspace: Path) -> Start:
        """Return how the gate is started."""
        source_by_job = {job_id: source for source, job_id in self.sources.items()}
        jobs = [{"id": job_id, "documentId": source_by_job.get(job_id)} for job_id in self.job_ids]
        inputs = {**self.options.inputs(), "job-ids": json.dumps({"jobs": jobs})}
        return start(self.seed, inputs, self.job_ids, workspace)


def make_scenario(seed: int) -> Scenario:
    """Make the scenario of a seed."""
    rng = Random(seed)  # noqa: S311 - not a secret
    options = _options(rng)
    limit = max(1, min(300, int(MAX_REQUESTS / max(1.0, options.timeout / options.poll_interval))))
    count = min(limit, rng.choice((1, 2, 3, rng.randint(1, 12), rng.randint(1, 50), rng.randint(1, 300))))
    bad_rate = rng.choice((0.0, 0.0, 0.05, 0.3, 1.0))
    # Otherwise hardly any gate of many jobs would pass.
    all_complete = rng.random() < 0.4
    timelines = {}
    for number in range(count):
        job_id = _job_id(rng, number)
        timelines[job_id.lower()] = Timeline(job_id, _words(rng, options, bad_rate, all_complete=all_complete))
    job_ids = [timeline.id for timeline in timelines.values()]
    sources = {_source_id(rng, number): job_id for number, job_id in enumerate(job_ids) if rng.random() < 0.8}
    job_ids += [job_id.swapcase() for job_id in rng.sample(job_ids, min(count, rng.choice((0, 0, 3))))]
    jumps = sorted((rng.uniform(0, options.timeout), 2 ** rng.uniform(0, 12)) for _ in range(2))
    return Scenario(
        seed=seed,
        options=options,
        job_ids=tuple(job_id for job_id in job_ids if job_id.lower() in timelines),
        timelines=timelines,
        sources=sources,
        behaviour=_behaviour(rng, options),
        jumps=tuple(jumps) if rng.random() < 0.05 else (),
        signal=(rng.uniform(0, options.timeout + 4) * rng.random(), rng.choice((signal.SIGINT, signal.SIGTERM)))
        if rng.random() < 0.1
        else None,
    )


def _options(rng: Random) -> Options:
    timeout = 0.0 if rng.random() < 0.07 else round(2 ** rng.uniform(0, 11), 3)

    def some_seconds(*values: float) -> float:
        return round(rng.choice((*values, timeout * rng.random())), 3)

    poll_interval = round(max(0.1, some_seconds(1.0, 0.1, timeout / 100), timeout / rng.choice((10, 40, 200))), 3)
    return Options(
        timeout=timeout,
        stall_timeout=max(0.001, some_seconds(2.0, 60.0)) if rng.random() < 0.2 else None,
        poll_interval=poll_interval,
        max_poll_interval=rng.choice((poll_interval, round(poll_interval * 2 ** rng.uniform(0, 6), 3))),
        fail_fast=rng.random() < 0.25,
        require_articles=rng.random() < 0.25,
        require_published=rng.random() < 0.25,
        article_details=rng.random() < 0.7,
        not_found_grace=some_seconds(0.0, 10.0),
        outage_tolerance=some_seconds(300.0, 300.0, 30.0, 2.0, 0.0),
        request_timeout=rng.choice((30.0, 30.0, 1.0, 0.05, 100.0)),
        batch_size=rng.choice((1, 2, 10, 100, 100, 1000)),
        max_parallel=rng.choice((1, 2, 4, 4, 16)),
        results_file=rng.choice(("", "out/results.json")),
        junit_file=rng.choice(("", "out/junit.xml")),
        dotenv_file=rng.choice(("", "fini-gate.env")),
        summary_file=rng.choice(("", "summary.md")),
    )


def _job_id(rng: Random, number: int) -> str:
    if rng.random() < 0.8:
        return f"{rng.getrandbits(96):x}-{number}"
    # An ID that holds the key, a control character or half a character is a usage error.
    text = rng.choice(TEXTS).replace(KEY, "key")
    allowed = (character for character in text if unicodedata.category(character) not in {"Cc", "Cs"})
    return f"{''.join(allowed)[:150]}-{number}".strip()


def _source_id(rng: Random, number: int) -> str:
    return f"source-{number}" if rng.random() < 0.9 else f"{rng.choice(TEXTS).replace(KEY, 'key')[:100]}/../{number}"


def _words(rng: Random, options: Options, bad_rate: float, *, all_complete: bool) -> list[tuple[float, Word]]:
    """Make a job's timeline: queued, running, then finished or not; perhaps bad for a while."""
    horizon = rng.choice((0.0, 1.0, options.timeout / 2, options.timeout, options.timeout * 2)) + 0.001
    if all_complete:
        horizon = min(horizon, options.timeout / 2 + 0.001)
    words = _rows(rng, horizon, all_complete=all_complete)
    if rng.random() >= bad_rate:
        return words
    bad = rng.choice((None, 404, 400, rng.choice((500, 500, 502, 503, 504))))
    since = rng.choice((0.0, 0.0, rng.uniform(0, horizon)))
    until = rng.choice((math.inf, since + rng.uniform(0, horizon), since + options.not_found_grace + 0.001))
    if bad == 400:  # a malformed ID stays malformed
        since, until = 0.0, math.inf
    _, last = [word for word in words if word[0] < until][-1]
    resumed = [(until, last)] if until < math.inf else []
    return [*(word for word in words if word[0] < since), (since, bad), *resumed, *(w for w in words if w[0] >= until)]


def _rows(rng: Random, horizon: float, *, all_complete: bool) -> list[tuple[float, Word]]:
    times = sorted(rng.uniform(0, horizon) for _ in range(3))
    created: dict[str, Any] = {"createdAt": CREATED_AT, "hcArticleId": None}
    running = {**created, "startedAt": STARTED_AT}
    rows: list[tuple[float, Word]] = [
        (0.0, {**created, "jobStatus": _in_some_case(rng, "PENDING")}),
        (times[0], {**running, "jobStatus": _in_some_case(rng, "IN_PROGRESS")}),
    ]
    if rng.random() < 0.15:
        odd = {"jobStatus": rng.choice(("PONDERING", "", None, 5, True, {"a": 1}, ["x"], 1.5, body_text(rng)))}
        if rng.random() < 0.2:
            odd["completedAt"] = rng.choice((COMPLETED_AT, "", 5, None, body_text(rng)))
        rows.append((times[1], {**running, **odd}))
    if all_complete or rng.random() < 0.9:
        end = _completed(rng) if all_complete or rng.random() < 0.75 else _failed(rng)
        rows.append((times[2], {**running, "completedAt": COMPLETED_AT, **end}))
    return rows


def _completed(rng: Random) -> dict[str, Any]:
    status = rng.choice(("COMPLETED", rng.choice(COMPLETED)))
    article = rng.choice((*[f"article-{rng.randrange(1000)}"] * 6, None, "", 7, body_text(rng)))
    return {"jobStatus": _in_some_case(rng, status), "hcArticleId": article}


def _failed(rng: Random) -> dict[str, Any]:
    if rng.random() < 0.2:
        return {"jobStatus": rng.choice(("VANISHED", body_text(rng), None, 3)), "error": body_text(rng)}
    status = rng.choice(("FAILED", rng.choice(FAILED)))
    return {"jobStatus": _in_some_case(rng, status), **rng.choice(ERROR_FIELDS)(body_text(rng))}


def _in_some_case(rng: Random, status: str) -> str:
    return rng.choice((status, status, status.lower(), status.capitalize()))


def _behaviour(rng: Random, options: Options) -> Behaviour:
    names = tuple(PASSING)
    outages = []
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        since = rng.choice((0.0, rng.uniform(0, options.timeout)))
        seconds = rng.choice((options.outage_tolerance, options.timeout, 3.0)) * rng.uniform(0, 1.5)
        outages.append((since, since + seconds, rng.choice(OUTAGES)))
    fastest = rng.choice((0.001, 0.05, 0.5))
    return Behaviour(
        seconds=(fastest, fastest * rng.choice((1, 3, 10))),
        max_ids=rng.choice((1, 2, 7, 50)) if rng.random() < 0.15 else math.inf,
        status_above=rng.choice((413, 413, 400, 500)),
        order=tuple(rng.sample((400, 404, 500), 3)),
        faults=rng.choice((names, tuple(rng.sample(names, 3)), (rng.choice(names),))),
        fault_rate=rng.choice((0.0, 0.0, 0.02, 0.1, 0.5, 1.0)),
        outages=tuple(outages),
        articles=rng.choice((("live",), ("live",), ("live", "live and said so"), tuple(ARTICLES))),
        refusal=(rng.randint(1, 12), rng.choice(REFUSALS)) if rng.random() < 0.06 else None,
    )
