"""What changes while the stand-in runs: where each job has got to, which jobs were queued, how many requests came.

`clock` gives seconds and decides how far jobs are; the dates in rows are the wall clock's at the start, moved on by it.
"""

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from fake_fini.faults import NO_FAULT, Fault
from fake_fini.jobs import Job
from fake_fini.scenario import Scenario


@dataclass(frozen=True)
class _Course:
    """A job and the moment that its times count from: a reading of the clock, or the scenario's time zero."""

    job: Job
    origin: float | None = None


class Workspace:
    """The workspace behind the API. Safe to use from several threads."""

    def __init__(self, scenario: Scenario, clock: Callable[[], float]) -> None:
        self._scenario = scenario
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock()
        self._started_date = datetime.now(UTC)
        self._zero = None if scenario.clock_starts_at_first_request else self._started
        self._courses = {job.id: _Course(job) for job in scenario.jobs}
        self._job_ids_by_document = {job.document_id: job.id for job in reversed(scenario.jobs) if job.document_id}
        self._request_counts: Counter[str] = Counter()
        self._fault_counts: Counter[int] = Counter()

    def seconds_since_start(self) -> float:
        """How long the stand-in has run, by its clock."""
        return self._clock() - self._started

    def start_clock(self) -> None:
        """Set time zero, unless it is set already."""
        with self._lock:
            if self._zero is None:
                self._zero = self._clock()

    def next_fault(self, route: str, id_count: int) -> Fault:
        """Count a request to a route and say what is to go wrong with it; of several faults the first."""
        with self._lock:
            self._request_counts[route] += 1
            number, at_seconds = self._request_counts[route], self._elapsed_seconds(None)
            for index, rule in enumerate(self._scenario.faults):
                is_left = self._fault_counts[index] < rule.at_most
                if is_left and rule.applies(route, number, at_seconds, id_count):
                    self._fault_counts[index] += 1
                    return rule.fault
        return NO_FAULT

    def queue_job(self, document_id: str | None = None) -> str:
        """Queue a job and give its ID; for the source of one of the scenario's jobs, it is that job."""
        with self._lock:
            if document_id in self._job_ids_by_document:
                return self._job_ids_by_document[document_id]
            job = replace(self._scenario.queued, id=str(uuid4()), document_id=document_id)
            self._courses[job.id] = _Course(job, origin=self._clock())
            return job.id

    def existing_job(self, job_id: str) -> Job | None:
        """The job of this ID, where there is one by now; IDs are matched exactly."""
        with self._lock:
            course = self._courses.get(job_id)
            if course is None or self._elapsed_seconds(course.origin) < course.job.appears_after_seconds:
                return None
            return course.job

    def broken_status(self, job_id: str) -> int | None:
        """The 5xx that any request naming this existing job ends in by now, or none."""
        with self._lock:
            course = self._courses[job_id]
            is_over = self._elapsed_seconds(course.origin) >= course.job.broken_until_seconds
            return None if is_over else course.job.broken_status

    def row(self, job_id: str) -> dict[str, Any] | None:
        """The row of an existing job as it is now; none where the scenario leaves it out."""
        with self._lock:
            course = self._courses[job_id]
            return None if course.job.is_omitted else self._row(course)

    def article_titles(self, article_ids: Iterable[str]) -> dict[str, str]:
        """Article ID → title, of those that jobs have made by now."""
        with self._lock:
            made = {
                course.job.article_id: course.job.title or f"About {course.job.document_id or course.job.id}"
                for course in reversed(self._courses.values())
                if self._elapsed_seconds(course.origin) >= _end_seconds(course.job)
            }
        return {article_id: made[article_id] for article_id in article_ids if article_id in made}

    def _row(self, course: _Course) -> dict[str, Any]:
        job, elapsed = course.job, self._elapsed_seconds(course.origin)
        start_seconds, end_seconds = job.appears_after_seconds + job.queued_for_seconds, _end_seconds(job)
        row: dict[str, Any] = {
            "id": job.id,
            "jobStatus": job.pending_status,
            "createdAt": self._date(course, job.appears_after_seconds),
            "hcArticleId": None,
        }
        if elapsed >= start_seconds:
            row |= {"jobStatus": job.running_status, "startedAt": self._date(course, start_seconds)}
        if elapsed >= end_seconds:
            row |= {"jobStatus": job.ends_as, "completedAt": self._date(course, end_seconds)}
            row |= {"hcArticleId": job.article_id}
            row |= {} if job.error is None else {"error": job.error}
        return {**row, **job.row}

    def _elapsed_seconds(self, origin: float | None) -> float:
        origin = self._zero if origin is None else origin
        return 0.0 if origin is None else self._clock() - origin

    def _date(self, course: _Course, seconds: float) -> str:
        """ISO 8601 with milliseconds and Z."""
        origin = self._zero if course.origin is None else course.origin
        since_start = 0.0 if origin is None else origin - self._started
        date = self._started_date + timedelta(seconds=since_start + seconds)
        return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _end_seconds(job: Job) -> float:
    return math.fsum((job.appears_after_seconds, job.queued_for_seconds, job.runs_for_seconds))
