"""Runs commands, among them the gate as the runner starts it, and measures what they use."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from fake_fini import FakeFini, Scenario

ROOT: Final = Path(__file__).resolve().parent.parent
API_KEY: Final = "fini_0123456789abcdef"
SAVED_RESPONSE: Final = "response.json"
_GATE: Final = (sys.executable, "-I", "-u", ROOT / "entrypoint.py")
_COMMAND: Final = (sys.executable, "-m", "fini_gate")
_LAUNCH: Final = (sys.executable, "-I", "-S", Path(__file__).with_name("launch.py"))

_Peer = TypeVar("_Peer", bound=Hashable)
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Usage:
    """What a process and the children it waited for used. It started at a time on the machine's monotonic clock."""

    started_at: float
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def run(command: Sequence[str | Path], *, environ: Mapping[str, str], folder: Path) -> Usage:
    """Run a command with this environment alone; if it fails, raise RuntimeError with its output."""
    command = [*_LAUNCH, *command]
    launched = subprocess.run(command, capture_output=True, check=False, cwd=folder, env=environ, text=True)  # noqa: S603 - our own
    if launched.returncode != 0:
        raise RuntimeError(f"{command} exited with {launched.returncode}:\n{launched.stderr[-2000:]}")
    return Usage(**json.loads(launched.stdout))


@dataclass(frozen=True)
class Setup:
    """A workspace with a saved response, and the stand-in for the API that knows its jobs."""

    workspace: Path
    api: FakeFini
    opened_at: float
    """When the stand-in's time began, on the machine's monotonic clock."""

    def run_gate(self, **inputs: str) -> Usage:
        """Run a gate as the action. `_` replaces the hyphens in the names of inputs."""
        return run(_GATE, environ=self.environ(str(self.workspace), **inputs), folder=self.workspace)

    def run_command(self) -> Usage:
        """Run a gate as the command in a shell, with options."""
        options = [f"--{name}={value}" for name, value in self._inputs().items()]
        environ = {"FINI_API_KEY": API_KEY, "PYTHONPATH": str(ROOT)}
        return run((*_COMMAND, *options), environ=environ, folder=self.workspace)

    def environ(self, mounted_at: str, **inputs: str) -> Mapping[str, str]:
        """Return the environment of a gate that writes outputs, summary and results file."""
        given = {
            "api-key": API_KEY,
            **self._inputs(),
            **{name.replace("_", "-"): value for name, value in inputs.items()},
        }
        return {
            **{f"INPUT_{name.upper()}": value for name, value in given.items()},
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": mounted_at,
            "GITHUB_OUTPUT": f"{mounted_at}/output",
            "GITHUB_STEP_SUMMARY": f"{mounted_at}/summary",
        }

    def _inputs(self) -> Mapping[str, str]:
        return {"api-url": self.api.url, "job-ids-file": SAVED_RESPONSE, "results-file": "results.json"}


@contextmanager
def prepare(job_count: int, *, latency: float = 0, last_finishes_after: float = 0) -> Iterator[Setup]:
    """Serve jobs, and save their IDs in a workspace. Times are in seconds."""
    jobs = {"count": job_count, "queued-for": [0, 0], "runs-for": [0, last_finishes_after]}
    scenario = Scenario.from_mapping({"api-keys": {API_KEY: ["read"]}, "latency": latency, "generate": jobs})
    saved = {"jobs": [{"documentId": job.document_id, "backgroundJobId": job.id} for job in scenario.jobs]}
    with TemporaryDirectory(prefix="fini-gate-bench-") as folder:
        for name, content in ((SAVED_RESPONSE, json.dumps(saved)), ("output", ""), ("summary", "")):
            Path(folder, name).write_text(content, encoding="utf-8")
        opened_at = time.monotonic()
        with FakeFini(scenario) as api:
            yield Setup(Path(folder), api, opened_at)


def take_turns(peers: Mapping[_Peer, Callable[[], _Result]], rounds: int) -> dict[_Peer, list[_Result]]:
    """Run the peers one after the other, round by round, after a round that warms up and does not count."""
    results = [{name: run_peer() for name, run_peer in peers.items()} for _ in range(rounds + 1)]
    return {name: [each[name] for each in results[1:]] for name in peers}
