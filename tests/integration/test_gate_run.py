"""The whole gate in the test's own process, against the stand-in API."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from fini_gate.models import JobState
from tests.integration.gates import DONE, FAILED, KEY, PENDING, Gate, Serve, inputs_for

POISON = {"id": "poison", "broken": True}
ODD = {"id": "odd", "runs-for": "never", "statuses": {"running": "PONDERING"}}
LATER = {"id": "later", "runs-for": "250ms", "article-id": "article-2"}
FORGEJO = dict.fromkeys(("FORGEJO_OUTPUT", "FORGEJO_STEP_SUMMARY", "FORGEJO_WORKSPACE", "FORGEJO_TOKEN"), "/nowhere")
TOLERANCE = {"outage-tolerance": "500ms"}
DRAFT = '[{"id": "article-1", "title": "Refunds", "isDraftPublished": false}]'
UNKNOWN_KEY = "fini_unknown_0123456789"

# Jobs and the states they end in; the exit code and the result; the message; more inputs; a fault.
CASES: Mapping[str, tuple[Mapping[str, str], str, str, Mapping[str, str], object]] = {
    "success": ({"later": "completed", "done": "completed"}, "0 success", "2 articles created or updated", {}, None),
    "failure": ({"failed": "failed", "nowhere": "missing"}, "1 failure", "1 of 2 jobs failed, 1 is missing", {}, None),
    "timed out": ({"pending": "pending", "done": "completed"}, "3 timed_out", "(timeout)", {"timeout": "400ms"}, None),
    "stalled": ({"odd": "pending"}, "3 timed_out", "(stall-timeout)", {"stall-timeout": "300ms"}, None),
    "unknown key": ({"done": "pending"}, "4 error", "HTTP 401", {"api-key": UNKNOWN_KEY}, None),
    "outage": ({"done": "pending"}, "4 error", "for 0.5s", TOLERANCE, {"status": 503}),
    "unreadable": (
        {"poison": "unreadable", "done": "completed"},
        "4 error",
        "1 of 2 jobs is unreadable",
        TOLERANCE,
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_run__ends_as_the_contract_says(gate: Gate, serve: Serve, case: str) -> None:
    """Each result has its exit code, its lists, its message and its one error; the key is in the mask alone."""
    states, ends, message, inputs, fault = CASES[case]
    api = serve(DONE, FAILED, PENDING, POISON, ODD, LATER, faults=[{"do": fault}] if fault else [])
    run = gate.run_here({**inputs_for(api, *states), **inputs})
    assert f"{run.exit_code} {run.outputs['result']}" == ends
    assert {job_id: state for state in JobState for job_id in run.ids(state)} == states
    assert message in run.outputs["message"]
    assert len(run.errors) == (run.exit_code != 0)
    assert all(message in error for error in run.errors)
    assert run.log.count("::warning ") == ("odd" in states)
    key = inputs.get("api-key", KEY)
    assert run.log.count(key) == 1
    assert run.log.startswith(f"::add-mask::{key}\n")


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"job-ids": "a", "results-file": "../out.json"}, "Input results-file is '../out.json'"),
        ({"job-ids": f"a {KEY}"}, "Input job-ids contains the API key"),
        ({"job-ids": " ".join(map(str, range(10_001)))}, "at most 10000: set results-file to the path of a file for"),
        ({"job-ids": " ".join(map(str, range(10_001))), "results-file": "results.json"}, None),
        ({"job-ids": " ".join(map(str, range(10_000)))}, None),
    ],
    ids=["outside the workspace", "a key", "too many jobs", "a results file", "many jobs"],
)
def test_run__rejects_invalid_input(gate: Gate, inputs: Mapping[str, str], named: str | None) -> None:
    """Invalid input is exit code 2 and one error that names it, without the key."""
    wait: Any = None  # calling it is a bug, so the run gets past its inputs and no further
    run = gate.run_here({"job-summary": "false", **inputs}, wait=wait)
    assert run.exit_code == (2 if named else 4)
    assert len(run.errors) == 1
    assert (named or "fini-gate itself failed") in run.errors[0]
    assert KEY not in run.log.replace(f"::add-mask::{KEY}\n", "", 1)


def test_run__logs_requests_and_retries(gate: Gate, serve: Serve) -> None:
    """Each retry has a line; with debug logging each request has one, too."""
    api = serve(DONE, faults=[{"do": {"status": 503}, "requests": 1}])
    run = gate.run_here(inputs_for(api, "done"), {"RUNNER_DEBUG": "1"})
    assert re.search(r"^ {8}no usable response: HTTP 503.*; retrying in 0\.\ds$", run.log, re.MULTILINE)
    assert re.findall("::debug::request for 1 (.*: HTTP ...) after 0.", run.log) == [
        *("job: HTTP 503", "job: HTTP 200", "article: HTTP 200")
    ]


SILENT = {"id": "silent", "document-id": "source/1", "ends-as": "FAILED", "source-error": "404 Not Found"}
SAVED = json.dumps({"jobs": [{"documentId": "source/1", "backgroundJobId": "silent"}]})


def test_run__says_why_a_job_failed(gate: Gate, serve: Serve) -> None:
    """The reason that its source gives is once in the log, once in an annotation, and in the results file."""
    api = serve(SILENT)
    run = gate.run_here(inputs_for(api, job_ids=SAVED, results_file="results.json"))
    assert (run.exit_code, run.outputs["failed-document-ids"]) == (1, '["source/1"]')
    line = "job silent (source source/1) failed: 404 Not Found"
    assert [text for text in run.log.splitlines() if "404" in text] == [
        f"        {line}",
        f"::error title=Fini job failed::{line}",
    ]
    assert "404 Not Found" in run.summary
    results = json.loads((gate.workspace / "results.json").read_text(encoding="utf-8"))
    assert results["jobs"][0]["reason"] == "404 Not Found"
    assert [(request.method, request.ids) for request in api.requests][1:] == [("GET", ("source/1",))]


def test_run__leaves_out_what_cannot_be_looked_up(gate: Gate, serve: Serve) -> None:
    """One line says what is missing, and the job has its status as the reason."""
    faults = [{"do": {"status": 403}, "route": route} for route in ("source", "articles")]
    run = gate.run_here(inputs_for(serve(SILENT, DONE, faults=faults), "done", job_ids=SAVED))
    assert (run.exit_code, run.ids("completed")) == (1, [])
    assert "job silent (source source/1) failed: FAILED" in run.log
    assert len(re.findall("Some details could not be looked up: why jobs failed .HTTP 403", run.log)) == 1


@pytest.mark.parametrize(
    ("job", "fault", "expected"),
    [
        ({}, None, ("0 success", "1 of 1 job completed")),
        ({"draft": True}, None, ("1 failure", "1 of 1 article is a draft.")),
        ({"article-missing": True}, None, ("1 failure", "1 of 1 job failed")),
        ({}, {"status": 503}, ("4 error", "The API gave no usable response for 0.5s: HTTP 503")),
        ({}, {"garbage": "{}"}, ("4 error", "with no list of articles")),
        ({}, {"status": 403}, ("4 error", "Use a key with the read scope.")),
        ({}, {"status": 404}, ("4 error", "The API rejected the request: HTTP 404")),
    ],
)
def test_run__requires_published_articles(
    gate: Gate, serve: Serve, job: Mapping[str, object], fault: object, expected: tuple[str, str]
) -> None:
    """A job whose article is not live fails, and without a response about the article there is no verdict."""
    api = serve({**DONE, **job}, faults=[{"do": fault, "route": "articles"}] if fault else [])
    run = gate.run_here({**inputs_for(api, "done", require_published="true"), **TOLERANCE})
    ends, message = expected
    assert f"{run.exit_code} {run.outputs['result']}" == ends
    assert message in run.outputs["message"]
    assert json.loads(run.outputs["draft-article-ids"]) == (["article-1"] if "draft" in job else [])
    assert len(run.errors) == (run.exit_code != 0)


@pytest.mark.parametrize("environ", [{}, {"GITHUB_WORKSPACE": ""}, FORGEJO], ids=["here", "no workspace", "Forgejo"])
def test_run__reads_a_saved_bulk_response(
    gate: Gate, serve: Serve, monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]
) -> None:
    """A response of Bulk generate knowledge is read as it is, and its sources are in the results file.

    A runner of another forge has variables of its own next to GitHub's, which count alone.
    """
    monkeypatch.chdir(gate.workspace)
    ids_by_source = {"source-1": "done", "source-2": "failed"}
    jobs = [{"documentId": source, "backgroundJobId": job_id} for source, job_id in ids_by_source.items()]
    (gate.workspace / "answer.json").write_text(json.dumps({"jobs": jobs}), encoding="utf-8")
    inputs = inputs_for(serve(DONE, FAILED), job_ids_file="answer.json", results_file="out/results.json")
    run = gate.run_here(inputs, environ)
    assert (run.exit_code, run.outputs["results-file"]) == (1, "out/results.json")
    assert "1 of 2 jobs failed" in run.summary
    assert "/nowhere" not in run.log
    results = json.loads((gate.workspace / "out" / "results.json").read_text(encoding="utf-8"))
    assert [(job["id"], job["documentId"], job["state"]) for job in results["jobs"]] == [
        ("done", "source-1", "completed"),
        ("failed", "source-2", "failed"),
    ]


@pytest.mark.parametrize(
    ("fault", "title", "cell"),
    [
        ({"delay": "300ms"}, "How *refunds* work", "How \\*refunds\\* work<br>article-1"),
        ({"garbage": DRAFT}, "Refunds", "Refunds (draft)<br>article-1"),
        ({"status": 500}, None, "article-1"),
    ],
)
def test_run__looks_up_article_titles(gate: Gate, serve: Serve, fault: object, title: str | None, cell: str) -> None:
    """Titles are in summary and results file, drafts marked; looking up takes time; a failure is only a line."""
    no_article = {"id": "no-article", "article-id": None}
    faults = [{"do": fault, "route": "articles"}]
    api = serve({**DONE, "title": "How *refunds* work"}, no_article, faults=faults)
    run = gate.run_here(inputs_for(api, "done", "no-article", article_details="true", results_file="results.json"))
    assert run.exit_code == 0
    assert f"| {cell} |" in run.summary
    results = json.loads((gate.workspace / "results.json").read_text(encoding="utf-8"))
    assert [job["articleTitle"] for job in results["jobs"]] == [title, None]
    assert [job["articleIsDraft"] for job in results["jobs"]] == [None if title is None else title == "Refunds", None]
    line = "looked up: titles and draft states of 1 of 1 articles (HTTP 500: Internal Server Error (request ID "
    assert run.log.count(line) == (title is None)
    assert "delay" not in str(fault) or 0.3 <= float(run.outputs["elapsed-seconds"]) < 30
