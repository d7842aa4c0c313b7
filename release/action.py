"""action.yml: on `main` it builds the image on each run, in a release it names the finished one by digest.

Its bytes are changed, rather than its YAML read and written anew: a reader of the release's one commit sees one line.
"""

import re
from typing import Final

from release.errors import ReleaseError

_UNPINNED: Final = re.compile(rb"^(  image: )Dockerfile$", re.MULTILINE)
_PINNED: Final = re.compile(rb"^  image: docker://(\S+)$", re.MULTILINE)
# What the registry and the runner take: no upper case, and nothing that a YAML scalar would have to quote.
_IMAGE: Final = re.compile(r"ghcr\.io(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*){2}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def pin(content: bytes, image: str, digest: str) -> bytes:
    """Give action.yml with the image named by digest, and every other byte as it was."""
    if not _IMAGE.fullmatch(image):
        raise ReleaseError(f"{image!r} is no image such as ghcr.io/owner/name, in lower case and without a tag")
    if not _DIGEST.fullmatch(digest):
        raise ReleaseError(f"{digest!r} is no digest: sha256: and 64 lower-case hexadecimal digits")
    check_unpinned(content)
    return _UNPINNED.sub(rb"\1docker://" + f"{image}@{digest}".encode(), content)


def check_unpinned(content: bytes) -> None:
    """Fail unless there is the one line to change."""
    if len(_UNPINNED.findall(content)) != 1:
        raise ReleaseError("action.yml must have exactly one line `  image: Dockerfile`")


def pinned_image(content: bytes) -> str:
    """Give the image that a release's action.yml names."""
    found = _PINNED.findall(content)
    if len(found) != 1:
        raise ReleaseError("action.yml names no image by digest; is this the release's commit?")
    return str(found[0], "ascii")
