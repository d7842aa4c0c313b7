"""Pipelines under gitlab-ci-local, and what it reports about them."""

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests.e2e.machine import NODE, commit, run

# Nothing asks this host: git fetches the component from the mirror's folder.
HOST: Final = "https://gitlab.example.invalid"
COMPONENT: Final = "$CI_SERVER_FQDN/OWNER/fini-gate/fini-gate@main"
TIMEOUT_SECONDS: Final = 120


class Executor(NamedTuple):
    """How gitlab-ci-local runs the gate."""

    options: Sequence[str]
    path: str = os.environ["PATH"]


@dataclass(frozen=True)
class Pipeline:
    """What a pipeline has left."""

    exit_code: int
    log: str
    artifacts: Path
    """A folder for each job."""

    @property
    def printed(self) -> dict[str, list[str]]:
        """The lines that each job printed."""
        printed = defaultdict(list)
        for job, line in re.findall(r"(?m)^(\S+) +> (.*)$", self.log):
            printed[job].append(line)
        return dict(printed)

    def dotenv(self, job: str) -> dict[str, str]:
        """Return the variables of a job's dotenv report."""
        reports = list((self.artifacts / job / ".gitlab-ci-reports" / "dotenv").rglob("*.env"))
        assert len(reports) == 1, self.log
        return dict(line.split("=", 1) for line in reports[0].read_text(encoding="utf-8").splitlines())


class GitLab:
    """A GitLab with a mirror of the component's repository."""

    def __init__(self, packages: Path, folder: Path, component: Path) -> None:
        self.client = packages / "gitlab-ci-local" / "dist" / "index.js"
        self.folder = folder
        mirror = folder / "OWNER" / "fini-gate.git"
        shutil.copytree(component, mirror / "templates" / "fini-gate")
        commit(mirror)

    def run(self, repository: Path, executor: Executor, **variables: str) -> Pipeline:
        """Make a folder a repository, and run its pipeline with these CI/CD variables."""
        commit(repository, remote=f"{HOST}/example/knowledge.git")
        environ = {
            # The docker client's configuration is in the user's home.
            "DOCKER_CONFIG": str(Path.home() / ".docker"),
            **{name: value for name, value in os.environ.items() if name.startswith("DOCKER_")},
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{self.folder.as_uri()}/OWNER/.insteadOf",
            "GIT_CONFIG_VALUE_0": f"{HOST}/OWNER/",
            "HOME": str(self.folder),
            "NO_COLOR": "1",
            "PATH": executor.path,
        }
        given = [f"--variable={name}={value}" for name, value in variables.items()]
        options = ["--no-artifacts-to-source", *executor.options, *given]
        ended = run(NODE, self.client, *options, timeout_seconds=TIMEOUT_SECONDS, cwd=repository, env=environ)
        return Pipeline(ended.returncode, ended.stdout + ended.stderr, repository / ".gitlab-ci-local" / "artifacts")
