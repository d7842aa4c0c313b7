"""Read job IDs from arguments, standard input, the input and files, as text, JSON, JSON Lines or YAML."""

from fini_gate.job_ids.load import MAX_JOBS, JobIds, read_job_ids

__all__ = ["MAX_JOBS", "JobIds", "read_job_ids"]
