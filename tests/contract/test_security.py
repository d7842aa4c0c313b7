"""Holds SECURITY.md to what there is: each claim names the test or the file that backs it."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest
import yaml

from fini_gate.inputs import DEFAULTS

ROOT: Final = Path(__file__).resolve().parents[2]
SECURITY: Final = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")
CODE: Final = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "fini_gate").rglob("*.py")))
SPANS: Final = sorted(set(re.findall(r"`([^`\n]+)`", SECURITY)))
TESTS: Final = [span for span in SPANS if "::" in span]
FILES: Final = [span for span in SPANS if re.fullmatch(r"[\w./-]+\.(py|yml|md|txt)|Dockerfile", span)]
# The threats, and what each section's table says of them.
SECTIONS: Final = (
    "A hostile checkout",
    "Hostile responses of the API",
    "A hostile network",
    "Leaked logs",
    "Supply chain",
)


def rows(heading: str) -> list[list[str]]:
    """Give the cells of the table in a section."""
    _, _, rest = SECURITY.partition(f"## {heading}\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("name", TESTS)
def test_security__names_tests_that_exist(name: str) -> None:
    """Each test that is named is there, under that name, in that file."""
    path, _, function = name.partition("::")
    assert (ROOT / path).is_file()
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", FILES)
def test_security__names_files_that_exist(name: str) -> None:
    """Each file that is named is there."""
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("heading", SECTIONS)
def test_security__backs_each_claim(heading: str) -> None:
    """For each threat there is a word on what defends, and at least one test or file that shows it."""
    assert rows(heading)
    for threat, defence, backing in rows(heading):
        assert threat
        assert defence
        assert set(re.findall(r"`([^`]+)`", backing)) & {*TESTS, *FILES}


def test_security__names_the_host_of_the_code() -> None:
    """The first host of the egress rules is the one that is asked by default."""
    assert f"https://{rows('Where it connects to')[0][0].strip('`')}" == DEFAULTS["api-url"]


def test_snippet__has_the_least_privilege() -> None:
    """The workflow to copy permits nothing, and gives inputs that there are."""
    snippets = (yaml.safe_load(snippet) for snippet in re.findall(r"```yaml\n(.*?)```", SECURITY, re.DOTALL))
    workflow = next(snippet for snippet in snippets if "jobs" in snippet)
    (job,) = workflow["jobs"].values()
    (step,) = job["steps"]
    assert workflow["permissions"] == {}
    assert "permissions" not in job
    assert step["uses"].startswith("OWNER/fini-gate@")
    assert step["with"].keys() <= DEFAULTS.keys()
    assert step["with"]["api-key"] == "${{ secrets.FINI_API_KEY }}"


def test_gate__reads_no_token() -> None:
    """Of the runner's variables the code knows those that SECURITY.md lists, and no token is among them."""
    known = set(re.findall(r'"((?:ACTIONS|GITHUB|RUNNER)_[A-Z_]+)"', CODE))
    assert known == {"GITHUB_WORKSPACE", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "RUNNER_DEBUG"}
    assert all(f"`{name}`" in SECURITY for name in known)
    assert "TOKEN" not in CODE


def test_dependencies__are_locked_by_hash() -> None:
    """Each package of the image is pinned by version and hash, and pip is to install those alone."""
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", "").splitlines():
        assert line.startswith("#") or re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
    assert DOCKERFILE.count("pip install") == 1
    assert all(option in DOCKERFILE for option in ("--no-deps", "--require-hashes", "--only-binary :all:"))


def test_base_image__is_pinned_by_digest() -> None:
    """What the image stands on is named by the digest of its content."""
    (base,) = re.findall(r"^ARG BASE_IMAGE=(.*)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"\S+:\S+@sha256:[0-9a-f]{64}", base)
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${BASE_IMAGE}"}
