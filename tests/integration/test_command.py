"""The command `fini-gate` as a process: arguments, standard input, streams and signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.formats import read_dotenv, read_junit
from tests.integration.gates import DONE, ENTRYPOINT, FAILED, KEY, PENDING, Serve

COMMAND = (sys.executable, "-m", "fini_gate")


class Shell:
    """Runs the command in a folder, with nothing in its environment but the key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL, **environ: str) -> subprocess.Popen[str]:
        """Start the command."""
        return subprocess.Popen(  # noqa: S603 - our own program
            [*COMMAND, *arguments],
            cwd=self.folder,
            env={
                "FINI_API_KEY": KEY,
                "PYTHONPATH": str(ENTRYPOINT.parent),
                "FINI_GATE_POLL_INTERVAL": "100ms",
                **environ,
            },
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, *arguments: str, stdin: str | None = None, **environ: str) -> tuple[int, str, str]:
        """Run the command, and return its exit code, standard output and standard error."""
        with self.start(
            *arguments, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE, **environ
        ) as process:
            log, errors = process.communicate(stdin, timeout=30)
        assert KEY not in log.replace(f"::add-mask::{KEY}\n", "") + errors.replace(f"::add-mask::{KEY}\n", "")
        return process.returncode, log, errors


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Provide an empty folder to run the command in."""
    return Shell(tmp_path)


def test_command__gates_the_jobs_of_its_arguments(shell: Shell, serve: Serve) -> None:
    """It prints plain text, exits with the result, and writes the files that it was asked for."""
    api = serve(DONE, FAILED)
    exit_code, log, errors = shell.run(
        *("done", "-", "--api-url", api.url, "--junit-file=j.xml", "--dotenv-file=v.env"), stdin='"failed"\n'
    )
    assert (exit_code, errors) == (1, "")
    assert "::" not in log
    assert log.splitlines()[-1].startswith("❌ 1 of 2 jobs failed, 1 completed after ")
    assert [case.name for case in read_junit((shell.folder / "j.xml").read_bytes())] == ["done", "failed"]
    assert read_dotenv((shell.folder / "v.env").read_bytes())["FINI_GATE_FAILED_COUNT"] == "1"


@pytest.mark.parametrize("github", ["true", ""])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["done"], (0, "success")),
        (["failed"], (1, "failure")),
        (["pending", "--timeout=0"], (3, "timed_out")),
        (["--timeout=soon"], (2, "error")),
        ([], (2, "error")),
    ],
)
def test_json__is_one_document_on_every_result(
    shell: Shell, serve: Serve, github: str, arguments: Sequence[str], expected: tuple[int, str]
) -> None:
    """Whatever the platform, standard output decodes to the results; everything else is on standard error."""
    api = serve(DONE, FAILED, PENDING)
    exit_code, document, log = shell.run(*arguments, "--json", "--api-url", api.url, GITHUB_ACTIONS=github)
    assert (exit_code, json.loads(document)["result"]) == expected
    assert ("::add-mask::" in log) == bool(github)


def test_pipe__that_nobody_reads_changes_nothing(shell: Shell, serve: Serve) -> None:
    """After `| head -1` the exit code is still that of the result."""
    arguments = ["done", "failed", "--api-url", serve(DONE, FAILED).url]
    for more in ([], ["--json"]):
        with shell.start(*arguments, *more) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.wait(timeout=30) == 1


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal__ends_a_read_of_standard_input(shell: Shell, number: signal.Signals, exit_code: int) -> None:
    """A writer that never ends does not keep the gate."""
    with shell.start("-", "--results-file=r.json", stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("fini-gate ")
        process.send_signal(number)
        assert process.wait(timeout=30) == exit_code
    assert json.loads((shell.folder / "r.json").read_text())["result"] == "cancelled"


def test_signal__ends_a_read_of_the_key(shell: Shell) -> None:
    """A pipe without a writer does not keep the gate either."""
    os.mkfifo(shell.folder / "key")
    with shell.start("job", "--api-key-file=key") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("fini-gate ")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


def test_command__needs_no_arguments(shell: Shell, serve: Serve) -> None:
    """Without arguments, settings come from variables alone."""
    api = serve(DONE)
    exit_code, log, _ = shell.run(FINI_GATE_JOB_IDS="done", FINI_GATE_API_URL=api.url, FINI_GATE_FAIL_FAST="true")
    assert exit_code == 0
    assert "✅ 1 of 1 job completed after " in log
