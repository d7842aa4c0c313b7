"""Rhythms in which to look at jobs: those of peers, and the gate's own. A look takes no time here."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol, TypeAlias

from bench.traces import Trace
from fini_gate.pacing import CompletionRate, interval_seconds

SHORTEST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 30.0


class Rhythm(Protocol):
    """Says after each look at how many seconds the next one follows."""

    def __call__(self, at: float, ended: int, pending: int) -> float:
        """What the look at this second saw → the pause."""


Policy: TypeAlias = Callable[[Random], Rhythm]
"""Makes the rhythm of one gate."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a gate fared."""

    lag_seconds: float
    """From the last job's end to the look that saw it."""
    polls: int


def fixed(seconds: float) -> Policy:
    """Always the same pause."""
    return lambda _: lambda at, ended, pending: seconds  # noqa: ARG005 - named in the protocol


def exponential(base: float) -> Policy:
    """Each pause so many times as long as the last one, up to the longest."""

    def pauses() -> Iterator[float]:
        pause = SHORTEST_SECONDS
        while True:
            yield pause
            pause = min(LONGEST_SECONDS, pause * base)

    def make(_: Random) -> Rhythm:
        each = pauses()
        return lambda at, ended, pending: next(each)  # noqa: ARG005 - named in the protocol

    return make


def fini_gate(chance: Random) -> Rhythm:
    """The gate's own, with its default intervals."""
    pace: CompletionRate | None = None

    def rhythm(at: float, ended: int, pending: int) -> float:
        nonlocal pace
        pace = CompletionRate.first_seen(at, ended) if pace is None else pace.seen(at, ended)
        return interval_seconds(
            pace.end_of(pending) - at,
            at,
            min_seconds=SHORTEST_SECONDS,
            max_seconds=LONGEST_SECONDS,
            jitter=chance.random(),
        )

    return rhythm


OURS: Final = "fini-gate"
PEERS: Final[Mapping[str, Policy]] = {
    "fixed 5 s": fixed(5),
    "fixed 10 s": fixed(10),
    "fixed 15 s": fixed(15),
    "fixed 30 s": fixed(30),
    "exponential 1.5": exponential(1.5),
    "exponential 2": exponential(2),
}
POLICIES: Final[Mapping[str, Policy]] = {OURS: fini_gate, **PEERS}


def wait(trace: Trace, rhythm: Rhythm) -> Result:
    """Look at the jobs until the last one has ended."""
    at, polls = 0.0, 1
    while (ended := bisect_right(trace, at)) < len(trace):
        at += rhythm(at, ended, len(trace) - ended)
        polls += 1
    return Result(at - trace[-1], polls)
