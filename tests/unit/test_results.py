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
from fini_gate.output.results import check_results_file, results_json, write_results_file
from tests.unit.verdicts import ALL, COMPLETED, HOSTILE, many, verdict

VERDICT = verdict(*ALL, COMPLETED._replace(id=HOSTILE))
DOCUMENT = json.loads("".join(results_json(VERDICT)))
OWNER = 1234


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Provide a workspace next to a folder that is none of the gate's business."""
    (tmp_path / "outside").mkdir()
    path = tmp_path / "workspace"
    path.mkdir()
    return path


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@contextmanager
def _full_disk() -> Iterator[None]:
    """Let no file grow beyond a few bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("count", [0, 1, 1000, 2001])
def test_document__holds_every_job_once(count: int) -> None:
    """However many pieces it is written in, the document is JSON with every job in order."""
    jobs = many(COMPLETED, count)
    document = json.loads("".join(results_json(verdict(*jobs, elapsed_seconds=1.26))))
    assert [job["id"] for job in document["jobs"]] == [job.id for job in jobs]
    assert document["elapsedSeconds"] == 1.3


@pytest.mark.parametrize(
    "path",
    [
        *("results.json", "out/deep/results.json", "./out/../results.json", "out/../out//results.json"),
        *(".results", "a b/résultats 😀.json", "x" * 255, "link/results.json", "link.json", "{workspace}/results.json"),
    ],
    ids=lambda path: path[:30],
)
def test_results_file__is_written(workspace: Path, path: str) -> None:
    """The file is written whole, for everyone to read, over an earlier one, in new folders, through links inside."""
    (workspace / "out").mkdir()
    (workspace / "link").symlink_to("out")
    (workspace / "link.json").symlink_to("out/results.json")
    linked_workspace = workspace.parent / "workspace-link"
    linked_workspace.symlink_to(workspace)
    written = workspace / path.format(workspace=workspace)
    for _ in range(2):
        check_results_file(linked_workspace, path.format(workspace=workspace))
        write_results_file(linked_workspace, path.format(workspace=workspace), VERDICT)
        assert json.loads(written.read_text(encoding="utf-8")) == DOCUMENT
        assert written.stat().st_mode & 0o777 == 0o644
        written.write_text("x" * 100_000)
        written.chmod(0o400)
    assert sum(not (workspace / name).is_symlink() for name in _files(workspace)) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_results_file__belongs_to_the_owner_of_the_workspace(workspace: Path) -> None:
    """The file and the folders made for it belong to the workspace's owner; earlier folders stay whose they are."""
    (workspace / "before").mkdir()
    os.chown(workspace, OWNER, OWNER + 1)
    write_results_file(workspace, "before/a/b/results.json", VERDICT)
    stats = {str(path.relative_to(workspace)): path.stat() for path in workspace.rglob("*")}
    owners = {name: (stat.st_uid, stat.st_gid) for name, stat in stats.items()}
    assert owners.pop("before") == (0, 0)
    assert owners == dict.fromkeys(["before/a", "before/a/b", "before/a/b/results.json"], (OWNER, OWNER + 1))


def test_results_file__is_written_if_owners_cannot_be_set(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system or user namespace that refuses the owner does not cost the results."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    write_results_file(workspace, "out/results.json", VERDICT)
    assert _files(workspace) == ["out/results.json"]


@pytest.mark.parametrize(
    "path",
    [
        *("../results.json", "..", ".", "a/..", "a/../../outside/results.json", "/tmp/results.json", "/"),  # noqa: S108 - never written
        *("../workspace", "../workspace-2/results.json", "a\0b"),
        *("out", "out/results.json", "out/new/results.json", "link.json", "far.json"),
    ],
)
def test_results_file__outside_the_workspace_is_refused(workspace: Path, path: str) -> None:
    """A path that leads out of the workspace, by itself or through links, is a usage error."""
    (workspace / "out").symlink_to("../outside")
    (workspace / "link.json").symlink_to("../outside/link.json")
    (workspace / "far.json").symlink_to("link.json")
    with pytest.raises(UsageError) as refusal:
        check_results_file(workspace, path)
    assert str(refusal.value) == (
        f"Input results-file is {path!r}: it must be a path inside the workspace, relative to it."
    )


def test_results_file__does_not_leave_through_a_link_that_came_later(workspace: Path) -> None:
    """A link that is planted after the check does not put the file outside."""
    check_results_file(workspace, "out/results.json")
    (workspace / "out").symlink_to("../outside")
    with pytest.raises(ValueError, match="outside the workspace"):
        write_results_file(workspace, "out/results.json", VERDICT)
    assert _files(workspace.parent / "outside") == []


def test_results_file__is_written_whole_or_not_at_all(workspace: Path) -> None:
    """On a full disk the earlier file is unchanged, and no part of the new one is left."""
    path = workspace / "results.json"
    path.write_text("before")
    with pytest.raises(OSError, match="File too large"), _full_disk():
        write_results_file(workspace, "results.json", VERDICT)
    assert path.read_text() == "before"
    assert _files(workspace) == ["results.json"]


@pytest.mark.parametrize(
    "path", ["file/results.json", "folder", "folder/" + "x" * 300, "gone/" * 1000 + "x", "loop/results.json"]
)
def test_results_file__in_an_impossible_place_changes_nothing(workspace: Path, path: str) -> None:
    """A folder in the file's place, a file in a folder's, a circle or a name that is too long leave all as it was."""
    (workspace / "file").write_text("before")
    (workspace / "folder").mkdir()
    (workspace / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=r"\[Errno"):
        write_results_file(workspace, path, VERDICT)
    assert _files(workspace) == ["file", "loop"]
    assert (workspace / "file").read_text() == "before"


@given(st.lists(st.sampled_from(["..", ".", "a", "in", "out", "", "\udcff", "é"]), max_size=6).map("/".join))
def test_results_file__at_any_path_stays_inside_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, path: str
) -> None:
    """Whatever the path, it is refused, cannot be written, or is written inside; outside nothing changes."""
    base = tmp_path_factory.mktemp("base")
    workspace = base / "deep" / "workspace"
    (workspace / "a").mkdir(parents=True)
    (workspace / "in").symlink_to("a")
    (workspace / "out").symlink_to("..")
    try:
        check_results_file(workspace, path)
        write_results_file(workspace, path, VERDICT)
    except (UsageError, OSError):
        assert _files(workspace) == []
    else:
        (written,) = _files(workspace)
        assert json.loads((workspace / written).read_text()) == DOCUMENT
    assert all(name.startswith("deep/workspace/") for name in _files(base))
