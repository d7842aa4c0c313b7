from fini_gate.models import Job
from fini_gate.output.log import MAX_STATUS_WARNINGS, ProgressLog, request_line, retry_line
from fini_gate.poller import Progress
from tests.unit.verdicts import COMPLETED, FAILED, QUEUED, RUNNING


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


def test_report__redraws_the_line_at_every_poll_where_it_can() -> None:
    """At a terminal the progress line is redrawn, changed or not, and only the other lines are printed."""
    log, shown = _Log(), list[str]()
    progress_log = ProgressLog(log, shown.append)
    progress_log.report(_progress(FAILED, QUEUED))
    progress_log.report(_progress(FAILED, QUEUED, changed=(), at=13))
    assert [line.split()[0] for line in shown] == ["12s", "13s"]
    assert log.lines == ["        job bad (source doc-2) failed: no text"]


def test_heartbeats__grow_rarer_until_a_change() -> None:
    """The time to the next heartbeat doubles up to a minute; the first one after a change comes as early as ever."""
    log = _Log()
    progress_log = ProgressLog(log)
    changes = {100: (RUNNING,)}
    for at in (0, 14, 15, 44, 45, 100, 114, 115, 144, 145, 204, 205, 264, 265):
        progress_log.report(_progress(RUNNING, at=at, changed=changes.get(at, ())))
    printed_at = [line.split()[0] for line in log.lines]
    assert printed_at == ["15s", "45s", "1m40s", "1m55s", "2m25s", "3m25s", "4m25s"]


def test_statuses__that_are_unknown_are_warned_about_once_each_and_five_at_most() -> None:
    """Of many unknown statuses five are warned about, each once; known ones and finished jobs are not."""
    odd = [RUNNING._replace(id=f"odd-{number}", status=f"ODD_{number // 2}") for number in range(20)]
    log = _Log()
    progress_log = ProgressLog(log)
    for _ in range(2):
        progress_log.report(_progress(COMPLETED._replace(status="ODD"), RUNNING, *odd))
    assert [text.split()[5] for text in log.warnings] == [f"ODD_{number}," for number in range(MAX_STATUS_WARNINGS)]


def test_requests__have_a_line_each() -> None:
    """The debug log shows each request, the log each retry."""
    assert request_line("job", 2, "HTTP 200", 0.1234) == "request for 2 jobs: HTTP 200 after 0.123s"
    assert retry_line("HTTP 502", 2.5) == "        no usable response: HTTP 502; retrying in 2.5s"
    assert retry_line("HTTP 502", 0) == "        no usable response: HTTP 502; retrying immediately"
