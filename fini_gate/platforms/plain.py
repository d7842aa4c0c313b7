"""Plain text, for a terminal and every CI that does not speak GitHub's protocol."""

from collections.abc import Mapping, Sequence
from typing import Final

from fini_gate.escaping import escape_line, redact
from fini_gate.platforms.streams import GREEN, RED, YELLOW, Screen

MAX_LISTED_LINES: Final = 1000


class PlainPlatform:
    """Prints everything as text that no CI mistakes for a command.

    Args:
        environ: the process's environment.
    """

    has_outputs = False
    """Whether later steps can read the outputs. Their size is limited then."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._secret = ""
        self._screen = Screen(environ)
        self.can_redraw = self._screen.can_redraw
        """Whether a line can be redrawn in place."""

    def hide(self, secret: str) -> None:
        """Redact the API key from everything printed from now on."""
        self._secret = secret

    def info(self, line: str) -> None:
        """Print a line."""
        self._screen.print(self._clean(line))

    def draw(self, line: str) -> None:
        """Redraw the line at the bottom of a terminal."""
        self._screen.draw(self._clean(line))

    def listing(self, title: str, lines: Sequence[str]) -> None:
        """Print lines, or the first of many."""
        del title
        for line in lines[:MAX_LISTED_LINES]:
            self.info(f"        {line}")
        if len(lines) > MAX_LISTED_LINES:
            self.info(f"        and {len(lines) - MAX_LISTED_LINES} more")

    def debug(self, line: str) -> None:
        """Print a line if the run has debug logging enabled."""
        if self._environ.get("RUNNER_DEBUG") == "1":
            self.info(line)

    def warning(self, text: str) -> None:
        """Print a warning."""
        self._screen.print(self._clean(f"Warning: {text}"), YELLOW)

    def succeed(self, line: str) -> None:
        """Print the last line of a gate that passed."""
        self._screen.print(self._clean(line), GREEN)

    def fail(self, line: str, errors: Sequence[tuple[str, str]]) -> None:
        """Print the last line of a gate that did not pass.

        Args:
            line: what happened, and what to do.
            errors: the same in parts, as title and text, for platforms that show errors elsewhere.
        """
        del errors
        self._screen.print(self._clean(line), RED)

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Do nothing: outside GitHub, a file passes outputs on."""

    def append_summary(self, markdown: str) -> None:
        """Do nothing: outside GitHub, a file holds the summary."""

    def _clean(self, text: str) -> str:
        return escape_line(redact(text, self._secret))
