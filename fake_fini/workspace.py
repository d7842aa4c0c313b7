"""The workspace behind the API: its jobs as time passes."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from fake_fini.jobs import Job, QueuedJobPlan


class Workspace:
    """The jobs of a workspace. `clock` returns seconds from any origin."""

    def __init__(self, jobs: Iterable[Job], queued: QueuedJobPlan, clock: Callable[[], float]) -> None:
        self._queued = queued
        self._clock = clock
        self._origin = clock()
        self._start_date = datetime.now(UTC)
        self._jobs = {job.id: job for job in jobs}
        self._job_ids_by_source = {job.document_id: job.id for job in reversed(self._jobs.values()) if job.document_id}
        # Seconds since the start. Jobs that were queued over the API have their own zero.
        self._zero: float | None = None
        self._zero_by_job: dict[str, float] = {}

    def now(self) -> float:
        """Return the seconds since the start."""
        return self._clock() - self._origin

    def start_clock(self) -> None:
        """Set the scenario's time zero, unless it is set."""
        if self._zero is None:
            self._zero = self.now()

    def elapsed(self, job: Job | None = None) -> float:
        """Return the seconds since time zero, of the scenario or of a job."""
        zero = self._zero_by_job.get(job.id, self._zero) if job else self._zero
        return 0.0 if zero is None else self.now() - zero

    def queue_job(self, source_id: str | None = None) -> str:
        """Queue a job and return its ID; if the scenario has a job for the source, it is that one."""
        if source_id in self._job_ids_by_source:
            return self._job_ids_by_source[source_id]
        job = Job(**vars(self._queued), id=str(uuid4()), document_id=source_id)
        self._jobs[job.id] = job
        self._zero_by_job[job.id] = self.now()
        return job.id

    def find(self, job_id: str) -> Job | None:
        """Return the job with exactly this ID, if there is one yet."""
        job = self._jobs.get(job_id)
        return job if job and self.elapsed(job) >= job.appears_after else None

    def broken_status(self, job: Job) -> int | None:
        """Return the 5xx that requests for the job get now, if any."""
        return job.broken_status if self.elapsed(job) < job.broken_until else None

    def row(self, job: Job) -> dict[str, Any]:
        """Return the job's row in a status response."""
        elapsed, end = self.elapsed(job), job.ends_after
        row: dict[str, Any] = {"id": job.id, "jobStatus": job.statuses.pending, "hcArticleId": None}
        row["createdAt"] = self._date(job, job.appears_after)
        if elapsed >= job.starts_after:
            row |= {"jobStatus": job.statuses.running, "startedAt": self._date(job, job.starts_after)}
        if elapsed >= end:
            row |= {"jobStatus": job.ends_as, "completedAt": self._date(job, end), "hcArticleId": job.article}
            row |= {} if job.error is None else {"error": job.error}
        return {**row, **job.row}

    def titles_by_article(self) -> dict[str | None, str]:
        """Return the titles of the articles that finished jobs have made."""
        finished = [job for job in reversed(self._jobs.values()) if self.elapsed(job) >= job.ends_after]
        return {job.article: job.title or f"About {job.document_id or job.id}" for job in finished}

    def _date(self, job: Job, seconds: float) -> str:
        zero = self._zero_by_job.get(job.id, self._zero or 0.0)
        date = self._start_date + timedelta(seconds=zero + seconds)
        return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")
