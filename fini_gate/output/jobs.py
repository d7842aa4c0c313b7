"""Jobs in words: icons, counts, and a line for one job. Pure."""

from collections.abc import Iterable
from typing import Final

from fini_gate.models import Job, JobState
from fini_gate.verdict import Verdict

# States that need attention, worst first.
PROBLEM_STATES: Final = (JobState.FAILED, JobState.MISSING, JobState.UNREADABLE)
STATE_ICONS: Final = {
    JobState.COMPLETED: "✅",
    JobState.FAILED: "❌",
    JobState.PENDING: "⏳",
    JobState.MISSING: "❓",
    JobState.UNREADABLE: "⚠️",
}
_PAST_TENSE: Final = {JobState.COMPLETED, JobState.FAILED}


def pluralize(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 job` or `2 jobs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def state_phrase(state: JobState, count: int = 1) -> str:
    """Return a state as the predicate of a sentence, such as `failed` or `are missing`."""
    if state in _PAST_TENSE:
        return str(state)
    return f"{'is' if count == 1 else 'are'} {'still ' if state is JobState.PENDING else ''}{state}"


def count_phrases(verdict: Verdict, states: Iterable[JobState]) -> list[str]:
    """Return how many jobs are in each of these states, such as `2 of 20 jobs failed` and `1 is missing`."""
    phrases: list[str] = []
    for state in states:
        if count := len(verdict.in_state(state)):
            subject = f"{count}" if phrases else of_all(count, verdict)
            phrases.append(f"{subject} {state_phrase(state, count)}")
    return phrases


def of_all(count: int, verdict: Verdict) -> str:
    """Return a count of jobs and how many there are in all, such as `2 of 20 jobs`."""
    return f"{count} of {pluralize(len(verdict.jobs), 'job')}"


def describe_job(job: Job) -> str:
    """Return a job's ID, source, state and reason in one line."""
    source = f" (source {job.document_id})" if job.document_id else ""
    text = f"job {job.id}{source} {state_phrase(job.state)}"
    reason = job.reason or job.status
    return f"{text}: {reason}" if reason else text
