"""Everything that a run leaves behind, compared with golden files.

`REWRITE_GOLDEN=1 python -m pytest tests/unit/test_main.py` writes the files anew: read the difference before a commit.
"""

import itertools
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest

from fini_gate import __version__
from fini_gate.errors import CancelledError
from fini_gate.executor import InterruptibleExecutor
from fini_gate.main import main
from fini_gate.models import Job
from fini_gate.poller import Progress, Timing
from fini_gate.records import LookupResult
from fini_gate.verdict import Limit, Verdict
from tests.integration.gates import KEY, Gate, Run
from tests.unit import verdicts
from tests.unit.verdicts import COMPLETED, ERRORS, FAILED, HOSTILE, QUEUED, RUNNING, at, many, verdict

GOLDEN = Path(__file__).parent / "golden"
UNKNOWN_STATUS = RUNNING._replace(status="PONDERING")
NO_STATUS = Job(id="blank", status="")
# Missing and unreadable times, times in the wrong order, and a time without a zone, which is UTC.
ODD_TIMES: list[dict[str, Any]] = [
    {},
    {"created_at": None},
    {"started_at": None},
    {"completed_at": at(1)},
    {"completed_at": at(0.5)},
    {"created_at": at(1)},
    {"created_at": "1970-01-01T00:00:00Z"},
    {"created_at": None, "started_at": None},
    {"created_at": "yesterday", "started_at": "", "completed_at": "9999999"},
    {"created_at": "2026-06-11T12:00:00", "started_at": "2026-06-11T14:00:01+02:00"},
]


def _poll(*jobs: Job, at: float, eta: float | None = None, changed: tuple[Job, ...] = (), reason: str = "") -> Progress:
    return Progress(jobs=jobs, changed=changed, elapsed_seconds=at, eta_seconds=eta, incomplete_reason=reason or None)


@dataclass(frozen=True)
class Case:
    """A run: its inputs, what its loop observes, and how the loop ends."""

    end: Verdict | Exception | None = None
    polls: tuple[Progress, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)


CASES = {
    "success": Case(
        verdict(COMPLETED._replace(article_title="All about *refunds*", article_is_draft=True), verdicts.NO_ARTICLE),
        polls=(
            _poll(QUEUED, RUNNING, at=0.2, changed=(QUEUED, RUNNING)),
            _poll(COMPLETED, RUNNING, at=8, changed=(COMPLETED,), eta=3.6),
            _poll(COMPLETED, verdicts.NO_ARTICLE, at=65, changed=(verdicts.NO_ARTICLE,)),
        ),
        inputs={"job-ids": "done nothing", "results-file": "out/results.json"},
        environ={"RUNNER_DEBUG": "1"},
    ),
    "failure": Case(
        verdict(*verdicts.ALL),
        polls=(
            _poll(*verdicts.ALL, at=30, changed=verdicts.ALL, eta=90),
            _poll(
                UNKNOWN_STATUS, NO_STATUS, at=61, changed=(UNKNOWN_STATUS, UNKNOWN_STATUS, NO_STATUS), reason="HTTP 502"
            ),
        ),
        inputs={"job-ids": "done new dark slow nothing gone bad", "timeout": "0"},
    ),
    # At the limits of what is folded, named and listed, and one above them.
    "twenty-failures": Case(
        verdict(*many(FAILED, 20)),
        polls=(
            _poll(*many(FAILED, 20), at=4, changed=many(FAILED, 20)),
            _poll(*many(FAILED, 20), at=5, changed=many(FAILED, 3)),
        ),
        inputs={"job-ids": "bad-0 bad-1 bad-2", "job-summary": "TRUE"},
    ),
    "many-failures": Case(
        verdict(*many(FAILED, 21)),
        polls=(
            _poll(*many(FAILED, 21), at=4, changed=many(FAILED, 21)),
            _poll(*many(FAILED, 21), at=5, changed=many(FAILED, 4)),
        ),
    ),
    # The slowest job is neither the first nor the last.
    "slowest-fifty": Case(
        verdict(
            *(
                COMPLETED._replace(id=f"{60 - n} s", created_at=at(n), started_at=at(n), completed_at=at(60))
                for n in sorted(range(60), key=lambda n: n * 7 % 60)
            )
        )
    ),
    "odd-times": Case(verdict(*(COMPLETED._replace(id=f"odd-{n}", **times) for n, times in enumerate(ODD_TIMES)))),
    "unreadable": Case(verdict(verdicts.UNREADABLE)),
    "stalled": Case(verdict(QUEUED, limit=Limit("stall-timeout", 90, incomplete_reason="HTTP 502"))),
    "polled-once": Case(verdict(QUEUED, limit=Limit("timeout", 0))),
    "timed-out": Case(
        verdict(COMPLETED, RUNNING, limit=Limit("timeout", 1800, incomplete_reason="HTTP 429"), elapsed_seconds=1801.2),
        inputs={"job-ids": "done slow", "job-summary": "false"},
    ),
    "outage": Case(verdict(COMPLETED, FAILED, Job(id="never-seen"), error=ERRORS["outage"])),
    # Nothing is looked up, which this transport could not do.
    "cancelled": Case(verdict(COMPLETED, QUEUED, error=ERRORS["cancelled"]), inputs={"article-details": "true"}),
    "hostile": Case(
        verdict(
            FAILED._replace(id=HOSTILE, document_id=HOSTILE, reason=HOSTILE),
            COMPLETED._replace(id=HOSTILE, document_id=HOSTILE, article_id=HOSTILE, article_title=HOSTILE),
            RUNNING._replace(id=HOSTILE, status=HOSTILE),
        ),
        polls=(_poll(FAILED._replace(id=HOSTILE), at=1, changed=(FAILED._replace(id=HOSTILE, reason=HOSTILE),)),),
        inputs={"job-ids": "a", "results-file": "results.json"},
    ),
    "usage-error": Case(ERRORS["usage"]),
    "refused": Case(ERRORS["refused"]),
    "bug": Case(LookupError(f"hold on to {KEY}")),
    # No file system takes a name of this length.
    "no-results-file": Case(verdict(COMPLETED), inputs={"results-file": "results" * 100}),
    "invalid-input": Case(inputs={"timeout": "soon", "results-file": "results.json"}),
    "outside-the-workspace": Case(inputs={"results-file": "../results.json"}),
    "no-key": Case(inputs={"api-key": " "}, environ={"FINI_API_KEY": "\n"}),
    "password": Case(inputs={"api-url": "https://reader:hunter2@fini.example"}),
    "poll-interval-above-the-maximum": Case(inputs={"poll-interval": "1m"}),
    "plain": Case(
        verdict(*verdicts.ALL, limit=Limit("timeout", 4)),
        polls=(_poll(*verdicts.ALL, at=4, changed=verdicts.ALL, eta=90),),
        inputs={"junit-file": "junit.xml", "dotenv-file": "gate.env", "summary-file": "summary.md"},
        environ={"GITHUB_ACTIONS": "", "FINI_GATE_TIMEOUT": "4s"},
    ),
    "plain-usage-error": Case(
        inputs={"timeout": "soon", "junit-file": "junit.xml", "dotenv-file": "gate.env", "summary-file": "../s.md"},
        environ={"GITHUB_ACTIONS": "false"},
    ),
    "key-in-an-input": Case(inputs={"api-url": f"https://{KEY}", "results-file": "r.json"}),
    "key-among-job-ids": Case(inputs={"job-ids": '{"\\u0066ini_secret_0123456789x": []}'}),
    "no-jobs": Case(inputs={"job-ids": ""}),
    "no-jobs-warn": Case(inputs={"job-ids": "", "if-no-jobs": "warn", "results-file": "results.json"}),
    "no-jobs-ignore": Case(inputs={"job-ids": "", "if-no-jobs": "ignore"}),
}


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Provide a gate to run."""
    return Gate(tmp_path)


def _run(gate: Gate, case: Case, executor: Any = None) -> Run:  # noqa: ANN401 - stands in for an executor
    def wait(*_: object, timing: Timing, on_poll: Callable[[Progress], None]) -> Verdict:
        for progress in case.polls:
            on_poll(progress)
            timing.sleep(1.25)
        if isinstance(case.end, Exception):
            raise case.end
        assert case.end is not None
        return case.end

    executor = executor or SimpleNamespace(signal_number=None, sleep=lambda _: None, call=lambda function: function())
    parts: dict[str, Any] = {"make_transport": lambda **_: None, "wait": wait}
    inputs = {"job-ids": "job", "article-details": "false", **case.inputs}
    return gate.run_here(inputs, case.environ, executor, clock=itertools.count(100).__next__, **parts)


def _transcript(run: Run, workspace: Path) -> Iterator[str]:
    yield f"===== log, exit code {run.exit_code}"
    yield re.sub(r"until \S+ \S+ UTC", "until DATE TIME UTC", run.log)
    yield "===== outputs"
    yield from (f"{name} = {value}".rstrip() for name, value in run.outputs.items())
    for path in sorted(path for path in workspace.rglob("*") if path.is_file()):
        yield f"===== {path.relative_to(workspace)}"
        yield re.sub('timestamp="[^"]*"', 'timestamp="TIME"', path.read_text(encoding="utf-8"))
    yield "===== summary"
    yield run.summary


@pytest.mark.parametrize("name", CASES)
def test_run__leaves_what_the_golden_file_shows(gate: Gate, name: str) -> None:
    """Log, outputs, results file and summary are those of the golden file, to the letter."""
    text = "\n".join(_transcript(_run(gate, CASES[name]), gate.workspace))
    text = re.sub(r"(LookupError in .*, line )\d+", r"\1NUMBER", text)
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("REWRITE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_signal__after_the_last_wait_still_counts(gate: Gate) -> None:
    """The outputs are written again, and the later values and the exit code say that the gate was cancelled."""
    executor = SimpleNamespace(signal_number=None, call=lambda function: function())
    executor.sleep = lambda _: setattr(executor, "signal_number", signal.SIGTERM)
    run = _run(gate, CASES["success"], executor)
    assert (run.exit_code, run.outputs["result"]) == (143, "cancelled")
    assert run.ids("completed") == ["done", "nothing"]
    assert json.loads((gate.workspace / "out/results.json").read_text())["result"] == "cancelled"
    assert "Cancelled by SIGTERM. 2 of 2 jobs completed after 1s. 1 of 1 article is a draft." in run.log


def test_signal__while_details_are_looked_up_keeps_what_is_known(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate is cancelled, and the outputs still contain every job's state."""
    executor = SimpleNamespace(signal_number=None, call=lambda function: function())

    def find(*_: object) -> LookupResult:
        executor.signal_number = signal.SIGTERM
        return LookupResult(error=CancelledError(signal.SIGTERM))

    monkeypatch.setattr("fini_gate.main.FiniClient.find_articles", find)
    found = verdict(COMPLETED, QUEUED, limit=Limit("timeout", 4))
    run = _run(gate, Case(found, inputs={"article-details": "true"}), executor)
    assert (run.exit_code, run.ids("completed")) == (143, ["done"])
    assert "1 was still pending after 4s (timeout)" in run.outputs["message"]


def test_bug__in_a_look_up_of_details_costs_no_verdict(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict stands, and one line says what is missing."""
    monkeypatch.setattr("fini_gate.main.look_up_details", None)
    run = _run(gate, Case(verdict(COMPLETED), inputs={"article-details": "true"}))
    assert (run.exit_code, run.ids("completed")) == (0, ["done"])
    assert (
        run.log.count("could not be looked up: titles and reasons (fini-gate itself failed: TypeError in main.py") == 1
    )


def test_outputs__that_are_too_large_are_a_warning(gate: Gate) -> None:
    """Lists that GitHub would not take are left empty; the warning and the summary name the results file."""
    jobs = many(COMPLETED._replace(id="x" * 180), 2500)
    run = _run(gate, Case(verdict(*jobs), inputs={"results-file": "results.json"}))
    assert (run.exit_code, run.outputs["completed-job-ids"], run.outputs["completed-count"]) == (0, "", "2500")
    assert run.log.count("::warning ") == 1
    assert "left empty: completed-job-ids, articles-by-job. The results file results.json contains them." in run.log
    assert r"all are in results\.json" in run.summary


def test_run__wires_its_parts(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transport trusts the given certificates, the log says when the timeout is, and a terminal shows a line."""
    parts, shown = dict[str, Any](), list[str]()

    def wait(*_: object, timing: Timing, on_poll: Callable[[Progress], None]) -> Verdict:
        on_poll(_poll(QUEUED, at=timing.clock() - timing.started_at))
        return verdict(COMPLETED)

    monkeypatch.setattr("fini_gate.main.read_ca_bundle", lambda _: "certificates")
    monkeypatch.setattr("fini_gate.platforms.streams.Screen.draw", lambda _, line: shown.append(line))
    monkeypatch.setattr("fini_gate.platforms.streams.is_terminal", lambda: True)
    inputs = {"job-ids": "new", "timeout": "1h"}
    run = gate.run_here(inputs, {"GITHUB_ACTIONS": ""}, make_transport=parts.update, wait=wait)
    assert parts["ca_certificates"] == "certificates"
    assert len(shown) == 1
    (until,) = re.findall(r"until (\S+ \S+) UTC", run.log)
    seconds_left = (datetime.fromisoformat(f"{until}+00:00") - datetime.now(UTC)).total_seconds()
    assert 3500 < seconds_left <= 3600


def test_bug__before_there_are_jobs_leaves_all_outputs(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even then all outputs are written, without any job."""
    monkeypatch.setattr("fini_gate.main.read_ca_bundle", None)
    run = gate.run_here({"job-ids": "done"})
    assert (run.exit_code, run.outputs["job-count"], len(run.outputs)) == (4, "0", 24)


RunMain: TypeAlias = Callable[[list[str], Mapping[str, str]], tuple[int, str, str]]


@pytest.fixture
def run_main(gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunMain:
    """Provide a function that calls `main`, and returns the exit code, and what went to both streams."""
    monkeypatch.setattr("fini_gate.main.read_stdin", lambda _: b"")

    def run(arguments: list[str], environ: Mapping[str, str]) -> tuple[int, str, str]:
        paths = [tmp_path / name for name in ("stdout", "stderr")]
        environ = gate.environ({}, environ)
        with (
            monkeypatch.context() as patch,
            paths[0].open("w", encoding="ascii") as stdout,
            paths[1].open("w", encoding="ascii") as stderr,
        ):
            patch.setattr(sys, "stdout", stdout)
            patch.setattr(sys, "stderr", stderr)
            for name, value in environ.items():
                patch.setenv(name, value)
            exit_code = main(environ, InterruptibleExecutor(), arguments)
        log, errors = (path.read_text(encoding="utf-8") for path in paths)
        return exit_code, log, errors

    return run


def test_main__returns_the_exit_code(run_main: RunMain) -> None:
    """It prepares standard output, runs the gate with its real parts, and returns the exit code."""
    exit_code, log, errors = run_main([], {"INPUT_JOB-IDS": "a", "INPUT_TIMEOUT": "söon"})
    assert (exit_code, errors) == (2, "")
    assert "Input timeout is 'söon'" in log


@pytest.mark.parametrize("github", ["true", "false"])
def test_main__reports_wrong_usage_of_the_command(run_main: RunMain, github: str) -> None:
    """The error is one line on standard error, whatever the runner."""
    exit_code, log, errors = run_main(["a", "--timeout", "söon"], {"GITHUB_ACTIONS": github})
    assert (exit_code, errors.count("\n")) == (2, 1)
    assert "söon" not in log
    assert "Option --timeout is 'söon': it must be" in errors


def test_main__prints_help(run_main: RunMain) -> None:
    """Help is printed instead of a run, and is a success."""
    assert run_main(["--version"], {}) == (0, f"fini-gate {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json"], "There are no job IDs in the arguments, --job-ids and --job-ids-file: check"),
        (["--json", "-"], "There are no job IDs in standard input, --job-ids and --job-ids-file: check"),
        (["--json", "--timeout=##[x]"], "Option --timeout is '##[x]'"),
        (["--json", "--bogus"], "There is no option --bogus."),
    ],
)
def test_main__prints_a_document_alone(run_main: RunMain, arguments: list[str], message: str) -> None:
    """With --json standard output is one document without anything that a CI obeys; the rest is standard error."""
    exit_code, document, log = run_main(arguments, {})
    assert exit_code == 2
    assert json.loads(document)["result"] == "error"
    assert json.loads(document)["message"].startswith(message.replace("##", "# #"))
    assert "#" not in document
    assert KEY not in document
    assert f"::add-mask::{KEY}" in log
    assert message.replace("##", "# #") in log


def test_main__reads_standard_input(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument - stands for it."""
    monkeypatch.setattr("fini_gate.main.read_stdin", lambda _: b'{"jobs": 1}')
    exit_code, _, errors = run_main(["a", "-"], {})
    assert exit_code == 2
    assert "Standard input, line 1, at jobs: found a number" in errors


def test_main__rejects_a_switch_that_is_neither_on_nor_off(run_main: RunMain) -> None:
    """FINI_GATE_JSON is read like any other setting."""
    exit_code, _, errors = run_main(["a"], {"FINI_GATE_JSON": "yes", "GITHUB_ACTIONS": ""})
    assert (exit_code, errors) == (
        2,
        "fini-gate: Variable FINI_GATE_JSON is 'yes': it must be true or false.\n",
    )
