"""The errors that end a run without a verdict on the jobs.

    GateError
    ├── UsageError               exit 2    an invalid input or file, or no job IDs
    ├── ApiError                 exit 4    the API cannot be polled
    │   ├── RequestRefusedError            it refused the key or the request, or redirected it: no retry can help
    │   └── OutageError                    it gave no usable response for `outage-tolerance`
    ├── InternalError            exit 4    a bug in the gate
    └── CancelledError           exit 130  SIGINT
                                 exit 143  SIGTERM

A failed job is a result, not an error. A message is one or two sentences: what happened, with which value, and what to
do. It never contains the API key.
"""

import signal


class GateError(Exception):
    """The gate ends before it knows how all jobs end."""

    exit_code: int


class UsageError(GateError):
    """The workflow uses the gate in a way that cannot work."""

    exit_code = 2


class ApiError(GateError):
    """The API cannot be polled."""

    exit_code = 4


class RequestRefusedError(ApiError):
    """The API gave a response that neither a retry nor a smaller batch can change."""


class OutageError(ApiError):
    """The API gave no usable response for longer than the gate tolerates."""


class InternalError(GateError):
    """The gate has a bug."""

    exit_code = 4


class CancelledError(GateError):
    """SIGINT or SIGTERM arrived."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"Cancelled by {signal.Signals(signal_number).name}.")
        self.exit_code = 128 + signal_number
