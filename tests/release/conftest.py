"""A repository to release, and a runner for the release workflow."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
WORKFLOW: Final = ROOT / ".github" / "workflows" / "release.yml"
# The base loader keeps the key `on` a string.
JOBS: Final = yaml.load(WORKFLOW.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)["jobs"]  # noqa: S506 - as above
CHANGELOG: Final = "# Changelog\n\n## [Unreleased]\n\n## [{0}] - 2026-11-24\n\n### Added\n\n- What {0} adds.\n"
# What the workflow looks into: the index, and per architecture an SBOM and a provenance. Blobs are named by digest.
BLOBS: Final = {
    hashlib.sha256(blob.encode()).hexdigest(): blob
    for blob in (
        "the index",
        '"in-toto.io/predicate-type": "https://spdx.dev/Document" for amd64',
        '"in-toto.io/predicate-type": "https://spdx.dev/Document" for arm64',
        '"in-toto.io/predicate-type":"https://slsa.dev/provenance/v1" for amd64',
        '"in-toto.io/predicate-type":"https://slsa.dev/provenance/v1" for arm64',
    )
}
# What the fakes do besides recording their calls. A gate without inputs ends with a usage error.
FAKES: Final = {
    "docker": """case "$1" in
        image) echo "${5#fini-gate:} $VERSION $GITHUB_SHA" ;;
        run) echo "output result = error"; exit 2 ;;
    esac""",
    "skopeo": '[ "$2" != --format ] || echo "$DIGEST"',
    "python3": f'exec "{sys.executable}" "$@"',
    **dict.fromkeys(("gh", "make"), ""),
}


@dataclass(frozen=True)
class Run:
    """How a run of the release workflow went."""

    outputs: Mapping[str, str]
    """All outputs of steps and jobs, named like the expressions that read them."""
    folder: Path
    failed_step: str = ""

    @property
    def calls(self) -> str:
        """How the fakes were called, one per line."""
        return (self.folder / "calls").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Repository:
    """A clone; its remote is the bare repository beside it."""

    folder: Path

    def git(self, *arguments: str) -> str:
        """Run git, and return what it prints."""
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - git

    def request(self, version: str) -> str:
        """Prepare a release on main, push the tag that requests it, and return the commit."""
        (self.folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n', encoding="utf-8")
        (self.folder / "CHANGELOG.md").write_text(CHANGELOG.format(version), encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"chore: prepare {version}")
        self.git("tag", f"release/{version}")
        self.git("push", "--quiet", "--tags", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def release(self, version: str, blobs: Mapping[str, str] = BLOBS, **fakes: str) -> Run:
        """Request a release, and run the workflow in a checkout, with these blobs built and these fakes replaced."""
        revision = self.request(version)
        folder = self.folder.parent / version
        self.git("clone", "--quiet", "--branch", f"release/{version}", "../remote", str(folder / "checkout"))
        for name, script in (FAKES | fakes).items():
            (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{folder}/calls"\n{script}\n', encoding="utf-8")
            (folder / name).chmod(0o700)
        environ = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_REF": f"refs/tags/release/{version}",
            "GITHUB_REF_NAME": f"release/{version}",
            "GITHUB_REPOSITORY": "OWNER/fini-gate",
            "GITHUB_SHA": revision,
            "RUNNER_TEMP": str(folder),
        }
        return run_workflow(folder, environ, blobs)

    def release_tags(self) -> dict[str, str]:
        """Return the remote's tags of releases, and their commits."""
        lines = [line.split() for line in self.git("ls-remote", "--tags", "origin", "refs/tags/v*").splitlines()]
        return {name.removeprefix("refs/tags/"): commit for commit, name in lines}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Create a repository, with git as on a machine where it is not configured."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "maintainer")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    clone = Repository(tmp_path / "clone")
    (clone.folder / ".ci").mkdir(parents=True)
    for name in ("action.yml", ".ci/release.py"):
        shutil.copy(ROOT / name, clone.folder / name)
    clone.git("init", "--quiet", "--initial-branch", "main")
    clone.git("init", "--quiet", "--bare", "../remote")
    clone.git("remote", "add", "origin", "../remote")
    return clone


def run_workflow(folder: Path, environ: Mapping[str, str], blobs: Mapping[str, str]) -> Run:
    """Run the workflow's own shell lines, all in one checkout. Of the actions, only the build does something."""
    outputs = {"github.sha": environ["GITHUB_SHA"], "github.actor": "someone", "github.token": "a-token"}
    for job_name, job in JOBS.items():
        for step in job["steps"]:
            given = evaluate(step.get("with", {}) | step.get("env", {}), outputs)
            action = step.get("uses", "").partition("@")[0]
            if action == "docker/build-push-action":
                (folder / "checkout" / "layout" / "blobs" / "sha256").mkdir(parents=True)
                for name, blob in blobs.items():
                    (folder / "checkout" / "layout" / "blobs" / "sha256" / name).write_text(blob, encoding="utf-8")
                outputs["steps.build.outputs.digest"] = f"sha256:{next(iter(blobs))}"
            script = step.get("run", f'echo "{action} {" ".join(given.values())}" >> ../calls')
            (folder / "output").write_text("", encoding="utf-8")
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
            ended = subprocess.run(  # noqa: S603 - as the runner does
                command,
                check=False,
                capture_output=True,
                cwd=folder / "checkout",
                env={**os.environ, **environ, **given},
                text=True,
            )
            if ended.returncode != 0:
                return Run(outputs, folder, f"{step['name']}: {ended.stderr}")
            for line in (folder / "output").read_text(encoding="utf-8").splitlines():
                name, _, value = line.partition("=")
                outputs[f"steps.{step['id']}.outputs.{name}"] = value
        for name, value in evaluate(job.get("outputs", {}), outputs).items():
            outputs[f"needs.{job_name}.outputs.{name}"] = value
    return Run(outputs, folder)


def evaluate(texts: Mapping[str, str], outputs: Mapping[str, str]) -> dict[str, str]:
    """Replace the expressions in a step's or job's values."""
    return {name: re.sub(r"\$\{\{ (.*?) \}\}", lambda match: outputs[match[1]], text) for name, text in texts.items()}
