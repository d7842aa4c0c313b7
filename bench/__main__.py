"""Measures fini-gate beside its alternatives: `make bench`. Exits with 1 if a goal is missed."""

import argparse
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import growth, image, interval, peers
from bench.report import format_page

SECTIONS: Final = {
    "interval": interval.measure,
    "cost": peers.measure_cost,
    "growth": growth.measure,
    "start": peers.measure_start,
    "image": image.measure,
}
RESULTS: Final = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    """Measure and print sections; write RESULTS.md if all were measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=(*SECTIONS, "all"), default="all", help="all writes RESULTS.md")
    arguments = parser.parse_args()
    is_all = "all" in arguments.sections
    sections = []
    for name in SECTIONS if is_all else arguments.sections:
        sections.append(SECTIONS[name]())
        print(sections[-1].markdown(), end="\n\n", flush=True)
    if is_all:
        page = format_page(sections, day=f"{datetime.now(UTC):%Y-%m-%d}", machine=describe_machine())
        RESULTS.write_text(page, encoding="utf-8")
    return 0 if all(goal.is_met for section in sections for goal in section.goals) else 1


def describe_machine() -> str:
    """Return what the figures depend on, without anything that identifies the machine."""
    cpus = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpus.read_text(encoding="utf-8")) if cpus.exists() else None
    try:
        engine = f"Docker {image.docker('version', '--format', '{{.Server.Version}}').strip()}"
    except (OSError, subprocess.CalledProcessError):
        engine = "no Docker engine"
    cpu = model[1] if model else platform.machine()
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, {engine}"


if __name__ == "__main__":
    sys.exit(main())
