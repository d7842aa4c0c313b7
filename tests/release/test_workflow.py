"""Check what makes the release workflow safe, beyond what zizmor and actionlint check."""

import re
import subprocess
import sys
from typing import Final

from tests.release.conftest import JOBS, ROOT, WORKFLOW

TEXT: Final = WORKFLOW.read_text(encoding="utf-8")
DOCS: Final = (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8")


def test_workflow__starts_from_a_tag_alone() -> None:
    """Only a tag that requests a release starts the workflow; releases run one at a time."""
    assert '\non:\n  push:\n    tags: ["release/*"]\n\n' in TEXT
    assert "\nconcurrency:\n  group: release\n  cancel-in-progress: false\n" in TEXT


def test_workflow__writes_after_the_approval() -> None:
    """Only the job that reviewers approve and those after it may write, each with the permissions that it needs."""
    read, write = {"contents": "read"}, {"contents": "write"}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "check": read,
        "test": read,
        "build": read,
        "publish": {"packages": "write", "id-token": "write", "attestations": "write"},
        "tag": write,
        "release": write,
    }
    assert JOBS["publish"]["environment"] == "release"
    assert JOBS["publish"]["needs"] == ["check", "test", "build"]
    assert "publish" in JOBS["tag"]["needs"]
    assert "tag" in JOBS["release"]["needs"]
    # A condition would let a job run although one before it has failed.
    assert not re.search(r"\b(if|continue-on-error):", TEXT)


def test_workflow__keeps_no_cache() -> None:
    """Caches are switched off, the images that the build runs are pinned, and no secret is used."""
    assert re.findall(r"cache\S*: .*", TEXT) == ["cache-image: false", "cache-binary: false"]
    images = re.findall(r"docker\.io/\S+", TEXT)
    assert len(images) == 3
    assert all(re.fullmatch(r"[\w./-]+(:[\w.-]+)?@sha256:[0-9a-f]{64}", image) for image in images)
    assert "secrets." not in TEXT


def test_build__knows_the_usage_error_of_the_gate() -> None:
    """The gate without inputs prints what the workflow looks for in the image's output."""
    command = [sys.executable, "-I", str(ROOT / "entrypoint.py")]
    ended = subprocess.run(command, capture_output=True, check=False, env={}, text=True)  # noqa: S603 - the gate
    assert ended.returncode == 2
    assert re.findall(r'grep --line-regexp "(.*?)"', TEXT)[0] in ended.stdout.splitlines()


def test_docs__describe_the_workflow() -> None:
    """The page lists the jobs in order, and verifies an image with the options that the workflow uses."""
    assert re.findall(r"(?m)^\| `(\w+)` \|", DOCS) == list(JOBS)
    commands = [re.findall(r"gh attestation verify[^|]*?runners", text) for text in (TEXT, DOCS)]
    ((in_workflow,), (in_docs,)) = [[re.findall(r"--[a-z-]+", command) for command in found] for found in commands]
    assert in_workflow == in_docs
    assert "\n## Verify a release\n" in DOCS
