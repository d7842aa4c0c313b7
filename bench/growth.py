"""How CPU, memory and requests grow with the number of jobs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median
from typing import Final

from bench.processes import Usage, prepare, take_turns
from bench.report import Goal, Section, format_spread

JOB_COUNTS: Final = (1_000, 10_000, 50_000, 100_000)
ROUNDS: Final = 3

# The jobs of the second measurement finish over some seconds, and are polled at a fixed interval.
POLLED_JOBS: Final = 1_000
POLLED_BATCH_SIZES: Final = (50, 200, 1_000)
INTERVAL_MS: Final = 250
SPREAD_SECONDS: Final = 4.0


def measure() -> Section:
    """Measure whole processes."""
    runs = take_turns({count: partial(_run, count) for count in (1, *JOB_COUNTS)}, ROUNDS)
    polls = [_polls(batch_size) for batch_size in POLLED_BATCH_SIZES]
    cpu = {count: [usage.cpu_seconds for usage, _ in rounds] for count, rounds in runs.items()}
    memory = {count: [usage.peak_bytes for usage, _ in rounds] for count, rounds in runs.items()}
    cpu_per_job, memory_per_job = _per_job(cpu), _per_job(memory)
    most = JOB_COUNTS[-1]
    highest_memory = max(median(memory_per_job[count]) for count in JOB_COUNTS[1:])
    cpu_growth = median(cpu_per_job[most]) / median(cpu_per_job[10_000])
    return Section(
        title="Growth",
        prose=(
            "Whole gates on finished jobs, in batches of 100. Figures per job exclude what a gate with one job uses."
            f" Also, {POLLED_JOBS:,} jobs that finish over {SPREAD_SECONDS:.0f} s, polled every {INTERVAL_MS}"
            f" ms in batches of {', '.join(map(str, POLLED_BATCH_SIZES))}: {', '.join(map(str, polls))} polls."
        ),
        header=("jobs", "CPU, s", "CPU per job, µs", "peak memory, MB", "memory per job, bytes", "requests"),
        rows=[
            (
                f"{count:,}",
                format_spread(cpu[count]),
                format_spread([seconds * 1e6 for seconds in cpu_per_job[count]], ".1f") if count > 1 else "",
                format_spread([peak / 1e6 for peak in memory[count]], ".1f"),
                format_spread(memory_per_job[count], ",.0f") if count > 1 else "",
                f"{rounds[0][1]:,}",
            )
            for count, rounds in runs.items()
        ],
        goals=(
            Goal("memory per job with 10,000 jobs or more, bytes", highest_memory, 2_000),
            Goal(f"CPU per job with {most:,} jobs ÷ with 10,000", cpu_growth, 1.25),
            Goal(f"requests for {most:,} jobs ÷ batches of 100", runs[most][0][1] / (most / 100), 1.0),
            Goal("polls with one batch size ÷ with another", max(polls) / min(polls), 1.25),
        ),
    )


def _run(job_count: int) -> tuple[Usage, int]:
    with prepare(job_count) as setup:
        return setup.run_gate(article_details="false"), len(setup.api.requests)


def _polls(batch_size: int) -> int:
    """Return how often the most polled job was asked for."""
    with prepare(POLLED_JOBS, last_finishes_after=SPREAD_SECONDS) as setup:
        interval = f"{INTERVAL_MS}ms"
        setup.run_gate(
            batch_size=str(batch_size), poll_interval=interval, max_poll_interval=interval, article_details="false"
        )
        asked = Counter(job_id for request in setup.api.requests for job_id in request.job_ids)
        return max(asked.values())


def _per_job(values: Mapping[int, Sequence[float]]) -> dict[int, list[float]]:
    base = median(values[1])
    return {count: [(value - base) / count for value in rounds] for count, rounds in values.items()}
