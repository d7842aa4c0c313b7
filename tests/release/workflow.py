"""The release workflow as data, and a runner for it: its own lines of shell, with everything outside them a fake.

A fake command notes how it was called, and does the little that the next step goes by. A fake action is a function.
What the expressions may be is little as well: the runner knows no more of them than the workflow uses.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.release.conftest import ROOT, Clone
from tests.release.layouts import build

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PATH: Final = ROOT / ".github" / "workflows" / "release.yml"
TEXT: Final = PATH.read_text(encoding="utf-8")
# The base loader leaves `on` a text.
WORKFLOW: Final[dict[str, Any]] = yaml.load(TEXT, Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but text
JOBS: Final[dict[str, Any]] = WORKFLOW["jobs"]
EXPRESSION: Final = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
REPOSITORY: Final = "OWNER/fini-gate"
# The gate without an input, as a script.
USAGE_ERROR: Final = 'echo "output result = error"; exit 2'

_FAKES: Final = {
    "gh": "",
    "make": "",
    "skopeo": 'test "$1" != inspect || test ! -e "$FAKES/private"',
    "docker": 'test "$1" != run || . "$FAKES/gate"',
}


def needed(job: str) -> list[str]:
    """Give the jobs that a job waits for."""
    needs = JOBS[job].get("needs", [])
    return [needs] if isinstance(needs, str) else list(needs)


def needed_in_the_end(job: str) -> set[str]:
    """Give the jobs that a job waits for, and those that they wait for."""
    return {name for direct in needed(job) for name in (direct, *needed_in_the_end(direct))}


@dataclass
class Run:
    """A run of the workflow on a tag that is at the remote."""

    folder: Path
    maintainer: Clone
    tag: str
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of each job that succeeded."""
    failed: dict[str, str] = field(default_factory=dict)
    """The step of each job that did not, and what it printed."""

    def __post_init__(self) -> None:
        """Make the fake commands."""
        self.fakes.mkdir(parents=True)
        (self.fakes / "gate").write_text(USAGE_ERROR, encoding="utf-8")
        for name, script in _FAKES.items():
            self._make_command(name, f'echo "{name} $*" >> "$FAKES/calls"\n{script}')
        self._make_command("python3", f'exec "{sys.executable}" "$@"')

    @property
    def fakes(self) -> Path:
        """The folder of the fake commands."""
        return self.folder / "fakes"

    @property
    def calls(self) -> list[str]:
        """How the fake commands were called, the first call first."""
        path = self.fakes / "calls"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def complete(self) -> None:
        """Run every job whose needs succeeded; they stand in an order in which each comes after its needs."""
        for name in JOBS:
            if all(need in self.outputs for need in needed(name)):
                self._run_job(name)

    def _run_job(self, name: str) -> None:
        checkout = self.folder / name
        temp = self.folder / f"{name}-temp"
        temp.mkdir()
        values = {"github.sha": self._sha, "github.actor": "a-maintainer", "github.token": "a-token"}
        for need in needed(name):
            values |= {f"needs.{need}.outputs.{key}": value for key, value in self.outputs[need].items()}
        for step in JOBS[name]["steps"]:
            try:
                made = self._run_step(step, values, checkout, temp)
            except subprocess.CalledProcessError as error:
                self.failed[name] = f"{step['name']}: {error.stderr}"
                return
            values |= {f"steps.{step['id']}.outputs.{key}": value for key, value in made.items()}
        self.outputs[name] = _filled_in(JOBS[name].get("outputs", {}), values)

    def _run_step(
        self, step: Mapping[str, Any], values: Mapping[str, str], checkout: Path, temp: Path
    ) -> dict[str, str]:
        if "uses" in step:
            self._act(step["uses"].partition("@")[0], _filled_in(step.get("with", {}), values), checkout)
            return {}
        output = temp / "output"
        output.write_text("", encoding="utf-8")
        environ = {
            **{key: value for key, value in os.environ.items() if key.startswith("GIT_")},
            "PATH": f"{self.fakes}:{os.environ['PATH']}",
            "FAKES": str(self.fakes),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_REF": f"refs/tags/{self.tag}",
            "GITHUB_REF_NAME": self.tag,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SHA": self._sha,
            "RUNNER_TEMP": str(temp),
            **_filled_in(step.get("env", {}), values),
        }
        # As the runner does where a workflow says `shell: bash`.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        subprocess.run(command, check=True, capture_output=True, cwd=checkout, env=environ, text=True)  # noqa: S603 - ours
        return dict(line.split("=", 1) for line in output.read_text(encoding="utf-8").splitlines())

    def _act(self, action: str, given: Mapping[str, str], checkout: Path) -> None:
        artifact = self.folder / "artifact"
        match action:
            case "actions/checkout":
                self.maintainer.clone(checkout).git("checkout", "--quiet", "--detach", given.get("ref", self.tag))
            case "docker/build-push-action":
                arguments = dict(line.split("=") for line in given["build-args"].split())
                kind = dict(part.split("=") for part in given["outputs"].split(","))
                assert kind["type"] == "oci"
                build(checkout / kind["dest"], arguments["VERSION"], arguments["REVISION"])
            case "actions/upload-artifact":
                shutil.copytree(checkout / given["path"], artifact / given["name"])
            case "actions/download-artifact":
                shutil.copytree(artifact / given["name"], checkout / given["path"])
            case _:
                with (self.fakes / "calls").open("a", encoding="utf-8") as calls:
                    calls.write(f"{action} {' '.join(given.values())}\n")

    @property
    def _sha(self) -> str:
        return self.maintainer.git("rev-parse", f"refs/tags/{self.tag}")

    def _make_command(self, name: str, script: str) -> None:
        path = self.fakes / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o700)


def _filled_in(texts: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    return {name: EXPRESSION.sub(lambda found: values[found[1]], text) for name, text in texts.items()}
