"""The steps of a release on the command line, each of them one line of the workflow.

What a later step needs is printed as `name=value`, as GitHub takes a step's outputs.
"""

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from release import action, changelog, layout
from release.errors import ReleaseError
from release.repository import Repository
from release.version import Version

EXIT_REFUSED: Final = 1
# The tag that starts a release. It is not the one that users pin: that one's commit names the image by digest, and is
# made once there is one.
REQUEST_PREFIX: Final = "release/"


def check(arguments: argparse.Namespace, root: Path) -> str:
    """Refuse a release that the repository is not ready for; give what the later steps go by."""
    if not arguments.tag.startswith(REQUEST_PREFIX):
        raise ReleaseError(f"a release starts from a tag such as {REQUEST_PREFIX}1.2.3, and not {arguments.tag!r}")
    version = Version.parse(arguments.tag.removeprefix(REQUEST_PREFIX))
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if declared != str(version):
        raise ReleaseError(f"pyproject.toml has the version {declared}, and not {version}")
    changelog.notes((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    action.check_unpinned((root / "action.yml").read_bytes())
    repository = Repository(root)
    if not repository.is_on_main():
        raise ReleaseError(f"{arguments.tag} is on no commit of main")
    released = repository.versions()
    if released and version <= released[-1]:
        raise ReleaseError(f"{version} does not come after {released[-1]}, the newest release")
    return _outputs(
        {
            "version": str(version),
            "image": f"ghcr.io/{arguments.repository.lower()}",
            "prerelease": str(version.is_candidate).lower(),
        }
    )


def index(arguments: argparse.Namespace, root: Path) -> str:
    """Give the digest of the image that was built, once all of it is as it must be."""
    digest = layout.index_digest(root / arguments.layout, version=arguments.version, revision=arguments.revision)
    return _outputs({"digest": digest})


def tag(arguments: argparse.Namespace, root: Path) -> str:
    """Make the release's commit, on top of the one that is checked out, and its tags."""
    version = Version.parse(arguments.version)
    path = root / "action.yml"
    path.write_bytes(action.pin(path.read_bytes(), arguments.image, arguments.digest))
    repository = Repository(root)
    repository.commit(path.name, f"chore: release {version}")
    tags = repository.publish(version)
    return _outputs({"commit": repository.head(), "tags": " ".join(tags)})


def notes(arguments: argparse.Namespace, root: Path) -> str:
    """Give what the release says of itself: the changelog's section, and how to pin it."""
    version = Version.parse(arguments.version)
    section = changelog.notes((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    image = action.pinned_image((root / "action.yml").read_bytes())
    page = f"https://github.com/{arguments.repository}/blob/{version.tag}/docs/releasing.md"
    return f"""{section}
### To pin it

```yaml
- uses: {arguments.repository}@{Repository(root).head()} # {version.tag}
```

That commit runs `{image}`; [how to verify it]({page}#verify-a-release).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one step in the folder that the process is in; the result is the exit code."""
    options = parser().parse_args(arguments)
    try:
        sys.stdout.write(options.step(options, Path.cwd()))
    except (ReleaseError, OSError) as error:
        sys.stderr.write(f"release: {error}\n")
        return EXIT_REFUSED
    return 0


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; the tests hold the workflow to it."""
    top = argparse.ArgumentParser(prog="python3 -m release", description=__doc__, allow_abbrev=False)
    steps = top.add_subparsers(required=True, metavar="STEP")
    version = ("version", "1.2.3")
    repository = ("repository", "OWNER/fini-gate")
    for step, positionals in (
        (check, [("tag", "release/1.2.3"), repository]),
        (index, [("layout", "the folder"), version, ("revision", "the commit that it was built from")]),
        (tag, [version, ("image", "ghcr.io/owner/fini-gate"), ("digest", "sha256:…")]),
        (notes, [version, repository]),
    ):
        summary = (step.__doc__ or "").partition("\n")[0]
        command = steps.add_parser(step.__name__, help=summary, description=summary, allow_abbrev=False)
        command.set_defaults(step=step)
        for name, meaning in positionals:
            command.add_argument(name, help=meaning)
    return top


def _outputs(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


if __name__ == "__main__":
    sys.exit(main())
