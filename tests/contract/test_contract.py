"""Check that action.yml, the pages that users read, and the code agree."""

import importlib
import json
import pkgutil
from types import SimpleNamespace
from typing import Any, Final

import pytest
import yaml

import fini_gate
from fini_gate import errors, inputs
from fini_gate.models import STATE_BY_STATUS, JobState
from fini_gate.output.outputs import step_outputs
from fini_gate.output.results import results_json
from fini_gate.verdict import EXIT_CODES, Result, decide
from tests.contract.pages import ROOT, Page, code_spans

REFERENCE: Final = Page("docs/reference.md")
PERFORMANCE: Final = Page("docs/performance.md")
BENCHMARKS: Final = Page("bench/RESULTS.md")
ACTION: Final[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))

# The benchmark's goals whose figures the page shows, row by row.
RATIOS: Final = (
    "mean lag ÷ fixed 5 s",
    "polls ÷ fixed 5 s",
    "mean lag ÷ fixed 10 s",
    "polls ÷ fixed 10 s",
    "CPU for 10,000 jobs ÷ bare session",
    "time for 60 batches at 100 ms ÷ bare session",
    "gate until its first request ÷ import requests",
    "command until its first request ÷ gate until its first request",
    "whole gate in a container ÷ import requests",
)


def limits_in_code() -> SimpleNamespace:
    """Return every constant of the gate that is named as a maximum, wherever it is defined."""
    names = [module.name for module in pkgutil.walk_packages(fini_gate.__path__, "fini_gate.")]
    modules = [vars(importlib.import_module(name)) for name in names]
    return SimpleNamespace(**{name: value for module in modules for name, value in module.items() if "MAX_" in name})


def some_outputs() -> dict[str, str]:
    """Return the outputs of a run without jobs."""
    values, _ = step_outputs(decide((), elapsed_seconds=0), {})
    return values


def test_action__declares_the_inputs_and_outputs_of_the_code() -> None:
    """action.yml has each input with its default and each output in its order, and the runner accepts it."""
    assert {name: declared["default"] for name, declared in ACTION["inputs"].items()} == inputs.DEFAULTS
    assert list(ACTION["outputs"]) == list(some_outputs())
    # With anything but a description GitHub rejects the file.
    assert all(list(output) == ["description"] for output in ACTION["outputs"].values())
    assert ACTION["runs"] == {"using": "docker", "image": "Dockerfile", "entrypoint": "/fini-gate/entrypoint.py"}


def test_reference__lists_the_inputs_of_the_code() -> None:
    """The table of inputs has each input with its default."""
    listed = {code_spans(name)[0]: "".join(code_spans(default)) for name, default, _ in REFERENCE.table("input")}
    assert listed == inputs.DEFAULTS


def test_reference__lists_the_outputs_of_the_code() -> None:
    """The table of outputs has each output, and first each result; the page has each field of the results file."""
    rows = REFERENCE.table("output")
    assert sorted(name for cell, _ in rows for name in code_spans(cell)) == sorted(some_outputs())
    assert set(code_spans(rows[0][1])) == set(Result)
    document = json.loads("".join(results_json(decide((), elapsed_seconds=0))))
    assert all(f'"{name}"' in REFERENCE.text for name in document)


def test_reference__lists_the_results_of_the_code() -> None:
    """The table of results has each result with its exit codes."""
    rows = REFERENCE.table("result")
    listed = {(code_spans(result)[0], int(code)) for result, codes, _ in rows for code in codes.split(",")}
    assert listed == {(str(result), code) for result, code in EXIT_CODES.items()} | {
        ("cancelled", errors.CancelledError(2).exit_code),
        ("cancelled", errors.CancelledError(15).exit_code),
        ("error", errors.UsageError.exit_code),
        ("error", errors.ApiError.exit_code),
    }


def test_reference__lists_the_statuses_of_the_code() -> None:
    """The table of states has each state, and the statuses of finished jobs."""
    rows = dict(REFERENCE.table("a job is"))
    assert set(rows) == set(JobState)
    for state in (JobState.COMPLETED, JobState.FAILED):
        statuses = {word for word in code_spans(rows[state]) if word.isupper()}
        assert statuses == {status for status, of in STATE_BY_STATUS.items() if of is state}


def test_reference__lists_the_limits_of_the_code() -> None:
    """The table of limits has those that the code enforces."""
    code = limits_in_code()
    limits = " ".join(limit for _, limit in REFERENCE.table("what"))
    for figure in (
        f"{code.MAX_JOBS:,};",
        f"`results-file` {code.MAX_JOBS_WITHOUT_RESULTS_FILE:,}",
        f"{code.MAX_ID_CHARACTERS} characters",
        f"{code.MAX_FILE_BYTES // 1024**2} MiB",
        f"YAML {code.MAX_YAML_BYTES // 1024**2} MiB",
        f"{code.MAX_DEPTH} levels",
        f"JSON {code.MAX_CONTAINERS:,} lists and objects",
        f"{code.MAX_VALUES:,} values",
        f"{code.MAX_BODY_BYTES // 1024**2} MiB, unpacked",
        f"{code.MAX_DURATION_HOURS:,} h",
        f"a file of {code.MAX_BUNDLE_BYTES // 1024**2} MiB",
    ):
        assert figure in limits
    assert f"{code.MAX_OUTPUTS_UTF16_UNITS:,} characters" in REFERENCE.text


def test_performance__shows_what_the_benchmark_measured() -> None:
    """The page's ratios are the committed results of the benchmark, give or take what runs differ by."""
    goals = [row for heading, *rows in BENCHMARKS.tables if heading[0] == "goal" for row in rows]
    measured = {goal: float(figure.replace(",", "")) for goal, _, figure, _ in goals}
    shown = [float(ratio) for _, _, ratio, *_ in PERFORMANCE.table("measured")]
    assert shown == pytest.approx([measured[goal] for goal in RATIOS], abs=0.1)
