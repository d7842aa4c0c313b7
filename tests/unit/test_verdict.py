import signal
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import (
    ApiError,
    CancelledError,
    GateError,
    InternalError,
    OutageError,
    RequestRefusedError,
    UsageError,
)
from fini_gate.models import Job, JobState
from fini_gate.verdict import Limit, decide

STATES = {"c": JobState.COMPLETED, "f": JobState.FAILED, "p": JobState.PENDING}
STATES |= {"m": JobState.MISSING, "u": JobState.UNREADABLE}


def _jobs(states: str) -> tuple[Job, ...]:
    return tuple(Job(id=f"job-{number}", state=STATES[state]) for number, state in enumerate(states))


@pytest.mark.parametrize(
    ("states", "result", "exit_code"),
    [
        *((states, "failure", 1) for states in ("f", "m", "fm", "cf", "mc", "pf", "mp", "uf", "mu", "cpumf")),
        *((states, "error", 4) for states in ("u", "cu", "uc", "pu", "up", "cpu")),
        *((states, "timed_out", 3) for states in ("p", "cp", "pc", "pp")),
        *((states, "success", 0) for states in ("c", "cc", "")),
    ],
)
def test_verdict__is_the_first_ending_that_applies(states: str, result: str, exit_code: int) -> None:
    """A failed or missing job decides, then an unreadable one, then a pending one, else all completed."""
    verdict = decide(_jobs(states), elapsed_seconds=1)
    assert (verdict.result, verdict.exit_code) == (result, exit_code)


@pytest.mark.parametrize("states", ["", "c", "f", "p", "cpumf"])
@pytest.mark.parametrize(
    ("error", "result", "exit_code"),
    [
        (CancelledError(signal.SIGINT), "cancelled", 130),
        (CancelledError(signal.SIGTERM), "cancelled", 143),
        (UsageError("a wrong input"), "error", 2),
        (RequestRefusedError("a refused key"), "error", 4),
        (OutageError("an outage"), "error", 4),
        (ApiError("another trouble"), "error", 4),
        (InternalError("a defect"), "error", 4),
    ],
)
def test_verdict__of_an_error_comes_before_that_of_the_jobs(
    states: str, error: GateError, result: str, exit_code: int
) -> None:
    """What kept the gate from seeing all jobs end decides, whatever the jobs."""
    jobs = _jobs(states)
    verdict = decide(jobs, elapsed_seconds=1, error=error)
    assert (verdict.result, verdict.exit_code) == (result, exit_code)
    assert (verdict.error, verdict.jobs) == (error, jobs)


@given(st.text("cfpmu"))
def test_verdict__passes_only_where_every_job_completed(states: str) -> None:
    """No mix of jobs with one that did not complete ends in success, or with exit code 0."""
    verdict = decide(_jobs(states), elapsed_seconds=1)
    all_completed = set(states) <= {"c"}
    assert (verdict.result == "success") is (verdict.exit_code == 0) is all_completed


@given(st.text("cfpmu"))
def test_verdict__has_each_job_in_one_state(states: str) -> None:
    """The jobs by state are all jobs, each once, in their order."""
    jobs = _jobs(states)
    verdict = decide(iter(jobs), elapsed_seconds=1)
    by_state = {state: verdict.in_state(state) for state in JobState}
    assert sorted((job for in_state in by_state.values() for job in in_state), key=jobs.index) == list(jobs)
    assert all(list(in_state) == sorted(in_state, key=jobs.index) for in_state in by_state.values())
    assert all(job.state is state for state, in_state in by_state.items() for job in in_state)


def test_verdict__names_each_article_of_a_completed_job_once() -> None:
    """Articles come in the order of the jobs, each once; those of other jobs do not count."""
    jobs = [
        Job(id="1", state=JobState.COMPLETED, article_id="b"),
        Job(id="2", state=JobState.FAILED, article_id="failed"),
        Job(id="3", state=JobState.COMPLETED, article_id="a"),
        Job(id="4", state=JobState.COMPLETED),
        Job(id="5", state=JobState.PENDING, article_id="pending"),
        Job(id="6", state=JobState.COMPLETED, article_id="b"),
    ]
    assert decide(jobs, elapsed_seconds=1).article_ids == ("b", "a")


def test_verdict__remembers_what_it_rests_on() -> None:
    """The limit and the time are kept, and a verdict cannot be changed."""
    limit = Limit("stall-timeout", 60)
    verdict = decide(_jobs("p"), elapsed_seconds=12.5, limit=limit)
    assert (verdict.limit, verdict.elapsed_seconds, verdict.error) == (limit, 12.5, None)
    with pytest.raises(FrozenInstanceError):
        verdict.exit_code = 0  # type: ignore[misc]
