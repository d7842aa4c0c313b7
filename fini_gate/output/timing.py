"""When jobs were queued, started and ended, by the API's own times. Pure."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from fini_gate.models import Job


class JobTiming(NamedTuple):
    """The course of one job. Times are the API's, in seconds since 1970; None where it told none that can be read."""

    number: int
    """The job's place in the order of the job IDs, from 1."""
    job: Job
    created_at: float | None
    started_at: float | None
    ended_at: float | None
    times: tuple[float, ...]
    """All that is known, the earliest first."""

    @property
    def queued_seconds(self) -> float | None:
        """How long it waited for its start."""
        return _between(self.created_at, self.started_at)

    @property
    def ran_seconds(self) -> float | None:
        """How long it took from its start to its end."""
        return _between(self.started_at, self.ended_at)


def job_timings(jobs: Iterable[Job]) -> tuple[JobTiming, ...]:
    """The courses of jobs, in their order."""
    return tuple(_job_timing(number, job) for number, job in enumerate(jobs, start=1))


def _job_timing(number: int, job: Job) -> JobTiming:
    created_at, started_at, ended_at = _seconds(job.created_at), _seconds(job.started_at), _seconds(job.completed_at)
    times = tuple(sorted(filter(None, (created_at, started_at, ended_at))))  # none is 0
    return JobTiming(number, job, created_at, started_at, ended_at, times)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least so large a share of them does not exceed; there must be some."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _between(earlier: float | None, later: float | None) -> float | None:
    return None if earlier is None or later is None or later < earlier else later - earlier


def _seconds(text: str | None) -> float | None:
    """Seconds since 1970 of an ISO 8601 time, where it is later than that; one without a zone is UTC."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    seconds = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()
    return seconds if seconds > 0 else None
