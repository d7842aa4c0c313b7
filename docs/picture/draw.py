"""Draw a job summary much as GitHub shows it: `make picture`. `provide`, beside this file, installs what this needs."""

import html
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

from fini_gate.models import Job, JobState
from fini_gate.output.summary import render_summary
from fini_gate.verdict import Limit, decide

FOLDER: Final = Path(__file__).resolve().parent
BROWSER: Final = (
    *("chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
    # Use no network.
    *("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND"),
    # Wait until all scripts have run: the page's clock does not advance before.
    "--virtual-time-budget=60000",
)

SUBJECTS: Final = (
    *("refunds", "shipping", "returns", "imprint", "warranty", "invoices", "discounts", "gift-cards", "accounts"),
    *("passwords", "privacy", "cookies", "opening-hours", "stores", "careers", "sizes", "materials", "repairs"),
    *("newsletter", "contact"),
)
# As a source's record gives it, or else the job's status.
REASONS: Final = {"warranty": "The page could not be fetched: 404 Not Found", "stores": "FAILED"}
STATES: Final = {**dict.fromkeys(REASONS, JobState.FAILED), "repairs": JobState.PENDING}
DRAFTS: Final = {"returns", "sizes"}
WITHOUT_ARTICLE: Final = {"imprint"}


def draw(jobs: Iterable[Job], picture: Path, *, width: int = 800) -> None:
    """Draw the summary of a gate that timed out (PNG)."""
    with tempfile.TemporaryDirectory(prefix="fini-gate-picture-") as folder:
        page = Path(folder) / "page.html"
        fill_in(FOLDER / "page.html", page, MARKDOWN=summarize(jobs), WIDTH=width)
        height = run_scripts(page, width=width)["height"]
        browse(page, f"--window-size={width},{height}", f"--screenshot={picture.resolve()}")


def summarize(jobs: Iterable[Job]) -> str:
    """Return the job summary of a gate that timed out after two minutes."""
    return render_summary(decide(jobs, elapsed_seconds=120, limit=Limit("timeout", 120)), results_file="")


def fill_in(template: Path, page: Path, **values: object) -> None:
    """Write a page: a template whose placeholders are replaced by JSON values."""
    texts = {name: json.dumps(value).replace("<", "\\u003c") for name, value in values.items()}
    texts["PACKAGES"] = (FOLDER / "node_modules").as_uri()
    text = re.sub("|".join(texts), lambda match: texts[match.group()], template.read_text(encoding="utf-8"))
    page.write_text(text, encoding="utf-8")


def run_scripts(page: Path, *, width: int = 800) -> Mapping[str, str]:
    """Run a page's scripts, and return the data attributes that they set on its root element."""
    root, _, _ = browse(page, f"--window-size={width},600", "--dump-dom").partition("<head")
    found = {name: html.unescape(value) for name, value in re.findall(r' data-([a-z]+)="([^"]*)"', root)}
    if "error" in found or not found:
        raise RuntimeError(found.get("error", "the page's scripts did not finish"))
    return found


def browse(page: Path, *options: str) -> str:
    """Open a page in a browser, and return what the browser prints."""
    with tempfile.TemporaryDirectory(prefix="fini-gate-browser-") as profile:
        command = [*BROWSER, f"--user-data-dir={profile}", *options, page.as_uri()]
        return subprocess.run(command, capture_output=True, check=True, encoding="utf-8", timeout=120).stdout  # noqa: S603 - our own


def example_jobs() -> Iterator[Job]:
    """Make up jobs that are worth looking at; the same every time."""
    random = Random(11)  # noqa: S311 - no secrets
    for number, subject in enumerate(SUBJECTS, start=1):
        created = datetime(2026, 1, 12, 9, 30, tzinfo=UTC) + timedelta(seconds=number / 5)
        started = created + timedelta(seconds=random.uniform(1, 20))
        completed = started + timedelta(seconds=random.uniform(10, 90))
        state = STATES.get(subject, JobState.COMPLETED)
        is_pending = state is JobState.PENDING
        has_article = state is JobState.COMPLETED and subject not in WITHOUT_ARTICLE
        job_id, source_id, article_id = (str(UUID(int=random.getrandbits(128), version=4)) for _ in range(3))
        yield Job(
            id=job_id,
            document_id=source_id,
            state=state,
            status="IN_PROGRESS" if is_pending else state.upper(),
            article_id=article_id if has_article else None,
            article_title=f"All about {subject.replace('-', ' ')}" if has_article else None,
            article_is_draft=subject in DRAFTS if has_article else None,
            created_at=created.isoformat(),
            started_at=started.isoformat(),
            completed_at=None if is_pending else completed.isoformat(),
            reason=REASONS.get(subject),
        )


if __name__ == "__main__":
    draw(example_jobs(), Path(sys.argv[1]))
