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
# What `make dist` builds.
PACKAGES: Final = ("fini_gate-1-py3-none-any.whl", "fini_gate-1.tar.gz")
COMPLETIONS: Final = ("_fini-gate", "fini-gate.bash", "fini-gate.fish")
# What the fakes do besides recording their calls. A gate without inputs ends with a usage error.
FAKES: Final = {
    "docker": """case "$*" in
        "image inspect"*) echo "${5#fini-gate:} $VERSION $GITHUB_SHA" ;;
        *" --version") echo "fini-gate $VERSION" ;;
        run*) exit 2 ;;
    esac""",
    "make": f"""case "$1" in dist | package)
        rm -rf dist
        mkdir -p dist/completions
        for file in {" ".join([*PACKAGES, *(f"completions/{name}" for name in COMPLETIONS)])}; do
            echo "$file" > "dist/$file"
        done
    esac""",
    "skopeo": '[ "$2" != --format ] || echo "$DIGEST"',
    "python3": f'exec "{sys.executable}" "$@"',
    "gh": "",
}


@dataclass(frozen=True)
class Run:
    """A run of the release workflow: the outputs of all its steps, the calls of its fakes, and the step that failed."""

    folder: Path
    outputs: dict[str, str]
    calls: str
    failed_step: str


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
        (self.folder / "fini_gate" / "__init__.py").write_text(f'__version__ = "{version}"\n', encoding="utf-8")
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
    (clone.folder / "fini_gate").mkdir(parents=True)
    for name in ("action.yml", ".ci/release.py", "templates/fini-gate/template.yml"):
        (clone.folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone.folder / name)
    clone.git("init", "--quiet", "--initial-branch", "main")
    clone.git("init", "--quiet", "--bare", "../remote")
    clone.git("remote", "add", "origin", "../remote")
    return clone


def run_workflow(folder: Path, environ: Mapping[str, str], blobs: Mapping[str, str]) -> Run:
    """Run the workflow's own shell lines, all in one checkout. Only the image's build and artifacts are imitated."""
    checkout, output, calls = folder / "checkout", folder / "output", folder / "calls"
    outputs = {"sha": environ["GITHUB_SHA"], "actor": "someone", "token": "a-token"}
    failed_step = ""
    for step in [step for job in JOBS.values() for step in job["steps"]]:
        given = evaluate(step.get("with", {}) | step.get("env", {}), outputs)
        action = step.get("uses", "").partition("@")[0]
        if action == "docker/build-push-action":
            (checkout / "layout" / "blobs" / "sha256").mkdir(parents=True)
            for name, blob in blobs.items():
                (checkout / "layout" / "blobs" / "sha256" / name).write_text(blob, encoding="utf-8")
            outputs["digest"] = f"sha256:{next(iter(blobs))}"
        elif action == "actions/upload-artifact":
            shutil.copytree(checkout / given["path"], folder / "artifacts" / given["name"])
        elif action == "actions/download-artifact":
            shutil.rmtree(checkout / given["path"], ignore_errors=True)
            shutil.copytree(folder / "artifacts" / given["name"], checkout / given["path"])
        output.write_text("", encoding="utf-8")
        script = step.get("run", f'echo "{action} {" ".join(given.values())}" >> "{calls}"')
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        env = {**os.environ, **environ, **given}
        ended = subprocess.run(command, check=False, capture_output=True, cwd=checkout, env=env, text=True)  # noqa: S603 - ours
        if ended.returncode != 0:
            failed_step = f"{step['name']}: {ended.stderr}"
            break
        outputs |= dict(line.split("=", 1) for line in output.read_text(encoding="utf-8").splitlines())
    return Run(folder, outputs, calls.read_text(encoding="utf-8"), failed_step)


def evaluate(texts: Mapping[str, str], outputs: Mapping[str, str]) -> dict[str, str]:
    """Replace expressions by the output that their last word names. actionlint checks the words before."""
    return {
        name: re.sub(r"\$\{\{ [^}]*?(\w+) \}\}", lambda match: outputs[match[1]], text) for name, text in texts.items()
    }
