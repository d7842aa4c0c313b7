"""Standard input, output and error, and a line at a terminal that is redrawn in place."""

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from fini_gate.errors import UsageError, reason_of

RED: Final = 31
GREEN: Final = 32
YELLOW: Final = 33
_DEFAULT_COLUMNS: Final = 80
_ERASE_LINE: Final = "\r\x1b[2K"


def prepare_streams(*, is_json: bool) -> TextIO:
    """Make printing work in any locale and with closed streams, and return standard output.

    With `is_json`, everything that is printed goes to standard error from now on.
    """
    sys.stdout, sys.stderr = _make_printable(sys.stdout), _make_printable(sys.stderr)
    standard_output = sys.stdout
    if is_json:
        sys.stdout = sys.stderr
    return standard_output


def read_stdin(max_bytes: int) -> bytes:
    """Read standard input to its end.

    Raises:
        UsageError: it is a terminal, is larger than the limit, or cannot be read.
    """
    try:
        if sys.stdin is None or sys.stdin.closed:
            return b""
        if sys.stdin.isatty():
            raise UsageError("Standard input is a terminal: pipe the job IDs into fini-gate, or leave out -.")
        content = sys.stdin.buffer.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"Standard input cannot be read: {reason_of(error)}.") from None
    if len(content) > max_bytes:
        raise UsageError(f"Standard input is larger than {max_bytes // 1024**2} MiB: pass only the job IDs.")
    return content


def write(pieces: Iterable[str], stream: TextIO) -> None:
    """Write text. With a closed pipe or a full disk nobody reads it, but the exit code still counts."""
    with contextlib.suppress(OSError, ValueError):
        stream.writelines(pieces)
        stream.flush()


def is_terminal() -> bool:
    """Whether a person reads the output as it is printed."""
    return not sys.stdout.closed and sys.stdout.isatty()


class Screen:
    """Prints lines and, at a terminal, redraws one line in place below them.

    Args:
        environ: the process's environment, which can switch off colours and redrawing.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.can_redraw = is_terminal() and environ.get("TERM") != "dumb"
        self._has_colours = self.can_redraw and not environ.get("NO_COLOR")
        self._is_drawn = False

    def print(self, line: str, colour: int | None = None) -> None:
        """Print a line. The line that is redrawn disappears until it is drawn again."""
        if colour is not None and self._has_colours:
            line = f"\x1b[{colour}m{line}\x1b[0m"
        write([self._erase(), line, "\n"], sys.stdout)

    def draw(self, line: str) -> None:
        """Draw a line in place of the one drawn before."""
        write([self._erase(), line[: _columns() - 1]], sys.stdout)
        self._is_drawn = True

    def _erase(self) -> str:
        was_drawn, self._is_drawn = self._is_drawn, False
        return _ERASE_LINE if was_drawn else ""


def _make_printable(stream: TextIO | None) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):  # None if the process was started with it closed
        stream = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open until the process ends
    stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    return stream


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _DEFAULT_COLUMNS
    except OSError:
        return _DEFAULT_COLUMNS
