"""The workflows that the tests run: CI's own job, and each example as it is, with what it promises in each scenario."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from fake_fini import FakeFini, Scenario
from tests.e2e.act import PUBLISHED_ACTION, WorkflowRun, run_act
from tests.e2e.machine import ROOT
from tests.integration.servers import Server, whole

SECRETS: Final = {"FINI_API_KEY": "fini_demo_key", "FINI_WRITE_KEY": "fini_demo_write_key"}
API_KEYS: Final = {"fini_demo_key": ["read"], "fini_demo_write_key": ["write"]}

# Prints a line of its own wherever a shell runs it, between whichever quotes it is put.
HOSTILE: Final = """'; echo owned >&2; '"; echo owned >&2; "$(echo owned >&2)`echo owned >&2`"""

FIRST: Final = {"id": "one", "document-id": "doc-1", "article-id": "article-1"}
SECOND: Final = {"id": "two", "document-id": "doc-2", "article-id": HOSTILE}
THIRD: Final = {"id": "three", "document-id": "doc-3", "article-id": "article-3"}
FAILED: Final = {"id": HOSTILE, "document-id": "doc-2", "ends-as": "FAILED", "error": "the source could not be read"}
REFUSAL: Final = {"do": {"status": 403, "body": json.dumps({"message": HOSTILE})}}

SCENARIOS: Final[Mapping[str, Mapping[str, Any]]] = {
    "all complete": {"jobs": [FIRST, SECOND, THIRD]},
    "one fails": {"jobs": [FIRST, FAILED, THIRD]},
    "no articles": {"jobs": [{**FIRST, "article-id": None}, {**SECOND, "article-id": None}]},
    "key refused": {"jobs": [FIRST, SECOND], "faults": [REFUSAL]},
    "nothing queued": {"jobs": [FIRST, SECOND], "faults": [{"route": "bulk", "do": {"status": 500}}]},
    "hostile input": {"jobs": [FIRST]},
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

    MESSAGE stands for a gate's own message.
    """

    example: str
    scenario: str
    gates: str
    prints: Mapping[str, Sequence[str]] = {}
    posts: Sequence[str] = ()

    @property
    def run(self) -> ActRun:
        """The run of act that this case is part of."""
        return ActRun(EVENTS.get(self.example, "workflow_dispatch"), self.scenario)

    @property
    def passes(self) -> bool:
        """Whether the workflow passes: if all its gates do, but with the soft gate in any case."""
        return self.example == "soft-gate.yml" or set(self.gates.split()) == {"success"}


FAILURES: Final = [f"Ended as failure, failed {json.dumps([HOSTILE])}"]
PUBLISHED: Final = ["Publish article-1 here", f"Publish {HOSTILE} here"]
BOTH_ARTICLES: Final = json.dumps(["article-1", HOSTILE], separators=(",", ":"))
REPORTS: Final = ["billing - MESSAGE", "shipping - MESSAGE"]
CASES: Final = (
    Case("bulk-generate.yml", "all complete", "success", {"Use the articles": ["article-1", HOSTILE]}),
    Case("bulk-generate.yml", "one fails", "failure"),
    Case("bulk-generate.yml", "hostile input", ""),
    Case("deploy.yml", "all complete", "success", {"Deploy": [f"Deploy with {BOTH_ARTICLES} here"]}),
    Case("deploy.yml", "one fails", "failure"),
    Case("deploy.yml", "no articles", "failure"),
    Case("article-matrix.yml", "all complete", "success", {"Publish": PUBLISHED}),
    Case("article-matrix.yml", "one fails", "failure"),
    Case("article-matrix.yml", "no articles", "success"),
    Case(
        "parallel-gates.yml",
        "all complete",
        "success success",
        {"Report": REPORTS, "Publish": ["Publish all collections here"]},
    ),
    Case("parallel-gates.yml", "one fails", "failure success", {"Report": REPORTS}),
    Case("scheduled-refresh.yml", "all complete", "success", posts=["MESSAGE"]),
    Case("scheduled-refresh.yml", "one fails", "failure", posts=["MESSAGE"]),
    Case("scheduled-refresh.yml", "key refused", "error", posts=["MESSAGE"]),
    Case("scheduled-refresh.yml", "nothing queued", "", posts=["No jobs were queued."]),
    Case("soft-gate.yml", "all complete", "success", {"Always": [f"Continue with {BOTH_ARTICLES}"]}),
    Case("soft-gate.yml", "one fails", "failure", {"Always": ['Continue with ["article-1"]'], "On failure": FAILURES}),
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
    document_ids = HOSTILE if run.scenario == "hostile input" else '["doc-1", "doc-2"]'
    scenario = Scenario.from_mapping({"api-keys": API_KEYS, **SCENARIOS.get(run.scenario, {})})
    with FakeFini(scenario) as api, Server([whole(b"", "204 No Content")]) as webhook:
        results = run_act(
            folder / "repository",
            run.event,
            f"--local-repository={PUBLISHED_ACTION}={exported}",
            f"--var=FINI_API_URL={api.url}",
            f"--input=document-ids={document_ids}",
            job_image=job_image,
            secrets={**SECRETS, "WEBHOOK_URL": webhook.url},
        )
    return ActResult(results, [json.loads(request.body)["text"] for request in webhook.requests])
