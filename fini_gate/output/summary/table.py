"""The summary's table of jobs. Pure."""

from collections.abc import Sequence
from typing import Final

from fini_gate.durations import format_duration
from fini_gate.models import Job, JobState
from fini_gate.output.jobs import STATE_ICONS, pluralize
from fini_gate.output.summary.markdown import details, name, omitted_line, short_id, size_bytes, table_row, take_fitting
from fini_gate.output.summary.timing import JobTiming

# A browser takes seconds to render more, and nobody reads that far.
MAX_TABLE_ROWS: Final = 1000
# A longer table is folded, because people read the page on a phone.
_MAX_OPEN_ROWS: Final = 20
# For the fold and the line about omitted rows.
_RESERVED_BYTES: Final = 500


def render_table(timings: Sequence[JobTiming], max_bytes: int, hint: str) -> list[str]:
    """Render a row for each job, as far as there is room."""
    has_sources = any(timing.job.document_id for timing in timings)
    # A phone shows the first three or four columns.
    columns = ["State", "Job", "Queued", "Ran", *(["Source"] if has_sources else []), "Article"]
    alignments = ["---:" if column in {"Queued", "Ran"} else "---" for column in columns]
    head = [table_row(columns), table_row(alignments)]
    rows = (table_row(_cells(timing, has_sources=has_sources)) for timing in timings[:MAX_TABLE_ROWS])
    kept = take_fitting(rows, max_bytes - size_bytes(head) - _RESERVED_BYTES)
    lines = [*head, *kept, "", *omitted_line(len(timings) - len(kept), hint)]
    return lines if len(kept) <= _MAX_OPEN_ROWS else details(pluralize(len(timings), "job"), lines)


def _cells(timing: JobTiming, *, has_sources: bool) -> list[str]:
    job = timing.job
    return [
        f"{STATE_ICONS[job.state]}&nbsp;{job.state}",
        short_id(job.id),
        _duration(timing.queued_seconds),
        _duration(timing.ran_seconds),
        *([short_id(job.document_id or "")] if has_sources else []),
        _article(job),
    ]


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else format_duration(seconds)


def _article(job: Job) -> str:
    """Return the article of a job that completed, or that failed only because the article is not live."""
    if job.state is not JobState.COMPLETED and not job.article_is_draft:
        return ""
    if job.article_id is None:
        return "no article"
    article_id = short_id(job.article_id)
    label = name(job.article_title) if job.article_title else article_id
    if job.article_is_draft:
        label += " (draft)"
    return f"{label}<br>{article_id}" if job.article_title else label
