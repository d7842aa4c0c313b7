"""A repository that is ready for its first release, with a remote; and git as on a machine that nobody has set up."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = """\
# Changelog

## [Unreleased]

## [{version}] - 2026-11-24

### Added

- What {version} adds.

[{version}]: https://example.com/{version}
"""


@dataclass(frozen=True)
class Clone:
    """A clone of the remote that all of a test's clones share."""

    folder: Path

    def git(self, *arguments: str) -> str:
        """Run git in it, and give what it printed."""
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - git

    def clone(self, folder: Path) -> Clone:
        """Make another clone of the same remote."""
        self.git("clone", "--quiet", self.git("remote", "get-url", "origin"), str(folder))
        return Clone(folder)

    def write(self, version: str) -> None:
        """Write what a release of this version needs, but for the commit."""
        pyproject = f'[project]\nname = "fini-gate"\nversion = "{version}"\n'
        (self.folder / "pyproject.toml").write_text(pyproject, encoding="utf-8")
        (self.folder / "CHANGELOG.md").write_text(CHANGELOG.format(version=version), encoding="utf-8")

    def request(self, version: str) -> str:
        """Commit to main what a release needs, ask for it by a tag, and give the commit."""
        self.write(version)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", f"chore: prepare {version}")
        self.git("tag", f"release/{version}")
        self.git("push", "--quiet", "--tags", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def remote_tags(self) -> dict[str, str]:
        """Give the tags of the remote, with what they point at."""
        lines = self.git("ls-remote", "--tags", "origin").splitlines()
        return {name.removeprefix("refs/tags/"): value for value, name in (line.split() for line in lines)}


@pytest.fixture(autouse=True)
def _bare_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a maintainer",
        "GIT_AUTHOR_EMAIL": "maintainer@example.com",
        "GIT_COMMITTER_NAME": "a maintainer",
        "GIT_COMMITTER_EMAIL": "maintainer@example.com",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def maintainer(tmp_path: Path) -> Clone:
    """Give the maintainer's clone, whose main is at the remote."""
    clone = Clone(tmp_path / "maintainer")
    clone.folder.mkdir()
    clone.git("init", "--quiet", "--initial-branch", "main")
    clone.git("init", "--quiet", "--bare", "--initial-branch", "main", str(tmp_path / "origin"))
    clone.git("remote", "add", "origin", str(tmp_path / "origin"))
    shutil.copytree(ROOT / "release", clone.folder / "release", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "action.yml", clone.folder)
    (clone.folder / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--message", "feat: all there is")
    clone.git("push", "--quiet", "--set-upstream", "origin", "main")
    return clone
