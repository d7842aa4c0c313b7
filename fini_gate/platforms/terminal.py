"""Standard output, and a line that is redrawn in place at a terminal.

The only module that uses `rich`, which the image does not contain.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def prepare_stdout() -> None:
    """Make printing safe in any locale, even if standard output is closed."""
    stdout = sys.stdout
    if not isinstance(stdout, io.TextIOWrapper):  # None if the process was started with it closed
        stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open until the process ends
        sys.stdout = stdout
    stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def is_terminal() -> bool:
    """Whether a person reads the output as it is printed."""
    return not sys.stdout.closed and sys.stdout.isatty()


@contextmanager
def live_line() -> Iterator[Callable[[str], None] | None]:
    """Provide a function that redraws a line in place, or None without a terminal or without `rich`.

    Other output appears above the line. The line disappears at the end.
    """
    if not is_terminal():
        yield None
        return
    try:
        from rich.live import Live  # noqa: PLC0415 - optional, and slow to import
        from rich.text import Text  # noqa: PLC0415 - as above
    except ImportError:
        yield None
        return
    with Live(auto_refresh=False, transient=True) as live:
        yield lambda line: live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)
