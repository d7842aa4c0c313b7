import pytest

from fini_gate.deadlines import Deadlines
from fini_gate.errors import OutageError
from fini_gate.models import PollResult
from fini_gate.records import LookupResult

from .fake_client import make_inputs

STARTED_AT = 1000.0


def make_deadlines(*, job_count: int = 0, stall: float | None = None, tolerance: float = 300) -> Deadlines:
    """Make the deadlines of a gate with a timeout of 100 s."""
    inputs = make_inputs(timeout_seconds=100, stall_timeout_seconds=stall, outage_tolerance_seconds=tolerance)
    return Deadlines(inputs, started_at=STARTED_AT, job_count=job_count)


@pytest.mark.parametrize(
    ("began_at", "job_count", "end_at"),
    [
        *[(0, 0, 101.5), (99, 0, 101.5), (100, 0, 103.5), (0, 50_000, 100.9), (100, 50_000, 102.9)],
        *[(0, 200_000, 100), (99.9, 200_000, 100), (100, 200_000, 101.1)],
        # The machine was suspended past the deadline.
        *[(103.4, 0, 103.5), (103.5, 0, 107), (500, 0, 503.5), (500, 50_000, 502.9)],
    ],
)
def test_poll__may_outlast_the_deadline_by_a_grace(began_at: float, job_count: int, end_at: float) -> None:
    """Requests in flight may end after the deadline, those of the final poll later; both leave time for reporting."""
    limits = make_deadlines(job_count=job_count).start_poll(STARTED_AT + began_at)
    assert limits.end_at == pytest.approx(STARTED_AT + end_at)
    assert limits.retry_until == STARTED_AT + 100
    assert limits.is_final == (began_at >= 100)


@pytest.mark.parametrize(
    ("stall", "tolerance", "retry_until"), [(None, 300, 100), (30, 300, 70), (90, 300, 100), (30, 10, 60)]
)
def test_retries__end_at_the_first_limit(stall: float | None, tolerance: float, retry_until: float) -> None:
    """No retry is scheduled past `timeout`, `stall-timeout` since a change, or `outage-tolerance`."""
    deadlines = make_deadlines(stall=stall, tolerance=tolerance)
    deadlines.record_change(STARTED_AT + 40)
    limits = deadlines.start_poll(STARTED_AT + 50)
    assert limits.retry_until == pytest.approx(STARTED_AT + retry_until)


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (PollResult(incomplete_reason="HTTP 429"), "HTTP 429"),
        (PollResult(server_errors={"a": "HTTP 500"}), "HTTP 500"),
        (PollResult(), "no response"),
    ],
)
def test_outage__says_what_happened_and_what_to_do(result: PollResult, problem: str) -> None:
    """The error names the tolerance and the problem, and suggests what to check."""
    deadlines = make_deadlines(tolerance=90)
    deadlines.start_poll(STARTED_AT)
    with pytest.raises(OutageError) as error:
        deadlines.reached(result, now=STARTED_AT + 90)
    assert str(error.value) == (
        f"The API gave no usable response for 1m30s: {problem}. Check api-url, the network and the API's status, or"
        " raise outage-tolerance."
    )


def test_suspension__extends_the_deadline_once() -> None:
    """A poll after the late final poll has no more time than that one."""
    deadlines = make_deadlines()
    assert deadlines.start_poll(STARTED_AT + 500).end_at == STARTED_AT + 503.5
    assert deadlines.start_poll(STARTED_AT + 504).end_at == STARTED_AT + 503.5


def test_lookup__counts_the_outage_anew_and_never_stalls() -> None:
    """Neither an outage nor a stall before the look-up shortens it."""
    deadlines = make_deadlines(stall=10, tolerance=20)
    deadlines.start_poll(STARTED_AT)
    deadlines.start_lookup()
    assert deadlines.start_poll(STARTED_AT + 50).retry_until == STARTED_AT + 70
    assert deadlines.reached(LookupResult(), now=STARTED_AT + 69) is None


@pytest.mark.parametrize(
    ("now", "job_count", "retry_until", "end_at"),
    [(40, 0, 42, 50), (95, 0, 97, 103.5), (102, 0, 103.5, 103.5), (95, 50_000, 97, 102.9)],
)
def test_details__take_10_s_or_end_with_the_gate(now: float, job_count: int, retry_until: float, end_at: float) -> None:
    """Looking up details retries for 2 s, takes at most 10 s, and never makes the gate overrun its deadline."""
    limits = make_deadlines(job_count=job_count).start_details(STARTED_AT + now)
    assert limits == pytest.approx((STARTED_AT + retry_until, STARTED_AT + end_at, False))
