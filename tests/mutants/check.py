"""Changes the code in thousands of small ways, and tells which of the changes no test notices; `--help` says how.

.venv/bin/python tests/mutants/check.py
.venv/bin/python tests/mutants/check.py 'fini_gate.models.*'
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from mutmut.mutation.diff_apply import get_diff_for_mutant

LEAST_PERCENT: Final = 95
# Where mutmut puts the mutants, by its own choice.
_MUTANTS: Final = Path("mutants")
_ACCEPTED: Final = Path(__file__).with_name("accepted.txt")
# Of the tests' process: all passed, there were none (to pytest, to mutmut), and it never ran.
_SURVIVED: Final = {0, 5, 33, None}
# By the signal of the limit on time, in each way to say so, and by the one that follows it.
_TIMED_OUT: Final = {-24, 24, 36, 152, -9}


@dataclass(frozen=True)
class Change:
    """What a mutant is, in words that last when others come and go: mutmut itself only numbers them."""

    function: str
    lines: tuple[str, ...]
    """The lines taken away (`- …`) and put in their place (`+ …`)."""

    def text(self) -> str:
        """The beginning of its entry in the list of those accepted."""
        return "\n".join((self.function, *self.lines))


@dataclass(frozen=True)
class Mutant:
    """A mutant, and how it fared."""

    name: str
    path: str
    exit_code: int | None

    @property
    def fate(self) -> str:
        """The column of the table that counts it."""
        if self.exit_code in _SURVIVED:
            return "survived"
        return "timeouts" if self.exit_code in _TIMED_OUT else "killed"

    @property
    def change(self) -> Change:
        """What it changes."""
        module, _, mangled = self.name.rpartition(".")
        function = mangled.rpartition("__mutmut_")[0].removeprefix("x_").removeprefix("x\u01c1").replace("\u01c1", ".")
        _, _, *lines = get_diff_for_mutant(self.name, path=self.path).splitlines()
        changed = (f"{line[0]} {line[1:].strip()}" for line in lines if line.startswith(("-", "+")))
        return Change(f"{module}.{function}", tuple(changed))


def main() -> int:
    """Run mutmut, and judge what it found."""
    parser = argparse.ArgumentParser(description="Change the code in small ways, and tell what no test notices.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to make, with * in it; otherwise all")
    names = parser.parse_args().names
    _print("Testing each of some thousand mutants takes several minutes.")
    # What it found earlier it would not ask for again, whatever became of the tests.
    shutil.rmtree(_MUTANTS, ignore_errors=True)
    # Only where it is given names it tries beforehand whether the tests pass, called one by one as for each mutant.
    run = subprocess.run(  # noqa: S603 - a command of this project's own
        [Path(sys.executable).with_name("mutmut"), "run", *(names or ["*"])],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "PYTEST_PLUGINS": "same_names"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        _print(run.stdout[-3000:])
        return run.returncode
    mutants = [mutant for mutant in _mutants() if not names or any(fnmatch(mutant.name, name) for name in names)]
    return _judge(mutants, _accepted(), is_whole=not names)


def _mutants() -> Iterator[Mutant]:
    for results in sorted(_MUTANTS.rglob("*.py.meta")):
        path = str(results.relative_to(_MUTANTS).with_suffix(""))
        for name, exit_code in json.loads(results.read_text())["exit_code_by_key"].items():
            yield Mutant(name, path, exit_code)


def _accepted() -> dict[Change, str]:
    """Read each survivor that is accepted, and why."""
    accepted = {}
    for entry in _ACCEPTED.read_text().split("\n\n"):
        lines = [line for line in entry.splitlines() if not line.startswith("#")]
        if lines:
            function, *changed, reason = lines
            accepted[Change(function, tuple(changed))] = reason.removeprefix("= ")
    return accepted


def _judge(mutants: Sequence[Mutant], accepted: dict[Change, str], *, is_whole: bool) -> int:
    survivors = {mutant: mutant.change for mutant in mutants if mutant.fate == "survived"}
    new = {mutant: change for mutant, change in survivors.items() if change not in accepted}
    gone = accepted.keys() - survivors.values() if is_whole else set()
    for mutant, change in new.items():
        _print(f"{change.text()}\n= ({mutant.name})\n")
    for change in gone:
        _print(f"{change.text()}\n= (in {_ACCEPTED.name}, but no survivor any more)\n")
    percent = _print_table(mutants)
    _print(f"{len(survivors)} survived, {len(new)} of them without a reason in {_ACCEPTED.name}.")
    return int(percent < LEAST_PERCENT or bool(new))


def _print_table(mutants: Sequence[Mutant]) -> float:
    """Print how the mutants of each module fared, and return the percentage of all that did not survive."""
    columns = ("killed", "survived", "timeouts")
    fates = {path: Counter(mutant.fate for mutant in mutants if mutant.path == path) for path in _paths(mutants)}
    fates["all"] = Counter(mutant.fate for mutant in mutants)
    _print(f"{'module':32}{'mutants':>9}" + "".join(f"{column:>9}" for column in columns) + f"{'percent':>9}")
    percent = 100.0
    for path, counts in fates.items():
        total = counts.total()
        percent = 100 * (total - counts["survived"]) / total if total else 100.0
        _print(f"{path:32}{total:9}" + "".join(f"{counts[column]:9}" for column in columns) + f"{percent:9.1f}")
    return percent


def _paths(mutants: Sequence[Mutant]) -> Sequence[str]:
    return list(dict.fromkeys(mutant.path for mutant in mutants))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
