"""What the container starts: `python -I -u /fini-gate/entrypoint.py`."""

import os
import sys
from pathlib import Path

# Isolated, Python imports nothing from beside its script, nor from the folder that it starts in (the user's checkout).
sys.path.insert(0, str(Path(__file__).resolve().parent))

from fini_gate.waiting import Waiter

if __name__ == "__main__":
    # First of all, since the rest takes a while to import: until then a SIGTERM would not be heard.
    waiter = Waiter()
    waiter.listen()

    from fini_gate.main import main

    sys.exit(main(os.environ, waiter))
