"""Read all job IDs that the workflow passes, and merge them."""

from typing import Final, TypeAlias

from fini_gate.errors import UsageError
from fini_gate.escaping import redact
from fini_gate.inputs import Inputs
from fini_gate.job_ids.sources import find_sources

MAX_JOBS: Final = 200_000

JobIds: TypeAlias = dict[str, str | None]
"""Job ID → its `documentId`, if known. In order, each ID once regardless of case, spelled as first given."""


def read_job_ids(inputs: Inputs) -> JobIds:
    """Read the job IDs of `job-ids`, then those of the files that `job-ids-file` names.

    Raises:
        UsageError: a file cannot be read, or a text contains something other than job IDs. The message says where.
    """
    try:
        return _merge(inputs)
    except UsageError as error:
        # JSON and YAML have many spellings of the key, and an error may quote the parsed text.
        raise UsageError(redact(str(error), inputs.api_key)) from None


def _merge(inputs: Inputs) -> JobIds:
    job_ids: JobIds = {}
    spellings: dict[str, str] = {}
    for pattern in inputs.job_id_paths:
        _reject_key("Input job-ids-file", pattern, inputs.api_key)
    for source in find_sources(inputs):
        _reject_key(source.name, source.text, inputs.api_key)
        for job_id, document_id in source.job_ids():
            _reject_key(source.name, f"{job_id}\n{document_id}", inputs.api_key)
            known = spellings.setdefault(job_id.lower(), job_id)
            job_ids[known] = job_ids.get(known) or document_id
            if len(job_ids) > MAX_JOBS:
                raise UsageError(
                    f"{source.name}: there are more than {MAX_JOBS} job IDs, the maximum for one gate: use several."
                )
    return job_ids


def _reject_key(place: str, text: str, api_key: str) -> None:
    """Reject a text that contains the API key. It would end up in requests, outputs and errors."""
    if redact(text, api_key) != text:
        raise UsageError(f"{place}: it contains the API key (not shown here); pass the key as api-key only.")
