"""Durations: read `1h30m` as seconds, and write seconds as `1h30m`."""

import re
from typing import Final

# Eleven years: longer than any job runs, and short enough for clocks, dates and the operating system's waits.
MAX_DURATION_HOURS: Final = 100_000
UNIT_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_PART: Final = re.compile(rf"({_NUMBER})(ms|s|m|h)")
_DURATION: Final = re.compile(rf"{_NUMBER}|(?:{_NUMBER}(?:ms|s|m|h))+")
_ALLOWED: Final = "a number with a unit (ms, s, m, h), or several in a row, such as 90s, 15m or 1h30m"


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as `500ms`, `90s` or `1h30m`. A bare number is seconds.

    Raises:
        ValueError: the text is not a duration, or too long a one; the error's text says what is allowed.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(_ALLOWED)
    # A bare number is not searched for parts: the search would start over at each of its digits.
    parts = _PART.findall(text) if text[-1].isalpha() else [(text, "s")]
    seconds = sum(float(number) * UNIT_SECONDS[unit] for number, unit in parts)
    if seconds > MAX_DURATION_HOURS * UNIT_SECONDS["h"]:
        raise ValueError(f"at most {MAX_DURATION_HOURS}h")
    return seconds


def format_duration(seconds: float) -> str:
    """Format seconds for people, such as `1h30m` or `2m5s`, and to a tenth below a minute, such as `0.4s`."""
    if round(seconds, 1) < UNIT_SECONDS["m"]:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)
