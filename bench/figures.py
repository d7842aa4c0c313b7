"""Figures of several rounds: what stands in a table of them, and how peers compare."""

from collections.abc import Sequence
from statistics import median


def quote(values: Sequence[float], form: str = ".2f") -> str:
    """The median, and between what the values lie."""
    lowest, middle, highest = (format(value, form) for value in (min(values), median(values), max(values)))
    return middle if lowest == highest else f"{middle} ({lowest} to {highest})"


def ratios(values: Sequence[float], floor: Sequence[float]) -> list[float]:
    """How many times the floor each value is, round by round: what disturbs the machine disturbs both of a round."""
    return [value / least for value, least in zip(values, floor, strict=True)]
