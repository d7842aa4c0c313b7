"""Make text safe to show: redact the API key, and escape foreign text (the API's, a file's). Pure."""

import re
from typing import Final

# No key is shorter, and a shorter text would be found in unrelated words.
MIN_SECRET_CHARACTERS: Final = 8
# Characters with a meaning in Markdown, HTML or GitHub's extensions: links, mentions, emoji, formulas, tables.
# A hyphen means something only at the start of a line, where no foreign text appears, and most IDs contain several.
_MARKDOWN: Final = re.compile(r"[\\`*_{}\[\]()<>#+.!|~&@:$]")
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
    """Put a text on one line for the log: spell out control characters and the like, and break up commands.

    GitHub's runner obeys `##[command]` anywhere in a line, and treats a lone carriage return as the end of a line.
    """
    if not text.isprintable():
        text = "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
        )
    return text.replace("##[", "## [")


def escape_markdown(text: str) -> str:
    """Put a text on one line for the summary: without Markdown or HTML, and without mentioning anybody."""
    return _MARKDOWN.sub(_escape, escape_control(text))


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return _REPLACEMENTS.get(character, f"\\{character}")
