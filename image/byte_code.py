"""Compile every module that the gate can import; the Dockerfile's build stage runs this.

The base image has no byte code of its standard library, and all of it would be too large. So this script imports
everything that the gate's code names, even inside functions, and compiles the modules that this loads.
"""

import ast
import codecs
import importlib
import py_compile
import sys
from contextlib import suppress
from pathlib import Path

# Each becomes a layer on top of the base image's root.
DEPENDENCIES = Path("/added/dependencies")
CODE = Path("/added/code")

sys.path[:0] = [str(CODE / "fini-gate"), *map(str, DEPENDENCIES.rglob("*-packages"))]
for path in CODE.rglob("*.py"):
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = []
        match node:
            case ast.Import(aliases):
                names = [alias.name for alias in aliases]
            case ast.ImportFrom(str(module), aliases):
                names = [module, *(f"{module}.{alias.name}" for alias in aliases)]
            case ast.Constant(str(text)):
                # If it is the name of an encoding, this imports the encoding's module.
                with suppress(LookupError, ValueError):
                    codecs.lookup(text)
        for name in names:
            # Not a module, or not in the image.
            with suppress(ImportError):
                importlib.import_module(name)

for spec in [getattr(module, "__spec__", None) for module in sys.modules.values()]:
    # The other modules are built in, frozen or written in C.
    if spec is None or spec.cached is None:
        continue
    source, target = Path(spec.origin), Path(spec.cached)
    layer = next((layer for layer in (DEPENDENCIES, CODE) if source.is_relative_to(layer)), Path("/"))
    installed = "/" / source.relative_to(layer)
    if layer == Path("/"):
        target = DEPENDENCIES / target.relative_to("/")
    # The files of an image do not change: Python need not compare byte code with its source.
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), str(target), str(installed), doraise=True, invalidation_mode=unchecked)
