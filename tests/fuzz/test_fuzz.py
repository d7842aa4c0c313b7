import re
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from fini_gate import inputs, models, poller
from fini_gate.client import responses
from fini_gate.job_ids import load as job_ids
from fini_gate.models import JobState
from fini_gate.platforms import github
from tests.chaos.oracle import Kind

from . import command

CASES = {"ids": 250, "inputs": 250, "answers": 250, "runs": 100}


@pytest.mark.parametrize("target", CASES)
def test_fuzz__finds_nothing(target: str) -> None:
    """Whatever is made of ID files, inputs and answers, the gate holds to its contract."""
    tally = command.fuzz(target, seed=0, count=CASES[target])
    assert not tally.server_errors
    assert tally.cases == CASES[target]
    assert len(tally.endings) > 1


def _let_numbers_through(read: Callable[[object, Any], str]) -> Callable[[object, Any], str]:
    return lambda job_id, path: (
        str(int(job_id)) if isinstance(job_id, str) and job_id[:1] == "0" else read(job_id, path)
    )


Broken: TypeAlias = tuple[str, Kind, Any, str, Callable[[Any], Any]]
BROKEN: dict[str, Broken] = {
    "a parser that lets an error through": ("ids", Kind.TRACEBACK, job_ids, "_checked", _let_numbers_through),
    "IDs cut in two": ("ids", Kind.VERDICT, job_ids, "_SEPARATORS", lambda _: re.compile(r"[\s,-]+")),
    "durations as Python reads numbers": ("inputs", Kind.VERDICT, inputs, "parse_duration", lambda _: float),
    "an answer that holds the key": ("answers", Kind.KEY, responses, "redact", lambda _: lambda text, _: text),
    "an unknown status that passes": (
        *("answers", Kind.VERDICT, models, "_state_of"),
        lambda state_of: lambda status: state_of(status) or JobState.COMPLETED,
    ),
    "a pass with a pending job": (
        *("runs", Kind.VERDICT, poller, "decide"),
        lambda classify: (
            lambda found, **parts: classify([job._replace(state=JobState.COMPLETED) for job in found], **parts)
        ),
    ),
    "a log that is not made safe": ("runs", Kind.TEXT, github, "escape_control", lambda _: str),
}


@pytest.mark.parametrize("name", BROKEN)
def test_fuzz__reports_what_is_broken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A gate that is broken on purpose is found out within a few hundred cases."""
    target, kind, module, attribute, make = BROKEN[name]
    monkeypatch.setattr(module, attribute, make(getattr(module, attribute)))
    tally = command.fuzz(target, seed=0, count=500, shrink=False)
    assert [found.kind for *_, wrongs in tally.server_errors for found in wrongs][:1] == [kind]
