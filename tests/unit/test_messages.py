from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import CancelledError, OutageError, UsageError
from fini_gate.models import Job, JobState, StatusRow
from fini_gate.names import Names
from fini_gate.output import messages
from fini_gate.output.jobs import describe_job, state_phrase
from fini_gate.output.messages import advice, errors, message, title
from fini_gate.verdict import Limit, Verdict
from tests.unit.verdicts import COMPLETED, FAILED, MISSING, NO_ARTICLE, QUEUED, UNREADABLE, many, verdict


@pytest.mark.parametrize("kind", [FAILED, MISSING, UNREADABLE])
def test_errors__are_one_for_each_of_the_first_jobs_and_one_for_the_result(kind: Job) -> None:
    """The one for the result comes last and ends with the advice."""
    jobs = many(kind, 10)
    *of_jobs, (heading, text) = errors(verdict(*jobs))
    assert of_jobs == [(f"Fini job {state_phrase(kind.state)}", describe_job(job)) for job in jobs[:9]]
    assert heading == f"Fini gate: {title(verdict(*jobs))}"
    assert text == f"{message(verdict(*jobs))} {advice(verdict(*jobs))}"


TIMEOUT, STALL, ONCE = Limit("timeout", 4), Limit("stall-timeout", 90), Limit("timeout", 0)
DRAFT = COMPLETED._replace(id="draft", article_id="article-3", article_is_draft=True)
LIVE = COMPLETED._replace(article_is_draft=False)
NOT_LIVE = DRAFT._replace(state=JobState.FAILED, reason="article article-3 is a draft")
LACKS = Job("x").updated_from(StatusRow("x", status="COMPLETED"), require_article=True)
MADE = "2 articles created or updated, 1 job without an article. 1 of 2 articles is a draft."
CANCELLED, OUTAGE = CancelledError(15), OutageError("The API is down.")


@pytest.mark.parametrize(
    ("found", "expected_title", "expected_message"),
    [
        (verdict(), "No jobs", "There were no job IDs, so there was nothing to wait for."),
        (verdict(COMPLETED), "1 job completed", "1 of 1 job completed after 1m5s. 1 article created or updated."),
        (
            verdict(LIVE, NO_ARTICLE, DRAFT),
            "All 3 jobs completed, 1 draft",
            f"3 of 3 jobs completed after 1m5s. {MADE}",
        ),
        (
            verdict(FAILED, COMPLETED, QUEUED, limit=TIMEOUT),
            "1 of 3 jobs failed, 1 timed out",
            "1 of 3 jobs failed, 1 completed; 1 was still pending after 4s (timeout).",
        ),
        (
            verdict(FAILED, MISSING, MISSING, QUEUED, QUEUED, limit=STALL),
            "1 of 5 jobs failed, 2 are missing, 2 stalled",
            "1 of 5 jobs failed, 2 are missing; 2 were still pending after 1m30s without a change (stall-timeout).",
        ),
        (
            verdict(COMPLETED, QUEUED, QUEUED, limit=ONCE),
            "2 of 3 jobs still pending",
            "1 of 3 jobs completed; 2 were still pending when polled once (timeout 0).",
        ),
        (
            verdict(QUEUED, limit=replace(TIMEOUT, incomplete_reason="HTTP 502")),
            "1 of 1 job timed out",
            "0 of 1 job completed; 1 was still pending after 4s (timeout). The last poll was incomplete: HTTP 502.",
        ),
        (
            verdict(UNREADABLE, QUEUED, limit=TIMEOUT),
            "1 of 2 jobs is unreadable, 1 timed out",
            "1 of 2 jobs is unreadable; 1 was still pending after 4s (timeout).",
        ),
        # Stopped by fail-fast.
        (
            verdict(FAILED, QUEUED),
            "1 of 2 jobs failed, 1 still pending",
            "1 of 2 jobs failed, 1 is still pending after 1m5s.",
        ),
        (
            verdict(NOT_LIVE, LIVE),
            "1 of 2 jobs failed",
            "1 of 2 jobs failed, 1 completed after 1m5s. 1 of 2 articles is a draft.",
        ),
        (
            verdict(COMPLETED, QUEUED, error=CANCELLED),
            "Cancelled: 1 of 2 jobs completed",
            "Cancelled by SIGTERM. 1 of 2 jobs completed, 1 is still pending after 1m5s.",
        ),
        (verdict(error=CANCELLED), "Cancelled", "Cancelled by SIGTERM."),
        (
            verdict(COMPLETED, QUEUED, error=OUTAGE),
            "No verdict on 1 of 2 jobs",
            "The API is down. 1 of 2 jobs completed, 1 is still pending after 1m5s.",
        ),
        (
            verdict(COMPLETED, COMPLETED, error=OUTAGE),
            "No verdict on 2 jobs",
            "The API is down. 2 of 2 jobs completed after 1m5s.",
        ),
        (verdict(error=OUTAGE), "No verdict", "The API is down."),
        (verdict(error=UsageError("Wrong.")), "Invalid input", "Wrong."),
    ],
)
def test_message__says_how_the_gate_ended(found: Verdict, expected_title: str, expected_message: str) -> None:
    """Title and message have the counts, and a limit that was reached is named whatever the result is."""
    assert (title(found), message(found)) == (expected_title, expected_message)


RETRY = "Fix the cause and queue the failed jobs again; failed-document-ids lists their sources."
PUBLISH = "under Review and Approvals in Fini"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (verdict(COMPLETED), ""),
        (verdict(COMPLETED, error=OUTAGE), ""),
        (verdict(FAILED), RETRY),
        (verdict(FAILED._replace(document_id=None)), "Fix the cause and queue the failed jobs again."),
        (
            verdict(FAILED, QUEUED, limit=TIMEOUT),
            f"{RETRY} To keep waiting, pass pending-job-ids to another gate or raise timeout.",
        ),
        (verdict(FAILED, QUEUED), f"{RETRY} To keep waiting, pass pending-job-ids to another gate."),
        (verdict(NOT_LIVE), f"Publish the drafts {PUBLISH}, then run the gate again."),
        (
            verdict(NOT_LIVE._replace(article_is_draft=None)),
            "For articles that the API does not return, check in Fini whether they still exist.",
        ),
        (
            verdict(LACKS._replace(reason=f"{LACKS.reason}; as its source says")),
            "For jobs without an article, check their sources, or set require-articles to false.",
        ),
        (verdict(LACKS), "For jobs without an article, check their sources, or set require-articles to false."),
        (
            verdict(DRAFT),
            f"Drafts are not live: publish them {PUBLISH}, or queue the jobs with isDraft set to false.",
        ),
        (
            verdict(MISSING),
            "For missing jobs, check the IDs, api-url, and that the API key belongs to the workspace that queued them.",
        ),
        (verdict(UNREADABLE), "For unreadable jobs, run another gate later or contact Fini's support."),
    ],
)
def test_advice__says_what_to_do_about_each_kind(found: Verdict, expected: str) -> None:
    """Each kind of problem has its own advice, and an error that says what to do needs none."""
    assert advice(found) == expected


def test_advice__needs_something_to_do() -> None:
    """A gate that was cancelled once every job had completed has nothing left to wait for."""
    assert "pending-job-ids" in advice(verdict(COMPLETED, QUEUED, error=CancelledError(15)))
    assert advice(verdict(COMPLETED, error=CancelledError(15))) == ""


def test_warnings__say_what_is_known() -> None:
    """Outputs without a results file, and a problem without an error number, have words of their own."""
    assert "left empty: a, b. Set --results-file to get them." in messages.dropped_outputs_warning(
        ["a", "b"], "", Names(has_options=True)
    )
    assert "looked up: titles (x); reasons (y). The" in messages.missing_details_line(["titles (x)", "reasons (y)"])
    assert "r.json could not be written (x)" in messages.file_warning("r.json", ValueError("x"))


@given(st.text(), st.text())
def test_texts__are_one_line_each(words: str, reason: str) -> None:
    """Whatever an error or a reason says, the message is one printable line."""
    job = FAILED._replace(reason=reason)
    for error in (UsageError(words), OutageError(words)):
        for found in (verdict(error=error), verdict(job, error=error)):
            assert message(found).isprintable()
            assert messages.closing_line(found).endswith(message(found))
