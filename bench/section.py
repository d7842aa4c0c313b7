"""What a section of the bench gives: a table of peers side by side, and goals."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A figure, and the most that it may be."""

    text: str
    measured: float
    at_most: float

    @property
    def is_met(self) -> bool:
        """Whether it is no more than it may be."""
        return self.measured <= self.at_most


@dataclass(frozen=True)
class Section:
    """What was measured of one matter. Without rows it was skipped, and the prose says why."""

    title: str
    prose: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    goals: tuple[Goal, ...]
