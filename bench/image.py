"""Builds the image: how much it adds to its base, and how much of it a code change rebuilds."""

import functools
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, cast

from bench.processes import ROOT
from bench.report import Goal, Section

NO_ENGINE: Final = "this machine has no Docker engine or no base image (tests/e2e/provide says why)"
# It was 9.62 MB before the image was a command too, which may take 0.3 MB.
MAX_ADDED_MB: Final = 9.92
MAX_REBUILT_KB: Final = 700
# Exit code of `tests/e2e/provide` where this machine cannot get what it needs.
_UNAVAILABLE: Final = 3
_UNWANTED_FOLDERS: Final = frozenset({"pip", "tests", ".cache", "cache", "apt"})


def measure() -> Section:
    """Build the image twice, the second time with a change in the code."""
    if (base := base_image()) is None:
        return Section("Image", f"Left out: {NO_ENGINE}.")
    base_layers = read_layers(base)
    layers = read_layers(build(ROOT, tag="latest"))
    unchanged = read_layers(_build_changed())
    added = {digest: sizes for digest, sizes in layers.items() if digest not in base_layers}
    kilobytes = {digest: sum(sizes.values()) / 1e3 for digest, sizes in added.items()}
    rebuilt = sum(kilobytes[each] for each in added.keys() - unchanged.keys())
    unwanted = [path for sizes in added.values() for path in sizes if _UNWANTED_FOLDERS & set(path.split("/")[:-1])]
    return Section(
        title="Image",
        prose=(
            f"What the image adds to {base.partition('@')[0]}, layer by layer, and what a code change rebuilds. Files"
            f" of pip, caches and tests: {', '.join(unwanted[:3]) or 'none'}."
        ),
        header=("layer", "files", "kB", "rebuilt by a code change"),
        rows=[
            (str(number), f"{len(sizes):,}", f"{kilobytes[digest]:,.0f}", "no" if digest in unchanged else "yes")
            for number, (digest, sizes) in enumerate(added.items(), start=1)
        ],
        goals=(
            Goal("added to the base, MB", sum(kilobytes.values()) / 1e3, MAX_ADDED_MB),
            Goal("rebuilt by a code change, kB", rebuilt, MAX_REBUILT_KB),
            Goal("files of pip, caches and tests", len(unwanted), 0),
        ),
    )


def docker(*arguments: str | Path) -> str:
    """Run docker, and return its output."""
    command = ["docker", *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout  # noqa: S603 - the bench's own


@functools.cache
def base_image() -> str | None:
    """Start an engine and get the base image if necessary, and return the image's name; None if there is none."""
    # It takes minutes on a fresh machine, and reports its progress on standard error.
    provided = subprocess.run([ROOT / "tests/e2e/provide"], check=False, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    if provided.returncode == _UNAVAILABLE:
        return None
    provided.check_returncode()
    return provided.stdout.split()[0]


def build(context: Path, *, tag: str) -> str:
    """Build an image, and return its name."""
    name, label = f"fini-gate-bench:{tag}", "fini-gate-bench=true"
    docker("build", "--build-arg", f"BASE_IMAGE={base_image()}", "--label", label, "--tag", name, context)
    # The previous image of this name is unnamed now.
    docker("image", "prune", "--force", "--filter", f"label={label}")
    return name


def _build_changed() -> str:
    """Build the image of this checkout with one more line of code."""
    unneeded = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "mutants", "node_modules")
    with TemporaryDirectory(prefix="fini-gate-bench-") as folder:
        context = shutil.copytree(ROOT, Path(folder, "context"), ignore=unneeded)
        with (context / "fini_gate" / "main.py").open("a", encoding="utf-8") as code:
            code.write("CHANGED = True\n")
        return build(context, tag="changed")


def read_layers(image: str) -> dict[str, dict[str, int]]:
    """Return the size of each file by the digest of its layer, the lowest layer first."""
    with TemporaryDirectory(prefix="fini-gate-bench-") as folder:
        saved = Path(folder, "image.tar")
        docker("save", "--output", saved, image)
        with tarfile.open(saved) as archive:
            (manifest,) = json.load(_open(archive, "manifest.json"))
            digests = json.load(_open(archive, manifest["Config"]))["rootfs"]["diff_ids"]
            return {
                digest: _sizes(_open(archive, path)) for digest, path in zip(digests, manifest["Layers"], strict=True)
            }


def _open(archive: tarfile.TarFile, path: str) -> IO[bytes]:
    return cast("IO[bytes]", archive.extractfile(path))  # None is for folders and the like


def _sizes(layer: IO[bytes]) -> dict[str, int]:
    with tarfile.open(fileobj=layer) as files:
        return {file.name: file.size for file in files if file.isfile()}
