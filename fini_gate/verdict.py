"""How the gate ends, judged from the jobs as last seen. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from fini_gate.errors import CancelledError, GateError
from fini_gate.models import Job, JobState


class Result(StrEnum):
    """The output `result`."""

    SUCCESS = "success"
    FAILURE = "failure"
    TIMED_OUT = "timed_out"
    ERROR = "error"
    CANCELLED = "cancelled"


EXIT_CODES: Final = {Result.SUCCESS: 0, Result.FAILURE: 1, Result.TIMED_OUT: 3, Result.ERROR: 4}
"""For the endings that the jobs alone decide; an error brings its own."""


@dataclass(frozen=True)
class Limit:
    """The limit on waiting at which the gate ended."""

    input_name: str
    seconds: float
    incomplete_reason: str | None = None
    """What kept the last look from being answered, where it was not."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How the gate ended, and on what it rests."""

    result: Result
    exit_code: int
    jobs: tuple[Job, ...]
    """Each job once, in the order of the job IDs."""
    elapsed_seconds: float
    error: GateError | None = None
    """What kept the gate from seeing all jobs end."""
    limit: Limit | None = None
    """What the gate waited no longer than."""

    def in_state(self, state: JobState) -> Sequence[Job]:
        """The jobs in a state, in the order of the job IDs."""
        return self._jobs_by_state[state]

    @cached_property
    def _jobs_by_state(self) -> Mapping[JobState, Sequence[Job]]:
        found: dict[JobState, list[Job]] = {state: [] for state in JobState}
        for job in self.jobs:
            found[job.state].append(job)
        return found

    @cached_property
    def article_ids(self) -> tuple[str, ...]:
        """The articles of the completed jobs, each once, in the order of the job IDs."""
        found = (job.article_id for job in self.in_state(JobState.COMPLETED))
        return tuple(dict.fromkeys(article_id for article_id in found if article_id is not None))


def decide(
    jobs: Iterable[Job], *, elapsed_seconds: float, error: GateError | None = None, limit: Limit | None = None
) -> Verdict:
    """Find the ending: the first of the contract's table that applies.

    Jobs that are all completed pass, and none at all do too: that there may be none is for the caller to decide.
    """
    jobs = tuple(jobs)
    states = {job.state for job in jobs}
    if error is not None:
        result = Result.CANCELLED if isinstance(error, CancelledError) else Result.ERROR
    elif states & {JobState.FAILED, JobState.MISSING}:
        result = Result.FAILURE
    elif JobState.UNREADABLE in states:
        result = Result.ERROR
    elif JobState.PENDING in states:
        result = Result.TIMED_OUT
    else:
        result = Result.SUCCESS
    return Verdict(
        result=result,
        exit_code=error.exit_code if error is not None else EXIT_CODES[result],
        jobs=jobs,
        elapsed_seconds=elapsed_seconds,
        error=error,
        limit=limit,
    )
