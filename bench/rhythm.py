"""How late the verdict is, and for how many looks: in simulated time, where both are exact."""

from collections.abc import Mapping, Sequence
from random import Random
from statistics import fmean, median, quantiles
from typing import Final, TypeAlias

from bench.policies import OURS, PEERS, POLICIES, Policy, Result, wait
from bench.section import Goal, Section
from bench.traces import JOB_SECONDS, MOST_WORKERS, Trace, traces

SEED: Final = 1
TRACES_OF_A_CLASS: Final = 1000
ALL: Final = "all classes"
REFERENCES: Final = ("fixed 5 s", "fixed 10 s")

Outcomes: TypeAlias = Mapping[str, Mapping[str, Sequence[Result]]]
"""Class of traces → policy → how it fared on each."""


def outcomes(seed: int, count: int, *, stretch: float = 1) -> Outcomes:
    """Let each policy wait for the same jobs, so many traces of each class, all of it so many times as long."""
    by_class = {
        name: {
            policy: [_wait(trace, make, number, stretch) for number, trace in enumerate(made)]
            for policy, make in POLICIES.items()
        }
        for name, made in traces(seed, count).items()
    }
    return {
        ALL: {policy: [one for each in by_class.values() for one in each[policy]] for policy in POLICIES},
        **by_class,
    }


def _wait(trace: Trace, make: Policy, seed: int, stretch: float) -> Result:
    return wait([end * stretch for end in trace], make(Random(seed)))  # noqa: S311 - no secrets


def mean_lag(fared: Sequence[Result]) -> float:
    """Seconds from the last job's end to the verdict."""
    return fmean(result.lag_seconds for result in fared)


def mean_looks(fared: Sequence[Result]) -> float:
    """How many looks a verdict took."""
    return fmean(result.polls for result in fared)


def goals(found: Outcomes) -> tuple[Goal, ...]:
    """What the gate's rhythm is held to."""
    ours, by_peer = found[ALL][OURS], found[ALL]
    beaten = [
        (name, peer)
        for name, fared in found.items()
        for peer in PEERS
        if mean_lag(fared[peer]) <= mean_lag(fared[OURS]) and mean_looks(fared[peer]) <= mean_looks(fared[OURS])
    ]
    return (
        Goal("mean lag against fixed 5 s", mean_lag(ours) / mean_lag(by_peer["fixed 5 s"]), 0.3),
        Goal("looks against fixed 5 s", mean_looks(ours) / mean_looks(by_peer["fixed 5 s"]), 1),
        Goal("mean lag against fixed 10 s", mean_lag(ours) / mean_lag(by_peer["fixed 10 s"]), 0.2),
        Goal("looks against fixed 10 s", mean_looks(ours) / mean_looks(by_peer["fixed 10 s"]), 1.2),
        Goal("beaten in both lag and looks, times", len(beaten), 0),
    )


def measure() -> Section:
    """Simulate, and tell."""
    found = outcomes(SEED, TRACES_OF_A_CLASS)
    # The peers' pauses are seconds, so the ratios hang on how long jobs take.
    stretched = {
        f"{ALL}, {words}": outcomes(SEED, TRACES_OF_A_CLASS, stretch=stretch)[ALL]
        for words, stretch in (("twice as fast", 0.5), ("half as fast", 2))
    }
    return Section(
        title="Rhythm: how late the verdict is, and for how many looks",
        prose=(
            f"{TRACES_OF_A_CLASS:,} seeded traces of each class, jobs of {JOB_SECONDS[0]} to {JOB_SECONDS[1]} s on 1 to"
            f" {MOST_WORKERS} workers, in simulated time; each policy waits for all of them, and a look takes no time."
            " Lag is the time from the last job's end to the look that sees it."
        ),
        header=(
            "jobs",
            "policy",
            "mean lag",
            "median (10th to 90th percentile)",
            "looks",
            *(f"lag ÷ {peer}" for peer in REFERENCES),
            *(f"looks ÷ {peer}" for peer in REFERENCES),
        ),
        rows=tuple(_row(name, policy, fared) for name, fared in {**found, **stretched}.items() for policy in POLICIES),
        goals=goals(found),
    )


def _row(name: str, policy: str, fared: Mapping[str, Sequence[Result]]) -> tuple[str, ...]:
    lags = [result.lag_seconds for result in fared[policy]]
    tenths = quantiles(lags, n=10)
    return (
        name,
        policy,
        f"{fmean(lags):.2f} s",
        f"{median(lags):.2f} s ({tenths[0]:.2f} to {tenths[-1]:.2f})",
        f"{mean_looks(fared[policy]):.1f}",
        *(f"{fmean(lags) / mean_lag(fared[peer]):.2f}" for peer in REFERENCES),
        *(f"{mean_looks(fared[policy]) / mean_looks(fared[peer]):.2f}" for peer in REFERENCES),
    )
