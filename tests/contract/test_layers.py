"""Check that imports point inwards."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "fini_gate"

# Module → the project's modules that it may import.
LAYERS = {
    "names": set[str](),
    "errors": {"names"},
    "settings": {"errors", "names"},
    "models": {"errors"},
    "records": {"models"},
    "pacing": set[str](),
    "escaping": set[str](),
    "addresses": set[str](),
    "durations": set[str](),
    "inputs": {"addresses", "durations", "errors", "escaping", "settings"},
    "api_key": {"errors", "settings"},
    "cli": {"errors", "inputs", "settings"},
    "files": {"errors"},
    "job_ids": {"errors", "escaping", "files", "inputs"},
    "certificates": {"errors", "escaping", "files", "inputs"},
    "verdict": {"errors", "models", "names"},
    "executor": {"errors"},
    "tracking": {"inputs", "models"},
    "deadlines": {"durations", "errors", "inputs", "models", "verdict"},
    "poller": {"deadlines", "errors", "inputs", "models", "pacing", "tracking", "verdict"},
    "publication": {"durations", "errors", "models", "poller", "records", "verdict"},
    "details": {"deadlines", "errors", "models", "records", "verdict"},
    "client": {"addresses", "durations", "errors", "escaping", "models", "records"},
    "output": {
        *("durations", "errors", "escaping", "files", "inputs", "models", "names", "poller", "settings", "verdict"),
    },
    "platforms": {"api_key", "errors", "escaping", "settings"},
}

# They start the program and wire its parts.
ROOTS = ("__main__", "start", "main")

# Library → the only file that imports it.
LIBRARIES = {
    "actions_toolkit": "platforms/github.py",
    "backoff": "client/retry.py",
    "requests": "client/transport.py",
    "argparse": "cli.py",
    "urllib3": None,  # only requests does
    "yaml": "job_ids/yaml_parser.py",
}


def imported_names(path: Path) -> set[str]:
    """Return the dotted names that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("module", LAYERS)
def test_layers__import_only_inwards(module: str) -> None:
    """A module imports only those of the project's other modules that its layer allows."""
    paths = [PACKAGE / f"{module}.py", *(PACKAGE / module).rglob("*.py")]
    names = {name for path in paths if path.exists() for name in imported_names(path) if name.startswith("fini_gate.")}
    assert {name.split(".")[1] for name in names} - {module, "__version__"} <= LAYERS[module]


def test_layers__include_every_module() -> None:
    """Each module but the composition root has a layer, and the package's docstring names each."""
    modules = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert modules - {"__init__", *ROOTS} == set(LAYERS)
    docstring = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert all(f"`{module}`" in docstring for module in modules - {"__init__"})


@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries__are_imported_by_one_file(library: str) -> None:
    """Only one file imports a library, so replacing the library means changing that file."""
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if library in {name.split(".")[0] for name in imported_names(path)}
    }
    assert users == {LIBRARIES[library]} - {None}
