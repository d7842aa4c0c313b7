"""The log's lines while the gate waits: one when something changed, else one now and then. Pure, but for its memory."""

from collections.abc import Sequence
from typing import Final

from fini_gate.inputs import format_duration
from fini_gate.models import Job, JobState
from fini_gate.output.report import MAX_LISTED_JOBS, PROBLEM_STATES, counts_text, describe_job
from fini_gate.poller import Progress

# Of silence, after which a line says that the gate still waits; each one longer than the last, up to the longest.
MIN_HEARTBEAT_SECONDS: Final = 15.0
MAX_HEARTBEAT_SECONDS: Final = 60.0
_NAMED_IN_A_LINE: Final = 3
_BAR_CHARACTERS: Final = 20


class ProgressLog:
    """Knows what the log has said, and so what is left to say."""

    def __init__(self) -> None:
        self._heartbeat_seconds = MIN_HEARTBEAT_SECONDS
        self._printed_at = 0.0

    def lines(self, progress: Progress) -> list[str]:
        """The lines for a look; none where there is nothing new to say."""
        is_silent = progress.elapsed_seconds - self._printed_at < self._heartbeat_seconds
        if not progress.changed and is_silent:
            return []
        self._printed_at = progress.elapsed_seconds
        self._heartbeat_seconds = (
            MIN_HEARTBEAT_SECONDS if progress.changed else min(2 * self._heartbeat_seconds, MAX_HEARTBEAT_SECONDS)
        )
        concerned = [job for job in progress.changed if job.state in PROBLEM_STATES]
        lines = [self.line(progress)]
        lines += [f"        {describe_job(job)}" for job in concerned[:MAX_LISTED_JOBS]]
        if len(concerned) > MAX_LISTED_JOBS:
            lines.append(f"        and {len(concerned) - MAX_LISTED_JOBS} more")
        return lines

    def line(self, progress: Progress) -> str:
        """How far the jobs are, in one line."""
        total, ended = len(progress.jobs), _ended(progress.jobs)
        filled = _BAR_CHARACTERS * ended // total
        bar = "█" * filled + "░" * (_BAR_CHARACTERS - filled)
        parts = [
            f"{format_duration(progress.elapsed_seconds):>6}  {bar} {ended}/{total}  {counts_text(progress.jobs)}",
            *_new_failures(progress.changed),
            *_time_left(progress),
        ]
        return "; ".join(parts)


def _ended(jobs: Sequence[Job]) -> int:
    return sum(job.state is not JobState.PENDING for job in jobs)


def _new_failures(changed: Sequence[Job]) -> list[str]:
    failed = [job.id for job in changed if job.state is JobState.FAILED]
    if not failed:
        return []
    more = f" and {len(failed) - _NAMED_IN_A_LINE} more" if len(failed) > _NAMED_IN_A_LINE else ""
    return [f"failed: {', '.join(failed[:_NAMED_IN_A_LINE])}{more}"]


def _time_left(progress: Progress) -> list[str]:
    if all(job.is_finished for job in progress.jobs):
        return []
    if progress.eta_seconds is None:
        return ["no telling yet how long"]
    return [f"about {format_duration(round(progress.eta_seconds))} left"]
