"""How long to wait before the next poll. Pure.

The aim is to poll soon after the last job finishes, and rarely before. The jobs that finished since the first poll give
a completion rate, and the rate gives an expected end:

- Before the expected end, wait for a fraction of the remaining time, or of the elapsed time if that is shorter: a rate
  measured over one second says little about the next minute. Polls are rare while the end is far away and become
  frequent near it, as the estimate improves.
- After the expected end, or before there is a rate, there is no estimate. A job that is overdue by some time may take
  as long again, so wait for a smaller fraction of that time. Intervals grow again for a straggler and for a stall.

The rate uses only the gate's own clock. The API's timestamps would give verdicts 0.04 s sooner on average for 3 % more
polls, which is not worth trusting another clock. `bench/interval.py` holds the fractions to its goals.
"""

from dataclasses import dataclass, replace
from typing import Final

INTERVAL_FRACTION: Final = 0.28
OVERDUE_INTERVAL_FRACTION: Final = 0.025
# Keeps gates that start together from polling together.
JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class CompletionRate:
    """How fast jobs finish, as far as polls have seen it. Times are on the gate's clock."""

    first_poll_at: float
    finished_before: int
    """Jobs already finished at the first poll, which say nothing about the rate."""
    changed_at: float
    """The last poll that found more jobs finished; initially the first poll."""
    finished: int

    @classmethod
    def start(cls, at: float, finished: int) -> "CompletionRate":
        """Return the rate after the first poll."""
        return cls(first_poll_at=at, finished_before=finished, changed_at=at, finished=finished)

    def update(self, at: float, finished: int) -> "CompletionRate":
        """Return the rate after another poll."""
        return self if finished == self.finished else replace(self, changed_at=at, finished=finished)

    def expected_end(self, pending: int) -> float:
        """Return when this many more jobs will have finished; the first poll if none has finished since."""
        finished_since = self.finished - self.finished_before
        return self.changed_at + pending * (self.changed_at - self.first_poll_at) / max(1, finished_since)


def interval_seconds(
    eta_seconds: float, elapsed_seconds: float, *, min_seconds: float, max_seconds: float, jitter: float
) -> float:
    """Return the delay before the next poll.

    Args:
        eta_seconds: time until the expected end; negative after it.
        elapsed_seconds: time since the gate started.
        min_seconds: the shortest interval.
        max_seconds: the longest interval.
        jitter: a random number from 0 to 1.
    """
    ahead = INTERVAL_FRACTION * min(eta_seconds, elapsed_seconds)
    overdue = OVERDUE_INTERVAL_FRACTION * -eta_seconds
    return min(max_seconds, max(min_seconds, ahead, overdue) * (1 + JITTER * jitter))
