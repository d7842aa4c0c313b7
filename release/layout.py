"""The image as the builder leaves it: an OCI image layout in a folder.

It holds one index; in that, a manifest for each architecture, and beside each of them one with what the builder attests
of it (its SBOM, its provenance). Everything is read and hashed before any of it is published.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from release.errors import ReleaseError

PLATFORMS: Final = ("linux/amd64", "linux/arm64")
# The kinds of statements that there must be of each platform, by the beginning of their predicate's type.
STATEMENTS: Final = {"SBOM": "https://spdx.dev/Document", "provenance": "https://slsa.dev/provenance/"}

_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_ATTESTED: Final = "vnd.docker.reference.digest"


def index_digest(folder: Path, *, version: str, revision: str) -> str:
    """Give the digest of the image's index, once all of it is as it must be.

    Raises:
        ReleaseError: a platform, an SBOM or a provenance is missing, something is there that does not belong there, a
            blob's bytes are not those of its digest, or a label says another version or revision.
    """
    try:
        return _Layout(folder).checked(version=version, revision=revision)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ReleaseError(f"{folder} is no OCI layout with an image's index: {error!r}") from error


@dataclass(frozen=True)
class _Layout:
    folder: Path

    def checked(self, *, version: str, revision: str) -> str:
        top = json.loads((self.folder / "index.json").read_bytes())["manifests"]
        if len(top) != 1:
            raise ReleaseError(f"{self.folder} must hold one image, and holds {len(top)}")
        index = self._document(top[0])
        attested: dict[str, list[str]] = {}
        images = {}
        for descriptor in index["manifests"]:
            manifest = self._document(descriptor)
            config = self._document(manifest["config"])
            for layer in manifest["layers"]:
                self._check_blob(layer)
            if _ATTESTED in descriptor.get("annotations", {}):
                kinds = [layer["annotations"]["in-toto.io/predicate-type"] for layer in manifest["layers"]]
                attested.setdefault(descriptor["annotations"][_ATTESTED], []).extend(kinds)
                continue
            platform = "{os}/{architecture}".format(**descriptor["platform"])
            if platform in images:
                raise ReleaseError(f"there are two images for {platform}")
            images[platform] = descriptor["digest"]
            _check_config(config, platform, {"version": version, "revision": revision})
        if sorted(images) != sorted(PLATFORMS):
            raise ReleaseError(f"the image must be for {' and '.join(PLATFORMS)}, and is for {_words(sorted(images))}")
        for platform, digest in images.items():
            for name, kind in STATEMENTS.items():
                if not any(found.startswith(kind) for found in attested.get(digest, [])):
                    raise ReleaseError(f"the image for {platform} has no {name}")
        return str(top[0]["digest"])

    def _document(self, descriptor: Any) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self._check_blob(descriptor).read_bytes())

    def _check_blob(self, descriptor: Any) -> Path:  # noqa: ANN401 - JSON
        """Give a blob's path, once its bytes are those that its digest and size are of."""
        digest = descriptor["digest"]
        named = _DIGEST.fullmatch(digest)
        if named is None:
            raise ReleaseError(f"{digest!r} is no sha256 digest")
        path = self.folder / "blobs" / "sha256" / named[1]
        if not path.is_file():
            raise ReleaseError(f"the blob {digest} is missing")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != named[1]:
                raise ReleaseError(f"the blob {digest} has other bytes than its digest says")
        if path.stat().st_size != descriptor["size"]:
            raise ReleaseError(f"the blob {digest} has another size than its descriptor says")
        return path


def _check_config(config: Any, platform: str, labels: dict[str, str]) -> None:  # noqa: ANN401 - JSON
    if "{os}/{architecture}".format(**config) != platform:
        raise ReleaseError(f"the image for {platform} says that it is for {config['os']}/{config['architecture']}")
    for name, expected in labels.items():
        found = (config["config"].get("Labels") or {}).get(f"org.opencontainers.image.{name}")
        if found != expected:
            raise ReleaseError(f"the image for {platform} must have the {name} {expected}, and has {found}")


def _words(platforms: list[str]) -> str:
    return ", ".join(platforms) or "none"
