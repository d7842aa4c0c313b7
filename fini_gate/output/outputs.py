"""The step's outputs. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from fini_gate.escaping import escape_control
from fini_gate.models import JobState
from fini_gate.output.messages import message
from fini_gate.verdict import Verdict

# The inputs and outputs that name files.
OUTPUT_FILES: Final = ("results-file", "junit-file", "dotenv-file", "summary-file")
# For all outputs together: GitHub allows 1 MB per job, counted in UTF-16, and other steps need their share.
MAX_OUTPUTS_UTF16_UNITS: Final = 450_000
# Emptied in this order until the rest fits.
DROPPABLE_OUTPUTS: Final = (
    "completed-job-ids",
    "articles-by-job",
    "article-ids-lines",
    "draft-article-ids",
    "pending-job-ids",
    "missing-job-ids",
    "unreadable-job-ids",
    "failed-document-ids",
    "failed-job-ids",
    "article-ids",
)


def step_outputs(verdict: Verdict, files: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the step's outputs, and the names of those that were emptied to make the rest fit.

    Args:
        verdict: how the gate ended.
        files: input that names a file → the path as given, for each file that was written.
    """
    article_ids = verdict.article_ids
    outputs = {
        "result": str(verdict.result),
        "message": message(verdict),
        "article-ids": _json(article_ids),
        "article-ids-lines": "\n".join(map(escape_control, article_ids)),
        "articles-by-job": _json({job.id: job.article_id for job in verdict.in_state(JobState.COMPLETED)}),
        "draft-article-ids": _json(verdict.draft_article_ids),
        **{f"{state}-job-ids": _json([job.id for job in verdict.in_state(state)]) for state in JobState},
        "failed-document-ids": _json(verdict.failed_document_ids),
        "job-count": str(len(verdict.jobs)),
        **{f"{state}-count": str(len(verdict.in_state(state))) for state in JobState},
        "article-count": str(len(article_ids)),
        "elapsed-seconds": f"{verdict.elapsed_seconds:.1f}",
        **{name: files.get(name, "") for name in OUTPUT_FILES},
    }
    return outputs, _drop_excess(outputs)


def _drop_excess(outputs: dict[str, str]) -> list[str]:
    """Empty outputs until the rest fits, and return their names."""
    dropped = []
    total_units = sum(map(_utf16_units, outputs.values()))
    for name in DROPPABLE_OUTPUTS:
        if total_units < MAX_OUTPUTS_UTF16_UNITS:
            break
        if outputs[name]:
            total_units -= _utf16_units(outputs[name])
            outputs[name] = ""
            dropped.append(name)
    return dropped


def _json(value: Sequence[str] | Mapping[str, str | None]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _utf16_units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", errors="surrogatepass")) // 2
