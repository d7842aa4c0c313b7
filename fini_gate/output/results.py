"""The file that `results-file` asks for: written whole or not at all, in the workspace, and owned as it is."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fini_gate.errors import UsageError
from fini_gate.files import resolve
from fini_gate.inputs import quote

# As one text the document would take as much memory as all that is known of the jobs.
_JOBS_IN_A_PIECE: Final = 1000


def check_results_file(workspace: Path, given: str) -> None:
    """Make sure that the path stays inside the workspace, links followed.

    Raises:
        UsageError: it does not.
    """
    try:
        resolve(workspace, given)
    except (OSError, ValueError):
        raise UsageError(
            f"Input results-file is {quote(given)}: it must be a path inside the workspace, relative to it."
        ) from None


def write_results_file(workspace: Path, given: str, document: Mapping[str, Any]) -> None:
    """Write the document as JSON, missing folders and all; it holds a list of `jobs`.

    Raises:
        OSError: it cannot be written; a file that stood there before still does.
        ValueError: the path leads out of the workspace by now.
    """
    path = resolve(workspace, given)
    owner = workspace.stat()
    for folder in reversed([parent for parent in path.parents if not parent.exists()]):
        folder.mkdir()
        _give(folder, owner)
    # Beside its place, since a file cannot be moved at once from one file system to another.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".fini-gate.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - it opens a descriptor
            file.writelines(_pieces(document))
        Path(temporary).chmod(0o644)  # it was made for its owner's eyes alone
        _give(Path(temporary), owner)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _pieces(document: Mapping[str, Any]) -> Iterator[str]:
    head = json.dumps({name: value for name, value in document.items() if name != "jobs"})
    yield head.removesuffix("}") + ', "jobs": ['
    jobs: Sequence[object] = document["jobs"]
    for start in range(0, len(jobs), _JOBS_IN_A_PIECE):
        piece = json.dumps(jobs[start : start + _JOBS_IN_A_PIECE])
        yield (",\n" if start else "") + piece[1:-1]
    yield "]}\n"


def _give(path: Path, owner: os.stat_result) -> None:
    # The container's root owns what it makes; on a self-hosted runner nobody else could remove it later. Not every
    # file system knows owners.
    with contextlib.suppress(OSError):
        os.chown(path, owner.st_uid, owner.st_gid)
