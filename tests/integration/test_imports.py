"""What a gate that has nothing out of the ordinary to do does not import: it starts in a moment for the want of it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fake_fini import FakeFini
from tests.integration.gates import ENTRYPOINT, KEY

# PyYAML is for YAML, asyncio comes with backoff, requests guesses a charset where it is asked for text, and rich is for
# a terminal.
NOT_NEEDED = {"yaml", "asyncio", "backoff", "charset_normalizer", "chardet", "rich"}
# As `python entrypoint.py`, and at its end the names of all that was imported.
RUN = """
import os, runpy, sys
end = os._exit
def tell(exit_code):
    print("imported", *(name for name, module in sys.modules.items() if module), flush=True)
    end(exit_code)
os._exit = tell
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_gate__imports_only_what_it_needs(serve: Callable[..., FakeFini], tmp_path: Path) -> None:
    """A gate on finished jobs, their IDs in a JSON file, with all that it writes, does without the slow libraries."""
    (tmp_path / "answer.json").write_text(json.dumps({"backgroundJobId": "done"}), encoding="utf-8")
    output = tmp_path / "output"
    output.touch()
    gate = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-I", "-c", RUN, str(ENTRYPOINT)],
        check=True,
        cwd=tmp_path,
        env={
            "INPUT_API-KEY": KEY,
            "INPUT_API-URL": serve({"id": "done"}).url,
            "INPUT_JOB-IDS-FILE": "answer.json",
            "INPUT_RESULTS-FILE": "results.json",
            "GITHUB_WORKSPACE": str(tmp_path),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    imported = set(gate.stdout.rpartition("imported ")[2].split())
    assert "requests" in imported
    assert imported & NOT_NEEDED == set()
