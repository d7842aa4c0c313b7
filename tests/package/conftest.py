"""What `make dist` has built, and environments that hold nothing but that and its locked dependencies."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest

from fake_fini import FakeFini
from tests.e2e.machine import ROOT, call, run
from tests.integration.clients import KEY, serving

DIST: Final = ROOT / "dist"
UV: Final = Path(os.environ.get("UV", "uv"))
# `make package` names those of the supported versions that are installed.
PYTHONS: Final = os.environ.get("FINI_GATE_PYTHONS", sys.executable).split()
LOCK: Final = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Environment:
    """A virtual environment with fini-gate."""

    folder: Path
    extras: frozenset[str]

    @property
    def command(self) -> Path:
        """The command that users run."""
        return self.folder / "bin" / "fini-gate"

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return self.folder / "bin" / "python"

    @property
    def distributions(self) -> dict[str, metadata.Distribution]:
        """Everything that is installed, by its normalized name."""
        path = self.folder / "lib" / f"python{self.version}" / "site-packages"
        return {normalize(found.metadata["Name"]): found for found in metadata.distributions(path=[str(path)])}

    @property
    def version(self) -> str:
        """The version of its Python, such as 3.13."""
        (path,) = self.folder.glob("lib/python3.*")
        return path.name.removeprefix("python")


def normalize(name: str) -> str:
    """Return a distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def built(suffix: str) -> Path:
    """Return the one file in dist/ with this suffix."""
    (path,) = DIST.glob(f"fini_gate-*{suffix}")
    return path


def create_environment(folder: Path, python: str, package: Path, *extras: str) -> Environment:
    """Install the locked dependencies, and then the wheel or the sdist alone."""
    # The packages of extras that are not asked for stay out.
    lock = LOCK if "github" in extras else re.sub(r"(?m)^actions-toolkit==(.*\\\n)+.*\n", "", LOCK)
    folder.mkdir()
    (folder / "lock.txt").write_text(lock, encoding="utf-8")
    call(UV, "venv", "--quiet", "--python", python, folder / "venv")
    install = (UV, "pip", "install", "--quiet", "--no-deps", "--python", folder / "venv")
    call(*install, "--require-hashes", "--only-binary", ":all:", "--requirement", folder / "lock.txt")
    # An sdist is built in isolation, as for a user, but by the locked backend.
    call(*install, "--build-constraints", ROOT / "requirements" / "build.txt", package)
    return Environment(folder / "venv", frozenset(extras))


@pytest.fixture(
    scope="session",
    params=[(python, kind) for python in PYTHONS for kind in ("wheel", "wheel[github]")] + [(PYTHONS[0], "sdist")],
    ids=lambda param: f"{Path(param[0]).resolve().name}-{param[1]}",
)
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Install fini-gate on a supported Python, with or without the extra."""
    python, kind = request.param
    package = built(".tar.gz" if kind == "sdist" else ".whl")
    extras = ("github",) if "github" in kind else ()
    return create_environment(tmp_path_factory.mktemp("environment") / "it", python, package, *extras)


@dataclass(frozen=True)
class Ended:
    """A gate that has ended."""

    exit_code: int
    output: str
    errors: str


@dataclass(frozen=True)
class Shell:
    """A user's shell: a folder to work in, and a stand-in for Fini."""

    folder: Path
    api: FakeFini

    def run(self, *command: str | Path, **environ: str) -> Ended:
        """Run a command as if it were typed there."""
        variables: Mapping[str, str] = {
            "PATH": "/usr/bin:/bin",
            "FINI_API_KEY": KEY,
            "FINI_GATE_API_URL": self.api.url,
            "FINI_GATE_POLL_INTERVAL": "100ms",
            **environ,
        }
        ended = run(*command, cwd=self.folder, env=variables)
        return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Serve two jobs, of which one fails; the first response is a 503."""
    jobs = {"id": "done", "article-id": "article-1"}, {"id": "broken", "ends-as": "FAILED", "error": "no text"}
    with serving(*jobs, faults=[{"requests": 1, "do": {"status": 503}}], api_keys={KEY: ["read"]}) as api:
        (tmp_path / "ids.yaml").write_text("- done\n", encoding="utf-8")
        yield Shell(tmp_path, api)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy the repository with other times and modes, plus what a working copy collects."""
    folder = tmp_path / "checkout"
    for name in filter(None, call("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
            (folder / name).chmod(0o700 if os.access(ROOT / name, os.X_OK) else 0o600)
    for name in ("fini_gate/__pycache__/main.pyc", "tests/unit/__pycache__/x.pyc", ".venv/x.py", "dist/x.whl"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("junk", encoding="utf-8")
    return folder
