"""Feeds the gate ID files, inputs, responses and whole runs that were made up; `python -m tests.fuzz --help`."""

import argparse
import traceback
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded

from tests.chaos import campaign
from tests.chaos.campaign import Tally
from tests.chaos.written import Finding, Kind

from .targets import TARGETS

CHUNK = 250


def fuzz(target: str, seed: int, count: int = CHUNK, *, can_shrink: bool = True) -> Tally:
    """Try so many cases of a target, always the same for a seed. It ends at the first that has findings."""
    tally, last = Tally(), list[tuple[object, list[Finding]]]()

    @seeded(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if can_shrink else (Phase.generate,),
    )
    @given(TARGETS[target].cases)
    def run(case: Any) -> None:  # noqa: ANN401 - each target has its own
        try:
            ending, findings = TARGETS[target].check(case)
        except Exception as error:  # noqa: BLE001 - a traceback is a finding
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}, line {place.lineno}"
            ending, findings = "traceback", [Finding(Kind.TRACEBACK, f"{error!r} in {where}")]
        if not last:
            tally.counts.update(["cases", f"{target}: {ending}"])
        if findings:
            last[:] = [(case, findings)]
            raise AssertionError(findings[0].kind)

    try:
        with warnings.catch_warnings(action="ignore"):  # that a case is long
            run()
    except AssertionError:
        [(case, findings)] = last
        tally.findings[f"python -m tests.fuzz --only {target}:{seed}\n    {case!r}"[:1000]] = findings
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the fuzz, and return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Feed the gate what hypothesis makes up.")
    parser.add_argument("--cases", type=int, default=100_000, help="how many in all (100000)")
    parser.add_argument("--seed", type=int, default=1, help=f"the first seed; each {CHUNK} cases have the next one (1)")
    parser.add_argument("--only", metavar="TARGET:SEED", help="the cases of one target and seed alone")
    parser.add_argument("--processes", type=int, default=cpu_count() or 1, help="how many work at once")
    options = parser.parse_args(arguments)
    counts = {name: max(1, round(options.cases * target.share)) for name, target in TARGETS.items()}
    chunks = [
        (name, options.seed + start // CHUNK, min(CHUNK, count - start))
        for name, count in counts.items()
        for start in range(0, count, CHUNK)
    ]
    if options.only:
        target, _, seed = options.only.partition(":")
        chunks = [(target, int(seed), CHUNK)]
    with ProcessPoolExecutor(options.processes) as processes:
        total = campaign.run("cases", processes.map(fuzz, *zip(*chunks, strict=True)))
    return int(bool(total.findings))
