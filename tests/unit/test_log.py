from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fini_gate.models import Job
from fini_gate.output.log import MAX_STATUS_WARNINGS, ProgressLog, progress_line, request_line, retry_line
from fini_gate.poller import Progress
from tests.unit.verdicts import COMPLETED, FAILED, MISSING, NO_ARTICLE, QUEUED, RUNNING, many


class _Log:
    """A log that keeps its lines and warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def info(self, line: str) -> None:
        self.lines.append(line)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def _progress(*jobs: Job, at: float = 12, changed: tuple[Job, ...] | None = None) -> Progress:
    return Progress(jobs=jobs, changed=jobs if changed is None else changed, elapsed_seconds=at, incomplete_reason=None)


def _reported(*polls: Progress) -> list[list[str]]:
    """Return the lines of each poll."""
    log = _Log()
    progress_log = ProgressLog(log)
    lines = []
    for progress in polls:
        progress_log.report(progress)
        lines.append(log.lines.copy())
        log.lines.clear()
    return lines


@pytest.mark.parametrize(
    ("jobs", "changed", "eta_seconds", "expected"),
    [
        ((COMPLETED, QUEUED, RUNNING), (), None, "1/3  1 of 3 jobs completed, 2 pending; ETA unknown"),
        ((COMPLETED, MISSING, QUEUED), (), 2.4, "2/3  1 of 3 jobs completed, 1 pending, 1 missing; ETA 2s"),
        ((COMPLETED, NO_ARTICLE), (), 9, "2/2  2 of 2 jobs completed"),
        ((COMPLETED, FAILED), (FAILED,), None, "2/2  1 of 2 jobs completed, 1 failed; failed: bad"),
        (many(FAILED, 3), many(FAILED, 3), None, "3 failed; failed: bad-0, bad-1, bad-2"),
        (many(FAILED, 5), many(FAILED, 5), None, "5 failed; failed: bad-0, bad-1, bad-2 and 2 more"),
    ],
)
def test_line__shows_counts_new_failures_and_the_eta(
    jobs: tuple[Job, ...], changed: tuple[Job, ...], eta_seconds: float | None, expected: str
) -> None:
    """A line counts the jobs by state, names the first that failed since the last poll, and ends with the ETA."""
    progress = replace(_progress(*jobs, changed=changed), eta_seconds=eta_seconds)
    assert progress_line(progress).endswith(expected)


@pytest.mark.parametrize(("count", "more"), [(20, []), (21, ["        and 1 more"]), (5000, ["        and 4980 more"])])
def test_report__describes_the_first_twenty_problems(count: int, more: list[str]) -> None:
    """However many jobs fail at once, twenty have a line of their own."""
    ((_, *problems),) = _reported(_progress(*many(FAILED, count), *many(COMPLETED, 30)))
    assert problems[19] == "        job bad-19 (source doc-2) failed: no text"
    assert problems[20:] == more


def test_report__redraws_the_line_at_every_poll_where_it_can() -> None:
    """At a terminal the progress line is redrawn, changed or not, and only the other lines are printed."""
    log, shown = _Log(), list[str]()
    progress_log = ProgressLog(log, shown.append)
    progress_log.report(_progress(FAILED, QUEUED))
    progress_log.report(_progress(FAILED, QUEUED, changed=(), at=13))
    assert [line.split()[0] for line in shown] == ["12s", "13s"]
    assert log.lines == ["        job bad (source doc-2) failed: no text"]


@pytest.mark.parametrize("interval_seconds", [1, 7, 30])
def test_heartbeats__come_at_growing_intervals(interval_seconds: int) -> None:
    """Ten minutes without a change are about ten lines, however often the gate polls."""
    times = range(0, 601, interval_seconds)
    reported = _reported(*(_progress(RUNNING, at=at, changed=()) for at in times))
    printed_at = [at for at, lines in zip(times, reported, strict=True) if lines]
    assert printed_at[0] in {15, 21, 30}
    assert 8 <= len(printed_at) <= 11


def test_heartbeats__start_over_after_a_change() -> None:
    """The first heartbeat after a change comes as early as the very first one."""
    changes = {0: (RUNNING,), 100: (RUNNING,)}
    times = [0, 14, 15, 44, 45, 100, 114, 115, 144, 145, 204, 205, 264, 265]
    reported = _reported(*(_progress(RUNNING, at=at, changed=changes.get(at, ())) for at in times))
    printed_at = [at for at, lines in zip(times, reported, strict=True) if lines]
    assert printed_at == [0, 15, 45, 100, 115, 145, 205, 265]


def test_statuses__that_are_unknown_are_warned_about_once_each_and_five_at_most() -> None:
    """Of many unknown statuses five are warned about, each once; known ones and finished jobs are not."""
    odd = [RUNNING._replace(id=f"odd-{number}", status=f"ODD_{number // 2}") for number in range(20)]
    log = _Log()
    progress_log = ProgressLog(log)
    for _ in range(2):
        progress_log.report(_progress(COMPLETED._replace(status="ODD"), RUNNING, *odd))
    assert [text.split()[5] for text in log.warnings] == [f"ODD_{number}," for number in range(MAX_STATUS_WARNINGS)]


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (request_line, [2, "HTTP 200", 0.1234], "request for 2 jobs: HTTP 200 after 0.123s"),
        (retry_line, ["HTTP 502", 2.5], "        no usable response: HTTP 502; retrying in 2.5s"),
        (retry_line, ["HTTP 502", 0], "        no usable response: HTTP 502; retrying immediately"),
    ],
)
def test_requests__have_a_line_each(function: Callable[..., str], arguments: list[Any], expected: str) -> None:
    """The debug log shows each request, the log each retry."""
    assert function(*arguments) == expected
