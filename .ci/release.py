"""The decisions of the release workflow: `python3 .ci/release.py STEP ARGUMENT...`.

Nothing is installed when this runs, so it needs nothing but Python and git. It prints outputs for later steps as
`name=value`, and exits with a message if the release must not go on.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ACTION = Path("action.yml")
PACKAGE = Path("fini_gate/__init__.py")
# How each file's line with the image starts, and how it goes on in main: a pattern.
LINES = {
    ACTION: ("\n  image: ", "Dockerfile"),
    Path("templates/fini-gate/template.yml"): ("\n      default: ", "ghcr.io/.+"),
}
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-rc\.([1-9]\d*))?", re.ASCII)
DATE = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
# A line that is not empty, a heading or the address of a link.
ENTRY = re.compile(r"^(?!#|\[[^\]]+\]: |\s*$)", re.MULTILINE)


def check(tag: str, repository: str) -> None:
    """Check that the repository is ready for the release that a tag requests."""
    kind, _, version = tag.partition("/")
    require(kind == "release", f"a release starts from a tag like release/1.2.3, not {tag!r}")
    key = version_key(version)
    declared = re.findall(r'(?m)^__version__ = "(.*)"$', PACKAGE.read_text(encoding="utf-8"))
    require(declared == [version], f"{PACKAGE} has version {' '.join(declared)}, not {version}")
    read_changelog(version)
    for path, (start, unpinned) in LINES.items():
        found = re.findall(rf"{start}{unpinned}\n", path.read_text(encoding="utf-8"))
        require(len(found) == 1, f"{path} must have one line `{start.strip()} {unpinned}`")
    require(git("branch", "--remotes", "--list", "origin/main", "--contains", "HEAD"), f"{tag} is not on main")
    newest = max(released_versions(), key=version_key, default="")
    require(not newest or key > version_key(newest), f"{version} does not come after {newest}, the newest release")
    print(f"version={version}\nimage=ghcr.io/{repository.lower()}\nprerelease={str('-rc.' in version).lower()}")


def tag(version: str, image: str, digest: str) -> None:
    """Commit the files with the image named by digest, and push the release's tags: all or none."""
    require(re.fullmatch(r"sha256:[0-9a-f]{64}", digest), f"{digest!r} is not a digest")
    for path, (start, unpinned) in LINES.items():
        pinned = f"{start}{'docker://' if path == ACTION else ''}{image}@{digest}\n"
        content = re.sub(rf"{start}{unpinned}\n", pinned, path.read_text(encoding="utf-8"))
        path.write_text(content, encoding="utf-8")
    git("commit", "--quiet", "--message", f"chore: release {version}", "--", *map(str, LINES))
    options, refs = [], [f"HEAD:refs/tags/v{version}"]
    major = version.partition(".")[0]
    siblings = [other for other in released_versions() if other.startswith(f"{major}.")]
    if "-rc." not in version and all(version_key(version) > version_key(other) for other in siblings):
        floating = f"refs/tags/v{major}"
        # If another release has moved it in the meantime, the push fails.
        options = [f"--force-with-lease={floating}:{git('for-each-ref', '--format=%(objectname)', floating)}"]
        refs.append(f"HEAD:{floating}")
    git("push", "--quiet", "--atomic", *options, "origin", *refs)
    print(f"commit={git('rev-parse', 'HEAD')}")


def notes(version: str, repository: str) -> None:
    """Print the release notes: the changelog's section, and what to pin."""
    image = re.search(r"docker://(\S+@sha256:\S+)", ACTION.read_text(encoding="utf-8"))
    require(image, "action.yml does not name an image by digest")
    print(f"""{read_changelog(version)}

### Pin this release

As an action:

```yaml
- uses: {repository}@{git("rev-parse", "HEAD")} # v{version}
```

This commit runs `{image and image[1]}`. As a command:

```sh
pipx install fini-gate=={version}
```

[How to verify them](https://github.com/{repository}/blob/v{version}/docs/releasing.md#verify-a-release)""")


def read_changelog(version: str) -> str:
    """Return the version's section, which must be the newest, dated and not empty."""
    _, *parts = re.split(r"(?m)^## (.+)\n", Path("CHANGELOG.md").read_text(encoding="utf-8"))
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    unreleased = sections.pop("[Unreleased]", "")
    require(not ENTRY.search(unreleased), f"CHANGELOG.md has entries under [Unreleased]: move them to [{version}]")
    title, body = next(iter(sections.items()), ("", ""))
    is_dated = re.fullmatch(rf"\[{re.escape(version)}\] - {DATE}", title)
    require(is_dated, f"the newest section of CHANGELOG.md must be [{version}] - YYYY-MM-DD, not {title!r}")
    require(ENTRY.search(body), f"the section [{version}] of CHANGELOG.md is empty")
    return body.strip()


def released_versions() -> list[str]:
    """Return the versions that are tagged."""
    return [name[1:] for name in git("tag", "--list", "v*").split() if VERSION.fullmatch(name[1:])]


def version_key(version: str) -> list[int]:
    """Return a sort key. A candidate comes before its release."""
    match = VERSION.fullmatch(version)
    if match is None:
        sys.exit(f"release: {version!r} is not a version like 1.2.3 or 1.2.3-rc.1")
    return [int(number or sys.maxsize) for number in match.groups()]


def require(condition: object, message: str) -> None:
    """Exit with a message unless the condition holds."""
    if not condition:
        sys.exit(f"release: {message}")


def git(*arguments: str) -> str:
    """Run git, and return what it prints."""
    return subprocess.run(["git", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603, S607 - the workflow's own git


STEPS: dict[str, Callable[..., None]] = {"check": check, "tag": tag, "notes": notes}

if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    STEPS[step](*arguments)
