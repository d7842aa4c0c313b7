"""What the runner reads: the log with its commands, and the files of outputs and summary.

The only user of `actions_toolkit` and of the `GITHUB_*` variables that name files. Whatever cannot be written is said
in the log as far as that goes, and never changes how the gate ends.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from actions_toolkit import core

from fini_gate import escaping
from fini_gate.escaping import escape_control, redact
from fini_gate.inputs import is_api_key
from fini_gate.platforms.terminal import is_terminal

# What a mask hides is hidden in the whole log: a shorter one would make it unreadable, and no key is that short.
MIN_MASK_CHARACTERS: Final = 4
# The longest text of an annotation that GitHub shows.
MAX_ANNOTATION_CHARACTERS: Final = 4096
# Of a list in the log: more are folded, and more than can be read are counted.
MAX_OPEN_LINES: Final = 20
MAX_LISTED_LINES: Final = 1000
_LOGGED_OUTPUT_CHARACTERS: Final = 1000


class Runner:
    """Talks to GitHub's runner, or to what stands in for it.

    Args:
        environ: the process's environment.
        secret: the API key, to be masked before all else and kept out of every line.
    """

    def __init__(self, environ: Mapping[str, str], *, secret: str) -> None:
        self._environ = environ
        self._secret = secret
        # A command to mask shows what it masks, to all but the runner: of a key that will be refused there is no need,
        # and a person at a terminal is no runner.
        if len(secret) >= MIN_MASK_CHARACTERS and is_api_key(secret) and not is_terminal():
            self._write(core.set_secret, secret)

    def info(self, line: str) -> None:
        """Print a line that says something; it is no command, whatever it holds."""
        text = self._safe(line)
        # A command may stand after white space; elsewhere in a line `::` means nothing.
        self._write(core.info, f"\\{text}" if text.lstrip().startswith("::") else text)

    def listing(self, title: str, lines: Sequence[str]) -> None:
        """Print lines, folded under a title where there are many."""
        is_long = len(lines) > MAX_OPEN_LINES
        if is_long:
            self._write(core.start_group, self._safe(title))
        for line in lines[:MAX_LISTED_LINES]:
            self.info(f"        {line}")
        if len(lines) > MAX_LISTED_LINES:
            self.info(f"        and {len(lines) - MAX_LISTED_LINES} more")
        if is_long:
            self._write(core.end_group)

    def debug(self, line: str) -> None:
        """Print a line for those who look for what went wrong: only where the run has debug logging."""
        if self._environ.get("RUNNER_DEBUG") == "1":
            self._write(core.debug, self._safe(line))

    def notice(self, title: str, text: str) -> None:
        """Annotate the run with good news."""
        self._annotate("notice", title, text)

    def warning(self, text: str) -> None:
        """Annotate the run with a warning."""
        self._annotate("warning", "fini-gate", text)

    def error(self, title: str, text: str) -> None:
        """Annotate the run with an error."""
        self._annotate("error", title, text)

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Hand values to later steps."""
        if not (path := self._environ.get("GITHUB_OUTPUT")):
            self._log_outputs(outputs, "GITHUB_OUTPUT is not set")
            return
        size_bytes = None
        try:
            size_bytes = Path(path).stat().st_size
            for name, value in outputs.items():
                core.set_output(name, redact(value, self._secret))
        except Exception as error:  # noqa: BLE001 - the toolkit raises the bare class for a file that is not there
            if size_bytes is not None:
                # To the runner a value that breaks off is an error in the file.
                with contextlib.suppress(OSError):
                    os.truncate(path, size_bytes)
            self._log_outputs(outputs, f"the outputs could not be written ({_reason(error)})")

    def append_summary(self, escape_markdown: str) -> None:
        """Add to the job summary, where the runner has one."""
        path = self._environ.get("GITHUB_STEP_SUMMARY")
        if not path:
            return
        try:
            with open(path, "a", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a path is text here
                # Where the text is escaped the key is, too.
                file.write(redact(redact(escape_markdown, self._secret), escaping.escape_markdown(self._secret)))
        except (OSError, ValueError) as error:
            self.warning(
                f"The job summary could not be written ({_reason(error)}): it is missing from this run's page."
            )

    def _log_outputs(self, outputs: Mapping[str, str], problem: str) -> None:
        self.warning(f"No later step can read this step's outputs: {problem}. They are in the log instead.")
        for name, value in ((name, redact(value, self._secret)) for name, value in outputs.items()):
            cut = "…" * (len(value) > _LOGGED_OUTPUT_CHARACTERS)
            self.info(f"output {name} = {value[:_LOGGED_OUTPUT_CHARACTERS]}{cut}")

    def _annotate(self, command: str, title: str, text: str) -> None:
        # Not `core.error`: with a title it names an empty file too.
        text = self._safe(text)
        cut = text if len(text) <= MAX_ANNOTATION_CHARACTERS else f"{text[: MAX_ANNOTATION_CHARACTERS - 1]}…"
        self._write(core.issue_command, command, {"title": self._safe(title)}, cut)

    def _safe(self, text: str) -> str:
        return escape_control(redact(text, self._secret))

    @staticmethod
    def _write(write: Callable[..., None], *arguments: object) -> None:
        # Nobody may be listening any more (a closed pipe, a full disk): the exit code still tells how it ended.
        with contextlib.suppress(OSError, ValueError):
            write(*arguments)
            sys.stdout.flush()


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
