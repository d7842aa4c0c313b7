"""Holds release.yml to what makes it safe, and to the commands that it calls."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from release.__main__ import parser
from tests.release.conftest import ROOT
from tests.release.workflow import EXPRESSION, JOBS, TEXT, WORKFLOW, needed, needed_in_the_end

# What the runner gives to every step.
GIVEN = {"GITHUB_OUTPUT", "GITHUB_REF", "GITHUB_REF_NAME", "GITHUB_REPOSITORY", "GITHUB_SHA", "RUNNER_TEMP"}
DOCS = (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8")
_STEPS = [(job, step) for job in JOBS for step in JOBS[job]["steps"]]
STEPS = [pytest.param(job, step, id=f"{job}: {step['name']}") for job, step in _STEPS]
COMMANDS = [pytest.param(step["run"], step.get("env", {}), id=step["name"]) for _, step in _STEPS if "run" in step]
# Each permission to write, and the one job that has it; all others read, or nothing.
WRITERS = {
    "packages": {"publish"},
    "id-token": {"publish"},
    "attestations": {"publish"},
    "contents": {"tag", "release"},
}


def test_workflow__starts_from_a_tag_alone() -> None:
    """Nothing but the tag that asks for a release starts it: no pull request, no schedule, no other workflow."""
    assert WORKFLOW["on"] == {"push": {"tags": ["release/*"]}}


def test_workflow__is_permitted_to_write_where_it_must() -> None:
    """Each permission to write is with the jobs that need it, and no job can write all."""
    writers: dict[str, set[str]] = {}
    for name, job in JOBS.items():
        for scope, access in job["permissions"].items():
            if access == "write":
                writers.setdefault(scope, set()).add(name)
            else:
                assert (scope, access) == ("contents", "read")
    assert writers == WRITERS


def test_workflow__waits_for_approval_before_it_writes() -> None:
    """Every job that can write is the protected one, or waits for it."""
    (approved,) = (name for name, job in JOBS.items() if job.get("environment") == "release")
    assert set.union(*WRITERS.values()) <= {name for name in JOBS if approved in {name, *needed_in_the_end(name)}}


@pytest.mark.parametrize("job", ["publish", "tag", "release"])
def test_workflow__needs_the_tests(job: str) -> None:
    """Nothing is published, tagged or released before the check, the tests and the build have passed."""
    assert needed_in_the_end(job) >= {"check", "test", "build"}


def test_workflow__runs_one_release_at_a_time() -> None:
    """A second release waits for the first, which is not cut short."""
    assert WORKFLOW["concurrency"] == {"group": "release", "cancel-in-progress": "false"}


@pytest.mark.parametrize("job", JOBS)
def test_job__has_a_limit_and_no_condition(job: str) -> None:
    """Each job ends in time, and runs only where all that it needs has succeeded."""
    assert 0 < int(JOBS[job]["timeout-minutes"]) <= 30
    assert "if" not in JOBS[job]
    assert all("if" not in step and "continue-on-error" not in step for step in JOBS[job]["steps"])


def test_images__are_pinned() -> None:
    """Each image that the build runs is named by digest: the emulator, the builder, the scanner."""
    names = re.findall(r"docker\.io/\S+", TEXT)
    assert len(names) == 3
    assert all(re.fullmatch(r"docker\.io/[\w./-]+(:[\w.-]+)?@sha256:[0-9a-f]{64}", name) for name in names)


def test_workflow__keeps_no_cache() -> None:
    """What would be cached without a word is switched off, and nothing else asks for a cache."""
    given = [item for _, step in _STEPS for item in step.get("with", {}).items() if item[0].startswith("cache")]
    assert given == [("cache-image", "false"), ("cache-binary", "false")]


def test_workflow__reads_no_secret() -> None:
    """The run's own token is all there is, and the steps that get it are these."""
    assert "secrets." not in TEXT
    holders = {step["name"] for job in JOBS.values() for step in job["steps"] if "github.token" in str(step)}
    assert holders == {
        "Log in to the registry",
        "Verify it as a user would",
        "Commit, tag and push",
        "Make the release",
    }


@pytest.mark.parametrize(("script", "env"), COMMANDS)
def test_command__holds_no_expression(script: str, env: dict[str, str]) -> None:
    """Nothing is pasted into a script: what it needs stands in its environment, and all of that is given."""
    assert "${{" not in script
    assigned = set(re.findall(r"^ *(?:for )?(\w+)(?:=| in )", script, re.MULTILINE))
    assert set(re.findall(r"\$\{?(\w+)", script)) <= GIVEN | set(env) | assigned


@pytest.mark.parametrize(("job", "step"), STEPS)
def test_expression__names_what_there_is(job: str, step: dict[str, str]) -> None:
    """Each expression is the run's own commit, actor or token, or an output of a step before or of a job waited for."""
    before = JOBS[job]["steps"][: JOBS[job]["steps"].index(step)]
    known = {"github.sha", "github.actor", "github.token"}
    known |= {f"needs.{need}.outputs.{name}" for need in needed(job) for name in JOBS[need].get("outputs", {})}
    known |= {f"steps.{other['id']}.outputs.digest" for other in before if "id" in other}
    assert set(EXPRESSION.findall(str(step))) <= known


def test_commands__are_taken_by_the_package() -> None:
    """Each call of the release's package is a step that it has, with as many arguments as it takes; all are called."""
    calls = re.findall(r"python3 -m release (.*)$", TEXT, re.MULTILINE)
    called = set()
    for call in calls:
        arguments = shlex.split(call.partition(" >")[0])
        called.add(parser().parse_args(arguments).step.__name__)
    assert called == {"check", "index", "tag", "notes"}


def test_commands__are_targets_of_the_makefile() -> None:
    """Each make target that the workflow calls is there."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"run: make (\S+)$", TEXT, re.MULTILINE)
    assert targets == ["lint", "test"]
    assert all(re.search(rf"^{target}:.*## ", makefile, re.MULTILINE) for target in targets)


def test_gate__says_what_the_build_looks_for() -> None:
    """The gate without an input ends as the build expects of the image."""
    command = [sys.executable, "-I", str(ROOT / "entrypoint.py")]
    ended = subprocess.run(command, capture_output=True, check=False, env={}, text=True)  # noqa: S603 - the gate
    assert ended.returncode == 2
    (looked_for,) = re.findall(r'grep --line-regexp "(.*?)"', TEXT)
    assert looked_for in ended.stdout.splitlines()


def test_docs__list_the_jobs() -> None:
    """The table of jobs has each of them, in order, and says which of them write."""
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", DOCS, re.MULTILINE)
    assert [job for job, _ in rows] == list(JOBS)
    assert {job for job, writes in rows if "write" in writes} == set.union(*WRITERS.values())


def test_docs__verify_as_the_workflow_does() -> None:
    """Users are told to verify with the options that the release itself was verified with."""
    commands = (
        re.findall(r"gh attestation verify.*?--deny-self-hosted-runners", text, re.DOTALL) for text in (TEXT, DOCS)
    )
    ((asked,), (told,)) = ([re.findall(r"--[a-z-]+", command) for command in found] for found in commands)
    assert asked == told


def test_docs__have_the_heading_that_notes_link_to() -> None:
    """A release's notes lead to how it is verified."""
    assert "\n## Verify a release\n" in DOCS
