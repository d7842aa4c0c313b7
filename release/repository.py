"""The git repository that is released: the one user of git."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from release.errors import ReleaseError
from release.version import Version, of_tags


@dataclass(frozen=True)
class Repository:
    """A clone with all its tags, whose remote is `origin`."""

    folder: Path

    def versions(self) -> list[Version]:
        """Give the versions that are released, the oldest first."""
        return of_tags(self._git("tag", "--list").split())

    def is_on_main(self) -> bool:
        """Tell whether the commit that is checked out is one of `main`, and so went through its review."""
        return bool(self._git("branch", "--remotes", "--list", "origin/main", "--contains", "HEAD"))

    def head(self) -> str:
        """Give the commit that is checked out."""
        return self._git("rev-parse", "HEAD")

    def commit(self, path: str, message: str) -> None:
        """Commit one file, and nothing else that may have changed."""
        self._git("commit", "--quiet", "--message", message, "--", path)

    def publish(self, version: Version) -> list[str]:
        """Tag the commit that is checked out, at the remote, and give the tags that are there now.

        All of them or none. The tags have no message of their own: whoever looks one up gets the commit to pin.
        """
        tags = [version.tag]
        leases = []
        if version.moves_floating_tag(self.versions()):
            tags.append(version.floating_tag)
            # It moves from where this clone saw it, or not at all: a release that was quicker is not undone.
            seen = self._git("for-each-ref", "--format=%(objectname)", f"refs/tags/{version.floating_tag}")
            leases.append(f"--force-with-lease=refs/tags/{version.floating_tag}:{seen}")
        self._git("push", "--quiet", "--atomic", *leases, "origin", *(f"HEAD:refs/tags/{tag}" for tag in tags))
        return tags

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder), *arguments]
        ended = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603 - no shell
        if ended.returncode != 0:
            raise ReleaseError(f"git {arguments[0]}: {' '.join(ended.stderr.split())}")
        return ended.stdout.strip()
