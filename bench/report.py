"""Figures, goals and tables, as Markdown that is readable in a terminal too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Figures = Mapping[str, Sequence[float]]
"""Process → a figure of each round."""


@dataclass(frozen=True)
class Goal:
    """A figure and the highest value it may have."""

    text: str
    measured: float
    at_most: float

    @property
    def is_met(self) -> bool:
        """Whether the figure is within its limit."""
        return self.measured <= self.at_most


@dataclass(frozen=True)
class Section:
    """One subject of the bench. A section that was skipped has no rows; its prose says why."""

    title: str
    prose: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    goals: Sequence[Goal] = ()

    def markdown(self) -> str:
        """Return the section with its tables."""
        goals = [
            (goal.text, f"{goal.at_most:,g}", f"{goal.measured:,.4g}", "yes" if goal.is_met else "**no**")
            for goal in self.goals
        ]
        tables = [(self.header, self.rows), (("goal", "at most", "measured", "met"), goals)]
        return "\n\n".join([f"## {self.title}", self.prose, *(format_table(*table) for table in tables if table[1])])


def format_page(sections: Sequence[Section], *, day: str, machine: str) -> str:
    """Return the whole page of results."""
    goals = [goal for section in sections for goal in section.goals]
    intro = (
        f"{sum(goal.is_met for goal in goals)} of {len(goals)} goals are met. Figures are medians, with the lowest and"
        " the highest in parentheses. Processes take turns, and a ratio compares two runs of the same round."
    )
    head = ("# Bench results", f"From `make bench` on {day}: {machine}.", intro)
    return "\n\n".join((*head, *(section.markdown() for section in sections))) + "\n"


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def format_spread(values: Sequence[float], form: str = ".2f") -> str:
    """Return the median, followed by the lowest and the highest value where they differ."""
    lowest, middle, highest = (format(value, form) for value in (min(values), median(values), max(values)))
    return middle if lowest == highest else f"{middle} ({lowest} to {highest})"


def ratios(figures: Figures, process: str, reference: str) -> list[float]:
    """Divide round by round, as both runs of a round meet the same disturbances of the machine."""
    return [value / base for value, base in zip(figures[process], figures[reference], strict=True)]


def compare(measured: str, figures: Figures, reference: str, form: str = ".2f") -> list[tuple[str, ...]]:
    """Return a row for each process: what was measured, the process, its figure, and its ratio to the reference."""
    return [
        (measured, process, format_spread(values, form), format_spread(ratios(figures, process, reference)))
        for process, values in figures.items()
    ]
