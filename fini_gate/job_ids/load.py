"""Read all job IDs that the gate is given, and merge them."""

from collections.abc import Callable
from typing import Final, TypeAlias

from fini_gate.errors import UsageError
from fini_gate.escaping import redact
from fini_gate.inputs import Inputs
from fini_gate.job_ids.sources import find_sources

MAX_JOBS: Final = 200_000

JobIds: TypeAlias = dict[str, str | None]
"""Job ID → its `documentId`, if known. In order, each ID once regardless of case, spelled as first given."""


def read_job_ids(inputs: Inputs, read_stdin: Callable[[int], bytes]) -> JobIds:
    """Read the job IDs of the arguments, then those of `job-ids`, then those of the files that `job-ids-file` names.

    Args:
        inputs: where the job IDs are.
        read_stdin: reads standard input, up to a number of bytes; called for an argument `-`.

    Raises:
        UsageError: a file cannot be read, or a text contains something other than job IDs. The message says where.
    """
    job_ids: JobIds = {}
    spellings: dict[str, str] = {}
    for source in find_sources(inputs, read_stdin):
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
        raise UsageError(f"{place}: it contains the API key (not shown here); pass the key as «api-key» only.")
