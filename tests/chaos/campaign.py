"""Runs many gates in a world gone wrong, and counts what went wrong with them; `--help` says how.

.venv/bin/python tests/chaos/campaign.py --gates 10000 --seed 1 --sockets 200
.venv/bin/python tests/chaos/campaign.py --only 4711
"""

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    # Other packages that are installed are called `tests`, too: so this folder is found by its own name.
    sys.path[:0] = [str(Path(__file__).resolve().parents[level]) for level in (1, 2)]
    sys.exit(import_module("chaos.command").main())
