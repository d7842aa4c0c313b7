"""When to look next. Pure."""

from typing import Final

# A job that ended is noticed within a tenth of the time that it took, or sooner.
PAUSE_PER_ELAPSED: Final = 0.1


def pause_seconds(elapsed_seconds: float, *, shortest_seconds: float, longest_seconds: float) -> float:
    """The pause before the next look: a share of the time elapsed, within the two limits."""
    return max(shortest_seconds, min(longest_seconds, PAUSE_PER_ELAPSED * elapsed_seconds))
