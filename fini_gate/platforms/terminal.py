"""A line that is redrawn in place, for a person at a terminal. The only user of `rich`, which the image is without."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def is_terminal() -> bool:
    """Whether a person reads what is printed, as it is printed."""
    return not sys.stdout.closed and sys.stdout.isatty()


@contextmanager
def live_line() -> Iterator[Callable[[str], None] | None]:
    """Give what shows a line in the place of the last one; None where there is no terminal, or no `rich`.

    What is printed meanwhile stands above the line. In the end the line is gone.
    """
    if not is_terminal():
        yield None
        return
    try:
        from rich.live import Live  # noqa: PLC0415 - an extra, and slow to import
        from rich.text import Text  # noqa: PLC0415 - as above
    except ImportError:
        yield None
        return
    with Live(auto_refresh=False, transient=True) as live:
        yield lambda line: live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)
