"""Changes fini_gate in thousands of small ways, one at a time, and reports the changes that no test notices.

.venv/mutants/bin/python tests/mutants/check.py
.venv/mutants/bin/python tests/mutants/check.py 'fini_gate.models.*'
"""

import argparse
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

MIN_PERCENT: Final = 97
ACCEPTED: Final = Path(__file__).with_name("accepted.txt")
MUTANTS: Final = Path("mutants")  # where mutmut writes them
UNNOTICED: Final = {"survived", "no tests", "not checked"}


def main() -> int:
    """Run mutmut, and return 1 if too many changes survive, or one that is not accepted."""
    parser = argparse.ArgumentParser(description="Change fini_gate in small ways, and report what no test notices.")
    parser.add_argument("patterns", nargs="*", metavar="NAME", help="mutants to make, such as 'fini_gate.models.*'")
    patterns = parser.parse_args().patterns or ["*"]
    # mutmut keeps earlier results, even if the tests have changed.
    shutil.rmtree(MUTANTS, ignore_errors=True)
    # Given a pattern, mutmut first runs each mutant's tests on the original, which have to pass.
    command = [Path(sys.executable).with_name("mutmut"), "run", *patterns]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own
    if run.returncode != 0:
        sys.stdout.write(run.stdout[-3000:])
        return run.returncode
    counts, survivors = read_results(patterns)
    accepted = read_accepted()
    for change, name in survivors.items():
        if change not in accepted:
            sys.stdout.write(f"{change}\n= ({name})\n\n")
    if patterns == ["*"]:
        gone = accepted.keys() - survivors.keys()
        sys.stdout.writelines(f"{change}\n= (in {ACCEPTED.name}, but it survives no more)\n\n" for change in gone)
    percent = print_table(counts)
    return int(percent < MIN_PERCENT or not survivors.keys() <= accepted.keys())


def read_results(patterns: list[str]) -> tuple[dict[str, Counter[str]], dict[str, str]]:
    """Return how the mutants of each file fared, and each survivor: its change and its name."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    survivors = {}
    for meta in sorted(MUTANTS.rglob("*.py.meta")):
        file = SourceFileMutationData(path=meta.relative_to(MUTANTS).with_suffix(""))
        file.load()
        for name, exit_code in file.exit_code_by_key.items():
            if any(fnmatch(name, pattern) for pattern in patterns):
                status = status_by_exit_code[exit_code]
                counts[str(file.path)][status] += 1
                if status in UNNOTICED:
                    survivors[change_of(name, file.path)] = name
    return counts, survivors


def change_of(name: str, path: Path | str) -> str:
    """Describe a mutant by its function and the lines that it changes: mutmut's numbers change with every edit."""
    module, _, mangled = name.rpartition(".")
    function = mangled.rpartition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    _, _, *lines = get_diff_for_mutant(name, path=path).splitlines()
    changed = [f"{line[0]} {line[1:].strip()}" for line in lines if line.startswith(("-", "+"))]
    return "\n".join([f"{module}.{function}", *changed])


def read_accepted() -> dict[str, str]:
    """Read which changes may survive, and why."""
    entries = (entry.partition("\n= ") for entry in ACCEPTED.read_text("utf-8").split("\n\n"))
    return {change.strip(): reason for change, _, reason in entries if reason}


def print_table(counts: dict[str, Counter[str]]) -> float:
    """Print how the mutants of each file fared, and return the percentage of all that were noticed."""
    percent = 100.0
    for path, statuses in {**counts, "all": sum(counts.values(), Counter())}.items():
        unnoticed = sum(statuses[status] for status in UNNOTICED)
        percent = 100 - 100 * unnoticed / max(1, statuses.total())
        fates = ", ".join(f"{number} {status}" for status, number in statuses.most_common())
        sys.stdout.write(f"{path:40}{percent:6.1f} %  {fates}\n")
    return percent


if __name__ == "__main__":
    sys.exit(main())
