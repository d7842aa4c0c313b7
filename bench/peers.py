"""Compares whole gates with what they cannot undercut: a bare requests session, and `import requests` alone."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import Final

from bench import image
from bench.processes import API_KEY, ROOT, SAVED_RESPONSE, Setup, Usage, prepare, run, take_turns
from bench.report import Goal, Section, compare, ratios

MAX_JOBS: Final = 10_000
COST_ROUNDS: Final = 7
# Of 100 jobs each.
SLOW_BATCHES: Final = 60
LATENCY_SECONDS: Final = 0.1
SLOW_ROUNDS: Final = 3
START_ROUNDS: Final = 21
CONTAINER_ROUNDS: Final = 11

GATE: Final = "gate"
DETAILS: Final = "gate with article details"
SESSION: Final = "bare session"
IMPORT: Final = "import requests"
FIRST_REQUEST: Final = "gate until its first request"
COMMAND: Final = "command until its first request"
CONTAINER: Final = "whole gate in a container"
MOUNT: Final = "/github/workspace"


def measure_cost() -> Section:
    """Measure what a poll costs: CPU without latency, and time with latency."""
    with prepare(MAX_JOBS) as setup:
        usages = take_turns(_pollers(setup), COST_ROUNDS)
    with prepare(SLOW_BATCHES * 100, latency=LATENCY_SECONDS) as setup:
        slow_usages = take_turns(_pollers(setup), SLOW_ROUNDS)
    cpu = {process: [usage.cpu_seconds for usage in rounds] for process, rounds in usages.items()}
    time = {process: [usage.wall_seconds for usage in rounds] for process, rounds in slow_usages.items()}
    of_cpu = f"CPU for {MAX_JOBS:,} jobs"
    of_time = f"time for {SLOW_BATCHES} batches at {LATENCY_SECONDS * 1000:.0f} ms"
    return Section(
        title="Cost of a poll",
        prose=(
            "Whole processes poll finished jobs once, in batches of 100. The gate has four requests in flight and"
            " writes outputs, summary and results file; with article details it also looks up 1,000 articles. The bare"
            " session posts the same batches and decodes the responses, nothing else. curl and jq run in a shell loop,"
            " on machines that have both."
        ),
        header=("measured", "process", "seconds", f"÷ {SESSION}"),
        rows=(*compare(of_cpu, cpu, SESSION), *compare(of_time, time, SESSION)),
        goals=(
            Goal(f"{of_cpu} ÷ {SESSION}", median(ratios(cpu, GATE, SESSION)), 2.0),
            Goal(f"{of_cpu} with article details ÷ {SESSION}", median(ratios(cpu, DETAILS, SESSION)), 2.1),
            Goal(f"{of_time} ÷ {SESSION}", median(ratios(time, GATE, SESSION)), 0.33),
        ),
    )


def measure_start() -> Section:
    """Measure how long a gate on one finished job takes to start."""
    prose = (
        "A gate on one finished job, its ID in a JSON file, compared with Python that only imports requests, in the"
        " same virtual environment and in a container of the same image. The command is `python -m fini_gate` with"
        " options, outside GitHub; the other gates are the action."
    )
    with prepare(1) as setup:
        ms = take_turns(_starters(setup), START_ROUNDS)
        rows = compare("process", ms, IMPORT, ".0f")
        goals = [
            Goal(f"{FIRST_REQUEST} ÷ {IMPORT}", median(ratios(ms, FIRST_REQUEST, IMPORT)), 1.3),
            Goal(f"{COMMAND} ÷ {FIRST_REQUEST}", median(ratios(ms, COMMAND, FIRST_REQUEST)), 1.15),
        ]
        if image.base_image():
            ms = take_turns(_containers(setup), CONTAINER_ROUNDS)
            rows += compare("docker run", ms, IMPORT, ".0f")
            goals.append(Goal(f"{CONTAINER} ÷ {IMPORT}", median(ratios(ms, CONTAINER, IMPORT)), 1.6))
        else:
            prose += f" Containers are left out: {image.NO_ENGINE}."
    return Section("Start", prose, ("where", "process", "ms", f"÷ {IMPORT}"), rows, goals)


def _pollers(setup: Setup) -> Mapping[str, Callable[[], Usage]]:
    arguments = (setup.api.url, API_KEY, setup.workspace / SAVED_RESPONSE)
    bare_session = (sys.executable, "-I", ROOT / "bench" / "bare_session.py", *arguments)
    pollers = {
        GATE: partial(setup.run_gate, max_parallel="4", article_details="false"),
        DETAILS: partial(setup.run_gate, max_parallel="4"),
        SESSION: partial(run, bare_session, environ={}, folder=setup.workspace),
    }
    if shutil.which("curl") and shutil.which("jq"):
        loop = (ROOT / "bench" / "curl_loop", *arguments)
        pollers["curl and jq"] = partial(run, loop, environ={"PATH": os.environ["PATH"]}, folder=setup.workspace)
    return pollers


def _starters(setup: Setup) -> Mapping[str, Callable[[], float]]:
    def python(code: str) -> float:
        return run([sys.executable, "-I", "-c", code], environ={}, folder=setup.workspace).wall_seconds * 1000

    def first_request(run_gate: Callable[[], Usage]) -> float:
        started_at = run_gate().started_at
        polls = [request for request in setup.api.requests if request.route == "status"]
        return (setup.opened_at + polls[-1].at_seconds - started_at) * 1000

    return {
        "pass": partial(python, "pass"),
        IMPORT: partial(python, IMPORT),
        FIRST_REQUEST: partial(first_request, setup.run_gate),
        COMMAND: partial(first_request, setup.run_command),
    }


def _containers(setup: Setup) -> Mapping[str, Callable[[], float]]:
    gate = image.build(ROOT, tag="latest")
    # The same image with the byte code that `import requests` needs.
    context = setup.workspace / "requests"
    context.mkdir()
    (context / "Dockerfile").write_text(f'FROM {gate}\nRUN ["python", "-c", "{IMPORT}"]\n', encoding="utf-8")
    with_requests = image.build(context, tag="requests")
    # The stand-in listens on the host's loopback only.
    options = ("--rm", "--network=host", f"--volume={setup.workspace}:{MOUNT}", f"--workdir={MOUNT}")

    def docker_run(*arguments: str) -> float:
        command = ("docker", "run", *options, *arguments)
        return run(command, environ=os.environ, folder=setup.workspace).wall_seconds * 1000

    def python(code: str) -> float:
        return docker_run("--entrypoint=python", with_requests, "-I", "-c", code)

    def whole_gate() -> float:
        return docker_run(*(f"--env={name}={value}" for name, value in setup.environ(MOUNT).items()), gate)

    return {"pass": partial(python, "pass"), IMPORT: partial(python, IMPORT), CONTAINER: whole_gate}
