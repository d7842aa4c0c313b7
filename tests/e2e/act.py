"""Workflows under act, and what act reports about them."""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.e2e.machine import commit, run

# What the examples call the action.
PUBLISHED_ACTION: Final = "OWNER/fini-gate@main"
# The names that act gives to the images of that action and of `uses: ./`. It builds neither: both are the tests' image.
ACTION_IMAGES: Final = ("act-owner-fini-gate-main-dockeraction:latest", "act-dockeraction:latest")
ACT: Final = Path(sys.executable).with_name("act")
ACT_TIMEOUT_SECONDS: Final = 240


@dataclass
class WorkflowRun:
    """What act reports about one workflow."""

    log: list[str] = field(default_factory=list)
    printed: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The lines that each step printed."""
    outputs: defaultdict[tuple[str, str], dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """The outputs of each job's steps."""
    job_results: list[str] = field(default_factory=list)

    @property
    def gates(self) -> list[dict[str, str]]:
        """The outputs of each gate."""
        return [outputs for outputs in self.outputs.values() if "result" in outputs]

    @property
    def passed(self) -> bool:
        """Whether every job that ran succeeded."""
        return set(self.job_results) == {"success"}

    def add(self, event: Mapping[str, Any]) -> None:
        """Add one line of act's log."""
        step = event.get("step", "")
        self.log.append(event["msg"].rstrip("\r\n"))
        if event.get("raw_output"):
            self.printed[step].append(self.log[-1])
        if event.get("command") == "set-output":
            self.outputs[event["job"], step][event["name"]] = event["arg"]
        if "jobResult" in event:
            self.job_results.append(event["jobResult"])


def read_act_log(lines: Iterable[str]) -> dict[str, WorkflowRun]:
    """Read act's JSON lines: each workflow by its name, and under the empty name what concerns none of them."""
    workflows: defaultdict[str, WorkflowRun] = defaultdict(WorkflowRun)
    for line in lines:
        event = json.loads(line) if line.startswith("{") else {"msg": line}
        workflows[event.get("job", "").partition("/")[0]].add(event)
    return workflows


def run_act(
    repository: Path, event: str, *options: str, job_image: str, secrets: Mapping[str, str]
) -> dict[str, WorkflowRun]:
    """Make a folder a repository and run its workflows for this event."""
    home = repository.with_name("act-home")
    # An existing configuration, though empty, keeps act from asking which images to use.
    (home / ".config" / "act").mkdir(parents=True)
    (home / ".config" / "act" / "actrc").touch()
    secret_file = home / "secrets"
    secret_file.write_text("".join(f"{name}={value}\n" for name, value in secrets.items()), encoding="utf-8")
    docker = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    environ = {"PATH": os.environ["PATH"], **docker, "HOME": str(home)}
    commit(repository)
    command = f"{ACT} {event} --json --rm --network host --platform ubuntu-latest={job_image}"
    offline = "--pull=false --rebuild=false --action-offline-mode --no-cache-server"
    arguments = [*command.split(), *offline.split(), f"--secret-file={secret_file}", *options]
    ended = run(*arguments, timeout_seconds=ACT_TIMEOUT_SECONDS, cwd=repository, env=environ)
    return read_act_log((ended.stdout + ended.stderr).splitlines())
