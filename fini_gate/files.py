"""Paths that must not lead out of the workspace, links followed. The workspace is a checkout, which may mean harm."""

import os
from pathlib import Path


def resolve(workspace: Path, given: str) -> Path:
    """The path that stands for one in the workspace, without links.

    Raises:
        OSError: a link leads nowhere, or in a circle.
        ValueError: it leads out of the workspace, or is no path.
    """
    root = Path(os.path.realpath(workspace))
    path = Path(os.path.realpath(root / given))
    if root not in path.parents:
        raise ValueError("outside the workspace")
    return path
