"""The fuzz as a command: seeds handed to processes, and one small table of figures at the end."""

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from tests.chaos.oracle import Kind, Wrong

from .targets import TARGETS

CHUNK = 250
KINDS = (Kind.TRACEBACK, Kind.KEY, Kind.VERDICT, Kind.OUTPUTS, Kind.TEXT)
MOST_SHOWN = 10


@dataclass
class Tally:
    """What came of some cases of one target."""

    target: str
    cases: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    server_errors: list[tuple[int, object, list[Wrong]]] = field(default_factory=list)
    """Seed, case made as small as it goes, and what is wrong with it."""


def fuzz(target: str, seed: int, count: int = CHUNK, *, shrink: bool = True) -> Tally:
    """Try so many cases of a target; those of a seed are always the same. It ends at the first that is wrong."""
    tally, last = Tally(target), list[tuple[object, list[Wrong]]]()

    @seeded(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
    )
    @given(TARGETS[target].cases)
    def run(case: Any) -> None:  # noqa: ANN401 - each target has its own
        try:
            ending, wrongs = TARGETS[target].check(case)
        except Exception as error:  # noqa: BLE001 - a traceback is a finding
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}, line {place.lineno}"
            ending, wrongs = "traceback", [Wrong(Kind.TRACEBACK, f"{error!r} in {where}")]
        if not last:
            tally.cases += 1
            tally.endings[ending] += 1
        if wrongs:
            last[:] = [(case, wrongs)]
            raise AssertionError(str(wrongs[0].kind))

    try:
        run()
    except AssertionError:
        tally.server_errors.append((seed, *last[0]))
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the fuzz; 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description="Feed the gate what hypothesis makes of ID files, inputs and answers.")
    parser.add_argument("--cases", type=int, default=100_000, help="how many in all (100000)")
    parser.add_argument("--seed", type=int, default=1, help=f"the first seed; each {CHUNK} cases have the next one (1)")
    parser.add_argument("--only", metavar="TARGET:SEED", help="the cases of one target and seed alone")
    parser.add_argument("--processes", type=int, default=cpu_count() or 1, help="how many work at once")
    given_arguments = parser.parse_args(arguments)
    if given_arguments.only:
        target, _, seed = given_arguments.only.partition(":")
        return _report([fuzz(target, int(seed))], 0)
    began = time.monotonic()
    # Forked, so that it finds the modules of this folder under the name that they have here.
    with ProcessPoolExecutor(given_arguments.processes, mp_context=get_context("fork")) as pool:
        futures = [
            pool.submit(fuzz, name, given_arguments.seed + number, min(CHUNK, count - number * CHUNK))
            for name, target in TARGETS.items()
            for count in [max(1, round(given_arguments.cases * target.share))]
            for number in range(-(-count // CHUNK))
        ]
        return _report([future.result() for future in futures], time.monotonic() - began)


def _report(tallies: Sequence[Tally], seconds: float) -> int:
    """Print the figures; 1 where anything was wrong."""
    _print(f"{sum(tally.cases for tally in tallies)} cases in {seconds:.0f} s")
    for name in TARGETS:
        own = [tally for tally in tallies if tally.target == name]
        endings = sum((tally.endings for tally in own), Counter[str]())
        told = ", ".join(f"{ending} {number}" for ending, number in endings.most_common())
        _print(f"  {name:8}{sum(tally.cases for tally in own):7}  {told}")
    server_errors = [(tally.target, *found) for tally in tallies for found in tally.server_errors]
    for kind in KINDS:
        _print(f"  {kind:28}{sum(any(wrong.kind is kind for wrong in wrongs) for *_, wrongs in server_errors):4}")
    quote = {str(wrongs[0]): found for *found, wrongs in reversed(server_errors)}
    for what, (target, seed, case) in list(quote.items())[:MOST_SHOWN]:
        _print(f".venv/bin/python tests/fuzz/fuzz.py --only {target}:{seed}", f"  {what}"[:500], f"  {case!r}"[:1000])
    return int(bool(server_errors))


def _print(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(line.encode("utf-8", "backslashreplace").decode() + "\n")
    sys.stdout.flush()
