"""Jobs as a scenario describes them, and as time passes. Durations are in seconds; infinity means never."""

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple, TypeAlias
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
    article_missing: bool = False
    draft: bool | None = None
    original_article_id: str | None = None
    title: str | None = None
    operation: str | None = None
    reason: str | None = None
    source_error: str | None = None
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
    def has_failed(self) -> bool:
        """Whether the job, once it is finished, has failed."""
        return self.ends_as.upper() == "FAILED"

    @cached_property
    def article(self) -> str | None:
        """The ID of the article that the job makes, if any."""
        if self.article_id != _DERIVED:
            return self.article_id
        return None if self.has_failed else str(uuid5(_NAMESPACE, f"article of {self.id}"))


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
            document_id=(
                f"source-{number + 1}" if given.prefix else str(uuid5(_NAMESPACE, f"source {number} of {given.seed}"))
            ),
            queued_for=round(chance.uniform(*given.queued_for), 3),
            runs_for=round(chance.uniform(*given.runs_for), 3),
            ends_as="FAILED" if number in failing else "COMPLETED",
            source_error="The page could not be fetched: 404 Not Found" if number in failing else None,
            article_id=None if number in without_article else _DERIVED,
        )
        for number in range(given.count)
    )


class _QueueRequest(NamedTuple):
    at_seconds: float
    is_draft: bool


_NO_REQUEST: Final = _QueueRequest(-math.inf, is_draft=False)


class Jobs:
    """The jobs of a workspace. `clock` returns seconds from any origin."""

    def __init__(self, jobs: Iterable[Job], queued: QueuedJobPlan, clock: Callable[[], float]) -> None:
        self._queued = queued
        self._clock = clock
        self._origin = clock()
        self._start_date = datetime.now(UTC)
        self._jobs: dict[str, Job] = {}
        self.by_source: Final[dict[str, list[Job]]] = {}
        for job in jobs:
            self._add(job)
        # Seconds since the start. Jobs that are started one by one have their own zero.
        self._zero: float | None = None
        self._zero_by_job: dict[str, float] = {}
        self._last_requests: dict[str, _QueueRequest] = {}

    def now(self) -> float:
        """Return the seconds since the start."""
        return self._clock() - self._origin

    def start_clock(self) -> None:
        """Set the scenario's time zero, unless it is set."""
        if self._zero is None:
            self._zero = self.now()

    def start(self, job: Job) -> None:
        """Set the job's own time zero."""
        self._zero_by_job[job.id] = self.now()

    def elapsed(self, job: Job | None = None) -> float:
        """Return the seconds since time zero, of the scenario or of a job."""
        zero = self._zero_by_job.get(job.id, self._zero) if job else self._zero
        return 0.0 if zero is None else self.now() - zero

    def queue(self, source_id: str | None = None, *, is_draft: bool) -> str:
        """Queue a job and return its ID: the scenario's jobs for the source come in turn, then the last one again."""
        planned = [job for job in self.by_source.get(source_id or "", ()) if job.id not in self._zero_by_job]
        job = next((job for job in planned if job.id not in self._last_requests), planned[-1] if planned else None)
        if job is None:
            job = Job(**vars(self._queued), id=str(uuid4()), document_id=source_id)
            self._add(job)
            self.start(job)
        self._last_requests[job.id] = _QueueRequest(self.now(), is_draft)
        return job.id

    def find(self, job_id: str) -> Job | None:
        """Return the job with exactly this ID, if there is one yet."""
        job = self._jobs.get(job_id)
        return job if job and self.exists(job) else None

    def exists(self, job: Job) -> bool:
        """Return whether there is a job yet."""
        return self.elapsed(job) >= job.appears_after

    def is_finished(self, job: Job) -> bool:
        """Return whether a job is finished."""
        return self.elapsed(job) >= job.ends_after

    def finished(self) -> list[Job]:
        """Return the finished jobs, in the order of the scenario."""
        return [job for job in self._jobs.values() if self.is_finished(job)]

    def is_draft(self, job: Job) -> bool:
        """Return whether the job's article is a draft: as the scenario says, or else the request that queued it."""
        return self._last_requests.get(job.id, _NO_REQUEST).is_draft if job.draft is None else job.draft

    def queued_at(self, job: Job) -> float:
        """Return when the job was queued, or queued over the API for the last time, in seconds since the start."""
        return max(self.at(job, job.appears_after), self._last_requests.get(job.id, _NO_REQUEST).at_seconds)

    def at(self, job: Job, seconds: float) -> float:
        """Convert a time of the job to seconds since the start."""
        return self._zero_by_job.get(job.id, self._zero or 0.0) + seconds

    def date(self, seconds: float) -> str:
        """Return the date of a time in seconds since the start."""
        date = self._start_date + timedelta(seconds=seconds)
        return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def broken_status(self, job: Job) -> int | None:
        """Return the 5xx that requests for the job get now, if any."""
        if self.elapsed(job) >= job.broken_until:
            return None
        return 500 if job.broken is True else job.broken or None

    def progress(self, job: Job) -> dict[str, Any]:
        """Return the documented fields of the job's row."""
        elapsed, start = self.elapsed(job), job.appears_after + job.queued_for
        row: dict[str, Any] = {"id": job.id, "jobStatus": job.statuses.pending, "hcArticleId": None}
        row["createdAt"] = self.date(self.at(job, job.appears_after))
        if elapsed >= start:
            row |= {"jobStatus": job.statuses.running, "startedAt": self.date(self.at(job, start))}
        if elapsed >= job.ends_after:
            end = self.date(self.at(job, job.ends_after))
            row |= {"jobStatus": job.ends_as, "completedAt": end, "hcArticleId": job.article}
        return row

    def row(self, job: Job) -> dict[str, Any]:
        """Return the job's row in a status response."""
        row = self.progress(job)
        if job.error is not None and "completedAt" in row:
            row["error"] = job.error
        return {**row, **job.row}

    def _add(self, job: Job) -> None:
        self._jobs[job.id] = job
        if job.document_id:
            self.by_source.setdefault(job.document_id, []).append(job)
