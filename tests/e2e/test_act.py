from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.conftest import Act, StartFini

# act builds the image itself, from the copy of the repository that it runs in.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300, func_only=True)]

SLOW = {"id": "slow", "runs-for": "2s", "article-id": "article-of-slow"}
QUICK = {"id": "quick", "runs-for": "0s", "article-id": "article-of-quick"}
SERVER_ERROR = {"id": "broken", "runs-for": "0s", "ends-as": "FAILED", "error": "the source could not be read"}


def gate_step(url: str, **inputs: str) -> dict[str, object]:
    """Return a step that gates, with the inputs' hyphens written as underscores."""
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    calm = {"api-key": "${{ secrets.FINI_API_KEY }}", "api-url": url, "poll-interval": "200ms"}
    return {"name": "Gate", "id": "gate", "uses": "./", "with": {**calm, **given}}


def job(*steps: Mapping[str, object], **more: object) -> dict[str, object]:
    """Return a job with these steps after a checkout, for which act copies its own repository's files."""
    checkout = {"name": "Checkout", "uses": "actions/checkout@v7"}
    return {"runs-on": "ubuntu-latest", "steps": [checkout, *steps], **more}


def test_workflow__hands_the_article_ids_to_a_later_step(act: Act, start_fini: StartFini) -> None:
    """A later step reads the article IDs in the order of the job IDs, as JSON and as lines."""
    later = {
        "name": "Later",
        "env": {
            "ARTICLES": "${{ join(fromJSON(steps.gate.outputs.article-ids), ' then ') }}",
            "LINES": "${{ steps.gate.outputs.article-ids-lines }}",
        },
        "run": 'echo "handed over: $ARTICLES"\ntest "$LINES" = "$(printf "article-of-slow\\narticle-of-quick")"',
    }
    ended = act({"knowledge": job(gate_step(start_fini(SLOW, QUICK), job_ids="slow\nquick"), later)})
    assert ended.exit_code == 0, ended.log
    assert ended.results == {"Checkout": "success", "Gate": "success", "Later": "success"}
    assert "handed over: article-of-slow then article-of-quick" in ended.printed


def test_workflow__gates_the_jobs_of_a_saved_answer(act: Act, start_fini: StartFini) -> None:
    """The answer of Bulk generate knowledge, saved by an earlier step, is taken as it is."""
    answer = {"jobs": [{"documentId": f"source-of-{name}", "backgroundJobId": name} for name in ("quick", "slow")]}
    save = {"name": "Save", "env": {"ANSWER": json.dumps(answer)}, "run": 'printf %s "$ANSWER" > answer.json'}
    later = {
        "name": "Later",
        "env": {"COUNT": "${{ steps.gate.outputs.job-count }}", "RESULT": "${{ steps.gate.outputs.result }}"},
        "run": 'echo "$COUNT jobs: $RESULT"',
    }
    ended = act({"knowledge": job(save, gate_step(start_fini(SLOW, QUICK), job_ids_file="answer.json"), later)})
    assert ended.exit_code == 0, ended.log
    assert "2 jobs: success" in ended.printed


def test_workflow__spreads_the_articles_over_a_matrix(act: Act, start_fini: StartFini) -> None:
    """A later job runs once for every article, by a matrix made of the job's output."""
    step = gate_step(start_fini(SLOW, QUICK), job_ids="slow quick")
    articles = {"article-ids": "${{ steps.gate.outputs.article-ids }}"}
    publish = {"name": "Publish", "env": {"ARTICLE": "${{ matrix.article }}"}, "run": 'echo "publishing $ARTICLE"'}
    matrix = {"matrix": {"article": "${{ fromJSON(needs.knowledge.outputs.article-ids) }}"}}
    ended = act({"knowledge": job(step, outputs=articles), "publish": job(publish, needs="knowledge", strategy=matrix)})
    assert ended.exit_code == 0, ended.log
    published = sorted(line for line in ended.printed if line.startswith("publishing "))
    assert published == ["publishing article-of-quick", "publishing article-of-slow"]


def test_workflow__stops_where_the_gate_fails(act: Act, start_fini: StartFini) -> None:
    """A later step does not run, the workflow fails, and a step that always runs can read why."""
    later = {"name": "Later", "run": "echo published"}
    always = {
        "name": "Always",
        "if": "always()",
        "env": {"RESULT": "${{ steps.gate.outputs.result }}", "FAILED": "${{ steps.gate.outputs.failed-job-ids }}"},
        "run": 'echo "the gate said: $RESULT $FAILED"',
    }
    ended = act({"knowledge": job(gate_step(start_fini(QUICK, SERVER_ERROR), job_ids="quick broken"), later, always)})
    assert ended.exit_code != 0
    assert ended.results.get("Gate") == "failure", ended.log
    assert ended.results.get("Later") != "success"
    assert "published" not in ended.printed
    assert 'the gate said: failure ["broken"]' in ended.printed
