"""CHANGELOG.md, as Keep a Changelog has it: one section a version, the newest first."""

import re
from typing import Final

from release.errors import ReleaseError
from release.version import Version

_HEADING: Final = re.compile(r"^## \[([^\]]+)\](.*)$", re.MULTILINE)
_DATE: Final = re.compile(r" - [0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
# What may stand in a section that says nothing: headings, and the addresses of links.
_NO_ENTRY: Final = re.compile(r"\s*|#.*|\[[^\]]+\]: .*")


def notes(text: str, version: Version) -> str:
    """Give the version's section without its heading; it must be the newest, have a date, and say something."""
    sections = _sections(text)
    if _has_entries(sections.pop("Unreleased", ("", ""))[1]):
        raise ReleaseError(f"CHANGELOG.md has entries under [Unreleased]; move them under [{version}]")
    newest = next(iter(sections), None)
    if newest != str(version):
        found = f"[{newest}]" if newest else "none"
        raise ReleaseError(f"CHANGELOG.md's newest section must be [{version}], and is {found}")
    date, body = sections[newest]
    if not _DATE.fullmatch(date):
        raise ReleaseError(f"CHANGELOG.md's section must start with a date: ## [{version}] - YYYY-MM-DD")
    if not _has_entries(body):
        raise ReleaseError(f"CHANGELOG.md's section [{version}] is empty")
    return body.strip() + "\n"


def _sections(text: str) -> dict[str, tuple[str, str]]:
    """Give what follows each section's name in its heading, and its body."""
    _, *parts = _HEADING.split(text)
    return {name: (rest, body) for name, rest, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)}


def _has_entries(body: str) -> bool:
    return not all(_NO_ENTRY.fullmatch(line) for line in body.splitlines())
