from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.e2e.conftest import Runner, StartFini, Step

# The image is built before the first of these, in a fixture: only the tests' own time counts.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120, func_only=True)]

KEY = "fini_demo_key"
CALM = {"api-key": KEY, "poll-interval": "200ms", "max-poll-interval": "200ms", "not-found-grace": "0s"}

# The slower one comes first: the outputs' order is the job IDs', not that of the ends.
SLOW = {"id": "slow", "runs-for": "2s", "article-id": "article-of-slow"}
QUICK = {"id": "quick", "runs-for": "0s", "article-id": "article-of-quick"}
SERVER_ERROR = {"id": "broken", "runs-for": "0s", "ends-as": "FAILED", "error": "the source could not be read"}
ENDLESS = {"id": "endless", "runs-for": "never"}


@dataclass(frozen=True)
class Ending:
    """A way for the gate to end: what it is given, and what has to come out."""

    jobs: Sequence[Mapping[str, str]]
    inputs: Mapping[str, str]
    exit_code: int
    outputs: Mapping[str, object]
    said: Sequence[str] = field(default=())


ENDINGS = {
    "success": Ending(
        jobs=[SLOW, QUICK],
        inputs={"job-ids": "slow, quick"},
        exit_code=0,
        outputs={
            "result": "success",
            "article-ids": ["article-of-slow", "article-of-quick"],
            "article-ids-lines": "article-of-slow\narticle-of-quick",
            "articles-by-job": {"slow": "article-of-slow", "quick": "article-of-quick"},
            "completed-job-ids": ["slow", "quick"],
            "article-count": 2,
        },
    ),
    "failure": Ending(
        jobs=[QUICK, SERVER_ERROR],
        inputs={"job-ids": "broken quick"},
        exit_code=1,
        outputs={
            "result": "failure",
            "article-ids": ["article-of-quick"],
            "failed-job-ids": ["broken"],
            "completed-job-ids": ["quick"],
            "failed-count": 1,
        },
        said=["the source could not be read"],
    ),
    "missing": Ending(
        jobs=[QUICK],
        inputs={"job-ids": "nobody-knows-it"},
        exit_code=1,
        outputs={"result": "failure", "missing-job-ids": ["nobody-knows-it"], "article-ids": []},
        said=["nobody-knows-it"],
    ),
    "timed out": Ending(
        jobs=[QUICK, ENDLESS],
        inputs={"job-ids": "quick endless", "timeout": "1s"},
        exit_code=3,
        outputs={"result": "timed_out", "pending-job-ids": ["endless"], "completed-job-ids": ["quick"]},
    ),
    "a wrong input": Ending(
        jobs=[QUICK],
        inputs={"job-ids": "quick", "timeout": "soon"},
        exit_code=2,
        outputs={"result": "error", "article-ids": []},
        said=["timeout", "soon"],
    ),
    "a refused key": Ending(
        jobs=[QUICK],
        inputs={"job-ids": "quick", "api-key": "fini_another_key"},
        exit_code=4,
        outputs={"result": "error", "article-ids": []},
    ),
    "no key": Ending(
        jobs=[QUICK],
        inputs={"job-ids": "quick", "api-key": ""},
        exit_code=2,
        outputs={"result": "error"},
        said=["api-key"],
    ),
}


def read(value: str, like: object) -> object:
    """Read an output as the type that is expected of it."""
    return value if isinstance(like, str) else json.loads(value)


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_gate__ends_as_promised(runner: Runner, start_fini: StartFini, ending: Ending) -> None:
    """The exit code, the outputs, the summary and the log tell how the jobs went, in every ending."""
    ended = runner.run({**CALM, "api-url": start_fini(*ending.jobs), **ending.inputs})
    assert ended.exit_code == ending.exit_code, ended.log
    assert {name: read(ended.outputs[name], like) for name, like in ending.outputs.items()} == ending.outputs
    assert ended.outputs.keys() == runner.metadata.outputs
    assert ended.outputs["message"]
    assert ended.summary.strip()
    assert ("::error" in ended.log) == (ending.exit_code != 0)
    assert [text for text in ending.said if text not in ended.log] == []
    # The runner would show it before standard output, whatever came first.
    assert ended.errors == ""


@pytest.mark.parametrize("name", ["success", "failure", "a wrong input", "a refused key"])
def test_api_key__is_masked_first_and_never_shown(runner: Runner, start_fini: StartFini, name: str) -> None:
    """The first line masks the key; no later line, output or summary holds it, with debug logging as well."""
    ending = ENDINGS[name]
    inputs = {**CALM, "api-url": start_fini(*ending.jobs), **ending.inputs}
    ended = runner.run(inputs, environment={"RUNNER_DEBUG": "1", "ACTIONS_STEP_DEBUG": "true"})
    first, _, rest = ended.log.partition("\n")
    assert first == f"::add-mask::{inputs['api-key']}"
    assert rest.strip()
    assert inputs["api-key"] not in rest + ended.errors + ended.summary + "".join(ended.outputs.values())


def test_gate__takes_a_saved_answer_out_of_the_workspace(runner: Runner, start_fini: StartFini) -> None:
    """A Bulk answer saved by an earlier step is found in the mounted workspace."""
    answer = {"jobs": [{"documentId": "source-1", "backgroundJobId": "quick"}]}
    (runner.workspace / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
    ended = runner.run({**CALM, "api-url": start_fini(QUICK), "job-ids-file": "answer.json"})
    assert ended.exit_code == 0, ended.log
    assert json.loads(ended.outputs["articles-by-job"]) == {"quick": "article-of-quick"}


def test_workspace__is_left_as_it_was(runner: Runner, start_fini: StartFini) -> None:
    """A gate that was not asked for a results file writes nothing into the checkout or the home."""
    ended = runner.run({**CALM, "api-url": start_fini(QUICK), "job-ids": "quick"})
    assert ended.exit_code == 0, ended.log
    assert list(runner.workspace.rglob("*")) == []
    assert list(runner.home.rglob("*")) == []


def test_results_file__belongs_to_the_workspaces_owner(runner: Runner, start_fini: StartFini) -> None:
    """Root inside the container makes no file or folder that the runner's user could not remove."""
    if os.geteuid() == 0:
        os.chown(runner.workspace, 1001, 1001)
    owner = runner.workspace.stat()
    ended = runner.run(
        {**CALM, "api-url": start_fini(QUICK), "job-ids": "quick", "results-file": "reports/deep/results.json"}
    )
    assert ended.exit_code == 0, ended.log
    assert ended.outputs["results-file"] == "reports/deep/results.json"
    written = runner.workspace / "reports" / "deep" / "results.json"
    assert json.loads(written.read_text(encoding="utf-8"))["result"] == "success"
    for path in (written, written.parent, written.parent.parent):
        assert (path.stat().st_uid, path.stat().st_gid) == (owner.st_uid, owner.st_gid), path


def kill_with_term(step: Step) -> None:
    """End the container as `docker stop` would begin to."""
    step.kill("TERM")


def kill_with_int(step: Step) -> None:
    """Send the container an interrupt."""
    step.kill("INT")


def cancel_job(step: Step) -> None:
    """Do what the runner does first when its job is cancelled."""
    step.interrupt()


@pytest.mark.parametrize(
    ("stop", "exit_code"),
    [(kill_with_term, 143), (kill_with_int, 130), (cancel_job, 130)],
    ids=["SIGTERM", "SIGINT", "cancelled job"],
)
def test_gate__ends_at_once_when_it_is_stopped(
    runner: Runner, start_fini: StartFini, stop: Callable[[Step], None], exit_code: int
) -> None:
    """A signal ends a long pause: within five seconds all outputs are written and no container is left."""
    url = start_fini(QUICK, ENDLESS)
    pause = {"poll-interval": "10m", "max-poll-interval": "10m"}
    step = runner.start({**CALM, **pause, "api-url": url, "job-ids": "quick endless"})
    # What the first look found.
    step.wait_for("1 of 2 jobs")
    stop(step)
    ended = step.end(timeout_seconds=5)
    assert ended.exit_code == exit_code, ended.log
    assert ended.outputs["result"] == "cancelled"
    assert json.loads(ended.outputs["completed-job-ids"]) == ["quick"]
    assert json.loads(ended.outputs["pending-job-ids"]) == ["endless"]
    assert ended.outputs.keys() == runner.metadata.outputs
    assert ended.summary.strip()
    assert "::error" in ended.log
    assert runner.containers() == ""


def test_gate__is_stopped_in_the_middle_of_a_request(runner: Runner, start_fini: StartFini) -> None:
    """A signal does not wait for an API that takes its time to answer."""
    url = start_fini(QUICK, latency="1m")
    step = runner.start({**CALM, "request-timeout": "2m", "api-url": url, "job-ids": "quick"})
    step.wait_for("quick")
    step.kill("TERM")
    ended = step.end(timeout_seconds=5)
    assert ended.exit_code == 143, ended.log
    assert ended.outputs["result"] == "cancelled"
    assert json.loads(ended.outputs["pending-job-ids"]) == ["quick"]


def test_gate__is_stopped_while_it_waits_to_try_again(runner: Runner, start_fini: StartFini) -> None:
    """A signal does not wait for as long as the API asked to be left alone."""
    patience = {"requests": "2-", "do": {"status": 429, "headers": {"Retry-After": "600"}}}
    url = start_fini(QUICK, ENDLESS, faults=[patience])
    step = runner.start({**CALM, "api-url": url, "job-ids": "quick endless"})
    step.wait_for("HTTP 429")
    step.kill("TERM")
    ended = step.end(timeout_seconds=5)
    assert ended.exit_code == 143, ended.log
    assert ended.outputs["result"] == "cancelled"
    assert json.loads(ended.outputs["completed-job-ids"]) == ["quick"]
    assert runner.containers() == ""


PLANTED = 'print("planted code ran", flush=True)\nraise SystemExit(0)\n'
PLANTED_MODULES = (
    "actions_toolkit",
    "backoff",
    "encodings",
    "fini_gate",
    "json",
    "requests",
    "signal",
    "sitecustomize",
    "usercustomize",
    "yaml",
)


def plant(folder: Path) -> None:
    """Plant what a checkout could hold to have its own code run, or another key sent."""
    for name in PLANTED_MODULES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(PLANTED, encoding="utf-8")
    for name in ("yaml.py", "json.py", "requests.py", "startup.py"):
        (folder / name).write_text(PLANTED, encoding="utf-8")
    (folder / ".netrc").write_text("default login planted password planted\n", encoding="utf-8")
    (folder / ".netrc").chmod(0o600)
    (folder / "pyproject.toml").write_text("[build-system]\nrequires = ['planted']\n", encoding="utf-8")
    (folder / "pyvenv.cfg").write_text("home = /github/workspace\n", encoding="utf-8")


POINTERS = {
    "nothing points there": {},
    "search path": {
        "NETRC": "/github/workspace/.netrc",
        "PYTHONINSPECT": "1",
        "PYTHONPATH": "/github/workspace",
        "PYTHONSTARTUP": "/github/workspace/startup.py",
        "PYTHONUSERBASE": "/github/home",
        "PYTHONWARNINGS": "error",
    },
    "standard library": {"PYTHONHOME": "/github/workspace"},
}


@pytest.mark.parametrize("environment", POINTERS.values(), ids=POINTERS)
def test_hostile_checkout__changes_nothing(
    runner: Runner, start_fini: StartFini, environment: Mapping[str, str]
) -> None:
    """Modules and a .netrc planted in the checkout and the home have no effect, whatever variable points there."""
    plant(runner.workspace)
    plant(runner.home)
    ended = runner.run({**CALM, "api-url": start_fini(QUICK), "job-ids": "quick"}, environment=environment)
    assert "planted code ran" not in ended.log + ended.errors
    assert ended.exit_code == 0, ended.log
    assert json.loads(ended.outputs["article-ids"]) == ["article-of-quick"]


def test_hostile_checkout__takes_over_a_python_that_is_not_isolated(runner: Runner) -> None:
    """What is planted would run, were the gate started as a module or with Python's variables heard."""
    plant(runner.workspace)
    command = [*runner.docker_run(options=["--entrypoint", "python"]), runner.image, "-m", "fini_gate"]
    ended = subprocess.run(  # noqa: S603 - the test's own command, as a list
        command, capture_output=True, check=False, stdin=subprocess.DEVNULL, text=True, timeout=60
    )
    assert "planted code ran" in ended.stdout


def test_container__needs_little_memory(runner: Runner, start_fini: StartFini) -> None:
    """In 96 MiB neither an answer of a gigabyte, packed or not, nor 10,000 jobs get it killed."""
    count = 10_000
    jobs = [{"backgroundJobId": f"job-{number}", "documentId": f"source-{number}"} for number in range(count)]
    (runner.workspace / "answer.json").write_text(json.dumps({"jobs": jobs}), encoding="utf-8")
    floods = [{"requests": 1, "do": {"gzip-bomb": 1000}}, {"requests": 2, "do": {"huge": 1000}}]
    url = start_fini(*({"id": job["backgroundJobId"], "runs-for": "0s"} for job in jobs), faults=floods)
    ended = runner.run(
        {**CALM, "api-url": url, "job-ids-file": "answer.json", "results-file": "results.json"},
        options=["--memory", "96m", "--memory-swap", "96m"],
    )
    assert ended.exit_code == 0, ended.log
    assert ended.outputs["completed-count"] == str(count)
    assert ended.log.count("an answer of more than 16 MiB") == len(floods)


@pytest.mark.parametrize(("job", "exit_code"), [(QUICK, 0), (SERVER_ERROR, 1)], ids=["success", "failure"])
def test_container__tells_the_truth_where_nothing_can_be_written(
    runner: Runner, start_fini: StartFini, job: Mapping[str, str], exit_code: int
) -> None:
    """With the runner's files on a read-only disk the log holds the outputs, and the exit code is the jobs'."""
    files = {"GITHUB_OUTPUT": "/fini-gate/output", "GITHUB_STEP_SUMMARY": "/fini-gate/summary"}
    ended = runner.run(
        {**CALM, "api-url": start_fini(job), "job-ids": job["id"]}, environment=files, options=["--read-only"]
    )
    assert ended.exit_code == exit_code, ended.log
    assert "Read-only file system" in ended.log
    assert f"output result = {'success' if exit_code == 0 else 'failure'}" in ended.log
