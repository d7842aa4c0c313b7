import re
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import GateError
from fini_gate.escaping import escape_control
from fini_gate.models import Job, JobState
from fini_gate.output.jobs import describe_job
from fini_gate.output.junit import junit_xml
from fini_gate.output.messages import message
from fini_gate.verdict import Limit, Result, Verdict
from tests.formats import Case, read_junit
from tests.unit.verdicts import (
    COMPLETED,
    ERRORS,
    FAILED,
    MISSING,
    NO_ARTICLE,
    QUEUED,
    RUNNING,
    UNREADABLE,
    at,
    many,
    verdict,
)

STARTED_AT = datetime(2026, 6, 11, 12, 0, 0, 999_999, tzinfo=UTC)
# XML 1.0, section 2.2, spelled as what is forbidden; a surrogate is always a lone one.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
HOSTILE_TEXT = st.text() | st.text("a \r\n\t\x00\x1b\x7f\x85\u2028\ud800\ufffe\uffff&<>\"']]>#[(2)é😀")


def _document(found: Verdict, started_at: datetime = STARTED_AT) -> str:
    return "".join(junit_xml(found, started_at=started_at))


def _cases(found: Verdict) -> list[Case]:
    return read_junit(_document(found).encode())


def test_document__is_what_every_ci_reads() -> None:
    """One suite with counts and times, one case per job in the order of the job IDs."""
    failed = FAILED._replace(reason='no "text" in <a & b>')
    assert (
        _document(verdict(COMPLETED, failed, MISSING, QUEUED, UNREADABLE))
        == """\
<?xml version="1.0" encoding="utf-8"?>
<testsuites>
<testsuite name="fini-gate" tests="5" failures="2" errors="2" skipped="0" time="65.000" timestamp="2026-06-11T12:00:00">
<testcase classname="fini-gate" name="done" time="3.000"/>
<testcase classname="fini-gate" name="bad" time="3.000">\
<failure type="failed" message='job bad (source doc-2) failed: no "text" in &lt;a &amp; b&gt;'>\
no "text" in &lt;a &amp; b&gt;</failure></testcase>
<testcase classname="fini-gate" name="gone" time="0">\
<failure type="missing" message="job gone is missing: the API does not know the ID (404)">\
the API does not know the ID (404)</failure></testcase>
<testcase classname="fini-gate" name="new" time="0">\
<error type="pending" message="job new is still pending: PENDING">PENDING</error></testcase>
<testcase classname="fini-gate" name="dark" time="0">\
<error type="unreadable" message="job dark is unreadable: HTTP 500">HTTP 500</error></testcase>
</testsuite>
</testsuites>
"""
    )


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (FAILED, "no text"),
        (FAILED._replace(reason=None), "FAILED"),
        (RUNNING, "IN_PROGRESS"),
        (Job("a"), "is still pending"),
        (Job("a", status=""), "is still pending"),
        (MISSING._replace(reason=None), "is missing"),
        (UNREADABLE._replace(reason=None), "is unreadable"),
        (FAILED._replace(reason="two\nlines\r\n\tand\x00\x1b[31m \ud800\ufffe"), "two\nlines\n\tand��[31m ��"),
        (FAILED._replace(reason="##[error]<b>]]>&amp;"), "##[error]<b>]]>&amp;"),
    ],
)
def test_case__gives_the_reason(job: Job, text: str) -> None:
    """The text is the reason, else the status, else the state in words; the message is the job in one line."""
    (case,) = _cases(verdict(job))
    assert (case.type, case.message, case.text) == (job.state, escape_control(describe_job(job)), text)


@pytest.mark.parametrize(
    ("job", "seconds"),
    [
        (COMPLETED, 3),
        (COMPLETED._replace(started_at=at(1), completed_at=at(1.0004)), 0),
        (COMPLETED._replace(started_at=at(1), completed_at=at(1.0016)), 0.001),
        (FAILED._replace(started_at=at(0), completed_at=at(3599.5)), 3599.5),
        (COMPLETED._replace(started_at=None), 0),
        (COMPLETED._replace(completed_at="soon"), 0),
        (COMPLETED._replace(started_at=at(5), completed_at=at(4)), 0),
        (RUNNING, 0),
    ],
)
def test_case__says_how_long_the_job_ran(job: Job, seconds: float) -> None:
    """From its start to its end by the API's own times; 0 where they are unknown or absurd."""
    (case,) = _cases(verdict(job))
    assert case.seconds == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        (["a", "b", "A"], ["a", "b", "A"]),
        (["a", "a (1)"], ["a", "a (1)"]),
        (["a", "a", "a"], ["a", "a (2)", "a (3)"]),
        (["a", "a", "a (2)"], ["a", "a (3)", "a (2)"]),
        (["a (2)", "a", "a", "a (2)"], ["a (2)", "a", "a (3)", "a (2) (2)"]),
        (["\ud800", "\ud801", "\ufffd"], ["�", "� (2)", "� (3)"]),
        (["\x01 <é>'\"", "\x02 <é>'\""], ["� <é>'\"", "� <é>'\" (2)"]),
        ([" a ", "a\tb\nc\rd"], [" a ", "a\tb\nc\rd"]),
    ],
)
def test_names__are_the_job_ids_and_unique(ids: list[str], names: list[str]) -> None:
    """A name that comes again gets a number, but never one that makes it another job's name."""
    assert [case.name for case in _cases(verdict(*(COMPLETED._replace(id=each) for each in ids)))] == names


def test_names__of_very_many_equal_jobs_are_numbered_in_a_moment() -> None:
    """Numbering does not start over for each job."""
    (*_, last) = _cases(verdict(*(Job(chr(0xD800 + number % 2048)) for number in range(20_000))))
    assert last.name == "� (20000)"


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("jobs", [(), (COMPLETED,), (COMPLETED, COMPLETED._replace(id="error"))])
def test_document__is_red_if_the_gate_could_not_decide(error: GateError, jobs: tuple[Job, ...]) -> None:
    """If no job is to blame, one error says what happened, under the name of the result."""
    found = verdict(*jobs, error=error)
    *green, red = _cases(found)
    assert [case.name for case in green] == [job.id for job in jobs]
    assert not any(case.kind for case in green)
    name = str(found.result)
    expected_name = f"{name} (2)" if any(job.id == name for job in jobs) else name
    assert red == Case(expected_name, 0, "error", name, message(found), message(found))


@pytest.mark.parametrize("job", [FAILED, MISSING, QUEUED, UNREADABLE])
@pytest.mark.parametrize("error", [None, *ERRORS.values()])
def test_document__blames_only_jobs_where_it_can(job: Job, error: GateError | None) -> None:
    """A job that is red is enough, so the number of test cases is the number of jobs."""
    limit = Limit("timeout", 65) if error is None else None
    assert [case.name for case in _cases(verdict(COMPLETED, job, error=error, limit=limit))] == ["done", job.id]


def test_document__of_a_success_without_jobs_has_no_case() -> None:
    """Where if-no-jobs allows it, nothing is green and nothing is red."""
    assert _cases(verdict()) == []


@pytest.mark.parametrize(
    "zone", [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11)), None], ids=str
)
def test_timestamp__is_utc_to_the_second(zone: timezone | None) -> None:
    """Whatever the zone of the start, the file says UTC, and without a zone, as schemas want it."""
    started_at = STARTED_AT.astimezone(zone)
    document = _document(verdict(), started_at if zone else started_at.replace(tzinfo=None))
    assert re.findall(r'timestamp="(.*?)"', document) == ["2026-06-11T12:00:00"]


JOBS = st.builds(
    Job,
    id=HOSTILE_TEXT,
    document_id=st.none() | HOSTILE_TEXT,
    state=st.sampled_from(JobState),
    status=st.none() | HOSTILE_TEXT,
    started_at=st.none() | HOSTILE_TEXT | st.floats(0, 3599).map(at),
    completed_at=st.none() | HOSTILE_TEXT | st.floats(0, 3599).map(at),
    reason=st.none() | HOSTILE_TEXT,
)


@given(st.lists(JOBS, max_size=5), st.none() | st.sampled_from(list(ERRORS.values())))
def test_document__of_any_jobs_reads_back(jobs: list[Job], error: GateError | None) -> None:
    """Whatever the texts, every job is a case of its own, in order, and every result but a success is red."""
    found = verdict(*jobs, error=error)
    cases = _cases(found)
    assert any(case.kind for case in cases) == (found.result is not Result.SUCCESS)
    for case, job in zip(cases, jobs, strict=False):
        assert case.name.startswith(FORBIDDEN.sub("\ufffd", job.id))
        assert (case.type or "completed") == job.state
        if case.text is not None:
            text = FORBIDDEN.sub("\ufffd", job.reason or job.status or case.text)
            assert case.text == text.replace("\r\n", "\n").replace("\r", "\n")
            assert case.message is not None
            assert case.message.isprintable()
    assert len(cases) - len(jobs) in {0, 1}


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_document__is_written_in_pieces(count: int) -> None:
    """However many jobs there are, no piece holds more than a hundred."""
    pieces = list(junit_xml(verdict(*many(NO_ARTICLE, count)), started_at=STARTED_AT))
    assert max(piece.count("<testcase") for piece in pieces) == min(count, 100)
    root = ET.fromstring("".join(pieces))  # noqa: S314 - the gate wrote it
    assert [case.get("name") for case in root.iter("testcase")] == [f"nothing-{number}" for number in range(count)]


def test_document__of_very_many_jobs_takes_little_memory() -> None:
    """The document is never in memory as a whole: here it takes 12 MB."""
    found = verdict(*many(FAILED._replace(reason="x" * 500), 10_000))
    tracemalloc.start()
    try:
        size = sum(map(len, junit_xml(found, started_at=STARTED_AT)))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 11_000_000
    assert peak_bytes < size / 4


def test_document__in_a_log_is_no_command() -> None:
    """Whoever prints the file prints nothing that a CI obeys, and readers get the text as it was."""
    text = "##vso[x] #1\n  ::error::y ###[z]"
    (case,) = _cases(verdict(FAILED._replace(id="##[a]", reason=text)))
    assert (case.name, case.text) == ("##[a]", text)
    document = _document(verdict(FAILED._replace(id="##[a]", reason=text)))
    assert "##" not in document
    assert not re.search(r"(?m)^\s*::", document)
