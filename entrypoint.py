#!/usr/local/bin/python -Iu
"""What the container runs: `python -I -u /fini-gate/entrypoint.py`, through its ENTRYPOINT or the line above."""

import gc
import os
import sys

# In isolated mode Python imports nothing from the script's folder, nor from the current one (the user's checkout).
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib is slow to import

from fini_gate.executor import InterruptibleExecutor

if __name__ == "__main__":
    # Earlier steps can set variables. These two would make OpenSSL load code that a file names, or write down the
    # secrets of each connection.
    for name in ("OPENSSL_CONF", "SSLKEYLOGFILE"):
        os.environ.pop(name, None)

    # The gate creates very many jobs that live until it ends, so collecting garbage rarely frees anything.
    gc.set_threshold(100_000)
    # Before the remaining imports, which take a while: without handlers a SIGTERM would be ignored.
    executor = InterruptibleExecutor()
    executor.install_signal_handlers()

    from fini_gate.main import main

    exit_code = main(os.environ, executor)
    # Everything is written. With that many jobs a regular shutdown is slow, and could still be interrupted by a signal.
    os._exit(exit_code)
