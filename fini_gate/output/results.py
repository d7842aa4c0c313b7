"""The results file: the verdict and every job as JSON."""

import json
from collections.abc import Iterator
from typing import Final

from fini_gate.models import Job
from fini_gate.output.messages import message
from fini_gate.verdict import Verdict

RESULTS_VERSION: Final = 1
# In a single text, the document would take as much memory as all jobs.
_JOBS_PER_PIECE: Final = 1000


def results_json(verdict: Verdict) -> Iterator[str]:
    """Yield the document piece by piece; unknown values are null."""
    head = {
        "version": RESULTS_VERSION,
        "result": str(verdict.result),
        "message": message(verdict),
        "elapsedSeconds": round(verdict.elapsed_seconds, 1),
    }
    yield json.dumps(head).removesuffix("}") + ', "jobs": ['
    for start in range(0, len(verdict.jobs), _JOBS_PER_PIECE):
        piece = json.dumps([_job_document(job) for job in verdict.jobs[start : start + _JOBS_PER_PIECE]])
        yield (",\n" if start else "") + piece[1:-1]
    yield "]}\n"


def _job_document(job: Job) -> dict[str, str | bool | None]:
    return {
        "id": job.id,
        "state": str(job.state),
        "jobStatus": job.status or None,
        "articleId": job.article_id,
        "articleTitle": job.article_title,
        "articleIsDraft": job.article_is_draft,
        "documentId": job.document_id,
        "createdAt": job.created_at,
        "startedAt": job.started_at,
        "completedAt": job.completed_at,
        "reason": job.reason,
    }
