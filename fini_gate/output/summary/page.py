"""The summary's page: headline, what needs attention, table, articles, chart, statistics. Pure."""

import operator
import re
from collections.abc import Sequence
from typing import Final

from fini_gate.durations import format_duration
from fini_gate.escaping import escape_control, escape_markdown
from fini_gate.models import JobState
from fini_gate.output.messages import PROBLEM_STATES, RESULT_ICONS, advice, message, pluralize, title
from fini_gate.output.summary.attention import render_attention
from fini_gate.output.summary.chart import render_chart
from fini_gate.output.summary.markdown import details, omitted_line, size_bytes, take_fitting
from fini_gate.output.summary.table import render_table
from fini_gate.output.summary.timing import JobTiming, job_timings, percentile
from fini_gate.verdict import Verdict

# GitHub silently drops a summary larger than 1 MiB.
MAX_SUMMARY_BYTES: Final = 1_000_000
_MAX_ARTICLES_BYTES: Final = 200_000
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
    if not timings:
        return "\n".join(head)
    hint = f"all are in {escape_markdown(results_file)}" if results_file else "set `results-file` to get all"
    before = [*head, *render_attention(timings, advice(verdict), hint)]
    after = [*_article_ids(verdict.article_ids, hint), *render_chart(timings), *_statistics(timings)]
    room_bytes = MAX_SUMMARY_BYTES - size_bytes(before) - size_bytes(after)
    return "\n".join([*before, *render_table(timings, room_bytes, hint), *after])


def _article_ids(article_ids: Sequence[str], hint: str) -> list[str]:
    """Render the article IDs as a block to copy, one per line."""
    if not article_ids:
        return []
    kept = take_fitting(map(escape_control, article_ids), _MAX_ARTICLES_BYTES)
    # Longer than any run of backticks in an ID, so that none can close the block.
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", "\n".join(kept)))])
    lines = [fence, *kept, fence, *omitted_line(len(article_ids) - len(kept), hint)]
    return details(pluralize(len(article_ids), "article ID"), lines)


def _statistics(timings: Sequence[JobTiming]) -> list[str]:
    ran = [(seconds, timing) for timing in timings if (seconds := timing.ran_seconds) is not None]
    if not ran:
        return []
    max_seconds, slowest = max(ran, key=operator.itemgetter(0))
    median, p95 = (format_duration(percentile([seconds for seconds, _ in ran], share)) for share in (0.5, 0.95))
    longest = f"maximum {format_duration(max_seconds)} ({escape_markdown(slowest.job.id)})"
    return [f"Running time: median {median}, 95th percentile {p95}, {longest}.", ""]
