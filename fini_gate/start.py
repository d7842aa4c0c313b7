"""Start the gate: what the container, `python -m fini_gate` and the command `fini-gate` run."""

import contextlib
import gc
import os
import sys
from typing import NoReturn

from fini_gate.errors import internal_error
from fini_gate.executor import InterruptibleExecutor


def start() -> NoReturn:
    """Run the gate, and end the process with its exit code."""
    # Earlier steps can set variables. These two make OpenSSL load code from a file, or log each connection's secrets.
    for name in ("OPENSSL_CONF", "SSLKEYLOGFILE"):
        os.environ.pop(name, None)

    # Jobs live until the gate ends, so garbage collection frees almost nothing.
    gc.set_threshold(100_000)
    # Before the slow imports: as a container's first process, the gate ignores SIGTERM until it has a handler.
    executor = InterruptibleExecutor()
    executor.install_signal_handlers()

    try:
        from fini_gate.main import main  # noqa: PLC0415 - see above

        exit_code = main(os.environ, executor, sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - Python would exit with 1, which means that a job failed
        problem = internal_error(error)
        exit_code = problem.exit_code
        with contextlib.suppress(OSError, ValueError, AttributeError):  # standard error is closed
            os.write(sys.stderr.fileno(), f"fini-gate: {problem}\n".encode())
    # Everything is written. With that many jobs a regular shutdown is slow, and could still be interrupted by a signal.
    os._exit(exit_code)
