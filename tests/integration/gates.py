"""The gate as a process, as the container starts it, and what it leaves."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fake_fini import FakeFini

ENTRYPOINT = Path(__file__).resolve().parents[2] / "entrypoint.py"
# Where coverage is measured, it is of the gate as a process too.
COVERAGE = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
KEY = "fini_secret_0123456789"
KEYS = {KEY: ["read"], "fini_writes_only_0123": ["write"]}


@dataclass(frozen=True)
class Run:
    """A run of the gate that has ended."""

    exit_code: int
    log: str
    outputs: Mapping[str, str]
    summary: str

    @property
    def errors(self) -> list[str]:
        """The errors that tell the ending."""
        return [line for line in self.log.splitlines() if line.startswith("::error title=Fini gate")]

    @property
    def job_errors(self) -> list[str]:
        """The errors for single jobs."""
        return [line for line in self.log.splitlines() if line.startswith("::error title=Job")]

    def ids(self, state: str) -> list[str]:
        """The job IDs of a state."""
        found: list[str] = json.loads(self.outputs[f"{state}-job-ids"])
        return found


class Gate:
    """Starts the gate in a folder of its own, with nothing in its environment but what is given."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.output = folder / "output"
        self.output.touch()
        self.summary = folder / "summary"

    def start(self, inputs: Mapping[str, str], environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-u", str(ENTRYPOINT)],
            cwd=self.workspace,
            env={
                "INPUT_API-KEY": KEY,
                "GITHUB_WORKSPACE": str(self.workspace),
                "GITHUB_OUTPUT": str(self.output),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                **COVERAGE,
                **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
                **(environ or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    def end(self, process: subprocess.Popen[str]) -> Run:
        """Wait for its end, and read what it left."""
        log, _ = process.communicate(timeout=30)
        summary = self.summary.read_text(encoding="utf-8") if self.summary.exists() else ""
        return Run(process.returncode, log, self.read_outputs(), summary)

    def run(self, inputs: Mapping[str, str], environ: Mapping[str, str] | None = None) -> Run:
        """Start it, and wait for its end."""
        return self.end(self.start(inputs, environ))

    def read_outputs(self) -> dict[str, str]:
        """Read the outputs as the runner does: `name<<delimiter`, lines, `delimiter`; nothing else."""
        values: dict[str, str] = {}
        delimiters = set()
        lines = iter(self.output.read_text(encoding="utf-8").split("\n")[:-1])
        for line in lines:
            name, arrows, delimiter = line.partition("<<")
            assert arrows
            assert delimiter not in delimiters
            delimiters.add(delimiter)
            values[name] = "\n".join(iter(lambda: next(lines), delimiter))
        return values


def inputs_for(api: FakeFini, *job_ids: str, **more: str) -> dict[str, str]:
    """Give the inputs for some jobs at a stand-in; `_` in a name stands for a hyphen."""
    return {
        "api-url": api.url,
        "job-ids": "\n".join(job_ids),
        "poll-interval": "100ms",
        "not-found-grace": "0",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
