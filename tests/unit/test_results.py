import errno
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import UsageError
from fini_gate.output.results import check_results_file, write_results_file

DOCUMENT = {"version": 1, "message": "ünïcode 😀 \ud800", "jobs": [{"id": "a", "reason": None}]}
OWNER = 1234


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with something beside it that is none of the gate's business."""
    (tmp_path / "outside").mkdir()
    path = tmp_path / "workspace"
    path.mkdir()
    return path


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@contextmanager
def _full_disk() -> Iterator[None]:
    """No file may grow beyond a few bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(
    "given_path",
    [
        *("results.json", "out/deep/results.json", "./out/../results.json", "out/../out//results.json"),
        *(".results", "a b/résultats 😀.json", "x" * 255, "界" * 85),
    ],
    ids=lambda given_path: given_path[:30],
)
def test_results_file__is_written(workspace: Path, given_path: str) -> None:
    """The document is written as JSON to the path in the workspace, missing folders are made, and nothing is left."""
    (workspace / "out").mkdir()
    check_results_file(workspace, given_path)
    write_results_file(workspace, given_path, DOCUMENT)
    assert json.loads((workspace / given_path).read_text(encoding="utf-8")) == DOCUMENT
    assert len(_files(workspace)) == 1


def test_results_file__may_be_given_absolute(workspace: Path) -> None:
    """A path from the root that lies in the workspace is one inside the workspace."""
    given_path = str(workspace / "results.json")
    check_results_file(workspace, given_path)
    write_results_file(workspace, given_path, DOCUMENT)
    assert _files(workspace) == ["results.json"]


def test_results_file__replaces_the_one_before(workspace: Path) -> None:
    """A file that stood there is replaced as a whole, whatever its length and its rights."""
    path = workspace / "results.json"
    path.write_text("x" * 10_000)
    path.chmod(0o400)
    write_results_file(workspace, "results.json", DOCUMENT)
    assert json.loads(path.read_text()) == DOCUMENT


def test_results_file__may_be_read_by_everyone(workspace: Path) -> None:
    """Later steps may run as somebody else, and can read the file."""
    write_results_file(workspace, "results.json", DOCUMENT)
    assert (workspace / "results.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_results_file__belongs_to_the_owner_of_the_workspace(workspace: Path) -> None:
    """The file and the folders made for it are the workspace owner's; folders that stood before stay whose they are."""
    (workspace / "before").mkdir()
    os.chown(workspace, OWNER, OWNER + 1)
    write_results_file(workspace, "before/a/b/results.json", DOCUMENT)
    owners = {
        str(path.relative_to(workspace)): (path.stat().st_uid, path.stat().st_gid) for path in workspace.rglob("*")
    }
    assert owners.pop("before") == (0, 0)
    assert owners == dict.fromkeys(["before/a", "before/a/b", "before/a/b/results.json"], (OWNER, OWNER + 1))


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP])
def test_results_file__is_written_where_owners_cannot_be_set(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A file system or user namespace that refuses the owner does not cost the results."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "chown", refuse)
    write_results_file(workspace, "out/results.json", DOCUMENT)
    assert _files(workspace) == ["out/results.json"]


@pytest.mark.parametrize(
    "given_path",
    [
        *("../results.json", "..", ".", "a/..", "a/../../outside/results.json", "/tmp/results.json", "/"),  # noqa: S108
        *("../workspace", "../workspace-2/results.json", "a\0b"),
        *("out", "out/results.json", "out/new/results.json", "link.json", "far.json"),
    ],
)
def test_results_file__outside_the_workspace_is_refused(workspace: Path, given_path: str) -> None:
    """A path that leads out of the workspace, by itself or over links, is a usage error."""
    (workspace / "out").symlink_to("../outside")
    (workspace / "link.json").symlink_to("../outside/link.json")
    (workspace / "far.json").symlink_to("link.json")
    with pytest.raises(UsageError) as refusal:
        check_results_file(workspace, given_path)
    assert str(refusal.value).startswith(
        f"Input results-file is {given_path!r}: it must be a path inside the workspace"
    )


def test_results_file__over_a_link_in_a_circle_cannot_be_written(workspace: Path) -> None:
    """A folder that is a link to itself is an error of the file system, and stays as it is."""
    (workspace / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=r"\[Errno"):
        write_results_file(workspace, "loop/results.json", DOCUMENT)
    assert _files(workspace) == ["loop"]


def test_results_file__inside_over_links_is_written(workspace: Path) -> None:
    """Links that stay inside the workspace are followed, and stay links."""
    (workspace / "real").mkdir()
    (workspace / "link").symlink_to("real")
    (workspace / "results.json").symlink_to("link/new.json")
    check_results_file(workspace, "results.json")
    write_results_file(workspace, "results.json", DOCUMENT)
    assert (workspace / "results.json").is_symlink()
    assert json.loads((workspace / "real" / "new.json").read_text()) == DOCUMENT


def test_results_file__in_a_workspace_that_is_a_link_is_written(workspace: Path) -> None:
    """A workspace reached over a link is the folder that the link leads to."""
    link = workspace.parent / "link"
    link.symlink_to(workspace)
    check_results_file(link, "results.json")
    write_results_file(link, "results.json", DOCUMENT)
    assert _files(workspace) == ["results.json"]


def test_results_file__does_not_leave_over_a_link_that_came_later(workspace: Path) -> None:
    """A link planted after the check does not make the file land outside."""
    check_results_file(workspace, "out/results.json")
    (workspace / "out").symlink_to("../outside")
    with pytest.raises(ValueError, match="outside the workspace"):
        write_results_file(workspace, "out/results.json", DOCUMENT)
    assert _files(workspace.parent / "outside") == []


def test_results_file__is_written_whole_or_not_at_all(workspace: Path) -> None:
    """Where the disk is full the file from before stays as it was, and no part of the new one is left."""
    path = workspace / "results.json"
    path.write_text("before")
    with pytest.raises(OSError, match="File too large"), _full_disk():
        write_results_file(workspace, "results.json", DOCUMENT)
    assert path.read_text() == "before"
    assert _files(workspace) == ["results.json"]


@pytest.mark.parametrize("given_path", ["file/results.json", "folder", "folder/" + "x" * 300, "gone/" * 1000 + "x"])
def test_results_file__at_an_impossible_place_changes_nothing(workspace: Path, given_path: str) -> None:
    """A folder where the file should be, a file where a folder should, or a name too long leave all as it was."""
    (workspace / "file").write_text("before")
    (workspace / "folder").mkdir()
    (workspace / "folder" / "kept").write_text("before")
    with pytest.raises(OSError, match=r"\[Errno"):
        write_results_file(workspace, given_path, DOCUMENT)
    assert _files(workspace) == ["file", "folder/kept"]
    assert (workspace / "file").read_text() == "before"


def test_results_file__in_a_workspace_that_is_gone_cannot_be_written(workspace: Path) -> None:
    """Without the workspace there is an error, and no new folder in its place."""
    workspace.rmdir()
    with pytest.raises(FileNotFoundError):
        write_results_file(workspace, "results.json", DOCUMENT)
    assert not workspace.exists()


@given(st.lists(st.sampled_from(["..", ".", "a", "in", "out", "", "\udcff", "é"]), max_size=6).map("/".join))
def test_results_file__any_path_stays_inside_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, given_path: str
) -> None:
    """Whatever the path, it is refused, cannot be written, or is written inside; outside nothing changes."""
    base = tmp_path_factory.mktemp("base")
    workspace = base / "deep" / "workspace"
    (workspace / "a").mkdir(parents=True)
    (workspace / "in").symlink_to("a")
    (workspace / "out").symlink_to("..")
    try:
        check_results_file(workspace, given_path)
        write_results_file(workspace, given_path, DOCUMENT)
    except (UsageError, OSError):
        assert _files(workspace) == []
    else:
        (written,) = _files(workspace)
        assert json.loads((workspace / written).read_text()) == DOCUMENT
    assert all(name.startswith("deep/workspace/") for name in _files(base))
