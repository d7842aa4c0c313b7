from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import GateError, OutageError, UsageError
from fini_gate.models import Job
from fini_gate.output import messages
from fini_gate.output.messages import advice, describe_job, errors, message
from fini_gate.verdict import Limit, Verdict
from tests.unit.verdicts import ALL, COMPLETED, ERRORS, FAILED, MISSING, QUEUED, STALL, UNREADABLE, many, verdict

PENDING = "0 of 1 job completed, 1 pending, after 1m5s."
KEEP_WAITING = "To keep waiting, pass pending-job-ids to another gate"


@pytest.mark.parametrize(
    ("found", "expected", "to_do"),
    [
        (
            verdict(UNREADABLE),
            "The API failed to return the status of some jobs: 0 of 1 job completed, 1 unreadable, after 1m5s.",
            "For unreadable jobs, run another gate later or contact Fini's support.",
        ),
        (
            verdict(QUEUED, limit=replace(STALL, incomplete_reason="HTTP 502")),
            f"No job changed for 1m30s (stall-timeout): {PENDING} The last poll was incomplete: HTTP 502.",
            f"{KEEP_WAITING} or raise stall-timeout.",
        ),
        (
            verdict(QUEUED, limit=Limit("timeout", 0)),
            f"Not all jobs had finished when polled once (timeout 0): {PENDING}",
            f"{KEEP_WAITING} or raise timeout.",
        ),
        (verdict(QUEUED, error=ERRORS["cancelled"]), f"Cancelled by SIGTERM. {PENDING}", f"{KEEP_WAITING}."),
        *((verdict(error=error), str(error), "") for name, error in ERRORS.items() if name != "cancelled"),
    ],
)
def test_message__says_what_happened_and_the_advice_what_to_do(found: Verdict, expected: str, to_do: str) -> None:
    """What the golden files do not show: the other limits, and errors before there are jobs."""
    assert message(found) == expected
    assert advice(found) == to_do


@pytest.mark.parametrize("kind", [FAILED, MISSING, UNREADABLE])
def test_errors__end_with_the_advice_however_long_the_texts_are(kind: Job) -> None:
    """The longest IDs, sources and reasons leave the advice within what an annotation shows."""
    jobs = many(kind._replace(id="i" * 190, document_id="d" * 5000, reason="r" * 5000), 10)
    (_, text), *of_jobs = errors(verdict(*jobs))
    assert len(text) <= 4096
    assert f"{describe_job(jobs[0])[:400]}; job" in text
    assert "; and 5 more. " in text
    assert text.endswith(advice(verdict(*jobs)))
    assert len(of_jobs) == 9
    assert "more" not in errors(verdict(*jobs[:5]))[0][1]


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_errors__are_one_if_the_jobs_are_not_the_reason(error: GateError) -> None:
    """A gate that could not decide has one error, which describes the problems, but none for single jobs."""
    ((_, text),) = errors(verdict(*ALL, error=error))
    assert text.startswith(str(error))
    assert describe_job(FAILED) in text


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (describe_job, [Job(id="a")], "job a is pending"),
        (messages.unknown_status_warning, [Job(id="a", status="")], "Job a has no status, which fini-gate does not"),
        (messages.dropped_outputs_warning, [["a", "b"], ""], "left empty: a, b. Set results-file to get them."),
        (
            messages.results_file_warning,
            ["r.json", ValueError("x")],
            "The results file r.json could not be written (x)",
        ),
    ],
)
def test_texts__leave_out_what_is_not_known(function: Callable[..., str], arguments: list[Any], expected: str) -> None:
    """A job without a reason, a job without a status, and outputs without a results file have words of their own."""
    assert expected in function(*arguments)


@given(st.text(), st.text())
def test_texts__are_one_line_each(words: str, reason: str) -> None:
    """Whatever an error or a reason says, the message is one printable line and each job has one line."""
    job = FAILED._replace(reason=reason)
    for error in (UsageError(words), OutageError(words)):
        for found in (verdict(error=error), verdict(job, error=error)):
            assert message(found).isprintable()
            assert messages.closing_line(found).endswith(message(found))
    assert len(messages.attention_lines(verdict(job, COMPLETED, QUEUED))) == 2
