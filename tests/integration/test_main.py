"""The whole gate as a process, as the container starts it, against the stand-in API."""

import json
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fake_fini import FakeFini
from fini_gate.executor import InterruptibleExecutor
from fini_gate.main import MAX_STATUS_WARNINGS, GateRun
from fini_gate.output.report import outputs
from fini_gate.platforms.terminal import live_line
from fini_gate.verdict import decide
from tests.integration.gates import COVERAGE, ENTRYPOINT, KEY, Gate, inputs_for

DONE = {"id": "done", "article-id": "article-1"}
FAILED = {"id": "failed", "ends-as": "FAILED", "error": "The source is empty."}
PENDING = {"id": "pending", "runs-for": "never"}


Serve = Callable[..., FakeFini]


def test_main__success(gate: Gate, serve: Serve) -> None:
    """All jobs complete: exit 0, the article IDs in the order of the job IDs, and not one error."""
    api = serve(DONE, {"id": "later", "runs-for": "300ms", "article-id": "article-2"})
    run = gate.run(inputs_for(api, "later", "done"))
    assert run.exit_code == 0
    assert run.outputs["result"] == "success"
    assert json.loads(run.outputs["article-ids"]) == ["article-2", "article-1"]
    assert run.outputs["article-ids-lines"] == "article-2\narticle-1"
    assert run.ids("completed") == ["later", "done"]
    assert "::error" not in run.log
    assert "::notice title=Fini gate%3A All jobs completed::2 articles made or updated" in run.log
    assert "All jobs completed" in run.summary
    assert run.log.splitlines()[-1].startswith("✅ success: 2 articles made or updated")


def test_main__asks_for_no_finished_job_again(gate: Gate, serve: Serve) -> None:
    """Once a job has ended it is in no further request."""
    api = serve(DONE, {"id": "later", "runs-for": "250ms"})
    assert gate.run(inputs_for(api, "done", "later")).exit_code == 0
    first, *others = [request.job_ids for request in api.requests]
    assert first == ("done", "later")
    assert others
    assert set(others) == {("later",)}


def test_main__failure(gate: Gate, serve: Serve) -> None:
    """A job fails and one is not there: exit 1, and one error that names both with their reasons."""
    run = gate.run(inputs_for(serve(DONE, FAILED), "done", "failed", "nowhere"))
    assert run.exit_code == 1
    assert run.outputs["result"] == "failure"
    assert (run.ids("completed"), run.ids("failed"), run.ids("missing")) == (["done"], ["failed"], ["nowhere"])
    assert len(run.errors) == 1
    assert "job failed failed: The source is empty." in run.errors[0]
    assert "job nowhere is missing" in run.errors[0]
    assert len(run.job_errors) == 2
    assert run.log.count("::error ") == 3


def test_main__timed_out(gate: Gate, serve: Serve) -> None:
    """A job does not end in time: exit 3, and what completed is handed on all the same."""
    api = serve(DONE, PENDING)
    run = gate.run(inputs_for(api, "done", "pending", timeout="400ms"))
    assert run.exit_code == 3
    assert run.outputs["result"] == "timed_out"
    assert run.ids("pending") == ["pending"]
    assert run.outputs["article-count"] == "1"
    assert len(run.errors) == 1
    assert "(timeout)" in run.outputs["message"]
    assert 0.4 <= float(run.outputs["elapsed-seconds"]) <= 5.4


def test_main__stalled(gate: Gate, serve: Serve) -> None:
    """Nothing changes for stall-timeout: exit 3, and the message says which limit it was."""
    run = gate.run(inputs_for(serve(PENDING), "pending", stall_timeout="300ms"))
    assert run.exit_code == 3
    assert "(stall-timeout)" in run.outputs["message"]


def test_main__looks_once(gate: Gate, serve: Serve) -> None:
    """A timeout of 0 is one look."""
    api = serve(DONE, PENDING)
    assert gate.run(inputs_for(api, "done", "pending", timeout="0")).exit_code == 3
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("key", "named"), [("fini_unknown_0123456789", "HTTP 401"), ("fini_writes_only_0123", "read scope")]
)
def test_main__key_refused(gate: Gate, serve: Serve, key: str, named: str) -> None:
    """The API refuses the key: exit 4 after one request, all jobs pending, and the key in no line but its mask."""
    api = serve(DONE)
    run = gate.run(inputs_for(api, "done", api_key=key))
    assert run.exit_code == 4
    assert run.outputs["result"] == "error"
    assert run.ids("pending") == ["done"]
    assert len(api.requests) == 1
    assert len(run.errors) == 1
    assert named in run.errors[0]
    assert run.log.count(key) == 1
    assert run.log.startswith(f"::add-mask::{key}\n")


def test_main__outage(gate: Gate, serve: Serve) -> None:
    """The API gives no usable answer for outage-tolerance: exit 4."""
    api = serve(DONE, faults=[{"do": {"status": 503}}])
    run = gate.run(inputs_for(api, "done", outage_tolerance="300ms"))
    assert run.exit_code == 4
    assert run.outputs["result"] == "error"
    assert "no usable answer for 0.3s" in run.outputs["message"]


def test_main__unreadable(gate: Gate, serve: Serve) -> None:
    """One job poisons each request that names it: the others are answered, and it is unreadable in the end."""
    api = serve(DONE, {"id": "poison", "broken": True}, {"id": "other", "article-id": "article-3"})
    run = gate.run(inputs_for(api, "done", "poison", "other", outage_tolerance="1s"))
    assert run.exit_code == 4
    assert run.outputs["result"] == "error"
    assert (run.ids("completed"), run.ids("unreadable")) == (["done", "other"], ["poison"])


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({}, "There are no job IDs"),
        ({"job-ids": "a", "timeout": "soon"}, "Input timeout is 'soon'"),
        ({"job-ids": "[1]"}, "Input job-ids, line 1, at [0]: found a number"),
        ({"job-ids-file": "nowhere.json"}, "'nowhere.json', which matches no file"),
        ({"job-ids": "a", "results-file": "../out.json"}, "Input results-file is '../out.json'"),
        ({"job-ids": " ".join(map(str, range(10_001)))}, "10001 job IDs"),
        ({"job-ids": f"a {KEY}"}, "Input job-ids: the API key stands in there"),
        ({"job-ids": "a", "api-url": "http://fini.example"}, "Input api-url is 'http://fini.example'"),
        ({"job-ids": "a", "api-key": "fini_with a space"}, "Input api-key holds white space"),
    ],
)
def test_main__usage_error(gate: Gate, inputs: Mapping[str, str], named: str) -> None:
    """Bad input: exit 2, one error that names it, all outputs, no traceback, and no key."""
    run = gate.run(inputs)
    assert run.exit_code == 2
    assert len(run.errors) == 1
    assert named in run.errors[0]
    assert run.outputs["result"] == "error"
    assert "Traceback" not in run.log
    assert "with a space" not in run.log
    assert KEY not in run.log.replace(f"::add-mask::{KEY}\n", "", 1)


@pytest.mark.parametrize(("value", "warnings"), [("warn", 1), ("ignore", 0)])
def test_main__no_jobs_at_all(gate: Gate, value: str, warnings: int) -> None:
    """No job IDs, where that is fine: exit 0, with a warning or without."""
    run = gate.run({"if-no-jobs": value})
    assert run.exit_code == 0
    assert run.outputs["result"] == "success"
    assert run.log.count("::warning ") == warnings


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("where", ["in a sleep", "in a request", "in a retry"])
def test_main__cancelled(gate: Gate, serve: Serve, number: signal.Signals, exit_code: int, where: str) -> None:
    """A signal ends the gate wherever it is, with what was seen so far in the outputs."""
    fault = {"in a sleep": "reverse-rows", "in a request": "hang", "in a retry": {"status": 429}}[where]
    api = serve(DONE, PENDING, faults=[{"do": fault, "requests": "2-"}])
    process = gate.start(inputs_for(api, "done", "pending", poll_interval="200ms"))
    ends_at = time.monotonic() + 20
    while len(api.requests) < 2 and time.monotonic() < ends_at:
        select.select([], [], [], 0.01)
    process.send_signal(number)
    run = gate.end(process)
    assert run.exit_code == exit_code
    assert run.outputs["result"] == "cancelled"
    assert (run.ids("completed"), run.ids("pending")) == (["done"], ["pending"])
    assert len(run.errors) == 1
    assert f"Cancelled by {number.name}" in run.errors[0]


@pytest.mark.parametrize(
    "inputs", [{}, {"job-ids": "done"}, {"job-ids": "failed"}, {"job-ids": "pending", "timeout": "0"}]
)
def test_main__writes_all_outputs_on_every_ending(gate: Gate, serve: Serve, inputs: Mapping[str, str]) -> None:
    """However it ends, each output is there, once."""
    run = gate.run({"api-url": serve(DONE, FAILED, PENDING).url, **inputs})
    values, _ = outputs(decide((), elapsed_seconds=0), results_file="")
    assert list(run.outputs) == list(values)


def test_main__reads_a_saved_bulk_answer(gate: Gate, serve: Serve) -> None:
    """An answer of Bulk generate knowledge is taken as it is, and the sources come back in the results file."""
    jobs = [
        {"documentId": "source-1", "backgroundJobId": "done"},
        {"documentId": "source-2", "backgroundJobId": "failed"},
    ]
    (gate.workspace / "answer.json").write_text(json.dumps({"jobs": jobs}), encoding="utf-8")
    inputs = inputs_for(serve(DONE, FAILED), job_ids_file="answer.json", results_file="out/results.json")
    run = gate.run(inputs)
    assert run.exit_code == 1
    assert run.outputs["results-file"] == "out/results.json"
    results = json.loads((gate.workspace / "out" / "results.json").read_text(encoding="utf-8"))
    assert [(job["id"], job["documentId"], job["state"]) for job in results["jobs"]] == [
        ("done", "source-1", "completed"),
        ("failed", "source-2", "failed"),
    ]


def test_main__results_file_cannot_be_written(gate: Gate, serve: Serve) -> None:
    """The results file's place is taken by a folder: a warning, and the ending stays what it is."""
    (gate.workspace / "results.json").mkdir()
    run = gate.run(inputs_for(serve(DONE), "done", results_file="results.json"))
    assert run.exit_code == 0
    assert run.outputs["results-file"] == ""
    assert run.log.count("::warning ") == 1


def test_main__outputs_too_large(gate: Gate, serve: Serve) -> None:
    """Lists that GitHub would not take are left empty, whole, and one warning names them."""
    count = 6000
    long = "x" * 80
    api = serve(generate={"count": count, "prefix": f"{long}-"})
    (gate.workspace / "ids.txt").write_text("\n".join(f"{long}-{n}" for n in range(1, count + 1)), encoding="utf-8")
    run = gate.run(inputs_for(api, job_ids_file="ids.txt", batch_size="1000"))
    assert run.exit_code == 0
    assert run.outputs["completed-job-ids"] == ""
    assert run.outputs["articles-by-job"] == ""
    assert len(json.loads(run.outputs["article-ids"])) == count
    assert run.outputs["completed-count"] == str(count)
    assert sum(map(len, run.outputs.values())) < 450_000
    assert run.log.count("::warning ") == 1


def test_main__status_never_heard_of(gate: Gate, serve: Serve) -> None:
    """An unknown status never passes, and brings one warning however often it is seen."""
    api = serve({"id": "odd", "runs-for": "never", "statuses": {"running": "PONDERING"}})
    run = gate.run(inputs_for(api, "odd", timeout="500ms"))
    assert run.exit_code == 3
    assert len(api.requests) > 2
    assert run.log.count("::warning ") == 1
    assert "PONDERING" in run.log


def test_main__job_summary_not_wanted(gate: Gate, serve: Serve) -> None:
    """With job-summary false none is written."""
    assert gate.run(inputs_for(serve(DONE), "done", job_summary="false")).summary == ""


def test_main__looks_titles_up(gate: Gate, serve: Serve) -> None:
    """With article-details the titles stand in the summary and in the results file."""
    api = serve({**DONE, "title": "How *refunds* work"}, FAILED)
    run = gate.run(inputs_for(api, "done", "failed", article_details="true", results_file="results.json"))
    assert run.exit_code == 1
    assert "How \\*refunds\\* work<br>article-1" in run.summary
    results = json.loads((gate.workspace / "results.json").read_text(encoding="utf-8"))
    assert [job["articleTitle"] for job in results["jobs"]] == ["How *refunds* work", None]


@pytest.mark.parametrize(
    "fault", ["reset", {"status": 500}, "html", {"delay": "2s"}, {"redirect": "http://127.0.0.1:1"}]
)
def test_main__does_without_titles_that_cannot_be_had(gate: Gate, serve: Serve, fault: object) -> None:
    """Whatever goes wrong there is a warning, and changes nothing of the verdict."""
    api = serve(DONE, faults=[{"do": fault, "route": "articles"}])
    run = gate.run(inputs_for(api, "done", article_details="true", request_timeout="500ms"))
    assert run.exit_code == 0
    assert run.log.count("::warning ") == 1
    assert "titles could be looked up" in run.log
    assert json.loads(run.outputs["article-ids"]) == ["article-1"]


def test_main__is_cancelled_while_it_looks_titles_up(gate: Gate, serve: Serve) -> None:
    """A signal does not wait for titles, and finds all that was seen in the outputs."""
    api = serve(DONE, faults=[{"do": "hang", "route": "articles"}])
    process = gate.start(inputs_for(api, "done", article_details="true"))
    ends_at = time.monotonic() + 20
    while len(api.requests) < 2 and time.monotonic() < ends_at:
        select.select([], [], [], 0.01)
    process.send_signal(signal.SIGTERM)
    run = gate.end(process)
    assert (run.exit_code, run.outputs["result"]) == (143, "cancelled")
    assert run.ids("completed") == ["done"]


def test_main__hostile_text(gate: Gate, serve: Serve) -> None:
    """What the API says is neither a command, nor a line, nor an output of its own, nor live Markdown."""
    hostile = "\r\n::set-output name=x::y\n##[error]z\x1b[31m <b>@octocat</b> [a](http://b) | `c`\n" + KEY
    job = {"id": "failed", "ends-as": "FAILED", "error": hostile}
    api = serve(job, {**DONE, "article-id": "a\nresult<<X\nfailure\nX"})
    run = gate.run(inputs_for(api, "failed", "done"))
    commands = [line for line in run.log.splitlines() if line.lstrip().startswith("::")]
    assert [command.split(" ")[0].split("::")[1] for command in commands] == ["add-mask", "error", "error"]
    assert "##[" not in run.log
    assert "\x1b" not in run.log
    assert "\r" not in run.log
    assert run.log.count(KEY) == 1
    assert run.outputs["result"] == "failure"
    assert KEY not in json.dumps(run.outputs)
    assert "<b>" not in run.summary


def test_main__hostile_checkout(gate: Gate, serve: Serve) -> None:
    """What is planted in the checkout, or in the environment by an earlier step, is not imported."""
    for name in ("yaml", "requests", "json", "sitecustomize", "usercustomize", "fini_gate", "backoff", "signal"):
        (gate.workspace / f"{name}.py").write_text("print('planted'); raise SystemExit(0)", encoding="utf-8")
    packages = gate.workspace / ".local" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "planted.pth").write_text("import sys; print('planted')\n", encoding="utf-8")
    (gate.workspace / "ids.yaml").write_text("- failed", encoding="utf-8")
    environ = {
        "PYTHONPATH": str(gate.workspace),
        "PYTHONSTARTUP": str(gate.workspace / "yaml.py"),
        "PYTHONHOME": str(gate.workspace),
        "PYTHONINSPECT": "1",
        "HOME": str(gate.workspace),
    }
    run = gate.run(inputs_for(serve(FAILED), job_ids_file="ids.yaml"), environ)
    assert run.exit_code == 1
    assert "planted" not in run.log


def test_main__no_files_of_the_runner(gate: Gate, serve: Serve) -> None:
    """Without the runner's files the outputs go to the log, and the exit code stays true."""
    environ = {"GITHUB_OUTPUT": "", "GITHUB_STEP_SUMMARY": ""}
    run = gate.run(inputs_for(serve(FAILED), "failed"), environ)
    assert run.exit_code == 1
    assert "output result = failure" in run.log


def test_main__warns_of_few_unknown_statuses(gate: Gate, serve: Serve) -> None:
    """Of many statuses never heard of some are warned of, and all are waited for."""
    jobs = [{"id": f"odd-{n}", "runs-for": "never", "statuses": {"running": f"ODD_{n}"}} for n in range(9)]
    run = gate.run(inputs_for(serve(*jobs), *(str(job["id"]) for job in jobs), timeout="0"))
    assert run.exit_code == 3
    assert run.log.count("::warning ") == MAX_STATUS_WARNINGS < len(jobs)


def test_main__timed_out_in_an_outage(gate: Gate, serve: Serve) -> None:
    """Where the API gives no answer until the timeout, the error says so, and why."""
    api = serve(DONE, faults=[{"do": {"status": 429, "headers": {"Retry-After": "1000"}}}])
    run = gate.run(inputs_for(api, "done", timeout="300ms"))
    assert run.exit_code == 3
    assert "The last look was not answered in full: HTTP 429" in run.errors[0]
    assert "not all jobs were answered for: HTTP 429" in run.log


@pytest.fixture
def gate_run(gate: Gate, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> GateRun:
    """Give a run of the gate in this process."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(gate.output))
    environ = {f"INPUT_{name.upper()}": value for name, value in inputs_for(serve(DONE), "done").items()}
    return GateRun({**environ, "INPUT_API-KEY": KEY, "GITHUB_OUTPUT": str(gate.output)}, InterruptibleExecutor())


def test_gate_run__is_cancelled_while_it_writes_its_outputs(gate: Gate, gate_run: GateRun) -> None:
    """A signal that comes after the verdict still counts, in the outputs and in the exit code."""
    verdict = gate_run.decide()
    assert verdict.exit_code == 0
    gate_run.executor.signal_number = signal.SIGTERM
    assert gate_run.publish(verdict).exit_code == 143
    assert gate.read_outputs()["result"] == "cancelled"
    assert json.loads(gate.read_outputs()["completed-job-ids"]) == ["done"]


def test_gate_run__survives_its_own_defects(
    gate: Gate, gate_run: GateRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception that nobody thought of ends in one error that says where it was, without its text."""

    def fail(*_: object, **__: object) -> None:
        raise LookupError(f"hold on to {KEY}")

    monkeypatch.setattr("fini_gate.main.wait_for_jobs", fail)
    assert gate_run.publish(gate_run.decide()).exit_code == 4
    log = capsys.readouterr().out
    assert "fini-gate itself failed: LookupError in test_main.py, line " in log
    assert "hold on" not in log
    assert json.loads(gate.read_outputs()["pending-job-ids"]) == ["done"]


# --- A terminal ------------------------------------------------------------------------------------------------------


def _at_a_terminal(gate: Gate, inputs: Mapping[str, str]) -> tuple[int, str]:
    """Run the gate at a terminal, and return its exit code and all that it drew."""
    ours, its = pty.openpty()
    environ = {"INPUT_API-KEY": KEY, "GITHUB_WORKSPACE": str(gate.workspace), "TERM": "xterm", "COLUMNS": "120"}
    environ |= COVERAGE | {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-I", "-u", str(ENTRYPOINT)], env=environ, stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    drawn = b""
    while True:
        try:
            drawn += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    return process.wait(timeout=30), drawn.decode()


def test_terminal__redraws_the_progress_line(gate: Gate, serve: Serve) -> None:
    """The line is drawn over the last one, and failures stand above it; the key is not shown, since nobody masks it."""
    api = serve(DONE, FAILED, {"id": "later", "runs-for": "700ms"})
    exit_code, drawn = _at_a_terminal(gate, inputs_for(api, "done", "failed", "later"))
    assert exit_code == 1
    assert drawn.count("2/3  1 of 3 jobs completed, 1 failed, 1 pending") >= 2
    assert "\x1b[2K" in drawn
    assert drawn.count("job failed failed: The source is empty.") >= 1
    assert KEY not in drawn
    assert drawn.splitlines()[-1].startswith("❌ failure: ")


def test_terminal__does_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, lines are printed one after the other."""
    monkeypatch.setattr("fini_gate.platforms.terminal.is_terminal", lambda: True)
    monkeypatch.setitem(sys.modules, "rich.live", None)
    with live_line() as show:
        assert show is None


# --- The machine -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stdout", ["closed", "full", "broken pipe"])
@pytest.mark.parametrize(("job_id", "exit_code"), [("done", 0), ("failed", 1)])
def test_main__nobody_listens(gate: Gate, serve: Serve, stdout: str, job_id: str, exit_code: int) -> None:
    """Where nothing can be printed the outputs are written, and the exit code stays true."""
    inputs = inputs_for(serve(DONE, FAILED), job_id)
    environ = {
        "INPUT_API-KEY": KEY,
        "GITHUB_OUTPUT": str(gate.output),
        "GITHUB_WORKSPACE": str(gate.workspace),
        "LC_ALL": "POSIX",
        **COVERAGE,
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
    }
    script = {
        "closed": 'exec "$@" >&- 2>&-',
        "full": 'exec "$@" >/dev/full 2>&1',
        "broken pipe": 'exec "$@" 2>&1',
    }[stdout]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(  # noqa: S603 - our own program
        ["/bin/bash", "-c", script, "bash", sys.executable, "-I", "-u", str(ENTRYPOINT)],
        env=environ,
        stdout=writing,
        check=False,
        timeout=30,
    )
    os.close(writing)
    assert done.returncode == exit_code
    assert gate.read_outputs()["job-count"] == "1"


@pytest.mark.parametrize(
    "environ",
    [
        {"TZ": "Nowhere/At-all", "TZDIR": "/nowhere"},
        {"TZ": ":/dev/null"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii:strict", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["no time zone", "an empty time zone", "Turkish", "ASCII"],
)
def test_main__elsewhere(gate: Gate, serve: Serve, environ: Mapping[str, str]) -> None:
    """Neither a time zone nor a locale makes a difference, to dates and letters' case least of all."""
    late = {"requests": 1, "do": {"status": 503, "retry-after-date": "1s"}}
    api = serve({"id": "İD-É", "article-id": "articlé", "runs-for": "100ms"}, DONE, faults=[late])
    run = gate.run(inputs_for(api, "İD-É", "done"), environ)
    assert run.exit_code == 0
    assert json.loads(run.outputs["article-ids"]) == ["articlé", "article-1"]
    assert "İD-É" in run.log
    assert float(run.outputs["elapsed-seconds"]) <= 5


def _link_to_full_disk(path: Path) -> None:
    path.symlink_to("/dev/full")


@pytest.mark.parametrize("spoil", [_link_to_full_disk, Path.mkdir, Path.touch], ids=["full disk", "folder", "writable"])
@pytest.mark.parametrize(("job_id", "exit_code"), [("done", 0), ("failed", 1)])
def test_main__disk_of_the_runner(
    gate: Gate, serve: Serve, spoil: Callable[[Path], None], job_id: str, exit_code: int
) -> None:
    """Where the runner's files cannot be written a warning for each says so, and the exit code stays true."""
    gate.output.unlink()
    spoil(gate.output)
    spoil(gate.summary)
    process = gate.start(inputs_for(serve(DONE, FAILED), job_id))
    log, _ = process.communicate(timeout=30)
    is_writable = spoil is Path.touch
    assert process.returncode == exit_code
    assert log.count("::warning ") == (0 if is_writable else 2)
    assert ("output result = " in log) is not is_writable
    assert log.count("::error title=Fini gate") == exit_code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_main__cancelled_while_it_writes(gate: Gate, serve: Serve, number: signal.Signals) -> None:
    """A signal amid the writing changes the ending or comes too late for it: outputs and exit code agree on which."""
    count = 3000
    api = serve(generate={"count": count, "prefix": "job-", "runs-for": "0s"})
    ids = "\n".join(f"job-{n}" for n in range(1, count + 1))
    process = gate.start(inputs_for(api, ids, batch_size="1000", results_file="results.json"))
    ends_at = time.monotonic() + 20
    while not gate.output.stat().st_size and time.monotonic() < ends_at:
        select.select([], [], [], 0.0005)
    process.send_signal(number)
    run = gate.end(process)
    assert (run.exit_code, run.outputs["result"]) in {(128 + number, "cancelled"), (0, "success")}
    results = json.loads((gate.workspace / "results.json").read_text(encoding="utf-8"))
    assert results["result"] == run.outputs["result"]
    assert run.outputs["completed-count"] == str(count)
    assert len(run.errors) == (run.exit_code != 0)


# --- Memory ----------------------------------------------------------------------------------------------------------

MEMORY_BYTES = 512 * 1024**2


def _write_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(4 * 1024**3)


def _write_lists(path: Path) -> None:
    path.write_bytes(b"[" + b"[]," * 10_000_000 + b'"a"]')


def _write_aliases(path: Path) -> None:
    rows = "\n".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 90))
    path.write_text(f"- &a0 [a, b]\n{rows}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("ids.txt", _write_sparse, "is larger than 32 MiB"),
        ("ids.json", _write_sparse, "is larger than 32 MiB"),
        ("ids.yaml", _write_sparse, "is larger than 4 MiB"),
        ("ids.json", _write_lists, "more than 2000000 lists and objects"),
    ],
)
def test_memory__of_a_file_is_bounded(gate: Gate, name: str, write: Callable[[Path], None], said: str) -> None:
    """A file that would fill the memory is an error that names it, long before."""
    write(gate.workspace / name)
    run = gate.end(_with_little_memory(gate.start({"job-ids-file": name})))
    assert run.exit_code == 2
    assert said in run.errors[0]


@pytest.mark.parametrize(
    ("do", "said"),
    [
        ({"huge": 1000}, "an answer of more than 16 MiB"),
        ({"gzip-bomb": 1000}, "an answer of more than 16 MiB"),
        ({"garbage": '{"jobs": [' + "[]," * 4_000_000 + "[]]}"}, "with more than 500000 values in it"),
    ],
    ids=["huge", "gzip bomb", "many values"],
)
def test_memory__of_an_answer_is_bounded(gate: Gate, serve: Serve, do: Mapping[str, object], said: str) -> None:
    """An answer that would fill the memory is no usable one, and the gate goes on."""
    api = serve(DONE, faults=[{"do": do, "requests": "1-2"}])
    run = gate.end(_with_little_memory(gate.start(inputs_for(api, "done"))))
    assert run.exit_code == 0
    assert run.log.count(said) == 2


def test_memory__of_aliases_is_bounded(gate: Gate, serve: Serve) -> None:
    """YAML that names the same few IDs in billions of ways holds these IDs."""
    _write_aliases(gate.workspace / "ids.yaml")
    api = serve({"id": "a"}, {"id": "b"})
    run = gate.end(_with_little_memory(gate.start(inputs_for(api, job_ids_file="ids.yaml"))))
    assert run.ids("completed") == ["a", "b"]


def _with_little_memory(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    return process
