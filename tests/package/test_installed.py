from collections.abc import Callable

import pytest
from packaging.requirements import Requirement

import fini_gate
from tests.integration.clients import KEY
from tests.integration.gates import read_outputs
from tests.package.conftest import Environment, Shell, normalize

pytestmark = pytest.mark.package

each_way = pytest.mark.parametrize(
    "start",
    [lambda environment: [environment.command], lambda environment: [environment.python, "-m", "fini_gate"]],
    ids=["command", "module"],
)
Start = Callable[[Environment], list[str]]
# What actions-toolkit requires and the gate does not use: the lock leaves it out.
NOT_LOCKED = {"pygithub"}


def test_requirements__are_what_the_lock_installs(environment: Environment) -> None:
    """The locked packages satisfy all requirements of fini-gate and of each other, and nothing more is installed."""
    found = environment.distributions
    required, remaining = set[str](), [("fini-gate", environment.extras)]
    while remaining:
        name, extras = remaining.pop()
        required.add(name)
        for requirement in map(Requirement, found[name].requires or ()):
            dependency = normalize(requirement.name)
            applies = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in (extras or {""})
            )
            if applies and dependency not in NOT_LOCKED | required:
                assert requirement.specifier.contains(found[dependency].version), requirement
                remaining.append((dependency, frozenset(requirement.extras)))
    assert found.keys() == required
    assert ("actions-toolkit" in required) == ("github" in environment.extras)


@each_way
def test_gate__passes_and_fails(environment: Environment, shell: Shell, start: Start) -> None:
    """The installed gate reads YAML, retries, tells success from failure, and prints plain text."""
    passed = shell.run(*start(environment), "--job-ids-file", "ids.yaml")
    assert passed.exit_code == 0, passed
    failed = shell.run(*start(environment), "done", "broken")
    assert failed.exit_code == 1, failed
    assert "no text" in failed.output
    assert "::" not in passed.output + failed.output
    assert passed.errors + failed.errors == ""


@each_way
def test_gate__says_its_version(environment: Environment, shell: Shell, start: Start) -> None:
    """The version is that of the package."""
    ended = shell.run(*start(environment), "--version")
    assert (ended.exit_code, ended.output) == (0, f"fini-gate {fini_gate.__version__}\n")


def test_gate__has_no_traceback_for_a_wrong_option(environment: Environment, shell: Shell) -> None:
    """A usage error is one line on standard error."""
    ended = shell.run(environment.command, "--timeout", "soon", "done")
    assert ended.exit_code == 2
    assert ended.errors.count("\n") == 1
    assert "soon" in ended.errors


@pytest.mark.parametrize(("job_id", "exit_code"), [("done", 0), ("broken", 1)])
def test_gate__on_github(environment: Environment, shell: Shell, job_id: str, exit_code: int) -> None:
    """With the extra the gate uses GitHub's commands and files; without, it prints plain text and names the extra."""
    output = shell.folder / "output"
    output.touch()
    variables = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(output), "GITHUB_WORKSPACE": str(shell.folder)}
    ended = shell.run(environment.command, job_id, **variables)
    assert ended.exit_code == exit_code, ended
    naming = [line for line in (ended.output + ended.errors).splitlines() if "fini-gate[github]" in line]
    if "github" in environment.extras:
        assert ended.output.startswith(f"::add-mask::{KEY}\n")
        assert read_outputs(output)["result"] == ("failure" if exit_code else "success")
        assert naming == []
    else:
        assert "::" not in ended.output + ended.errors
        assert KEY not in ended.output + ended.errors
        assert len(naming) == 1
