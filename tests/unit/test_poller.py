import math
from collections.abc import Iterator
from typing import Any

import pytest

from fini_gate.errors import CancelledError, GateError, RequestRefusedError
from fini_gate.models import PollResult, StatusRow
from fini_gate.verdict import Result

from .fake_client import ROWS, FakeClient, FakeClock, Run, make_inputs, parse_timeline, run_gate

# The gate must end within this time after its deadline, and needs some of it to write the outputs.
MAX_OVERRUN_SECONDS = 5.0
OMITTED = "the API's responses omit the job"
UNKNOWN_AT_TIMEOUT = "the API still did not know the ID at the timeout"
INPUT_FIELDS = {
    "timeout": "timeout_seconds",
    "stall": "stall_timeout_seconds",
    "grace": "not_found_grace_seconds",
    "tolerance": "outage_tolerance_seconds",
    "max_interval": "max_poll_interval_seconds",
    "fail_fast": "fail_fast",
    "require_articles": "require_articles",
}


def wait(api: str, *, every: float = 1, jitter: float = 0, **options: Any) -> Run:  # noqa: ANN401 - each has its own type
    """Run a gate on jobs with these timelines, with a poll every so many seconds unless `max_interval` is longer."""
    fields = {"poll_interval_seconds": every, "max_poll_interval_seconds": every}
    fields |= {INPUT_FIELDS[name]: options.pop(name) for name in INPUT_FIELDS if name in options}
    timelines = dict(zip("abcde", map(parse_timeline, api.split("|")), strict=False))
    return run_gate(FakeClient(FakeClock(), timelines, **options), make_inputs(**fields), random=lambda: jitter)


# --- How a gate ends -----------------------------------------------------------------------------------------------


def scenario(name: str, api: str, end: str, **options: Any) -> tuple[str, str, str, dict[str, Any]]:  # noqa: ANN401 - each has its own type
    """Make a row: what the API says about each job, how the gate ends, and options of `wait`.

    Further expectations: the times of the `polls`, the `reason` of the first job, and the reached `limit`.
    """
    return name, api, end, options


SCENARIOS = [
    scenario("every job completes", "pending 3:running 60:done | done", "success at 60: completed completed"),
    scenario("one poll is enough", "done | failed", "failure at 0: completed failed", polls=[0]),
    scenario("a finished job keeps its state", "done 1:404 | pending 9:done", "success at 9: completed completed"),
    scenario("an unknown status", "odd", "timed_out by timeout at 60: pending", timeout=60),
    scenario("an unknown final status", "odd 5:odd-end", "failure at 5: failed"),
    scenario("articles optional", "done | article", "success at 0: completed completed"),
    scenario("articles required", "done | article", "failure at 0: failed completed", require_articles=True),
    # Of contradictory rows the worse counts
    scenario("done+failed", "done+failed | failed+done", "failure at 0: failed failed"),
    scenario("pending+failed", "pending+failed | done+odd+failed", "failure at 0: failed failed"),
    scenario("done+running", "done+running 5:done | done+odd+done 5:done", "success at 5: completed completed"),
    # Intervals and Retry-After
    scenario("fixed interval", "pending 8:done", "success at 14: completed", every=7, polls=[0, 7, 14]),
    scenario("slow polls", "pending 8:done", "success at 16: completed", every=5, poll_seconds=2, polls=[0, 7, 14]),
    scenario("Retry-After", "silent 1:done", "success at 20: completed", retry_after=20, polls=[0, 20]),
    scenario("shorter Retry-After", "silent 1:done", "success at 5: completed", retry_after=2, every=5, polls=[0, 5]),
    scenario(
        "one Retry-After", "done | silent 9:done", "success at 40: completed completed", retry_after=40, tolerance=5
    ),
    scenario("Retry-After, timeout", "silent 1:done", "success at 60: completed", retry_after=math.inf, timeout=60),
    scenario("Retry-After, outage", "silent", "error at 20: pending", retry_after=60, tolerance=20, polls=[0]),
    scenario(
        "Retry-After, stall", "silent", "timed_out by stall-timeout at 2: pending", retry_after=9, stall=2, polls=[0]
    ),
    # The deadline
    scenario("timeout", "pending", "timed_out by timeout at 5: pending", every=3, timeout=5, polls=[0, 3, 5]),
    scenario("timeout, all seen", "pending", "timed_out by timeout at 5: pending", timeout=5, limit=(5, None)),
    scenario("timeout, silent", "silent", "timed_out by timeout at 5: pending", timeout=5, limit=(5, "HTTP 429")),
    scenario("timeout below the interval", "pending", "timed_out by timeout at 0.5: pending", timeout=0.5),
    scenario("finished just in time", "pending 9.9:done", "success at 10: completed", every=6, timeout=10),
    scenario("zero, done", "done", "success at 0: completed", timeout=0, polls=[0]),
    scenario("zero, failed", "failed", "failure at 0: failed", timeout=0, polls=[0]),
    scenario("zero, pending", "pending", "timed_out by timeout at 0: pending", timeout=0, polls=[0]),
    scenario("zero, malformed", "400", "failure at 0: missing", timeout=0, polls=[0]),
    scenario("zero, not found", "404", "failure at 0: missing", timeout=0, polls=[0]),
    scenario("zero, omitted", "omitted", "timed_out by timeout at 0: pending", timeout=0, polls=[0]),
    scenario("zero, server error", "500", "timed_out by timeout at 0: pending", timeout=0, polls=[0]),
    scenario("zero, silent", "silent", "timed_out by timeout at 0: pending", timeout=0, polls=[0]),
    # fail-fast
    scenario("fail-fast, failed", "pending | pending 10:failed", "failure at 10: pending failed", fail_fast=True),
    scenario("fail-fast, malformed", "pending | pending 9:400", "failure at 9: pending missing", fail_fast=True),
    scenario("fail-fast, not found", "pending | 404", "failure at 10: pending missing", fail_fast=True),
    scenario("fail-fast, 500", "running 9:done | 500", "error at 9: completed unreadable", fail_fast=True, tolerance=2),
    scenario(
        "fail-fast, once", "failed | running", "failure by timeout at 0: failed pending", fail_fast=True, timeout=0
    ),
    scenario(
        "fail-fast, down", "404 5:silent | silent", "failure at 9: missing pending", fail_fast=True, timeout=9, grace=99
    ),
    scenario("no fail-fast", "running 9:done | failed | 400", "failure at 9: completed failed missing"),
    # Jobs that the API does not find
    scenario("not found", "404", "failure at 10: missing", reason="the API does not know the ID (HTTP 404)"),
    scenario("not found, no grace", "404", "failure at 0: missing", grace=0),
    scenario("not found, short grace", "404", "failure at 1: missing", grace=0.5),
    scenario("not found, long grace", "pending 20:404", "failure at 120: missing", grace=100),
    scenario("found within the grace", "404 9:pending 30:done", "success at 30: completed"),
    scenario("a row restarts the grace", "404 8:pending 12:404 18:done", "success at 18: completed"),
    scenario("a server error does not", "404 3:500 6:404 | running", "failure at 10: missing pending", fail_fast=True),
    scenario("a slow poll does not count", "404 12.5:done", "success at 20: completed", poll_seconds=6),
    scenario("malformed", "400", "failure at 0: missing", reason="the API rejects the ID as malformed (HTTP 400)"),
    # Jobs that the API omits
    scenario("omitted", "omitted", "failure at 10: missing", reason=OMITTED),
    scenario("omitted, no grace", "omitted", "failure at 2: missing", grace=0),
    scenario("omitted, long interval", "omitted", "failure at 60: missing", grace=1, every=30),
    scenario("a row restarts the count", "omitted 2:running 3:omitted 5:done", "success at 5: completed", grace=0),
    scenario("not found does not count", "404 1:omitted 3:done", "success at 3: completed", grace=2),
    scenario("omitted is no outage", "omitted 50:done", "success at 50: completed", grace=60, tolerance=10),
    # At the deadline the grace is over for an ID that the API does not know, and for a job that it always omitted
    scenario("timeout, not found", "404", "failure at 60: missing", timeout=60, grace=99, reason=UNKNOWN_AT_TIMEOUT),
    scenario("timeout, omitted", "omitted", "failure at 2: missing", timeout=2, reason=OMITTED),
    scenario("a new reason", "500 7:omitted", "timed_out by timeout at 8: pending", timeout=8, reason=None),
    scenario("omitted twice", "omitted", "timed_out by timeout at 60: pending", timeout=60, grace=99, every=60),
    scenario("late 404", "running 50:404", "failure at 60: missing", timeout=60, grace=99),
    scenario("late omission", "running 50:omitted", "timed_out by timeout at 60: pending", timeout=60, grace=99),
    scenario("404, omitted", "404 50:omitted", "failure at 60: missing", timeout=60, grace=99),
    scenario("404, omitted once", "404 59:omitted", "timed_out by timeout at 60: pending", timeout=60, grace=99),
    scenario("404, silent", "404 50:silent", "failure at 60: missing", timeout=60, grace=99),
    scenario("404, 500", "404 50:500", "failure at 60: missing", timeout=60, grace=99),
    scenario("404, found", "404 50:running", "timed_out by timeout at 60: pending", timeout=60, grace=99),
    scenario("omitted again", "omitted 9:odd 50:omitted", "timed_out by timeout at 60: pending", timeout=60, grace=99),
    # Outages
    scenario("down", "silent", "error at 30: pending", tolerance=30),
    scenario("down, no tolerance", "silent", "error at 0: pending", tolerance=0),
    scenario("down later", "running 40:silent | done", "error at 70: pending completed", tolerance=30),
    scenario("up in time", "running 5:silent 14:running 20:silent 29:done", "success at 29: completed", tolerance=10),
    scenario("intervals do not count", "running 9:silent 12:done", "success at 20: completed", every=10, tolerance=5),
    scenario(
        "incomplete polls do", "running 9:silent | running 8:silent", "error at 18: pending pending", tolerance=10
    ),
    scenario("every job fails alone", "500 | 500", "error at 30: pending pending", tolerance=30),
    scenario("every job fails later", "pending 9:500 | running 9:500", "error at 39: pending pending", tolerance=30),
    # Jobs that the API cannot read
    scenario("unreadable", "500 | running 9:done", "error at 9: unreadable completed", tolerance=5, reason="HTTP 500"),
    scenario("unreadable, no tolerance", "500 | done", "error at 0: unreadable completed", tolerance=0),
    scenario("unreadable later", "running 40:500 | pending 50:done", "error at 70: unreadable completed", tolerance=30),
    scenario("unreadable, others done", "500 | done", "error at 30: unreadable completed", tolerance=30),
    scenario(
        "readable again",
        "500 3:odd 5:500 8:404 9:500 12:done | done",
        "success at 12: completed completed",
        tolerance=4,
    ),
    # stall-timeout
    scenario("stall", "odd 3:running", "timed_out by stall-timeout at 9: pending", stall=6, limit=(6, None)),
    scenario("stall between polls", "odd", "timed_out by stall-timeout at 3: pending", stall=2.5, polls=[0, 1, 2, 3]),
    scenario("stall, silent", "silent", "timed_out by stall-timeout at 6: pending", stall=6, limit=(6, "HTTP 429")),
    scenario("no stall", "pending 9:running 18:odd 27:pending 36:done", "success at 36: completed", stall=10),
    scenario("no stall-timeout", "pending 1700:done", "success at 1700: completed", every=20),
    scenario("timeout before stall", "pending", "timed_out by timeout at 5: pending", stall=9, timeout=5),
    scenario("stall within the grace", "404 | pending", "timed_out by stall-timeout at 5: pending pending", stall=5),
]


@pytest.mark.parametrize(("api", "end", "options"), [row[1:] for row in SCENARIOS], ids=[row[0] for row in SCENARIOS])
def test_gate__ends(api: str, end: str, options: dict[str, Any]) -> None:
    """Result, time and states follow from what the API says and when, as the contract defines."""
    expected = {name: options[name] for name in ("polls", "reason", "limit") if name in options}
    run = wait(api, **{name: option for name, option in options.items() if name not in expected})
    limit = run.verdict.limit
    seen = {
        "polls": run.poll_times,
        "reason": run.verdict.jobs[0].reason,
        "limit": limit and (limit.seconds, limit.incomplete_reason),
    }
    assert run.end == end
    assert {name: seen[name] for name in expected} == expected


@pytest.mark.parametrize("poll_seconds", [0.0, 0.4, 3.0, 40.0, 1000.0])
@pytest.mark.parametrize("timeout", [0.0, 1.0, 60.0, 61.5])
def test_deadline__holds_however_long_a_poll_takes(poll_seconds: float, timeout: float) -> None:
    """The final poll begins at the deadline, once, and leaves time for the outputs within five seconds."""
    run = wait("pending", poll_seconds=poll_seconds, timeout=timeout)
    assert run.verdict.result is Result.TIMED_OUT
    assert timeout <= run.verdict.elapsed_seconds <= timeout + MAX_OVERRUN_SECONDS - 1
    assert [at >= timeout for at in run.poll_times] == [False] * (len(run.poll_times) - 1) + [True]


def test_deadline__is_not_skipped_by_a_suspended_machine() -> None:
    """If the clock jumps past the deadline during a sleep, the final poll is late but still asks the API."""

    class SuspendedClock(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds + 1000)

    client = FakeClient(SuspendedClock(), {"a": parse_timeline("pending 5:done")}, poll_seconds=1)
    run = run_gate(client, make_inputs(timeout_seconds=60))
    assert run.end == "success at 1003: completed"
    assert client.polls[-1].limits.end_at == pytest.approx(1002 + 3.5, abs=0.001)


# --- What a poll asks and reports ----------------------------------------------------------------------------------


def test_poll__asks_first_about_jobs_without_a_response() -> None:
    """The jobs that have waited longest for a response come first, in the order of their IDs."""
    run = wait(
        "pending | silent 2:pending 4:done | 500 2:404 3:done | done | running 4:done", poll_seconds=0.1, every=0.9
    )
    assert [poll.job_ids for poll in run.client.polls[:2]] == [
        ("a", "b", "c", "d", "e"),
        ("b", "c", "a", "e"),
    ]


def test_progress__reports_each_poll() -> None:
    """It has all jobs, those that changed, the elapsed time, and why the poll was incomplete."""
    run = wait("pending 1:running 2:silent 3:done | pending 3:done")
    reported = [
        (progress.elapsed_seconds, [(job.id, job.status) for job in progress.changed], progress.incomplete_reason)
        for progress in run.progress
    ]
    assert reported == [
        (0, [("a", "PENDING"), ("b", "PENDING")], None),
        (1, [("a", "IN_PROGRESS")], None),
        (2, [], "HTTP 429"),
        (3, [("a", "COMPLETED"), ("b", "COMPLETED")], None),
    ]
    assert all([job.id for job in progress.jobs] == ["a", "b"] for progress in run.progress)


@pytest.mark.parametrize(("jitter", "first_interval"), [(0, 1), (0.5, 1.05)])
def test_interval__follows_the_completion_rate(jitter: float, first_interval: float) -> None:
    """Jobs that finish give an ETA, and the next interval is a fraction of it, with jitter."""
    run = wait(
        "done | pending 5:done | pending 90:done | pending 400:done", max_interval=30, timeout=110, jitter=jitter
    )
    assert run.poll_times[1] == pytest.approx(first_interval)
    first = next(progress for progress in run.progress if progress.eta_seconds)
    assert first.eta_seconds == pytest.approx(2 * first.elapsed_seconds)
    following = next(at for at in run.poll_times if at > first.elapsed_seconds)
    assert following / first.elapsed_seconds == pytest.approx(1 + 0.28 * (1 + 0.1 * jitter))
    assert run.progress[0].eta_seconds is None


class CountedRows(list[StatusRow]):
    """Rows that count how often they are read."""

    reads = 0

    def __iter__(self) -> Iterator[StatusRow]:
        """Read them."""
        self.reads += 1
        return super().__iter__()


@pytest.mark.parametrize("require_articles", [False, True])
def test_fail_fast__ends_a_poll_at_a_failure(*, require_articles: bool) -> None:
    """The client stops at a failed row or a malformed ID, and checks each row once. Without `fail-fast` it goes on."""
    (poll,) = wait("done", fail_fast=True, require_articles=require_articles).client.polls
    result = PollResult(not_found={"a": "HTTP 404"}, server_errors={"b": "HTTP 500"})
    assert not poll.should_stop(result)
    expected = [("article", False), ("done", require_articles), ("running+failed", True), ("pending", True)]
    for rows, stops in expected:
        result.rows[rows] = CountedRows(ROWS[row] for row in rows.split("+"))
        assert poll.should_stop(result) is stops
    assert all(isinstance(rows, CountedRows) and rows.reads == 1 for rows in result.rows.values())
    malformed = PollResult(malformed={"a": "HTTP 400"})
    assert wait("done", fail_fast=True).client.polls[0].should_stop(malformed)
    (poll,) = wait("done").client.polls
    assert not poll.should_stop(result)
    assert not poll.should_stop(malformed)


# --- Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "result", "exit_code"),
    [
        (CancelledError(15), "cancelled", 143),
        (RequestRefusedError("The key was revoked."), "error", 4),
    ],
)
@pytest.mark.parametrize("raised_in", ["poll", "sleep"])
def test_error__keeps_what_polls_have_seen(error: GateError, result: str, exit_code: int, raised_in: str) -> None:
    """An error ends the gate with every job as last seen, including by the poll that it ended."""

    class Clock(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if raised_in == "sleep" and len(self.sleeps) == 3:
                raise error

    timelines = {"a": parse_timeline("pending 2:done"), "b": parse_timeline("running 2:silent")}
    client = FakeClient(Clock(), timelines, errors={2: error} if raised_in == "poll" else {})
    run = run_gate(client, make_inputs(max_poll_interval_seconds=1))
    assert (run.verdict.result, run.verdict.exit_code, run.verdict.error) == (result, exit_code, error)
    assert [(job.state, job.status) for job in run.verdict.jobs] == [
        ("completed", "COMPLETED"),
        ("pending", "IN_PROGRESS"),
    ]
    assert len(run.progress) == len(client.polls) == 3
