"""Start the gate: what the container, `python -m fini_gate` and the command `fini-gate` run."""

import gc
import os
import sys
from typing import NoReturn

from fini_gate.executor import InterruptibleExecutor


def start() -> NoReturn:
    """Run the gate, and end the process with its exit code."""
    # Earlier steps can set variables. These two would make OpenSSL load code that a file names, or write down the
    # secrets of each connection.
    for name in ("OPENSSL_CONF", "SSLKEYLOGFILE"):
        os.environ.pop(name, None)

    # The gate creates very many jobs that live until it ends, so collecting garbage rarely frees anything.
    gc.set_threshold(100_000)
    # Before the remaining imports, which take a while: without handlers a SIGTERM would be ignored.
    executor = InterruptibleExecutor()
    executor.install_signal_handlers()

    from fini_gate.main import main  # noqa: PLC0415 - see above

    exit_code = main(os.environ, executor, sys.argv[1:])
    # Everything is written. With that many jobs a regular shutdown is slow, and could still be interrupted by a signal.
    os._exit(exit_code)
