from collections.abc import Callable, Sequence

import pytest

from fini_gate.models import Job
from fini_gate.output.log import (
    MAX_LISTED_JOBS,
    MAX_STATUS_WARNINGS,
    ProblemLog,
    ProgressLog,
    look_up_line,
    progress_line,
    request_line,
    retry_line,
)
from fini_gate.poller import Progress
from tests.unit.verdicts import COMPLETED, FAILED, MISSING, QUEUED, RUNNING, UNREADABLE, many, verdict


class _Log:
    """A log that keeps its lines and warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.listed: list[str] = []

    def info(self, line: str) -> None:
        self.lines.append(line)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def listing(self, title: str, lines: Sequence[str]) -> None:
        assert title == "Jobs that did not complete"
        self.listed.extend(lines)


def _progress_log(log: _Log, show_line: Callable[[str], None] | None = None) -> ProgressLog:
    return ProgressLog(log, ProblemLog(log), awaits_reasons=False, show_line=show_line)


def _progress(*jobs: Job, at: float = 12, changed: tuple[Job, ...] | None = None) -> Progress:
    return Progress(jobs=jobs, changed=jobs if changed is None else changed, elapsed_seconds=at, incomplete_reason=None)


def test_report__redraws_the_line_at_every_poll_where_it_can() -> None:
    """At a terminal the progress line is redrawn, changed or not, and only the other lines are printed."""
    log, shown = _Log(), list[str]()
    progress_log = _progress_log(log, shown.append)
    progress_log.report(_progress(FAILED, QUEUED))
    progress_log.report(_progress(FAILED, QUEUED, changed=(), at=13))
    assert [line.split()[0] for line in shown] == ["12s", "13s"]
    assert log.lines == ["        job bad (source doc-2) failed: no text"]


def test_heartbeats__grow_rarer_until_a_change() -> None:
    """The time to the next heartbeat doubles up to a minute; the first one after a change comes as early as ever."""
    log = _Log()
    progress_log = _progress_log(log)
    changes = {100: (RUNNING,)}
    for at in (0, 14, 15, 44, 45, 100, 114, 115, 144, 145, 204, 205, 264, 265):
        progress_log.report(_progress(RUNNING, at=at, changed=changes.get(at, ())))
    printed_at = [line.split()[0] for line in log.lines]
    assert printed_at == ["15s", "45s", "1m40s", "1m55s", "2m25s", "3m25s", "4m25s"]


def test_statuses__that_are_unknown_are_warned_about_once_each_and_five_at_most() -> None:
    """Of many unknown statuses five are warned about, each once; known ones and finished jobs are not."""
    odd = [RUNNING._replace(id=f"odd-{number}", status=f"ODD_{number // 2}") for number in range(20)]
    log = _Log()
    progress_log = _progress_log(log)
    for _ in range(2):
        progress_log.report(_progress(COMPLETED._replace(status="ODD"), RUNNING, *odd))
    assert [text.split()[5] for text in log.warnings] == [f"ODD_{number}," for number in range(MAX_STATUS_WARNINGS)]


def test_requests__have_a_line_each() -> None:
    """The debug log shows each request, the log each retry."""
    assert request_line("job", 2, "HTTP 200", 0.1234) == "request for 2 jobs: HTTP 200 after 0.123s"
    assert look_up_line(1) == "        looking up whether 1 article is live"
    assert look_up_line(20) == "        looking up whether 20 articles are live"
    assert retry_line("HTTP 502", 2.5) == "        no usable response: HTTP 502; retrying in 2.5s"
    assert retry_line("HTTP 502", 0) == "        no usable response: HTTP 502; retrying immediately"


@pytest.mark.parametrize(
    ("jobs", "eta_seconds", "expected"),
    [
        ((COMPLETED, FAILED, RUNNING), 3.6, f" 12.4s  {'█' * 13}{'░' * 7} 2/3  1 failed  ETA 4s"),
        ((COMPLETED, QUEUED), None, f" 12.4s  {'█' * 10}{'░' * 10} 1/2  ETA unknown"),
        ((FAILED, MISSING, UNREADABLE, FAILED), None, f" 12.4s  {'█' * 20} 4/4  2 failed  1 missing  1 unreadable"),
        ((COMPLETED,), None, f" 12.4s  {'█' * 20} 1/1"),
    ],
    ids=["failed", "unknown", "finished", "completed"],
)
def test_progress__is_one_line(jobs: tuple[Job, ...], eta_seconds: float | None, expected: str) -> None:
    """It shows the time, a bar, how many jobs have finished, how many need attention, and the ETA."""
    progress = Progress(jobs=jobs, changed=(), elapsed_seconds=12.4, eta_seconds=eta_seconds, incomplete_reason=None)
    assert progress_line(progress) == expected


def test_problems__are_logged_once() -> None:
    """A job that needs attention has a line when that is known, and none at the end; pending jobs are listed there."""
    log = _Log()
    problem_log = ProblemLog(log)
    for _ in range(2):
        problem_log.log_changed([COMPLETED, FAILED, RUNNING], awaits_reasons=False)
    problem_log.log_rest(verdict(COMPLETED, FAILED, MISSING, RUNNING))
    assert log.lines == ["        job bad (source doc-2) failed: no text"]
    assert log.listed == [
        "job gone is missing: the API does not know the ID (404)",
        "job slow is still pending: IN_PROGRESS",
    ]


@pytest.mark.parametrize(
    ("job", "is_logged_later"),
    [
        (FAILED, False),
        (FAILED._replace(reason="FAILED"), True),
        (FAILED._replace(reason="FAILED", document_id=None), False),
        (MISSING._replace(document_id="doc-2"), False),
    ],
)
def test_problems__wait_for_a_reason_that_a_source_may_give(job: Job, *, is_logged_later: bool) -> None:
    """A failure that its row does not explain is logged at the end, once its source has been asked."""
    log = _Log()
    problem_log = ProblemLog(log)
    problem_log.log_changed([job], awaits_reasons=True)
    problem_log.log_rest(verdict(job))
    assert (len(log.lines), len(log.listed)) == ((0, 1) if is_logged_later else (1, 0))


def test_problems__of_a_poll_are_limited() -> None:
    """Of many that a poll finds the first are logged at once, and the others at the end."""
    log, jobs = _Log(), many(FAILED, MAX_LISTED_JOBS + 2)
    problem_log = ProblemLog(log)
    problem_log.log_changed(jobs, awaits_reasons=False)
    problem_log.log_rest(verdict(*jobs))
    assert log.lines[-1] == "        and 2 more, listed at the end"
    assert [line.split()[1] for line in [*log.lines[:-1], *log.listed]] == [job.id for job in jobs]
