"""Run releases from the first job to the last, and refuse those that must not be made."""

import re
import runpy
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

import fini_gate
from tests.release.conftest import BLOBS, COMPLETIONS, FAKES, PACKAGES, ROOT, Repository

IMAGE = "ghcr.io/owner/fini-gate"
COMPONENT = "templates/fini-gate/template.yml"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
# What Python answers if there is no gate, or another one.
NO_USAGE_ERROR = FAKES["docker"].replace("run*) exit 2", "run*) exit 1")
UNEQUAL = f"{FAKES['make']}; [ $1 != package ] || echo more >> dist/{PACKAGES[0]}"
NO_GATE = FAKES["docker"].replace('echo "fini-gate $VERSION"', "exit 2")
STEPS = runpy.run_path(str(ROOT / ".ci" / "release.py"))["STEPS"]


@pytest.mark.parametrize(
    ("version", "tags", "prerelease"), [("1.2.3", {"v1.2.3", "v1"}, "false"), ("1.2.3-rc.1", {"v1.2.3-rc.1"}, "true")]
)
def test_release__pins_the_image_that_was_tested(
    repository: Repository, version: str, tags: set[str], prerelease: str
) -> None:
    """The tags name a commit that differs from main in the image, which was tested, attested and verified before."""
    run = repository.release(version)
    assert run.failed_step == ""
    commit, pinned = run.outputs["commit"], f"{IMAGE}@{run.outputs['digest']}"
    assert repository.release_tags() == dict.fromkeys(tags, commit)
    repository.git("fetch", "--quiet", "--tags")
    assert repository.git("log", "-1", "--format=%an %s", commit) == f"github-actions[bot] chore: release {version}"
    changes = re.findall(r"(?m)^[-+] +(.*)$", repository.git("diff", "--unified=0", f"release/{version}", commit))
    assert changes[:2] == ["image: Dockerfile", f"image: docker://{pinned}"]
    assert changes[2:] == [f"default: ghcr.io/OWNER/fini-gate:{fini_gate.__version__}", f"default: {pinned}"]
    steps = (
        *("make dist\n", "make lint\n", "make test\n", "make package "),
        *("--platform linux/amd64", "--platform linux/arm64", "docker/login-action"),
        f"skopeo copy --all --preserve-digests oci:layout docker://{IMAGE}:{version}\n",
        f"actions/attest-build-provenance {IMAGE} {pinned.partition('@')[2]} ",
        f"gh attestation verify oci://{pinned} --repo OWNER/fini-gate ",
        f"skopeo inspect --raw docker://{pinned}\n",
        *("actions/attest-build-provenance dist/*\n", *(f"gh attestation verify dist/{name} " for name in PACKAGES)),
        "pypa/gh-action-pypi-publish dist\n",
        f"gh release create v{version} --verify-tag ",
        f"--prerelease={prerelease} {' '.join(f'dist/{name}' for name in PACKAGES)} ",
        f"{' '.join(f'dist/completions/{name}' for name in COMPLETIONS)}\n",
    )
    positions = [run.calls.index(step) for step in steps]
    assert positions == sorted(positions)
    notes = (run.folder / "notes.md").read_text(encoding="utf-8")
    assert notes.startswith(f"### Added\n\n- What {version} adds.\n")
    assert f"\n- uses: OWNER/fini-gate@{commit} # v{version}\n" in notes
    assert f"\npipx install fini-gate=={version}\n" in notes


def test_floating_tag__follows_the_newest_release(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """`v1` moves to a newer release, but not to a candidate, another major version or an older release."""
    repository.request("1.2.3")
    monkeypatch.chdir(repository.folder)
    commits = {}
    for version in ("1.2.3", "1.10.0", "1.11.0-rc.1", "2.0.0", "1.9.0"):
        repository.git("checkout", "--quiet", "--detach", "main")
        repository.git("fetch", "--quiet", "--tags", "--force")
        STEPS["tag"](version, IMAGE, DIGEST)
        commits[f"v{version}"] = repository.git("rev-parse", "HEAD")
    assert repository.release_tags() == {**commits, "v1": commits["v1.10.0"], "v2": commits["v2.0.0"]}


def blobs_without(word: str) -> Mapping[str, str]:
    """Return the blobs of an image that lacks one with this word."""
    lacking = next(name for name, blob in BLOBS.items() if word in blob)
    return {name: blob for name, blob in BLOBS.items() if name != lacking}


@pytest.mark.parametrize(
    ("changes", "failed_step"),
    [
        ({"make": f'[ "$1" != test ] || exit 1; {FAKES["make"]}'}, "Test: "),
        ({"make": UNEQUAL}, "Check that they are the ones that were tested: "),
        ({"blobs": blobs_without("spdx.dev/Document")}, "Check that all is there: "),
        ({"blobs": blobs_without("slsa.dev/provenance")}, "Check that all is there: "),
        ({"blobs": {**BLOBS, "0" * 64: "damaged"}}, "Check that all is there: "),
        ({"docker": 'echo "amd64 $VERSION $GITHUB_SHA"'}, "Check the labels of both architectures, and run them: "),
        ({"docker": NO_USAGE_ERROR}, "Check the labels of both architectures, and run them: "),
        ({"docker": NO_GATE}, "Check the labels of both architectures, and run them: "),
        ({"skopeo": "echo sha256:0"}, "Push it unchanged: "),
        ({"gh": '[ "$1" != attestation ]'}, "Verify it as a user would: "),
        ({"skopeo": f"[ $2 != --raw ] || exit 1; {FAKES['skopeo']}"}, "Check that anyone can pull the image: "),
    ],
    ids=[
        "test",
        "wheel",
        "SBOM",
        "provenance",
        "damage",
        "labels",
        "exit code",
        "no gate",
        "digest",
        "signer",
        "private",
    ],
)
def test_release__stops_at_a_failure(repository: Repository, changes: Mapping[str, Any], failed_step: str) -> None:
    """If the tests or a check of the image fails, nothing is tagged."""
    assert repository.release("1.2.3", **changes).failed_step.startswith(failed_step)
    assert repository.release_tags() == {}


@pytest.mark.parametrize(
    ("tag", "change", "problem"),
    [
        ("v1.2.3", "true", "a release starts from a tag like release/1.2.3, not 'v1.2.3'"),
        ("release/v1.2.3", "true", "'v1.2.3' is not a version like 1.2.3 or 1.2.3-rc.1"),
        ("release/1.2.3\nx=y", "true", r"'1.2.3\nx=y' is not a version"),
        ("release/01.2.3", "true", "'01.2.3' is not a version"),
        ("release/1.2.3-rc.0", "true", "'1.2.3-rc.0' is not a version"),
        ("release/1.2.4", "true", "fini_gate/__init__.py has version 1.2.3, not 1.2.4"),
        ("release/1.2.3", "sed -i.bak s/-24/-42/ CHANGELOG.md", "not '[1.2.3] - 2026-11-42'"),
        ("release/1.2.3", "sed -i.bak s/.3]/.4]/ CHANGELOG.md", "not '[1.2.4] - 2026-11-24'"),
        ("release/1.2.3", "sed -i.bak /##/d CHANGELOG.md", "must be [1.2.3] - YYYY-MM-DD, not ''"),
        ("release/1.2.3", "sed -i.bak 's/- W.*/[x]: y/' CHANGELOG.md", "the section [1.2.3] of CHANGELOG.md is empty"),
        ("release/1.2.3", "sed -i.bak 's/^$/More./' CHANGELOG.md", "CHANGELOG.md has entries under [Unreleased]"),
        ("release/1.2.3", "sed -i.bak s/Dockerfile// action.yml", "action.yml must have one line `image: Dockerfile`"),
        ("release/1.2.3", f"sed -i.bak s/ghcr// {COMPONENT}", f"{COMPONENT} must have one line `default: ghcr.io/.+`"),
        ("release/1.2.3", "git commit --allow-empty -m unreviewed", "release/1.2.3 is not on main"),
        ("release/1.2.3", "git tag v1.2.3", "1.2.3 does not come after 1.2.3, the newest release"),
        ("release/1.2.3", "git tag v1.10.0-rc.1", "1.2.3 does not come after 1.10.0-rc.1, the newest release"),
    ],
)
def test_check__refuses(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tag: str, change: str, problem: str
) -> None:
    """A release must come from a tag on main with a new version, and all files must be ready for it."""
    repository.request("1.2.3")
    monkeypatch.chdir(repository.folder)
    subprocess.run(shlex.split(change), check=True)  # noqa: S603 - a column of the table
    with pytest.raises(SystemExit, match=re.escape(problem)):
        STEPS["check"](tag, "OWNER/fini-gate")


def test_tag__is_all_or_nothing(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image without a digest is refused; if `v1` has moved or the version's tag exists, no tag changes."""
    repository.request("1.2.3")
    monkeypatch.chdir(repository.folder)
    with pytest.raises(SystemExit, match="is not a digest"):
        STEPS["tag"]("1.2.3", IMAGE, "latest")
    repository.git("push", "--quiet", "origin", "HEAD:refs/tags/v1", "HEAD:refs/tags/v2.0.0")
    before = repository.release_tags()
    for version in ("1.2.3", "2.0.0"):
        with pytest.raises(subprocess.CalledProcessError):
            STEPS["tag"](version, IMAGE, DIGEST)
        assert repository.release_tags() == before
