"""The versions that releases have: `1.2.3`, and `1.2.3-rc.1` for a candidate before it."""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from release.errors import ReleaseError

_NUMBER: Final = r"(0|[1-9][0-9]{0,5})"
_PATTERN: Final = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-rc\.([1-9][0-9]{{0,5}}))?")
# A release comes after all of its candidates.
_NO_CANDIDATE: Final = sys.maxsize


@dataclass(frozen=True, order=True)
class Version:
    """A release's number, in the order of Semantic Versioning."""

    major: int
    minor: int
    patch: int
    candidate: int = _NO_CANDIDATE

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a version; anything but the two forms is an error."""
        found = _PATTERN.fullmatch(text)
        if found is None:
            raise ReleaseError(f"{text!r} is no version such as 1.2.3 or 1.2.3-rc.1")
        major, minor, patch, candidate = found.groups()
        return cls(int(major), int(minor), int(patch), int(candidate) if candidate else _NO_CANDIDATE)

    def __str__(self) -> str:
        """Write it as it was read."""
        number = f"{self.major}.{self.minor}.{self.patch}"
        return f"{number}-rc.{self.candidate}" if self.is_candidate else number

    @property
    def is_candidate(self) -> bool:
        """Whether it comes before the release whose number it has."""
        return self.candidate != _NO_CANDIDATE

    @property
    def tag(self) -> str:
        """The tag of the commit that users pin. It never moves."""
        return f"v{self}"

    @property
    def floating_tag(self) -> str:
        """The tag that follows the newest release of this major version."""
        return f"v{self.major}"

    def moves_floating_tag(self, released: Iterable["Version"]) -> bool:
        """Tell whether the floating tag is to follow: never to a candidate, and never backwards."""
        return not self.is_candidate and all(self > other for other in released if other.major == self.major)


def of_tags(tags: Iterable[str]) -> list[Version]:
    """Give the versions that are released, by the repository's tags; the others are the floating ones."""
    names = (tag.removeprefix("v") for tag in tags if tag.startswith("v"))
    return sorted(Version.parse(name) for name in names if _PATTERN.fullmatch(name))
