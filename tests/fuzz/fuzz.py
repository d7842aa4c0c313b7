"""Fuzzes the ID files, the inputs and the answers, and counts what went wrong; `--help` says how.

.venv/bin/python tests/fuzz/fuzz.py --cases 100000
.venv/bin/python tests/fuzz/fuzz.py --only ids:17
"""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    sys.path.insert(0, str(root))
    # Another package that is installed is called `tests`, too.
    sys.modules["tests"] = ModuleType("tests")
    sys.modules["tests"].__path__ = [str(root / "tests")]
    sys.exit(import_module("tests.fuzz.command").main())
