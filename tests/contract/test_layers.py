"""Holds the modules to their order: imports point inwards."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "fini_gate"

# Module → which of the project's others it may import.
LAYERS = {
    "errors": set[str](),
    "models": {"errors"},
    "pacing": set[str](),
    "escaping": set[str](),
    "inputs": {"errors", "escaping"},
    "files": set[str](),
    "job_ids": {"errors", "escaping", "files", "inputs"},
    "certificates": {"errors", "escaping", "files", "inputs"},
    "verdict": {"errors", "models"},
    "executor": {"errors"},
    "poller": {"errors", "inputs", "models", "pacing", "verdict"},
    "client": {"errors", "escaping", "inputs", "models"},
    "output": {"errors", "escaping", "files", "inputs", "models", "poller", "verdict"},
    "platforms": {"escaping", "inputs"},
}

# Library → the one module that knows it.
LIBRARIES = {
    "actions_toolkit": "platforms/github.py",
    "backoff": "client/api.py",
    "requests": "client/transport.py",
    "rich": "platforms/terminal.py",
    "urllib3": None,  # but requests
    "yaml": "job_ids/load.py",
}


def imported(path: Path) -> set[str]:
    """Give the dotted names that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files_of(module: str) -> list[Path]:
    """Give the files of a module, which may be a folder."""
    return sorted((PACKAGE / module).glob("*.py")) or [PACKAGE / f"{module}.py"]


@pytest.mark.parametrize("module", LAYERS)
def test_layers__import_only_inwards(module: str) -> None:
    """A module imports none of the project's others but those that its layer may know."""
    names = {name for path in files_of(module) for name in imported(path) if name.startswith("fini_gate.")}
    assert {name.split(".")[1] for name in names} - {module} <= LAYERS[module]


def test_layers__hold_every_module() -> None:
    """No module is left out of the layers but the composition root, and none of the order of reading."""
    modules = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert modules - {"__init__", "main"} == set(LAYERS)
    docstring = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert all(f"`{module}`" in docstring for module in modules - {"__init__"})


@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries__are_known_to_one_file(library: str) -> None:
    """Each library stands behind one file, so that to replace it is to change that file."""
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == library for name in imported(path))
    }
    assert users == {LIBRARIES[library]} - {None}
