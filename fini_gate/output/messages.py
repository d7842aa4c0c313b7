"""A verdict in words: title, message, advice, errors, warnings. Pure."""

from collections.abc import Sequence
from typing import Final

from fini_gate.durations import format_duration
from fini_gate.errors import UsageError, reason_of
from fini_gate.escaping import escape_control
from fini_gate.models import Job, JobState
from fini_gate.verdict import Limit, Result, Verdict

# GitHub shows ten annotations of a kind for each step; one of them is for the result.
MAX_JOB_ERRORS: Final = 9
# States that need attention, worst first.
PROBLEM_STATES: Final = (JobState.FAILED, JobState.MISSING, JobState.UNREADABLE)
RESULT_ICONS: Final = {
    Result.SUCCESS: "✅",
    Result.FAILURE: "❌",
    Result.TIMED_OUT: "⏰",
    Result.ERROR: "⚠️",
    Result.CANCELLED: "🚫",
}
STATE_ICONS: Final = {
    JobState.COMPLETED: "✅",
    JobState.FAILED: "❌",
    JobState.PENDING: "⏳",
    JobState.MISSING: "❓",
    JobState.UNREADABLE: "⚠️",
}
_TITLES: Final = {
    Result.SUCCESS: "All jobs completed",
    Result.FAILURE: "Not all jobs completed",
    Result.TIMED_OUT: "Timed out",
    Result.ERROR: "No verdict",
    Result.CANCELLED: "Cancelled",
}
# So that the advice at the end of an error is within what GitHub shows.
_MAX_DESCRIBED_JOBS: Final = 5
_MAX_DESCRIPTION_CHARACTERS: Final = 400


def title(verdict: Verdict) -> str:
    """Return the result in a few words."""
    return "Invalid input" if isinstance(verdict.error, UsageError) else _TITLES[verdict.result]


def message(verdict: Verdict) -> str:
    """Return the output `message`: one line that says what happened, with counts and time."""
    if not verdict.jobs:
        return escape_control(str(verdict.error or "There were no job IDs, so there was nothing to wait for."))
    sentences = [
        *_introduction(verdict),
        f"{counts_text(verdict.jobs)}, after {format_duration(verdict.elapsed_seconds)}.",
    ]
    if verdict.limit is not None and verdict.limit.incomplete_reason is not None:
        sentences.append(f"The last poll was incomplete: {verdict.limit.incomplete_reason}.")
    return escape_control(" ".join(sentences))


def advice(verdict: Verdict) -> str:
    """Return what to do next; empty after a success, and if the message already says it."""
    if verdict.error is not None and verdict.result is not Result.CANCELLED:
        return ""
    sentences = []
    if verdict.in_state(JobState.FAILED):
        sentences.append("Fix the cause and queue the failed jobs again.")
    if verdict.in_state(JobState.MISSING):
        sentences.append(
            "For missing jobs, check the IDs, api-url, and that the API key belongs to the workspace that queued them."
        )
    if verdict.in_state(JobState.UNREADABLE):
        sentences.append("For unreadable jobs, run another gate later or contact Fini's support.")
    if verdict.result in {Result.TIMED_OUT, Result.CANCELLED} and verdict.in_state(JobState.PENDING):
        raise_limit = f" or raise {verdict.limit.input_name}" if verdict.limit is not None else ""
        sentences.append(f"To keep waiting, pass pending-job-ids to another gate{raise_limit}.")
    return " ".join(sentences)


def errors(verdict: Verdict) -> list[tuple[str, str]]:
    """Return title and text of each error: one for the result, and one for each of the first problem jobs.

    If the gate could not decide, the jobs are not the reason and have no errors of their own.
    """
    if verdict.result is Result.SUCCESS:
        return []
    problems = problem_jobs(verdict)[:MAX_JOB_ERRORS] if verdict.error is None else []
    return [
        (f"Fini gate: {title(verdict)}", _error_text(verdict)),
        *((f"Job {job.id} {state_phrase(job.state)}", describe_job(job)) for job in problems),
    ]


def notices(verdict: Verdict) -> list[tuple[str, str]]:
    """Return title and text of the notice about a success."""
    if verdict.result is not Result.SUCCESS or not verdict.jobs:
        return []
    return [(f"Fini gate: {title(verdict)}", message(verdict))]


def attention_lines(verdict: Verdict) -> list[str]:
    """Return a line for each job that did not complete, worst first."""
    return [describe_job(job) for job in [*problem_jobs(verdict), *verdict.in_state(JobState.PENDING)]]


def closing_line(verdict: Verdict) -> str:
    """Return the last line of the log: the result and the message."""
    return f"{RESULT_ICONS[verdict.result]} {verdict.result}: {message(verdict)}"


def missing_details_line(missing: Sequence[str]) -> str:
    """Return the line about details that could not be looked up, each with its reason."""
    return f"Some details could not be looked up: {'; '.join(missing)}. The result is not affected."


def unknown_status_warning(job: Job) -> str:
    """Return the warning about a status that the gate does not recognize."""
    status = f"the status {job.status}" if job.status else "no status"
    return (
        f"Job {job.id} has {status}, which fini-gate does not recognize: the job counts as pending."
        " If the status is final, please report it."
    )


def dropped_outputs_warning(names: Sequence[str], results_file: str) -> str:
    """Return the warning about outputs that were left empty."""
    where = f"The results file {results_file} contains them" if results_file else "Set results-file to get them"
    return f"The outputs are too large for GitHub, so these are left empty: {', '.join(names)}. {where}."


def results_file_warning(path: str, error: OSError | ValueError) -> str:
    """Return the warning about a results file that could not be written."""
    return f"The results file {path} could not be written ({reason_of(error)}): use the outputs instead."


def counts_text(jobs: Sequence[Job]) -> str:
    """Return how many jobs are in each state."""
    states = [job.state for job in jobs]
    parts = [f"{states.count(JobState.COMPLETED)} of {pluralize(len(states), 'job')} completed"]
    others = (state for state in JobState if state is not JobState.COMPLETED and state in states)
    parts.extend(f"{states.count(state)} {state}" for state in others)
    return ", ".join(parts)


def problem_jobs(verdict: Verdict) -> list[Job]:
    """Return the jobs that need attention, worst first."""
    return [job for state in PROBLEM_STATES for job in verdict.in_state(state)]


def describe_job(job: Job) -> str:
    """Return a job's ID, source, state and reason in one line."""
    source = f" (source {job.document_id})" if job.document_id else ""
    text = f"job {job.id}{source} {state_phrase(job.state)}"
    reason = job.reason or job.status
    return f"{text}: {reason}" if reason else text


def state_phrase(state: JobState) -> str:
    """Return a state as the predicate of a sentence, such as `failed` or `is missing`."""
    return str(state) if state is JobState.FAILED else f"is {state}"


def pluralize(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 job` or `2 jobs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _introduction(verdict: Verdict) -> list[str]:
    """Return what comes before the counts in the message."""
    match verdict.result:
        case Result.SUCCESS:
            return [f"{pluralize(len(verdict.article_ids), 'article')} created or updated:"]
        case Result.FAILURE:
            return []
        case Result.TIMED_OUT:
            return [_reached_limit(verdict.limit)]
        case Result.ERROR if verdict.error is None:
            return ["The API failed to return the status of some jobs:"]
        case _:
            return [str(verdict.error)]


def _reached_limit(limit: Limit | None) -> str:
    if limit is None or not limit.seconds:
        return "Not all jobs had finished when polled once (timeout 0):"
    if limit.input_name == "stall-timeout":
        return f"No job changed for {format_duration(limit.seconds)} (stall-timeout):"
    return f"Not all jobs finished within {format_duration(limit.seconds)} (timeout):"


def _error_text(verdict: Verdict) -> str:
    """Return what happened, to which jobs, and what to do."""
    problems = problem_jobs(verdict)
    descriptions = [
        escape_control(describe_job(job))[:_MAX_DESCRIPTION_CHARACTERS] for job in problems[:_MAX_DESCRIBED_JOBS]
    ]
    if len(problems) > _MAX_DESCRIBED_JOBS:
        descriptions.append(f"and {len(problems) - _MAX_DESCRIBED_JOBS} more")
    parts = [message(verdict)]
    if descriptions:
        parts.append(f"Problems: {'; '.join(descriptions)}.")
    return " ".join(filter(None, [*parts, advice(verdict)]))
