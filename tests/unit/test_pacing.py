from random import Random

import pytest

from bench.interval import fini_gate, simulate
from bench.traces import traces
from fini_gate.pacing import CompletionRate, interval_seconds

from .fake_client import FakeClient, FakeClock, make_inputs, run_gate


def rate_of(*polls: tuple[float, int]) -> CompletionRate:
    """Make the rate from the times of polls and the number of finished jobs that each found."""
    rate = CompletionRate.start(*polls[0])
    for poll in polls[1:]:
        rate = rate.update(*poll)
    return rate


@pytest.mark.parametrize(
    ("eta", "elapsed", "interval"),
    [
        *[(0, 1e8, 1), (3, 1e8, 1), (10, 1e8, 2.8), (100, 1e8, 28), (200, 1e8, 30), (1e8, 1e8, 30)],
        *[(1e8, 0, 1), (1e8, 3, 1), (1e8, 10, 2.8), (1e8, 100, 28), (1e8, 200, 30)],
        *[(-1, 1e8, 1), (-40, 1e8, 1), (-100, 1e8, 2.5), (-1000, 1e8, 25), (-2000, 1e8, 30), (-100, 0, 2.5)],
    ],
)
def test_interval__is_a_fraction_of_the_remaining_or_overdue_time(eta: float, elapsed: float, interval: float) -> None:
    """Intervals shrink towards the expected end and grow after it; the elapsed time bounds trust in the ETA."""
    assert interval_seconds(eta, elapsed, min_seconds=1, max_seconds=30, jitter=0) == pytest.approx(interval)


@pytest.mark.parametrize(
    ("polls", "pending", "end"),
    [
        ([(10, 0)], 5, 10),  # no rate yet: everything is overdue
        ([(10, 2), (30, 2)], 5, 10),  # jobs finished before the first poll give no rate
        ([(10, 2), (30, 4)], 3, 60),  # two in 20 s: three more take 30 s
        ([(10, 2), (20, 3), (30, 4)], 3, 60),
        ([(10, 2), (30, 4), (50, 4), (55, 4)], 3, 60),  # polls without news change nothing
        ([(10, 2), (30, 4)], 0, 30),
        ([(10, 0), (10, 4)], 3, 10),  # the clock stands still
        ([(1e6, 2), (1e6 + 20, 4)], 3, 1e6 + 50),  # the clock starts anywhere
    ],
)
def test_rate__gives_the_expected_end(polls: list[tuple[float, int]], pending: int, end: float) -> None:
    """Pending jobs are expected to finish at the rate of those that finished since the first poll."""
    assert rate_of(*polls).expected_end(pending) == pytest.approx(end)


@pytest.mark.parametrize("name", ["one job", "5 to 50 jobs", "a straggler"])
def test_bench__simulates_the_gate(name: str) -> None:
    """The gate's polls are those that the bench simulates."""
    trace = traces(seed=5, count=3)[name][-1]
    timelines = {f"job-{number}": {0.0: "pending", end: "done"} for number, end in enumerate(trace)}
    client = FakeClient(FakeClock(), timelines)
    run = run_gate(client, make_inputs(timeout_seconds=36_000), random=Random(7).random)  # noqa: S311 - no secrets
    simulated = simulate(fini_gate, trace, seed=7)
    assert (run.verdict.exit_code, len(client.polls)) == (0, simulated.polls)
    assert run.verdict.elapsed_seconds - trace[-1] == pytest.approx(simulated.lag_seconds)
