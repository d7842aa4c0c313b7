from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from release.errors import ReleaseError
from release.layout import index_digest
from tests.release.layouts import SLSA, SPDX, Layout, build, labels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION = "1.2.3"
REVISION = "0123456789abcdef0123456789abcdef01234567"
LABELS = labels(VERSION, REVISION)
AMD64 = "linux/amd64"
ARM64 = "linux/arm64"


def refused(folder: Path, problem: str) -> None:
    """Assert that the layout is refused, with this line."""
    with pytest.raises(ReleaseError, match=f"^{re.escape(problem)}$"):
        index_digest(folder, version=VERSION, revision=REVISION)


def test_index__is_found_by_its_digest(tmp_path: Path) -> None:
    """An image for both architectures, whole and with its statements, is known by its index."""
    digest = build(tmp_path, VERSION, REVISION)
    assert index_digest(tmp_path, version=VERSION, revision=REVISION) == digest


@pytest.mark.parametrize(
    ("platforms", "found"),
    [
        ([], "none"),
        ([AMD64], AMD64),
        ([ARM64], ARM64),
        ([AMD64, ARM64, "linux/riscv64"], f"{AMD64}, {ARM64}, linux/riscv64"),
        ([AMD64, "windows/arm64"], f"{AMD64}, windows/arm64"),
    ],
)
def test_index__has_both_architectures_and_no_other(tmp_path: Path, platforms: list[str], found: str) -> None:
    """An architecture that is missing or added is told, with those that are there."""
    layout = Layout(tmp_path)
    for platform in platforms:
        layout.statements(layout.image(platform, LABELS), [SPDX, SLSA])
    layout.finish()
    refused(tmp_path, f"the image must be for linux/amd64 and linux/arm64, and is for {found}")


def test_index__has_one_image_an_architecture(tmp_path: Path) -> None:
    """Two images for one architecture are refused: the runner would take one of them."""
    layout = Layout(tmp_path)
    layout.image(AMD64, LABELS)
    layout.image(AMD64, LABELS)
    layout.finish()
    refused(tmp_path, "there are two images for linux/amd64")


def test_image__is_for_the_architecture_that_the_index_says(tmp_path: Path) -> None:
    """An image that the index lists under another architecture than its own is refused."""
    layout = Layout(tmp_path)
    layout.image(ARM64, LABELS, says=AMD64)
    layout.finish()
    refused(tmp_path, "the image for linux/arm64 says that it is for linux/amd64")


@pytest.mark.parametrize(
    ("kinds", "missing"), [([], "SBOM"), ([SLSA], "SBOM"), ([SPDX], "provenance"), (["https://other"], "SBOM")]
)
def test_image__has_its_statements(tmp_path: Path, kinds: list[str], missing: str) -> None:
    """An image without an SBOM or a provenance of its own is refused, whatever the other architecture's has."""
    layout = Layout(tmp_path)
    layout.statements(layout.image(AMD64, LABELS), [SPDX, SLSA])
    layout.statements(layout.image(ARM64, LABELS), kinds)
    layout.finish()
    refused(tmp_path, f"the image for linux/arm64 has no {missing}")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (None, f"version {VERSION}, and has None"),
        ({}, f"version {VERSION}, and has None"),
        (labels("1.2.4", REVISION), f"version {VERSION}, and has 1.2.4"),
        (labels(VERSION, "unknown"), f"revision {REVISION}, and has unknown"),
    ],
)
def test_image__is_labelled(tmp_path: Path, given: Mapping[str, str] | None, problem: str) -> None:
    """An image that the build arguments did not reach is refused: its labels say so."""
    layout = Layout(tmp_path)
    layout.image(AMD64, given)
    layout.finish()
    refused(tmp_path, f"the image for linux/amd64 must have the {problem}")


def blobs(folder: Path) -> list[Path]:
    """Give the files of all blobs."""
    return sorted((folder / "blobs" / "sha256").iterdir())


def test_blob__is_whole_wherever_it_is(tmp_path: Path) -> None:
    """A changed byte in any blob is noticed: the index, a manifest, a configuration, a layer or a statement."""
    build(tmp_path, VERSION, REVISION)
    paths = blobs(tmp_path)
    # The index; for each architecture an image of three and its statements of three; their configuration is shared.
    assert len(paths) == 1 + 2 * 3 + 2 * 3 + 1
    for path in paths:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        refused(tmp_path, f"the blob sha256:{path.name} has other bytes than its digest says")
        path.write_bytes(content)
    assert index_digest(tmp_path, version=VERSION, revision=REVISION)


def test_blob__is_there_wherever_it_is(tmp_path: Path) -> None:
    """A missing blob is noticed, whichever it is."""
    build(tmp_path, VERSION, REVISION)
    for path in blobs(tmp_path):
        content = path.read_bytes()
        path.unlink()
        refused(tmp_path, f"the blob sha256:{path.name} is missing")
        path.write_bytes(content)


def test_blob__has_the_size_that_is_said(tmp_path: Path) -> None:
    """A descriptor with another size than its blob's is refused, as a registry would."""
    layout = Layout(tmp_path)
    layout.image(AMD64, LABELS)["size"] += 1
    digest = layout.descriptors[0]["digest"]
    layout.finish()
    refused(tmp_path, f"the blob {digest} has another size than its descriptor says")


@pytest.mark.parametrize("digest", ["sha512:" + "0" * 128, "sha256:../../index.json", "sha256:" + "A" * 64])
def test_blob__is_named_by_sha256(tmp_path: Path, digest: str) -> None:
    """Another kind of digest, or one that leads out of the layout, is not followed."""
    layout = Layout(tmp_path)
    layout.image(AMD64, LABELS)["digest"] = digest
    layout.finish()
    refused(tmp_path, f"{digest!r} is no sha256 digest")


@pytest.mark.parametrize("count", [0, 2])
def test_layout__holds_one_image(tmp_path: Path, count: int) -> None:
    """A layout with none or with several says so: which of them would be released?"""
    build(tmp_path, VERSION, REVISION)
    top = json.loads((tmp_path / "index.json").read_bytes())
    (tmp_path / "index.json").write_text(json.dumps({"manifests": top["manifests"] * count}), encoding="utf-8")
    refused(tmp_path, f"{tmp_path} must hold one image, and holds {count}")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"manifests": 1}', '{"manifests": [{}]}', '{"manifests": [{"digest": 1}]}', "null"]
)
def test_layout__is_told_from_what_is_none(tmp_path: Path, text: str) -> None:
    """Whatever else there is in the folder, it is told in one line."""
    (tmp_path / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"^\S+ is no OCI layout with an image's index: .+$"):
        index_digest(tmp_path, version=VERSION, revision=REVISION)


def test_layout__is_told_from_the_image_of_one_architecture(tmp_path: Path) -> None:
    """An image without an index, as a builder makes it for a single architecture, is no release."""
    layout = Layout(tmp_path)
    image = layout.image(AMD64, LABELS)
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [image]}), encoding="utf-8")
    refused(tmp_path, f"{tmp_path} is no OCI layout with an image's index: KeyError('manifests')")
