"""GitHub's runner: the log with its commands, and the files for outputs and summary.

The only module that uses `actions_toolkit` and the `GITHUB_*` variables that name files. A file that cannot be written
is a warning in the log and never changes the result.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from actions_toolkit import core

from fini_gate.api_key import is_api_key
from fini_gate.errors import reason_of
from fini_gate.escaping import escape_control, escape_markdown, redact
from fini_gate.platforms.plain import PlainPlatform
from fini_gate.platforms.streams import is_terminal

# The runner hides every occurrence of a mask: a shorter one would make the log unreadable.
MIN_MASK_CHARACTERS: Final = 4
# GitHub cuts longer annotations.
MAX_ANNOTATION_CHARACTERS: Final = 4096
MAX_UNFOLDED_LINES: Final = 20
MAX_LOGGED_OUTPUT_CHARACTERS: Final = 1000


class GitHubPlatform(PlainPlatform):
    """Talks to GitHub's runner, or to one that is compatible with it.

    Args:
        environ: the process's environment.
    """

    has_outputs = True

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.can_redraw = False  # the toolkit prints past the screen

    def hide(self, secret: str) -> None:
        """Mask the API key, and redact it from everything."""
        is_new = secret != self._secret
        super().hide(secret)
        # Only a runner hides the mask command. A terminal would show the key, and an invalid key is not used at all.
        if is_new and len(secret) >= MIN_MASK_CHARACTERS and is_api_key(secret) and not is_terminal():
            self._write(core.set_secret, secret)

    def listing(self, title: str, lines: Sequence[str]) -> None:
        """Print lines, folded under a title if there are many."""
        is_folded = len(lines) > MAX_UNFOLDED_LINES
        if is_folded:
            self._write(core.start_group, self._escape(title))
        super().listing(title, lines)
        if is_folded:
            self._write(core.end_group)

    def debug(self, line: str) -> None:
        """Print a line if the run has debug logging enabled."""
        if self._environ.get("RUNNER_DEBUG") == "1":
            self._write(core.debug, self._escape(line))

    def warning(self, text: str) -> None:
        """Annotate the run with a warning."""
        self._annotate("warning", "fini-gate", text)

    def fail(self, line: str, errors: Sequence[tuple[str, str]]) -> None:
        """Annotate the run with errors. The last one repeats the line."""
        del line
        for title, text in errors:
            self._annotate("error", title, text)

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set the step's outputs, or log them if they cannot be set."""
        if not (path := self._environ.get("GITHUB_OUTPUT")):
            self._log_outputs(outputs, "GITHUB_OUTPUT is not set")
            return
        size_bytes = None
        try:
            size_bytes = Path(path).stat().st_size
            for name, value in outputs.items():
                core.set_output(name, redact(value, self._secret))
        except Exception as error:  # noqa: BLE001 - the toolkit raises a bare Exception if the file does not exist
            if size_bytes is not None:
                # The runner rejects the whole file if one value is incomplete.
                with contextlib.suppress(OSError):
                    os.truncate(path, size_bytes)
            self._log_outputs(outputs, f"the outputs could not be written ({reason_of(error)})")

    def append_summary(self, markdown: str) -> None:
        """Add to the job summary, if the runner has one."""
        path = self._environ.get("GITHUB_STEP_SUMMARY")
        if not path:
            return
        # Escaping may have changed the spelling of the key.
        for secret in (self._secret, escape_markdown(self._secret)):
            markdown = redact(markdown, secret)
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(markdown)
        except (OSError, ValueError) as error:
            self.warning(f"The job summary could not be written ({reason_of(error)}). The result is not affected.")

    def _log_outputs(self, outputs: Mapping[str, str], problem: str) -> None:
        self.warning(f"Later steps cannot read this step's outputs: {problem}. They are in the log instead.")
        for name, value in outputs.items():
            text = redact(value, self._secret)
            if len(text) > MAX_LOGGED_OUTPUT_CHARACTERS:
                text = f"{text[:MAX_LOGGED_OUTPUT_CHARACTERS]}…"
            self.info(f"output {name} = {text}")

    def _annotate(self, command: str, title: str, text: str) -> None:
        message = self._escape(text)
        if len(message) > MAX_ANNOTATION_CHARACTERS:
            message = f"{message[: MAX_ANNOTATION_CHARACTERS - 1]}…"
        # Not `core.error`: if it has a title, it adds an empty file name.
        self._write(core.issue_command, command, {"title": self._escape(title)}, message)

    def _escape(self, text: str) -> str:
        """Escape a text for a command, where leading colons are harmless."""
        return escape_control(redact(text, self._secret))

    @staticmethod
    def _write(write: Callable[..., None], *arguments: object) -> None:
        # With a closed pipe or a full disk nobody reads the log, but the exit code still counts.
        with contextlib.suppress(OSError, ValueError):
            write(*arguments)
            sys.stdout.flush()
