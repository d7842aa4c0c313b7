"""When jobs were queued, started and finished, by the API's own times, and what that says of all of them. Pure."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from fini_gate.models import Job


class JobTiming(NamedTuple):
    """When one job was queued, started and finished: seconds since 1970, None where the API gave no readable time."""

    number: int
    """The job's place in the order of the job IDs, from 1."""
    job: Job
    created_at: float | None
    started_at: float | None
    finished_at: float | None
    times: tuple[float, ...]
    """The times that are known, earliest first."""

    @property
    def queued_seconds(self) -> float | None:
        """How long the job waited for its start."""
        return _between(self.created_at, self.started_at)

    @property
    def ran_seconds(self) -> float | None:
        """How long the job ran."""
        return _between(self.started_at, self.finished_at)

    @property
    def has_span(self) -> bool:
        """Whether a chart can show the job: from one time to another, or from one time until now."""
        return len(self.times) > 1 or (bool(self.times) and self.finished_at is None)

    def end_or(self, now: float) -> float:
        """Return when the job finished, or `now` while it has not."""
        return now if self.finished_at is None else self.finished_at


def job_timings(jobs: Iterable[Job]) -> list[JobTiming]:
    """Read the times of jobs."""
    return [_job_timing(number, job) for number, job in enumerate(jobs, start=1)]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values, more than 0, does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _job_timing(number: int, job: Job) -> JobTiming:
    created_at, started_at, finished_at = _parse(job.created_at), _parse(job.started_at), _parse(job.completed_at)
    times = tuple(sorted(time for time in (created_at, started_at, finished_at) if time is not None))
    return JobTiming(number, job, created_at, started_at, finished_at, times)


def _parse(text: str | None) -> float | None:
    """Parse an ISO 8601 time after 1970; without a zone it is UTC."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    seconds = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()
    return seconds if seconds > 0 else None


def _between(earlier: float | None, later: float | None) -> float | None:
    return None if earlier is None or later is None or later < earlier else later - earlier
