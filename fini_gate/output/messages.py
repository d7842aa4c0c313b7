"""A verdict in words: title, message, advice, errors, warnings. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from fini_gate.durations import format_duration
from fini_gate.errors import UsageError, reason_of
from fini_gate.escaping import escape_control
from fini_gate.models import Job, JobState
from fini_gate.names import Names
from fini_gate.output.jobs import PROBLEM_STATES, count_phrases, describe_job, of_all, pluralize, state_phrase
from fini_gate.verdict import Limit, Result, Verdict

# GitHub shows ten annotations of a kind for each step; one of them is for the result.
MAX_JOB_ERRORS: Final = 9
RESULT_ICONS: Final = {
    Result.SUCCESS: "✅",
    Result.FAILURE: "❌",
    Result.TIMED_OUT: "⏰",
    Result.ERROR: "⚠️",
    Result.CANCELLED: "🚫",
}
_WHERE_TO_PUBLISH: Final = "under Review and Approvals in Fini"


def title(verdict: Verdict) -> str:
    """Return the outcome in a few words, with counts."""
    jobs, pending = verdict.jobs, verdict.in_state(JobState.PENDING)
    if isinstance(verdict.error, UsageError):
        return "Invalid input"
    if not jobs:
        return "Cancelled" if verdict.result is Result.CANCELLED else "No verdict" if verdict.error else "No jobs"
    if verdict.result is Result.CANCELLED:
        return f"Cancelled: {of_all(len(verdict.in_state(JobState.COMPLETED)), verdict)} completed"
    if verdict.error is not None:
        return f"No verdict on {of_all(len(pending), verdict) if pending else pluralize(len(jobs), 'job')}"
    if verdict.result is Result.SUCCESS:
        drafts = len(verdict.draft_article_ids)
        done = f"All {len(jobs)} jobs completed" if len(jobs) > 1 else "1 job completed"
        return f"{done}, {pluralize(drafts, 'draft')}" if drafts else done
    phrases = count_phrases(verdict, PROBLEM_STATES)
    if pending:
        count = len(pending) if phrases else of_all(len(pending), verdict)
        phrases.append(f"{count} {_pending_phrase(verdict)}")
    return ", ".join(phrases)


def message(verdict: Verdict) -> str:
    """Return the output `message`: one line that says what happened, with counts and time."""
    if not verdict.jobs and verdict.error is None:
        return "There were no job IDs, so there was nothing to wait for."
    error = [] if verdict.error is None else [verdict.names.fill_in(verdict.error.template)]
    counts = [_counts(verdict)] if verdict.jobs else []
    articles = [article_counts(verdict)] if verdict.result is Result.SUCCESS else []
    return escape_control(" ".join([*error, *counts, *articles, *_drafts(verdict)]))


def article_counts(verdict: Verdict) -> str:
    """Return how many articles the completed jobs made, and how many jobs made none."""
    without = sum(job.article_id is None for job in verdict.in_state(JobState.COMPLETED))
    none = f", {pluralize(without, 'job')} without an article" if without else ""
    return f"{pluralize(len(verdict.article_ids), 'article')} created or updated{none}."


def advice(verdict: Verdict) -> str:
    """Return what to do next; empty if there is nothing to do, or if the message already says it."""
    if verdict.error is not None and verdict.result is not Result.CANCELLED:
        return ""
    return verdict.names.fill_in(" ".join(_advice(verdict)))


def errors(verdict: Verdict) -> list[tuple[str, str]]:
    """Return title and text of each error of a gate that did not pass: for the first problem jobs, then the result.

    If the gate could not decide, the jobs are not the reason and have no errors of their own.
    """
    problems = problem_jobs(verdict)[:MAX_JOB_ERRORS] if verdict.error is None else []
    result = f"Fini gate: {title(verdict)}", _message_and_advice(verdict)
    return [*((f"Fini job {state_phrase(job.state)}", describe_job(job)) for job in problems), result]


def closing_line(verdict: Verdict) -> str:
    """Return the last line of the log: what happened, and what to do if the gate did not pass."""
    text = message(verdict) if verdict.result is Result.SUCCESS else _message_and_advice(verdict)
    return f"{RESULT_ICONS[verdict.result]} {text}"


def problem_jobs(verdict: Verdict) -> list[Job]:
    """Return the jobs that need attention, worst first."""
    return [job for state in PROBLEM_STATES for job in verdict.in_state(state)]


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


def dropped_outputs_warning(dropped: Sequence[str], results_file: str, names: Names) -> str:
    """Return the warning about outputs that were left empty."""
    set_file = f"Set {names.name_of('results-file')} to get them"
    where = f"The results file {results_file} contains them" if results_file else set_file
    return f"The outputs are too large for GitHub, so these are left empty: {', '.join(dropped)}. {where}."


def file_warning(path: str, error: OSError | ValueError) -> str:
    """Return the warning about an output file that could not be written."""
    return f"The file {path} could not be written ({reason_of(error)}). The result is not affected."


def _message_and_advice(verdict: Verdict) -> str:
    return " ".join(filter(None, [message(verdict), advice(verdict)]))


def _counts(verdict: Verdict) -> str:
    """Return how the jobs ended, and after how long."""
    pending, limit = len(verdict.in_state(JobState.PENDING)), verdict.limit
    if limit is None or not pending:
        phrases = count_phrases(verdict, (*PROBLEM_STATES, JobState.COMPLETED, JobState.PENDING))
        return f"{', '.join(phrases)} after {format_duration(verdict.elapsed_seconds)}."
    phrases = count_phrases(verdict, (*PROBLEM_STATES, JobState.COMPLETED))
    ended = ", ".join(phrases) or f"{of_all(0, verdict)} completed"
    counts = f"{ended}; {pending} {'was' if pending == 1 else 'were'} still pending {_when(limit)}."
    if limit.incomplete_reason is not None:
        counts += f" The last poll was incomplete: {limit.incomplete_reason}."
    return counts


def _when(limit: Limit) -> str:
    """Return when the gate stopped waiting."""
    seconds = format_duration(limit.seconds)
    if limit.input_name == "stall-timeout":
        return f"after {seconds} without a change (stall-timeout)"
    if not limit.seconds:
        return "when polled once (timeout 0)"
    return f"after {seconds} (timeout)"


def _pending_phrase(verdict: Verdict) -> str:
    """Return what became of the pending jobs, for the title."""
    match verdict.limit:
        case Limit(input_name="timeout", seconds=seconds) if seconds:
            return "timed out"
        case Limit(input_name="stall-timeout"):
            return "stalled"
        case _:
            return "still pending"


def _drafts(verdict: Verdict) -> Iterator[str]:
    """Yield how many of the articles that were looked up are drafts, if any is."""
    if drafts := len(verdict.draft_article_ids):
        known = pluralize(len({job.article_id for job in verdict.jobs if job.article_is_draft is not None}), "article")
        yield f"{drafts} of {known} {'is a draft' if drafts == 1 else 'are drafts'}."


def _advice(verdict: Verdict) -> Iterator[str]:
    failed = verdict.in_state(JobState.FAILED)
    if any(job.has_failed_in_fini for job in failed):
        is_listed = verdict.failed_document_ids and verdict.names.has_outputs
        again = "; failed-document-ids lists their sources" if is_listed else ""
        yield f"Fix the cause and queue the failed jobs again{again}."
    if any(job.lacks_article for job in failed):
        yield "For jobs without an article, check their sources, or set «require-articles» to false."
    if any(job.article_is_draft for job in failed):
        yield f"Publish the drafts {_WHERE_TO_PUBLISH}, then run the gate again."
    if any(not (job.has_failed_in_fini or job.lacks_article or job.article_is_draft) for job in failed):
        yield "For articles that the API does not return, check in Fini whether they still exist."
    if verdict.in_state(JobState.MISSING):
        yield (
            "For missing jobs, check the IDs, «api-url», and that the API key belongs to the workspace that queued"
            " them."
        )
    if verdict.in_state(JobState.UNREADABLE):
        yield "For unreadable jobs, run another gate later or contact Fini's support."
    if verdict.in_state(JobState.PENDING):
        again = "pass pending-job-ids to another gate" if verdict.names.has_outputs else "run the gate again"
        raise_limit = f" or raise «{verdict.limit.input_name}»" if verdict.limit is not None else ""
        yield f"To keep waiting, {again}{raise_limit}."
    if verdict.result is Result.SUCCESS and verdict.draft_article_ids:
        yield f"Drafts are not live: publish them {_WHERE_TO_PUBLISH}, or queue the jobs with isDraft set to false."
