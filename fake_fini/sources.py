"""Sources: what they are, their refreshes, and their records."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import uuid4

from fake_fini.jobs import Job, Jobs
from fake_fini.reading import OrNever, one_of

FILES: Final = "files"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source, and what happens when it is refreshed."""

    id: str
    title: str | None = None
    source: Annotated[str, one_of("web", FILES, "googledrive", "zendesk", "notion", "confluence")] = "web"
    success: bool | None = None
    error: str | None = None
    changed: bool = True
    refresh_appears_after: float = 0
    refresh_queued_for: OrNever = 1
    refresh_runs_for: OrNever = 2
    refresh_ends_as: Annotated[str, one_of("COMPLETED", "FAILED")] = "COMPLETED"


class Sources:
    """The sources of a workspace: those that the scenario describes, and then those of other jobs."""

    def __init__(self, described: Iterable[Source], jobs: Jobs) -> None:
        self._described = {source.id: source for source in described}
        self._jobs = jobs
        self._refreshes: dict[str, list[Job]] = {}

    def ids(self) -> list[str]:
        """Return the IDs of all sources, newest first."""
        return list(dict.fromkeys((*self._described, *self._jobs.by_source)))

    def refresh(self, source_id: str) -> None:
        """Queue a refresh of a source."""
        source = self._source(source_id)
        refresh = Job(
            id=str(uuid4()),
            appears_after=source.refresh_appears_after,
            queued_for=source.refresh_queued_for,
            runs_for=source.refresh_runs_for,
            ends_as=source.refresh_ends_as,
            article_id=None,
            source_error=source.error or "The source could not be fetched.",
        )
        self._jobs.start(refresh)
        self._refreshes.setdefault(source_id, []).append(refresh)

    def find(self, source_id: str) -> dict[str, Any] | None:
        """Return the record of the source with this ID, if there is one."""
        if source_id not in self._described and source_id not in self._jobs.by_source:
            return None
        source, run = self._source(source_id), self._latest_run(source_id)
        progress = self._jobs.progress(run) if run else {}
        finished = run if "completedAt" in progress else None
        run_error = finished.source_error if finished and finished.has_failed else None
        error = run_error or source.error or ""
        created = self._jobs.date(0)
        return {
            "id": source_id,
            "title": source.title or source_id,
            "originalUrl": f"https://example.com/{quote(source_id)}",
            "source": source.source,
            "success": not error if source.success is None else source.success,
            "error": error,
            "linkedJobId": progress.get("id"),
            "linkedJobStatus": progress.get("jobStatus"),
            "linkedKnowledgeId": progress.get("hcArticleId"),
            "linkedOperation": _operation(finished) if finished else None,
            "linkedReason": finished.reason if finished else None,
            "changed": self._has_changed(source),
            "createdAt": created,
            "updatedAt": max((progress[name] for name in progress if name.endswith("At")), default=created),
        }

    def _source(self, source_id: str) -> Source:
        return self._described.get(source_id) or Source(id=source_id)

    def _latest_run(self, source_id: str) -> Job | None:
        """Return the job or refresh that was queued last."""
        runs = [*self._jobs.by_source.get(source_id, ()), *self._refreshes.get(source_id, ())]
        existing = sorted(filter(self._jobs.exists, runs), key=self._jobs.queued_at)
        return existing[-1] if existing else None

    def _has_changed(self, source: Source) -> bool:
        """Return whether a refresh has found changed content that no completed job was generated from."""
        refreshed = [self._jobs.at(run, run.ends_after) for run in self._completed(self._refreshes, source)]
        generated = [self._jobs.queued_at(job) for job in self._completed(self._jobs.by_source, source)]
        return source.changed and max(refreshed, default=-math.inf) > max(generated, default=-math.inf)

    def _completed(self, runs_by_source: dict[str, list[Job]], source: Source) -> list[Job]:
        runs = runs_by_source.get(source.id, ())
        return [run for run in runs if self._jobs.is_finished(run) and not run.has_failed]


def _operation(finished: Job) -> str:
    return finished.operation or ("UPDATE_ARTICLE" if finished.article else "DO_NOTHING")
