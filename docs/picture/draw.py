"""Draws a job summary about as GitHub shows it: `make picture`. `provide`, beside this file, installs what it needs."""

import argparse
import html
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from fini_gate.models import Job, JobState
from fini_gate.output.summary import render_summary
from fini_gate.verdict import Limit, decide

FOLDER: Final = Path(__file__).resolve().parent
PACKAGES: Final = FOLDER / "node_modules"

_LIMIT_SECONDS: Final = 120
_COMMAND: Final = (
    *("chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
    # Nothing is asked of any network.
    *("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND"),
    # The page's clock stands still while it loads and runs, so that all of it is done at the end of this.
    "--virtual-time-budget=60000",
)

_SUBJECTS: Final = (
    *("refunds", "shipping", "returns", "imprint", "warranty", "invoices", "discounts", "gift-cards", "accounts"),
    *("passwords", "privacy", "cookies", "opening-hours", "stores", "careers", "sizes", "materials", "repairs"),
    *("newsletter", "contact"),
)
_FAILED: Final = {"warranty": "The source is empty.", "stores": "The source could not be read (HTTP 404)."}
_PENDING: Final = {"repairs"}
_DRAFTS: Final = {"returns", "sizes"}


def draw(markdown: str, picture: Path, *, width: int) -> None:
    """Write a picture (PNG) of a job summary, on a page of this width."""
    template = (FOLDER / "page.html").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="fini-gate-picture-") as folder:
        page = Path(folder) / "page.html"
        page.write_text(filled(template, MARKDOWN=in_page(markdown), WIDTH=str(width)), encoding="utf-8")
        height = run_page(page, width=width)["height"]
        _browse(page, f"--window-size={width},{height}", f"--screenshot={picture.resolve()}")


def filled(template: str, **values: str) -> str:
    """Fill in what stands in capitals in a page; PACKAGES is the folder of the installed ones."""
    values["PACKAGES"] = PACKAGES.as_uri()
    return re.sub("|".join(values), lambda match: values[match.group()], template)


def in_page(value: object) -> str:
    """Write a value as JSON that can stand in an element."""
    return json.dumps(value).replace("<", "\\u003c")


def run_page(page: Path, *, width: int = 800) -> Mapping[str, str]:
    """Run a page's scripts, and return what they left in its root element's data."""
    document = _browse(page, f"--window-size={width},600", "--dump-dom")
    root = document[: document.index("<head")]
    found = {name: html.unescape(value) for name, value in re.findall(r' data-([a-z]+)="([^"]*)"', root)}
    if "error" in found or not found:
        raise RuntimeError(found.get("error", "the page's scripts did not come to their end"))
    return found


def _browse(page: Path, *arguments: str) -> str:
    with tempfile.TemporaryDirectory(prefix="fini-gate-browser-") as profile:
        command = [*_COMMAND, f"--user-data-dir={profile}", *arguments, page.as_uri()]
        return subprocess.run(  # noqa: S603 - a command of our own, as a list
            command, capture_output=True, check=True, encoding="utf-8", timeout=_LIMIT_SECONDS
        ).stdout


def _example() -> str:
    """Write the summary of a gate that is worth looking at; the same each time."""
    return render_summary(decide(_jobs(), elapsed_seconds=120, limit=Limit("timeout", 120)), results_file="")


def _jobs() -> Iterator[Job]:
    chance = Random(11)  # noqa: S311 - not for secrets
    for number, subject in enumerate(_SUBJECTS, start=1):
        created = datetime(2026, 1, 12, 9, 30, tzinfo=UTC) + timedelta(seconds=number / 5)
        started = created + timedelta(seconds=chance.uniform(1, 20))
        completed = started + timedelta(seconds=chance.uniform(10, 90))
        state = JobState.FAILED if subject in _FAILED else JobState.COMPLETED
        state = JobState.PENDING if subject in _PENDING else state
        yield Job(
            id=f"job-{subject}",
            document_id=f"doc-{subject}",
            state=state,
            status=state.upper() if state is not JobState.PENDING else "IN_PROGRESS",
            article_id=f"article-{subject}" if state is JobState.COMPLETED else None,
            article_title=f"All about {subject.replace('-', ' ')}",
            article_is_draft=subject in _DRAFTS,
            created_at=created.isoformat(),
            started_at=started.isoformat(),
            completed_at=completed.isoformat() if state is not JobState.PENDING else None,
            reason=_FAILED.get(subject),
        )


def main() -> None:
    """Draw a summary, or an example of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path, help="the PNG to write")
    parser.add_argument("--summary", type=Path, help="the Markdown to draw; without it, an example")
    parser.add_argument("--width", type=int, default=800, help="the page's width, in pixels (800)")
    arguments = parser.parse_args()
    markdown = arguments.summary.read_text(encoding="utf-8") if arguments.summary else _example()
    draw(markdown, arguments.picture, width=arguments.width)


if __name__ == "__main__":
    main()
