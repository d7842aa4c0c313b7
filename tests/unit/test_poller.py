import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fini_gate.client import FiniClient, Transport
from fini_gate.client.transport import Response
from fini_gate.errors import CancelledError, GateError, OutageError, RequestRefusedError
from fini_gate.inputs import Inputs
from fini_gate.models import Job, JobState, PollResult, StatusRow
from fini_gate.poller import Progress, StatusClient, wait_for_jobs
from fini_gate.verdict import Result, Verdict

STARTED_AT = 5000.0
# The gate ends within so many seconds of its deadline, and has to write its outputs in them too.
OVERRUN_SECONDS = 5.0

Rows: TypeAlias = tuple[StatusRow, ...]
# What the API says of a job, from so many seconds after the start on.
Said: TypeAlias = Rows | str
Timeline: TypeAlias = Mapping[float, Said]

UNKNOWN, LEFT_OUT, MALFORMED, FAILING, SILENT = "unknown", "left out", "malformed", "failing", "silent"


def _row(status: str, **fields: str) -> Rows:
    return (StatusRow(id="any", status=status, **fields),)


DONE, FAILED, PENDING, RUNNING = _row("COMPLETED"), _row("FAILED"), _row("PENDING"), _row("IN_PROGRESS")


class Clock:
    """Time that passes only when slept through, or when a look takes some."""

    def __init__(self) -> None:
        self.now = STARTED_AT
        self.pauses: list[float] = []

    def __call__(self) -> float:
        """Seconds."""
        return self.now

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now - STARTED_AT

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        assert 0 <= seconds < math.inf
        assert len(self.pauses) < 20_000, "the gate does not end"
        self.pauses.append(seconds)
        self.now += seconds


@dataclass(frozen=True)
class Asked:
    """A look that was made. All times are seconds since the start."""

    at: float
    job_ids: tuple[str, ...]
    retry_until: float
    ends_at: float
    is_failure: Callable[[StatusRow], bool] | None


@dataclass
class Api:
    """A client of an API that says of each job what its timeline tells."""

    clock: Clock
    timelines: Mapping[str, Timeline]
    look_seconds: float = 0
    down: Sequence[tuple[float, float]] = ()
    """From when until when it gives no usable answer."""
    retry_after_seconds: float = 0
    raises: Mapping[int, GateError] = field(default_factory=dict)
    """Number of a look, from 0 → what it meets."""
    polls: list[Asked] = field(default_factory=list)
    said: dict[str, Said] = field(default_factory=dict)
    """What it said last of each job, silence excepted."""

    def poll(
        self,
        job_ids: Sequence[str],
        *,
        retry_until: float,
        ends_at: float,
        is_failure: Callable[[StatusRow], bool] | None,
    ) -> PollResult:
        """Say what the timelines tell when the look begins; of a look ended by a failure the client's tests tell."""
        assert is_failure is None or is_failure(StatusRow(id="any", status="FAILED"))
        at = self.clock.elapsed
        self.polls.append(Asked(at, tuple(job_ids), retry_until - STARTED_AT, ends_at - STARTED_AT, is_failure))
        self.clock.now = max(self.clock.now, min(self.clock.now + self.look_seconds, ends_at))
        if error := self.raises.get(len(self.polls) - 1):
            raise error
        if self.is_down(at):
            return PollResult(incomplete_reason="HTTP 429", retry_after_seconds=self.retry_after_seconds)
        poll = PollResult()
        for job_id in job_ids:
            self._say(job_id, self.says(job_id, at), poll)
        return poll

    def is_down(self, at: float) -> bool:
        """Whether it gives no usable answer."""
        return any(begin <= at < end for begin, end in self.down)

    def says(self, job_id: str, at: float) -> Said:
        """What it says of a job when it is not down."""
        return self.timelines[job_id][max(begin for begin in self.timelines[job_id] if begin <= at)]

    def _say(self, job_id: str, said: Said, poll: PollResult) -> None:
        if said == SILENT:
            poll.incomplete_reason, poll.retry_after_seconds = "HTTP 429", self.retry_after_seconds
            return
        self.said[job_id] = said
        if said == FAILING:
            poll.server_errors[job_id] = "HTTP 500"
            return
        poll.last_response_at = self.clock.now
        if isinstance(said, tuple):
            poll.rows[job_id] = [*said]
        elif said == LEFT_OUT:
            poll.omitted.add(job_id)
        else:
            {UNKNOWN: poll.not_found, MALFORMED: poll.malformed}[said][job_id] = f"HTTP {said}"


@dataclass(frozen=True)
class Run:
    """A gate that has ended."""

    verdict: Verdict
    api: Api
    clock: Clock
    progress: Sequence[Progress]

    @property
    def states(self) -> dict[str, str]:
        """Job ID → state."""
        return {job.id: str(job.state) for job in self.verdict.jobs}

    @property
    def ending(self) -> tuple[str, int]:
        """Result and exit code."""
        return str(self.verdict.result), self.verdict.exit_code

    @property
    def look_times(self) -> list[float]:
        """When it looked, in seconds since the start."""
        return [poll.at for poll in self.api.polls]

    def state_at(self, job_id: str) -> list[tuple[float, str]]:
        """How the job stood after each look."""
        return [
            (progress.elapsed_seconds, str(job.state))
            for progress in self.progress
            for job in progress.jobs
            if job.id == job_id
        ]


RunGate: TypeAlias = Callable[..., Run]


@pytest.fixture(name="run")
def make_run(make_inputs: Callable[..., Inputs]) -> RunGate:
    """Run a gate on jobs of these timelines (or what is said of them all the time), with these inputs."""

    def run(
        timelines: Mapping[str, Timeline | Said],
        api: Mapping[str, Any] | None = None,
        jitter: float = 0,
        **inputs: object,
    ) -> Run:
        clock = Clock()
        whole = {
            job_id: timeline if isinstance(timeline, Mapping) else {0.0: timeline}
            for job_id, timeline in timelines.items()
        }
        model = Api(clock, whole, **(api or {}))
        progress: list[Progress] = []
        verdict = wait_for_jobs(
            [Job(id=job_id) for job_id in timelines],
            model,
            make_inputs(**inputs),
            started_at=STARTED_AT,
            clock=clock,
            sleep=clock.sleep,
            random=lambda: jitter,
            on_poll=progress.append,
        )
        assert verdict.elapsed_seconds == clock.elapsed
        return Run(verdict, model, clock, progress)

    return run


SUCCESS, FAILURE, NO_ANSWER, TIMED_OUT = ("success", 0), ("failure", 1), ("error", 4), ("timed_out", 3)


# --- Waiting -------------------------------------------------------------------------------------------------------


def test_gate__waits_until_every_job_has_completed(run: RunGate) -> None:
    """It ends with the look that finds the last job completed, and has each job in the order given."""
    gate = run({"b": {0: PENDING, 3: RUNNING, 60: DONE}, "a": {0: DONE}, "c": {0: RUNNING, 20: DONE}})
    assert gate.ending == SUCCESS
    assert list(gate.states.items()) == [("b", "completed"), ("a", "completed"), ("c", "completed")]
    assert 60 <= gate.verdict.elapsed_seconds < 70
    assert (gate.verdict.error, gate.verdict.limit) == (None, None)


def test_gate__does_not_pause_where_all_is_settled(run: RunGate) -> None:
    """One look at jobs that have all ended is enough."""
    gate = run({"a": DONE, "b": DONE})
    assert gate.look_times == [0]
    assert gate.clock.pauses == []


@pytest.mark.parametrize("end", [DONE, FAILED, MALFORMED, UNKNOWN, LEFT_OUT, FAILING])
def test_gate__never_asks_for_a_settled_job_again(run: RunGate, end: Said) -> None:
    """A job that has ended in whichever state is asked for no more, whatever the API would say."""
    gate = run({"a": end, "b": {0: PENDING, 500: DONE}}, outage_tolerance_seconds=30)
    settled_at = next(at for at, state in gate.state_at("a") if state != "pending")
    assert settled_at < 100
    for poll in gate.api.polls:
        assert poll.job_ids.count("a") == (poll.at <= settled_at)
        assert poll.job_ids.count("b") == 1


def test_gate__keeps_what_it_saw_of_a_settled_job(run: RunGate) -> None:
    """A completed job stays completed, even where the API forgets it afterwards."""
    gate = run({"a": {0: DONE, 0.5: UNKNOWN}, "b": {0: PENDING, 60: DONE}})
    assert gate.ending == SUCCESS


def test_gate__asks_first_for_who_was_not_answered_for_longest(run: RunGate) -> None:
    """Jobs that a look left without an answer come first in the next."""
    gate = run(
        {"a": {0: PENDING, 5: DONE}, "b": {0: SILENT, 5: DONE}, "c": {0: PENDING, 5: DONE}}, {"look_seconds": 0.5}
    )
    assert gate.api.polls[0].job_ids == ("a", "b", "c")
    assert gate.api.polls[1].job_ids == ("b", "a", "c")
    assert gate.ending == SUCCESS


def test_gate__leaves_a_job_as_it_was_where_nothing_is_said_of_it(run: RunGate) -> None:
    """No answer is no news."""
    gate = run({"a": {0: RUNNING, 2: SILENT}}, timeout_seconds=30)
    assert gate.ending == TIMED_OUT
    assert gate.verdict.jobs[0].status == "IN_PROGRESS"


def test_gate__tells_an_observer_of_each_look(run: RunGate) -> None:
    """After each look it is told how the jobs stand, which have changed, how long it took, and of any trouble."""
    gate = run(
        {"a": {0: PENDING, 1: RUNNING, 3: DONE}, "b": {0: PENDING, 3: DONE}},
        {"down": [(2, 3)]},
        poll_interval_seconds=1,
        max_poll_interval_seconds=1,
    )
    told = [
        (told.elapsed_seconds, [(job.id, job.status) for job in told.changed], told.incomplete_reason)
        for told in gate.progress
    ]
    assert told == [
        (0, [("a", "PENDING"), ("b", "PENDING")], None),
        (1, [("a", "IN_PROGRESS")], None),
        (2, [], "HTTP 429"),
        (3, [("a", "COMPLETED"), ("b", "COMPLETED")], None),
    ]
    assert all([job.id for job in told.jobs] == ["a", "b"] for told in gate.progress)


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        (DONE + FAILED, "failed"),
        (FAILED + DONE, "failed"),
        (PENDING + FAILED, "failed"),
        (DONE + RUNNING, "pending"),
        (RUNNING + DONE, "pending"),
        (DONE + DONE, "completed"),
        (DONE + _row("QUEUED") + DONE, "pending"),
    ],
)
def test_gate__of_contradictory_rows_takes_the_worse(run: RunGate, rows: Rows, state: str) -> None:
    """Of several rows for one job failed counts, then pending, then completed, in whichever order they come."""
    assert run({"a": rows}, timeout_seconds=0).states == {"a": state}


@pytest.mark.parametrize(("require_articles", "ending"), [(False, SUCCESS), (True, FAILURE)])
def test_gate__fails_a_job_without_an_article_where_one_is_required(
    run: RunGate, ending: tuple[str, int], *, require_articles: bool
) -> None:
    """Under `require-articles` a job that completed without an article has failed, one with an article has not."""
    gate = run({"a": DONE, "b": _row("COMPLETED", article_id="article")}, require_articles=require_articles)
    assert gate.ending == ending
    assert gate.verdict.article_ids == ("article",)
    assert gate.states["b"] == "completed"


# --- Rhythm --------------------------------------------------------------------------------------------------------


def test_rhythm__slows_down_within_its_limits(run: RunGate) -> None:
    """The pauses grow from the shortest to the longest allowed."""
    gate = run({"a": PENDING}, timeout_seconds=1800)
    *pauses, last = gate.clock.pauses
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (1, 30)
    assert last <= 30


def test_rhythm__is_fixed_where_both_limits_are_equal(run: RunGate) -> None:
    """With `max-poll-interval` equal to `poll-interval` every pause is that long."""
    gate = run({"a": PENDING}, poll_interval_seconds=7, max_poll_interval_seconds=7, timeout_seconds=70)
    assert gate.look_times == [7 * number for number in range(11)]


def test_rhythm__counts_the_pause_from_the_end_of_a_look(run: RunGate) -> None:
    """A look that takes its time is followed by a whole pause."""
    gate = run(
        {"a": PENDING}, {"look_seconds": 2}, poll_interval_seconds=5, max_poll_interval_seconds=5, timeout_seconds=21
    )
    assert gate.look_times == [0, 7, 14, 21]


def test_rhythm__follows_the_pace_of_the_jobs(run: RunGate) -> None:
    """Once jobs were seen to end, the observer is told how long the rest takes, and the pauses are a share of that."""
    gate = run(
        {"early": DONE, "a": {0: PENDING, 5: DONE}, "b": {0: PENDING, 100: DONE}, "c": {0: PENDING, 400: DONE}},
        timeout_seconds=110,
    )
    told = [(told.elapsed_seconds, told.eta_seconds) for told in gate.progress]
    assert told[:6] == [(0, None), (1, None), (2, None), (3, None), (4, None), (5, 10)]
    assert gate.look_times[6] == pytest.approx(5 + 0.28 * 5)
    assert told[-2][0] == pytest.approx(100, abs=3)
    assert [*told[-1]] == pytest.approx([110, told[-2][0] * 3 / 2 - 110])


def test_rhythm__takes_a_chance(run: RunGate) -> None:
    """Gates that were started together do not look together for ever."""
    calm, other = (run({"a": PENDING}, timeout_seconds=60, jitter=jitter) for jitter in (0.0, 0.5))
    assert calm.clock.pauses[0] == 1
    assert other.clock.pauses[0] == pytest.approx(1.05)


@pytest.mark.parametrize("day", ["1970-01-01", "2026-06-11", "9999-12-31"])
def test_rhythm__does_not_depend_on_the_clock_of_the_api(run: RunGate, day: str) -> None:
    """Whatever the API's clock shows, the looks come at the same times."""
    begun = _row("IN_PROGRESS", started_at=f"{day}T12:00:01Z")
    ended = _row("COMPLETED", started_at=f"{day}T12:00:01Z", completed_at=f"{day}T12:00:40Z")
    gates = [run({"a": {0: a, 40: b}, "b": {0: a, 90: b}}) for a, b in ((begun, ended), (RUNNING, DONE))]
    assert gates[0].look_times == gates[1].look_times


@pytest.mark.parametrize("seconds", [20.0, 45.0])
def test_retry_after__is_the_least_pause(run: RunGate, seconds: float) -> None:
    """The API is left alone for as long as it asks, though the pause would be shorter."""
    gate = run({"a": {0: DONE}}, {"down": [(0, 1)], "retry_after_seconds": seconds})
    assert gate.look_times == [0, seconds]
    assert gate.ending == SUCCESS


def test_retry_after__shorter_than_the_pause_changes_nothing(run: RunGate) -> None:
    """The gate's own rhythm is a lower bound, too."""
    gate = run(
        {"a": {0: DONE}},
        {"down": [(0, 1)], "retry_after_seconds": 2},
        poll_interval_seconds=5,
        max_poll_interval_seconds=5,
    )
    assert gate.look_times == [0, 5]


@pytest.mark.parametrize("seconds", [61.0, 86_400.0, math.inf])
def test_retry_after__is_never_slept_past_the_deadline(run: RunGate, seconds: float) -> None:
    """Where the API asks for longer than there is, the last look is at the deadline."""
    gate = run({"a": {0: DONE}}, {"down": [(0, 1)], "retry_after_seconds": seconds}, timeout_seconds=60)
    assert gate.look_times == [0, 60]
    assert gate.ending == SUCCESS


# --- The deadline --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0.0, 0.5, 10.0, 1800.0])
def test_deadline__ends_the_gate_with_a_last_look(run: RunGate, timeout: float) -> None:
    """A job still pending at the timeout is looked at once more, at the deadline and not before or after."""
    gate = run({"a": PENDING, "b": DONE}, timeout_seconds=timeout)
    assert gate.ending == TIMED_OUT
    assert gate.states == {"a": "pending", "b": "completed"}
    assert gate.look_times[-1] == gate.verdict.elapsed_seconds == timeout
    assert gate.verdict.limit is not None
    assert (gate.verdict.limit.input_name, gate.verdict.limit.seconds) == ("timeout", timeout)
    assert gate.look_times.count(timeout) == 1


def test_deadline__is_late_enough_for_a_job_that_ends_at_it(run: RunGate) -> None:
    """A job that completes in the last pause completes the gate."""
    assert run({"a": {0: PENDING, 99.9: DONE}}, timeout_seconds=100).ending == SUCCESS


@pytest.mark.parametrize(
    ("said", "state", "ending"),
    [
        (DONE, "completed", SUCCESS),
        (FAILED, "failed", FAILURE),
        (PENDING, "pending", TIMED_OUT),
        (MALFORMED, "missing", FAILURE),
        (UNKNOWN, "missing", FAILURE),
        (LEFT_OUT, "pending", TIMED_OUT),
        (FAILING, "pending", TIMED_OUT),
        (SILENT, "pending", TIMED_OUT),
    ],
)
def test_timeout_of_zero__looks_exactly_once(run: RunGate, said: Said, state: str, ending: tuple[str, int]) -> None:
    """One look decides, and nothing is slept."""
    gate = run({"a": said, "b": DONE}, timeout_seconds=0)
    assert gate.look_times == [0]
    assert gate.clock.pauses == []
    assert (gate.states["a"], gate.ending) == (state, ending)


def test_timeout_of_zero__tells_what_kept_it_from_an_answer(run: RunGate) -> None:
    """The one look that met trouble is not repeated, and the limit says what it met."""
    gate = run({"a": DONE}, {"down": [(0, 9)]}, timeout_seconds=0)
    assert gate.look_times == [0]
    assert gate.ending == TIMED_OUT
    assert gate.verdict.limit is not None
    assert gate.verdict.limit.incomplete_reason == "HTTP 429"


@pytest.mark.parametrize("look_seconds", [0.0, 0.4, 3.0, 40.0, 1000.0])
@pytest.mark.parametrize("timeout", [0.0, 1.0, 60.0, 61.5])
def test_deadline__holds_however_long_a_look_takes(run: RunGate, look_seconds: float, timeout: float) -> None:
    """Every look is given an end that leaves time for the last look and the outputs within five seconds."""
    gate = run({"a": PENDING}, {"look_seconds": look_seconds}, timeout_seconds=timeout)
    assert gate.ending == TIMED_OUT
    assert timeout <= gate.verdict.elapsed_seconds <= timeout + OVERRUN_SECONDS - 1
    assert gate.look_times[-1] >= timeout
    assert [poll.at for poll in gate.api.polls if poll.at >= timeout] == gate.look_times[-1:]


def test_deadline__gives_each_look_time_and_limits(run: RunGate) -> None:
    """No try of a request is waited for past the deadline, and no request goes on for long after it."""
    gate = run({"a": PENDING}, timeout_seconds=100)
    for poll in gate.api.polls:
        assert poll.at <= poll.retry_until <= 100
        assert 100 < poll.ends_at < 100 + OVERRUN_SECONDS


# --- Fail fast -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [FAILED, MALFORMED])
def test_fail_fast__ends_with_the_first_job_that_failed_or_is_missing(run: RunGate, end: Said) -> None:
    """The rest is not waited for, and stands as last seen."""
    gate = run({"a": PENDING, "b": {0: PENDING, 10: end}, "c": {0: PENDING, 5: DONE}}, fail_fast=True)
    assert gate.ending == FAILURE
    assert 10 <= gate.verdict.elapsed_seconds < 12
    assert (gate.states["a"], gate.states["c"]) == ("pending", "completed")


@pytest.mark.parametrize("end", [UNKNOWN, LEFT_OUT])
def test_fail_fast__gives_a_job_that_is_not_known_its_grace(run: RunGate, end: Said) -> None:
    """A job is missing only after `not-found-grace`."""
    gate = run({"a": PENDING, "b": end}, fail_fast=True, not_found_grace_seconds=30)
    assert gate.states == {"a": "pending", "b": "missing"}
    assert 30 <= gate.verdict.elapsed_seconds < 40


@pytest.mark.parametrize("end", [FAILED, MALFORMED])
def test_fail_fast__is_off_unless_asked_for(run: RunGate, end: Said) -> None:
    """Otherwise all jobs are waited for, and the gate fails then."""
    gate = run({"a": {0: PENDING, 100: DONE}, "b": end})
    assert gate.ending == FAILURE
    assert gate.verdict.elapsed_seconds >= 100
    assert gate.states["a"] == "completed"


def test_fail_fast__does_not_end_for_a_job_that_is_unreadable(run: RunGate) -> None:
    """An unreadable job has neither failed nor is it missing."""
    gate = run({"a": {0: PENDING, 200: DONE}, "b": FAILING}, fail_fast=True, outage_tolerance_seconds=20)
    assert gate.states == {"a": "completed", "b": "unreadable"}
    assert gate.verdict.elapsed_seconds >= 200


# --- Jobs that are not there ---------------------------------------------------------------------------------------


def test_not_found__within_its_grace_is_waited_for(run: RunGate) -> None:
    """A job that the API does not know yet is pending, and then one like any other."""
    gate = run({"a": {0: UNKNOWN, 9: PENDING, 30: DONE}})
    assert gate.ending == SUCCESS


@pytest.mark.parametrize("grace", [0.0, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("appeared_at", [None, 20.0])
def test_not_found__past_its_grace_is_missing(run: RunGate, grace: float, appeared_at: float | None) -> None:
    """An ID unknown for `not-found-grace`, from when it was first not known, is missing and says what the API said."""
    timeline = {0: UNKNOWN} if appeared_at is None else {0: PENDING, appeared_at: UNKNOWN}
    gate = run({"a": timeline}, not_found_grace_seconds=grace)
    first = next(poll.at for poll in gate.api.polls if poll.at >= (appeared_at or 0))
    assert gate.states == {"a": "missing"}
    assert gate.ending == FAILURE
    assert first + grace <= gate.verdict.elapsed_seconds <= first + grace + 20
    assert "HTTP unknown" in (gate.verdict.jobs[0].reason or "")


def test_not_found__begins_anew_once_the_job_was_seen(run: RunGate) -> None:
    """Twice unknown for less than the grace, with a row in between, is not missing."""
    gate = run({"a": {0: UNKNOWN, 8: PENDING, 12: UNKNOWN, 18: DONE}})
    assert gate.ending == SUCCESS


def test_not_found__is_not_counted_within_one_look(run: RunGate) -> None:
    """Looks that take long themselves do not make an absence longer than it surely is."""
    gate = run({"a": {0: UNKNOWN, 12.5: DONE}}, {"look_seconds": 6}, not_found_grace_seconds=10)
    assert gate.ending == SUCCESS


@pytest.mark.parametrize("grace", [0.0, 1000.0])
def test_malformed__is_missing_without_grace(run: RunGate, grace: float) -> None:
    """An ID that the API rejects will not become a job."""
    gate = run({"a": MALFORMED}, not_found_grace_seconds=grace)
    assert gate.look_times == [0]
    assert gate.states == {"a": "missing"}
    assert "HTTP malformed" in (gate.verdict.jobs[0].reason or "")


@pytest.mark.parametrize(
    ("grace", "interval", "look_count"), [(0.0, 1.0, 3), (10.0, 1.0, 11), (1.0, 30.0, 3), (60.0, 30.0, 3)]
)
def test_left_out__needs_three_answers_and_the_grace(
    run: RunGate, grace: float, interval: float, look_count: int
) -> None:
    """A job whose row is left out is missing after `not-found-grace`, but never before the third such answer."""
    gate = run(
        {"a": LEFT_OUT},
        not_found_grace_seconds=grace,
        poll_interval_seconds=interval,
        max_poll_interval_seconds=interval,
    )
    assert gate.states == {"a": "missing"}
    assert len(gate.look_times) == look_count
    assert gate.verdict.jobs[0].reason


def test_left_out__now_and_then_is_not_missing(run: RunGate) -> None:
    """Every row that does come begins the count anew."""
    timeline = {float(second): PENDING if second % 3 == 0 else LEFT_OUT for second in range(60)}
    gate = run(
        {"a": {**timeline, 60.0: DONE}},
        not_found_grace_seconds=0,
        poll_interval_seconds=1,
        max_poll_interval_seconds=1,
    )
    assert gate.ending == SUCCESS


def test_left_out__is_an_answer(run: RunGate) -> None:
    """An API that leaves rows out is there: this is no outage."""
    gate = run({"a": {0: LEFT_OUT, 50: DONE}}, not_found_grace_seconds=1000, outage_tolerance_seconds=10)
    assert gate.ending == SUCCESS


@pytest.mark.parametrize(
    ("timeline", "state"),
    [
        ({0: UNKNOWN}, "missing"),
        ({0: LEFT_OUT}, "missing"),
        ({0: PENDING, 50: UNKNOWN}, "missing"),
        ({0: UNKNOWN, 50: LEFT_OUT}, "missing"),
        ({0: UNKNOWN, 50: SILENT}, "missing"),
        ({0: PENDING, 50: LEFT_OUT}, "pending"),
        ({0: UNKNOWN, 50: PENDING}, "pending"),
        ({0: LEFT_OUT, 20: PENDING, 50: LEFT_OUT}, "pending"),
        ({0: SILENT}, "pending"),
    ],
)
def test_deadline__makes_a_job_missing_that_is_still_unknown(run: RunGate, timeline: Timeline, state: str) -> None:
    """At the deadline an ID without a job is missing, within its grace too; a job that was seen once is pending."""
    gate = run({"a": timeline}, timeout_seconds=60, not_found_grace_seconds=1000)
    assert gate.states == {"a": state}
    assert gate.ending == (FAILURE if state == "missing" else TIMED_OUT)


def test_deadline__leaves_time_to_write_of_very_many_jobs(run: RunGate) -> None:
    """The more jobs, the sooner the last requests have to end."""
    for count in (1, 50_000):
        gate = run(dict.fromkeys(map(str, range(count)), PENDING), {"look_seconds": 100}, timeout_seconds=10)
        within, last = (poll.ends_at - 10 for poll in gate.api.polls)
        handling_seconds = count * 1.2e-5
        assert (within, last) == pytest.approx((1.5 - handling_seconds, 3.5 - handling_seconds))
        assert gate.ending == TIMED_OUT


@pytest.mark.parametrize(("interval", "look_count", "state"), [(30.0, 3, "missing"), (60.0, 2, "pending")])
def test_deadline__makes_a_job_missing_that_three_answers_left_out(
    run: RunGate, interval: float, look_count: int, state: str
) -> None:
    """Three answers without its row are enough to tell at the deadline, and two are not."""
    gate = run(
        {"a": LEFT_OUT},
        not_found_grace_seconds=1000,
        timeout_seconds=60,
        poll_interval_seconds=interval,
        max_poll_interval_seconds=interval,
    )
    assert len(gate.look_times) == look_count
    assert gate.states == {"a": state}


@pytest.mark.parametrize(
    ("timeline", "reason"),
    [
        ({0: UNKNOWN}, "the API does not know the ID (HTTP unknown)"),
        ({0: MALFORMED}, "the API rejects the ID as malformed (HTTP malformed)"),
        ({0: LEFT_OUT}, "the API leaves it out of its answers"),
        ({0: SILENT, 30: UNKNOWN}, "the API still did not know the ID at the timeout"),
        ({0: SILENT, 10: LEFT_OUT}, "the API still did not know the ID at the timeout"),
    ],
)
def test_missing__says_why(run: RunGate, timeline: Timeline, reason: str) -> None:
    """A missing job's reason is what the API said, or did not say, of it."""
    gate = run({"a": timeline}, timeout_seconds=30, not_found_grace_seconds=25, max_poll_interval_seconds=5)
    assert gate.states == {"a": "missing"}
    assert gate.verdict.jobs[0].reason == reason


def test_missing__counts_from_the_grace_on(run: RunGate) -> None:
    """A job is missing with the very look at which its grace is over."""
    gate = run(
        {"a": UNKNOWN, "b": {0: PENDING, 60: DONE}},
        poll_interval_seconds=5,
        max_poll_interval_seconds=5,
        not_found_grace_seconds=10,
    )
    assert next(at for at, state in gate.state_at("a") if state == "missing") == 10


@pytest.mark.parametrize(("require_articles", "is_failure"), [(True, True), (False, False)])
def test_fail_fast__tells_the_client_what_a_failure_is(
    run: RunGate, *, require_articles: bool, is_failure: bool
) -> None:
    """A row counts as failed by the inputs; without `fail-fast` the client is to ask for all."""
    gate = run({"a": DONE}, fail_fast=True, require_articles=require_articles)
    told = gate.api.polls[0].is_failure
    assert told is not None
    assert told(StatusRow(id="any", status="COMPLETED")) is is_failure
    assert told(StatusRow(id="any", status="FAILED"))
    assert run({"a": DONE}).api.polls[0].is_failure is None


# --- Outages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 30.0, 300.0])
@pytest.mark.parametrize("began_at", [0.0, 40.0])
def test_outage__is_endured_for_as_long_as_tolerated(run: RunGate, tolerance: float, began_at: float) -> None:
    """Without one usable answer for `outage-tolerance` the gate gives up, and says what it met and what to do."""
    gate = run(
        {"a": PENDING, "b": {0: PENDING, 5: DONE}}, {"down": [(began_at, math.inf)]}, outage_tolerance_seconds=tolerance
    )
    last_response_at = max([poll.at for poll in gate.api.polls if poll.at < began_at], default=0.0)
    assert gate.ending == NO_ANSWER
    assert isinstance(gate.verdict.error, OutageError)
    assert "HTTP 429" in str(gate.verdict.error)
    assert "outage-tolerance" in str(gate.verdict.error)
    least = max(last_response_at + tolerance, began_at)
    assert least <= gate.verdict.elapsed_seconds <= least + 10
    assert gate.states == {"a": "pending", "b": "completed" if began_at else "pending"}


def test_outage__that_is_over_in_time_is_forgotten(run: RunGate) -> None:
    """Each usable answer begins the tolerance anew."""
    down = [(begin, begin + 28.0) for begin in range(0, 600, 60)]
    gate = run({"a": {0: PENDING, 620: DONE}}, {"down": down}, outage_tolerance_seconds=30, max_poll_interval_seconds=1)
    assert gate.ending == SUCCESS


def test_outage__is_noticed_in_time_whatever_the_api_asks_for(run: RunGate) -> None:
    """A `Retry-After` beyond the tolerance does not make the outage longer."""
    gate = run({"a": DONE}, {"down": [(0, math.inf)], "retry_after_seconds": 86_400}, outage_tolerance_seconds=60)
    assert gate.ending == NO_ANSWER
    assert gate.verdict.elapsed_seconds == 60


def test_outage__leaves_no_time_to_retry_past_it(run: RunGate) -> None:
    """The client does not wait for an answer beyond what is tolerated, or beyond a standstill."""
    gate = run({"a": PENDING}, outage_tolerance_seconds=30, stall_timeout_seconds=20, timeout_seconds=100)
    first = gate.api.polls[0]
    assert first.retry_until == 20
    gate = run({"a": PENDING}, {"down": [(0, math.inf)]}, outage_tolerance_seconds=30)
    assert [poll.retry_until for poll in gate.api.polls] == [30] * len(gate.api.polls)


def test_outage__does_not_count_the_pause_before_it(run: RunGate) -> None:
    """Where the API was not asked it was not down: one bad answer after a pause beyond the tolerance is no outage."""
    gate = run(
        {"a": {0: PENDING, 95: DONE}}, {"down": [(60, 61)]}, poll_interval_seconds=30, outage_tolerance_seconds=20
    )
    assert gate.look_times == [0, 30, 60, 90, 120]
    assert gate.api.polls[2].retry_until == 80
    assert gate.ending == SUCCESS


def test_outage__that_began_amid_a_look_counts_from_its_last_answer(run: RunGate) -> None:
    """Where a look was cut short, the API has been down since it last answered."""
    gate = run(
        {"a": {0: PENDING}, "b": {0: PENDING, 20: SILENT}},
        {"down": [(21.5, math.inf)], "look_seconds": 0.1},
        max_poll_interval_seconds=1,
        outage_tolerance_seconds=30,
    )
    cut_at = next(progress.elapsed_seconds for progress in gate.progress if progress.incomplete_reason)
    assert gate.ending == NO_ANSWER
    assert gate.api.polls[-1].retry_until == pytest.approx(cut_at + 30)


def test_outage__says_what_to_do(run: RunGate) -> None:
    """The error is two sentences: for how long, what came instead, and what to look at."""
    gate = run({"a": PENDING}, {"down": [(0, math.inf)]}, outage_tolerance_seconds=30)
    assert str(gate.verdict.error) == (
        "The API gave no usable answer for 30s: HTTP 429. Check api-url, the network and the API's state, or raise"
        " outage-tolerance."
    )


def test_outage__of_some_jobs_alone_does_not_shorten_the_pause(run: RunGate) -> None:
    """Where others are answered, `Retry-After` is heeded to its end: there is no outage to be noticed in time."""
    gate = run(
        {"a": {0: PENDING, 300: DONE}, "b": {0: SILENT, 300: DONE}},
        {"retry_after_seconds": 400},
        poll_interval_seconds=70,
        max_poll_interval_seconds=70,
        outage_tolerance_seconds=100,
    )
    assert gate.look_times == [0, 400]


def test_outage__of_singles_alone_names_what_they_met(run: RunGate) -> None:
    """Where all that came of a look is that each job fails alone, the outage says how they fail."""
    gate = run({"a": FAILING}, outage_tolerance_seconds=30)
    assert gate.ending == NO_ANSWER
    assert "HTTP 500" in str(gate.verdict.error)
    assert gate.states == {"a": "pending"}


@pytest.mark.parametrize("tolerance", [0.0, 30.0, 300.0])
@pytest.mark.parametrize("began_at", [0.0, 40.0])
def test_failing__while_others_are_answered_is_unreadable(run: RunGate, tolerance: float, began_at: float) -> None:
    """A job that fails for `outage-tolerance` is given up, with the reason; the others are waited for."""
    timeline = {0: FAILING} if began_at == 0 else {0: PENDING, began_at: FAILING}
    gate = run({"a": timeline, "b": {0: PENDING, 900: DONE}}, outage_tolerance_seconds=tolerance)
    assert gate.ending == NO_ANSWER
    assert gate.verdict.error is None
    assert gate.states == {"a": "unreadable", "b": "completed"}
    assert gate.verdict.jobs[0].reason == "HTTP 500"
    failing_at = next(poll.at for poll in gate.api.polls if poll.at >= began_at)
    unreadable_at = next(at for at, state in gate.state_at("a") if state == "unreadable")
    assert failing_at + tolerance <= unreadable_at <= failing_at + tolerance + 30


def test_failing__counts_from_its_first_look_on(run: RunGate) -> None:
    """A job is unreadable with the very look at which it has failed for as long as is tolerated."""
    gate = run(
        {"a": FAILING, "b": {0: PENDING, 60: DONE}},
        poll_interval_seconds=5,
        max_poll_interval_seconds=5,
        outage_tolerance_seconds=30,
    )
    assert next(at for at, state in gate.state_at("a") if state == "unreadable") == 30


def test_failing__beside_one_that_has_ended_at_once_is_unreadable(run: RunGate) -> None:
    """An answer for another job in the first look that failed is enough to tell the job from an outage."""
    gate = run({"a": FAILING, "b": DONE}, outage_tolerance_seconds=30)
    assert gate.states == {"a": "unreadable", "b": "completed"}
    assert gate.verdict.error is None


def test_failing__that_heals_in_time_is_forgotten(run: RunGate) -> None:
    """A job that the API fails on for a while completes like any other."""
    gate = run(
        {"a": {0: FAILING, 20: PENDING, 40: FAILING, 60: DONE}, "b": {0: PENDING, 100: DONE}},
        outage_tolerance_seconds=30,
    )
    assert gate.ending == SUCCESS
    assert gate.verdict.jobs[0].reason is None


def test_failing__is_unreadable_though_the_others_have_ended(run: RunGate) -> None:
    """A job that failed while others were answered is unreadable, when nobody else is left to ask for."""
    gate = run({"a": FAILING, "b": {0: PENDING, 5: DONE}}, outage_tolerance_seconds=30)
    assert gate.states == {"a": "unreadable", "b": "completed"}
    assert gate.verdict.error is None
    assert 30 <= gate.verdict.elapsed_seconds < 40


def test_failing__in_an_outage_is_not_that_jobs_fault(run: RunGate) -> None:
    """Jobs that begin to fail all together are an outage, and stay pending."""
    timeline = {0: PENDING, 50: FAILING}
    gate = run({"a": timeline, "b": timeline}, outage_tolerance_seconds=30)
    assert isinstance(gate.verdict.error, OutageError)
    assert gate.states == {"a": "pending", "b": "pending"}


# --- Standstill ----------------------------------------------------------------------------------------------------


def test_stall__ends_the_gate_where_nothing_changes(run: RunGate) -> None:
    """After `stall-timeout` without a change the gate has timed out, and says by which limit."""
    gate = run({"a": {0: PENDING, 30: RUNNING}, "b": {0: DONE}}, stall_timeout_seconds=60)
    changed_at = next(poll.at for poll in gate.api.polls if poll.at >= 30)
    assert gate.ending == TIMED_OUT
    assert gate.verdict.limit is not None
    assert (gate.verdict.limit.input_name, gate.verdict.limit.seconds) == ("stall-timeout", 60)
    assert changed_at + 60 <= gate.verdict.elapsed_seconds <= changed_at + 61


@pytest.mark.parametrize(
    "changes",
    [
        lambda second: _row(f"STEP_{second}"),
        lambda second: _row("PENDING", started_at=f"2026-06-11T12:00:{second}Z"),
        lambda second: _row("PENDING", completed_at=f"2026-06-11T12:00:{second}Z"),
        lambda second: PENDING if second % 20 else RUNNING,
    ],
    ids=["status", "start", "end", "back and forth"],
)
def test_stall__is_none_where_anything_changes(run: RunGate, changes: Callable[[int], Rows]) -> None:
    """A change of a job's status, start or end begins the time anew."""
    timeline: dict[float, Said] = {float(second): changes(second) for second in range(0, 200, 10)}
    gate = run({"a": {**timeline, 200.0: DONE}}, stall_timeout_seconds=15, max_poll_interval_seconds=1)
    assert gate.ending == SUCCESS


def test_stall__is_not_ended_by_what_is_no_change(run: RunGate) -> None:
    """New rows that say the same, with another article or creation, are no progress."""
    timeline = {float(second): _row("PENDING", article_id=str(second), created_at=str(second)) for second in range(60)}
    gate = run({"a": timeline}, stall_timeout_seconds=30, max_poll_interval_seconds=1)
    assert gate.verdict.limit is not None
    assert gate.verdict.elapsed_seconds == 30


def test_stall__is_no_limit_unless_given(run: RunGate) -> None:
    """Without `stall-timeout` a job may stand still for as long as the gate waits."""
    assert run({"a": {0: PENDING, 1700: DONE}}).ending == SUCCESS


def test_stall__yields_to_an_earlier_deadline(run: RunGate) -> None:
    """The limit that is reached first is the one that is named."""
    gate = run({"a": PENDING}, stall_timeout_seconds=100, timeout_seconds=50)
    assert gate.verdict.limit is not None
    assert gate.verdict.limit.input_name == "timeout"


def test_stall__leaves_a_job_pending_that_is_within_its_grace(run: RunGate) -> None:
    """Only the deadline makes an unknown ID missing before its grace is over."""
    gate = run({"a": UNKNOWN, "b": PENDING}, stall_timeout_seconds=10, not_found_grace_seconds=100)
    assert gate.ending == TIMED_OUT
    assert gate.states == {"a": "pending", "b": "pending"}


def test_stall__is_told_with_the_trouble_that_came_with_it(run: RunGate) -> None:
    """An API that is down changes nothing either, and the limit says so."""
    gate = run({"a": PENDING}, {"down": [(5, math.inf)]}, stall_timeout_seconds=20, outage_tolerance_seconds=100)
    assert gate.verdict.limit is not None
    assert (gate.verdict.limit.input_name, gate.verdict.limit.incomplete_reason) == ("stall-timeout", "HTTP 429")


# --- Endings by an error -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (CancelledError(2), ("cancelled", 130)),
        (CancelledError(15), ("cancelled", 143)),
        (RequestRefusedError("The key was revoked."), NO_ANSWER),
    ],
)
def test_error__in_a_look_keeps_what_earlier_looks_saw(run: RunGate, error: GateError, ending: tuple[str, int]) -> None:
    """A signal, or a refusal, in the midst of a look ends the gate with the jobs as last seen."""
    gate = run({"a": {0: PENDING, 1: DONE}, "b": RUNNING, "c": FAILED}, {"raises": {3: error}})
    assert gate.ending == ending
    assert gate.verdict.error is error
    assert gate.states == {"a": "completed", "b": "pending", "c": "failed"}
    assert gate.verdict.jobs[1].status == "IN_PROGRESS"
    assert len(gate.look_times) == 4


def test_error__in_the_first_look_leaves_all_jobs_pending(run: RunGate) -> None:
    """Nothing is known then, and nothing is said."""
    gate = run({"a": DONE, "b": FAILED}, {"raises": {0: CancelledError(15)}})
    assert gate.states == {"a": "pending", "b": "pending"}
    assert gate.progress == []


@pytest.mark.parametrize(("number", "exit_code"), [(2, 130), (15, 143)])
def test_cancellation__in_a_pause_keeps_what_was_seen(
    make_inputs: Callable[..., Inputs], number: int, exit_code: int
) -> None:
    """A signal between two looks ends the gate with the jobs as last seen."""
    clock = Clock()
    api = Api(clock, {"a": {0: DONE}, "b": {0: RUNNING}})

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.pauses) == 3:
            raise CancelledError(number)

    verdict = _wait(["a", "b"], api, make_inputs(), clock, sleep)
    assert (verdict.result, verdict.exit_code) == (Result.CANCELLED, exit_code)
    assert [job.state for job in verdict.jobs] == [JobState.COMPLETED, JobState.PENDING]
    assert len(api.polls) == 3


# --- With the real client ------------------------------------------------------------------------------------------


def _wait(
    job_ids: Iterable[str],
    client: StatusClient,
    inputs: Inputs,
    clock: Clock,
    sleep: Callable[[float], None] | None = None,
) -> Verdict:
    return wait_for_jobs(
        [Job(id=job_id) for job_id in job_ids],
        client,
        inputs,
        started_at=STARTED_AT,
        clock=clock,
        sleep=sleep or clock.sleep,
        random=lambda: 0.0,
        on_poll=lambda _: None,
    )


class Wire:
    """A transport that answers by a function of the jobs asked for."""

    def __init__(self, answer: Callable[[Sequence[str]], Response]) -> None:
        self._answer = answer

    def submit(self, job_ids: Sequence[str], *, timeout_seconds: float) -> Response:
        """Answer at once."""
        assert timeout_seconds > 0
        return self._answer(job_ids)

    def wait_any(self, under_way: Sequence[Response]) -> tuple[Response, Response]:
        """Give an answer."""
        return under_way[0], under_way[0]


def _real_client(
    clock: Clock, inputs: Inputs, answer: Callable[[Sequence[str]], Response], sleep: Callable[[float], None]
) -> FiniClient:
    return FiniClient(
        transport=cast("Transport", Wire(answer)),
        api_key=inputs.api_key,
        batch_size=inputs.batch_size,
        max_parallel=inputs.max_parallel,
        request_timeout_seconds=inputs.request_timeout_seconds,
        clock=clock,
        sleep=sleep,
        on_request=lambda _count, _answer, _seconds: None,
        on_retry=lambda _problem, _seconds: None,
    )


def _completed(job_ids: Sequence[str]) -> Response:
    rows = [{"id": job_id, "jobStatus": "COMPLETED"} for job_id in job_ids]
    return Response(200, {}, json.dumps({"jobs": rows}).encode())


@pytest.mark.parametrize("retry_after", [None, "1", "3", "1000"])
@pytest.mark.parametrize("timeout", [0.0, 20.0])
def test_deadline__is_never_slept_past(
    make_inputs: Callable[..., Inputs], timeout: float, retry_after: str | None
) -> None:
    """Neither a pause nor a wait between two tries goes past the deadline, whatever the API asks for."""
    clock, inputs = Clock(), make_inputs(timeout_seconds=timeout)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        assert clock.elapsed <= timeout

    headers = {} if retry_after is None else {"retry-after": retry_after}
    client = _real_client(clock, inputs, lambda _: Response(429, headers, b""), sleep)
    verdict = _wait(["a"], client, inputs, clock, sleep)
    assert verdict.result is Result.TIMED_OUT
    assert clock.elapsed == timeout


def test_deadline__slept_past_by_a_suspended_machine_has_its_last_look(make_inputs: Callable[..., Inputs]) -> None:
    """Where the clock jumps far beyond the deadline in a pause, the last look is late, but not blind."""
    clock, inputs = Clock(), make_inputs(timeout_seconds=60)
    api = Api(clock, {"a": {0: PENDING, 5: DONE}})

    def sleep(_seconds: float) -> None:
        clock.now += 1000

    verdict = _wait(["a"], api, inputs, clock, sleep)
    assert verdict.result is Result.SUCCESS
    assert api.polls[-1].ends_at > api.polls[-1].at


@pytest.mark.parametrize("limit", ["outage_tolerance_seconds", "stall_timeout_seconds"])
def test_gate__ends_at_a_limit_without_asking_while_it_is_asked_to_wait(
    make_inputs: Callable[..., Inputs], limit: str
) -> None:
    """A limit that falls into the time in which the API asks to be left alone ends the gate without another look."""
    clock, inputs = Clock(), make_inputs(**{limit: 20.0})
    api = Api(clock, {"a": {0: PENDING}}, down=[(0, math.inf)], retry_after_seconds=60)
    verdict = _wait(["a"], api, inputs, clock)
    assert verdict.exit_code in {3, 4}
    assert (verdict.elapsed_seconds, len(api.polls)) == (20, 1)


@pytest.mark.parametrize("fail_fast", [True, False])
def test_fail_fast__ends_a_look_at_its_first_failure(
    make_inputs: Callable[..., Inputs],
    *,
    fail_fast: bool,
) -> None:
    """Batches behind one with a failed job are not asked for, nor is a rate limit among them waited for."""
    clock, inputs = Clock(), make_inputs(batch_size=1, max_parallel=1, fail_fast=fail_fast)
    asked: list[str] = []

    def answer(job_ids: Sequence[str]) -> Response:
        asked.extend(job_ids)
        rows = [{"id": job_id, "jobStatus": "FAILED" if job_id == "b" else "COMPLETED"} for job_id in job_ids]
        return Response(200, {}, json.dumps({"jobs": rows}).encode())

    verdict = _wait(["a", "b", "c"], _real_client(clock, inputs, answer, clock.sleep), inputs, clock)
    assert verdict.exit_code == 1
    assert asked == (["a", "b"] if fail_fast else ["a", "b", "c"])
    assert [str(job.state) for job in verdict.jobs] == ["completed", "failed", "pending" if fail_fast else "completed"]


def test_cancellation__in_a_look_keeps_what_that_look_saw(make_inputs: Callable[..., Inputs]) -> None:
    """A signal while the second batch is retried leaves the first batch, already answered, as it was seen."""
    clock, inputs = Clock(), make_inputs(batch_size=1)

    def answer(job_ids: Sequence[str]) -> Response:
        return _completed(job_ids) if job_ids[0] == "a" else Response(429, {}, b"")

    def sleep(_seconds: float) -> None:
        raise CancelledError(15)

    verdict = _wait(["a", "b"], _real_client(clock, inputs, answer, sleep), inputs, clock, sleep)
    assert verdict.exit_code == 143
    assert [job.state for job in verdict.jobs] == [JobState.COMPLETED, JobState.PENDING]


def test_refusal__in_a_look_keeps_what_that_look_saw(make_inputs: Callable[..., Inputs]) -> None:
    """A key that is revoked between two batches takes nothing back of the first."""
    clock, inputs = Clock(), make_inputs(batch_size=1)

    def answer(job_ids: Sequence[str]) -> Response:
        return _completed(job_ids) if job_ids[0] == "a" else Response(401, {}, b"")

    verdict = _wait(["a", "b"], _real_client(clock, inputs, answer, clock.sleep), inputs, clock)
    assert verdict.exit_code == 4
    assert [job.state for job in verdict.jobs] == [JobState.COMPLETED, JobState.PENDING]


# --- For any jobs --------------------------------------------------------------------------------------------------

TIMES = st.integers(0, 200).map(lambda tenths: tenths / 2)
ENDS: st.SearchStrategy[Said] = st.sampled_from(
    [DONE, DONE, DONE, FAILED, DONE + FAILED, _row("WHAT", completed_at="2026-06-11T12:00:05Z")]
)
INTERIM: st.SearchStrategy[Said] = st.sampled_from(
    [PENDING, RUNNING, DONE + PENDING, _row("WHAT"), UNKNOWN, LEFT_OUT, FAILING, SILENT]
)


@st.composite
def _timelines(draw: st.DrawFn) -> Timeline:
    """A job's way through any states, which may end, and then stays what it is."""
    interim = draw(st.dictionaries(TIMES, INTERIM, max_size=4))
    end = draw(st.none() | st.tuples(TIMES, ENDS | st.just(MALFORMED)))
    if end is None:
        return {0.0: draw(INTERIM), **interim}
    ended_at, said = end
    return {0.0: draw(INTERIM), **{at: state for at, state in interim.items() if at < ended_at}, ended_at: said}


def _state_of(said: Said) -> JobState | None:
    """What a job surely is by what is said of it; None where that depends on for how long."""
    if not isinstance(said, tuple):
        return JobState.MISSING if said == MALFORMED else None
    sightings = [Job(id="any").updated_from(row, require_article=False).state for row in said]
    return next(state for state in (JobState.FAILED, JobState.PENDING, JobState.COMPLETED) if state in sightings)


def _outcome_of(states: set[JobState]) -> tuple[str, int]:
    if states & {JobState.FAILED, JobState.MISSING}:
        return FAILURE
    if JobState.UNREADABLE in states:
        return NO_ANSWER
    return TIMED_OUT if JobState.PENDING in states else SUCCESS


# Which states a job may be in by what was said of it last, where that alone does not tell.
POSSIBLE = {
    UNKNOWN: {JobState.PENDING, JobState.MISSING},
    LEFT_OUT: {JobState.PENDING, JobState.MISSING},
    FAILING: {JobState.PENDING, JobState.UNREADABLE, JobState.MISSING},
}


# The fixture gives a factory, which keeps nothing between two examples.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_verdict__is_the_truth(data: st.DataObject, make_inputs: Callable[..., Inputs]) -> None:
    """For any jobs, limits and outages each job is in exactly one list, the one where it belongs, and in time."""
    clock = Clock()
    timelines = data.draw(st.lists(_timelines(), min_size=1, max_size=6))
    outages = data.draw(st.lists(st.tuples(TIMES, TIMES), max_size=3))
    api = Api(
        clock,
        {f"job-{number}": timeline for number, timeline in enumerate(timelines)},
        look_seconds=data.draw(st.sampled_from([0.0, 0.0, 0.3, 4.0, 50.0])),
        down=[(begin, begin + seconds) for begin, seconds in outages],
        retry_after_seconds=data.draw(st.sampled_from([0.0, 0.0, 7.0, math.inf])),
    )
    inputs = make_inputs(
        timeout_seconds=data.draw(st.sampled_from([0.0, 1.0, 10.0, 60.0, 90.5])),
        stall_timeout_seconds=data.draw(st.sampled_from([None, None, 20.0])),
        not_found_grace_seconds=data.draw(st.sampled_from([0.0, 10.0, 50.0])),
        outage_tolerance_seconds=data.draw(st.sampled_from([0.0, 15.0, 300.0])),
        max_poll_interval_seconds=data.draw(st.sampled_from([1.0, 30.0])),
        fail_fast=data.draw(st.booleans()),
    )
    verdict = _wait(api.timelines, api, inputs, clock)

    assert [job.id for job in verdict.jobs] == list(api.timelines)
    assert verdict.elapsed_seconds <= inputs.timeout_seconds + OVERRUN_SECONDS
    assert all(poll.ends_at < inputs.timeout_seconds + OVERRUN_SECONDS for poll in api.polls)
    for job in verdict.jobs:
        if (said := api.said.get(job.id)) is None:
            assert job.state is JobState.PENDING
        elif (state := _state_of(said)) is not None:
            assert job.state is state
        else:
            assert isinstance(said, str)
            assert job.state in POSSIBLE[said]
    states = {job.state for job in verdict.jobs}
    if verdict.error is not None:
        assert isinstance(verdict.error, OutageError)
        assert JobState.PENDING in states
        last = api.polls[-1]
        assert api.is_down(last.at) or {api.says(job_id, last.at) for job_id in last.job_ids} & {FAILING, SILENT}
    else:
        assert (str(verdict.result), verdict.exit_code) == _outcome_of(states)
        # It ends for a reason: all is settled, or a limit, or fail-fast.
        is_failed = bool(states & {JobState.FAILED, JobState.MISSING})
        assert JobState.PENDING not in states or verdict.limit is not None or (inputs.fail_fast and is_failed)
    if verdict.limit is not None and verdict.limit.input_name == "timeout":
        assert api.polls[-1].at >= inputs.timeout_seconds
        # Who is pending at the deadline was so at the last look.
        for job in verdict.in_state(JobState.PENDING):
            now_says = api.says(job.id, api.polls[-1].at)
            assert api.is_down(api.polls[-1].at) or _state_of(now_says) in {None, JobState.PENDING}
    if verdict.result is Result.SUCCESS:
        assert all(api.says(job.id, clock.elapsed) == DONE for job in verdict.jobs)
