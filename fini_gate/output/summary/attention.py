"""The summary's list of jobs that did not complete, and what to do about them. Pure."""

from collections.abc import Sequence
from typing import Final

from fini_gate.escaping import escape_markdown
from fini_gate.models import JobState
from fini_gate.output.jobs import STATE_ICONS, state_phrase
from fini_gate.output.summary.markdown import details, name, omitted_line, take_fitting
from fini_gate.output.summary.timing import JobTiming

_MAX_BYTES: Final = 500_000
# Reasons are cut to the first of these lengths at which every job fits.
_REASON_CHARACTERS: Final = (500, 200, 60, 0)
# The rest is folded, because people read the page on a phone.
_MAX_OPEN_ENTRIES: Final = 20


def render_attention(timings: Sequence[JobTiming], advice: str, hint: str) -> list[str]:
    """Render the advice and an entry for each job that did not complete."""
    unsuccessful = [timing for timing in timings if timing.job.state is not JobState.COMPLETED]
    entries = _fitting_entries(unsuccessful)
    folded = [*entries[_MAX_OPEN_ENTRIES:], *omitted_line(len(unsuccessful) - len(entries), hint)]
    return [
        *([f"**What to do:** {advice}", ""] if advice else []),
        *([*entries[:_MAX_OPEN_ENTRIES], ""] if entries else []),
        *details(f"{len(unsuccessful) - _MAX_OPEN_ENTRIES} more", folded),
    ]


def _fitting_entries(timings: Sequence[JobTiming]) -> list[str]:
    entries: list[str] = []
    for reason_characters in _REASON_CHARACTERS:
        entries = take_fitting((_entry(timing, reason_characters) for timing in timings), _MAX_BYTES)
        if len(entries) == len(timings):
            break
    return entries


def _entry(timing: JobTiming, reason_characters: int) -> str:
    job = timing.job
    source = f" (source {name(job.document_id)})" if job.document_id else ""
    text = f"- {STATE_ICONS[job.state]} **{escape_markdown(job.id)}**{source} {state_phrase(job.state)}"
    reason = (job.reason or job.status or "")[:reason_characters]
    return f"{text}: {escape_markdown(reason)}" if reason else text
