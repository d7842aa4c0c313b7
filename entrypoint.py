#!/usr/local/bin/python -Iu
"""What the container starts: `python -I -u /fini-gate/entrypoint.py`, by its ENTRYPOINT or by the line above."""

import gc
import os
import sys

# Isolated, Python imports nothing from beside its script, nor from the folder that it starts in (the user's checkout).
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib takes long to import

from fini_gate.executor import InterruptibleExecutor

if __name__ == "__main__":
    # The variables of earlier steps come along. By these OpenSSL would load code out of a file that one of them names,
    # and the secrets of each connection be written down.
    for name in ("OPENSSL_CONF", "SSLKEYLOGFILE"):
        os.environ.pop(name, None)

    # What the gate makes are jobs, very many of them, that last to its end: there is seldom anything to be found.
    gc.set_threshold(100_000)
    # First of all, since the rest takes a while to import: until then a SIGTERM would not be heard.
    executor = InterruptibleExecutor()
    executor.install_signal_handlers()

    from fini_gate.main import main

    exit_code = main(os.environ, executor)
    # All is written. An interpreter that shuts down takes its time over that many jobs, and hears signals meanwhile.
    os._exit(exit_code)
