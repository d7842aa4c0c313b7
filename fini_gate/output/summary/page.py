"""The summary's page: headline, what needs attention, table, articles, chart, statistics. Pure."""

import operator
import re
from collections.abc import Iterator, Sequence
from typing import Final

from fini_gate.durations import format_duration
from fini_gate.escaping import escape_control, escape_markdown
from fini_gate.models import JobState
from fini_gate.output.jobs import PROBLEM_STATES, pluralize
from fini_gate.output.messages import RESULT_ICONS, advice, article_counts, message, title
from fini_gate.output.summary.attention import render_attention
from fini_gate.output.summary.chart import render_chart
from fini_gate.output.summary.markdown import details, omitted_line, short_id, size_bytes, take_fitting
from fini_gate.output.summary.table import render_table
from fini_gate.output.summary.timing import JobTiming, job_timings, percentile
from fini_gate.verdict import Result, Verdict

# GitHub silently drops a summary larger than 1 MiB.
MAX_SUMMARY_BYTES: Final = 1_000_000
_MAX_IDS_BYTES: Final = 100_000
_STATE_ORDER: Final = (*PROBLEM_STATES, JobState.PENDING, JobState.COMPLETED)


def render_summary(verdict: Verdict, *, results_file: str) -> str:
    """Render the job summary.

    Args:
        verdict: how the gate ended.
        results_file: the path as given, if the file was written, else empty.
    """
    timings = sorted(job_timings(verdict.jobs), key=lambda timing: _STATE_ORDER.index(timing.job.state))
    headline = f"### {RESULT_ICONS[verdict.result]} Fini gate: {title(verdict)}"
    head = [headline, "", escape_markdown(message(verdict)), ""]
    if verdict.result is not Result.SUCCESS and verdict.in_state(JobState.COMPLETED):
        head += [escape_markdown(article_counts(verdict)), ""]
    if not timings:
        return "\n".join(head)
    hint = (
        f"all are in {escape_markdown(results_file)}"
        if results_file
        else f"set `{verdict.names.name_of('results-file')}` to get all"
    )
    before = [*head, *render_attention(timings, advice(verdict), hint)]
    after = [*render_chart(timings), *_statistics(timings), *_whole_ids(verdict, hint)]
    room_bytes = MAX_SUMMARY_BYTES - size_bytes(before) - size_bytes(after)
    return "\n".join([*before, *render_table(timings, room_bytes, hint), *after])


def _whole_ids(verdict: Verdict, hint: str) -> Iterator[str]:
    """Render all IDs to copy: those of articles, drafts, jobs and sources."""
    yield from _id_list(verdict.article_ids, "article ID", hint)
    yield from _id_list(verdict.draft_article_ids, "draft article ID", hint)
    yield from _id_list([job.id for job in verdict.jobs], "job ID", hint)
    source_ids = dict.fromkeys(job.document_id for job in verdict.jobs if job.document_id)
    yield from _id_list(list(source_ids), "source ID", hint)


def _id_list(ids: Sequence[str], noun: str, hint: str) -> list[str]:
    """Render IDs as a block to copy, one per line."""
    if not ids:
        return []
    kept = take_fitting(map(escape_control, ids), _MAX_IDS_BYTES)
    # Longer than any run of backticks in an ID, so that none can close the block.
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", "\n".join(kept)))])
    return details(pluralize(len(ids), noun), [fence, *kept, fence, *omitted_line(len(ids) - len(kept), hint)])


def _statistics(timings: Sequence[JobTiming]) -> list[str]:
    ran = [(seconds, timing) for timing in timings if (seconds := timing.ran_seconds) is not None]
    if not ran:
        return []
    max_seconds, slowest = max(ran, key=operator.itemgetter(0))
    median, p95 = (format_duration(percentile([seconds for seconds, _ in ran], share)) for share in (0.5, 0.95))
    longest = f"maximum {format_duration(max_seconds)} ({short_id(slowest.job.id)})"
    return [f"Running time: median {median}, 95th percentile {p95}, {longest}.", ""]
