import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import CancelledError, OutageError, UsageError
from fini_gate.models import Job
from fini_gate.output import messages
from fini_gate.output.messages import advice, describe_job, errors, message
from tests.unit.verdicts import COMPLETED, FAILED, MISSING, QUEUED, UNREADABLE, many, verdict


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


def test_advice__needs_something_to_do() -> None:
    """A gate that was cancelled once every job had completed has nothing left to wait for."""
    assert "pending-job-ids" in advice(verdict(COMPLETED, QUEUED, error=CancelledError(15)))
    assert advice(verdict(COMPLETED, error=CancelledError(15))) == ""


def test_warnings__say_what_is_known() -> None:
    """Outputs without a results file, and a problem without an error number, have words of their own."""
    assert "left empty: a, b. Set results-file to get them." in messages.dropped_outputs_warning(["a", "b"], "")
    assert "looked up: titles (x); reasons (y). The" in messages.missing_details_line(["titles (x)", "reasons (y)"])
    assert "r.json could not be written (x)" in messages.results_file_warning("r.json", ValueError("x"))


@given(st.text(), st.text())
def test_texts__are_one_line_each(words: str, reason: str) -> None:
    """Whatever an error or a reason says, the message is one printable line and each job has one line."""
    job = FAILED._replace(reason=reason)
    for error in (UsageError(words), OutageError(words)):
        for found in (verdict(error=error), verdict(job, error=error)):
            assert message(found).isprintable()
            assert messages.closing_line(found).endswith(message(found))
    assert len(messages.attention_lines(verdict(job, COMPLETED, QUEUED))) == 2
