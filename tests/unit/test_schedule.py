import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.schedule import pause_seconds

SECONDS = st.floats(0.1, 3600)


@pytest.mark.parametrize(
    ("elapsed", "pause"), [(0, 1), (5, 1), (10, 1), (20, 2), (150, 15), (300, 30), (1000, 30), (1e8, 30)]
)
def test_pause__grows_with_the_time_elapsed(elapsed: float, pause: float) -> None:
    """The pause is a tenth of the time elapsed, from the shortest up to the longest."""
    assert pause_seconds(elapsed, shortest_seconds=1, longest_seconds=30) == pytest.approx(pause)


@given(st.floats(0, 1e6), SECONDS)
def test_pause__is_fixed_where_both_limits_are_equal(elapsed: float, interval: float) -> None:
    """With the longest pause equal to the shortest the rhythm never changes."""
    assert pause_seconds(elapsed, shortest_seconds=interval, longest_seconds=interval) == interval


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=2).map(sorted), st.lists(SECONDS, min_size=2, max_size=2))
def test_pause__stays_within_the_limits_and_never_shrinks(elapsed: list[float], limits: list[float]) -> None:
    """Whatever the limits, pauses lie between them, and a later one is no shorter."""
    shortest, longest = sorted(limits)
    earlier, later = (pause_seconds(at, shortest_seconds=shortest, longest_seconds=longest) for at in elapsed)
    assert shortest <= earlier <= later <= longest
