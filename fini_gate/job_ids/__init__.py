"""Read job IDs from inputs and files."""

from fini_gate.job_ids.load import read_job_ids

__all__ = ["read_job_ids"]
