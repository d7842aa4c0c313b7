"""How CPU, memory and requests grow with the jobs."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench import gate
from bench.api import Api, serve
from bench.child import Taken, in_turn, run
from bench.figures import quote
from bench.section import Goal, Section

JOB_COUNTS: Final = (1_000, 10_000, 50_000, 100_000)
ROUNDS: Final = 3
BATCH_SIZE: Final = 100

# Looks at jobs that end over some seconds, in a fixed rhythm.
LOOKED_AT_JOBS: Final = 1_000
LOOKED_AT_BATCH_SIZES: Final = (50, 200, 1_000)
SPREAD_SECONDS: Final = 4.0


@dataclass(frozen=True)
class _Gated:
    """What a gate took, and what it asked."""

    taken: Taken
    request_count: int
    look_count: int


def measure() -> Section:
    """Measure gates of all sizes as whole processes, above what a gate on one job takes."""
    with tempfile.TemporaryDirectory(prefix="fini-gate-bench-") as name:
        folder = Path(name)
        with serve() as api:
            sizes = {count: _gating(gate.workspace(folder, job_count=count), api) for count in (1, *JOB_COUNTS)}
            gated = in_turn({str(count): gating for count, gating in sizes.items()}, rounds=ROUNDS, warm_up=False)
        with serve(spread_seconds=SPREAD_SECONDS) as api:
            workspace = gate.workspace(folder, job_count=LOOKED_AT_JOBS)
            rhythm = {"poll_interval": "250ms", "max_poll_interval": "250ms"}
            polls = [
                _gating(workspace, api, batch_size=str(size), **rhythm)().look_count for size in LOOKED_AT_BATCH_SIZES
            ]
    empty = gated["1"]
    cpu = {count: _cpu_of_a_job(gated[str(count)], empty, count) for count in JOB_COUNTS}
    memory = {count: _bytes_of_a_job(gated[str(count)], empty, count) for count in JOB_COUNTS}
    requests = {count: gated[str(count)][0].request_count for count in JOB_COUNTS}
    most = JOB_COUNTS[-1]
    return Section(
        title="Growth",
        prose=(
            "Whole gates on jobs that have ended, in batches of 100; what a job takes is above what a gate on one job"
            f" takes. Besides, {LOOKED_AT_JOBS:,} jobs that end over {SPREAD_SECONDS:.0f} s, looked at each 250 ms in"
            f" batches of {', '.join(map(str, LOOKED_AT_BATCH_SIZES))}: {', '.join(map(str, polls))} looks."
        ),
        header=("jobs", "CPU, s", "CPU of a job, µs", "memory at its peak, MB", "memory of a job, bytes", "requests"),
        rows=(
            ("1", _cpu(empty), "", _peak(empty), "", str(empty[0].request_count)),
            *(
                (
                    f"{count:,}",
                    _cpu(gated[str(count)]),
                    quote([seconds * 1e6 for seconds in cpu[count]], ".1f"),
                    _peak(gated[str(count)]),
                    quote(memory[count], ",.0f"),
                    f"{requests[count]:,}",
                )
                for count in JOB_COUNTS
            ),
        ),
        goals=(
            Goal(
                "most memory of a job at 10,000 jobs and more, bytes",
                max(median(memory[count]) for count in JOB_COUNTS[1:]),
                2_000,
            ),
            Goal(
                f"CPU of a job at {most:,} jobs, times one's at 10,000", median(cpu[most]) / median(cpu[10_000]), 1.25
            ),
            Goal(
                f"requests for {most:,} jobs, times one for each {BATCH_SIZE}",
                requests[most] / (most / BATCH_SIZE),
                1.0,
            ),
            Goal("looks in one size of batches, times those in another", max(polls) / min(polls), 1.25),
        ),
    )


def _gating(workspace: Path, api: Api, **inputs: str) -> Callable[[], _Gated]:
    def gated() -> _Gated:
        api.tally()
        taken = run(gate.COMMAND, environ=gate.environ(workspace, api.url, **inputs), folder=workspace)
        _, request_count, look_count = api.tally()
        return _Gated(taken, request_count, look_count)

    return gated


def _cpu(gated: Sequence[_Gated]) -> str:
    return quote([each.taken.cpu_seconds for each in gated])


def _peak(gated: Sequence[_Gated]) -> str:
    return quote([each.taken.peak_bytes / 1e6 for each in gated], ".1f")


def _cpu_of_a_job(gated: Sequence[_Gated], empty: Sequence[_Gated], count: int) -> list[float]:
    least = median(each.taken.cpu_seconds for each in empty)
    return [(each.taken.cpu_seconds - least) / count for each in gated]


def _bytes_of_a_job(gated: Sequence[_Gated], empty: Sequence[_Gated], count: int) -> list[float]:
    least = median(each.taken.peak_bytes for each in empty)
    return [(each.taken.peak_bytes - least) / count for each in gated]
