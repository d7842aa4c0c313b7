"""The gate as a process, started like the container's: signals, standard output, the environment, memory."""

import contextlib
import json
import os
import pty
import resource
import signal
from collections.abc import Mapping

import pytest

from tests.integration.clients import wait_until
from tests.integration.gates import COMMAND, DONE, FAILED, KEY, PENDING, Gate, Run, Serve, inputs_for, read_outputs

MEMORY_MIB = 256


@pytest.mark.parametrize(
    ("fault", "number"),
    [("reverse-rows", signal.SIGINT), ("hang", signal.SIGTERM), ({"status": 429}, signal.SIGTERM)],
    ids=["in an interval", "in a request", "in a retry"],
)
def test_signal__ends_the_gate(gate: Gate, serve: Serve, fault: object, number: signal.Signals) -> None:
    """Wherever the gate is, a signal ends it, and the outputs contain everything that was observed by then."""
    api = serve(DONE, PENDING, faults=[{"do": fault, "requests": "2-"}])
    process = gate.start(inputs_for(api, "done", "pending", poll_interval="200ms"))
    wait_until(lambda: len(api.requests) > 1)
    process.send_signal(number)
    run = gate.end(process)
    assert (run.exit_code, run.outputs["result"]) == ({signal.SIGINT: 130, signal.SIGTERM: 143}[number], "cancelled")
    assert (run.ids("completed"), run.ids("pending")) == (["done"], ["pending"])
    assert len(run.errors) == 1
    assert f"Cancelled by {number.name}" in run.errors[0]


@pytest.mark.parametrize(
    ("redirection", "job_id", "exit_code"),
    [(">&- 2>&-", "failed", 1), (">/dev/full 2>&1", "failed", 1), ("2>&1", "done", 0)],
    ids=["closed", "full", "broken pipe"],
)
def test_stdout__that_nobody_reads_changes_nothing(
    gate: Gate, serve: Serve, redirection: str, job_id: str, exit_code: int
) -> None:
    """If nothing can be printed, the outputs are written and the exit code is right."""
    reading, writing = os.pipe()
    os.close(reading)
    shell = ["/bin/bash", "-c", f'exec "$@" {redirection}', "bash", *COMMAND]
    inputs = inputs_for(serve(DONE, FAILED), job_id)
    process = gate.start(inputs, {"LC_ALL": "POSIX"}, command=shell, stdout=writing)
    os.close(writing)
    assert process.wait(timeout=30) == exit_code
    assert read_outputs(gate.output)["job-count"] == "1"


def test_terminal__shows_a_progress_line_that_is_redrawn(gate: Gate, serve: Serve) -> None:
    """Failures appear above the line. The last line is red. The key does not appear at all."""
    api = serve(DONE, FAILED, {"id": "later", "runs-for": "700ms"})
    ours, its = pty.openpty()
    process = gate.start(
        inputs_for(api, "done", "failed", "later"), {"TERM": "xterm", "GITHUB_ACTIONS": ""}, stdout=its
    )
    os.close(its)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while True:
            shown += os.read(ours, 65536)
    os.close(ours)
    text = shown.decode()
    assert process.wait(timeout=30) == 1
    assert text.count("2/3  1 failed") >= 2
    assert "\x1b[2K" in text
    assert "job failed failed: The source is empty." in text
    assert KEY not in text
    assert "\x1b[31m❌ 1 of 3 jobs failed, 2 completed after " in text.splitlines()[-1]


# Runs the entrypoint, and prints the names of all modules at its end.
SHOW_MODULES = """
import os, runpy, sys
end = os._exit
def print_modules(exit_code):
    print("imported", *(name for name, module in sys.modules.items() if module), flush=True)
    end(exit_code)
os._exit = print_modules
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
# PyYAML reads YAML, asyncio comes with backoff, requests guesses a charset if asked for text.
NOT_NEEDED = {"argparse", "yaml", "asyncio", "backoff", "charset_normalizer", "chardet", "xml"}


def test_imports__are_those_that_a_gate_needs(gate: Gate, serve: Serve) -> None:
    """A gate on finished jobs whose IDs are in a JSON file starts quickly, because it imports no slow library."""
    (gate.workspace / "response.json").write_text(json.dumps({"backgroundJobId": "done"}), encoding="utf-8")
    inputs = inputs_for(serve(DONE), job_ids_file="response.json", results_file="results.json")
    python, *_, entrypoint = COMMAND
    run = gate.end(gate.start(inputs, command=[python, "-I", "-c", SHOW_MODULES, entrypoint]))
    assert run.exit_code == 0
    imported = set(run.log.rpartition("imported ")[2].split())
    assert "requests" in imported
    assert imported & NOT_NEEDED == set()


def _run_with_little_memory(gate: Gate, inputs: Mapping[str, str]) -> Run:
    process = gate.start(inputs)
    resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY_MIB * 1024**2,) * 2)
    return gate.end(process)


@pytest.mark.parametrize(("name", "list_count", "size"), [("ids.yaml", 0, 4 * 1024**3), ("ids.json", 10_000_000, None)])
def test_memory__of_a_file_is_bounded(gate: Gate, name: str, list_count: int, size: int | None) -> None:
    """A file that would fill the memory is an error that names it, long before."""
    with (gate.workspace / name).open("w") as file:
        file.write("[" + "[]," * list_count + '"a"]')
        file.truncate(size)
    run = _run_with_little_memory(gate, {"job-ids-file": name})
    assert run.exit_code == 2
    assert name in run.errors[0]


def test_memory__of_a_response_is_bounded(gate: Gate, serve: Serve) -> None:
    """Responses that would fill the memory are not usable, and the gate goes on."""
    many_values = '{"jobs": [' + "[]," * 4_000_000 + "[]]}"
    bodies = [{"huge": MEMORY_MIB}, {"gzip-bomb": MEMORY_MIB}, {"garbage": many_values}]
    api = serve(DONE, faults=[{"do": body, "requests": number} for number, body in enumerate(bodies, start=1)])
    run = _run_with_little_memory(gate, inputs_for(api, "done"))
    assert run.exit_code == 0
    assert [request.route for request in api.requests] == [*["status"] * 4, "articles"]
