"""A gate without anything unusual to do starts quickly, because it does not import what it does not need."""

import json
from collections.abc import Callable

from fake_fini import FakeFini
from tests.integration.gates import COMMAND, Gate, inputs_for

# PyYAML reads YAML, asyncio comes with backoff, requests guesses a charset if it is asked for text, rich is for a
# terminal.
NOT_NEEDED = {"yaml", "asyncio", "backoff", "charset_normalizer", "chardet", "rich"}
# Runs the entrypoint, and prints the names of all modules at its end.
SCRIPT = """
import os, runpy, sys
end = os._exit
def print_modules(exit_code):
    print("imported", *(name for name, module in sys.modules.items() if module), flush=True)
    end(exit_code)
os._exit = print_modules
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_gate__imports_only_what_it_needs(gate: Gate, serve: Callable[..., FakeFini]) -> None:
    """A gate on finished jobs whose IDs are in a JSON file does without the slow libraries."""
    (gate.workspace / "response.json").write_text(json.dumps({"backgroundJobId": "done"}), encoding="utf-8")
    inputs = inputs_for(serve({"id": "done"}), job_ids_file="response.json", results_file="results.json")
    python, *_, entrypoint = COMMAND
    # Measuring coverage imports modules of its own.
    no_coverage = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
    run = gate.end(gate.start(inputs, no_coverage, command=[python, "-I", "-c", SCRIPT, entrypoint]))
    assert run.exit_code == 0
    imported = set(run.log.rpartition("imported ")[2].split())
    assert "requests" in imported
    assert imported & NOT_NEEDED == set()
