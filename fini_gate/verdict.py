"""The gate's result, decided from the jobs as last seen. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple

from fini_gate.errors import CancelledError, GateError
from fini_gate.models import Job, JobState
from fini_gate.names import Names


class Result(StrEnum):
    """The output `result`."""

    SUCCESS = "success"
    FAILURE = "failure"
    TIMED_OUT = "timed_out"
    ERROR = "error"
    CANCELLED = "cancelled"


# The first of these states that any job is in decides the result.
_RESULT_BY_STATE: Final = {
    JobState.FAILED: Result.FAILURE,
    JobState.MISSING: Result.FAILURE,
    JobState.UNREADABLE: Result.ERROR,
    JobState.PENDING: Result.TIMED_OUT,
    JobState.COMPLETED: Result.SUCCESS,
}
# For results that the jobs decide. An error brings its own exit code.
EXIT_CODES: Final = {Result.SUCCESS: 0, Result.FAILURE: 1, Result.TIMED_OUT: 3, Result.ERROR: 4}


class Limit(NamedTuple):
    """The limit at which the gate stopped waiting."""

    input_name: str
    seconds: float
    incomplete_reason: str | None = None
    """Why the last poll was incomplete, if it was."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result, and what it is based on."""

    result: Result
    exit_code: int
    jobs: tuple[Job, ...]
    """Each job once, in the order of the job IDs."""
    elapsed_seconds: float
    error: GateError | None = None
    """What stopped the gate before every job was finished."""
    limit: Limit | None = None
    """The limit at which the gate stopped waiting, if it did."""
    names: Names = field(default_factory=Names)
    """How the texts about the verdict name settings."""

    def in_state(self, state: JobState) -> Sequence[Job]:
        """Return the jobs in a state, in the order of the job IDs."""
        return self._jobs_by_state[state]

    @cached_property
    def _jobs_by_state(self) -> Mapping[JobState, Sequence[Job]]:
        jobs_by_state: dict[JobState, list[Job]] = {state: [] for state in JobState}
        for job in self.jobs:
            jobs_by_state[job.state].append(job)
        return jobs_by_state

    @cached_property
    def article_ids(self) -> tuple[str, ...]:
        """The articles of the completed jobs, each once, in the order of the job IDs."""
        return _unique(job.article_id for job in self.in_state(JobState.COMPLETED))

    @cached_property
    def draft_article_ids(self) -> tuple[str, ...]:
        """The articles that are known to be drafts, each once, in the order of the job IDs."""
        return _unique(job.article_id for job in self.jobs if job.article_is_draft)

    @cached_property
    def failed_document_ids(self) -> tuple[str, ...]:
        """The sources of the jobs that failed in Fini, each once, in the order of the job IDs."""
        return _unique(job.document_id for job in self.in_state(JobState.FAILED) if job.has_failed_in_fini)


def decide(
    jobs: Iterable[Job], *, elapsed_seconds: float, error: GateError | None = None, limit: Limit | None = None
) -> Verdict:
    """Decide the result: an error comes first, then the worst state of any job.

    Without jobs the result is success; whether there may be none is up to the caller.
    """
    jobs = tuple(jobs)
    if error is None:
        states = {job.state for job in jobs}
        result = next((result for state, result in _RESULT_BY_STATE.items() if state in states), Result.SUCCESS)
        exit_code = EXIT_CODES[result]
    else:
        result = Result.CANCELLED if isinstance(error, CancelledError) else Result.ERROR
        exit_code = error.exit_code
    return Verdict(
        result=result, exit_code=exit_code, jobs=jobs, elapsed_seconds=elapsed_seconds, error=error, limit=limit
    )


def _unique(ids: Iterable[str | None]) -> tuple[str, ...]:
    """Return each ID once, as first given. IDs that differ only in case are one."""
    first: dict[str, str] = {}
    for each in ids:
        if each is not None:
            first.setdefault(each.lower(), each)
    return tuple(first.values())
