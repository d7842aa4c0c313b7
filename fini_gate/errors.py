"""The errors that keep the gate from deciding about the jobs.

    GateError
    ├── UsageError               exit 2    an input, a file, no job IDs
    ├── ApiError                 exit 4    the API refuses the gate's requests, or is down
    │   ├── RequestRefusedError            a refused key, a redirect, another 4xx that no retry can fix
    │   └── OutageError                    no usable response for `outage-tolerance`
    ├── InternalError            exit 4    a bug in the gate
    └── CancelledError           exit 130  SIGINT
                                 exit 143  SIGTERM

A failed job is a result, not an error. The text of an error is one or two sentences: what happened, with which value,
and what to do next. It never contains the API key.
"""

import os
import signal
import traceback

from fini_gate.names import Names


class GateError(Exception):
    """Base class of the errors that decide the result.

    Args:
        template: the text, with references to settings as `Names` fills them in.
    """

    exit_code: int

    @property
    def template(self) -> str:
        """The text with its references."""
        return str(self.args[0])

    def __str__(self) -> str:
        """Return the text with settings named as a workflow's inputs."""
        return Names().fill_in(self.template)


class UsageError(GateError):
    """An input or a file is invalid, or there are no job IDs."""

    exit_code = 2


class ApiError(GateError):
    """The API refuses the gate's requests, or is down."""

    exit_code = 4


class RequestRefusedError(ApiError):
    """The API refused a request, and neither a retry nor a smaller request can fix that."""


class OutageError(ApiError):
    """The API has returned no usable response for longer than `outage-tolerance`."""


class InternalError(GateError):
    """The gate has a bug."""

    exit_code = 4


class CancelledError(GateError):
    """SIGINT or SIGTERM arrived."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"Cancelled by {signal.Signals(signal_number).name}.")
        self.exit_code = 128 + signal_number


def internal_error(error: Exception) -> InternalError:
    """Name the kind and the place of a bug. The exception's own text may hold anything, the API key included."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(place.filename)}, line {place.lineno}"  # noqa: PTH119 - pathlib is slow to import
    return InternalError(f"fini-gate itself failed: {type(error).__name__} in {where}. Please report it.")


def reason_of(error: Exception) -> str:
    """Return why an error happened, in the operating system's words if it has any."""
    return getattr(error, "strerror", None) or str(error)
