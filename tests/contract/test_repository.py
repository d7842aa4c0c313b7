"""Check that workflows, Makefile, hooks, Dependabot, pages and scripts agree with each other."""

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


def variable(name: str) -> list[str]:
    """Return the words of a variable of the Makefile."""
    found = re.search(rf"(?m)^{name} [:?]= ((?:.*\\\n)*.*)$", MAKEFILE)
    assert found is not None
    return found[1].replace("\\\n", " ").split()


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the repository with extra environment variables, as if it were not run by make."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "VENV"))}
    return subprocess.run(  # noqa: S603 - a list of our own
        command,
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**inherited, **environ},
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=30,
    )


# --- workflows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow__grants_permissions_per_job(path: Path) -> None:
    """A workflow grants nothing at the top; each job sets its permissions, time limit and runner."""
    workflow = load(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert "permissions" in job, name
        assert "timeout-minutes" in job, name
        assert job["runs-on"] == "ubuntu-24.04", name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow__pins_every_action(path: Path) -> None:
    """Every action but this one is pinned by commit, with its version."""
    used = re.findall(r"(?m)^ *(?:- )?uses: (.*)$", path.read_text(encoding="utf-8"))
    steps = [step for job in load(path)["jobs"].values() for step in job["steps"]]
    assert len(used) == sum("uses" in step for step in steps)
    for line in used:
        assert line.startswith("./ ") or re.fullmatch(r"[\w.-]+(?:/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_workflows__pin_an_action_to_one_commit() -> None:
    """All workflows use the same commit of an action."""
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    pins = set(re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", text))
    assert len(pins) == len({action for action, _ in pins})


def test_ci__has_nothing_that_a_pull_request_could_take() -> None:
    """CI runs with a pull request's own rights, its jobs may only check out, and it uses no secret."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^  ([a-z_]+):", text.partition("\non:")[2].partition("\n\n")[0]) == ["push", "pull_request"]
    assert "secrets" not in text
    assert "github.token" not in text
    assert all(job["permissions"] in ({}, {"contents": "read"}) for job in CI["jobs"].values())


def test_ci__ends_with_a_job_that_needs_all_others() -> None:
    """The last job waits for all others, and runs even if they fail."""
    *others, last = CI["jobs"]
    assert last == "all-green"
    assert CI["jobs"][last]["needs"] == others
    assert CI["jobs"][last]["if"] == "always()"
    assert not any("if" in CI["jobs"][name] or "continue-on-error" in CI["jobs"][name] for name in others)


@pytest.mark.parametrize(
    ("results", "exit_code"),
    [("success success", 0), ("success failure", 1), ("cancelled success", 1), ("success skipped", 1)],
)
def test_all_green__passes_if_all_jobs_succeeded(results: str, exit_code: int) -> None:
    """The last job fails if a job failed, was cancelled or was skipped."""
    (step,) = CI["jobs"]["all-green"]["steps"]
    assert step["env"] == {"RESULTS": "${{ join(needs.*.result, ' ') }}"}
    assert run("bash", "-e", "-c", step["run"], RESULTS=results).returncode == exit_code


def test_pythons__are_the_same_everywhere() -> None:
    """CI, the Makefile and pyproject.toml list the same Python versions; the image uses one of them."""
    pythons = variable("PYTHONS")
    prefix = "Programming Language :: Python :: "
    named = [line.removeprefix(prefix) for line in PROJECT["project"]["classifiers"] if line.startswith(prefix)]
    assert CI["jobs"]["test"]["strategy"]["matrix"]["python"] == pythons == named
    assert PROJECT["project"]["requires-python"] == f">={pythons[0]}"
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{pythons[0].replace('.', '')}"
    of_image = re.search(r"(?m)^ARG BASE_IMAGE=python:(3\.\d+)-", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert of_image is not None
    assert of_image[1] in pythons


def test_base_image__is_the_one_that_dependabot_sees() -> None:
    """The image is built on the base image that Dependabot updates."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    seen = (ROOT / "image" / "base.Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^ARG BASE_IMAGE=(.+)$", dockerfile) == re.findall(r"(?m)^FROM (.+)$", seen)


# --- make and its friends --------------------------------------------------------------------------------------------


def test_make__help_lists_every_target() -> None:
    """The help describes every target."""
    targets = re.findall(r"(?m)^([a-z0-9-]+):", MAKEFILE)
    listed = [line.split(maxsplit=1) for line in run("make", "--no-print-directory", "help").stdout.splitlines()]
    assert [name for name, words in listed if words] == targets


def test_make__has_a_lock_file_per_purpose() -> None:
    """Every lock file has a dependency group and a target that installs it, and the other way round."""
    locked = {path.stem for path in (ROOT / "requirements").iterdir()}
    assert locked == {"runtime", *PROJECT["dependency-groups"]}
    assert locked == set(re.findall(r"(?m)^[a-z0-9-]+:.* \$\(VENV\)/(\w+)/\.ready", MAKEFILE))


HERE: Final = "{}.{}".format(*sys.version_info)


@pytest.mark.parametrize(
    ("versions", "exit_code", "printed"),
    [(f"3.1 {HERE}", 0, f" VENV=.venv-{HERE}\n"), ("3.1", 2, "Python 3.1 is not installed: skipped\n")],
    ids=["one", "none"],
)
def test_test_all__runs_on_the_pythons_that_are_installed(
    tmp_path: Path, versions: str, exit_code: int, printed: str
) -> None:
    """The tests run in an environment per Python version; without any of these versions, the target fails."""
    (tmp_path / f"python{HERE}").symlink_to(sys.executable)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYENV_ROOT": "/nonexistent"}
    ended = run("make", "MAKE=echo make", "test-all", f"PYTHONS={versions}", **environ)
    assert (ended.returncode, printed in ended.stdout) == (exit_code, True), ended.stdout


def test_hooks__are_the_linters_of_make() -> None:
    """Git's hooks run what `make lint` runs: each linter's own target."""
    (local,) = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [hook["id"] for hook in local["hooks"]] == variable("LINTS")
    assert set(variable("LINTS")) == set(re.findall(r"(?m)^(lint-[a-z]+):", MAKEFILE))
    assert re.search(r"(?m)^lint: \$\(LINTS\) ##", MAKEFILE)
    for hook in local["hooks"]:
        assert (hook["entry"], hook["language"], hook["pass_filenames"]) == (f"make {hook['id']}", "system", False)


def test_dependabot__looks_after_whatever_is_pinned() -> None:
    """Dependabot updates all packages, the base image and the actions in groups, a week after their release."""
    updates = load(ROOT / ".github" / "dependabot.yml")["updates"]
    assert {(update["package-ecosystem"], update["directory"]) for update in updates} == {
        ("pip", "/requirements"),
        ("docker", "/image"),
        ("github-actions", "/"),
        ("npm", "/docs/picture"),
        ("npm", "/tests/e2e/node"),
    }
    for update in updates:
        assert update["cooldown"] == {"default-days": 7}
        assert [group["patterns"] for group in update["groups"].values()] == [["*"]]


# --- pages -----------------------------------------------------------------------------------------------------------


def test_decisions__are_listed_and_short() -> None:
    """Records are numbered consecutively, are listed, have the same three sections, and fit on a page."""
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

KNOWN_BAD: Final = "echo requests 2.19.1 PYSEC-2018-28"


@pytest.mark.parametrize(
    ("pip_audit", "exit_code", "is_skipped"),
    [
        ("echo No known vulnerabilities found", 0, True),
        ("echo Cannot connect >&2; exit 1", 0, True),
        (f"case $* in *--no-deps*) {KNOWN_BAD}; exit 1 ;; esac", 0, False),
        (f"case $* in *--no-deps* | *lint.txt*) {KNOWN_BAD}; exit 1 ;; esac", 1, False),
    ],
    ids=["no data", "unreachable", "no vulnerability", "a vulnerability"],
)
def test_audit__is_skipped_where_no_database_answers(
    tmp_path: Path, pip_audit: str, exit_code: int, *, is_skipped: bool
) -> None:
    """The audit is skipped if the database does not know a known vulnerability; otherwise its verdict counts."""
    path = tmp_path / "pip-audit"
    path.write_text(f"#!/bin/sh\n{pip_audit}\n", encoding="utf-8")
    path.chmod(0o755)
    ended = run(".ci/audit", path, "requirements/runtime.txt", "requirements/lint.txt")
    assert ended.returncode == exit_code
    assert ("SKIPPED" in ended.stdout) is is_skipped
