"""The runners of Gitea and Forgejo, older ones too: the same container, with less around it and more beside it."""

import json
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from fake_fini import FakeFini
from tests.integration.gates import Gate, inputs_for

DONE: Final = {"id": "done", "article-id": "article-1"}
FORGES: Final[Mapping[str, Mapping[str, str]]] = {
    "Gitea": {"GITEA_ACTIONS": "true", "GITEA_ACTIONS_RUNNER_VERSION": "v0.3.0", "GITEA_TOKEN": "token"},
    "Forgejo": {
        "FORGEJO_ACTIONS": "true",
        "FORGEJO_TOKEN": "token",
        "FORGEJO_OUTPUT": "/nowhere/output",
        "FORGEJO_STEP_SUMMARY": "/nowhere/summary",
        "FORGEJO_WORKSPACE": "/nowhere",
    },
}


Serve = Callable[..., FakeFini]


@pytest.mark.parametrize("environ", FORGES.values(), ids=FORGES)
def test_runner__of_another_forge_is_served_as_githubs(gate: Gate, serve: Serve, environ: Mapping[str, str]) -> None:
    """Variables of another name beside GitHub's change nothing: outputs and summary go where those of GitHub say."""
    run = gate.run(inputs_for(serve(DONE), "done"), environ)
    assert run.exit_code == 0
    assert json.loads(run.outputs["article-ids"]) == ["article-1"]
    assert "All jobs completed" in run.summary
    assert "::warning" not in run.log
    assert "token" not in run.log


def test_runner__without_a_summary_loses_nothing_else(gate: Gate, serve: Serve) -> None:
    """A runner that knows no job summary names no file for one: that is not worth a word."""
    run = gate.run(inputs_for(serve(DONE), "done"), {**FORGES["Gitea"], "GITHUB_STEP_SUMMARY": ""})
    assert (run.exit_code, run.summary) == (0, "")
    assert run.outputs["result"] == "success"
    assert "::warning" not in run.log


@pytest.mark.parametrize("name", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_runner__whose_files_are_not_there_is_told(gate: Gate, serve: Serve, name: str) -> None:
    """A file that is named and not there brings one warning, and never changes the ending."""
    run = gate.run(inputs_for(serve(DONE), "done"), {**FORGES["Gitea"], name: str(gate.workspace / "none" / "file")})
    assert run.exit_code == 0
    assert run.log.count("::warning ") == 1
    assert ('output article-ids = ["article-1"]' in run.log) is (name == "GITHUB_OUTPUT")
    assert not (gate.workspace / "none").exists()


def test_runner__without_a_workspace_works_in_the_folder_that_it_starts_in(gate: Gate, serve: Serve) -> None:
    """Where GITHUB_WORKSPACE is missing, files are read from and written to the current folder."""
    (gate.workspace / "ids.txt").write_text("done\n")
    inputs = inputs_for(serve(DONE), job_ids_file="ids.txt", results_file="out/results.json")
    run = gate.run(inputs, {**FORGES["Gitea"], "GITHUB_WORKSPACE": ""})
    assert (run.exit_code, run.outputs["results-file"]) == (0, "out/results.json")
    results = json.loads((gate.workspace / "out" / "results.json").read_text())
    assert [job["articleId"] for job in results["jobs"]] == ["article-1"]
