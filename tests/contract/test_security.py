"""Check the claims in SECURITY.md."""

import re
from typing import Final

import yaml

from fini_gate.inputs import DEFAULTS
from tests.contract.pages import ROOT, Page, code_spans

PAGE: Final = Page("SECURITY.md")
BACKING_HEADING: Final = "shown by"


def test_security__backs_each_claim() -> None:
    """For each threat a row names a defence and a test or a file (test_pages checks them); the host is the default."""
    claims = [row for heading, *rows in PAGE.tables if heading[-1] == BACKING_HEADING for row in rows]
    assert claims
    for claim in claims:
        assert all(claim)
        assert any("::" in span or (ROOT / span).is_file() for span in code_spans(claim[-1])), claim
    assert DEFAULTS["api-url"] == f"https://{code_spans(PAGE.table('host')[0][0])[0]}"


def test_snippet__has_the_least_privilege() -> None:
    """The workflow to copy has no permissions and passes only inputs that exist."""
    (workflow,) = (yaml.safe_load(code) for code in PAGE.code if "jobs:" in code)
    (job,) = workflow["jobs"].values()
    (step,) = job["steps"]
    assert workflow["permissions"] == {}
    assert "permissions" not in job
    assert step["uses"].startswith("OWNER/fini-gate@")
    assert step["with"].keys() <= DEFAULTS.keys()
    assert step["with"]["api-key"] == "${{ secrets.FINI_API_KEY }}"


def test_gate__reads_no_token() -> None:
    """The code reads only those of the runner's variables that SECURITY.md lists, and no token."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "fini_gate").rglob("*.py"))
    variables = set(re.findall(r'"((?:ACTIONS|GITHUB|RUNNER)_[A-Z_]+)"', code))
    assert variables == {
        *("GITHUB_ACTIONS", "GITHUB_WORKSPACE", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"),
        "RUNNER_DEBUG",
    }
    assert variables <= set(PAGE.code)
    assert "TOKEN" not in code


def test_dependencies__are_locked() -> None:
    """Every package of the image is pinned by version and hash, pip may install only those, and the base by digest."""
    for line in (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8").replace("\\\n", "").splitlines():
        assert line.startswith("#") or re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert dockerfile.count("pip install") == 1
    assert all(option in dockerfile for option in ("--no-deps", "--require-hashes", "--only-binary :all:"))
    assert re.search(r"(?m)^ARG BASE_IMAGE=\S+:\S+@sha256:[0-9a-f]{64}$", dockerfile)
    assert set(re.findall(r"(?m)^FROM (\S+)", dockerfile)) == {"${BASE_IMAGE}"}
