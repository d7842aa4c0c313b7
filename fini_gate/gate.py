"""The loop: looks at the jobs, waits, looks again, until all are settled or a limit is reached."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, Protocol

from fini_gate.errors import GateError, OutageError
from fini_gate.inputs import Inputs, duration_text
from fini_gate.jobs import Job, JobState, Look, StatusRow, worse
from fini_gate.schedule import Pace, pause_seconds
from fini_gate.verdict import Limit, Verdict, judge

# The gate has to end within 5 s of its deadline. A request that is under way at the deadline may take a share of them,
# the last look the next one; the rest is for starting the process and for writing the outputs. Of both shares goes what
# it takes to judge the jobs and to write of them: with very many of them that is seconds.
OVERRUN_SECONDS: Final = 1.5
LAST_LOOK_SECONDS: Final = 3.5
HANDLING_SECONDS_PER_JOB: Final = 1.2e-5
# How often a job's row must be left out before the job counts as missing.
LEFT_OUT_TIMES: Final = 3


class StatusClient(Protocol):
    """Asks for the status of jobs."""

    def look(
        self,
        job_ids: Sequence[str],
        *,
        retry_until: float,
        ends_at: float,
        is_failure: Callable[[StatusRow], bool] | None,
    ) -> Look:
        """Ask for each job, within limits on the gate's clock; where `is_failure` is given, until one failed by it."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What an observer is told after each look."""

    jobs: tuple[Job, ...]
    changed: tuple[Job, ...]
    """Those whose state, status, start or end is another than before."""
    elapsed_seconds: float
    seconds_left: float | None = None
    """Until the last job ends, by the pace so far, where there is telling."""
    trouble: str | None
    """What kept the API from answering for all of them."""


def wait_for_jobs(  # noqa: PLR0913 - the parts that the composition root wires
    jobs: Iterable[Job],
    client: StatusClient,
    inputs: Inputs,
    *,
    started_at: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    random: Callable[[], float],
    on_look: Callable[[Progress], None],
) -> Verdict:
    """Wait until all jobs are settled, or a limit is reached.

    Args:
        jobs: the jobs to wait for, pending.
        client: asks for them.
        inputs: the limits, and what counts as failed.
        started_at: when the gate started, on the clock; all limits count from there.
        clock: seconds, monotonic.
        sleep: sleeps so many seconds; may raise GateError.
        random: random numbers from 0 to 1.
        on_look: is told after each look.
    """
    gate = _Gate(jobs, client, inputs, started_at=started_at, clock=clock)
    error = None
    try:
        on_look(gate.look())
        while not gate.is_over():
            sleep(gate.pause_seconds(random()))
            if gate.may_look():
                on_look(gate.look())
    except GateError as reason:
        error = reason
    return judge(gate.jobs, elapsed_seconds=clock() - started_at, error=error, limit=gate.limit)


@dataclass(slots=True)
class _Watch:
    """A job, and what its state depends on besides its last row. Times are on the gate's clock."""

    job: Job
    answered_at: float
    """When the API last said anything usable of it; at first, the start."""
    was_seen: bool = False
    """Whether there ever was a row."""
    absent_since: float | None = None
    """Since when the API has not known it, or has left its row out."""
    left_out_times: int = 0
    is_unknown: bool = False
    """Whether the API last said that it does not exist."""
    failing_since: float | None = None
    """Since when the API has failed on it alone."""

    def seen(self, job: Job, now: float) -> None:
        """Take in a row."""
        self.job, self.answered_at, self.was_seen = job, now, True
        self.absent_since, self.left_out_times, self.is_unknown, self.failing_since = None, 0, False, None

    def absent(self, *, began_at: float, now: float, is_unknown: bool) -> float:
        """Take in an answer that knows nothing of it, and return for how many seconds that has been so at least.

        The answers of a look come anywhere between its begin and its end.
        """
        self.answered_at, self.is_unknown, self.failing_since = now, is_unknown, None
        self.left_out_times += not is_unknown
        if self.absent_since is None:
            self.absent_since = now
        return max(0.0, began_at - self.absent_since)

    def judge(self, state: JobState, reason: str) -> None:
        """Say what the job is, where no row does."""
        self.job = self.job._replace(state=state, reason=reason)


class _Gate:
    """What is known of the jobs between two looks. Times are on the gate's clock."""

    def __init__(
        self,
        jobs: Iterable[Job],
        client: StatusClient,
        inputs: Inputs,
        *,
        started_at: float,
        clock: Callable[[], float],
    ) -> None:
        self._watches = [_Watch(job, answered_at=started_at) for job in jobs]
        self._client = client
        self._inputs = inputs
        self._started_at = started_at
        self._clock = clock
        self._deadline = started_at + inputs.timeout_seconds
        self._handling_seconds = HANDLING_SECONDS_PER_JOB * len(self._watches)
        self._looked_last = False
        self._looked_at = started_at
        self._changed_at = started_at
        self._usable_at: float | None = None
        self._out_since = math.inf
        self._look = Look()
        self._pace: Pace | None = None
        self._expected_end = started_at
        self.limit: Limit | None = None

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs as last seen, in the order given."""
        return tuple(watch.job for watch in self._watches)

    @property
    def _stall_at(self) -> float:
        """When it will have been too long that nothing changed."""
        stall_timeout_seconds = self._inputs.stall_timeout_seconds
        return math.inf if stall_timeout_seconds is None else self._changed_at + stall_timeout_seconds

    @property
    def _outage_at(self) -> float:
        """When it will have been too long that the API was asked and gave no usable answer."""
        return self._out_since + self._inputs.outage_tolerance_seconds

    def look(self) -> Progress:
        """Look once at all jobs that are not settled."""
        before = self.jobs
        began_at = self._clock()
        self._out_since = min(self._out_since, began_at)
        self._looked_last = began_at >= self._deadline
        unsettled = [watch for watch in self._watches if not watch.job.is_settled]
        # Longest without an answer first, so that a look cut short does not leave the same ones out again and again.
        unsettled.sort(key=lambda watch: watch.answered_at)
        self._look = self._client.look(
            [watch.job.id for watch in unsettled],
            retry_until=min(self._deadline, self._outage_at, self._stall_at),
            ends_at=self._ends_at(began_at),
            is_failure=self._is_failure if self._inputs.fail_fast else None,
        )
        if self._look.usable_at is not None:
            self._usable_at = self._look.usable_at
            # A pause is no outage: where nothing was amiss, the next one counts from the next look.
            self._out_since = math.inf if self._look.trouble is None else self._usable_at
        now = self._looked_at = self._clock()
        for watch in unsettled:
            self._take_in(watch, began_at=began_at, now=now)
            if self._looked_last:
                _give_up_unknown(watch)
        pending = sum(not watch.job.is_settled for watch in unsettled)
        ended = len(self._watches) - pending
        self._pace = Pace.first_seen(now, ended) if self._pace is None else self._pace.seen(now, ended)
        self._expected_end = self._pace.end_of(pending)
        jobs = self.jobs
        changed = tuple(job for job, earlier in zip(jobs, before, strict=True) if job.stage != earlier.stage)
        if changed:
            self._changed_at = now
        return Progress(
            jobs=jobs,
            changed=changed,
            elapsed_seconds=now - self._started_at,
            seconds_left=self._expected_end - now if self._expected_end > now else None,
            trouble=self._look.trouble,
        )

    def _ends_at(self, began_at: float) -> float:
        """When a look has to end that begins now."""
        share_seconds = LAST_LOOK_SECONDS if self._looked_last else OVERRUN_SECONDS
        ends_at = self._deadline + share_seconds - self._handling_seconds
        # Where the machine was suspended the last look is late, but not left out.
        return ends_at if ends_at > began_at else began_at + LAST_LOOK_SECONDS

    def _is_failure(self, row: StatusRow) -> bool:
        return Job(id=row.id).seen_as(row, require_article=self._inputs.require_articles).state is JobState.FAILED

    def _take_in(self, watch: _Watch, *, began_at: float, now: float) -> None:
        """Judge a job by what the look told of it; where it told nothing, leave it as it was."""
        job, look = watch.job, self._look
        if rows := look.rows.get(job.id):
            sightings = [job.seen_as(row, require_article=self._inputs.require_articles) for row in rows]
            watch.seen(reduce(worse, sightings), now)
        elif problem := look.malformed.get(job.id):
            watch.judge(JobState.MISSING, f"the API rejects the ID as malformed ({problem})")
        elif problem := look.unknown.get(job.id):
            if watch.absent(began_at=began_at, now=now, is_unknown=True) >= self._inputs.not_found_grace_seconds:
                watch.judge(JobState.MISSING, f"the API does not know the ID ({problem})")
        elif job.id in look.left_out:
            absent_seconds = watch.absent(began_at=began_at, now=now, is_unknown=False)
            if absent_seconds >= self._inputs.not_found_grace_seconds and watch.left_out_times >= LEFT_OUT_TIMES:
                watch.judge(JobState.MISSING, "the API leaves it out of its answers")
        elif problem := look.failing.get(job.id):
            self._take_in_failing(watch, problem, began_at=began_at, now=now)

    def _take_in_failing(self, watch: _Watch, problem: str, *, began_at: float, now: float) -> None:
        if watch.failing_since is None:
            watch.failing_since = began_at
        # Where nothing else has been answered since, it is the API that fails, and not this job.
        others_are_answered = self._usable_at is not None and self._usable_at >= watch.failing_since
        is_too_long = now - watch.failing_since >= self._inputs.outage_tolerance_seconds
        watch.judge(JobState.UNREADABLE if others_are_answered and is_too_long else JobState.PENDING, problem)

    def is_over(self) -> bool:
        """Whether to end with this look.

        Raises:
            GateError: the look was ended by it, or the API has been down for too long.
        """
        if self._look.error is not None:
            raise self._look.error
        states = {watch.job.state for watch in self._watches}
        if JobState.PENDING not in states or (self._inputs.fail_fast and states & {JobState.FAILED, JobState.MISSING}):
            return True
        now = self._clock()
        if self._look.usable_at is None and now >= self._outage_at:
            problem = self._look.trouble or next(iter(self._look.failing.values()), "no answer")
            raise OutageError(
                f"The API gave no usable answer for {duration_text(self._inputs.outage_tolerance_seconds)}: {problem}."
                " Check api-url, the network and the API's state, or raise outage-tolerance."
            )
        if self._looked_last:
            self.limit = Limit("timeout", self._inputs.timeout_seconds, self._look.trouble)
        elif now >= self._stall_at:
            self.limit = Limit("stall-timeout", self._inputs.stall_timeout_seconds or 0, self._look.trouble)
        return self.limit is not None

    def may_look(self) -> bool:
        """Whether the API does not ask to be left alone any more, or it is time for the last look all the same."""
        return self._clock() >= min(self._looked_at + self._look.retry_after_seconds, self._deadline)

    def pause_seconds(self, chance: float) -> float:
        """How long to wait before the next look; `chance` is a random number from 0 to 1."""
        now = self._clock()
        inputs = self._inputs
        pause = pause_seconds(
            self._expected_end - now,
            now - self._started_at,
            shortest_seconds=inputs.poll_interval_seconds,
            longest_seconds=inputs.max_poll_interval_seconds,
            chance=chance,
        )
        pause = max(pause, self._look.retry_after_seconds)
        # To notice in time that nothing changes, or that the API stays down.
        limits = [self._stall_at, self._outage_at] if self._look.usable_at is None else [self._stall_at]
        pause = max(min(pause, *(limit - now for limit in limits)), inputs.poll_interval_seconds)
        return max(0.0, min(pause, self._deadline - now))


def _give_up_unknown(watch: _Watch) -> None:
    """Settle a job that the API still does not know at the deadline."""
    is_never_seen = watch.left_out_times >= LEFT_OUT_TIMES and not watch.was_seen
    if watch.job.state is JobState.PENDING and (watch.is_unknown or is_never_seen):
        watch.judge(JobState.MISSING, "the API still did not know the ID at the timeout")
