"""Runs a gate as the container starts it, a process of its own, against the stand-in API over real sockets.

The stand-in's jobs tell what the verdict has to be: the faults are such as pass, and the limits leave them the time.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any

from fake_fini import FakeFini, Scenario

from .faults import KEY, say_worse
from .model import OVERRUN_SECONDS
from .oracle import MIN_OMISSIONS, Kind, Wrong, check_annotations, check_outputs, check_text

ENTRYPOINT = Path(__file__).resolve().parents[2] / "entrypoint.py"
TIMEOUT_SECONDS = 15.0
TOLERANCE_SECONDS = 8.0
KINDS = (*(("completed",) * 8), "failed", "pending", "unknown", "malformed", "poison", "left out")
# What the process needs to start, to import and to end, on a busy machine.
START_SECONDS = 3.0
KILL_SECONDS = 60.0
# A signal that comes as late before the end may find the verdict written.
LATE_SIGNAL_SECONDS = 0.7
# As many failures in a row are over before outage-tolerance, with the backoff after each.
MAX_FAULTS = 5
FAULTS: tuple[Any, ...] = (
    *("reset", "hang-up", "hang-up-midway", {"hang": "200ms"}, {"hang": "forever"}, {"delay": "300ms"}),
    *({"drip": "2ms"}, {"drip": "2ms", "endless": True}, {"huge": 20}, {"gzip-bomb": 100}),
    *("empty", {"garbage": "null"}, {"garbage": "[]"}, {"garbage": '{"jobs": [{}]}'}, "html", "not-json"),
    *({"mislabel": "text/html"}, {"encode": "utf-16"}, {"drop-rows": "all"}, {"drop-rows": 1}),
    *("double-rows", "reverse-rows", {"alien-rows": 3}, "rows-without-ids", {"contradict-rows": "COMPLETED"}),
    *({"status": status, "body": "::error::pwned\n##[error]x"} for status in (408, 429, 500, 502, 503, 504)),
    {"status": 429, "headers": {"Retry-After": "1"}},
    {"status": 503, "retry-after-date": "1s"},
    {"status": 429, "headers": {"Retry-After": "-1", "X-Request-Id": f"::error::{KEY}"}},
)
REFUSALS: tuple[Any, ...] = (
    *({"status": status, "body": json.dumps({"message": [KEY, "\r\n::error::x"]})} for status in (401, 403, 410)),
    {"redirect": f"http://127.0.0.1:1/{KEY}"},
)


@dataclass
class SocketRun:
    """What came of a gate."""

    wrongs: list[Wrong] = field(default_factory=list)
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    exit_code: int | None = None
    overrun_seconds: float = 0.0
    story: str = ""


@dataclass
class _Plan:
    jobs: list[dict[str, Any]] = field(default_factory=list)
    job_ids: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    """Job ID → what it has to end as."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    is_refused: bool = False
    signal_after: float | None = None
    signal_number: int = 0


@dataclass(frozen=True)
class _Left:
    """What a gate left behind."""

    transcript: str
    outputs: str
    summary: str
    results: str | None


def run_over_sockets(seed: int) -> SocketRun:
    """Run the gate of a seed."""
    plan = plan_run(Random(seed))  # noqa: S311 - chance to play with, no secrets
    scenario = Scenario.from_mapping({"api-keys": {KEY: ["read"]}, "jobs": plan.jobs, "faults": plan.faults})
    with FakeFini(scenario) as api, tempfile.TemporaryDirectory(prefix="fini-gate-chaos-") as folder:
        run = _run(plan, api.url, Path(folder))
        run.requests = len(api.requests)
        run.wrongs += _check_requests(plan, [request.job_ids for request in api.requests])
    return run


def plan_run(chance: Random) -> _Plan:
    """Choose jobs, faults and inputs."""
    plan = _Plan()
    kinds = chance.choice((("completed",), ("completed", "completed", "pending"), KINDS))
    for number in range(chance.choice((1, 3, 10, 40))):
        _add_job(plan, chance, f"job-{number}", chance.choice(kinds))
    if set(plan.states.values()) == {"unreadable"}:
        # With nothing else to be answered it would be an outage.
        _add_job(plan, chance, "other", "pending")
    plan.faults = list(_fault_rules(chance))
    if chance.random() < 0.08:
        plan.is_refused = True
        plan.faults.insert(0, {"do": chance.choice(REFUSALS), "requests": f"{chance.randint(1, 3)}-"})
    if chance.random() < 0.15:
        plan.signal_after = chance.uniform(0, 3.5)
        plan.signal_number = chance.choice((signal.SIGINT, signal.SIGTERM))
    plan.inputs = {
        "job-ids": json.dumps(plan.job_ids),
        "timeout": f"{TIMEOUT_SECONDS}s",
        "poll-interval": "100ms",
        "max-poll-interval": "400ms",
        "not-found-grace": "1s",
        "outage-tolerance": f"{TOLERANCE_SECONDS}s",
        "request-timeout": "700ms",
        "batch-size": str(chance.choice((1, 5, 100))),
        "results-file": chance.choice(("", "out/results.json")),
    }
    return plan


def _fault_rules(chance: Random) -> Iterator[dict[str, Any]]:
    """Choose faults that pass before the contract lets the gate conclude that the API is down or a job is missing."""
    faults_left, omissions_left = MAX_FAULTS, MIN_OMISSIONS - 1
    for _ in range(chance.choice((0, 1, 2, 4))):
        fault = chance.choice(FAULTS)
        omits_rows = "drop-rows" in fault
        times = min(chance.randint(1, 2), faults_left, omissions_left if omits_rows else MAX_FAULTS)
        if times > 0:
            requests = chance.choice(("1-", "every 2", "2-", chance.randint(1, 6)))
            yield {"do": fault, "requests": requests, "at-most": times}
        faults_left -= times
        omissions_left -= times if omits_rows else 0


def _add_job(plan: _Plan, chance: Random, job_id: str, kind: str) -> None:
    """Add a job that ends as what its kind says."""
    words = say_worse(chance).encode("utf-8", "replace").decode()
    fields: dict[str, dict[str, Any]] = {
        "completed": {"article-id": chance.choice((f"article of {job_id}", words or None))},
        "failed": {"ends-as": "FAILED", "error": words},
        "pending": {"runs-for": "never"},
        "malformed": {"malformed": True},
        "poison": {"broken": chance.choice((True, 503))},
        "left out": {"omitted": True},
    }
    if kind in fields:  # of one that is unknown the API is told nothing
        plan.jobs.append({"id": job_id, "runs-for": f"{chance.randrange(2500)}ms", **fields[kind]})
    plan.job_ids.append(job_id)
    states = {"unknown": "missing", "malformed": "missing", "left out": "missing", "poison": "unreadable"}
    plan.states[job_id] = states.get(kind, kind)


def _run(plan: _Plan, url: str, folder: Path) -> SocketRun:
    output, summary, workspace = folder / "output", folder / "summary", folder / "workspace"
    output.touch()
    workspace.mkdir()
    began = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-I", "-u", str(ENTRYPOINT)],
        cwd=workspace,
        env={
            "INPUT_API-KEY": KEY,
            "INPUT_API-URL": url,
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            **{f"INPUT_{name.upper()}": value for name, value in plan.inputs.items()},
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    # Once it prints, it hears signals.
    first_line = process.stdout.readline()
    signalled: list[float] = []

    def strike() -> None:
        if process.poll() is None:
            signalled.append(time.monotonic())
            process.send_signal(plan.signal_number)

    timers = [Timer(KILL_SECONDS, process.kill)]
    if plan.signal_after is not None:
        timers.append(Timer(plan.signal_after, strike))
    for timer in timers:
        timer.start()
    rest = process.stdout.read()
    process.wait()
    ended = time.monotonic()
    for timer in timers:
        timer.cancel()
    process.stdout.close()
    given = plan.inputs["results-file"]
    left = _Left(
        transcript=(first_line + rest).decode("utf-8", "backslashreplace"),
        outputs=_read(output) or "",
        summary=_read(summary) or "",
        results=_read(workspace / given) if given else None,
    )
    signal_seconds = ended - signalled[0] if signalled else None
    run = SocketRun(exit_code=process.returncode, overrun_seconds=ended - began - TIMEOUT_SECONDS)
    run.faults.update(rule["do"] if isinstance(rule["do"], str) else next(iter(rule["do"])) for rule in plan.faults)
    run.faults["signal"] += bool(signalled)
    run.wrongs += check_text(left.transcript, left.outputs, left.summary, left.results)
    run.wrongs += _check_verdict(plan, run, left, signal_seconds=signal_seconds)
    if signal_seconds is not None and signal_seconds > OVERRUN_SECONDS:
        run.wrongs.append(Wrong(Kind.OVERRUN, f"ended {signal_seconds:.1f} s after the signal"))
    if run.overrun_seconds > OVERRUN_SECONDS + START_SECONDS:
        run.wrongs.append(Wrong(Kind.OVERRUN, f"ended {run.overrun_seconds:.1f} s after the deadline"))
    run.story = "\n".join([json.dumps(plan.jobs), json.dumps(plan.faults), json.dumps(plan.states), left.transcript])
    return run


def _read(path: Path) -> str | None:
    return path.read_bytes().decode() if path.exists() else None


def _check_verdict(plan: _Plan, run: SocketRun, left: _Left, *, signal_seconds: float | None) -> list[Wrong]:
    wrongs, reported = check_outputs(left.outputs, plan.job_ids, left.results)
    if reported is None:
        return wrongs
    ending = (reported.values["result"], run.exit_code)
    truth = _true_ending(set(plan.states.values()))
    allowed = {truth} if signal_seconds is None else {("cancelled", 128 + plan.signal_number)}
    if signal_seconds is not None and signal_seconds < LATE_SIGNAL_SECONDS:
        allowed.add(truth)
    if plan.is_refused:
        allowed.add(("error", 4))
    if ending not in allowed:
        wrongs.append(Wrong(Kind.VERDICT, f"{ending}, not {sorted(map(str, allowed))}"))
    is_whole = ending == truth and not plan.is_refused
    for job_id, state in reported.state_of.items():
        if state != plan.states[job_id] and (is_whole or state != "pending"):
            wrongs.append(Wrong(Kind.VERDICT, f"{job_id} is {state}, in truth it is {plan.states[job_id]}"))
    return [*wrongs, *check_annotations(left.transcript, ending[0], alone=False)]


def _true_ending(states: set[str]) -> tuple[str, int]:
    if states & {"failed", "missing"}:
        return "failure", 1
    if "unreadable" in states:
        return "error", 4
    return ("timed_out", 3) if "pending" in states else ("success", 0)


def _check_requests(plan: _Plan, asked: list[tuple[str, ...]]) -> list[Wrong]:
    most = int(plan.inputs["batch-size"])
    is_bounded = all(len(ids) <= most and set(ids) <= set(plan.job_ids) for ids in asked)
    return [] if is_bounded else [Wrong(Kind.REQUESTS, "more or other IDs than may be asked for at once")]
