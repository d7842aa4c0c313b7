"""The job summary: a verdict in Markdown, for GitHub's page of the run. Pure."""

import itertools
import math
import operator
import re
from collections.abc import Iterable, Sequence
from typing import Final

from fini_gate.escaping import escape_control, escape_markdown
from fini_gate.inputs import format_duration
from fini_gate.models import Job, JobState
from fini_gate.output.report import RESULT_ICONS, STATE_ICONS, advice, message, pluralize, state_phrase, title
from fini_gate.output.timing import JobTiming, job_timings, percentile
from fini_gate.verdict import Verdict

# Of one larger than 1 MiB GitHub shows nothing, and says nothing.
MAX_SUMMARY_BYTES: Final = 1_000_000
_ATTENTION_BYTES: Final = 500_000
_ARTICLES_BYTES: Final = 200_000
# The longest reasons that still let every job be named are taken.
_REASON_CHARACTERS: Final = (500, 200, 60, 0)
# More are folded: the page is read on a phone.
_OPEN_ENTRIES: Final = 20
_OPEN_ROWS: Final = 20
# What others name has no limit of its own; one name is not to crowd out all else.
_NAME_CHARACTERS: Final = 200

# A browser takes seconds to show more, and nobody reads them there.
MAX_TABLE_ROWS: Final = 1000
MAX_CHART_JOBS: Final = 50
_CHART_LABEL_CHARACTERS: Final = 16
_CHART_TAGS: Final = {JobState.FAILED: "crit, ", JobState.PENDING: "active, "}
_CHART_LABEL_PIXELS: Final = (12, 7)  # around a label, and for each of its characters
_DAY_SECONDS: Final = 86_400
_AXIS_FORMS: Final = ((_DAY_SECONDS, "%H:%M:%S"), (30 * _DAY_SECONDS, "%m-%d %H:%M"), (math.inf, "%Y-%m-%d"))
_TICKS: Final = tuple(
    (count * seconds, f"{count}{unit}")
    for unit, seconds, counts in (
        ("second", 1, (1, 2, 5, 10, 15, 30)),
        ("minute", 60, (1, 2, 5, 10, 15, 30)),
        ("hour", 3600, (1, 3, 6, 12)),
        ("day", _DAY_SECONDS, (1,)),
        ("week", 7 * _DAY_SECONDS, (1,)),
        ("month", 30 * _DAY_SECONDS, (1,)),
    )
    for count in counts
)
_MOST_TICKS: Final = 4  # a phone has no room for more

_ORDER: Final = (JobState.FAILED, JobState.MISSING, JobState.UNREADABLE, JobState.PENDING, JobState.COMPLETED)


def summary(verdict: Verdict, *, results_file: str) -> str:
    """The job summary, in Markdown.

    Args:
        verdict: how the gate ended.
        results_file: the path as given, where the file was written, else empty.
    """
    found = sorted(job_timings(verdict.jobs), key=lambda timing: _ORDER.index(timing.job.state))
    head = [
        f"### {RESULT_ICONS[verdict.result]} Fini gate: {title(verdict)}",
        "",
        escape_markdown(message(verdict)),
        "",
    ]
    if not found:
        return "\n".join(head)
    where = f"all are in {escape_markdown(results_file)}" if results_file else "`results-file` would have them all"
    around = [
        [*head, *_attention(found, verdict, where)],
        [*_articles(verdict, where), *_chart(found), *_duration_stats(found)],
    ]
    room = MAX_SUMMARY_BYTES - sum(map(_size, around))
    return "\n".join([*around[0], *_table(found, room, where), *around[1]])


def _attention(found: Sequence[JobTiming], verdict: Verdict, where: str) -> list[str]:
    """What needs somebody to do something, the worst first, and what to do."""
    concerned = [timing for timing in found if timing.job.state is not JobState.COMPLETED]
    if not concerned:
        return []
    for characters in _REASON_CHARACTERS:
        entries = _fit((_entry(timing, characters) for timing in concerned), _ATTENTION_BYTES)
        if len(entries) == len(concerned):
            break
    omitted = _left_out(len(concerned) - len(entries), where)
    return [
        *(["**What to do:** " + advice(verdict), ""] if advice(verdict) else []),
        *entries[:_OPEN_ENTRIES],
        "",
        *_details(f"{len(concerned) - _OPEN_ENTRIES} more", [*entries[_OPEN_ENTRIES:], *omitted]),
    ]


def _entry(timing: JobTiming, reason_characters: int) -> str:
    job = timing.job
    source = f" (source {_name(job.document_id)})" if job.document_id else ""
    reason = (job.reason or job.status or "")[:reason_characters]
    told = f": {escape_markdown(reason)}" if reason else ""
    return f"- {STATE_ICONS[job.state]} **{escape_markdown(job.id)}**{source} {state_phrase(job.state)}{told}"


def _table(found: Sequence[JobTiming], room: int, where: str) -> list[str]:
    has_sources = any(timing.job.document_id for timing in found)
    # A phone shows the first three or four.
    head = ["State", "Job", "Queued", "Ran", *(["Source"] if has_sources else []), "Article"]
    frame = [_row(head), _row(["---:" if name in {"Queued", "Ran"} else "---" for name in head])]
    rows = (_row(_cells(timing, has_sources=has_sources)) for timing in found[:MAX_TABLE_ROWS])
    kept = _fit(rows, room - _size(frame) - 500)  # for what is said around it
    lines = [*frame, *kept, "", *_left_out(len(found) - len(kept), where)]
    return lines if len(kept) <= _OPEN_ROWS else _details(pluralize(len(found), "job"), lines)


def _cells(timing: JobTiming, *, has_sources: bool) -> list[str]:
    job = timing.job
    return [
        f"{STATE_ICONS[job.state]}&nbsp;{job.state}",
        escape_markdown(job.id),
        _duration(timing.queued_seconds),
        _duration(timing.ran_seconds),
        *([_name(job.document_id or "")] if has_sources else []),
        _article(job) if job.state is JobState.COMPLETED else "",
    ]


def _article(job: Job) -> str:
    title_text = _name(job.article_title or "") + " (draft)" * job.article_is_draft
    article = _name(job.article_id or "")
    return f"{title_text}<br>{article}" if title_text else article


def _name(text: str) -> str:
    return escape_markdown(_ellipsize(text, _NAME_CHARACTERS))


def _ellipsize(text: str, characters: int) -> str:
    """The text, or its beginning and its end: IDs of one origin are told apart by either."""
    half = characters // 2
    return text if len(text) <= characters else f"{text[:half]}…{text[half - characters + 1 :]}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else format_duration(seconds)


def _articles(verdict: Verdict, where: str) -> list[str]:
    """The articles' IDs, one a line, to be copied."""
    article_ids = verdict.article_ids
    if not article_ids:
        return []
    kept = _fit(map(escape_control, article_ids), _ARTICLES_BYTES)
    # Longer than any in there.
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", "\n".join(kept)))])
    return _details(
        f"{pluralize(len(article_ids), 'article ID')}",
        [fence, *kept, fence, *_left_out(len(article_ids) - len(kept), where)],
    )


def _chart(found: Sequence[JobTiming]) -> list[str]:
    """A Mermaid gantt of the slowest jobs, queued and running, in the order in which they were queued."""
    timed = [timing for timing in found if _is_timed(timing)]
    if not timed:
        return []
    now = max(time for timing in timed for time in timing.times)
    slowest = sorted(timed, key=lambda timing: _last(timing, now) - timing.times[0], reverse=True)[:MAX_CHART_JOBS]
    slowest.sort(key=lambda timing: (timing.times[0], timing.number))
    # Not all end after they start.
    seconds = max(max(timing.times[-1], _last(timing, now)) for timing in slowest) - slowest[0].times[0]
    lines = [
        *("```mermaid", "---", "displayMode: compact", "config:", "  gantt:"),
        f"    leftPadding: {_label_pixels(map(_chart_label, slowest))}",
        *("    rightPadding: 24", "---", "gantt", "dateFormat x", "todayMarker off", *_axis(seconds)),
        *(line for timing in slowest for line in _bars(timing, now)),
        "```",
    ]
    which = "The slowest " if len(slowest) < len(timed) else ""
    title_text = f"{which}{pluralize(len(slowest), 'job')} over time: queued (grey), running (+: not ended)"
    return _details(title_text, lines)


def _is_timed(timing: JobTiming) -> bool:
    """Whether there is a span to draw."""
    return len(timing.times) > 1 or (bool(timing.times) and timing.ended_at is None)


def _axis(seconds: float) -> list[str]:
    """How the axis of a chart of so many seconds is marked."""
    form = next(form for limit, form in _AXIS_FORMS if seconds < limit)
    ticks = (text for length, text in _TICKS if length * _MOST_TICKS >= seconds)
    return [f"axisFormat {form}", *(f"tickInterval {text}" for text in itertools.islice(ticks, 1))]


def _bars(timing: JobTiming, now: float) -> list[str]:
    """The lines of one job: its name, a bar for the time queued, and one for the time running."""
    created_at, started_at = timing.created_at, timing.started_at
    lines = [f"section {_chart_label(timing)}"]
    if created_at is not None and started_at is not None and _ms(created_at) < _ms(started_at):
        # Next to the other bar there is no room for words.
        lines.append(_bar("·", "done, ", created_at, started_at))
    begin = timing.times[0] if started_at is None else started_at
    end = max(begin, _last(timing, now))
    is_queued = started_at is None and timing.job.state is JobState.PENDING
    tag = "done, " if is_queued else _CHART_TAGS.get(timing.job.state, "")
    return [*lines, _bar(format_duration(end - begin) + "+" * (timing.ended_at is None), tag, begin, end)]


def _bar(name: str, tag: str, begin: float, end: float) -> str:
    return f"{name} :{tag}{_ms(begin)}, {max(1, _ms(end) - _ms(begin))}ms"  # a bar of no length is none


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _last(timing: JobTiming, now: float) -> float:
    """When it ended, or, where it goes on, the latest time that the API told of any job."""
    return timing.ended_at if timing.ended_at is not None else now


def _chart_label(timing: JobTiming) -> str:
    """A job's name in the chart: numbered, without what means something to Mermaid, and short."""
    harmless = re.sub(r"[^\w .,/+=@()-]|%%|--", " ", escape_control(timing.job.id))
    return f"{timing.number} {_ellipsize(harmless, _CHART_LABEL_CHARACTERS)}"


def _label_pixels(labels: Iterable[str]) -> int:
    around, each = _CHART_LABEL_PIXELS
    return around + each * max(map(len, labels))


def _duration_stats(found: Sequence[JobTiming]) -> list[str]:
    ran = [(seconds, timing) for timing in found if (seconds := timing.ran_seconds) is not None]
    if not ran:
        return []
    most_seconds, slowest = max(ran, key=operator.itemgetter(0))
    median, most = (format_duration(percentile([seconds for seconds, _ in ran], share)) for share in (0.5, 0.95))
    longest = f"{format_duration(most_seconds)} at the longest ({escape_markdown(slowest.job.id)})"
    return [f"Jobs ran for {median} in the median, {most} at the 95th percentile, {longest}.", ""]


def _details(title_text: str, lines: Sequence[str]) -> list[str]:
    """Lines that show on demand; Markdown needs the blank ones."""
    return [f"<details><summary>{title_text}</summary>", "", *lines, "", "</details>", ""] if lines else []


def _left_out(count: int, where: str) -> list[str]:
    return ["", f"{count} more are left out here; {where}."] if count else []


def _fit(lines: Iterable[str], size: int) -> list[str]:
    """As many of the lines as have room, from the first."""
    kept = []
    for line in lines:
        size -= len(line.encode()) + 1
        if size < 0:
            break
        kept.append(line)
    return kept


def _size(lines: Iterable[str]) -> int:
    """Bytes that the lines take in the summary."""
    return sum(len(line.encode()) + 1 for line in lines)
