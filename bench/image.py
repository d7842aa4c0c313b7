"""How large the image is above its base, and what a change of code rebuilds of it."""

import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from bench import machine
from bench.section import Goal, Section

# Where one of them is in a path of what was added, the path is not wanted.
UNWANTED: Final = frozenset({"pip", "tests", ".cache", "cache", "apt"})


@dataclass(frozen=True)
class Layer:
    """A layer of an image."""

    digest: str
    size_by_path: Mapping[str, int]

    @property
    def size(self) -> int:
        """What all of its files take, as Docker counts them."""
        return sum(self.size_by_path.values())

    @property
    def unwanted(self) -> list[str]:
        """The files that should not be in what was added."""
        return [path for path in self.size_by_path if UNWANTED & set(path.split("/")[:-1])]


def measure() -> Section:
    """Build the image, and again with a change of code."""
    title = "Image"
    try:
        base = machine.base_image()
    except machine.NoEngineError as error:
        return Section(title=title, prose=f"Left out: {error}.", header=(), rows=(), goals=())
    with tempfile.TemporaryDirectory(prefix="fini-gate-bench-") as name:
        folder = Path(name)
        layers = read_layers(machine.build(machine.ROOT, tag="latest"), folder)
        rebuilt = {layer.digest for layer in read_layers(_build_changed(folder), folder)}
        base_layers = {layer.digest for layer in read_layers(base, folder)}
    added = [layer for layer in layers if layer.digest not in base_layers]
    of_code = [layer for layer in added if layer.digest not in rebuilt]
    unwanted = [path for layer in added for path in layer.unwanted]
    return Section(
        title=title,
        prose=(
            f"The image above {base.partition('@')[0]}, layer by layer, and what of it a change of code rebuilds."
            f" Of pip, caches and tests there is {', '.join(unwanted[:3]) or 'nothing'}."
        ),
        header=("layer", "files", "kB", "rebuilt by a change of code"),
        rows=tuple(
            (
                str(number),
                f"{len(layer.size_by_path):,}",
                f"{layer.size / 1000:,.0f}",
                "yes" if layer in of_code else "no",
            )
            for number, layer in enumerate(added, start=1)
        ),
        goals=(
            Goal("above the base, MB", sum(layer.size for layer in added) / 1e6, 10),
            Goal("rebuilt by a change of code, kB", sum(layer.size for layer in of_code) / 1e3, 500),
            Goal("files of pip, caches and tests", len(unwanted), 0),
        ),
    )


def _build_changed(folder: Path) -> str:
    """Build the image of the same checkout with one more line of code."""
    context = folder / "context"
    context.mkdir()
    ignored = (machine.ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in ("Dockerfile", ".dockerignore", *(line[1:] for line in ignored if line.startswith("!"))):
        source, copied = machine.ROOT / name, context / name
        if source.is_dir():
            shutil.copytree(source, copied, dirs_exist_ok=True)
        else:
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copied)
    with (context / "fini_gate" / "main.py").open("a", encoding="utf-8") as code:
        code.write("CHANGED = True\n")
    return machine.build(context, tag="changed")


def read_layers(image: str, folder: Path) -> list[Layer]:
    """Read an image's layers, the lowest first."""
    saved = folder / "image.tar"
    machine.docker("save", "--output", saved, image)
    with tarfile.open(saved) as archive:
        (manifest,) = json.load(_member(archive, "manifest.json"))
        digests = json.load(_member(archive, manifest["Config"]))["rootfs"]["diff_ids"]
        return [
            Layer(digest, _sizes(_member(archive, path)))
            for digest, path in zip(digests, manifest["Layers"], strict=True)
        ]


def _member(archive: tarfile.TarFile, path: str) -> IO[bytes]:
    # None is for folders and the like.
    return cast("IO[bytes]", archive.extractfile(path))


def _sizes(layer: IO[bytes]) -> dict[str, int]:
    with tarfile.open(fileobj=layer) as files:
        return {file.name: file.size for file in files if file.isfile()}
