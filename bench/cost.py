"""What a look costs: CPU without latency, time with it, against a bare session and a loop of curl."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Final

from bench import gate
from bench.api import serve
from bench.child import Taken, in_turn, run
from bench.figures import quote, ratios
from bench.machine import ROOT
from bench.section import Goal, Section

MAX_JOBS: Final = 10_000
ROUNDS: Final = 7
# Of 100 jobs each.
BATCH_COUNT: Final = 60
LATENCY_SECONDS: Final = 0.1
LATENCY_ROUNDS: Final = 3

FLOOR: Final = "bare session"
GATE: Final = "gate"
CURL: Final = "curl and jq"


def measure() -> Section:
    """Measure gates as whole processes, with outputs, summary and results file."""
    with tempfile.TemporaryDirectory(prefix="fini-gate-bench-") as name:
        folder = Path(name)
        with serve() as api:
            peers = _peers(gate.workspace(folder, job_count=MAX_JOBS), api.url)
            at_once = in_turn(peers, rounds=ROUNDS)
        with serve(latency_seconds=LATENCY_SECONDS) as api:
            peers = _peers(gate.workspace(folder, job_count=BATCH_COUNT * 100), api.url)
            with_latency = in_turn(peers, rounds=LATENCY_ROUNDS, warm_up=False)
    no_curl = "" if CURL in peers else " There is no curl or no jq on this machine, so their loop is left out."
    return Section(
        title="Cost of a look",
        prose=(
            "Whole processes on jobs that have ended, in batches of 100; the gate with four requests in flight, and"
            " with outputs, summary and results file. The bare session posts the same batches, decodes the answers,"
            f" and does nothing else.{no_curl}"
        ),
        header=("what", "who", "CPU, s", "times the bare session's", "time, s", "times the bare session's"),
        rows=(
            *_rows(f"{MAX_JOBS:,} jobs", at_once),
            *_rows(f"{BATCH_COUNT} batches at {LATENCY_SECONDS * 1000:.0f} ms", with_latency),
        ),
        goals=(
            Goal(f"CPU of {MAX_JOBS:,} jobs, times a bare session's", median(_cpu_ratios(at_once, GATE)), 2.0),
            Goal(
                f"time of {BATCH_COUNT} batches at {LATENCY_SECONDS * 1000:.0f} ms, times a bare session's",
                median(_wall_ratios(with_latency, GATE)),
                0.33,
            ),
        ),
    )


def _peers(workspace: Path, url: str) -> Mapping[str, Callable[[], Taken]]:
    answer = workspace / gate.ANSWER
    floor: list[str | Path] = [sys.executable, "-I", ROOT / "bench" / "floor.py", url, gate.API_KEY, answer]
    peers = {
        GATE: lambda: run(gate.COMMAND, environ=gate.environ(workspace, url, max_parallel="4"), folder=workspace),
        FLOOR: lambda: run(floor, environ={}, folder=workspace),
    }
    bash = shutil.which("bash")
    if bash and shutil.which("curl") and shutil.which("jq"):
        loop: list[str | Path] = [bash, ROOT / "bench" / "curl_loop", url, gate.API_KEY, answer]
        peers[CURL] = lambda: run(loop, environ={"PATH": os.environ["PATH"]}, folder=workspace)
    return peers


def _cpu_ratios(taken: Mapping[str, list[Taken]], who: str) -> list[float]:
    return ratios([each.cpu_seconds for each in taken[who]], [each.cpu_seconds for each in taken[FLOOR]])


def _wall_ratios(taken: Mapping[str, list[Taken]], who: str) -> list[float]:
    return ratios([each.wall_seconds for each in taken[who]], [each.wall_seconds for each in taken[FLOOR]])


def _rows(what: str, taken: Mapping[str, list[Taken]]) -> list[tuple[str, ...]]:
    return [
        (
            what,
            who,
            quote([each.cpu_seconds for each in rounds]),
            quote(_cpu_ratios(taken, who)),
            quote([each.wall_seconds for each in rounds]),
            quote(_wall_ratios(taken, who)),
        )
        for who, rounds in taken.items()
    ]
