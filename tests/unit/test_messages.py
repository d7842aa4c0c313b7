from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import OutageError, UsageError
from fini_gate.models import Job
from fini_gate.output.messages import (
    advice,
    attention_lines,
    closing_line,
    counts_text,
    describe_job,
    dropped_outputs_warning,
    errors,
    message,
    notices,
    results_file_warning,
    title,
    unknown_status_warning,
)
from fini_gate.verdict import Limit, Verdict
from tests.unit import verdicts
from tests.unit.verdicts import COMPLETED, ERRORS, FAILED, MISSING, QUEUED, STALL, TIMEOUT, UNREADABLE, many, verdict

PENDING = "0 of 1 job completed, 1 pending, after"
KEEP_WAITING = "To keep waiting, pass pending-job-ids to another gate"


@pytest.mark.parametrize(
    ("found", "headline", "expected", "to_do"),
    [
        (
            verdict(COMPLETED),
            "All jobs completed",
            "1 article created or updated: 1 of 1 job completed, after 1m5s.",
            "",
        ),
        (
            verdict(UNREADABLE),
            "No verdict",
            "The API failed to return the status of some jobs: 0 of 1 job completed, 1 unreadable, after 1m5s.",
            "For unreadable jobs, run another gate later or contact Fini's support.",
        ),
        (
            verdict(QUEUED, limit=TIMEOUT, elapsed_seconds=1800),
            "Timed out",
            f"Not all jobs finished within 30m (timeout): {PENDING} 30m.",
            f"{KEEP_WAITING} or raise timeout.",
        ),
        (
            verdict(QUEUED, limit=replace(STALL, incomplete_reason="HTTP 502"), elapsed_seconds=95.5),
            "Timed out",
            f"No job changed for 1m30s (stall-timeout): {PENDING} 1m36s. The last poll was incomplete: HTTP 502.",
            f"{KEEP_WAITING} or raise stall-timeout.",
        ),
        (
            verdict(QUEUED, limit=Limit("timeout", 0), elapsed_seconds=0.2),
            "Timed out",
            f"Not all jobs had finished when polled once (timeout 0): {PENDING} 0.2s.",
            f"{KEEP_WAITING} or raise timeout.",
        ),
        (
            verdict(QUEUED, error=ERRORS["cancelled"]),
            "Cancelled",
            f"Cancelled by SIGTERM. {PENDING} 1m5s.",
            f"{KEEP_WAITING}.",
        ),
        (verdict(error=ERRORS["usage"]), "Invalid input", str(ERRORS["usage"]), ""),
        (
            verdict(FAILED, error=ERRORS["internal"]),
            "No verdict",
            "fini-gate itself failed. 0 of 1 job completed, 1 failed, after 1m5s.",
            "",
        ),
    ],
)
def test_verdict__is_put_in_words(found: Verdict, headline: str, expected: str, to_do: str) -> None:
    """The title names the result, the message says what happened with counts and time, the advice what to do."""
    assert title(found) == headline
    assert message(found) == expected
    assert advice(found) == to_do


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_error__before_there_are_jobs_is_the_whole_message(error: Exception) -> None:
    """An error before the job IDs were read does not claim that there were none."""
    assert message(verdict(error=error)) == str(error)  # type: ignore[arg-type] # each is a GateError


@pytest.mark.parametrize("kind", [FAILED, MISSING, UNREADABLE])
def test_errors__end_with_the_advice_however_long_the_texts_are(kind: Job) -> None:
    """The longest IDs, sources and reasons leave the advice within what an annotation shows."""
    job = kind._replace(id="i" * 190, document_id="d" * 5000, reason="r" * 5000)
    found = verdict(*many(job, 10))
    (_, text), *of_jobs = errors(found)
    assert len(text) <= 4096
    assert "; and 5 more. " in text
    assert text.endswith(advice(found))
    assert f"{describe_job(many(job, 1)[0])[:400]}; job" in text
    assert len(of_jobs) == 9


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_errors__are_one_if_the_jobs_are_not_the_reason(error: Exception) -> None:
    """A gate that could not decide has one error, with the problems but without errors for jobs."""
    ((_, text),) = errors(verdict(*verdicts.ALL, error=error))  # type: ignore[arg-type] # each is a GateError
    assert text.startswith(str(error))
    assert describe_job(FAILED) in text


def test_errors__name_no_pending_job() -> None:
    """Pending jobs are only counted: the log and the outputs name them."""
    assert QUEUED.id not in str(errors(verdict(QUEUED, limit=TIMEOUT)))


@pytest.mark.parametrize(("jobs", "count"), [((), 0), ((COMPLETED,), 1), ((FAILED,), 0)])
def test_notices__are_for_successes_with_jobs(jobs: tuple[Job, ...], count: int) -> None:
    """A success with jobs has one notice, anything else none; and a success has no error."""
    assert len(notices(verdict(*jobs))) == count
    assert bool(errors(verdict(*jobs))) is (FAILED in jobs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (describe_job(Job(id="a")), "job a is pending"),
        (describe_job(Job(id="a", status="X")), "job a is pending: X"),
        (counts_text([FAILED, *many(COMPLETED, 2)]), "2 of 3 jobs completed, 1 failed"),
        (
            unknown_status_warning(Job(id="a", status="")).partition(":")[0],
            "Job a has no status, which fini-gate does not recognize",
        ),
        (
            dropped_outputs_warning(["a", "b"], "r.json").partition(": ")[2],
            "a, b. The results file r.json contains them.",
        ),
        (
            dropped_outputs_warning(["a"], ""),
            "The outputs exceed GitHub's size limit, so these are left empty: a. Set results-file to get them.",
        ),
        (
            results_file_warning("r.json", OSError(28, "No space left on device")),
            "The results file r.json could not be written (No space left on device): use the outputs instead.",
        ),
        (
            results_file_warning("r.json", ValueError("outside the workspace")),
            "The results file r.json could not be written (outside the workspace): use the outputs instead.",
        ),
    ],
)
def test_texts__say_what_there_is_to_say(text: str, expected: str) -> None:
    """Jobs, counts and warnings have the same words everywhere."""
    assert text == expected


@given(st.text(), st.text())
def test_texts__are_one_line_each(words: str, reason: str) -> None:
    """Whatever an error or a reason says, the message is one printable line and each job has one line."""
    job = FAILED._replace(reason=reason)
    for error in (UsageError(words), OutageError(words)):
        for found in (verdict(error=error), verdict(job, error=error)):
            assert message(found).isprintable()
            assert closing_line(found).endswith(message(found))
    assert len(attention_lines(verdict(job, COMPLETED, QUEUED))) == 2
