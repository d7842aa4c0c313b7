"""The JUnit file: each job as a test case, for a CI's test report. Pure."""

import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from fini_gate.escaping import escape_control
from fini_gate.models import Job, JobState
from fini_gate.output.jobs import describe_job, state_phrase
from fini_gate.output.messages import message
from fini_gate.output.summary.timing import job_timings
from fini_gate.verdict import Result, Verdict

SUITE_NAME: Final = "fini-gate"
# The element that says what is wrong with a job. A completed job has none.
_ELEMENT_BY_STATE: Final = {
    JobState.FAILED: "failure",
    JobState.MISSING: "failure",
    JobState.PENDING: "error",
    JobState.UNREADABLE: "error",
}
# In a single text, the document would take more memory than all jobs.
_JOBS_PER_PIECE: Final = 100
# What no XML 1.0 document may contain, not even escaped.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Problem(NamedTuple):
    """Why a test case is red."""

    element: str
    type: str
    message: str
    """What happened, in one line."""
    text: str
    """Why it happened."""


def junit_xml(verdict: Verdict, *, started_at: datetime) -> Iterator[str]:
    """Yield the document piece by piece."""
    problem = _result_problem(verdict)
    names = [job.id for job in verdict.jobs]
    if problem is not None:
        names.append(str(verdict.result))
    unique_names = iter(_unique([_replace_forbidden(name) for name in names]))
    buffer = io.StringIO()
    xml = XMLGenerator(buffer, encoding="utf-8", short_empty_elements=True)
    xml.startDocument()
    _start(xml, "testsuites")
    _start(xml, "testsuite", **_suite_attributes(verdict, problem, started_at))
    for start in range(0, len(verdict.jobs), _JOBS_PER_PIECE):
        for timing in job_timings(verdict.jobs[start : start + _JOBS_PER_PIECE]):
            _write_case(xml, next(unique_names), timing.ran_seconds, _job_problem(timing.job))
        yield _take(buffer)
    if problem is not None:
        _write_case(xml, next(unique_names), None, problem)
    _end(xml, "testsuite")
    _end(xml, "testsuites")
    yield _take(buffer)


def _job_problem(job: Job) -> _Problem | None:
    if job.state is JobState.COMPLETED:
        return None
    reason = job.reason or job.status or state_phrase(job.state)
    return _Problem(_ELEMENT_BY_STATE[job.state], str(job.state), escape_control(describe_job(job)), reason)


def _result_problem(verdict: Verdict) -> _Problem | None:
    """Return an extra problem if no job has one, so that every result but success shows as an error."""
    if verdict.result is Result.SUCCESS or any(verdict.in_state(state) for state in _ELEMENT_BY_STATE):
        return None
    return _Problem("error", str(verdict.result), message(verdict), message(verdict))


def _suite_attributes(verdict: Verdict, problem: _Problem | None, started_at: datetime) -> dict[str, str]:
    counts = {"failure": 0, "error": 1 if problem else 0}
    for state, element in _ELEMENT_BY_STATE.items():
        counts[element] += len(verdict.in_state(state))
    return {
        "name": SUITE_NAME,
        "tests": str(len(verdict.jobs) + (1 if problem else 0)),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "skipped": "0",
        "time": f"{verdict.elapsed_seconds:.3f}",
        # Some schemas allow no time zone here.
        "timestamp": started_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds"),
    }


def _write_case(xml: XMLGenerator, name: str, ran_seconds: float | None, problem: _Problem | None) -> None:
    time = "0" if ran_seconds is None else f"{ran_seconds:.3f}"
    attributes = AttributesImpl({"classname": SUITE_NAME, "name": name, "time": time})
    xml.startElement("testcase", attributes)
    if problem is not None:
        xml.startElement(problem.element, AttributesImpl({"type": problem.type, "message": problem.message}))
        xml.characters(_replace_forbidden(problem.text))
        xml.endElement(problem.element)
    _end(xml, "testcase")


def _start(xml: XMLGenerator, element: str, **attributes: str) -> None:
    xml.startElement(element, AttributesImpl(attributes))
    xml.ignorableWhitespace("\n")


def _end(xml: XMLGenerator, element: str) -> None:
    xml.endElement(element)
    xml.ignorableWhitespace("\n")


def _take(buffer: io.StringIO) -> str:
    """Return what has been written, and empty the buffer."""
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _replace_forbidden(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names, with a number added to each repeated one. GitLab drops duplicates."""
    taken, numbers, unique = set(names), dict[str, int](), list[str]()
    for name in names:
        number = numbers.get(name, 0) + 1
        while number > 1 and f"{name} ({number})" in taken:
            number += 1
        numbers[name] = number
        unique.append(f"{name} ({number})" if number > 1 else name)
    return unique
