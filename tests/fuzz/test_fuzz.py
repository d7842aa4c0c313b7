import contextlib
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from fini_gate.job_ids import read_job_ids
from fini_gate.models import STATE_BY_STATUS, Job, JobState
from fini_gate.verdict import Verdict, decide
from tests.chaos.written import Kind

from . import command
from .targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_fuzz__finds_nothing(target: str) -> None:
    """Whatever is made of ID files, inputs and responses, the gate keeps to its contract."""
    tally = command.fuzz(target, seed=0, count=100 if target in {"runs", "arguments", "formats"} else 250)
    assert tally.findings == {}
    assert len(tally.counts) > 2


def _ids(change: Callable[[str], str]) -> Callable[..., dict[str, str | None]]:
    """Read other IDs than given."""
    return lambda *given: {change(job_id): document for job_id, document in read_job_ids(*given).items()}


def _complete_all(found: Iterable[Job], **parts: Any) -> Verdict:  # noqa: ANN401 - as decide has them
    return decide([job._replace(state=JobState.COMPLETED) for job in found], **parts)


# What is broken → the target that finds it, and as what; the part of the gate, and what stands in for it.
BROKEN: dict[str, tuple[str, Kind, str, object]] = {
    "an error that is not caught": (
        "ids",
        Kind.TRACEBACK,
        "job_ids.read_job_ids",
        _ids(lambda job_id: str(int(job_id))),
    ),
    "IDs cut in two": ("ids", Kind.VERDICT, "job_ids.read_job_ids", _ids(lambda job_id: job_id.partition("-")[0])),
    "durations as Python reads numbers": ("inputs", Kind.VERDICT, "inputs.parse_duration", float),
    "a response that holds the key": ("responses", Kind.KEY, "client.responses.redact", lambda text, _: text),
    "an unknown status that passes": (
        "responses",
        Kind.VERDICT,
        "models.STATE_BY_STATUS",
        {**STATE_BY_STATUS, "PAUSED": JobState.COMPLETED},
    ),
    "options that are not understood": (
        "arguments",
        Kind.VERDICT,
        "cli._parse_options",
        lambda *_: ({}, [], []),
    ),
    "usage errors on standard output": (
        "arguments",
        Kind.OUTPUTS,
        "output.report.contextlib.redirect_stdout",
        contextlib.nullcontext,
    ),
    "files that are not written on usage errors": (
        "arguments",
        Kind.OUTPUTS,
        "main.usable_paths",
        lambda *_: {},
    ),
    "a JUnit file that is no XML": ("formats", Kind.OUTPUTS, "output.junit._replace_forbidden", str),
    "a dotenv file that GitLab expands": ("formats", Kind.OUTPUTS, "output.dotenv._EXPANDED", re.compile("(?!)")),
    "a pass with a pending job": ("runs", Kind.VERDICT, "poller.decide", _complete_all),
    "a log that is not escaped": ("runs", Kind.TEXT, "platforms.plain.escape_line", str),
}


@pytest.mark.parametrize("name", BROKEN)
def test_fuzz__finds_broken_gate(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A gate that is broken on purpose is found out within a few hundred cases."""
    target, kind, part, stand_in = BROKEN[name]
    monkeypatch.setattr(f"fini_gate.{part}", stand_in)
    tally = command.fuzz(target, seed=0, count=500, can_shrink=False)
    assert [findings[0].kind for findings in tally.findings.values()] == [kind]
