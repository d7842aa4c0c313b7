"""Jobs as a scenario describes them, and as time passes. Durations are in seconds; infinity means never."""

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeAlias
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from fake_fini.reading import Json, Node, OrNever, Range, accept, read, whole_number

_DERIVED: Final = "derived from the job's ID"
_NAMESPACE: Final = uuid5(NAMESPACE_URL, "fake-fini")
_MAX_GENERATED: Final = 200_000


def _is_broken_status(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, int) and 500 <= value <= 599)  # noqa: PLR2004 - a 5xx


@dataclass(frozen=True, kw_only=True)
class Statuses:
    """The `jobStatus` of an unfinished job."""

    pending: str = "PENDING"
    running: str = "IN_PROGRESS"


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """What happens to a job, and when."""

    appears_after: float = 0
    queued_for: OrNever = 0
    runs_for: OrNever = 0
    statuses: Statuses = Statuses()
    ends_as: str = "COMPLETED"
    article_id: str | None = _DERIVED
    title: str | None = None
    error: Json = None
    row: Mapping[str, Json] = field(default_factory=dict)
    omitted: bool = False
    broken: Annotated[int, accept(_is_broken_status, "true, false or a status from 500 to 599")] = False
    broken_until: OrNever = math.inf


@dataclass(frozen=True, kw_only=True)
class QueuedJobPlan(JobPlan):
    """What happens to a job that is queued over the API."""

    queued_for: OrNever = 1
    runs_for: OrNever = 2


@dataclass(frozen=True, kw_only=True)
class Job(JobPlan):
    """A job."""

    id: str
    document_id: str | None = None
    malformed: bool = False

    @property
    def ends_after(self) -> float:
        """When the job is finished."""
        return self.appears_after + self.queued_for + self.runs_for

    @property
    def article(self) -> str | None:
        """The ID of the article that the job makes, if any."""
        if self.article_id != _DERIVED:
            return self.article_id
        return None if self.ends_as.upper() == "FAILED" else str(uuid5(_NAMESPACE, f"article of {self.id}"))


def _duration_or_range(node: Node) -> tuple[float, float]:
    is_range = isinstance(node.value, list | tuple)
    shortest, longest = read(node, Range) if is_range else [read(node, float)] * 2
    return shortest, longest


_DurationOrRange: TypeAlias = Annotated[tuple[float, float], _duration_or_range]
_JobCount: TypeAlias = Annotated[int, whole_number(0, _MAX_GENERATED)]


@dataclass(frozen=True, kw_only=True)
class _Generator:
    count: Annotated[int, whole_number(1, _MAX_GENERATED)]
    prefix: str | None = None
    queued_for: _DurationOrRange = (0, 2)
    runs_for: _DurationOrRange = (1, 5)
    failing: _JobCount = 0
    without_article: _JobCount = 0
    seed: Annotated[int, whole_number(0, 2**63)] = 0


def generate_jobs(node: Node) -> tuple[Job, ...]:
    """Read `generate`: many jobs from a few numbers, the same in every run."""
    given: _Generator = read(node, _Generator)
    if given.failing + given.without_article > given.count:
        raise node.error("failing and without-article to be at most count together")
    chance = random.Random(given.seed)  # noqa: S311 - not for cryptography
    special = chance.sample(range(given.count), given.failing + given.without_article)
    failing, without_article = set(special[: given.failing]), set(special[given.failing :])
    return tuple(
        Job(
            id=f"{given.prefix}{number + 1}" if given.prefix else str(UUID(int=chance.getrandbits(128), version=4)),
            document_id=f"source-{number + 1}",
            queued_for=round(chance.uniform(*given.queued_for), 3),
            runs_for=round(chance.uniform(*given.runs_for), 3),
            ends_as="FAILED" if number in failing else "COMPLETED",
            error="The source could not be read." if number in failing else None,
            article_id=None if number in without_article else _DERIVED,
        )
        for number in range(given.count)
    )


class Workspace:
    """The jobs of a workspace. `clock` returns seconds from any origin."""

    def __init__(self, jobs: Iterable[Job], queued: QueuedJobPlan, clock: Callable[[], float]) -> None:
        self._queued = queued
        self._clock = clock
        self._origin = clock()
        self._start_date = datetime.now(UTC)
        self._jobs = {job.id: job for job in jobs}
        self._job_ids_by_source = {job.document_id: job.id for job in reversed(self._jobs.values()) if job.document_id}
        # Seconds since the start. Jobs that were queued over the API have their own zero.
        self._zero: float | None = None
        self._zero_by_job: dict[str, float] = {}

    def now(self) -> float:
        """Return the seconds since the start."""
        return self._clock() - self._origin

    def start_clock(self) -> None:
        """Set the scenario's time zero, unless it is set."""
        if self._zero is None:
            self._zero = self.now()

    def elapsed(self, job: Job | None = None) -> float:
        """Return the seconds since time zero, of the scenario or of a job."""
        zero = self._zero_by_job.get(job.id, self._zero) if job else self._zero
        return 0.0 if zero is None else self.now() - zero

    def queue_job(self, source_id: str | None = None) -> str:
        """Queue a job and return its ID; if the scenario has a job for the source, it is that one."""
        if source_id in self._job_ids_by_source:
            return self._job_ids_by_source[source_id]
        job = Job(**vars(self._queued), id=str(uuid4()), document_id=source_id)
        self._jobs[job.id] = job
        self._zero_by_job[job.id] = self.now()
        return job.id

    def find(self, job_id: str) -> Job | None:
        """Return the job with exactly this ID, if there is one yet."""
        job = self._jobs.get(job_id)
        return job if job and self.elapsed(job) >= job.appears_after else None

    def broken_status(self, job: Job) -> int | None:
        """Return the 5xx that requests for the job get now, if any."""
        if self.elapsed(job) >= job.broken_until:
            return None
        return 500 if job.broken is True else job.broken or None

    def row(self, job: Job) -> dict[str, Any]:
        """Return the job's row in a status response."""
        elapsed, start, end = self.elapsed(job), job.appears_after + job.queued_for, job.ends_after
        row: dict[str, Any] = {"id": job.id, "jobStatus": job.statuses.pending, "hcArticleId": None}
        row["createdAt"] = self._date(job, job.appears_after)
        if elapsed >= start:
            row |= {"jobStatus": job.statuses.running, "startedAt": self._date(job, start)}
        if elapsed >= end:
            row |= {"jobStatus": job.ends_as, "completedAt": self._date(job, end), "hcArticleId": job.article}
            row |= {} if job.error is None else {"error": job.error}
        return {**row, **job.row}

    def titles_by_article(self) -> dict[str | None, str]:
        """Return the titles of the articles that finished jobs have made."""
        finished = [job for job in reversed(self._jobs.values()) if self.elapsed(job) >= job.ends_after]
        return {job.article: job.title or f"About {job.document_id or job.id}" for job in finished}

    def _date(self, job: Job, seconds: float) -> str:
        zero = self._zero_by_job.get(job.id, self._zero or 0.0)
        date = self._start_date + timedelta(seconds=zero + seconds)
        return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")
