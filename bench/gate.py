"""The gate as the runner starts it: every input declared, the files to write to, and nothing else of this machine."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.api import job_ids
from bench.machine import ROOT
from fini_gate.inputs import DEFAULTS

COMMAND: Final = (sys.executable, "-I", "-u", str(ROOT / "entrypoint.py"))
API_KEY: Final = "fini_0123456789abcdef"
ANSWER: Final = "answer.json"


def workspace(folder: Path, *, job_count: int) -> Path:
    """Make a workspace with so many job IDs in a file, as Bulk generate knowledge answers."""
    made = folder / f"workspace-{job_count}"
    made.mkdir(exist_ok=True)
    jobs = [{"documentId": f"d{job_id[1:]}", "backgroundJobId": job_id} for job_id in job_ids(job_count)]
    (made / ANSWER).write_text(json.dumps({"jobs": jobs}), encoding="utf-8")
    return made


def environ(folder: Path, api_url: str, *, seen_at: str | None = None, **inputs: str) -> Mapping[str, str]:
    """Make the environment of a gate on the jobs of this workspace, outputs, summary and results file included.

    Args:
        folder: the workspace.
        api_url: where the API is.
        seen_at: where the gate sees the workspace, if not where it is.
        inputs: more of them; `_` in a name stands for a hyphen.
    """
    given = {
        **DEFAULTS,
        "api-key": API_KEY,
        "api-url": api_url,
        "job-ids-file": ANSWER,
        "results-file": "results.json",
        **{name.replace("_", "-"): value for name, value in inputs.items()},
    }
    for name in ("output", "summary"):
        (folder / name).write_bytes(b"")
    seen = seen_at or str(folder)
    return {
        **{f"INPUT_{name.upper()}": value for name, value in given.items()},
        "GITHUB_WORKSPACE": seen,
        "GITHUB_OUTPUT": f"{seen}/output",
        "GITHUB_STEP_SUMMARY": f"{seen}/summary",
    }
