"""What the bench prints and writes: Markdown that is readable at a terminal, too."""

from collections.abc import Sequence

from bench.section import Goal, Section


def escape_markdown(section: Section) -> str:
    """A section with its tables."""
    parts = [f"## {section.title}", section.prose]
    if section.rows:
        parts.append(table(section.header, section.rows))
    if section.goals:
        parts.append(table(("goal", "at most", "measured", "met"), [_goal_row(goal) for goal in section.goals]))
    return "\n\n".join(parts)


def results(sections: Sequence[Section], *, day: str, machine: str) -> str:
    """The whole page."""
    missed = sum(not goal.is_met for section in sections for goal in section.goals)
    count = sum(len(section.goals) for section in sections)
    met = (
        f"{count - missed} of {count} goals are met. Figures are medians, between the least and the most of all rounds;"
        " peers ran in turn, and a ratio is of two in one round."
    )
    parts = ["# How fast it is", f"By `make bench`, on {day}: {machine}.", met, *map(escape_markdown, sections)]
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, its columns as wide as what stands in them."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _goal_row(goal: Goal) -> tuple[str, ...]:
    return goal.text, f"{goal.at_most:,g}", f"{goal.measured:,.4g}", "yes" if goal.is_met else "**no**"
