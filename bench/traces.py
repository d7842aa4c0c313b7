"""Seeded traces: the times, in seconds after the gate's first poll, at which the jobs of made-up batches finish."""

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, TypeAlias

Trace: TypeAlias = Sequence[float]
"""When each job finishes, in ascending order."""

# A job writes one article. The example in the API reference took 4 s.
JOB_SECONDS: Final = (3, 30)
JOB_COUNTS: Final = (5, 500)
MAX_WORKERS: Final = 10


def traces(seed: int, count: int, *, stretch: float = 1) -> dict[str, list[Trace]]:
    """Return `count` traces of each class, their times multiplied by `stretch`; the same seed gives the same traces."""
    return {
        name: [
            [end * stretch for end in make(Random(f"{seed} {name} {number}"))]  # noqa: S311 - no secrets
            for number in range(count)
        ]
        for name, make in CLASSES.items()
    }


def _log_uniform(random: Random, low: float, high: float) -> float:
    """Every order of magnitude is equally likely."""
    return math.exp(random.uniform(math.log(low), math.log(high)))


def _durations(random: Random, count: int) -> list[float]:
    """Log-normal durations around a random median."""
    log_median = math.log(_log_uniform(random, *JOB_SECONDS))
    return [random.lognormvariate(log_median, 0.5) for _ in range(count)]


def _schedule(random: Random, durations: Sequence[float]) -> Trace:
    """When jobs finish if 1 to 10 workers take them in turn."""
    free_at = [0.0] * random.randint(1, MAX_WORKERS)
    ends = []
    for duration in durations:
        ends.append(heapq.heappop(free_at) + duration)
        heapq.heappush(free_at, ends[-1])
    return sorted(ends)


def _batch(random: Random, low: int = 5, high: int = 500) -> Trace:
    return _schedule(random, _durations(random, round(_log_uniform(random, low, high))))


def _heavy_tail(random: Random) -> Trace:
    """Some jobs take up to 20 times as long as the shortest."""
    alpha, max_factor = 1.5, 20.0
    shortest = _log_uniform(random, *JOB_SECONDS) / 2 ** (1 / alpha)
    count = round(_log_uniform(random, *JOB_COUNTS))
    return _schedule(random, [shortest * min(random.paretovariate(alpha), max_factor) for _ in range(count)])


def _stall(random: Random) -> Trace:
    """No job finishes for 10 to 60 s somewhere in the batch."""
    ends = _batch(random)
    stall_at, seconds = random.uniform(0, ends[-1]), _log_uniform(random, 10, 60)
    return [end if end < stall_at else end + seconds for end in ends]


def _bursts(random: Random) -> Trace:
    """Finished jobs are reported only every 5 to 30 s."""
    ends, period = _batch(random), _log_uniform(random, 5, 30)
    offset = random.uniform(0, period)
    return [math.ceil((end - offset) / period) * period + offset for end in ends]


def _straggler(random: Random) -> Trace:
    """The last job in the queue takes 3 to 10 times as long as usual."""
    *durations, last = _durations(random, round(_log_uniform(random, *JOB_COUNTS)))
    return _schedule(random, [*durations, last * _log_uniform(random, 3, 10)])


CLASSES: Final[Mapping[str, Callable[[Random], Trace]]] = {
    "one job": lambda random: _durations(random, 1),
    "5 to 50 jobs": lambda random: _batch(random, 5, 50),
    "50 to 500 jobs": lambda random: _batch(random, 50, 500),
    "a heavy tail": _heavy_tail,
    "a stall": _stall,
    "bursts": _bursts,
    "a straggler": _straggler,
}
