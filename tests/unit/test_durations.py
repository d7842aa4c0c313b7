import math
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.durations import format_duration, parse_duration

MAX_SECONDS = 360_000_000
ALLOWED = "a number with a unit (ms, s, m, h), or several in a row, such as 90s, 15m or 1h30m"
UNIT_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
UNITS = st.sampled_from(sorted(UNIT_SECONDS))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("0.25", 0.25), ("007", 7), ("500ms", 0.5), ("1h30m", 5400), ("100000h", MAX_SECONDS)],
)
def test_parse_duration__reads_numbers_with_and_without_units(text: str, seconds: float) -> None:
    """A bare number is seconds; a number with a unit is so many of that unit."""
    assert parse_duration(text) == seconds


@given(st.lists(st.tuples(st.decimals(0, 9999, places=3), UNITS), min_size=1, max_size=6))
def test_parse_duration__adds_up_the_parts(parts: list[tuple[Decimal, str]]) -> None:
    """Parts add up, in any order and however often a unit occurs."""
    text = "".join(f"{number}{unit}" for number, unit in parts)
    expected = sum(number * UNIT_SECONDS[unit] for number, unit in parts)
    assert parse_duration(text) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        *(
            (text, ALLOWED)
            for text in ("", "-1", "+1", "1 s", "1d", "1H", "1h30", ".5s", "1.", "1e3", "1_0s", "\u0661s")
        ),
        *((text, "at most 100000h") for text in ("100000h1ms", "9" * 40, "1" * 100_000, "1" * 100_000 + "s")),
        (f"1{'0' * 308}s" * 2, "at most 100000h"),
    ],
    ids=lambda text: ascii(text[:12]).replace("\\", "/"),
)
def test_parse_duration__rejects_what_is_not_allowed(text: str, allowed: str) -> None:
    """The error says what is allowed, at once even for a very long text."""
    with pytest.raises(ValueError, match=f"^{re.escape(allowed)}$"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0s"), (0.4, "0.4s"), (1, "1s"), (12.34, "12.3s"), (59.94, "59.9s"), (59.96, "1m"), (60, "1m")),
        *((125, "2m5s"), (3599.6, "1h"), (5400, "1h30m"), (3605, "1h5s"), (90061, "25h1m1s")),
    ],
)
def test_format_duration__suits_people(seconds: float, text: str) -> None:
    """Durations show hours, minutes and seconds, and tenths only below a minute."""
    assert format_duration(seconds) == text


@given(st.floats(0, MAX_SECONDS))
def test_format_duration__can_be_parsed_again(seconds: float) -> None:
    """Parsing a formatted duration gives it back, apart from rounding."""
    again = parse_duration(format_duration(seconds))
    assert math.isclose(again, seconds, rel_tol=0, abs_tol=0.0501 if seconds < 59 else 0.5001)
