from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.e2e.conftest import StartFini, TryExample

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").iterdir())
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))

# Prints a line of its own wherever a shell takes it for more than a value, between whichever quotes.
HOSTILE = """'; echo owned >&2; '"; echo owned >&2; "$(echo owned >&2)`echo owned >&2`"""

FIRST = {"id": "one", "document-id": "doc-1", "article-id": "article-1"}
SECOND = {"id": "two", "document-id": "doc-2", "article-id": "article-2"}
THIRD = {"id": "three", "document-id": "doc-3", "article-id": "article-3"}
HOSTILE_ARTICLE = {**SECOND, "article-id": HOSTILE}
NO_ARTICLE = {**FIRST, "article-id": None}
SERVER_ERROR = {"id": HOSTILE, "document-id": "doc-2", "ends-as": "FAILED", "error": "the source could not be read"}
FATAL = {"route": "bulk", "do": {"status": 500}}
KEY_REFUSED = {"do": {"status": 403, "body": json.dumps({"message": HOSTILE})}}

ONE_FAILED = "1 of 2 jobs completed, 1 failed, after a while."
BOTH_COMPLETED = "2 articles made or updated: 2 of 2 jobs completed, after a while."


# --- what the examples promise ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run of an example: what Fini does, how the gates end, and what the workflow tells step by step, and posts."""

    example: str
    name: str
    jobs: Sequence[Mapping[str, object]]
    gates: Sequence[str]
    passes: bool
    tells: Mapping[str, Sequence[str]] = field(default_factory=dict)
    posts: Sequence[str] = ()
    event: str = "workflow_dispatch"
    inputs: Mapping[str, str] = field(default_factory=dict)
    faults: Sequence[object] = ()


CASES = (
    Case(
        example="bulk-generate.yml",
        name="uses the articles",
        inputs={"document-ids": '["doc-1", "doc-2"]'},
        jobs=(FIRST, SECOND),
        gates=("success",),
        passes=True,
        tells={"Use the articles": ["article-1", "article-2"]},
    ),
    Case(
        example="bulk-generate.yml",
        name="uses nothing where a job failed",
        inputs={"document-ids": '["doc-1", "doc-2"]'},
        jobs=(FIRST, SERVER_ERROR),
        gates=("failure",),
        passes=False,
    ),
    Case(
        example="bulk-generate.yml",
        name="takes an input for nothing but JSON",
        inputs={"document-ids": HOSTILE},
        jobs=(FIRST,),
        gates=(),
        passes=False,
    ),
    Case(
        example="deploy.yml",
        name="deploys",
        event="push",
        jobs=(FIRST, SECOND),
        gates=("success",),
        passes=True,
        tells={"Deploy": ['Deploy with ["article-1","article-2"] here']},
    ),
    Case(
        example="deploy.yml",
        name="does not deploy where a job failed",
        event="push",
        jobs=(FIRST, SERVER_ERROR),
        gates=("failure",),
        passes=False,
    ),
    Case(
        example="deploy.yml",
        name="does not deploy where an article is lacking",
        event="push",
        jobs=(NO_ARTICLE, SECOND),
        gates=("failure",),
        passes=False,
    ),
    Case(
        example="article-matrix.yml",
        name="publishes each article once",
        jobs=(FIRST, HOSTILE_ARTICLE),
        gates=("success",),
        passes=True,
        tells={"Publish": ["Publish article-1 here", f"Publish {HOSTILE} here"]},
    ),
    Case(
        example="article-matrix.yml",
        name="passes without articles",
        jobs=(NO_ARTICLE, {**NO_ARTICLE, "id": "two", "document-id": "doc-2"}),
        gates=("success",),
        passes=True,
    ),
    Case(
        example="article-matrix.yml",
        name="publishes nothing where a job failed",
        jobs=(FIRST, SERVER_ERROR),
        gates=("failure",),
        passes=False,
    ),
    Case(
        example="parallel-gates.yml",
        name="publishes once all gates passed",
        jobs=(FIRST, SECOND, THIRD),
        gates=("success", "success"),
        passes=True,
        tells={
            "Tell": [
                f"billing - {BOTH_COMPLETED}",
                "shipping - 1 article made or updated: 1 of 1 job completed, after a while.",
            ],
            "Publish": ["Publish the collections here"],
        },
    ),
    Case(
        example="parallel-gates.yml",
        name="ends each gate and publishes nothing where one failed",
        jobs=(FIRST, SERVER_ERROR, THIRD),
        gates=("failure", "success"),
        passes=False,
        tells={
            "Tell": [
                f"billing - {ONE_FAILED}",
                "shipping - 1 article made or updated: 1 of 1 job completed, after a while.",
            ],
        },
    ),
    Case(
        example="scheduled-refresh.yml",
        name="posts that all is well",
        event="schedule",
        jobs=(FIRST, SECOND),
        gates=("success",),
        passes=True,
        posts=(BOTH_COMPLETED,),
    ),
    Case(
        example="scheduled-refresh.yml",
        name="posts that a job failed",
        event="schedule",
        jobs=(FIRST, SERVER_ERROR),
        gates=("failure",),
        passes=False,
        posts=(ONE_FAILED,),
    ),
    Case(
        example="scheduled-refresh.yml",
        name="posts what the API says as it is",
        event="schedule",
        jobs=(FIRST, SECOND),
        faults=(KEY_REFUSED,),
        gates=("error",),
        passes=False,
        posts=(HOSTILE,),
    ),
    Case(
        example="scheduled-refresh.yml",
        name="posts that nothing was queued",
        event="schedule",
        jobs=(FIRST, SECOND),
        faults=(FATAL,),
        gates=(),
        passes=False,
        posts=("No jobs were queued.",),
    ),
    Case(
        example="soft-gate.yml",
        name="goes on",
        jobs=(FIRST, SECOND),
        gates=("success",),
        passes=True,
        tells={"In any case": ['Go on with ["article-1","article-2"]']},
    ),
    Case(
        example="soft-gate.yml",
        name="goes on where a job failed, and tells the result",
        jobs=(FIRST, SERVER_ERROR),
        gates=("failure",),
        passes=True,
        tells={
            "Only where not every job completed": [f"Ended as failure, failed {json.dumps([HOSTILE])}"],
            "In any case": ['Go on with ["article-1"]'],
        },
    ),
)


class Webhook:
    """A local receiver of messages."""

    def __init__(self) -> None:
        self.posted: list[dict[str, str]] = []
        posted = self.posted

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/json"
                posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep still."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """Receive messages while the test lasts."""
    webhook = Webhook()
    threading.Thread(target=webhook.server.serve_forever, args=(0.02,), daemon=True).start()
    yield webhook
    webhook.server.shutdown()
    webhook.server.server_close()


def timeless(text: str) -> str:
    """Give the text without how long the gate took."""
    return re.sub(r"after [\d.]+s", "after a while", text)


@pytest.mark.e2e
@pytest.mark.timeout(300, func_only=True)
@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.example}: {case.name}") for case in CASES])
def test_example__keeps_its_promise(
    case: Case, try_example: TryExample, start_fini: StartFini, webhook: Webhook
) -> None:
    """The file, run as it is, queues, gates, and then does what it says and nothing else, whatever the values hold."""
    ended = try_example(
        ROOT / "examples" / case.example,
        case.event,
        start_fini(*case.jobs, faults=case.faults),
        inputs=case.inputs,
        secrets={"WEBHOOK_URL": webhook.url},
    )
    # As act shows the output: it tells a workflow that failed for the reason meant from one that failed for another.
    assert sorted(re.findall(r"::set-output:: result=(\w+)", ended.log)) == list(case.gates), ended.log
    told = {name: sorted(map(timeless, lines)) for name, lines in ended.printed_by_step.items()}
    of_our_own = {name: lines for name, lines in told.items() if name not in {"Queue", "Gate"}}
    assert of_our_own == {name: sorted(lines) for name, lines in case.tells.items()}, ended.log
    assert (ended.exit_code == 0) == case.passes, ended.log
    assert "owned" not in ended.printed
    assert len(webhook.posted) == len(case.posts), ended.log
    for message, expected in zip(webhook.posted, case.posts, strict=True):
        text, _, run = message["text"].rpartition(" ")
        assert expected in timeless(text)
        assert "/actions/runs/" in run


# --- what can be seen without running them ---------------------------------------------------------------------------

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)


def jobs_of(example: Path) -> dict[str, dict[str, Any]]:
    """Give the workflow's jobs."""
    jobs: dict[str, dict[str, Any]] = yaml.safe_load(example.read_text(encoding="utf-8"))["jobs"]
    return jobs


def steps_of(example: Path) -> list[dict[str, Any]]:
    """Give the steps of all the workflow's jobs."""
    return [step for job in jobs_of(example).values() for step in job["steps"]]


def test_examples__have_cases_that_pass_and_cases_that_fail() -> None:
    """Each file in the folder is run as one where all is well, and as one where a job failed."""
    well = Counter(case.example for case in CASES if SERVER_ERROR not in case.jobs)
    broken = Counter(case.example for case in CASES if SERVER_ERROR in case.jobs)
    assert set(well) == set(broken) == {path.name for path in EXAMPLES}


@each_example
def test_example__is_a_workflow(example: Path) -> None:
    """GitHub's schema of workflows accepts the file."""
    ended = subprocess.run(  # noqa: S603 - one of the development requirements
        [
            Path(sys.executable).with_name("check-jsonschema"),
            *("--builtin-schema", "vendor.github-workflows", example),
        ],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@each_example
def test_example__names_what_is_declared(example: Path) -> None:
    """Inputs and outputs of the action are those of action.yml, outputs of jobs those of the job, secrets are told."""
    text = example.read_text(encoding="utf-8")
    jobs = jobs_of(example)
    gates = [step for step in steps_of(example) if "uses" in step]
    assert gates
    for gate in gates:
        assert gate["with"].keys() <= ACTION["inputs"].keys()
    for step_id, name in re.findall(r"\bsteps\.([\w-]+)\.outputs\.([\w-]+)", text):
        assert step_id in {gate["id"] for gate in gates}
        assert name in ACTION["outputs"]
    for job_id, name in re.findall(r"\bneeds\.([\w-]+)\.outputs\.([\w-]+)", text):
        assert name in jobs[job_id]["outputs"]
    head = text.partition("name:")[0]
    assert set(re.findall(r"\bsecrets\.(\w+)", text)) == set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", head))


@each_example
def test_example__is_safe_to_copy(example: Path) -> None:
    """It has no permissions, each job ends by itself, scripts get values by the environment, nothing else is used."""
    assert yaml.safe_load(example.read_text(encoding="utf-8"))["permissions"] == {}
    for job in jobs_of(example).values():
        assert job["timeout-minutes"] <= 45
        assert "permissions" not in job
    for step in steps_of(example):
        assert "${{" not in step.get("run", "")
        assert step.get("uses", "OWNER/fini-gate@main") == "OWNER/fini-gate@main"
        assert step.get("with", {}).get("api-key", "${{ secrets.FINI_API_KEY }}") == "${{ secrets.FINI_API_KEY }}"


def test_examples__are_linked() -> None:
    """The README links to each example, and to no other."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(examples/([^)#]+)\)", readme)) == {path.name for path in EXAMPLES}
