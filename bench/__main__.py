"""Measures how fast the gate is, beside its peers: `make bench`. Fails where a goal is missed."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import cost, growth, image, machine, rhythm, start
from bench.results import escape_markdown, results

SECTIONS: Final = {
    "rhythm": rhythm.measure,
    "cost": cost.measure,
    "growth": growth.measure,
    "start": start.measure,
    "image": image.measure,
}
RESULTS: Final = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    """Measure, show and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; all, and only then they are written"
    )
    names = parser.parse_args().sections
    if unknown := set(names) - SECTIONS.keys():
        parser.error(f"no section of the bench: {', '.join(sorted(unknown))}")
    sections = []
    for name in names or SECTIONS:
        sections.append(SECTIONS[name]())
        print(escape_markdown(sections[-1]), end="\n\n", flush=True)
    if not names:
        day = datetime.now(UTC).date().isoformat()
        RESULTS.write_text(results(sections, day=day, machine=machine.described()), encoding="utf-8")
    return 0 if all(goal.is_met for section in sections for goal in section.goals) else 1


if __name__ == "__main__":
    sys.exit(main())
