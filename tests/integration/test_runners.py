"""The runners of Gitea and Forgejo, older ones too: other variables next to GitHub's, and some of GitHub's missing."""

import json
from collections.abc import Mapping
from typing import Final

import pytest

from tests.integration.gates import DONE, Gate, Serve, inputs_for

GITEA: Final = {"GITEA_ACTIONS": "true", "GITEA_ACTIONS_RUNNER_VERSION": "v0.3.0", "GITEA_TOKEN": "token"}
FORGEJO: Final = {
    "FORGEJO_ACTIONS": "true",
    "FORGEJO_TOKEN": "token",
    "FORGEJO_OUTPUT": "/nowhere/output",
    "FORGEJO_STEP_SUMMARY": "/nowhere/summary",
    "FORGEJO_WORKSPACE": "/nowhere",
}


@pytest.mark.parametrize(
    ("environ", "missing", "warnings"),
    [
        (GITEA, None, 0),
        (FORGEJO, None, 0),
        ({**GITEA, "GITHUB_STEP_SUMMARY": ""}, "summary", 0),
        ({**GITEA, "GITHUB_STEP_SUMMARY": "none/summary"}, "summary", 1),
        ({**GITEA, "GITHUB_OUTPUT": "none/output"}, "outputs", 1),
    ],
    ids=["Gitea", "Forgejo", "without summaries", "no summary file", "no output file"],
)
def test_runner__of_another_forge_is_served_like_githubs(
    gate: Gate, serve: Serve, environ: Mapping[str, str], missing: str | None, warnings: int
) -> None:
    """GitHub's variables count alone; a file that does not exist is a warning and never changes the result."""
    run = gate.run_here(inputs_for(serve(DONE), "done"), environ)
    assert run.exit_code == 0
    assert run.outputs.get("article-ids") == (None if missing == "outputs" else '["article-1"]')
    assert ('output article-ids = ["article-1"]' in run.log) is (missing == "outputs")
    assert ("All jobs completed" in run.summary) is (missing != "summary")
    assert run.log.count("::warning ") == warnings
    assert "token" not in run.log


def test_runner__without_a_workspace_uses_the_current_folder(
    gate: Gate, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without GITHUB_WORKSPACE, files are read from and written to the current folder."""
    monkeypatch.chdir(gate.workspace)
    (gate.workspace / "ids.txt").write_text("done\n")
    inputs = inputs_for(serve(DONE), job_ids_file="ids.txt", results_file="out/results.json")
    run = gate.run_here(inputs, {**GITEA, "GITHUB_WORKSPACE": ""})
    assert (run.exit_code, run.outputs["results-file"]) == (0, "out/results.json")
    results = json.loads((gate.workspace / "out" / "results.json").read_text())
    assert [job["articleId"] for job in results["jobs"]] == ["article-1"]
