"""Images as the builder leaves them, small ones: OCI layouts whose every part a test can change before it is hashed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
SPDX = "https://spdx.dev/Document"
SLSA = "https://slsa.dev/provenance/v1"


@dataclass
class Layout:
    """A layout in the making."""

    folder: Path
    descriptors: list[dict[str, Any]] = field(default_factory=list)
    """What the image's index will list."""

    def blob(self, content: bytes, media_type: str, **more: object) -> dict[str, Any]:
        """Store bytes, and give their descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.path(f"sha256:{digest}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content), **more}

    def path(self, digest: str) -> Path:
        """Give the file of a blob."""
        return self.folder / "blobs" / digest.replace(":", "/")

    def image(self, platform: str, labels: Mapping[str, str] | None, *, says: str | None = None) -> dict[str, Any]:
        """Add the image for a platform, whose configuration may say another one, and give its descriptor."""
        os, architecture = platform.split("/")
        said_os, said_architecture = (says or platform).split("/")
        config = {"os": said_os, "architecture": said_architecture, "config": {"Labels": labels}}
        layer = self.blob(f"the layer for {platform}".encode(), "application/vnd.oci.image.layer.v1.tar+gzip")
        described = {"platform": {"os": os, "architecture": architecture}}
        return self._manifest(config, [layer], described)

    def statements(self, image: Mapping[str, Any], kinds: Sequence[str]) -> None:
        """Add what is attested of an image."""
        layers = [
            self.blob(
                json.dumps({"predicateType": kind, "subject": image["digest"]}).encode(),
                "application/vnd.in-toto+json",
                annotations={"in-toto.io/predicate-type": kind},
            )
            for kind in kinds
        ]
        described = {
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {
                "vnd.docker.reference.digest": image["digest"],
                "vnd.docker.reference.type": "attestation-manifest",
            },
        }
        config = {"os": "unknown", "architecture": "unknown", "config": {}}
        self._manifest(config, layers, described)

    def finish(self) -> str:
        """Write the index, and give its digest."""
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.descriptors}
        descriptor = self.blob(json.dumps(index).encode(), INDEX)
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
        top = {"schemaVersion": 2, "manifests": [descriptor]}
        (self.folder / "index.json").write_text(json.dumps(top), encoding="utf-8")
        return str(descriptor["digest"])

    def _manifest(self, config: object, layers: Sequence[object], described: Mapping[str, object]) -> dict[str, Any]:
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(json.dumps(config).encode(), CONFIG),
            "layers": layers,
        }
        descriptor = self.blob(json.dumps(manifest).encode(), MANIFEST, **described)
        self.descriptors.append(descriptor)
        return descriptor


def labels(version: str, revision: str) -> dict[str, str]:
    """Give the labels that an image must have."""
    return {"org.opencontainers.image.version": version, "org.opencontainers.image.revision": revision}


def build(folder: Path, version: str, revision: str) -> str:
    """Make a layout as it must be, and give the digest of its index."""
    layout = Layout(folder)
    for platform in ("linux/amd64", "linux/arm64"):
        layout.statements(layout.image(platform, labels(version, revision)), [SPDX, SLSA])
    return layout.finish()
