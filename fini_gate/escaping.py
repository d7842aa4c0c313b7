"""Redact the API key, and escape foreign text (from the API or a file). Pure."""

import re
from typing import Final

# No key is shorter, and a shorter text would also match unrelated words.
MIN_SECRET_CHARACTERS: Final = 8
MAX_QUOTED_CHARACTERS: Final = 100
# Characters with a meaning in Markdown, HTML or GitHub's extensions: links, mentions, emoji, formulas, tables.
# A hyphen means something only at the start of a line, where no foreign text appears, and most IDs contain several.
_MARKDOWN: Final = re.compile(r"[\\`*_{}\[\]()<>#+.!|~&@:$]")
# Printable and yet invisible: joiners, fillers, variation selectors. A CI that strips them would see a command.
_INVISIBLE: Final = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
)
# GitHub obeys ##[command], Azure ##vso[command] and TeamCity ##teamcity[command], anywhere in a line.
_DOUBLE_HASH: Final = re.compile(f"#(?=[{_INVISIBLE}]*#)")
# GitHub obeys ::command:: after white space at the start of a line.
_LEADING_COLONS: Final = re.compile(rf"^[\s{_INVISIBLE}]*:[{_INVISIBLE}]*:")
_REPLACEMENTS: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "@": "@\u200b",  # a backslash or an entity would not prevent the mention
}


def redact(text: str, secret: str) -> str:
    """Remove the API key from a text."""
    return text.replace(secret, "***") if len(secret) >= MIN_SECRET_CHARACTERS else text


def escape_control(text: str) -> str:
    """Put a text on one line: spell out control characters, and break up commands of CIs.

    GitHub's runner treats a lone carriage return as the end of a line.
    """
    if not text.isprintable():
        text = "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
        )
    return _DOUBLE_HASH.sub("# ", text) if "#" in text else text


def escape_line(text: str) -> str:
    """Escape a text for a line of its own, so that no CI finds a command in it."""
    text = escape_control(text)
    return f"\\{text}" if _LEADING_COLONS.match(text) else text


def quote(value: str) -> str:
    """Quote a value for an error, on one line and shortened."""
    is_short = len(value) <= MAX_QUOTED_CHARACTERS
    return repr(value if is_short else f"{value[: MAX_QUOTED_CHARACTERS - 1]}…")


def escape_markdown(text: str) -> str:
    """Put a text on one line for the summary: without Markdown or HTML, and without mentioning anybody."""
    return _MARKDOWN.sub(_escape, escape_control(text))


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return _REPLACEMENTS.get(character, f"\\{character}")
