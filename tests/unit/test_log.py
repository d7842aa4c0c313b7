from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from fini_gate.inputs import Inputs
from fini_gate.models import Job, JobState, PollResult, StatusRow
from fini_gate.output.log import ProgressLog
from fini_gate.poller import Progress, wait_for_jobs

PENDING = Job(id="slow", status="IN_PROGRESS")
DONE = Job(id="done", state=JobState.COMPLETED)
FAILED = Job(id="bad", state=JobState.FAILED, reason="no text", document_id="doc-2")
MISSING = Job(id="gone", state=JobState.MISSING, reason="the API does not know the ID")


def _many(job: Job, count: int) -> tuple[Job, ...]:
    return tuple(job._replace(id=f"{job.id}-{number}") for number in range(count))


def _progress(*jobs: Job, at: float = 12, changed: tuple[Job, ...] | None = None) -> Progress:
    return Progress(jobs=jobs, changed=jobs if changed is None else changed, elapsed_seconds=at, incomplete_reason=None)


def test_line__tells_how_far_the_jobs_are() -> None:
    """A look that changed something is a line: time, bar, ended of all, counts by state, and what is new to be said."""
    (line, *concerned) = ProgressLog().lines(_progress(DONE, FAILED, MISSING, PENDING, at=75))
    assert line == (
        " 1m15s  ███████████████░░░░░ 3/4  1 of 4 jobs completed, 1 failed, 1 pending, 1 missing; failed: bad;"
        " no telling yet how long"
    )
    assert [line.strip() for line in concerned] == [
        "job bad (document doc-2) failed: no text",
        "job gone is missing: the API does not know the ID",
    ]


def test_line__names_a_failed_job_once() -> None:
    """It is named where it is first seen, and not again."""
    log = ProgressLog()
    assert "failed: bad" in log.lines(_progress(FAILED, PENDING))[0]
    assert "bad" not in log.lines(_progress(FAILED, DONE, changed=(DONE,)))[0]


@pytest.mark.parametrize(
    ("count", "named"), [(1, "failed: bad-0;"), (3, "failed: bad-0, bad-1, bad-2;"), (5, "bad-2 and 2 more;")]
)
def test_line__names_few(count: int, named: str) -> None:
    """Of many that failed at once the first are named, and the rest is counted."""
    assert named in ProgressLog().lines(_progress(PENDING, *_many(FAILED, count)))[0]


@pytest.mark.parametrize(("count", "more"), [(20, 0), (21, 1), (5000, 4980)])
def test_lines__are_few(count: int, more: int) -> None:
    """However many jobs fail at once, twenty have a line of their own."""
    _, *concerned = ProgressLog().lines(_progress(*_many(FAILED, count)))
    assert [line.strip() for line in concerned[20:]] == [f"and {more} more"] * bool(more)


@pytest.mark.parametrize(
    ("pending", "eta_seconds", "told"),
    [
        (1, None, "; no telling yet how long"),
        (1, 30, "; about 30s left"),
        (1, 2.4, "; about 2s left"),
        (0, None, "2 of 2 jobs completed"),
    ],
)
def test_line__ends_with_the_estimate(pending: int, eta_seconds: float | None, told: str) -> None:
    """The time left stands where there is telling; where all have ended nothing does."""
    progress = replace(_progress(*_many(DONE, 2), *_many(PENDING, pending)), eta_seconds=eta_seconds)
    assert ProgressLog().line(progress).endswith(told)


@pytest.mark.parametrize("look_seconds", [1, 7, 30])
def test_silence__is_broken_at_growing_intervals(look_seconds: int) -> None:
    """Ten minutes in which nothing changes are about ten lines, however often the gate looks."""
    log = ProgressLog()
    told = [at for at in range(0, 601, look_seconds) if log.lines(_progress(PENDING, at=at, changed=()))]
    assert 8 <= len(told) <= 11
    assert told[0] in {15, 21, 30}


def test_gate__prints_about_ten_lines_in_ten_silent_minutes(make_inputs: Callable[..., Inputs]) -> None:
    """A gate that looks every second at a job that does not end has a log that can be read."""
    now, lines = 0.0, list[str]()

    class Client:
        def poll(self, job_ids: Sequence[str], **_: object) -> PollResult:
            return PollResult(
                rows={job_id: [StatusRow(id=job_id, status="PENDING")] for job_id in job_ids}, last_response_at=now
            )

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    log, polls = ProgressLog(), list[Progress]()

    def on_poll(progress: Progress) -> None:
        polls.append(progress)
        lines.extend(log.lines(progress))

    inputs = make_inputs(timeout_seconds=600, poll_interval_seconds=1, max_poll_interval_seconds=1)
    wait_for_jobs(
        [PENDING],
        Client(),
        inputs,
        started_at=0,
        clock=lambda: now,
        sleep=sleep,
        random=lambda: 0.0,
        on_poll=on_poll,
    )
    assert len(polls) == 601
    assert 8 <= len(lines) <= 13


def test_silence__begins_anew_after_a_change() -> None:
    """After a change the next sign of life comes as soon as after the first."""
    log = ProgressLog()
    assert log.lines(_progress(PENDING, at=100))
    assert not log.lines(_progress(PENDING, at=114, changed=()))
    assert log.lines(_progress(PENDING, at=115, changed=()))
    assert not log.lines(_progress(PENDING, at=144, changed=()))
    assert log.lines(_progress(PENDING, at=145, changed=()))
