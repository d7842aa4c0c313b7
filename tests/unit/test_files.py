import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fini_gate.errors import UsageError
from fini_gate.files import read_bytes, resolve, write_whole

OWNER = (1234, 1235)
SECRET = "nobody inside may read or change this"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with a file and a folder, links inside and outside, and a secret beside it."""
    path = tmp_path / "workspace"
    (path / "folder").mkdir(parents=True)
    (path / "file").write_text("before")
    (path / "inside").symlink_to("folder")
    (path / "outside").symlink_to("..")
    (path / "secret").symlink_to("../secret")
    (path / "far").symlink_to("secret")
    (path / "loop").symlink_to("loop")
    (tmp_path / "secret").write_text(SECRET)
    return path


def _files(workspace: Path) -> dict[str, str]:
    """Return the files in the workspace, and check that those beside it are as before."""
    assert {path.name for path in workspace.parent.iterdir()} == {"workspace", "secret"}
    assert (workspace.parent / "secret").read_text() == SECRET
    files = (path for path in workspace.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(workspace)): path.read_text() for path in files}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        *(("file", "file"), ("new", "new"), ("./folder/../a//b", "a/b"), ("../workspace/file", "file")),
        *(("{workspace}/file", "file"), ("inside/a", "folder/a")),
    ],
)
def test_resolve__follows_links_inside_the_workspace(workspace: Path, given: str, expected: str) -> None:
    """A path is relative to the workspace or absolute. It need not exist."""
    assert resolve(workspace, given.format(workspace=workspace)) == workspace / expected


@pytest.mark.parametrize(
    "given",
    [
        *("..", ".", "folder/..", "/", "/etc/passwd", "../secret", "folder/../../secret", "../workspace-2/a", "a\0b"),
        *("secret", "far", "outside", "outside/secret", "outside/new/a", "../workspace"),
    ],
)
def test_resolve__rejects_paths_outside_the_workspace(workspace: Path, given: str) -> None:
    """A path that leads outside, by itself or through links, is an error."""
    with pytest.raises(ValueError, match=r"^outside the workspace$|null"):
        resolve(workspace, given)


def test_resolve__follows_a_link_to_the_workspace(workspace: Path) -> None:
    """A workspace reached through a link is the folder that the link leads to."""
    assert resolve(workspace / "outside" / "workspace", "file") == workspace / "file"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["folder", "missing", "loop", "file/file", "pipe", "/dev/zero"])
def test_read_bytes__reads_only_files(workspace: Path, name: str) -> None:
    """A folder, a pipe without a writer and an endless device are errors at once."""
    os.mkfifo(workspace / "pipe")
    with pytest.raises(UsageError) as error:
        read_bytes(workspace / name, 10, name="'x'", input_name="ca-bundle")
    assert str(error.value) == (
        "Input ca-bundle names 'x', which is not a file: check the path, and that an earlier step created the file."
    )


def test_read_bytes__has_a_limit(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the maximum size is read. Of a larger one, which may be growing, no more than needed is read."""
    assert read_bytes(workspace / "file", 6, name="'x'", input_name="y") == b"before"

    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert size >= 0, "it has no end"
            return b" " * size

    monkeypatch.setattr(Path, "open", lambda *_: Endless())
    with pytest.raises(UsageError) as error:
        read_bytes(workspace / "file", 2 * 1024**2, name="'x'", input_name="y")
    assert str(error.value) == "File 'x' (input y) is larger than 2 MiB: use a smaller file."


def test_read_bytes__names_the_systems_reason() -> None:
    """A file that cannot be read is an error with the reason that the operating system gives."""
    with pytest.raises(UsageError) as error:
        read_bytes(Path("/proc/self/mem"), 10, name="'x'", input_name="y")
    assert str(error.value) == "File 'x' (input y) cannot be read: Input/output error."


@pytest.mark.parametrize(
    "given", ["new", "deep/er/new", "inside/new", "a b/résultats 😀", "x" * 255, "界" * 85, "file"]
)
def test_write_whole__creates_or_replaces_a_file(workspace: Path, given: str) -> None:
    """Missing folders are created, an earlier file is replaced whatever its permissions, and nothing else is left."""
    (workspace / "file").chmod(0o400)
    expected = {**_files(workspace), given.replace("inside", "folder"): "é\n😀"}
    write_whole(workspace, given, ["é\n", "😀"])
    assert _files(workspace) == expected
    assert (workspace / given).stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_write_whole__makes_the_workspaces_owner_the_owner(workspace: Path) -> None:
    """The file and the new folders belong to the owner of the workspace. Existing folders keep their owner."""
    os.chown(workspace, *OWNER)
    write_whole(workspace, "folder/a/b/new", ["x"])
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in (workspace / "folder").rglob("*")}
    assert owners == dict.fromkeys(["a", "b", "new"], OWNER)
    assert (workspace / "folder").stat().st_uid == 0


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP])
def test_write_whole__works_without_owners(workspace: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A file system or user namespace that rejects the owner does not cost the file."""

    def reject(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "chown", reject)
    write_whole(workspace, "a/new", ["x"])
    assert _files(workspace)["a/new"] == "x"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        *(("secret", ValueError), ("outside/new", ValueError), ("outside/secret", ValueError)),
        *(("loop/new", OSError), ("file/new", OSError), ("folder", OSError), ("folder/" + "x" * 300, OSError)),
        ("gone/" * 1000 + "x", OSError),
    ],
    ids=lambda given: str(given)[:20],
)
def test_write_whole__changes_nothing_where_it_cannot_write(
    workspace: Path, given: str, problem: type[Exception]
) -> None:
    """A path that is impossible, or that a link planted since the first check leads outside, changes no file."""
    before = _files(workspace)
    with pytest.raises(problem, match=r"outside the workspace|\[Errno"):
        write_whole(workspace, given, ["x"])
    assert _files(workspace) == before


@pytest.mark.parametrize("is_removed", [False, True])
def test_write_whole__leaves_no_part_of_a_file(workspace: Path, *, is_removed: bool) -> None:
    """If writing fails, such as on a full disk, the earlier file is unchanged, and no part of the new one is left."""

    def fail() -> Iterator[str]:
        yield "x" * 100_000
        (part,) = workspace.glob(".fini-gate.*")
        if is_removed:
            part.unlink()
        raise OSError(errno.ENOSPC, "No space left on device")

    before = _files(workspace)
    with pytest.raises(OSError, match="No space left"):
        write_whole(workspace, "file", fail())
    assert _files(workspace) == before


def test_write_whole__does_not_create_the_workspace(tmp_path: Path) -> None:
    """A workspace that does not exist is an error."""
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "gone", "new", ["x"])
    assert not (tmp_path / "gone").exists()
