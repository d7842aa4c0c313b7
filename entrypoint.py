"""What the container starts: `python -I -u /fini-gate/entrypoint.py`."""

import os
import sys

# Isolated, Python imports nothing from beside its script, nor from the folder that it starts in (the user's checkout).
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib takes long to import

from fini_gate.waiting import Waiter

if __name__ == "__main__":
    # The variables of earlier steps come along. By these OpenSSL would load code out of a file that one of them names,
    # and the secrets of each connection be written down.
    for name in ("OPENSSL_CONF", "SSLKEYLOGFILE"):
        os.environ.pop(name, None)

    # First of all, since the rest takes a while to import: until then a SIGTERM would not be heard.
    waiter = Waiter()
    waiter.listen()

    from fini_gate.main import main

    exit_code = main(os.environ, waiter)
    # All is written: another signal must not change how it ended while the interpreter shuts down.
    waiter.ignore()
    sys.exit(exit_code)
