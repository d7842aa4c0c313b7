"""Holds the repository's own machinery together: workflows, Makefile, hooks, Dependabot, decision records, scripts."""

import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
MAKEFILE: Final = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DECISIONS: Final = ROOT / "docs" / "decisions"


def load(path: Path) -> dict[str, Any]:
    """Read a YAML file."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


CI: Final = load(ROOT / ".github" / "workflows" / "ci.yml")


def env_name(name: str) -> list[str]:
    """Give the words of a variable of the Makefile."""
    found = re.search(rf"(?m)^{name} [:?]= ((?:.*\\\n)*.*)$", MAKEFILE)
    assert found is not None
    return found[1].replace("\\\n", " ").split()


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one of the repository's commands, with these variables besides the environment's."""
    return subprocess.run(  # noqa: S603 - the tests' own command, as a list
        command,
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=30,
    )


def program(path: Path, script: str) -> Path:
    """Write a shell script that can be run."""
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


# --- workflows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow__permits_nothing_but_job_by_job(path: Path) -> None:
    """At the top nothing is permitted, and each job says what it may, how long it may take, and on what it runs."""
    workflow = load(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert "permissions" in job, name
        assert "timeout-minutes" in job, name
        assert job["runs-on"] == "ubuntu-24.04", name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow__pins_every_action(path: Path) -> None:
    """Each action is this one, or named by a commit and its version; a checkout keeps no credentials."""
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"(?m)^ *(?:- )?uses: (.*)$", text)
    steps = [step for job in load(path)["jobs"].values() for step in job["steps"] if "uses" in step]
    assert len(used) == len(steps)
    for line in used:
        assert line.startswith("./ ") or re.fullmatch(r"[\w.-]+(?:/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    for step in steps:
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_workflows__pin_an_action_to_one_commit() -> None:
    """Whatever workflows use an action use the same commit of it."""
    pins = {
        (action, commit)
        for path in WORKFLOWS
        for action, commit in re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", path.read_text(encoding="utf-8"))
    }
    assert len(pins) == len({action for action, _ in pins})


def test_ci__has_nothing_that_a_pull_request_could_take() -> None:
    """It runs with a pull request's own rights, no job may do more than check out, and there is no secret."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^  ([a-z_]+):", text.partition("\non:")[2].partition("\n\n")[0]) == ["push", "pull_request"]
    assert "secrets" not in text
    assert "github.token" not in text
    assert all(job["permissions"] in ({}, {"contents": "read"}) for job in CI["jobs"].values())


def test_ci__of_a_pull_request_gives_way() -> None:
    """An earlier run of the same branch is cancelled where it is a pull request's."""
    assert CI["concurrency"]["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    assert CI["concurrency"]["group"] == "${{ github.workflow }}-${{ github.ref }}"


def test_ci__ends_with_a_job_that_needs_all_others() -> None:
    """The last job waits for every other one, and runs whatever became of them."""
    *others, last = CI["jobs"]
    assert last == "all-green"
    assert CI["jobs"][last]["needs"] == others
    assert CI["jobs"][last]["if"] == "always()"
    assert not any("if" in CI["jobs"][name] or "continue-on-error" in CI["jobs"][name] for name in others)


@pytest.mark.parametrize(
    "results", [*itertools.product(["success", "failure", "cancelled", "skipped"], repeat=2)], ids=" ".join
)
def test_all_green__is_so_where_all_succeeded(results: tuple[str, ...]) -> None:
    """It fails where one of the others failed, was cancelled or was skipped."""
    (step,) = CI["jobs"]["all-green"]["steps"]
    assert step["env"] == {"RESULTS": "${{ join(needs.*.result, ' ') }}"}
    ended = run("bash", "-e", "-c", step["run"], RESULTS=" ".join(results))
    assert (ended.returncode == 0) is (set(results) == {"success"})


def test_pythons__are_the_same_everywhere() -> None:
    """CI, the Makefile and pyproject.toml name the same versions of Python; the image has one of them."""
    pythons = env_name("PYTHONS")
    prefix = "Programming Language :: Python :: "
    named = [line.removeprefix(prefix) for line in PROJECT["project"]["classifiers"] if line.startswith(prefix)]
    assert CI["jobs"]["test"]["strategy"]["matrix"]["python"] == pythons == named
    assert PROJECT["project"]["requires-python"] == f">={pythons[0]}"
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{pythons[0].replace('.', '')}"
    of_image = re.search(r"(?m)^ARG BASE_IMAGE=python:(3\.\d+)-", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert of_image is not None
    assert of_image[1] in pythons


def test_base_image__is_the_one_that_dependabot_sees() -> None:
    """What Dependabot keeps fresh is what the image is built on."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    seen = (ROOT / "image" / "base.Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^ARG BASE_IMAGE=(.+)$", dockerfile) == re.findall(r"(?m)^FROM (.+)$", seen)


# --- make and its friends --------------------------------------------------------------------------------------------


def test_make__help_lists_every_target() -> None:
    """Each target stands in the help with some words."""
    targets = re.findall(r"(?m)^([a-z0-9-]+):", MAKEFILE)
    listed = [line.split(maxsplit=1) for line in run("make", "--no-print-directory", "help").stdout.splitlines()]
    assert [name for name, words in listed if words] == targets


def test_hooks__are_the_linters_of_make() -> None:
    """Before a commit git runs what `make lint` runs: each linter's own target."""
    (local,) = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [hook["id"] for hook in local["hooks"]] == env_name("LINTS")
    assert set(env_name("LINTS")) == set(re.findall(r"(?m)^(lint-[a-z]+):", MAKEFILE))
    assert re.search(r"(?m)^lint: \$\(LINTS\) ##", MAKEFILE)
    for hook in local["hooks"]:
        assert (hook["entry"], hook["language"], hook["pass_filenames"]) == (f"make {hook['id']}", "system", False)


def test_dependabot__looks_after_whatever_is_pinned() -> None:
    """Packages, base image, actions and the picture's packages are kept fresh: in groups, a week after release."""
    updates = load(ROOT / ".github" / "dependabot.yml")["updates"]
    assert {(update["package-ecosystem"], update["directory"]) for update in updates} == {
        ("pip", "/"),
        ("docker", "/image"),
        ("github-actions", "/"),
        ("npm", "/docs/picture"),
    }
    for update in updates:
        assert update["cooldown"] == {"default-days": 7}
        assert [group["patterns"] for group in update["groups"].values()] == [["*"]]


def test_decisions__are_listed_and_short() -> None:
    """Each record is numbered in a row, is in the list, has its three parts, and fits on a page."""
    records = sorted(path for path in DECISIONS.iterdir() if path.name != "README.md")
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\(([^)]+)\)", index) == [path.name for path in records]
    for number, path in enumerate(records, start=1):
        text = path.read_text(encoding="utf-8")
        assert path.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        assert re.findall(r"(?m)^## (.*)$", text) == ["Context", "Decision", "Consequences"]
        assert text.count("\n") <= 45, path.name


# --- scripts ---------------------------------------------------------------------------------------------------------

KNOWN_BAD: Final = "requests 2.19.1 PYSEC-2018-28"


@pytest.mark.parametrize(
    ("database", "exit_code", "skipped"),
    [
        ("echo No known vulnerabilities found", 0, True),
        ("echo Cannot connect >&2; exit 1", 0, True),
        (f"case $* in *known-bad*) echo {KNOWN_BAD}; exit 1 ;; esac", 0, False),
        (f"echo {KNOWN_BAD}; exit 1", 1, False),
        (f"case $* in *-dev.txt | *known-bad*) echo {KNOWN_BAD}; exit 1 ;; esac", 1, False),
    ],
    ids=["knows nothing", "away", "finds nothing", "finds in both", "finds in one"],
)
def test_audit__is_skipped_where_no_database_answers(
    tmp_path: Path, database: str, exit_code: int, *, skipped: bool
) -> None:
    """A database that does not know of what is known is none; one that does decides."""
    ended = run(".ci/audit", program(tmp_path / "pip-audit", database))
    assert ended.returncode == exit_code
    assert ("SKIPPED" in ended.stdout) is skipped


HERE: Final = "{}.{}".format(*sys.version_info)


@pytest.mark.parametrize(
    ("versions", "made", "exit_code", "told"),
    [
        ([HERE], "exit 0", 0, f"Python {HERE}: passed\n"),
        ([HERE], "exit 2", 1, f"Python {HERE}: FAILED\n"),
        (["3.1", HERE], "exit 0", 0, f"Python 3.1: not on this machine\nPython {HERE}: passed\n"),
        (["3.1"], "exit 0", 1, "Python 3.1: not on this machine\n"),
    ],
    ids=["passes", "fails", "goes on", "none"],
)
def test_test_all__tells_what_became_of_each(
    tmp_path: Path, versions: list[str], made: str, exit_code: int, told: str
) -> None:
    """It fails where the tests failed on one version, or no version was there."""
    program(tmp_path / "make", f'echo "made: $*"; {made}')
    (tmp_path / f"python{HERE}").symlink_to(sys.executable)
    ended = run(".ci/test-all", *versions, PATH=f"{tmp_path}:{os.environ['PATH']}", PYENV_ROOT="/nonexistent")
    assert ended.returncode == exit_code, ended.stderr
    assert ended.stdout.endswith(f"\n{told}")
    if HERE in versions:
        assert f"made: --no-print-directory test PYTHON={tmp_path}/python{HERE} VENV=.venv-{HERE}\n" in ended.stdout
