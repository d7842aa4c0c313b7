"""The results file: the verdict and every job as JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fini_gate.errors import UsageError
from fini_gate.files import resolve, write_whole
from fini_gate.inputs import quote
from fini_gate.models import Job
from fini_gate.output.messages import message
from fini_gate.verdict import Verdict

RESULTS_VERSION: Final = 1
# In a single text, the document would take as much memory as all jobs.
_JOBS_PER_PIECE: Final = 1000


def check_results_file(workspace: Path, path: str) -> None:
    """Check that the path, with all links followed, stays inside the workspace.

    Raises:
        UsageError: it leads outside.
    """
    try:
        resolve(workspace, path)
    except (OSError, ValueError):
        raise UsageError(f"Input results-file is {quote(path)}: it must be a path inside the workspace.") from None


def write_results_file(workspace: Path, path: str, verdict: Verdict) -> None:
    """Write the results file, whole or not at all.

    Raises:
        OSError: the file cannot be written. An earlier file at the path is unchanged.
        ValueError: the path leads outside the workspace by now.
    """
    write_whole(workspace, path, results_json(verdict))


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
