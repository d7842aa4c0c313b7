import pytest
from packaging.requirements import Requirement

import fini_gate
from tests.integration.clients import KEY
from tests.integration.gates import read_outputs
from tests.package.conftest import Environment, Shell, normalize

pytestmark = pytest.mark.package

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
            if is_needed(requirement, environment.version, extras) and dependency not in NOT_LOCKED | required:
                assert requirement.specifier.contains(found[dependency].version), requirement
                remaining.append((dependency, frozenset(requirement.extras)))
    assert found.keys() == required
    assert ("actions-toolkit" in required) == ("github" in environment.extras)


def is_needed(requirement: Requirement, python: str, extras: frozenset[str]) -> bool:
    """Whether a requirement applies to this version of Python and these extras."""
    environments = [{"python_version": python, "extra": extra} for extra in ("", *extras)]
    return requirement.marker is None or any(requirement.marker.evaluate(each) for each in environments)


def test_command__runs_the_gate(environment: Environment, shell: Shell) -> None:
    """The command reads YAML, retries, tells success, failure and usage errors apart, and prints plain text."""
    passed = shell.run(environment.command, "--job-ids-file", "ids.yaml")
    failed = shell.run(environment.command, "done", "broken")
    wrong = shell.run(environment.command, "--timeout", "soon", "done")
    assert [run.exit_code for run in (passed, failed, wrong)] == [0, 1, 2], (passed, failed, wrong)
    assert "no text" in failed.output
    assert "::" not in passed.output + failed.output + wrong.output
    assert passed.errors + failed.errors == ""
    assert "soon" in wrong.errors
    assert wrong.errors.count("\n") == 1


def test_module__is_the_same_program(environment: Environment, shell: Shell) -> None:
    """`python -m fini_gate` runs the gate, too; both know the version of the package."""
    failed = shell.run(environment.python, "-m", "fini_gate", "broken")
    assert (failed.exit_code, failed.errors) == (1, ""), failed
    for start in ([environment.command], [environment.python, "-m", "fini_gate"]):
        ended = shell.run(*start, "--version")
        assert (ended.exit_code, ended.output) == (0, f"fini-gate {fini_gate.__version__}\n")


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
