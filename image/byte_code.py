"""What the Dockerfile's build stage runs: compiles what a gate imports, of its own, its dependencies and the base.

The base image comes without byte code of the standard library, and all of it would be several times what the gate
needs. So what the gate's code names is imported, wherever it stands there, and what is loaded then is compiled. No list
of modules is to be kept, and a test looks at a container whose gates have ended: Python has compiled nothing in it.
"""

import ast
import codecs
import contextlib
import importlib
import os
import py_compile
import sys
from pathlib import Path
from typing import Final

# Each is laid over the base image's root, as a layer of its own.
DEPENDENCIES: Final = Path("/added/dependencies")
CODE: Final = Path("/added/code")
GATE: Final = CODE / "fini-gate"


def import_what_is_named() -> None:
    """Do each import of the gate's code, those inside functions too. Encodings are modules that a text names."""
    for path in GATE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            match node:
                case ast.Import():
                    for alias in node.names:
                        import_if_there(alias.name)
                case ast.ImportFrom(module=str(name)):
                    import_if_there(name)
                case ast.Constant(value=str(name)):
                    # Any other text.
                    with contextlib.suppress(LookupError, ValueError):
                        codecs.lookup(name)


def import_if_there(name: str) -> None:
    """Import a module, unless it is one that the image is without, such as rich."""
    with contextlib.suppress(ImportError):
        importlib.import_module(name)


def compile_what_is_loaded() -> None:
    """Compile the modules that are loaded, under the names and to the places that they have in the image."""
    library = Path(os.__file__).parent
    for spec in [getattr(module, "__spec__", None) for module in sys.modules.values()]:
        # The others are built in, frozen, or written in C.
        if spec is None or spec.cached is None:
            continue
        source, target = Path(spec.origin), Path(spec.cached)
        if source.is_relative_to(library):
            compile_module(source, source, DEPENDENCIES / target.relative_to("/"))
        for layer in (DEPENDENCIES, CODE):
            if source.is_relative_to(layer):
                compile_module(source, "/" / source.relative_to(layer), target)


def compile_module(source: Path, name: Path, target: Path) -> None:
    """Compile a module that is to go by this name. It is never compared with its source: an image's files are fixed."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), str(target), str(name), doraise=True, invalidation_mode=unchecked)


if __name__ == "__main__":
    sys.path[:0] = [str(GATE), *map(str, DEPENDENCIES.rglob("*-packages"))]
    import_what_is_named()
    compile_what_is_loaded()
