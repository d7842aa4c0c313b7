from __future__ import annotations

import re

import pytest
import yaml

from release import action
from release.errors import ReleaseError
from tests.release.conftest import ROOT

IMAGE = "ghcr.io/owner/fini-gate"
DIGEST = "sha256:" + "0123456789abcdef" * 4
CONTENT = (ROOT / "action.yml").read_bytes()


def test_pin__changes_the_image_and_nothing_else() -> None:
    """The runner reads another image, and everything else is the same byte for byte."""
    pinned = action.pin(CONTENT, IMAGE, DIGEST)
    assert action.pinned_image(pinned) == f"{IMAGE}@{DIGEST}"
    assert pinned == CONTENT.replace(b"  image: Dockerfile\n", f"  image: docker://{IMAGE}@{DIGEST}\n".encode())
    before, after = yaml.safe_load(CONTENT), yaml.safe_load(pinned)
    assert after["runs"].pop("image") == f"docker://{IMAGE}@{DIGEST}"
    assert before["runs"].pop("image") == "Dockerfile"
    assert before == after


@pytest.mark.parametrize(
    "image", ["ghcr.io/a/b", "ghcr.io/my-owner/my.action_2", "ghcr.io/a--b/c__d", "ghcr.io/0/fini-gate"]
)
def test_pin__takes_any_image_of_the_registry(image: str) -> None:
    """Whatever an owner and a repository may be called in lower case is taken."""
    assert yaml.safe_load(action.pin(CONTENT, image, DIGEST))["runs"]["image"] == f"docker://{image}@{DIGEST}"


@pytest.mark.parametrize(
    "image",
    [
        "",
        "ghcr.io/OWNER/fini-gate",
        "ghcr.io/owner/fini-gate:1.2.3",
        f"{IMAGE}@{DIGEST}",
        "ghcr.io/owner",
        "ghcr.io/owner/fini-gate/more",
        "example.com/owner/fini-gate",
        "ghcr.io/owner/fini-gate\n",
        "ghcr.io/owner/-gate",
    ],
)
def test_pin__refuses_what_is_no_image(image: str) -> None:
    """Upper case, a tag, a digest, another registry or another depth is told in one line."""
    with pytest.raises(ReleaseError, match=f"^{re.escape(repr(image))} is no image"):
        action.pin(CONTENT, image, DIGEST)


@pytest.mark.parametrize(
    "digest", ["", "0" * 64, DIGEST.upper(), DIGEST[:-1], DIGEST + "0", DIGEST + "\n", "sha512:" + "0" * 128]
)
def test_pin__refuses_what_is_no_digest(digest: str) -> None:
    """Anything but `sha256:` and 64 lower-case hexadecimal digits is told in one line."""
    with pytest.raises(ReleaseError, match=f"^{re.escape(repr(digest))} is no digest"):
        action.pin(CONTENT, IMAGE, digest)


@pytest.mark.parametrize(
    "content", [b"", action.pin(CONTENT, IMAGE, DIGEST), CONTENT + b"  image: Dockerfile\n", b"image: Dockerfile\n"]
)
def test_pin__refuses_an_action_without_the_one_line(content: bytes) -> None:
    """An action that is pinned already, or that has the line twice or not at all, is left alone."""
    with pytest.raises(ReleaseError, match=r"^action\.yml must have exactly one line `  image: Dockerfile`$"):
        action.pin(content, IMAGE, DIGEST)


def test_pinned_image__is_asked_of_a_release_only() -> None:
    """On main there is none."""
    with pytest.raises(ReleaseError, match=r"^action\.yml names no image by digest"):
        action.pinned_image(CONTENT)
