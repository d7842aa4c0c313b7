"""The whole gate in the test's own process, against the stand-in API."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from fini_gate.models import JobState
from tests.integration.gates import DONE, FAILED, KEY, PENDING, Gate, Serve, inputs_for

POISON = {"id": "poison", "broken": True}
DRAFT = {"id": "article-1", "title": "Returns", "isDraftPublished": False}
TOO_MANY_REQUESTS = {"status": 429, "headers": {"Retry-After": "1000"}}
ODD = {"id": "odd", "runs-for": "never", "statuses": {"running": "PONDERING"}}

GITEA = {"GITEA_ACTIONS": "true", "GITEA_ACTIONS_RUNNER_VERSION": "v0.3.0", "GITEA_TOKEN": "token"}
FORGEJO = {
    "FORGEJO_ACTIONS": "true",
    "FORGEJO_TOKEN": "token",
    "FORGEJO_OUTPUT": "/nowhere/output",
    "FORGEJO_STEP_SUMMARY": "/nowhere/summary",
    "FORGEJO_WORKSPACE": "/nowhere",
}


@dataclass(frozen=True)
class Case:
    """Jobs with the states they end in, and the exit code, result and message of the run."""

    states: Mapping[str, str]
    ends: str
    message: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    fault: object = None
    max_requests: int = 100


CASES = {
    "success": Case({"later": "completed", "done": "completed"}, "0 success", "2 articles created or updated"),
    "failure": Case({"failed": "failed", "nowhere": "missing"}, "1 failure", "0 of 2 jobs completed, 1 failed"),
    "timed out": Case({"pending": "pending", "done": "completed"}, "3 timed_out", "(timeout)", {"timeout": "400ms"}),
    "stalled": Case({"pending": "pending"}, "3 timed_out", "(stall-timeout)", {"stall-timeout": "300ms"}),
    "polled once": Case({"pending": "pending"}, "3 timed_out", "polled once", {"timeout": "0"}, max_requests=1),
    "unknown key": Case(
        {"done": "pending"}, "4 error", "HTTP 401", {"api-key": "fini_unknown_0123456789"}, max_requests=1
    ),
    "key without the scope": Case(
        {"done": "pending"}, "4 error", "read scope", {"api-key": "fini_writes_only_0123"}, max_requests=1
    ),
    "outage": Case({"done": "pending"}, "4 error", "for 0.3s", {"outage-tolerance": "300ms"}, {"status": 503}),
    "timed out in an outage": Case(
        {"done": "pending"},
        "3 timed_out",
        "The last poll was incomplete: HTTP 429",
        {"timeout": "300ms"},
        TOO_MANY_REQUESTS,
    ),
    "unreadable": Case(
        {"poison": "unreadable", "done": "completed"}, "4 error", "1 unreadable", {"outage-tolerance": "1s"}
    ),
    "unknown status": Case({"odd": "pending"}, "3 timed_out", "1 pending", {"timeout": "300ms"}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_run__ends_as_the_contract_says(gate: Gate, serve: Serve, case: Case) -> None:
    """Each result has its exit code, its lists, its message and its one error; the key is in the mask alone."""
    faults = [{"do": case.fault}] if case.fault else []
    later = {"id": "later", "runs-for": "250ms", "article-id": "article-2"}
    api = serve(DONE, FAILED, PENDING, POISON, ODD, later, faults=faults)
    run = gate.run_here({**inputs_for(api, *case.states), **case.inputs})
    assert f"{run.exit_code} {run.outputs['result']}" == case.ends
    assert {job_id: state for state in JobState for job_id in run.ids(state)} == case.states
    assert case.message in run.outputs["message"]
    assert len(run.errors) == (run.exit_code != 0)
    assert all(case.message in error for error in run.errors)
    assert 1 <= len(api.requests) <= case.max_requests
    assert run.log.count("::warning ") == ("odd" in case.states)
    key = case.inputs.get("api-key", KEY)
    assert run.log.count(key) == 1
    assert run.log.startswith(f"::add-mask::{key}\n")


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"job-ids-file": "nowhere.json"}, "'nowhere.json', which matches no file"),
        ({"job-ids": "a", "results-file": "../out.json"}, "Input results-file is '../out.json'"),
        ({"job-ids": " ".join(map(str, range(10_001)))}, "at most 10000: set results-file to the path of a file for"),
        ({"job-ids": f"a {KEY}"}, "Input job-ids: "),
        ({"job-ids": "a", "api-key": "fini_with a space"}, "Input api-key "),
        ({"job-ids": "a", "ca-bundle": "nowhere.pem"}, "nowhere.pem"),
    ],
)
def test_run__with_invalid_input_is_a_usage_error(gate: Gate, inputs: Mapping[str, str], named: str) -> None:
    """Invalid input is exit code 2 and one error that names it, with all outputs and without the key."""
    run = gate.run_here(inputs)
    assert (run.exit_code, run.outputs["result"], run.outputs["job-count"]) == (2, "error", "0")
    assert len(run.errors) == 1
    assert named in run.errors[0]
    assert "with a space" not in run.log
    assert KEY not in run.log.replace(f"::add-mask::{KEY}\n", "", 1)


def test_run__with_many_jobs_needs_a_results_file(gate: Gate) -> None:
    """10,000 jobs are fine without one, and more are fine with one."""
    ids = " ".join(map(str, range(10_000)))
    inputs = {"job-summary": "false"}
    wait: Any = None  # calling it is a bug, so the run gets past its inputs and no further
    assert gate.run_here({**inputs, "job-ids": ids}, wait=wait).exit_code == 4
    inputs["results-file"] = "results.json"
    assert gate.run_here({**inputs, "job-ids": f"{ids} x"}, wait=wait).exit_code == 4


def test_run__logs_requests_and_retries(gate: Gate, serve: Serve) -> None:
    """Each retry has a line; with debug logging each request has one, too."""
    api = serve(DONE, faults=[{"do": {"status": 503}, "requests": 1}])
    run = gate.run_here(inputs_for(api, "done"), {"RUNNER_DEBUG": "1"})
    assert re.search(r"^ {8}no usable response: HTTP 503.*; retrying in 0\.\ds$", run.log, re.MULTILINE)
    assert re.findall("::debug::request for 1 job: (HTTP ...) after 0.", run.log) == ["HTTP 503", "HTTP 200"]


def test_run__reads_a_saved_bulk_response(gate: Gate, serve: Serve) -> None:
    """A response of Bulk generate knowledge is read as it is, and its sources are in the results file."""
    jobs = [
        {"documentId": "source-1", "backgroundJobId": "done"},
        {"documentId": "source-2", "backgroundJobId": "failed"},
    ]
    (gate.workspace / "answer.json").write_text(json.dumps({"jobs": jobs}), encoding="utf-8")
    inputs = inputs_for(serve(DONE, FAILED), job_ids_file="answer.json", results_file="out/results.json")
    run = gate.run_here(inputs)
    assert (run.exit_code, run.outputs["results-file"]) == (1, "out/results.json")
    results = json.loads((gate.workspace / "out" / "results.json").read_text(encoding="utf-8"))
    assert [(job["id"], job["documentId"], job["state"]) for job in results["jobs"]] == [
        ("done", "source-1", "completed"),
        ("failed", "source-2", "failed"),
    ]


@pytest.mark.parametrize(
    ("fault", "title", "cell"),
    [
        (None, "How *refunds* work", "How \\*refunds\\* work<br>article-1"),
        ({"garbage": json.dumps([DRAFT])}, "Returns", "Returns (draft)<br>article-1"),
        ({"status": 500}, None, "article-1"),
    ],
)
def test_run__looks_up_article_titles(gate: Gate, serve: Serve, fault: object, title: str | None, cell: str) -> None:
    """Titles and drafts are in the summary and the results file; a failed look-up is a warning and nothing more."""
    faults = [{"do": fault, "route": "articles"}] if fault else []
    no_article = {"id": "no-article", "article-id": None}
    api = serve({**DONE, "title": "How *refunds* work"}, no_article, faults=faults)
    inputs = inputs_for(api, "done", "no-article", article_details="true", results_file="results.json")
    run = gate.run_here(inputs)
    assert run.exit_code == 0
    assert f"| {cell} |" in run.summary
    results = json.loads((gate.workspace / "results.json").read_text(encoding="utf-8"))
    assert [job["articleTitle"] for job in results["jobs"]] == [title, None]
    assert ("::warning title=fini-gate::Not all article titles could be looked up (HTTP 500)" in run.log) is (
        title is None
    )


# --- Runners of other forges: other variables next to GitHub's, and some of GitHub's missing


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
