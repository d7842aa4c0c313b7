"""Runs a gate as the container does, as a process, against the stand-in API over real sockets.

The faults pass, and the limits leave time for that, so the jobs alone decide the result.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any, NamedTuple

from fake_fini import FakeFini, Scenario

from .campaign import Tally, show
from .contract import MIN_OMISSIONS, ending_of
from .replies import KEY, body_text
from .request_rules import MAX_OVERRUN_SECONDS
from .scenario import Options
from .start import start
from .written import Finding, Kind, Written

ROOT = Path(__file__).resolve().parents[2]
# The image starts the first. The second needs PYTHONPATH, and so cannot be isolated.
COMMANDS = ((sys.executable, "-I", "-u", str(ROOT / "entrypoint.py")), (sys.executable, "-u", "-m", "fini_gate"))
START_SECONDS = 3.0  # to start the process, to import and to end, on a busy machine
KILL_SECONDS = 60.0
LATE_SIGNAL_SECONDS = 0.7  # a signal this late may find the outputs written
MAX_FAULTS = 5  # as many failures in a row, with the backoff after each, are over before outage-tolerance
LIMITS = Options(
    timeout=15.0,
    poll_interval=0.1,
    max_poll_interval=0.4,
    not_found_grace=1.0,
    outage_tolerance=8.0,
    request_timeout=0.7,
)

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
# Faults that would change which articles are live.
DECISIVE_FAULTS = ({"garbage": "[]"}, {"drop-rows": "all"}, {"drop-rows": 1})
# A kind of job → the state that it has to end in, and its fields in the stand-in's scenario; None: it is not there.
JOBS: dict[str, tuple[str, Callable[[str], dict[str, Any]] | None]] = {
    "completed": ("completed", lambda text: {"article-id": f"an article {text}"}),
    "without article": ("completed", lambda _: {"article-id": None}),
    "draft": ("completed", lambda text: {"draft": True, "title": f"A draft {text}"}),
    "failed": ("failed", lambda text: {"ends-as": "FAILED", "error": text}),
    "failed silently": ("failed", lambda text: {"ends-as": "FAILED", "source-error": text or "x"}),
    "pending": ("pending", lambda _: {"runs-for": "never"}),
    "not found": ("missing", None),
    "malformed": ("missing", lambda _: {"malformed": True}),
    "omitted": ("missing", lambda _: {"omitted": True}),
    "poison": ("unreadable", lambda _: {"broken": True}),
    "bad gateway": ("unreadable", lambda _: {"broken": 502}),
}
MIXES = (
    *(("completed",), ("completed", "without article", "pending"), ("completed", "failed silently")),
    *(("completed", "completed", "draft"), (*["completed"] * 8, *JOBS)),
)


@dataclass
class Plan:
    """A gate's jobs, its options, and what is to go wrong."""

    seed: int = 1
    options: Options = LIMITS
    states: dict[str, str] = field(default_factory=dict)  # job ID → the state that it has to end in
    jobs: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    is_refused: bool = False
    signal: tuple[float, int] | None = None  # when, in seconds after the first line of the log, and its number


class Ended(NamedTuple):
    """How a process ended."""

    written: Written
    exit_code: int
    seconds: float
    seconds_after_signal: float | None


def make_plan(seed: int) -> Plan:
    """Choose jobs, options and faults."""
    rng = Random(seed)  # noqa: S311 - not a secret
    options = replace(
        LIMITS,
        batch_size=rng.choice((1, 5, 100)),
        results_file=rng.choice(("", "out/results.json")),
        junit_file=rng.choice(("", "out/junit.xml")),
        dotenv_file=rng.choice(("", "fini-gate.env")),
        summary_file=rng.choice(("", "summary.md")),
        require_published=rng.random() < 0.4,
        article_details=rng.random() < 0.7,
    )
    lookup_faults = list(_lookup_faults(rng, options))
    faults = [*_passing_faults(rng, MAX_FAULTS - len(lookup_faults)), *lookup_faults]
    plan = Plan(seed, options, faults=faults, is_refused=rng.random() < 0.08)
    kinds = rng.choice(MIXES)
    for number in range(rng.choice((1, 3, 10, 40))):
        _add_job(plan, rng, f"job-{number}", rng.choice(kinds))
    if set(plan.states.values()) == {"unreadable"}:  # without a response about another job it would be an outage
        _add_job(plan, rng, "other", "pending")
    if options.require_published and "pending" not in plan.states.values():
        plan.states |= {job["id"]: "failed" for job in plan.jobs if job.get("draft")}
    if plan.is_refused:
        plan.faults.insert(0, {"do": rng.choice(REFUSALS), "requests": f"{rng.randint(1, 3)}-"})
    if rng.random() < 0.15:
        plan.signal = rng.uniform(0, 3.5), rng.choice((signal.SIGINT, signal.SIGTERM))
    return plan


def _lookup_faults(rng: Random, options: Options) -> Iterator[dict[str, Any]]:
    """Choose faults of the look-ups that decide nothing: those of an article that counts pass."""
    for route in rng.choice(((), (), ("articles",), ("source",), ("articles", "source"))):
        may_decide = route == "articles" and options.require_published
        faults = [
            fault for fault in (*FAULTS, *REFUSALS) if not may_decide or fault not in (*DECISIVE_FAULTS, *REFUSALS)
        ]
        yield {"do": rng.choice(faults), "route": route, "at-most": 1}


def _passing_faults(rng: Random, faults_left: int) -> Iterator[dict[str, Any]]:
    """Choose faults that pass before the contract lets the gate conclude that the API is down or a job is missing."""
    omissions_left = MIN_OMISSIONS - 1
    for _ in range(rng.choice((0, 1, 2, 4))):
        fault = rng.choice(FAULTS)
        omits_rows = "drop-rows" in fault
        times = min(rng.randint(1, 2), faults_left, omissions_left if omits_rows else MAX_FAULTS)
        if times > 0:
            yield {"do": fault, "requests": rng.choice(("1-", "every 2", "2-", rng.randint(1, 6))), "at-most": times}
        faults_left -= times
        omissions_left -= times if omits_rows else 0


def _add_job(plan: Plan, rng: Random, job_id: str, kind: str) -> None:
    plan.states[job_id], fields = JOBS[kind]
    if fields is not None:
        text = body_text(rng).encode("utf-8", "replace").decode()
        if plan.options.require_published:  # the article of an ID that holds the key could not be looked up
            text = text.replace(KEY, "key")
        source = {"document-id": f"source-of-{job_id}"}
        plan.jobs.append({"id": job_id, **source, "runs-for": f"{rng.randrange(2500)}ms", **fields(text)})


def over_sockets(seed: int, *, is_verbose: bool = False) -> Tally:
    """Run the gate of a seed as a process, and check it."""
    plan = make_plan(seed)
    scenario = Scenario.from_mapping({"api-keys": {KEY: ["read"]}, "jobs": plan.jobs, "faults": plan.faults})
    with FakeFini(scenario) as api, tempfile.TemporaryDirectory(prefix="fini-gate-") as folder:
        ended = _run(plan, api.url, Path(folder))
        requests = [request.job_ids for request in api.requests]
    counts = Counter({"gates": 1, "requests": len(requests), f"exit {ended.exit_code}": 1})
    kinds = (rule["do"] if isinstance(rule["do"], str) else next(iter(rule["do"])) for rule in plan.faults)
    counts.update(f"fault {kind}" for kind in kinds)
    counts.update(ended.written.start.kinds)
    counts["fault signal"] = int(ended.seconds_after_signal is not None)
    findings = list(_check(plan, ended, requests))
    if is_verbose:
        show(repr(plan), *map(str, (ended.written.start, ended.written.stdout, ended.written.stderr)))
    by_command = {f"python -m tests.chaos --only {seed} --sockets 1": findings} if findings else {}
    return Tally(counts, by_command, ended.seconds - plan.options.timeout)


def _run(plan: Plan, url: str, folder: Path) -> Ended:
    output, summary, workspace = folder / "output", folder / "summary", folder / "workspace"
    output.touch()
    workspace.mkdir()
    job_ids = {"jobs": [{"id": job_id, "documentId": f"source-of-{job_id}"} for job_id in plan.states]}
    inputs = {**plan.options.inputs(), "api-url": url, "job-ids": json.dumps(job_ids)}
    how = start(plan.seed, inputs, list(plan.states), workspace)
    (folder / "stdin").write_bytes(how.stdin)
    signalled_at: list[float] = []

    def send_signal(number: int) -> None:
        signalled_at.append(time.monotonic())
        process.send_signal(number)

    began_at = time.monotonic()
    with (
        (folder / "stdin").open("rb") as stdin,
        # What is not the log.
        (folder / "other").open("w+b") as other,
        subprocess.Popen(  # noqa: S603 - our own program
            [*COMMANDS[plan.seed // 2 % 2], *how.arguments],
            cwd=workspace,
            env={
                **how.environ,
                "PYTHONPATH": str(ROOT),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
            },
            stdin=stdin,
            stdout=other if how.is_json else subprocess.PIPE,
            stderr=subprocess.PIPE if how.is_json else other,
        ) as process,
    ):
        log = process.stderr or process.stdout
        assert log is not None
        text = log.readline()  # from here on, it handles signals
        timers = [Timer(KILL_SECONDS, process.kill)]
        timers += [Timer(plan.signal[0], send_signal, plan.signal[1:])] if plan.signal else []
        for timer in timers:
            timer.start()
        text += log.read()
        exit_code, ended_at = process.wait(), time.monotonic()
        for timer in timers:
            timer.cancel()
        other.seek(0)
        streams = [each.decode("utf-8", "backslashreplace") for each in (text, other.read())]
    stdout, stderr = reversed(streams) if how.is_json else streams
    written = Written.read(how, (stdout, stderr), (output, summary), workspace)
    return Ended(written, exit_code, ended_at - began_at, ended_at - signalled_at[0] if signalled_at else None)


def _check(plan: Plan, ended: Ended, requests: Iterable[Sequence[str]]) -> Iterator[Finding]:
    for ids in requests:
        if len(ids) > plan.options.batch_size or not plan.states.keys() >= set(ids):
            yield Finding(Kind.REQUESTS, f"a request for {ids}")
    yield from ended.written.check_text()
    values, findings = ended.written.check_outputs(list(plan.states))
    yield from findings
    if not values:
        return
    ending, true_ending = (values["result"], ended.exit_code), ending_of(plan.states.values())
    allowed = {true_ending, ("error", 4)} if plan.is_refused else {true_ending}
    if ended.seconds_after_signal is not None and plan.signal is not None:
        is_late = ended.seconds_after_signal < LATE_SIGNAL_SECONDS
        allowed = {("cancelled", 128 + plan.signal[1])} | (allowed if is_late or plan.is_refused else set())
    if ending not in allowed:
        yield Finding(Kind.VERDICT, f"{ending}, not {sorted(allowed)}")
    was_cut_short = ending != true_ending or plan.is_refused
    drafts = {job["id"] for job in plan.jobs if job.get("draft")}
    for job_id, state in values["states"].items():
        early = {"pending", *(["completed"] if job_id in drafts else [])} if was_cut_short else set()
        if state not in {plan.states[job_id], *early}:
            yield Finding(Kind.VERDICT, f"{job_id} is {state}, not {plan.states[job_id]}")
    yield from ended.written.check_closing(values)
    overrun_seconds = ended.seconds - plan.options.timeout - START_SECONDS
    for limit, seconds in {"deadline": overrun_seconds, "signal": ended.seconds_after_signal or 0}.items():
        if seconds > MAX_OVERRUN_SECONDS:
            yield Finding(Kind.OVERRUN, f"ended {seconds:.1f} s after the {limit}")
