"""What keeps the gate from a verdict on the jobs, as one tree.

    GateError
    ├── UsageError               exit 2    an input, a file, no job IDs
    ├── ApiError                 exit 4    the API cannot be asked
    │   ├── RequestRefusedError            the key, a redirect, another 4xx: no retry can heal it
    │   └── OutageError                    not one usable answer for `outage-tolerance`
    ├── InternalError            exit 4    a defect of the gate itself
    └── CancelledError           exit 130  SIGINT
                                 exit 143  SIGTERM

A job that failed is a result and not in here. An error's text is one or two sentences: what happened, with which
value, and what to do next. It never holds the API key.
"""

import signal


class GateError(Exception):
    """The gate ends without having seen all jobs end."""

    exit_code: int


class UsageError(GateError):
    """The workflow asked for something that cannot be done."""

    exit_code = 2


class ApiError(GateError):
    """The API cannot be asked about the jobs."""

    exit_code = 4


class RequestRefusedError(ApiError):
    """The API answered in a way that neither a retry nor a smaller request can heal."""


class OutageError(ApiError):
    """The API has given no usable answer for longer than the gate may tolerate."""


class InternalError(GateError):
    """The gate met something that it was not built for."""

    exit_code = 4


class CancelledError(GateError):
    """SIGINT or SIGTERM arrived."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"Cancelled by {signal.Signals(signal_number).name}.")
        self.exit_code = 128 + signal_number
