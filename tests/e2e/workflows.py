"""The workflows that the tests run: CI's own job, and each example as it is, with what it promises in each scenario."""

import json
import shutil
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import yaml

from fake_fini import FakeFini, Scenario
from fake_fini.messages import Request
from tests.e2e.act import PUBLISHED_ACTION, WorkflowRun, run_act
from tests.e2e.machine import ROOT
from tests.integration.clients import request, send
from tests.integration.servers import Server, whole

SECRETS: Final = {"FINI_API_KEY": "fini_demo_key", "FINI_WRITE_KEY": "fini_demo_write_key"}
API_KEYS: Final = {"fini_demo_key": ["read"], "fini_demo_write_key": ["write"]}

# Prints a line of its own wherever a shell runs it, between whichever quotes it is put.
HOSTILE: Final = """'; echo owned >&2; '"; echo owned >&2; "$(echo owned >&2)`echo owned >&2`"""

FIRST: Final = {"id": "one", "document-id": "doc-1", "article-id": "article-1"}
SECOND: Final = {"id": "two", "document-id": HOSTILE, "article-id": HOSTILE}
THIRD: Final = {"id": "three", "document-id": "doc-3", "article-id": "article-3"}
FAILED: Final = {"id": HOSTILE, "document-id": HOSTILE, "ends-as": "FAILED", "error": "the source could not be read"}
SOURCE_IDS: Final = ["doc-1", HOSTILE]
FIRST_DRAFT: Final = {**FIRST, "draft": True, "original-article-id": "live-1", "title": HOSTILE}
SECOND_DRAFT: Final = {**SECOND, "draft": True}
# Another workspace user's sources, more than a page of them. The last one of the page needs encoding in a query.
OTHERS: Final = [f"other-{number}" for number in range(49)] + ["other&limit=1#"] + ["other-50"]
REFUSAL: Final = {"do": {"status": 403, "body": json.dumps({"message": HOSTILE})}}

SCENARIOS: Final[Mapping[str, Mapping[str, Any]]] = {
    "all complete": {"jobs": [FIRST, SECOND, THIRD]},
    "one fails": {"jobs": [FIRST, FAILED, THIRD]},
    "no articles": {"jobs": [{**FIRST, "article-id": None}, {**SECOND, "article-id": None}]},
    "key refused": {"jobs": [FIRST, SECOND], "faults": [REFUSAL]},
    "nothing queued": {"jobs": [FIRST, SECOND], "faults": [{"route": "bulk", "do": {"status": 500}}]},
    "hostile input": {"jobs": [FIRST]},
    "all complete as drafts": {"jobs": [FIRST_DRAFT, SECOND_DRAFT, THIRD]},
    "a draft is refused": {
        "jobs": [FIRST_DRAFT, SECOND_DRAFT],
        "faults": [{"route": "publish", "requests": 1, "do": {"status": 400}}],
    },
    "a draft is gone": {
        "jobs": [FIRST_DRAFT, SECOND_DRAFT],
        "faults": [{"route": "articles", "requests": 2, "do": {"drop-rows": 1}}],
    },
    "nothing changed": {"sources": [{"id": source, "changed": False} for source in SOURCE_IDS]},
    # Each source has a previous run, which its record shows for a while after the refresh was requested.
    "one changed": {
        "jobs": [FIRST, SECOND],
        "sources": [
            {"id": "doc-1", "changed": False, "refresh-appears-after": "1s"},
            {"id": HOSTILE, "refresh-appears-after": "1s"},
        ],
    },
    "more than a page changed": {
        "jobs": [FIRST, SECOND],
        "sources": [{"id": source, "refresh-queued-for": 0, "refresh-runs-for": 0} for source in OTHERS],
    },
    "a refresh fails": {
        "jobs": [FIRST, SECOND],
        "sources": [{"id": HOSTILE, "refresh-ends-as": "FAILED", "error": HOSTILE}],
    },
    # The stand-in refreshes both sources, but reports only one.
    "a refresh is not accepted": {
        "jobs": [FIRST, SECOND],
        "faults": [{"route": "refresh", "do": {"garbage": '["doc-1"]'}}],
    },
    "a refresh is refused": {"sources": [{"id": "doc-1"}, {"id": HOSTILE, "source": "files"}]},
    "the second try succeeds": {"jobs": [FIRST, FAILED, SECOND]},
    "one fails and one is missing": {"jobs": [{**FIRST, "appears-after": "1h"}, FAILED]},
    "one completes later": {"jobs": [FIRST, {**SECOND, "runs-for": "500ms"}]},
    "one never completes": {"jobs": [FIRST, {**SECOND, "runs-for": "never"}]},
}
EVENTS: Final = {"deploy.yml": "push", "scheduled-refresh.yml": "schedule"}


class ActRun(NamedTuple):
    """One run of act: CI's job, or every example that an event starts, in one scenario."""

    event: str
    scenario: str


CI: Final = ActRun("push", "CI")
CI_WORKFLOW: Final[Mapping[str, Any]] = yaml.safe_load(
    (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
)


class Case(NamedTuple):
    """What an example promises in a scenario: its gates' results, and which lines the other steps print or post.

    MESSAGE stands for a gate's own message. The sources that are queued are checked only if they are given: workflows
    that run together share an API.
    """

    example: str
    scenario: str
    gates: str
    prints: Mapping[str, Sequence[str]] = {}
    posts: Sequence[str] = ()
    passes: bool = False
    queues: Sequence[Sequence[str]] | None = None

    @property
    def run(self) -> ActRun:
        """The run of act that this case is part of."""
        return ActRun(EVENTS.get(self.example, "workflow_dispatch"), self.scenario)


FAILURES: Final = [f"Ended as failure, failed {json.dumps([HOSTILE])}"]
BOTH_ARTICLES: Final = json.dumps(["article-1", HOSTILE], separators=(",", ":"))
BOTH_LINES: Final = {"Use the articles": ["article-1", HOSTILE]}
REPORTS: Final = ["billing - MESSAGE", "shipping - MESSAGE"]
PUBLISHED: Final = ["Published article-1", f"Published {quote(HOSTILE, safe='')}"]
REFUSED: Final = ["Could not publish article-1", PUBLISHED[1]]
NO_DRAFTS: Final = {"Check": ["There is nothing to publish: no article is known to be a draft."]}
CASES: Final = (
    Case("bulk-generate.yml", "all complete", "success", BOTH_LINES, passes=True),
    Case("bulk-generate.yml", "one fails", "failure"),
    Case("bulk-generate.yml", "hostile input", ""),
    Case("queue-then-gate.yml", "all complete", "success", BOTH_LINES, passes=True),
    Case("queue-then-gate.yml", "one fails", "failure"),
    Case("queue-then-gate.yml", "hostile input", ""),
    Case("deploy.yml", "all complete", "success", {"Deploy": [f"Deploy with {BOTH_ARTICLES} here"]}, passes=True),
    Case("deploy.yml", "one fails", "failure"),
    Case("deploy.yml", "no articles", "success", {"Deploy": ["Deploy with [] here"]}, passes=True),
    Case("deploy.yml", "all complete as drafts", "failure"),
    Case("deploy.yml", "hostile input", ""),
    Case("publish-drafts.yml", "all complete as drafts", "success", {"Publish": PUBLISHED}, passes=True),
    Case("publish-drafts.yml", "a draft is refused", "success", {"Publish": REFUSED}),
    Case("publish-drafts.yml", "a draft is gone", "success", {"Publish": REFUSED}),
    Case("publish-drafts.yml", "no articles", "success", NO_DRAFTS),
    Case("publish-drafts.yml", "one fails", "failure"),
    Case("publish-drafts.yml", "hostile input", "failure"),
    Case(
        "article-matrix.yml",
        "all complete",
        "success",
        {"Handle": ["Handle article-1 here", f"Handle {HOSTILE} here"]},
        passes=True,
    ),
    Case("article-matrix.yml", "one fails", "failure"),
    Case("article-matrix.yml", "no articles", "success", passes=True),
    Case("article-matrix.yml", "hostile input", ""),
    Case(
        "parallel-gates.yml",
        "all complete",
        "success success",
        {"Report": REPORTS, "Continue": ["Continue with all collections here"]},
        passes=True,
    ),
    Case("parallel-gates.yml", "one fails", "failure success", {"Report": REPORTS}),
    Case("parallel-gates.yml", "hostile input", "", {"Report": ["billing - ", "shipping - "]}),
    Case("scheduled-refresh.yml", "all complete", "success", posts=["MESSAGE"], passes=True, queues=[SOURCE_IDS]),
    Case("scheduled-refresh.yml", "one fails", "failure", posts=["MESSAGE"], queues=[SOURCE_IDS]),
    Case("scheduled-refresh.yml", "key refused", "error", posts=["MESSAGE"], queues=[SOURCE_IDS]),
    Case("scheduled-refresh.yml", "nothing queued", "", posts=["No jobs were queued."], queues=[SOURCE_IDS]),
    Case(
        "scheduled-refresh.yml", "nothing changed", "success", posts=["No source has changed."], passes=True, queues=[]
    ),
    Case("scheduled-refresh.yml", "one changed", "success", posts=["MESSAGE"], passes=True, queues=[[HOSTILE]]),
    Case(
        "scheduled-refresh.yml",
        "more than a page changed",
        "success",
        posts=["MESSAGE"],
        passes=True,
        queues=[SOURCE_IDS],
    ),
    Case(
        "scheduled-refresh.yml",
        "a refresh fails",
        "success",
        {"Check the refreshes": [f"Not refreshed: {json.dumps([f'{HOSTILE} (FAILED: {HOSTILE})'])}"]},
        posts=[f"MESSAGE Not refreshed: {HOSTILE} (FAILED: {HOSTILE})."],
        queues=[["doc-1"]],
    ),
    Case(
        "scheduled-refresh.yml",
        "a refresh is not accepted",
        "success",
        {"Check the refreshes": [f"Not refreshed: {json.dumps([f'{HOSTILE} (NOT ACCEPTED)'])}"]},
        posts=[f"MESSAGE Not refreshed: {HOSTILE} (NOT ACCEPTED)."],
        queues=[SOURCE_IDS],
    ),
    Case("scheduled-refresh.yml", "a refresh is refused", "", posts=["No jobs were queued."], queues=[]),
    Case("scheduled-refresh.yml", "hostile input", "", posts=["No jobs were queued."], queues=[]),
    Case("soft-gate.yml", "all complete", "success", {"Always": [f"Continue with {BOTH_ARTICLES}"]}, passes=True),
    Case(
        "soft-gate.yml",
        "one fails",
        "failure",
        {"Always": ['Continue with ["article-1"]'], "On failure": FAILURES},
        passes=True,
    ),
    Case("soft-gate.yml", "hostile input", ""),
    Case("requeue-failed.yml", "all complete", "success", BOTH_LINES, passes=True),
    Case("requeue-failed.yml", "one fails", "failure failure"),
    Case(
        "requeue-failed.yml",
        "the second try succeeds",
        "failure success",
        BOTH_LINES,
        passes=True,
        queues=[SOURCE_IDS, [HOSTILE]],
    ),
    Case(
        "requeue-failed.yml",
        "one fails and one is missing",
        "failure",
        {"Stop": ["No second try - MESSAGE"]},
        queues=[SOURCE_IDS],
    ),
    Case("requeue-failed.yml", "key refused", "error", {"Stop": ["No second try - MESSAGE"]}, queues=[SOURCE_IDS]),
    Case("requeue-failed.yml", "hostile input", ""),
    Case(
        "check-later.yml",
        "all complete",
        "success",
        {"Use the articles": ["article-1", HOSTILE, "article-3"]},
        passes=True,
    ),
    Case("check-later.yml", "one fails", "failure"),
    Case("check-later.yml", "one completes later", "success timed_out", BOTH_LINES, passes=True),
    Case("check-later.yml", "one never completes", "timed_out timed_out timed_out"),
    Case("check-later.yml", "hostile input", "failure"),
)


def ci_cases() -> list[dict[str, str]]:
    """Return the cases of CI's job that tries the action, and one whose expectation is wrong."""
    cases = CI_WORKFLOW["jobs"]["action"]["strategy"]["matrix"]["include"]
    return [*cases, {**cases[0], "case": "wrong", "outputs": '{"job-count": "3"}'}]


class ActResult(NamedTuple):
    """What came of one run of act."""

    workflows: Mapping[str, WorkflowRun]
    posts: Sequence[str]
    """The texts that the webhook received."""
    requests: Sequence[Request] = ()
    """The requests that the API received."""

    def queued(self) -> list[list[str]]:
        """Return the sources of each request of Bulk generate knowledge, in alphabetical order."""
        return [sorted(received.ids) for received in self.requests if received.route == "bulk"]


def run_workflows(run: ActRun, folder: Path, exported: Path, job_image: str) -> ActResult:
    """Run CI's job in a copy of this repository, or the examples of a run in one that contains nothing else."""
    workflows = folder / "repository" / ".github" / "workflows"
    if run == CI:
        shutil.copytree(exported, folder / "repository")
        shutil.rmtree(workflows)
    workflows.mkdir(parents=True)
    if run == CI:
        strategy = {"fail-fast": False, "matrix": {"include": ci_cases()}}
        job = {**CI_WORKFLOW["jobs"]["action"], "runs-on": "ubuntu-latest", "strategy": strategy}
        (workflows / "ci.yml").write_text(json.dumps({"name": "CI", "on": "push", "jobs": {"action": job}}), "utf-8")
    for case in CASES:
        if case.run == run:
            shutil.copy2(ROOT / "examples" / case.example, workflows)
    scenario = Scenario.from_mapping({"api-keys": API_KEYS, **SCENARIOS.get(run.scenario, {})})
    given = {
        "var=FINI_SOURCE_IDS": SOURCE_IDS,
        "var=FINI_COLLECTIONS": {"billing": SOURCE_IDS, "shipping": ["doc-3"]},
        "input=source-ids": SOURCE_IDS,
        "input=job-ids": [job.id for job in scenario.jobs],
    }
    is_hostile = run.scenario == "hostile input"
    with FakeFini(scenario) as api, Server([whole(b"", "204 No Content")]) as webhook:
        if run.scenario == "more than a page changed":
            refresh = request({"documentIds": OTHERS}, "refresh", Authorization=f"Bearer {SECRETS['FINI_WRITE_KEY']}")
            assert send(api, refresh).status == HTTPStatus.OK
        results = run_act(
            folder / "repository",
            run.event,
            f"--local-repository={PUBLISHED_ACTION}={exported}",
            f"--var=FINI_API_URL={api.url}",
            *(f"--{name}={HOSTILE if is_hostile else json.dumps(value)}" for name, value in given.items()),
            job_image=job_image,
            secrets={**SECRETS, "WEBHOOK_URL": webhook.url},
        )
    return ActResult(results, [json.loads(post.body)["text"] for post in webhook.requests], api.requests)
