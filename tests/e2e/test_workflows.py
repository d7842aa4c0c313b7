import json
import re
from collections.abc import Mapping
from concurrent import futures

import pytest
import yaml

from fake_fini.articles import CONTENT_FIELDS
from tests.e2e.machine import ROOT, Images, run
from tests.e2e.workflows import CASES, CI, HOSTILE, ActResult, ActRun, Case, ci_cases

# The workflows run in the background: a test's own time is the time that it waits for them.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

ActRuns = Mapping[ActRun, futures.Future[ActResult]]
EACH_CASE = [pytest.param(case.run, case, id=f"{case.example}: {case.scenario}") for case in CASES]


@pytest.mark.parametrize("act_run", [CI], ids=["CI"])
def test_ci__tries_the_action(act_run: ActRun, act_runs: ActRuns) -> None:
    """CI's job passes for each of its cases and fails for one with a wrong expectation."""
    ci = act_runs[act_run].result().workflows["CI"]
    compared = ci.printed["Compare"]
    expected = [f"{case['case']}: as expected" for case in ci_cases()[:-1]]
    assert sorted(line for line in compared if line.endswith(": as expected")) == sorted(expected), "\n".join(ci.log)
    assert '>   "job-count": "2"' in compared
    assert not ci.passed


@pytest.mark.parametrize(("act_run", "case"), EACH_CASE)
def test_example__keeps_its_promise(act_run: ActRun, case: Case, act_runs: ActRuns) -> None:
    """Unchanged, the example queues and gates, then does what it promises and nothing else, whatever the values are."""
    name = yaml.safe_load((ROOT / "examples" / case.example).read_text(encoding="utf-8"))["name"]
    result = act_runs[act_run].result()
    assert name in result.workflows, "\n".join(result.workflows[""].log)
    workflow = result.workflows[name]
    log = "\n".join(workflow.log)
    assert sorted(gate["result"] for gate in workflow.gates) == case.gates.split(), log
    assert workflow.passed == case.passes, log

    def without_messages(text: str) -> str:
        for gate in workflow.gates:
            text = text.replace(gate["message"], "MESSAGE")
        return text

    # Without what jq and curl say of errors.
    printed = {
        step: sorted(without_messages(line) for line in lines if not re.match("(or see the |Use )?(jq|curl)\\b", line))
        for step, lines in workflow.printed.items()
        if not step.startswith(("Queue", "Gate"))
    }
    printed = {step: lines for step, lines in printed.items() if lines}
    assert printed == {step: sorted(lines) for step, lines in case.prints.items()}, log
    assert not any("owned" in lines for lines in workflow.printed.values())
    for expected, posted in zip(case.posts, result.posts, strict=True):
        text, _, run_url = posted.rpartition(" ")
        assert without_messages(text) == expected
        assert "/actions/runs/" in run_url
    if case.scenario == "key refused" and case.posts:
        assert HOSTILE in result.posts[0]
    assert case.queues is None or result.queued() == [sorted(ids) for ids in case.queues]


@pytest.mark.parametrize("act_run", [ActRun("workflow_dispatch", "all complete as drafts")], ids=["act"])
def test_publish_drafts__sends_back_what_it_read(act_run: ActRun, act_runs: ActRuns) -> None:
    """Each draft, and no other article, is published with its own content; a draft of a live article updates that."""
    published = [request for request in act_runs[act_run].result().requests if request.route == "publish"]
    assert [(request.ids, request.status) for request in published] == [(("article-1",), 200), ((HOSTILE,), 200)]
    bodies = [json.loads(request.body) for request in published]
    assert [body.keys() for body in bodies] == [set(CONTENT_FIELDS)] * 2
    assert [body["title"] for body in bodies] == [HOSTILE, f"About {HOSTILE}"]
    assert all(body["title"] in body["mainKnowledge"] and body["questions"] for body in bodies)


def test_image_size__is_limited(image: str, images: Images) -> None:
    """CI's script prints how many megabytes the image adds to its base, and fails if they are more than allowed."""
    ended = run(ROOT / ".ci" / "image-size", image, images.base, "0")
    assert ended.returncode == 1, ended.stderr
    added, _ = re.findall(r"([\d.]+) MB", ended.stdout)
    assert 0 < float(added) <= 10
