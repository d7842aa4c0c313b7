from bisect import bisect_right
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.policies import fini_gate, wait
from bench.rhythm import goals, outcomes
from bench.traces import traces
from fini_gate.inputs import Inputs
from fini_gate.models import Job, PollResult, StatusRow
from fini_gate.pacing import CompletionRate, interval_seconds
from fini_gate.poller import wait_for_jobs

SECONDS = st.floats(0.1, 3600)
LIMITS = st.tuples(SECONDS, SECONDS).map(sorted)
SECONDS_LEFT = st.floats(-1e6, 1e6)
ELAPSED = st.floats(0, 1e6)
CHANCE = st.floats(0, 1)


def _rate(*polls: tuple[float, int]) -> CompletionRate:
    """What looks tell: when each was, and how many jobs had ended by then."""
    (at, ended), *others = polls
    pace = CompletionRate.first_seen(at, ended)
    for at, ended in others:
        pace = pace.seen(at, ended)
    return pace


# --- The pause -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "elapsed", "pause"),
    [
        *[(0, 1e8, 1), (3, 1e8, 1), (10, 1e8, 2.8), (100, 1e8, 28), (200, 1e8, 30), (1e8, 1e8, 30)],
        *[(1e8, 0, 1), (1e8, 3, 1), (1e8, 10, 2.8), (1e8, 100, 28), (1e8, 200, 30)],
        *[(-1, 1e8, 1), (-40, 1e8, 1), (-100, 1e8, 2.5), (-1000, 1e8, 25), (-2000, 1e8, 30), (-100, 0, 2.5)],
    ],
)
def test_pause__is_a_share_of_what_is_left_or_overdue(left: float, elapsed: float, pause: float) -> None:
    """It shrinks towards the expected end and grows again past it; early estimates are not trusted far."""
    assert interval_seconds(left, elapsed, min_seconds=1, max_seconds=30, jitter=0) == pytest.approx(pause)


@pytest.mark.parametrize(("left", "pauses"), [(0, (1, 1.05, 1.1)), (50, (14, 14.7, 15.4)), (100, (28, 29.4, 30))])
def test_pause__is_a_little_longer_at_random(left: float, pauses: Sequence[float]) -> None:
    """Chance makes it up to a tenth longer, and never longer than the longest."""
    found = [interval_seconds(left, 1000, min_seconds=1, max_seconds=30, jitter=jitter) for jitter in (0, 0.5, 1)]
    assert found == pytest.approx(pauses)


@given(SECONDS_LEFT, ELAPSED, SECONDS, CHANCE)
def test_pause__is_fixed_where_both_limits_are_equal(
    left: float, elapsed: float, interval: float, jitter: float
) -> None:
    """With the longest pause equal to the shortest the rhythm never changes, chance or not."""
    assert interval_seconds(left, elapsed, min_seconds=interval, max_seconds=interval, jitter=jitter) == interval


@given(SECONDS_LEFT, ELAPSED, LIMITS, CHANCE)
def test_pause__stays_within_the_limits(left: float, elapsed: float, limits: Sequence[float], jitter: float) -> None:
    """Whatever the estimate, a pause lies between the limits, and chance adds a tenth of it at most."""
    shortest, longest = limits
    calm, found = (
        interval_seconds(left, elapsed, min_seconds=shortest, max_seconds=longest, jitter=each) for each in (0, jitter)
    )
    assert shortest <= calm <= found <= longest
    assert found <= calm * 1.1 * (1 + 1e-9)


@given(st.tuples(ELAPSED, ELAPSED).map(sorted), st.sampled_from((1, -1)), ELAPSED, LIMITS)
def test_pause__is_shorter_the_nearer_the_end_is(
    distances: Sequence[float], side: int, elapsed: float, limits: Sequence[float]
) -> None:
    """On either side of the expected end the nearer look has no longer pause."""
    shortest, longest = limits
    nearer, farther = (
        interval_seconds(side * distance, elapsed, min_seconds=shortest, max_seconds=longest, jitter=0)
        for distance in distances
    )
    assert nearer <= farther


# --- The pace --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("polls", "pending", "end"),
    [
        ([(10, 0)], 5, 10),  # nothing is known: all is overdue
        ([(10, 2), (30, 2)], 5, 10),  # what ended before the first look tells nothing
        ([(10, 2), (30, 4)], 3, 60),  # two in 20 s: three more take 30 s
        ([(10, 2), (20, 3), (30, 4)], 3, 60),
        ([(10, 2), (30, 4), (50, 4), (55, 4)], 3, 60),  # looks that see nothing new change nothing
        ([(10, 2), (30, 4)], 0, 30),
        ([(10, 0), (10, 4)], 3, 10),  # a clock that stands still
    ],
)
def test_pace__tells_when_the_pending_jobs_end(polls: list[tuple[float, int]], pending: int, end: float) -> None:
    """They take as long each as those took that were seen to end."""
    assert _rate(*polls).end_of(pending) == pytest.approx(end)


@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.integers(0, 9)), min_size=1, max_size=20),
    st.integers(0, 500),
    st.integers(0, 10**6),
)
def test_pace__does_not_depend_on_what_the_clock_shows(
    steps: list[tuple[float, int]], pending: int, offset: int
) -> None:
    """A clock that shows another time gives the same time left; it is never less than none after a job has ended."""
    at, ended, polls = 0.0, 0, list[tuple[float, int]]()
    for seconds, more in steps:
        at, ended = at + seconds, ended + more
        polls.append((at, ended))
    pace, shifted = _rate(*polls), _rate(*((at + offset, ended) for at, ended in polls))
    assert shifted.end_of(pending) - offset == pytest.approx(pace.end_of(pending), rel=1e-6, abs=1e-3)
    assert pace.end_of(pending) >= pace.changed_at


# --- The rhythm ------------------------------------------------------------------------------------------------------


def _pauses(ends: Sequence[float], until: float, *, shortest: float = 1, longest: float = 30) -> list[float]:
    """The pauses of a gate on jobs that end then, without chance."""
    at, pauses = 0.0, list[float]()
    pace = CompletionRate.first_seen(at, bisect_right(ends, at))
    while at < until:
        left = pace.end_of(len(ends) - pace.ended) - at
        pauses.append(interval_seconds(left, at, min_seconds=shortest, max_seconds=longest, jitter=0))
        at += pauses[-1]
        pace = pace.seen(at, bisect_right(ends, at))
    return pauses


def test_rhythm__is_denser_towards_the_end() -> None:
    """Of a steady batch the looks come closer, down to the shortest pause."""
    pauses = _pauses(range(5, 201, 5), 200)
    longest = pauses.index(max(pauses))
    assert pauses[longest] > 25
    assert pauses[longest:] == sorted(pauses[longest:], reverse=True)
    assert pauses[-1] == 1


def test_rhythm__is_not_fooled_by_jobs_that_run_all_at_once() -> None:
    """Of six thousand that run side by side the first few to end promise hours; the look that sees the last is near."""
    ends = sorted(Random(7).uniform(2, 6) for _ in range(6000))  # noqa: S311 - no secrets
    pauses = _pauses(ends, ends[-1])
    assert sum(pauses) - ends[-1] < 0.3 * ends[-1]


def test_rhythm__grows_again_with_a_straggler() -> None:
    """The longer the last job takes, the longer are the pauses, up to the longest."""
    pauses = _pauses([*range(1, 50), 10_000], 10_000)
    tail = pauses[pauses.index(1, 10) :]
    assert tail == sorted(tail)
    assert tail[-1] == 30


@pytest.mark.parametrize(("shortest", "longest"), [(1, 5), (5, 30), (0.1, 0.4), (60, 600)])
def test_rhythm__makes_sense_within_other_limits(shortest: float, longest: float) -> None:
    """Both limits are reached where the batch is long enough for it, and neither is passed."""
    ends = [*(2 * longest * number for number in range(1, 11)), 100 * longest]
    pauses = _pauses(ends, ends[-1], shortest=shortest, longest=longest)
    assert min(pauses) == shortest
    assert max(pauses) == longest


def test_rhythm__is_late_little_and_looks_seldom() -> None:
    """On seeded traces it is far sooner than fixed rhythms, at about the looks of the slow ones, and never outdone."""
    for goal in goals(outcomes(seed=5, count=300)):
        assert goal.measured <= goal.at_most, goal


@pytest.mark.parametrize("name", ["one job", "5 to 50 jobs", "a straggler"])
def test_bench__looks_when_the_gate_does(name: str, make_inputs: Callable[..., Inputs]) -> None:
    """What is measured of the rhythm is what the gate does, with the same chance, at its default intervals."""
    trace = traces(seed=5, count=3)[name][-1]
    ends = {f"job-{number}": end for number, end in enumerate(trace)}
    now, polls = 0.0, 0

    class Client:
        def poll(self, job_ids: Sequence[str], **_: Any) -> PollResult:  # noqa: ANN401 - the limits
            nonlocal polls
            polls += 1
            said = {True: "COMPLETED", False: "PENDING"}
            rows = {job_id: [StatusRow(id=job_id, status=said[ends[job_id] <= now])] for job_id in job_ids}
            return PollResult(rows=rows, last_response_at=now)

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    verdict = wait_for_jobs(
        [Job(id=job_id) for job_id in ends],
        Client(),
        make_inputs(timeout_seconds=36_000),
        started_at=0,
        clock=lambda: now,
        sleep=sleep,
        random=Random(7).random,  # noqa: S311 - no secrets
        on_poll=lambda _: None,
    )
    measured = wait(trace, fini_gate(Random(7)))  # noqa: S311 - no secrets
    assert (verdict.exit_code, polls, now - trace[-1]) == (0, measured.polls, measured.lag_seconds)
