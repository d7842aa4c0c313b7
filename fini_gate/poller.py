"""The loop: looks at the jobs, waits, looks again, until all are settled or a limit is reached."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, Protocol

from fini_gate.errors import GateError, OutageError
from fini_gate.inputs import Inputs, format_duration
from fini_gate.models import Job, JobState, PollResult, StatusRow, worse_of
from fini_gate.pacing import CompletionRate, interval_seconds
from fini_gate.verdict import Limit, Verdict, decide

# The gate has to end within 5 s of its deadline. A request that is under way at the deadline may take a share of them,
# the last look the next one; the rest is for starting the process and for writing the outputs. Of both shares goes what
# it takes to judge the jobs and to write of them: with very many of them that is seconds.
OVERRUN_SECONDS: Final = 1.5
FINAL_POLL_GRACE_SECONDS: Final = 3.5
REPORTING_SECONDS_PER_JOB: Final = 1.2e-5
# How often a job's row must be left out before the job counts as missing.
MIN_OMISSIONS: Final = 3


class StatusClient(Protocol):
    """Asks for the status of jobs."""

    def poll(
        self,
        job_ids: Sequence[str],
        *,
        retry_until: float,
        ends_at: float,
        is_failure: Callable[[StatusRow], bool] | None,
    ) -> PollResult:
        """Ask for each job, within limits on the gate's clock; where `is_failure` is given, until one failed by it."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What an observer is told after each look."""

    jobs: tuple[Job, ...]
    changed: tuple[Job, ...]
    """Those whose state, status, start or end is another than before."""
    elapsed_seconds: float
    eta_seconds: float | None = None
    """Until the last job ends, by the pace so far, where there is telling."""
    incomplete_reason: str | None
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
    on_poll: Callable[[Progress], None],
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
        on_poll: is told after each look.
    """
    gate = _Gate(jobs, client, inputs, started_at=started_at, clock=clock)
    error = None
    try:
        on_poll(gate.poll())
        while not gate.should_stop():
            sleep(gate.interval_seconds(random()))
            if gate.may_poll():
                on_poll(gate.poll())
    except GateError as reason:
        error = reason
    return decide(gate.jobs, elapsed_seconds=clock() - started_at, error=error, limit=gate.limit)


@dataclass(slots=True)
class _TrackedJob:
    """A job, and what its state depends on besides its last row. Times are on the gate's clock."""

    job: Job
    responded_at: float
    """When the API last said anything usable of it; at first, the start."""
    was_seen: bool = False
    """Whether there ever was a row."""
    absent_since: float | None = None
    """Since when the API has not known it, or has left its row out."""
    omission_count: int = 0
    is_unknown: bool = False
    """Whether the API last said that it does not exist."""
    server_errors_since: float | None = None
    """Since when the API has failed on it alone."""

    def seen(self, job: Job, now: float) -> None:
        """Take in a row."""
        self.job, self.responded_at, self.was_seen = job, now, True
        self.absent_since, self.omission_count, self.is_unknown, self.server_errors_since = None, 0, False, None

    def record_absence(self, *, began_at: float, now: float, is_unknown: bool) -> float:
        """Take in an answer that knows nothing of it, and return for how many seconds that has been so at least.

        The answers of a look come anywhere between its begin and its end.
        """
        self.responded_at, self.is_unknown, self.server_errors_since = now, is_unknown, None
        self.omission_count += not is_unknown
        if self.absent_since is None:
            self.absent_since = now
        return max(0.0, began_at - self.absent_since)

    def decide(self, state: JobState, reason: str) -> None:
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
        self._tracked_jobs = [_TrackedJob(job, responded_at=started_at) for job in jobs]
        self._client = client
        self._inputs = inputs
        self._started_at = started_at
        self._clock = clock
        self._deadline = started_at + inputs.timeout_seconds
        self._reporting_seconds = REPORTING_SECONDS_PER_JOB * len(self._tracked_jobs)
        self._is_final_poll = False
        self._polled_at = started_at
        self._changed_at = started_at
        self._last_response_at: float | None = None
        self._outage_started_at = math.inf
        self._poll_result = PollResult()
        self._rate: CompletionRate | None = None
        self._expected_end = started_at
        self.limit: Limit | None = None

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs as last seen, in the order given."""
        return tuple(tracked.job for tracked in self._tracked_jobs)

    @property
    def _stall_deadline(self) -> float:
        """When it will have been too long that nothing changed."""
        stall_timeout_seconds = self._inputs.stall_timeout_seconds
        return math.inf if stall_timeout_seconds is None else self._changed_at + stall_timeout_seconds

    @property
    def _outage_deadline(self) -> float:
        """When it will have been too long that the API was asked and gave no usable answer."""
        return self._outage_started_at + self._inputs.outage_tolerance_seconds

    def poll(self) -> Progress:
        """Look once at all jobs that are not settled."""
        before = self.jobs
        began_at = self._clock()
        self._outage_started_at = min(self._outage_started_at, began_at)
        self._is_final_poll = began_at >= self._deadline
        unfinished = [tracked for tracked in self._tracked_jobs if not tracked.job.is_finished]
        # Longest without an answer first, so that a look cut short does not leave the same ones out again and again.
        unfinished.sort(key=lambda tracked: tracked.responded_at)
        self._poll_result = self._client.poll(
            [tracked.job.id for tracked in unfinished],
            retry_until=min(self._deadline, self._outage_deadline, self._stall_deadline),
            ends_at=self._ends_at(began_at),
            is_failure=self._is_failure if self._inputs.fail_fast else None,
        )
        if self._poll_result.last_response_at is not None:
            self._last_response_at = self._poll_result.last_response_at
            # A pause is no outage: where nothing was amiss, the next one counts from the next look.
            self._outage_started_at = (
                math.inf if self._poll_result.incomplete_reason is None else self._last_response_at
            )
        now = self._polled_at = self._clock()
        for tracked in unfinished:
            self._apply(tracked, began_at=began_at, now=now)
            if self._is_final_poll:
                _give_up_not_found(tracked)
        pending = sum(not tracked.job.is_finished for tracked in unfinished)
        ended = len(self._tracked_jobs) - pending
        self._rate = CompletionRate.first_seen(now, ended) if self._rate is None else self._rate.seen(now, ended)
        self._expected_end = self._rate.end_of(pending)
        jobs = self.jobs
        changed = tuple(
            job for job, earlier in zip(jobs, before, strict=True) if job.progress_key != earlier.progress_key
        )
        if changed:
            self._changed_at = now
        return Progress(
            jobs=jobs,
            changed=changed,
            elapsed_seconds=now - self._started_at,
            eta_seconds=self._expected_end - now if self._expected_end > now else None,
            incomplete_reason=self._poll_result.incomplete_reason,
        )

    def _ends_at(self, began_at: float) -> float:
        """When a look has to end that begins now."""
        share_seconds = FINAL_POLL_GRACE_SECONDS if self._is_final_poll else OVERRUN_SECONDS
        ends_at = self._deadline + share_seconds - self._reporting_seconds
        # Where the machine was suspended the last look is late, but not left out.
        return ends_at if ends_at > began_at else began_at + FINAL_POLL_GRACE_SECONDS

    def _is_failure(self, row: StatusRow) -> bool:
        return Job(id=row.id).updated_from(row, require_article=self._inputs.require_articles).state is JobState.FAILED

    def _apply(self, tracked: _TrackedJob, *, began_at: float, now: float) -> None:
        """Judge a job by what the look told of it; where it told nothing, leave it as it was."""
        job, poll = tracked.job, self._poll_result
        if rows := poll.rows.get(job.id):
            sightings = [job.updated_from(row, require_article=self._inputs.require_articles) for row in rows]
            tracked.seen(reduce(worse_of, sightings), now)
        elif problem := poll.malformed.get(job.id):
            tracked.decide(JobState.MISSING, f"the API rejects the ID as malformed ({problem})")
        elif problem := poll.not_found.get(job.id):
            if (
                tracked.record_absence(began_at=began_at, now=now, is_unknown=True)
                >= self._inputs.not_found_grace_seconds
            ):
                tracked.decide(JobState.MISSING, f"the API does not know the ID ({problem})")
        elif job.id in poll.omitted:
            absent_seconds = tracked.record_absence(began_at=began_at, now=now, is_unknown=False)
            if absent_seconds >= self._inputs.not_found_grace_seconds and tracked.omission_count >= MIN_OMISSIONS:
                tracked.decide(JobState.MISSING, "the API leaves it out of its answers")
        elif problem := poll.server_errors.get(job.id):
            self._apply_server_error(tracked, problem, began_at=began_at, now=now)

    def _apply_server_error(self, tracked: _TrackedJob, problem: str, *, began_at: float, now: float) -> None:
        if tracked.server_errors_since is None:
            tracked.server_errors_since = began_at
        # Where nothing else has been answered since, it is the API that fails, and not this job.
        others_are_answered = (
            self._last_response_at is not None and self._last_response_at >= tracked.server_errors_since
        )
        is_too_long = now - tracked.server_errors_since >= self._inputs.outage_tolerance_seconds
        tracked.decide(JobState.UNREADABLE if others_are_answered and is_too_long else JobState.PENDING, problem)

    def should_stop(self) -> bool:
        """Whether to end with this look.

        Raises:
            GateError: the look was ended by it, or the API has been down for too long.
        """
        if self._poll_result.error is not None:
            raise self._poll_result.error
        states = {tracked.job.state for tracked in self._tracked_jobs}
        if JobState.PENDING not in states or (self._inputs.fail_fast and states & {JobState.FAILED, JobState.MISSING}):
            return True
        now = self._clock()
        if self._poll_result.last_response_at is None and now >= self._outage_deadline:
            problem = self._poll_result.incomplete_reason or next(
                iter(self._poll_result.server_errors.values()), "no answer"
            )
            raise OutageError(
                f"The API gave no usable answer for {format_duration(self._inputs.outage_tolerance_seconds)}:"
                f" {problem}. Check api-url, the network and the API's state, or raise outage-tolerance."
            )
        if self._is_final_poll:
            self.limit = Limit("timeout", self._inputs.timeout_seconds, self._poll_result.incomplete_reason)
        elif now >= self._stall_deadline:
            self.limit = Limit(
                "stall-timeout", self._inputs.stall_timeout_seconds or 0, self._poll_result.incomplete_reason
            )
        return self.limit is not None

    def may_poll(self) -> bool:
        """Whether the API does not ask to be left alone any more, or it is time for the last look all the same."""
        return self._clock() >= min(self._polled_at + self._poll_result.retry_after_seconds, self._deadline)

    def interval_seconds(self, jitter: float) -> float:
        """How long to wait before the next look; `chance` is a random number from 0 to 1."""
        now = self._clock()
        inputs = self._inputs
        pause = interval_seconds(
            self._expected_end - now,
            now - self._started_at,
            min_seconds=inputs.poll_interval_seconds,
            max_seconds=inputs.max_poll_interval_seconds,
            jitter=jitter,
        )
        pause = max(pause, self._poll_result.retry_after_seconds)
        # To notice in time that nothing changes, or that the API stays down.
        limits = (
            [self._stall_deadline, self._outage_deadline]
            if self._poll_result.last_response_at is None
            else [self._stall_deadline]
        )
        pause = max(min(pause, *(limit - now for limit in limits)), inputs.poll_interval_seconds)
        return max(0.0, min(pause, self._deadline - now))


def _give_up_not_found(tracked: _TrackedJob) -> None:
    """Settle a job that the API still does not know at the deadline."""
    is_never_seen = tracked.omission_count >= MIN_OMISSIONS and not tracked.was_seen
    if tracked.job.state is JobState.PENDING and (tracked.is_unknown or is_never_seen):
        tracked.decide(JobState.MISSING, "the API still did not know the ID at the timeout")
