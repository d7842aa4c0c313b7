"""Batches of jobs that never were: when each job ends, in seconds after the gate's first look. Seeded."""

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, TypeAlias

Trace: TypeAlias = Sequence[float]
"""When the jobs end, the earliest first."""

# A job writes an article: seconds to half a minute, each about as long as the others of its batch. The example of the
# API's reference took 4 s.
JOB_SECONDS: Final = (3, 30)
JOB_SPREAD: Final = 0.5
BATCH: Final = (5, 500)
MIDDLE_OF_BATCH: Final = 50
MOST_WORKERS: Final = 10


def _one_job(chance: Random) -> Trace:
    return _durations(chance, 1)


def _small_batch(chance: Random) -> Trace:
    return _run(chance, _durations(chance, _size(chance, BATCH[0], MIDDLE_OF_BATCH)))


def _large_batch(chance: Random) -> Trace:
    return _run(chance, _durations(chance, _size(chance, MIDDLE_OF_BATCH, BATCH[1])))


def _heavy_tail(chance: Random) -> Trace:
    """Some jobs take many times as long as most: up to twenty times."""
    alpha, longest = 1.5, 20.0
    shortest = _between(chance, *JOB_SECONDS) / 2 ** (1 / alpha)
    return _run(chance, [shortest * min(chance.paretovariate(alpha), longest) for _ in range(_size(chance, *BATCH))])


def _stall(chance: Random) -> Trace:
    """Nothing ends for 10 to 60 s, anywhere in the batch, and then it goes on."""
    ends = _batch(chance)
    submit, seconds = chance.uniform(0, ends[-1]), _between(chance, 10, 60)
    return [end if end < submit else end + seconds for end in ends]


def _bursts(chance: Random) -> Trace:
    """Ends become known only every 5 to 30 s."""
    ends, period = _batch(chance), _between(chance, 5, 30)
    offset = chance.uniform(0, period)
    return [math.ceil((end - offset) / period) * period + offset for end in ends]


def _straggler(chance: Random) -> Trace:
    """The job that was queued last takes 3 to 10 times as long as it would."""
    *durations, last = _durations(chance, _size(chance, *BATCH))
    return _run(chance, [*durations, last * _between(chance, 3, 10)])


CLASSES: Final[Mapping[str, Callable[[Random], Trace]]] = {
    "one job": _one_job,
    "5 to 50 jobs": _small_batch,
    "50 to 500 jobs": _large_batch,
    "a heavy tail": _heavy_tail,
    "a stall": _stall,
    "bursts": _bursts,
    "a straggler": _straggler,
}


def traces(seed: int, count: int) -> dict[str, list[Trace]]:
    """Make so many traces of each class; the same ones for the same seed."""
    return {
        name: [make(Random(f"{seed} {name} {number}")) for number in range(count)]  # noqa: S311 - no secrets
        for name, make in CLASSES.items()
    }


def _between(chance: Random, least: float, most: float) -> float:
    """Any magnitude between the two is as likely as any other."""
    return math.exp(chance.uniform(math.log(least), math.log(most)))


def _size(chance: Random, least: int, most: int) -> int:
    return round(_between(chance, least, most))


def _durations(chance: Random, count: int) -> list[float]:
    """Log-normal ones around a median of their own."""
    median = math.log(_between(chance, *JOB_SECONDS))
    return [chance.lognormvariate(median, JOB_SPREAD) for _ in range(count)]


def _batch(chance: Random) -> Trace:
    return _run(chance, _durations(chance, _size(chance, *BATCH)))


def _run(chance: Random, durations: Sequence[float]) -> Trace:
    """When jobs end that 1 to 10 workers take one after the other."""
    free_at = [0.0] * chance.randint(1, MOST_WORKERS)
    ends = []
    for duration in durations:
        ends.append(heapq.heappop(free_at) + duration)
        heapq.heappush(free_at, ends[-1])
    return sorted(ends)
