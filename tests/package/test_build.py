import re
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.metadata import Metadata
from packaging.version import Version
from trove_classifiers import classifiers

import fini_gate
from tests.e2e.machine import ROOT, call, run
from tests.package.conftest import DIST, built

pytestmark = pytest.mark.package

TRACKED: Final = call("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
PYPROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME: Final = f"fini_gate-{Version(fini_gate.__version__)}"


def below(*paths: str) -> set[str]:
    """Return the repository's files that are one of these paths or below one."""
    return {name for name in TRACKED if name.startswith(tuple(f"{path}/" for path in paths)) or name in paths}


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_build__gives_the_same_bytes_each_time(checkout: Path) -> None:
    """A build in another folder, from files with other times and modes, gives the same wheel, sdist and completions."""
    venv = Path(sys.prefix).parent
    date = call("git", "log", "-1", "--format=%ct").strip()
    # The environment is there already, although the copied lock file is newer.
    make = ("make", "--directory", checkout, f"--old-file={venv}/build/.ready", f"VENV={venv}")
    call(*make, "dist", f"SOURCE_DATE_EPOCH={date}")
    assert read_files(checkout / "dist") == read_files(DIST)


def test_wheel__contains_the_gate_alone() -> None:
    """The wheel contains every file of the package, its metadata and the licence."""
    with zipfile.ZipFile(built(".whl")) as wheel:
        names = set(wheel.namelist())
    metadata = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert names == below("fini_gate") | {f"{NAME}.dist-info/{name}" for name in metadata}
    assert "fini_gate/py.typed" in names


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """Unpack the sdist."""
    with tarfile.open(built(".tar.gz")) as sdist:
        sdist.extractall(tmp_path, filter="data")
    return tmp_path / NAME


def test_sdist__contains_what_builds_and_tests_the_gate(unpacked: Path) -> None:
    """The sdist contains what pyproject.toml lists and what the wheel is built from, and nothing else."""
    included = PYPROJECT["tool"]["flit"]["sdist"]["include"]
    built_from = ("pyproject.toml", "LICENSE", "fini_gate", PYPROJECT["project"]["readme"])
    assert read_files(unpacked).keys() == below(*included, *built_from) | {"PKG-INFO"}


def test_sdist__runs_its_tests(unpacked: Path) -> None:
    """All tests of the sdist can be imported, and those that read its golden files pass."""
    ended = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "golden", cwd=unpacked)
    assert ended.returncode == 0, ended.stdout[-1000:]


def test_metadata__is_what_a_package_index_accepts() -> None:
    """The metadata is valid, complete and that of this version; the index knows every classifier."""
    with zipfile.ZipFile(built(".whl")) as wheel:
        metadata = Metadata.from_email(wheel.read(f"{NAME}.dist-info/METADATA"), validate=True)
    assert (metadata.name, metadata.version) == ("fini-gate", Version(fini_gate.__version__))
    assert (metadata.license_expression, metadata.license_files) == ("MIT", ["LICENSE"])
    assert (metadata.description or "").strip() == (ROOT / "docs" / "package.md").read_text(encoding="utf-8").strip()
    assert metadata.description_content_type == "text/markdown"
    assert set(metadata.classifiers or ()) <= classifiers
    assert metadata.summary
    assert metadata.keywords
    project = PYPROJECT["project"]
    assert metadata.project_urls == project["urls"]
    required, extra = project["dependencies"], project["optional-dependencies"]["github"]
    assert sorted_requirements(map(str, metadata.requires_dist or ())) == sorted_requirements(
        [*required, *(f'{line}; extra == "github"' for line in extra)]
    )


def sorted_requirements(lines: Iterable[str]) -> list[str]:
    """Return requirements in one order and spelling."""
    return sorted(re.sub(r"\s*([;=<>]+)\s*", r"\1", line) for line in lines)
