"""GitHub's runner as a Docker action sees it: its folders, its environment, and how it starts and stops a container."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.e2e.machine import LABEL, ROOT, call
from tests.integration.gates import Run, read_outputs

ACTION: Final[Mapping[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
ENTRYPOINT: Final[str] = ACTION["runs"]["entrypoint"]
HARDENED: Final = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


@dataclass
class Runner:
    """The runner at one step of a job."""

    image: str
    folder: Path
    # The stand-in API listens on the host's loopback only.
    network: str = "host"
    containers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Create the folders that are mounted."""
        for name in ("workspace", "home", "runner_temp", "workflow", "file_commands"):
            (self.folder / name).mkdir(parents=True)
        self.workspace = self.folder / "workspace"
        self.home = self.folder / "home"
        self.output = self.folder / "file_commands" / "set_output"
        self.summary = self.folder / "file_commands" / "step_summary"

    def run(self, inputs: Mapping[str, str], **more: Any) -> Run:  # noqa: ANN401 - what start() takes
        """Run the action to its end."""
        return self.start(inputs, **more).wait()

    def start(
        self, inputs: Mapping[str, str], *, environ: Mapping[str, str] | None = None, options: Sequence[str] = ()
    ) -> "Step":
        """Start the action with these inputs, and with this environment and these options besides the runner's own."""
        step_environ = {**self.environ(inputs), **(environ or {})}
        command = self.docker_run(*options, "--entrypoint", ENTRYPOINT, names=step_environ)
        log, errors = self.folder.with_name("log"), self.folder.with_name("errors")
        with log.open("wb") as stdout, errors.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603 - the tests' own command, as a list
                command,
                # The docker client's configuration is in the user's home, not in the step's.
                env={"DOCKER_CONFIG": str(Path.home() / ".docker"), **os.environ, **step_environ},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        return Step(self, process, log, errors)

    def docker_run(self, *options: str, names: Iterable[str] = ()) -> list[str]:
        """Return the command up to the image: no -t, -i, --init or --user; values come from the environment."""
        self.containers.append(f"fini-gate-e2e-{uuid.uuid4().hex}")
        base = f"docker run --rm --name {self.containers[-1]} --label {LABEL} --network {self.network}"
        environ = [f"--env={name}" for name in (*names, "GITHUB_ACTIONS=true", "CI=true")]
        folders = [f"--volume={path}:/github/{path.name}" for path in self.folder.iterdir()]
        socket = "--volume=/var/run/docker.sock:/var/run/docker.sock"
        return [*base.split(), "--workdir=/github/workspace", *environ, socket, *folders, *options, self.image]

    def environ(self, inputs: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that the runner sets for a step with these inputs, and empty the step's files."""
        assert inputs.keys() <= ACTION["inputs"].keys()
        for path in (self.output, self.summary):
            path.write_bytes(b"")
        defaults = {name: declared["default"] for name, declared in ACTION["inputs"].items()}
        return {
            **{f"INPUT_{name.upper()}": value for name, value in {**defaults, **inputs}.items()},
            "HOME": "/github/home",
            "GITHUB_JOB": "gate",
            "GITHUB_REPOSITORY": "octo/knowledge",
            "GITHUB_RUN_ID": "1",
            "GITHUB_WORKSPACE": "/github/workspace",
            "GITHUB_OUTPUT": "/github/file_commands/set_output",
            "GITHUB_STEP_SUMMARY": "/github/file_commands/step_summary",
            "RUNNER_TEMP": "/github/runner_temp",
        }

    def remaining_containers(self) -> list[str]:
        """Return the IDs of this runner's containers that still exist, running or not."""
        filters = [f"--filter=name={name}" for name in self.containers]
        return call("docker", "ps", "--all", "--quiet", *filters).split() if filters else []


@dataclass(frozen=True)
class Step:
    """A running container of the action."""

    runner: Runner
    process: subprocess.Popen[bytes]
    log: Path
    errors: Path

    def wait_for(self, text: str) -> None:
        """Wait until the log contains the text."""
        while text not in self.log.read_text(encoding="utf-8"):
            assert self.process.poll() is None, f"the step ended without {text!r}"
            time.sleep(0.02)

    def kill(self) -> None:
        """Send SIGTERM to the container's first process."""
        call("docker", "kill", "--signal", "TERM", self.runner.containers[-1])

    def cancel(self) -> None:
        """Interrupt the docker client, as the runner does when a job is cancelled."""
        self.process.send_signal(signal.SIGINT)

    def wait(self, timeout_seconds: float = 60) -> Run:
        """Wait for the container to end."""
        exit_code = self.process.wait(timeout_seconds)
        log = self.log.read_bytes().decode()
        # The runner shows standard error before standard output, whichever was written first.
        assert self.errors.read_bytes() == b"", log
        summary = self.runner.summary.read_bytes().decode()
        return Run(exit_code, log, read_outputs(self.runner.output), summary)
