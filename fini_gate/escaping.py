"""Text made harmless for where it is shown: that of others (the API's, a file's), and what may hold the key. Pure."""

import re
from typing import Final

# As short as no key is: it would be found in words that have nothing to do with it.
_SHORTEST_SECRET: Final = 8
# What means something to Markdown, HTML, or GitHub's additions: links, mentions, emoji, formulas, tables. A hyphen does
# at the start of a line alone, where no text of others stands; most IDs are full of them.
_MARKDOWN: Final = re.compile(r"[\\`*_{}\[\]()<>#+.!|~&@:$]")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def redact(text: str, secret: str) -> str:
    """The text without the API key."""
    return text.replace(secret, "***") if len(secret) >= _SHORTEST_SECRET else text


def escape_control(text: str) -> str:
    """The text on one line, for a log: control characters and the like are spelled out, commands broken up.

    GitHub's runner obeys `##[command]` anywhere in a line, and takes a lone carriage return for a line's end.
    """
    if not text.isprintable():
        spelled_out = (
            character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
        )
        text = "".join(spelled_out)
    return text.replace("##[", "## [")


def escape_markdown(text: str) -> str:
    """The text on one line, for a job summary: neither Markdown nor HTML, and nobody is mentioned by it."""

    def escape(match: re.Match[str]) -> str:
        character = match.group()
        if character == "@":
            return "@\u200b"  # in front of it, or as an entity, the mention would stand
        return _ENTITIES.get(character) or f"\\{character}"

    return _MARKDOWN.sub(escape, escape_control(text))
