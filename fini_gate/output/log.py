"""The log: what each poll changed, a heartbeat when nothing does, and each problem job once."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from fini_gate.durations import format_duration
from fini_gate.inputs import Inputs
from fini_gate.models import Job, JobState
from fini_gate.output.jobs import PROBLEM_STATES, describe_job, pluralize
from fini_gate.output.messages import problem_jobs, unknown_status_warning
from fini_gate.poller import Progress
from fini_gate.verdict import Verdict

# Time without a line until a heartbeat; it doubles with each heartbeat in a row.
MIN_HEARTBEAT_SECONDS: Final = 15.0
MAX_HEARTBEAT_SECONDS: Final = 60.0
MAX_LISTED_JOBS: Final = 20
MAX_STATUS_WARNINGS: Final = 5
_MAX_NAMED_JOBS: Final = 3
_BAR_CHARACTERS: Final = 20


class Log(Protocol):
    """Where lines and warnings go."""

    def info(self, line: str) -> None:
        """Print a line."""

    def warning(self, text: str) -> None:
        """Print a warning."""

    def listing(self, title: str, lines: Sequence[str]) -> None:
        """Print lines, folded under a title if there are many."""


class ProblemLog:
    """Logs each job that needs attention once: as soon as its reason is known, or else at the end.

    Args:
        log: where lines go.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._logged_ids: set[str] = set()

    def log_changed(self, changed: Sequence[Job], *, awaits_reasons: bool) -> None:
        """Log the jobs that a poll found to need attention.

        Args:
            changed: the jobs that the poll changed.
            awaits_reasons: whether sources will be asked why jobs failed. Jobs that they may explain are logged later.
        """
        problems = [job for job in changed if job.state in PROBLEM_STATES and job.id not in self._logged_ids]
        if awaits_reasons:
            problems = [job for job in problems if not job.may_be_explained]
        for job in problems[:MAX_LISTED_JOBS]:
            self._logged_ids.add(job.id)
            self._log.info(f"        {describe_job(job)}")
        if len(problems) > MAX_LISTED_JOBS:
            self._log.info(f"        and {len(problems) - MAX_LISTED_JOBS} more, listed at the end")

    def log_rest(self, verdict: Verdict) -> None:
        """Log the other jobs that need attention, and those that are still pending."""
        rest = [job for job in problem_jobs(verdict) if job.id not in self._logged_ids]
        lines = [describe_job(job) for job in [*rest, *verdict.in_state(JobState.PENDING)]]
        self._log.listing("Jobs that did not complete", lines)


class ProgressLog:
    """Logs the progress of the jobs, poll by poll.

    Args:
        log: where lines and warnings go.
        problem_log: logs the jobs that need attention.
        awaits_reasons: whether sources will be asked why jobs failed.
        show_line: redraws the progress line in place; None where that is not possible.
    """

    def __init__(
        self,
        log: Log,
        problem_log: ProblemLog,
        *,
        awaits_reasons: bool,
        show_line: Callable[[str], None] | None = None,
    ) -> None:
        self._log = log
        self._problem_log = problem_log
        self._awaits_reasons = awaits_reasons
        self._show_line = show_line
        self._heartbeat_seconds = MIN_HEARTBEAT_SECONDS
        self._printed_at = 0.0
        self._warned_statuses: set[str | None] = set()

    def report(self, progress: Progress) -> None:
        """Log what a poll changed, or a heartbeat if it is time for one."""
        if self._show_line is not None:
            self._show_line(progress_line(progress))
        seconds_since_last_line = progress.elapsed_seconds - self._printed_at
        if progress.changed or seconds_since_last_line >= self._heartbeat_seconds:
            self._print(progress)
        if progress.incomplete_reason is not None:
            self._log.info(incomplete_line(progress.incomplete_reason))
        self._warn_of_unknown_statuses(progress.changed)

    def _print(self, progress: Progress) -> None:
        self._printed_at = progress.elapsed_seconds
        self._heartbeat_seconds = (
            MIN_HEARTBEAT_SECONDS if progress.changed else min(2 * self._heartbeat_seconds, MAX_HEARTBEAT_SECONDS)
        )
        if self._show_line is None:
            self._log.info(progress_line(progress))
        self._problem_log.log_changed(progress.changed, awaits_reasons=self._awaits_reasons)

    def _warn_of_unknown_statuses(self, changed: Sequence[Job]) -> None:
        for job in changed:
            if len(self._warned_statuses) == MAX_STATUS_WARNINGS:
                return
            if job.has_unknown_status and job.status not in self._warned_statuses:
                self._warned_statuses.add(job.status)
                self._log.warning(unknown_status_warning(job))


def opening_line(jobs: Sequence[Job], inputs: Inputs, *, until: datetime) -> str:
    """Return the line that says which jobs the gate waits for, and until when."""
    named = ", ".join([*(job.id for job in jobs[:_MAX_NAMED_JOBS]), *(["…"] if len(jobs) > _MAX_NAMED_JOBS else [])])
    timeout = format_duration(inputs.timeout_seconds)
    limit = f"until {until:%Y-%m-%d %H:%M:%S} UTC (timeout {timeout})" if inputs.timeout_seconds else "polling once"
    return f"Waiting for {pluralize(len(jobs), 'job')} ({named}) at {inputs.api_url}, {limit}."


def progress_line(progress: Progress) -> str:
    """Return how far the jobs are, in one line."""
    total, states = len(progress.jobs), [job.state for job in progress.jobs]
    finished = sum(job.is_finished for job in progress.jobs)
    filled = _BAR_CHARACTERS * finished // total
    bar = "█" * filled + "░" * (_BAR_CHARACTERS - filled)
    parts = [f"{format_duration(progress.elapsed_seconds):>6}", f"{bar} {finished}/{total}"]
    parts.extend(f"{states.count(state)} {state}" for state in PROBLEM_STATES if state in states)
    if finished < total:
        eta_seconds = progress.eta_seconds
        parts.append(f"ETA {'unknown' if eta_seconds is None else format_duration(round(eta_seconds))}")
    return "  ".join(parts)


def look_up_line(article_count: int) -> str:
    """Return the line that says what the gate does once no job is pending."""
    return (
        f"        looking up whether {pluralize(article_count, 'article')} {'is' if article_count == 1 else 'are'} live"
    )


def request_line(noun: str, count: int, outcome: str, seconds: float) -> str:
    """Return the debug log's line for a request."""
    return f"request for {pluralize(count, noun)}: {outcome} after {seconds:.3f}s"


def retry_line(problem: str, wait_seconds: float) -> str:
    """Return the line for a request that failed and is sent again."""
    when = f"in {format_duration(wait_seconds)}" if wait_seconds else "immediately"
    return f"        no usable response: {problem}; retrying {when}"


def incomplete_line(reason: str) -> str:
    """Return the line for a poll without a response for each job."""
    return f"        incomplete poll: {reason}"
