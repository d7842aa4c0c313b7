"""The loop: polls until every job is finished or a limit is reached."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from fini_gate.deadlines import Deadlines
from fini_gate.errors import GateError
from fini_gate.inputs import Inputs
from fini_gate.models import Job, JobState, PollLimits, PollResult
from fini_gate.pacing import CompletionRate, interval_seconds
from fini_gate.tracking import PollTimes, TrackedJob
from fini_gate.verdict import Limit, Verdict, decide


class StatusClient(Protocol):
    """Asks the API for the status of jobs."""

    def poll(
        self, job_ids: Sequence[str], limits: PollLimits, *, should_stop: Callable[[PollResult], bool]
    ) -> PollResult:
        """Ask for each job once, within the limits; after each response, end early if `should_stop` says so."""


class Timing(NamedTuple):
    """How the gate reads time and waits, and for how long."""

    started_at: float
    """When the gate started, on the clock. All limits count from here."""
    deadlines: Deadlines
    clock: Callable[[], float]
    """Returns monotonic seconds."""
    sleep: Callable[[float], None]
    """Sleeps for this many seconds. May raise a GateError."""
    random: Callable[[], float]
    """Returns random numbers from 0 to 1."""


class Progress(NamedTuple):
    """The state of all jobs after a poll."""

    jobs: tuple[Job, ...]
    changed: tuple[Job, ...]
    """Jobs whose state, status, start or end has changed since the last poll."""
    elapsed_seconds: float
    incomplete_reason: str | None
    """Why the poll did not get a response about every job, if it did not."""
    eta_seconds: float | None = None
    """Expected time until the last job finishes, if known."""


def wait_for_jobs(
    jobs: Iterable[Job],
    client: StatusClient,
    inputs: Inputs,
    *,
    timing: Timing,
    on_poll: Callable[[Progress], None],
) -> Verdict:
    """Poll until every job is finished or a limit is reached, and decide the result.

    Args:
        jobs: the jobs to wait for, all pending.
        client: asks the API for their status.
        inputs: the intervals, and what counts as a failure.
        timing: the clock, the limits, and how to wait.
        on_poll: called after each poll.
    """
    poller = _Poller(jobs, client, inputs, timing)
    error = None
    try:
        on_poll(poller.poll())
        while not poller.is_done():
            timing.sleep(poller.interval_seconds())
            if poller.may_poll():
                on_poll(poller.poll())
    except GateError as caught:
        error = caught
    elapsed_seconds = timing.clock() - timing.started_at
    return decide(poller.jobs, elapsed_seconds=elapsed_seconds, error=error, limit=poller.limit)


class _Poller:
    """Polls, and keeps the loop's state between polls."""

    def __init__(self, jobs: Iterable[Job], client: StatusClient, inputs: Inputs, timing: Timing) -> None:
        self._tracked_jobs = [TrackedJob(job, responded_at=timing.started_at) for job in jobs]
        self._client = client
        self._inputs = inputs
        self._timing = timing
        self._deadlines = timing.deadlines
        self._rate: CompletionRate | None = None
        self._expected_end = timing.started_at
        self._last_response_at: float | None = None
        self._result = PollResult()
        self.limit: Limit | None = None

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs as last seen, in the order given."""
        return tuple(tracked.job for tracked in self._tracked_jobs)

    def poll(self) -> Progress:
        """Poll every unfinished job once."""
        began_at, jobs_before = self._timing.clock(), self.jobs
        unfinished = [tracked for tracked in self._tracked_jobs if not tracked.job.is_finished]
        # Longest without a response first, so that polls that are cut short do not always miss the same jobs.
        unfinished.sort(key=lambda tracked: tracked.responded_at)
        self._result = self._client.poll(
            [tracked.job.id for tracked in unfinished],
            self._deadlines.start_poll(began_at),
            should_stop=_FailFast(self._inputs),
        )
        self._deadlines.finish_poll(self._result)
        now = self._timing.clock()
        self._record_result(unfinished, began_at=began_at, now=now)
        pending_count = sum(not tracked.job.is_finished for tracked in unfinished)
        self._update_expected_end(pending_count, now)
        jobs = self.jobs
        changed = _changed(jobs_before, jobs)
        if changed:
            self._deadlines.record_change(now)
        return Progress(
            jobs=jobs,
            changed=changed,
            elapsed_seconds=now - self._timing.started_at,
            eta_seconds=self._expected_end - now if self._expected_end > now else None,
            incomplete_reason=self._result.incomplete_reason,
        )

    def is_done(self) -> bool:
        """Whether to stop: every job is finished, one has failed under `fail-fast`, or a limit is reached.

        Raises:
            GateError: an error ended the poll, or the API has been down for too long.
        """
        if self._result.error is not None:
            raise self._result.error
        states = {tracked.job.state for tracked in self._tracked_jobs}
        has_failure = not states.isdisjoint({JobState.FAILED, JobState.MISSING})
        if JobState.PENDING not in states:
            return True
        if self._inputs.fail_fast and has_failure:
            if self._deadlines.is_final_poll and self._result.last_response_at is not None:
                self.limit = self._deadlines.reached(self._result, now=self._timing.clock())
            return True
        self.limit = self._deadlines.reached(self._result, now=self._timing.clock())
        return self.limit is not None

    def interval_seconds(self) -> float:
        """Return how long to wait before the next poll."""
        now = self._timing.clock()
        seconds = interval_seconds(
            self._expected_end - now,
            now - self._timing.started_at,
            min_seconds=self._inputs.poll_interval_seconds,
            max_seconds=self._inputs.max_poll_interval_seconds,
            jitter=self._timing.random(),
        )
        seconds = max(seconds, self._result.retry_not_before - now)
        return self._deadlines.shorten_interval(seconds, self._result, now=now)

    def may_poll(self) -> bool:
        """Whether to poll now.

        A limit may have cut the interval short before the API's `Retry-After` is over. The final poll ignores it.
        """
        return self._timing.clock() >= min(self._result.retry_not_before, self._deadlines.timeout_at)

    def _record_result(self, unfinished: Iterable[TrackedJob], *, began_at: float, now: float) -> None:
        if self._result.last_response_at is not None:
            self._last_response_at = self._result.last_response_at
        times = PollTimes(began_at, now, self._last_response_at)
        for tracked in unfinished:
            tracked.record(self._result, times, self._inputs)
            if self._deadlines.is_final_poll:
                tracked.record_deadline()

    def _update_expected_end(self, pending_count: int, now: float) -> None:
        finished_count = len(self._tracked_jobs) - pending_count
        if self._rate is None:
            self._rate = CompletionRate.start(now, finished_count)
        else:
            self._rate = self._rate.update(now, finished_count)
        self._expected_end = self._rate.expected_end(pending_count)


class _FailFast:
    """Whether a poll should end early because, under `fail-fast`, one failed or malformed job is enough."""

    def __init__(self, inputs: Inputs) -> None:
        self._is_enabled = inputs.fail_fast
        self._require_article = inputs.require_articles
        self._checked_count = 0
        self._has_failure = False

    def __call__(self, result: PollResult) -> bool:
        """Check the rows that have arrived since the last call."""
        if not self._is_enabled:
            return False
        new_count = len(result.rows) - self._checked_count
        self._checked_count += new_count
        new_rows = (row for rows in islice(reversed(result.rows.values()), new_count) for row in rows)
        self._has_failure |= any(
            row.evaluate(require_article=self._require_article)[0] is JobState.FAILED for row in new_rows
        )
        return self._has_failure or bool(result.malformed)


def _changed(before: Iterable[Job], after: Iterable[Job]) -> tuple[Job, ...]:
    """Return the jobs that made progress between two polls."""
    return tuple(
        new for old, new in zip(before, after, strict=True) if new is not old and new.progress_key != old.progress_key
    )
