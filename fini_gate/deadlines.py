"""Every limit on waiting, computed in one place. Times are on the gate's clock, and passed in."""

import math
from typing import Final

from fini_gate.durations import format_duration
from fini_gate.errors import OutageError
from fini_gate.inputs import Inputs
from fini_gate.models import PollLimits, RequestsResult
from fini_gate.verdict import Limit

# The gate must end within 5 s of its deadline. Requests in flight at the deadline may use the first part of that time,
# and the final poll the second. The rest is for starting the process and writing the outputs.
IN_FLIGHT_GRACE_SECONDS: Final = 1.5
FINAL_POLL_GRACE_SECONDS: Final = 3.5
# Both parts shrink by the time that reporting the jobs takes, which is seconds for hundreds of thousands.
REPORTING_SECONDS_PER_JOB: Final = 1.2e-5
# How long looking up details may take once the verdict is known, and for how long of that a request is sent again.
MAX_DETAILS_SECONDS: Final = 10.0
MAX_DETAILS_RETRY_SECONDS: Final = 2.0


class Deadlines:
    """When to stop waiting, by `timeout`, `stall-timeout` and `outage-tolerance`, and how long look-ups may take.

    Args:
        inputs: the limits.
        started_at: when the gate started.
        job_count: the number of jobs to report.
    """

    is_final_poll = False
    """Whether the last poll began at or after the deadline."""

    def __init__(self, inputs: Inputs, *, started_at: float, job_count: int) -> None:
        self._timeout_seconds = inputs.timeout_seconds
        self._stall_timeout_seconds = math.inf if inputs.stall_timeout_seconds is None else inputs.stall_timeout_seconds
        self._outage_tolerance_seconds = inputs.outage_tolerance_seconds
        self._min_interval_seconds = inputs.poll_interval_seconds
        self._job_count = job_count
        self._changed_at = started_at
        self._outage_started_at = math.inf
        self.timeout_at = started_at + inputs.timeout_seconds
        # Later than the timeout if the machine was suspended past it.
        self._final_poll_at = self.timeout_at

    @property
    def _stall_at(self) -> float:
        """When the gate gives up unless a job changes."""
        return self._changed_at + self._stall_timeout_seconds

    @property
    def _outage_at(self) -> float:
        """When the gate gives up unless the API sends a usable response."""
        return self._outage_started_at + self._outage_tolerance_seconds

    def start_poll(self, now: float) -> PollLimits:
        """Return the time limits of a poll that begins now."""
        # An outage cannot start between polls: while no request is sent, none fails.
        self._outage_started_at = min(self._outage_started_at, now)
        was_final_poll, self.is_final_poll = self.is_final_poll, now >= self.timeout_at
        end_at = self._end_at(FINAL_POLL_GRACE_SECONDS if self.is_final_poll else IN_FLIGHT_GRACE_SECONDS)
        if end_at <= now and not was_final_poll:
            # The machine was suspended past the deadline. The final poll is late, but still useful.
            self._final_poll_at = now
            end_at = self._end_at(FINAL_POLL_GRACE_SECONDS)
        retry_until = min(self.timeout_at, self._stall_at, self._outage_at)
        return PollLimits(retry_until=retry_until, end_at=end_at, is_final=self.is_final_poll)

    def finish_poll(self, result: RequestsResult) -> None:
        """Record when the API last sent a usable response."""
        if result.last_response_at is not None:
            is_complete = result.incomplete_reason is None
            self._outage_started_at = math.inf if is_complete else result.last_response_at

    def record_change(self, now: float) -> None:
        """Record that a job has changed."""
        self._changed_at = now

    def reached(self, result: RequestsResult, *, now: float) -> Limit | None:
        """Return the limit at which to stop after a poll, if one is reached.

        Raises:
            OutageError: the API has sent no usable response for `outage-tolerance`.
        """
        if result.last_response_at is None and now >= self._outage_at:
            raise OutageError(
                f"The API gave no usable response for {format_duration(self._outage_tolerance_seconds)}:"
                f" {result.problem}. Check «api-url», the network and the API's status, or raise «outage-tolerance»."
            )
        if self.is_final_poll:
            return Limit("timeout", self._timeout_seconds, result.incomplete_reason)
        if now >= self._stall_at:
            return Limit("stall-timeout", self._stall_timeout_seconds, result.incomplete_reason)
        return None

    def shorten_interval(self, seconds: float, result: RequestsResult, *, now: float) -> float:
        """Return the interval, cut short where a limit comes earlier."""
        limit_at = self._stall_at if result.last_response_at is not None else min(self._stall_at, self._outage_at)
        seconds = max(min(seconds, limit_at - now), self._min_interval_seconds)
        return max(0.0, min(seconds, self.timeout_at - now))

    def start_lookup(self) -> None:
        """Begin to look up articles: only `timeout` and `outage-tolerance` apply, the latter counted anew."""
        self._stall_timeout_seconds = math.inf
        self._outage_started_at = math.inf

    def start_details(self, now: float) -> PollLimits:
        """Return the time limits of looking up details, which begins now."""
        end_at = min(now + MAX_DETAILS_SECONDS, self._end_at(FINAL_POLL_GRACE_SECONDS))
        return PollLimits(retry_until=min(now + MAX_DETAILS_RETRY_SECONDS, end_at), end_at=end_at)

    def _end_at(self, grace_seconds: float) -> float:
        """Return when requests must end that have this long after the deadline, less the time that reporting takes."""
        return self._final_poll_at + max(0.0, grace_seconds - REPORTING_SECONDS_PER_JOB * self._job_count)
