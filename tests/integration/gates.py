"""The gate, as a process like the container's or in the test's own process, and what it leaves behind."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from fake_fini import FakeFini
from fini_gate.executor import InterruptibleExecutor
from fini_gate.main import GateRun
from fini_gate.settings import Settings

ENTRYPOINT = Path(__file__).resolve().parents[2] / "entrypoint.py"
COMMAND = (sys.executable, "-I", "-u", str(ENTRYPOINT))
Serve = Callable[..., FakeFini]
DONE = {"id": "done", "article-id": "article-1"}
FAILED = {"id": "failed", "ends-as": "FAILED", "error": "The source is empty."}
PENDING = {"id": "pending", "runs-for": "never"}
KEY = "fini_secret_0123456789"


class Run(NamedTuple):
    """A finished run of the gate."""

    exit_code: int
    log: str
    outputs: Mapping[str, str]
    summary: str

    @property
    def errors(self) -> list[str]:
        """The errors about the result."""
        return [line for line in self.log.splitlines() if line.startswith("::error title=Fini gate")]

    def ids(self, state: str) -> list[str]:
        """Return the job IDs in a state."""
        found: list[str] = json.loads(self.outputs[f"{state}-job-ids"])
        return found


class Gate:
    """Runs the gate in a folder of its own, with nothing in its environment but what a test passes."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.output = folder / "output"
        self.output.touch()
        self.summary = folder / "summary"

    def environ(self, inputs: Mapping[str, str], environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment for a run with these inputs."""
        return {
            "INPUT_API-KEY": KEY,
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
            **(environ or {}),
        }

    def start(
        self,
        inputs: Mapping[str, str],
        environ: Mapping[str, str] | None = None,
        *,
        command: Sequence[str] = COMMAND,
        stdout: int = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Start the gate as a process."""
        return subprocess.Popen(  # noqa: S603 - our own program
            command,
            cwd=self.workspace,
            env=self.environ(inputs, environ),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    def end(self, process: subprocess.Popen[str]) -> Run:
        """Wait until the process ends."""
        log, _ = process.communicate(timeout=30)
        return self._run(process.returncode, log)

    def run_here(
        self,
        inputs: Mapping[str, str],
        environ: Mapping[str, str] | None = None,
        executor: InterruptibleExecutor | None = None,
        **parts: Any,  # noqa: ANN401 - each part has a type of its own
    ) -> Run:
        """Run the gate in this process, which is a lot faster; `parts` are those of GateRun."""
        variables = self.environ(inputs, environ)
        log = io.StringIO()
        with patch.dict(os.environ, variables), contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            verdict = GateRun(Settings(environ=variables), executor or InterruptibleExecutor(), **parts).run()
        return self._run(verdict.exit_code, log.getvalue())

    def _run(self, exit_code: int, log: str) -> Run:
        summary = self.summary.read_text(encoding="utf-8") if self.summary.exists() else ""
        return Run(exit_code, log, read_outputs(self.output) if self.output.is_file() else {}, summary)


def read_outputs(path: Path) -> dict[str, str]:
    """Read a file of outputs as strictly as any runner does: `name<<delimiter`, lines, `delimiter`; nothing else."""
    text = path.read_bytes().decode("utf-8")
    outputs = re.findall(r"^(.+?)<<(.+)\n((?:.*\n)*?)\2\n", text, re.MULTILINE)
    assert "".join(f"{name}<<{delimiter}\n{lines}{delimiter}\n" for name, delimiter, lines in outputs) == text
    assert len({delimiter for _, delimiter, _ in outputs}) == len(outputs)
    return {name: lines[:-1] for name, _, lines in outputs}


def inputs_for(api: FakeFini, *job_ids: str, **more: str) -> dict[str, str]:
    """Return the inputs for jobs at a stand-in; `_` in a name stands for a hyphen."""
    return {
        "api-url": api.url,
        "job-ids": "\n".join(job_ids),
        "poll-interval": "100ms",
        "not-found-grace": "0",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
