import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import GateError
from fini_gate.models import Job, JobState
from fini_gate.verdict import decide
from tests.unit.verdicts import ERRORS

STATES = {state[0]: state for state in JobState}


def make_jobs(states: str) -> tuple[Job, ...]:
    """Make jobs in states given by their first letters."""
    return tuple(Job(id=f"job-{number}", state=STATES[letter]) for number, letter in enumerate(states))


@pytest.mark.parametrize(
    ("result", "exit_code", "states"),
    [
        ("failure", 1, ["f", "m", "fm", "cf", "mc", "pf", "mp", "uf", "mu", "cpumf"]),
        ("error", 4, ["u", "cu", "uc", "pu", "up", "cpu"]),
        ("timed_out", 3, ["p", "cp", "pc", "pp"]),
        ("success", 0, ["c", "cc", ""]),
    ],
)
def test_verdict__is_the_first_result_that_applies(result: str, exit_code: int, states: list[str]) -> None:
    """A failed or missing job decides, then an unreadable one, then a pending one; else all are completed."""
    for each in states:
        verdict = decide(make_jobs(each), elapsed_seconds=1)
        assert (verdict.result, verdict.exit_code) == (result, exit_code), each


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_verdict__of_an_error_ignores_the_jobs(error: GateError) -> None:
    """An error decides, whatever the jobs. The golden files of test_main show the result and the exit code of each."""
    alone = decide((), elapsed_seconds=1, error=error)
    for states in ("c", "f", "p", "cpumf"):
        verdict = decide(make_jobs(states), elapsed_seconds=1, error=error)
        assert (verdict.result, verdict.exit_code, verdict.error) == (alone.result, error.exit_code, error)
        assert verdict.jobs == make_jobs(states)


@given(st.text("cfpmu"))
def test_verdict__passes_only_where_every_job_completed(states: str) -> None:
    """One job that did not complete is enough to prevent success and exit code 0."""
    verdict = decide(iter(make_jobs(states)), elapsed_seconds=1)
    assert (verdict.result == "success") is (verdict.exit_code == 0) is (set(states) <= {"c"})
    for state in JobState:
        assert list(verdict.in_state(state)) == [job for job in make_jobs(states) if job.state is state]
