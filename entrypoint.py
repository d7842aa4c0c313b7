#!/usr/local/bin/python -Iu
"""What the container runs: `python -I -u /fini-gate/entrypoint.py`, through its ENTRYPOINT or the line above."""

import os
import sys

# In isolated mode Python imports nothing from the script's folder, nor from the current one (the user's checkout).
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib is slow to import

from fini_gate.start import start

if __name__ == "__main__":
    start()
