"""How late the verdict is, and after how many polls. Simulated time makes both exact."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from random import Random
from statistics import fmean, median, quantiles
from typing import Final, NamedTuple, TypeAlias

from bench.report import Goal, Section
from bench.traces import JOB_SECONDS, MAX_WORKERS, Trace, traces
from fini_gate.pacing import CompletionRate, interval_seconds

MIN_INTERVAL_SECONDS: Final = 1.0
MAX_INTERVAL_SECONDS: Final = 30.0
SEED: Final = 1
TRACES_PER_CLASS: Final = 1000
ALL: Final = "all classes"

Policy: TypeAlias = Callable[[Trace, Random], Iterator[float]]
"""Yields the times, in seconds, at which a gate polls the jobs of a trace."""


class Outcome(NamedTuple):
    """The result of one simulated gate. Lag is the time from the end of the last job to the poll that sees it."""

    lag_seconds: float
    polls: float


def fixed(seconds: float) -> Policy:
    """Always wait for the same time."""
    return lambda *_: count(0.0, seconds)


def exponential(base: float) -> Policy:
    """Multiply the interval by `base` after each poll."""

    def poll_times(*_: object) -> Iterator[float]:
        at, interval = 0.0, MIN_INTERVAL_SECONDS
        while True:
            yield at
            at += interval
            interval = min(MAX_INTERVAL_SECONDS, interval * base)

    return poll_times


def fini_gate(trace: Trace, random: Random) -> Iterator[float]:
    """Follow fini-gate's own rule with its default intervals."""
    at, rate = 0.0, CompletionRate.start(0.0, bisect_right(trace, 0.0))
    while True:
        yield at
        rate = rate.update(at, bisect_right(trace, at))
        at += interval_seconds(
            rate.expected_end(len(trace) - rate.finished) - at,
            at,
            min_seconds=MIN_INTERVAL_SECONDS,
            max_seconds=MAX_INTERVAL_SECONDS,
            jitter=random.random(),
        )


OURS: Final = "fini-gate"
PEERS: Final[Mapping[str, Policy]] = {
    **{f"fixed {seconds} s": fixed(seconds) for seconds in (5, 10, 15, 30)},
    **{f"exponential {base}": exponential(base) for base in (1.5, 2)},
}
POLICIES: Final[Mapping[str, Policy]] = {OURS: fini_gate, **PEERS}


def simulate(policy: Policy, trace: Trace, seed: int) -> Outcome:
    """Poll until every job has finished. A poll takes no time."""
    times = policy(trace, Random(seed))  # noqa: S311 - no secrets
    polls, verdict_at = next((number, at) for number, at in enumerate(times, start=1) if at >= trace[-1])
    return Outcome(verdict_at - trace[-1], polls)


def outcomes(seed: int, traces_per_class: int, *, stretch: float = 1) -> dict[str, dict[str, list[Outcome]]]:
    """Simulate every policy on the same traces, and return the outcomes by class of traces and by policy."""
    by_class = {
        name: {
            policy: [simulate(poll, trace, number) for number, trace in enumerate(made)]
            for policy, poll in POLICIES.items()
        }
        for name, made in traces(seed, traces_per_class, stretch=stretch).items()
    }
    overall = {policy: [one for each in by_class.values() for one in each[policy]] for policy in POLICIES}
    return {ALL: overall, **by_class}


def mean(results: Sequence[Outcome]) -> Outcome:
    """Return the mean lag and the mean number of polls."""
    return Outcome(*map(fmean, zip(*results, strict=True)))


def goals(found: Mapping[str, Mapping[str, Sequence[Outcome]]]) -> tuple[Goal, ...]:
    """Return the goals for fini-gate's interval."""
    overall = {policy: mean(results) for policy, results in found[ALL].items()}
    ours, fixed_5, fixed_10 = (overall[policy] for policy in (OURS, "fixed 5 s", "fixed 10 s"))
    better_peers = [
        (name, peer)
        for name, results in found.items()
        for peer in PEERS
        if all(theirs <= own for theirs, own in zip(mean(results[peer]), mean(results[OURS]), strict=True))
    ]
    return (
        Goal("mean lag ÷ fixed 5 s", ours.lag_seconds / fixed_5.lag_seconds, 0.3),
        Goal("polls ÷ fixed 5 s", ours.polls / fixed_5.polls, 1),
        Goal("mean lag ÷ fixed 10 s", ours.lag_seconds / fixed_10.lag_seconds, 0.2),
        Goal("polls ÷ fixed 10 s", ours.polls / fixed_10.polls, 1.2),
        Goal("peers better in both lag and polls", len(better_peers), 0),
    )


def measure() -> Section:
    """Simulate all policies."""
    at_usual_speed = outcomes(SEED, TRACES_PER_CLASS)
    by_class = {
        **at_usual_speed,
        f"{ALL}, twice as fast": outcomes(SEED, TRACES_PER_CLASS, stretch=0.5)[ALL],
        f"{ALL}, half as fast": outcomes(SEED, TRACES_PER_CLASS, stretch=2)[ALL],
    }
    return Section(
        title="Interval: how late the verdict is, and after how many polls",
        prose=(
            f"Simulated time; {TRACES_PER_CLASS:,} seeded traces of each class, with jobs of {JOB_SECONDS[0]} to"
            f" {JOB_SECONDS[1]} s on 1 to {MAX_WORKERS} workers. Every policy runs on every trace, and a poll takes no"
            " time. Lag is the time from the end of the last job to the poll that sees it."
        ),
        header=("jobs", "policy", "mean lag, s", "median lag (10th to 90th percentile), s", "polls"),
        rows=[_row(name, policy, found[policy]) for name, found in by_class.items() for policy in POLICIES],
        goals=goals(at_usual_speed),
    )


def _row(name: str, policy: str, results: Sequence[Outcome]) -> tuple[str, ...]:
    lags, polls = zip(*results, strict=True)
    low, *_, high = quantiles(lags, n=10)
    lag_spread = f"{median(lags):.2f} ({low:.2f} to {high:.2f})"
    return name, policy, f"{fmean(lags):.2f}", lag_spread, f"{fmean(polls):.1f}"
