"""A verdict in words and data: log lines, outputs, results document. Pure strings and dicts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from fini_gate.errors import UsageError
from fini_gate.escaping import escape_control
from fini_gate.inputs import Inputs, format_duration
from fini_gate.models import Job, JobState
from fini_gate.verdict import Limit, Result, Verdict

# All outputs together: GitHub allows 1 MB a job, counted in units of UTF-16, and others want their share.
MAX_OUTPUTS_UTF16_UNITS: Final = 450_000
# Left empty, in this order, until the rest fits.
DROPPABLE_OUTPUTS: Final = (
    "completed-job-ids",
    "articles-by-job",
    "article-ids-lines",
    "pending-job-ids",
    "missing-job-ids",
    "unreadable-job-ids",
    "failed-job-ids",
    "article-ids",
)
RESULTS_VERSION: Final = 1

# GitHub shows ten annotations of a kind in a step; one of them is the ending's own.
MAX_JOB_ERRORS: Final = 9
PROBLEM_STATES: Final = (JobState.FAILED, JobState.MISSING, JobState.UNREADABLE)
MAX_LISTED_JOBS: Final = 20
_NAMED_IN_AN_ERROR: Final = 5
_TOLD_CHARACTERS: Final = 400
_TITLES: Final = {
    Result.SUCCESS: "All jobs completed",
    Result.FAILURE: "Not all jobs completed",
    Result.TIMED_OUT: "Timed out",
    Result.ERROR: "No verdict",
    Result.CANCELLED: "Cancelled",
}
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


def title(verdict: Verdict) -> str:
    """The ending in a few words."""
    return "Wrong input" if isinstance(verdict.error, UsageError) else _TITLES[verdict.result]


def message(verdict: Verdict) -> str:
    """The output `message`: one line for people that says what happened, with counts and time."""
    if verdict.error is not None and not verdict.jobs:
        return escape_control(str(verdict.error))
    if not verdict.jobs:
        return "There were no job IDs, so there was nothing to wait for."
    sentences = [
        *_what_happened(verdict),
        f"{counts_text(verdict.jobs)}, after {format_duration(verdict.elapsed_seconds)}.",
    ]
    if verdict.limit is not None and verdict.limit.incomplete_reason is not None:
        sentences.append(f"The last look was not answered in full: {verdict.limit.incomplete_reason}.")
    return escape_control(" ".join(sentences))


def advice(verdict: Verdict) -> str:
    """What to do next; empty where there is nothing to do, and where the message says it."""
    if verdict.error is not None and verdict.result is not Result.CANCELLED:
        return ""
    parts = []
    if verdict.in_state(JobState.FAILED):
        parts.append("Queue the failed jobs again once their cause is removed.")
    if verdict.in_state(JobState.MISSING):
        parts.append("For missing ones check the IDs, that the key is of the workspace that queued them, and api-url.")
    if verdict.in_state(JobState.UNREADABLE):
        parts.append("For unreadable ones ask Fini's support, or gate on them again later.")
    if verdict.result in {Result.TIMED_OUT, Result.CANCELLED}:
        parts.append("To go on waiting, hand pending-job-ids to another gate" + _or_raise(verdict))
    return " ".join(parts)


def error_text(verdict: Verdict) -> str:
    """The one `::error` of an ending: what happened, to which jobs, and what to do."""
    concerned = problem_jobs(verdict)
    # Cut, so that the advice behind them is within what GitHub shows.
    named = "; ".join(escape_control(describe_job(job))[:_TOLD_CHARACTERS] for job in concerned[:_NAMED_IN_AN_ERROR])
    more = f"; and {len(concerned) - _NAMED_IN_AN_ERROR} more" * (len(concerned) > _NAMED_IN_AN_ERROR)
    return " ".join(filter(None, (message(verdict), f"{named}{more}." if named else "", advice(verdict))))


def job_errors(verdict: Verdict) -> list[tuple[str, str]]:
    """Title and text of an `::error` for each of the first jobs that need attention, where the jobs were the reason."""
    if verdict.error is not None:
        return []
    return [
        (f"Job {job.id} {state_phrase(job.state)}", describe_job(job)) for job in problem_jobs(verdict)[:MAX_JOB_ERRORS]
    ]


def opening_line(jobs: Sequence[Job], inputs: Inputs, *, until: datetime) -> str:
    """The log's first line: what is waited for, and until when at most, in UTC."""
    named = ", ".join(job.id for job in jobs[:3]) + ", …" * (len(jobs) > 3)  # noqa: PLR2004 - a length for the eye
    how_long = f"until {until:%Y-%m-%d %H:%M:%S} UTC ({format_duration(inputs.timeout_seconds)}) at most"
    limit = how_long if inputs.timeout_seconds else "looking once"
    return f"Waiting for {pluralize(len(jobs), 'job')} ({named}) at {inputs.api_url}, {limit}."


def request_line(job_count: int, answer: str, seconds: float) -> str:
    """The debug log's line for a request."""
    return f"asked for {pluralize(job_count, 'job')}: {answer}, after {seconds:.3f} s"


def retry_line(problem: str, wait_seconds: float) -> str:
    """The log's line for a request that failed."""
    when = f"in {format_duration(wait_seconds)}" if wait_seconds else "at once"
    return f"        no usable answer: {problem}; trying again {when}"


def incomplete_line(problem: str) -> str:
    """The log's line for a look that was cut short."""
    return f"        not all jobs were answered for: {problem}"


def no_titles_text(problem: str) -> str:
    """The warning for articles whose titles could not be looked up."""
    return (
        f"Not all articles' titles could be looked up ({problem}): the summary shows IDs instead. The verdict stands."
    )


def unknown_status_text(job: Job) -> str:
    """The warning for a status that was never heard of."""
    return (
        f"Job {job.id} has {f'the status {job.status}' if job.status else 'no status'}, which fini-gate does not know:"
        " it waits until that changes."
        " If it is a final one, please report it."
    )


def attention_lines(verdict: Verdict) -> list[str]:
    """The log's list of all jobs that did not complete, the worst first."""
    states = (*PROBLEM_STATES, JobState.PENDING)
    return [describe_job(job) for state in states for job in verdict.in_state(state)]


def closing_line(verdict: Verdict) -> str:
    """The log's last line: how it ended."""
    return f"{RESULT_ICONS[verdict.result]} {verdict.result}: {message(verdict)}"


def outputs(verdict: Verdict, *, results_file: str) -> tuple[dict[str, str], list[str]]:
    """The step's outputs, and the names of those that had to be left empty for the rest to fit.

    Args:
        verdict: how the gate ended.
        results_file: the path as given, where the file was written, else empty.
    """
    article_ids = verdict.article_ids
    completed = verdict.in_state(JobState.COMPLETED)
    values = {
        "result": str(verdict.result),
        "message": message(verdict),
        "article-ids": _json(article_ids),
        "article-ids-lines": "\n".join(map(escape_control, article_ids)),
        "articles-by-job": _json({job.id: job.article_id for job in completed}),
        **{f"{state}-job-ids": _json([job.id for job in verdict.in_state(state)]) for state in JobState},
        "job-count": str(len(verdict.jobs)),
        **{f"{state}-count": str(len(verdict.in_state(state))) for state in JobState},
        "article-count": str(len(article_ids)),
        "elapsed-seconds": f"{verdict.elapsed_seconds:.1f}",
        "results-file": results_file,
    }
    dropped = []
    units = {name: _utf16_units(value) for name, value in values.items()}
    for name in DROPPABLE_OUTPUTS:
        if sum(units.values()) < MAX_OUTPUTS_UTF16_UNITS:
            break
        if units[name]:
            values[name], units[name] = "", 0
            dropped.append(name)
    return values, dropped


def dropped_outputs_warning(names: Sequence[str], results_file: str) -> str:
    """The warning for outputs that had to be left empty."""
    where = f"they are in {results_file} (results-file)" if results_file else "give results-file to have them in a file"
    return f"More than GitHub lets a step hand on: the outputs {', '.join(names)} are left empty; {where}."


def results_document(verdict: Verdict) -> dict[str, object]:
    """What the results file holds; null is what is not known."""
    return {
        "version": RESULTS_VERSION,
        "result": str(verdict.result),
        "message": message(verdict),
        "elapsedSeconds": round(verdict.elapsed_seconds, 1),
        "jobs": [
            {
                "id": job.id,
                "state": str(job.state),
                "jobStatus": job.status or None,
                "articleId": job.article_id,
                "articleTitle": job.article_title,
                "documentId": job.document_id,
                "createdAt": job.created_at,
                "startedAt": job.started_at,
                "completedAt": job.completed_at,
                "reason": job.reason,
            }
            for job in verdict.jobs
        ],
    }


def _what_happened(verdict: Verdict) -> list[str]:
    """What there is to say before the counts."""
    match verdict.result:
        case Result.SUCCESS:
            return [f"{pluralize(len(verdict.article_ids), 'article')} made or updated:"]
        case Result.FAILURE:
            return []
        case Result.TIMED_OUT:
            return [_which_limit(verdict.limit)]
        case Result.ERROR if verdict.error is None:
            return ["The API failed to tell the status of some jobs:"]
        case _:
            return [str(verdict.error)]


def _which_limit(limit: Limit | None) -> str:
    if limit is None or not limit.seconds:
        return "Not all jobs had ended when looked at once (timeout 0):"
    if limit.input_name == "stall-timeout":
        return f"Nothing changed for {format_duration(limit.seconds)} (stall-timeout):"
    return f"Not all jobs ended within {format_duration(limit.seconds)} (timeout):"


def _or_raise(verdict: Verdict) -> str:
    return ", or raise " + verdict.limit.input_name + "." if verdict.limit is not None else "."


def counts_text(jobs: Iterable[Job]) -> str:
    """How many jobs are in each state."""
    states = [job.state for job in jobs]
    others = (state for state in JobState if state is not JobState.COMPLETED)
    parts = [f"{states.count(state)} {state}" for state in others if state in states]
    return ", ".join([f"{states.count(JobState.COMPLETED)} of {pluralize(len(states), 'job')} completed", *parts])


def problem_jobs(verdict: Verdict) -> list[Job]:
    """Return the jobs that need attention, the worst state first."""
    return [job for state in PROBLEM_STATES for job in verdict.in_state(state)]


def state_phrase(state: JobState) -> str:
    """What a job did, or is, as a sentence goes on after its name."""
    return str(state) if state is JobState.FAILED else f"is {state}"


def describe_job(job: Job) -> str:
    """A job, its state and why, in a line."""
    source = f" (document {job.document_id})" if job.document_id else ""
    reason = job.reason or job.status
    return f"job {job.id}{source} {state_phrase(job.state)}" + (f": {reason}" if reason else "")


def pluralize(count: int, noun: str) -> str:
    """A number of things, such as `1 job` or `2 jobs`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def _json(value: Sequence[str] | Mapping[str, str | None]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _utf16_units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", errors="surrogatepass")) // 2
