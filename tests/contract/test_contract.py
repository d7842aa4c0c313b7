"""Holds action.yml, the README's tables and the code together."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from fini_gate import certificates, errors, inputs, main
from fini_gate.client import responses, transport
from fini_gate.job_ids import load as job_ids
from fini_gate.models import STATE_BY_STATUS, JobState
from fini_gate.output import report
from fini_gate.verdict import EXIT_CODES, Result, decide

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# A row of the bench's tables of goals: the goal, what is allowed, what was measured, whether it is met.
GOAL: Final = re.compile(r"(?m)^\| ([^|]+) \| [\d.,]+ +\| ([\d.]+) +\| (?:yes|\*\*no\*\*) \|$")
# What the README's table of speed shows, row by row.
RATIOS: Final = (
    "mean lag against fixed 5 s",
    "looks against fixed 5 s",
    "mean lag against fixed 10 s",
    "looks against fixed 10 s",
    "CPU of 10,000 jobs, times a bare session's",
    "time of 60 batches at 100 ms, times a bare session's",
    "process's start to the first byte of a request, times import requests",
    "whole gate in a container, times import requests",
)
ACTION: Final[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def table(first_heading: str) -> list[list[str]]:
    """Give the cells of the README's table whose first heading this is."""
    lines = README.split("\n")
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def quoted(cell: str) -> list[str]:
    """Give the code spans in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def an_output() -> dict[str, str]:
    """Give the outputs of some ending."""
    values, _ = report.outputs(decide((), elapsed_seconds=0), results_file="")
    return values


def test_action__declares_the_inputs_of_the_code() -> None:
    """Each input that the code reads is declared with its default, and no other."""
    assert {name: given["default"] for name, given in ACTION["inputs"].items()} == inputs.DEFAULTS


def test_action__declares_the_outputs_of_the_code() -> None:
    """Each output that the code writes is declared, in the same order, and no other."""
    assert list(ACTION["outputs"]) == list(an_output())


def test_action__is_accepted_by_the_runner() -> None:
    """Outputs hold a description alone, or GitHub rejects the file; the image is built from the Dockerfile."""
    assert all(list(output) == ["description"] for output in ACTION["outputs"].values())
    assert ACTION["runs"] == {"using": "docker", "image": "Dockerfile", "entrypoint": "/fini-gate/entrypoint.py"}


def test_readme__lists_the_inputs_of_the_code() -> None:
    """The README's table of inputs has each of them with its default."""
    listed = {quoted(name)[0]: "".join(quoted(default)) for name, default, _ in table("input")}
    assert listed == inputs.DEFAULTS


def test_readme__lists_the_outputs_of_the_code() -> None:
    """The README's table of outputs has each of them, and each result."""
    rows = table("output")
    assert sorted(name for cell, _ in rows for name in quoted(cell)) == sorted(an_output())
    assert set(quoted(rows[0][1])) == set(Result)


def test_readme__lists_the_endings_of_the_code() -> None:
    """The README's table of endings has each result with its exit codes."""
    listed = {(quoted(result)[0], int(code)) for result, codes, _ in table("result") for code in codes.split(",")}
    of_jobs = {(str(result), code) for result, code in EXIT_CODES.items()}
    of_errors = {
        ("cancelled", errors.CancelledError(2).exit_code),
        ("cancelled", errors.CancelledError(15).exit_code),
        ("error", errors.UsageError.exit_code),
        ("error", errors.ApiError.exit_code),
    }
    assert listed == of_jobs | of_errors


def test_readme__lists_the_statuses_of_the_code() -> None:
    """The README's table of states has each state, and the statuses of those that have ended."""
    rows = dict(table("a job is"))
    assert set(rows) == set(JobState)
    for state in (JobState.COMPLETED, JobState.FAILED):
        words = {word for word in quoted(rows[state]) if word.isupper()}
        assert words == {status for status, of in STATE_BY_STATUS.items() if of is state}


def test_readme__lists_the_limits_of_the_code() -> None:
    """The README's limits are those that the code enforces."""
    limits = " ".join(limit for _, limit in table("what"))
    for figure in (
        f"{job_ids.MAX_JOBS:,};",
        f"`results-file` {main.MAX_JOBS_WITHOUT_RESULTS_FILE:,}",
        f"{job_ids.MAX_ID_CHARACTERS} characters",
        f"{job_ids.MAX_FILE_BYTES // 1024**2} MiB",
        f"YAML {job_ids.MAX_YAML_BYTES // 1024**2} MiB",
        f"{job_ids.MAX_DEPTH} levels",
        f"JSON {job_ids.MAX_CONTAINERS:,} lists and objects",
        f"{responses.MAX_VALUES:,} values",
        f"{transport.MAX_BODY_BYTES // 1024**2} MiB, unpacked",
        f"{inputs.MAX_DURATION_HOURS:,} h",
        f"a file of {certificates.MAX_BUNDLE_BYTES // 1024**2} MiB",
    ):
        assert figure in limits
    assert f"{report.MAX_OUTPUTS_UTF16_UNITS:,} characters" in README


def test_readme__names_the_fields_of_the_results_file() -> None:
    """The README names each field of the results file and of its jobs."""
    document = report.results_document(decide((), elapsed_seconds=0))
    assert all(f'"{name}"' in README for name in document)


def test_readme__shows_what_the_bench_measured() -> None:
    """The README's ratios are those of bench/RESULTS.md, but for the little by which runs of the bench differ."""
    results = (ROOT / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    measured = {goal.strip(): float(times) for goal, times in GOAL.findall(results)}
    quote = [float(times) for _, _, times in table("measured")]
    assert quote == pytest.approx([measured[goal] for goal in RATIOS], abs=0.1)


def test_dockerfile__starts_the_entrypoint_isolated() -> None:
    """Python starts directly, by absolute paths, isolated from the checkout and unbuffered."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert 'ENTRYPOINT ["/usr/local/bin/python", "-I", "-u", "/fini-gate/entrypoint.py"]' in dockerfile
    # Where the runner starts it by action.yml, the script's own line is what counts.
    assert (ROOT / "entrypoint.py").read_text(encoding="utf-8").startswith("#!/usr/local/bin/python -Iu\n")
