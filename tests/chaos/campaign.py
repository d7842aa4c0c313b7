"""Runs a campaign of many cases and prints its figures. The commands of chaos and fuzz share it."""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .written import Finding, Kind

MAX_SHOWN = 20


@dataclass
class Tally:
    """The figures of some cases."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: dict[str, list[Finding]] = field(default_factory=dict)  # by the command that repeats the case
    longest_overrun_seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        """Add another's figures."""
        self.counts.update(other.counts)
        self.findings.update(other.findings)
        self.longest_overrun_seconds = max(self.longest_overrun_seconds, other.longest_overrun_seconds)


def run(title: str, tallies: Iterable[Tally]) -> Tally:
    """Show progress, then the figures."""
    total = Tally()
    for number, tally in enumerate(tallies, start=1):
        total.add(tally)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{number} {title}, findings in {len(total.findings)} ")
    kinds = Counter(kind for findings in total.findings.values() for kind in {finding.kind for finding in findings})
    show(f"\n{title}", *(f"  {name:28}{number:9}" for name, number in sorted((+total.counts).items())))
    faults = [number for name, number in (+total.counts).items() if name.startswith("fault ")]
    show(f"  {'faults in all':28}{sum(faults):9}, of {len(faults)} kinds")
    show(f"  longest overrun: {total.longest_overrun_seconds:.1f} s", *(f"  {kind:28}{kinds[kind]:9}" for kind in Kind))
    for command, findings in list(total.findings.items())[:MAX_SHOWN]:
        show(f"  {command}", *(f"    {finding}"[:1000] for finding in findings[:3]))
    if len(total.findings) > MAX_SHOWN:
        show(f"  and {len(total.findings) - MAX_SHOWN} more")
    return total


def show(*lines: str) -> None:
    """Print lines, whatever is in them."""
    for line in lines:
        sys.stdout.write(line.encode("utf-8", "backslashreplace").decode() + "\n")
    sys.stdout.flush()
