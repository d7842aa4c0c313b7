"""What the gate knows about one job, and the state that follows from it. Pure."""

from dataclasses import dataclass
from functools import reduce
from typing import Final, NamedTuple

from fini_gate.inputs import Inputs
from fini_gate.models import Job, JobState, PollResult, StatusRow, worse_of

# The number of responses that must omit a job's row before the job counts as missing.
MIN_OMISSIONS: Final = 3
OMITTED: Final = "the API's responses omit the job"


class PollTimes(NamedTuple):
    """When a poll ran, on the gate's clock. Its responses arrived between these two times."""

    began_at: float
    ended_at: float
    last_response_at: float | None
    """When the API last sent a usable response, in this poll or before."""


@dataclass(slots=True)
class TrackedJob:
    """A job, and the history that decides its state when it has no row. Times are on the gate's clock."""

    job: Job
    responded_at: float
    """When the API last said anything usable about the job; initially the gate's start."""
    has_had_row: bool = False
    absent_since: float | None = None
    """When the API first did not find the job or omitted its row, if it has not returned a row since."""
    omission_count: int = 0
    is_not_found: bool = False
    """Whether the last usable response said that the job does not exist."""
    server_errors_since: float | None = None
    """When the API first failed on a request for this job alone, if no usable response about it has arrived since."""

    def record(self, result: PollResult, times: PollTimes, inputs: Inputs) -> None:
        """Record what a poll said about the job. If it said nothing, the job stays as it was."""
        job_id = self.job.id
        if rows := result.rows.get(job_id):
            self.record_rows(rows, times, require_article=inputs.require_articles)
        elif problem := result.malformed.get(job_id):
            self._set_state(JobState.MISSING, f"the API rejects the ID as malformed ({problem})")
        elif problem := result.not_found.get(job_id):
            if self.record_absence(times, is_not_found=True) >= inputs.not_found_grace_seconds:
                self._set_state(JobState.MISSING, f"the API does not know the ID ({problem})")
        elif job_id in result.omitted:
            absent_seconds = self.record_absence(times, is_not_found=False)
            if absent_seconds >= inputs.not_found_grace_seconds and self.omission_count >= MIN_OMISSIONS:
                self._set_state(JobState.MISSING, OMITTED)
        elif problem := result.server_errors.get(job_id):
            self.record_server_error(problem, times, tolerance_seconds=inputs.outage_tolerance_seconds)

    def record_rows(self, rows: list[StatusRow], times: PollTimes, *, require_article: bool) -> None:
        """Record the job's rows. If they disagree, the worse one counts."""
        self.job = reduce(worse_of, [self.job.updated_from(row, require_article=require_article) for row in rows])
        self.responded_at, self.has_had_row = times.ended_at, True
        self.absent_since, self.omission_count, self.is_not_found, self.server_errors_since = None, 0, False, None

    def record_absence(self, times: PollTimes, *, is_not_found: bool) -> float:
        """Record that the API did not find the job, or else omitted its row.

        Returns:
            The seconds for which the job has certainly been absent.
        """
        self._set_state(JobState.PENDING, None)
        self.responded_at, self.is_not_found, self.server_errors_since = times.ended_at, is_not_found, None
        if not is_not_found:
            self.omission_count += 1
        if self.absent_since is None:
            self.absent_since = times.ended_at
        return max(0.0, times.began_at - self.absent_since)

    def record_server_error(self, problem: str, times: PollTimes, *, tolerance_seconds: float) -> None:
        """Record that the API failed on the job. After the tolerance the job is unreadable."""
        if self.server_errors_since is None:
            self.server_errors_since = times.began_at
        is_too_long = times.ended_at - self.server_errors_since >= tolerance_seconds
        # Without a response about any other job since, the whole API may be down.
        is_only_this_job = times.last_response_at is not None and times.last_response_at >= self.server_errors_since
        self._set_state(JobState.UNREADABLE if is_too_long and is_only_this_job else JobState.PENDING, problem)

    def record_deadline(self) -> None:
        """Give up on the job if the API does not know its ID at the deadline, or has always omitted it."""
        was_always_omitted = self.omission_count >= MIN_OMISSIONS and not self.has_had_row
        if self.job.state is JobState.PENDING and (self.is_not_found or was_always_omitted):
            reason = "the API still did not know the ID at the timeout" if self.is_not_found else OMITTED
            self._set_state(JobState.MISSING, reason)

    def _set_state(self, state: JobState, reason: str | None) -> None:
        self.job = self.job._replace(state=state, reason=reason)
