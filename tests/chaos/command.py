"""Runs many gates under faults and checks what each of them did; `make chaos` and `python -m tests.chaos --help`."""

import argparse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from os import cpu_count

from . import campaign
from .campaign import Tally
from .oracle import check
from .scenario import make_scenario
from .simulation import simulate
from .sockets import over_sockets

CHUNK = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign, and return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Run many gates under faults.")
    parser.add_argument("--gates", type=int, default=10_000, help="how many in simulated time (10000)")
    parser.add_argument("--sockets", type=int, default=0, help="how many as processes, over real sockets (0)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each gate has the next one (1)")
    parser.add_argument("--only", type=int, metavar="SEED", help="run this seed alone, and show all that it did")
    parser.add_argument("--processes", type=int, default=cpu_count() or 1, help="how many simulate at once")
    given = parser.parse_args(arguments)
    if given.only is not None:
        tally = (over_sockets if given.sockets else simulated)(given.only, is_verbose=True)
        campaign.show(*(str(finding) for findings in tally.findings.values() for finding in findings))
        return int(bool(tally.findings))
    with ProcessPoolExecutor(given.processes) as processes, ThreadPoolExecutor(2 * given.processes) as threads:
        seeds = range(given.seed, given.seed + given.gates)
        total = campaign.run("gates in simulated time", processes.map(simulated, seeds, chunksize=CHUNK))
        seeds = range(given.seed, given.seed + given.sockets)
        total.add(campaign.run("gates over sockets", threads.map(over_sockets, seeds)))
    return int(bool(total.findings))


def simulated(seed: int, *, is_verbose: bool = False) -> Tally:
    """Run a gate in simulated time."""
    evidence = simulate(make_scenario(seed))
    if is_verbose:
        campaign.show(evidence.story())
    counts = Counter({"gates": 1, "requests": len(evidence.requests), f"exit {evidence.exit_code}": 1})
    counts.update(f"look-ups of {request.route}" for request in evidence.api.lookups)
    counts.update({f"fault {name}": number for name, number in evidence.api.injected.items()})
    counts.update(evidence.written.start.kinds)
    counts["fault clock-jump"] += len(evidence.api.clock.jumped_to)
    counts["fault signal"] += evidence.api.clock.signal_number is not None
    findings = check(evidence)
    by_command = {f"python -m tests.chaos --only {seed}": findings} if findings else {}
    return Tally(counts, by_command, evidence.ended_at - evidence.deadline)
