"""The campaign as a command: seeds handed to processes, and one table of figures at the end."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from os import cpu_count

from .oracle import Kind, check
from .scenario import scenario
from .simulation import simulate
from .sockets import run_over_sockets

CHUNK = 50
MOST_SHOWN = 20


@dataclass
class Tally:
    """What came of some gates."""

    gates: int = 0
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    wrongs: Counter[str] = field(default_factory=Counter)
    """Kind → gates with something of that kind wrong."""
    longest_overrun_seconds: float = 0.0
    server_errors: dict[int, list[str]] = field(default_factory=dict)
    """Seed → all that was wrong."""

    def add(self, other: "Tally") -> None:
        """Take in another's."""
        self.gates += other.gates
        self.requests += other.requests
        self.faults.update(other.faults)
        self.endings.update(other.endings)
        self.wrongs.update(other.wrongs)
        self.longest_overrun_seconds = max(self.longest_overrun_seconds, other.longest_overrun_seconds)
        self.server_errors.update(other.server_errors)


def simulated(seeds: Iterable[int]) -> Tally:
    """Run gates in simulated time."""
    tally = Tally()
    for seed in seeds:
        evidence = simulate(scenario(seed))
        wrongs = check(evidence)
        deadline = max([evidence.started_at + evidence.scenario.wishes.timeout, *evidence.landings])
        faults = evidence.injected.copy()
        faults["clock-jump"] += len(evidence.landings)
        faults["signal"] += evidence.signal_heard_at is not None
        tally.add(
            Tally(
                gates=1,
                requests=len(evidence.exchanges),
                faults=+faults,
                endings=Counter([f"exit {evidence.exit_code}"]),
                wrongs=Counter({wrong.kind.value for wrong in wrongs}),
                longest_overrun_seconds=evidence.ended_at - deadline,
                server_errors={seed: list(map(str, wrongs))} if wrongs else {},
            )
        )
    return tally


def over_sockets(seed: int) -> Tally:
    """Run a gate as a process against the stand-in API."""
    run = run_over_sockets(seed)
    return Tally(
        gates=1,
        requests=run.requests,
        faults=run.faults,
        endings=Counter([f"exit {run.exit_code}"]),
        wrongs=Counter({wrong.kind.value for wrong in run.wrongs}),
        longest_overrun_seconds=run.overrun_seconds,
        server_errors={seed: list(map(str, run.wrongs))} if run.wrongs else {},
    )


def main() -> int:
    """Run the campaign; 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description="Run many gates under faults, and check what each of them did.")
    parser.add_argument("--gates", type=int, default=10_000, help="how many in simulated time (10000)")
    parser.add_argument("--sockets", type=int, default=0, help="how many as processes, over real sockets (0)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each gate has the next one (1)")
    parser.add_argument("--only", type=int, metavar="SEED", help="this one alone, with all that it printed")
    parser.add_argument("--processes", type=int, default=cpu_count() or 1, help="how many simulate at once")
    given = parser.parse_args()
    if given.only is not None:
        return _alone(given.only, is_over_sockets=given.sockets > 0)
    seeds = range(given.seed, given.seed + given.gates)
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    wrong = False
    if chunks:
        with ProcessPoolExecutor(given.processes) as pool:
            wrong |= _report("gates in simulated time", pool.map(simulated, chunks), len(seeds), option="")
    if given.sockets:
        # Each mostly waits.
        with ThreadPoolExecutor(2 * given.processes) as threads:
            numbers = range(given.seed, given.seed + given.sockets)
            wrong |= _report(
                "gates over sockets", threads.map(over_sockets, numbers), len(numbers), option=" --sockets 1"
            )
    return int(wrong)


def _alone(seed: int, *, is_over_sockets: bool) -> int:
    if is_over_sockets:
        run = run_over_sockets(seed)
        _print(run.story)
        wrongs = run.wrongs
    else:
        evidence = simulate(scenario(seed))
        _print(repr(evidence.scenario.wishes), repr(evidence.scenario.weather), repr(evidence.scenario.limits))
        for exchange in [*evidence.exchanges]:
            since = f"{exchange.began_at - evidence.started_at:9.3f} {exchange.ended_at - evidence.started_at:9.3f}"
            ids = f"{len(exchange.job_ids):4} IDs from {exchange.job_ids[0][:24]!r}"
            _print(f"{since}  {exchange.meaning.name:10} {exchange.status} {ids} {exchange.fault or ''}")
        _print(evidence.transcript)
        wrongs = check(evidence)
    _print(*map(str, wrongs))
    return int(bool(wrongs))


def _report(title: str, tallies: Iterator[Tally], count: int, *, option: str) -> bool:
    """Print the figures, and return whether anything was wrong."""
    began = time.monotonic()
    total = Tally()
    for tally in tallies:
        total.add(tally)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{total.gates} of {count} {title}, {len(total.server_errors)} of them wrong ")
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    _print(f"{title}: {total.gates} in {time.monotonic() - began:.0f} s, with {total.requests} requests")
    _print("  endings: " + ", ".join(f"{number} with {name}" for name, number in sorted(total.endings.items())))
    _print(f"  faults injected: {total.faults.total()}, of {len(total.faults)} kinds")
    for name, number in sorted(total.faults.items()):
        _print(f"    {name:24}{number:8}")
    for kind in Kind:
        _print(f"  {kind:28}{total.wrongs[kind.value]:4}")
    _print(f"  longest overrun of the deadline: {total.longest_overrun_seconds:.1f} s")
    for seed, wrongs in list(total.server_errors.items())[:MOST_SHOWN]:
        _print(f"  seed {seed}: .venv/bin/python tests/chaos/campaign.py --only {seed}{option}")
        _print(*(f"    {wrong[:200]}" for wrong in wrongs[:3]))
    if len(total.server_errors) > MOST_SHOWN:
        _print(f"  and {len(total.server_errors) - MOST_SHOWN} more failing seeds")
    return bool(total.server_errors)


def _print(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(line.encode("utf-8", "backslashreplace").decode() + "\n")
    sys.stdout.flush()
