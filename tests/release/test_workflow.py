"""Check what makes the release workflow safe, beyond what zizmor and actionlint check."""

import re
import subprocess
import sys
from typing import Final

import fini_gate
from tests.release.conftest import JOBS, ROOT, WORKFLOW

TEXT: Final = WORKFLOW.read_text(encoding="utf-8")
DOCS: Final = (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8")


def test_workflow__starts_from_a_tag_alone() -> None:
    """Only a tag that requests a release starts the workflow; releases run one at a time."""
    assert '\non:\n  push:\n    tags: ["release/*"]\n\n' in TEXT
    assert "\nconcurrency:\n  group: release\n  cancel-in-progress: false\n" in TEXT


def test_workflow__writes_after_the_approval() -> None:
    """Only the job that reviewers approve and those after it may write; the package needs an approval of its own."""
    read, write = {"contents": "read"}, {"contents": "write"}
    attest = {"id-token": "write", "attestations": "write"}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "check": read,
        "dist": read,
        "test": read,
        "build": read,
        "publish": {"packages": "write", **attest},
        "tag": write,
        "pypi": attest,
        "release": write,
    }
    assert [name for name, job in JOBS.items() if job.get("environment") == "release"] == ["publish", "pypi"]
    assert JOBS["publish"]["needs"] == ["check", "test", "build"]
    assert JOBS["test"]["needs"] == "dist"
    assert "publish" in JOBS["tag"]["needs"]
    assert "tag" in JOBS["pypi"]["needs"]
    assert "pypi" in JOBS["release"]["needs"]
    # The index accepts the same bytes again. The switch would hide that a version exists with other bytes.
    assert "skip-existing" not in TEXT
    # A condition would let a job run although one before it has failed.
    assert not re.search(r"\b(if|continue-on-error):", TEXT)


def test_workflow__keeps_no_cache() -> None:
    """Caches are switched off, the images that the build runs are pinned, and no secret is used."""
    assert re.findall(r"cache\S*: .*", TEXT) == ["cache-image: false", "cache-binary: false"]
    images = re.findall(r"docker\.io/\S+", TEXT)
    assert len(images) == 3
    assert all(re.fullmatch(r"[\w./-]+(:[\w.-]+)?@sha256:[0-9a-f]{64}", image) for image in images)
    assert "secrets." not in TEXT


def test_build__knows_what_the_gate_prints() -> None:
    """The gate prints the version that the workflow compares, and ends with a usage error without inputs."""
    command = [sys.executable, "-I", str(ROOT / "entrypoint.py")]
    for options, exit_code in ([], 2), (["--version"], 0):
        ended = subprocess.run([*command, *options], capture_output=True, check=False, env={}, text=True)  # noqa: S603 - the gate
        assert ended.returncode == exit_code
    assert ended.stdout == f"fini-gate {fini_gate.__version__}\n"
    assert '--version)" = "fini-gate $VERSION"' in TEXT


def test_docs__describe_the_workflow() -> None:
    """The page lists the jobs in order, and verifies images and packages with the options that the workflow uses."""
    assert re.findall(r"(?m)^\| `(\w+)` \|", DOCS) == list(JOBS)
    commands = [re.findall(r"gh attestation verify[^|]*?runners", text) for text in (TEXT, DOCS)]
    (image, package), in_docs = [[re.findall(r"--[a-z-]+", command) for command in found] for found in commands]
    assert in_docs == [image, package]
    assert image == package
    assert "\n## Verify a release\n" in DOCS
