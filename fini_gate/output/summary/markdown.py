"""Building blocks of the summary: lines, rows, folded sections, and the size they take. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from fini_gate.escaping import escape_markdown

# The API and the user choose names of any length; one must not crowd out everything else.
_MAX_NAME_CHARACTERS: Final = 200
# A table with three UUIDs in a row would be wider than most screens.
_MAX_WHOLE_ID_CHARACTERS: Final = 20
_SHORT_ID_CHARACTERS: Final = 13


def details(title: str, lines: Sequence[str]) -> list[str]:
    """Fold lines under a title. Markdown inside HTML needs the blank lines."""
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>", ""] if lines else []


def table_row(cells: Iterable[str]) -> str:
    """Format one row of a table."""
    return f"| {' | '.join(cells)} |"


def name(text: str) -> str:
    """Escape a name, shortened to a fixed maximum."""
    return escape_markdown(ellipsize(text, _MAX_NAME_CHARACTERS))


def short_id(text: str) -> str:
    """Escape an ID, shortened in the middle if it is long. The page lists the whole IDs elsewhere."""
    if len(text) <= _MAX_WHOLE_ID_CHARACTERS:
        return escape_markdown(text)
    # The joiner keeps browsers from breaking the line after the dots.
    return escape_markdown(ellipsize(text, _SHORT_ID_CHARACTERS)).replace("…", "…&#8288;")


def ellipsize(text: str, max_characters: int) -> str:
    """Cut the middle out of a long text. Similar IDs differ at the beginning or at the end."""
    half = max_characters // 2
    return text if len(text) <= max_characters else f"{text[:half]}…{text[half - max_characters + 1 :]}"


def omitted_line(count: int, hint: str) -> list[str]:
    """Say how many entries are not shown and where to find them; nothing if all are shown."""
    return ["", f"{count} more not shown; {hint}."] if count else []


def take_fitting(lines: Iterable[str], max_bytes: int) -> list[str]:
    """Take lines from the start for as long as they fit."""
    kept = []
    for line in lines:
        max_bytes -= _line_bytes(line)
        if max_bytes < 0:
            break
        kept.append(line)
    return kept


def size_bytes(lines: Iterable[str]) -> int:
    """Return the size of lines in the summary."""
    return sum(map(_line_bytes, lines))


def _line_bytes(line: str) -> int:
    return len(line.encode()) + 1
