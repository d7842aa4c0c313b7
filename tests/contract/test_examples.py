"""Check that the examples are safe to copy, correct, listed and tested."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.contract.pages import ROOT, Page
from tests.e2e.workflows import CASES

EXAMPLES: Final = sorted((ROOT / "examples").glob("*.yml"))
ACTION: Final[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example__is_safe_to_copy_and_names_what_exists(path: Path) -> None:
    """It needs no permissions, limits each job, and passes values to scripts by the environment; all names exist.

    Its introduction names the secrets and variables that it needs, and no others.
    """
    text = path.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert all(job["timeout-minutes"] <= 45 and "permissions" not in job for job in workflow["jobs"].values())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert not any("${{" in step.get("run", "") for step in steps)
    gates = {step["id"]: step for step in steps if "uses" in step}
    assert gates
    for gate in gates.values():
        assert gate["uses"] == "OWNER/fini-gate@main"
        assert gate["with"].keys() <= ACTION["inputs"].keys()
        assert gate["with"]["api-key"] == "${{ secrets.FINI_API_KEY }}"
    scripts = {step["id"]: step["run"] for step in steps if "id" in step and "run" in step}
    for step_id, output in re.findall(r"\bsteps\.([\w-]+)\.outputs\.([\w-]+)", text):
        assert output in ACTION["outputs"] if step_id in gates else f'echo "{output}=' in scripts[step_id]
    for job_id, output in re.findall(r"\bneeds\.([\w-]+)\.outputs\.([\w-]+)", text):
        assert output in workflow["jobs"][job_id]["outputs"]
    # PyYAML reads the key `on` as a boolean.
    dispatch = isinstance(workflow[True], dict) and workflow[True].get("workflow_dispatch")
    assert set(re.findall(r"\binputs\.([\w-]+)", text)) == set(dispatch["inputs"] if dispatch else ())
    introduction = text.partition("name:")[0]
    settings = {*re.findall(r"\b(?:secrets|vars)\.(\w+)", text)} - {"FINI_API_URL"}
    assert settings == set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", introduction))


def test_examples__are_listed_and_run() -> None:
    """The README links to each example, and `make e2e` runs each with and without a failing job, and hostile input."""
    names = {path.name for path in EXAMPLES}
    assert {link.removeprefix("examples/") for link in Page("README.md").links if "examples/" in link} == names
    for scenario in ("all complete", "one fails", "hostile input"):
        assert {case.example for case in CASES if case.scenario.startswith(scenario)} == names
