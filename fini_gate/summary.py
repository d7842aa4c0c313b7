"""The job summary: a verdict in Markdown, for GitHub's page of the run. Pure."""

import itertools
import math
import operator
import re
from collections.abc import Iterable, Sequence
from typing import Final

from fini_gate.escaping import markdown, visible
from fini_gate.inputs import duration_text
from fini_gate.jobs import Job, JobState
from fini_gate.report import OUTCOME_SIGNS, STATE_SIGNS, advice, message, number_text, title, worded
from fini_gate.timeline import Course, courses, percentile
from fini_gate.verdict import Verdict

# Of one larger than 1 MiB GitHub shows nothing, and says nothing.
SUMMARY_BYTES: Final = 1_000_000
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
TABLE_ROWS: Final = 1000
CHART_JOBS: Final = 50
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
    found = sorted(courses(verdict.jobs), key=lambda course: _ORDER.index(course.job.state))
    head = [f"### {OUTCOME_SIGNS[verdict.outcome]} Fini gate: {title(verdict)}", "", markdown(message(verdict)), ""]
    if not found:
        return "\n".join(head)
    where = f"all are in {markdown(results_file)}" if results_file else "`results-file` would have them all"
    around = [
        [*head, *_attention(found, verdict, where)],
        [*_articles(verdict, where), *_chart(found), *_spread(found)],
    ]
    room = SUMMARY_BYTES - sum(map(_size, around))
    return "\n".join([*around[0], *_table(found, room, where), *around[1]])


def _attention(found: Sequence[Course], verdict: Verdict, where: str) -> list[str]:
    """What needs somebody to do something, the worst first, and what to do."""
    concerned = [course for course in found if course.job.state is not JobState.COMPLETED]
    if not concerned:
        return []
    for characters in _REASON_CHARACTERS:
        entries = _fitting((_entry(course, characters) for course in concerned), _ATTENTION_BYTES)
        if len(entries) == len(concerned):
            break
    left_out = _left_out(len(concerned) - len(entries), where)
    return [
        *(["**What to do:** " + advice(verdict), ""] if advice(verdict) else []),
        *entries[:_OPEN_ENTRIES],
        "",
        *_folded(f"{len(concerned) - _OPEN_ENTRIES} more", [*entries[_OPEN_ENTRIES:], *left_out]),
    ]


def _entry(course: Course, reason_characters: int) -> str:
    job = course.job
    source = f" (source {_name(job.document_id)})" if job.document_id else ""
    reason = (job.reason or job.status or "")[:reason_characters]
    told = f": {markdown(reason)}" if reason else ""
    return f"- {STATE_SIGNS[job.state]} **{markdown(job.id)}**{source} {worded(job.state)}{told}"


def _table(found: Sequence[Course], room: int, where: str) -> list[str]:
    has_sources = any(course.job.document_id for course in found)
    # A phone shows the first three or four.
    head = ["State", "Job", "Queued", "Ran", *(["Source"] if has_sources else []), "Article"]
    frame = [_row(head), _row(["---:" if name in {"Queued", "Ran"} else "---" for name in head])]
    rows = (_row(_cells(course, has_sources=has_sources)) for course in found[:TABLE_ROWS])
    kept = _fitting(rows, room - _size(frame) - 500)  # for what is said around it
    lines = [*frame, *kept, "", *_left_out(len(found) - len(kept), where)]
    return lines if len(kept) <= _OPEN_ROWS else _folded(number_text(len(found), "job"), lines)


def _cells(course: Course, *, has_sources: bool) -> list[str]:
    job = course.job
    return [
        f"{STATE_SIGNS[job.state]}&nbsp;{job.state}",
        markdown(job.id),
        _lasted(course.queued_seconds),
        _lasted(course.ran_seconds),
        *([_name(job.document_id or "")] if has_sources else []),
        _article(job) if job.state is JobState.COMPLETED else "",
    ]


def _article(job: Job) -> str:
    title_text = _name(job.article_title or "") + " (draft)" * job.article_is_draft
    article = _name(job.article_id or "")
    return f"{title_text}<br>{article}" if title_text else article


def _name(text: str) -> str:
    return markdown(_cut(text, _NAME_CHARACTERS))


def _cut(text: str, characters: int) -> str:
    """The text, or its beginning and its end: IDs of one origin are told apart by either."""
    half = characters // 2
    return text if len(text) <= characters else f"{text[:half]}…{text[half - characters + 1 :]}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _lasted(seconds: float | None) -> str:
    return "" if seconds is None else duration_text(seconds)


def _articles(verdict: Verdict, where: str) -> list[str]:
    """The articles' IDs, one a line, to be copied."""
    article_ids = verdict.article_ids
    if not article_ids:
        return []
    kept = _fitting(map(visible, article_ids), _ARTICLES_BYTES)
    # Longer than any in there.
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", "\n".join(kept)))])
    return _folded(
        f"{number_text(len(article_ids), 'article ID')}",
        [fence, *kept, fence, *_left_out(len(article_ids) - len(kept), where)],
    )


def _chart(found: Sequence[Course]) -> list[str]:
    """A Mermaid gantt of the slowest jobs, queued and running, in the order in which they were queued."""
    timed = [course for course in found if _is_timed(course)]
    if not timed:
        return []
    now = max(time for course in timed for time in course.times)
    slowest = sorted(timed, key=lambda course: _last(course, now) - course.times[0], reverse=True)[:CHART_JOBS]
    slowest.sort(key=lambda course: (course.times[0], course.number))
    # Not all end after they start.
    seconds = max(max(course.times[-1], _last(course, now)) for course in slowest) - slowest[0].times[0]
    lines = [
        *("```mermaid", "---", "displayMode: compact", "config:", "  gantt:"),
        f"    leftPadding: {_label_pixels(map(_chart_label, slowest))}",
        *("    rightPadding: 24", "---", "gantt", "dateFormat x", "todayMarker off", *_axis(seconds)),
        *(line for course in slowest for line in _bars(course, now)),
        "```",
    ]
    which = "The slowest " if len(slowest) < len(timed) else ""
    title_text = f"{which}{number_text(len(slowest), 'job')} over time: queued (grey), running (+: not ended)"
    return _folded(title_text, lines)


def _is_timed(course: Course) -> bool:
    """Whether there is a span to draw."""
    return len(course.times) > 1 or (bool(course.times) and course.ended_at is None)


def _axis(seconds: float) -> list[str]:
    """How the axis of a chart of so many seconds is marked."""
    form = next(form for limit, form in _AXIS_FORMS if seconds < limit)
    ticks = (text for length, text in _TICKS if length * _MOST_TICKS >= seconds)
    return [f"axisFormat {form}", *(f"tickInterval {text}" for text in itertools.islice(ticks, 1))]


def _bars(course: Course, now: float) -> list[str]:
    """The lines of one job: its name, a bar for the time queued, and one for the time running."""
    created_at, started_at = course.created_at, course.started_at
    lines = [f"section {_chart_label(course)}"]
    if created_at is not None and started_at is not None and _ms(created_at) < _ms(started_at):
        # Next to the other bar there is no room for words.
        lines.append(_bar("·", "done, ", created_at, started_at))
    begin = course.times[0] if started_at is None else started_at
    end = max(begin, _last(course, now))
    is_queued = started_at is None and course.job.state is JobState.PENDING
    tag = "done, " if is_queued else _CHART_TAGS.get(course.job.state, "")
    return [*lines, _bar(duration_text(end - begin) + "+" * (course.ended_at is None), tag, begin, end)]


def _bar(name: str, tag: str, begin: float, end: float) -> str:
    return f"{name} :{tag}{_ms(begin)}, {max(1, _ms(end) - _ms(begin))}ms"  # a bar of no length is none


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _last(course: Course, now: float) -> float:
    """When it ended, or, where it goes on, the latest time that the API told of any job."""
    return course.ended_at if course.ended_at is not None else now


def _chart_label(course: Course) -> str:
    """A job's name in the chart: numbered, without what means something to Mermaid, and short."""
    harmless = re.sub(r"[^\w .,/+=@()-]|%%|--", " ", visible(course.job.id))
    return f"{course.number} {_cut(harmless, _CHART_LABEL_CHARACTERS)}"


def _label_pixels(labels: Iterable[str]) -> int:
    around, each = _CHART_LABEL_PIXELS
    return around + each * max(map(len, labels))


def _spread(found: Sequence[Course]) -> list[str]:
    ran = [(seconds, course) for course in found if (seconds := course.ran_seconds) is not None]
    if not ran:
        return []
    most_seconds, slowest = max(ran, key=operator.itemgetter(0))
    median, most = (duration_text(percentile([seconds for seconds, _ in ran], share)) for share in (0.5, 0.95))
    longest = f"{duration_text(most_seconds)} at the longest ({markdown(slowest.job.id)})"
    return [f"Jobs ran for {median} in the median, {most} at the 95th percentile, {longest}.", ""]


def _folded(title_text: str, lines: Sequence[str]) -> list[str]:
    """Lines that show on demand; Markdown needs the blank ones."""
    return [f"<details><summary>{title_text}</summary>", "", *lines, "", "</details>", ""] if lines else []


def _left_out(count: int, where: str) -> list[str]:
    return ["", f"{count} more are left out here; {where}."] if count else []


def _fitting(lines: Iterable[str], size: int) -> list[str]:
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
