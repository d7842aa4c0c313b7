"""The summary's chart: a Mermaid gantt of the slowest jobs. Pure."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from fini_gate.durations import format_duration
from fini_gate.escaping import escape_control
from fini_gate.models import JobState
from fini_gate.output.jobs import pluralize
from fini_gate.output.summary.markdown import details, ellipsize
from fini_gate.output.summary.timing import JobTiming

MAX_CHART_JOBS: Final = 50
_MAX_LABEL_CHARACTERS: Final = 16
_LABEL_MARGIN_PIXELS: Final = 12
_LABEL_CHARACTER_PIXELS: Final = 7
_TAG_BY_STATE: Final = {JobState.FAILED: "crit, ", JobState.PENDING: "active, "}
_DAY_SECONDS: Final = 86_400
# The longest span of each axis format.
_AXIS_FORMATS: Final = ((_DAY_SECONDS, "%H:%M:%S"), (30 * _DAY_SECONDS, "%m-%d %H:%M"), (math.inf, "%Y-%m-%d"))
_TICK_INTERVALS: Final = (
    *((count, f"{count}second") for count in (1, 2, 5, 10, 15, 30)),
    *((count * 60, f"{count}minute") for count in (1, 2, 5, 10, 15, 30)),
    *((count * 3600, f"{count}hour") for count in (1, 3, 6, 12)),
    (_DAY_SECONDS, "1day"),
    (7 * _DAY_SECONDS, "1week"),
    (30 * _DAY_SECONDS, "1month"),
)
# Mermaid has other shades in dark mode, so the legend names only the colours of both.
_LEGEND: Final = (
    "In each row, light grey is the time that a job was queued, and the bar after it the time that it ran: red if it"
    " failed, with a + and in another shade if it has not finished. The stripes only guide the eye."
)
_MAX_TICKS: Final = 4  # a phone has no room for more


def render_chart(timings: Sequence[JobTiming]) -> list[str]:
    """Render how long the slowest jobs were queued and ran, in the order in which they were queued."""
    drawable = [timing for timing in timings if timing.has_span]
    if not drawable:
        return []
    now = max(timing.times[-1] for timing in drawable)
    slowest = sorted(drawable, key=lambda timing: timing.end_or(now) - timing.times[0], reverse=True)[:MAX_CHART_JOBS]
    slowest.sort(key=lambda timing: (timing.times[0], timing.number))
    # The API may report an end that is before the start.
    latest = max(max(timing.times[-1], timing.end_or(now)) for timing in slowest)
    lines = [
        *("```mermaid", "---", "displayMode: compact", "config:", "  gantt:"),
        f"    leftPadding: {_label_pixels(map(_label, slowest))}",
        *("    rightPadding: 24", "---", "gantt", "dateFormat x", "todayMarker off"),
        *_axis(latest - slowest[0].times[0]),
        *(line for timing in slowest for line in _bars(timing, now)),
        "```",
    ]
    which = "The slowest " if len(slowest) < len(drawable) else ""
    return details(f"{which}{pluralize(len(slowest), 'job')} over time", [_LEGEND, "", *lines])


def _axis(span_seconds: float) -> list[str]:
    """Choose the labels and the ticks of the time axis."""
    axis_format = next(text for max_seconds, text in _AXIS_FORMATS if span_seconds < max_seconds)
    ticks = [text for seconds, text in _TICK_INTERVALS if seconds * _MAX_TICKS >= span_seconds]
    return [f"axisFormat {axis_format}", *(f"tickInterval {text}" for text in ticks[:1])]


def _bars(timing: JobTiming, now: float) -> list[str]:
    """Return the lines of one job: its label, a bar for the time queued, and one for the time running."""
    created_at, started_at = timing.created_at, timing.started_at
    lines = [f"section {_label(timing)}"]
    if created_at is not None and started_at is not None and _ms(created_at) < _ms(started_at):
        # The bar needs a text, and there is no room for words.
        lines.append(_bar("·", "done, ", created_at, started_at))
    begin = timing.times[0] if started_at is None else started_at
    end = max(begin, timing.end_or(now))
    text = format_duration(end - begin)
    if timing.finished_at is None:
        text += "+"
    is_queued = started_at is None and timing.job.state is JobState.PENDING
    tag = "done, " if is_queued else _TAG_BY_STATE.get(timing.job.state, "")
    return [*lines, _bar(text, tag, begin, end)]


def _bar(text: str, tag: str, begin: float, end: float) -> str:
    return f"{text} :{tag}{_ms(begin)}, {max(1, _ms(end) - _ms(begin))}ms"  # Mermaid draws no bar of length 0


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _label(timing: JobTiming) -> str:
    """Return a job's number and its short ID, without characters that mean something to Mermaid."""
    harmless = re.sub(r"[^\w .,/+=@()-]|%%|--", " ", escape_control(timing.job.id))
    return f"{timing.number} {ellipsize(harmless, _MAX_LABEL_CHARACTERS)}"


def _label_pixels(labels: Iterable[str]) -> int:
    return _LABEL_MARGIN_PIXELS + _LABEL_CHARACTER_PIXELS * max(map(len, labels))
