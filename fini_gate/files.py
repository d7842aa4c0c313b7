"""Files in the workspace: paths that stay inside it, reads of limited size, and atomic writes.

The workspace is a checkout, and its author may be hostile: links are followed, and must not lead outside.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from fini_gate.errors import UsageError, reason_of


def resolve(workspace: Path, given: str) -> Path:
    """Return the path of a file in the workspace, with all links followed.

    Raises:
        OSError: a link cannot be followed.
        ValueError: the path leads outside the workspace, or is not a valid path.
    """
    root = Path(os.path.realpath(workspace))
    path = Path(os.path.realpath(root / given))
    # Before Python 3.13, realpath stops resolving at a loop of links.
    if root not in path.parents or os.path.realpath(path) != str(path):
        raise ValueError("outside the workspace")
    return path


def read_bytes(path: Path, max_bytes: int, *, name: str, input_name: str) -> bytes:
    """Read a file that an input names. Errors call it `name`.

    Raises:
        UsageError: it is not a regular file, is larger than the limit, or cannot be read.
    """
    try:
        # Reading a device may never end, and a pipe may have no writer.
        if not path.is_file():
            raise UsageError(
                f"«Input {input_name}» names {name}, which is not a file: check the path, and that an earlier step of"
                " this job created the file."
            )
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise UsageError(f"File {name} («input {input_name}») cannot be read: {reason_of(error)}.") from None
    if len(content) > max_bytes:
        raise UsageError(
            f"File {name} («input {input_name}») is larger than {max_bytes // 1024**2} MiB: use a smaller file."
        )
    return content


def write_whole(workspace: Path, given: str, pieces: Iterable[str]) -> None:
    """Write a text file in the workspace, whole or not at all. Create missing folders.

    Raises:
        OSError: the file cannot be written. An earlier file at the path is unchanged.
        ValueError: the path leads outside the workspace.
    """
    path = resolve(workspace, given)
    owner = workspace.stat()
    for folder in reversed([parent for parent in path.parents if not parent.exists()]):
        folder.mkdir()
        _set_owner(folder, owner)
    # In the same folder, because a file cannot be renamed from one file system to another.
    descriptor, temporary_name = tempfile.mkstemp(dir=path.parent, prefix=".fini-gate.")
    temporary = Path(temporary_name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(piece.encode() for piece in pieces)
        temporary.chmod(0o644)  # mkstemp makes it readable by its owner only
        _set_owner(temporary, owner)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _set_owner(path: Path, owner: os.stat_result) -> None:
    # The container runs as root, and on a self-hosted runner nobody else could delete root's files.
    # Some file systems have no owners.
    with contextlib.suppress(OSError):
        os.chown(path, owner.st_uid, owner.st_gid)
