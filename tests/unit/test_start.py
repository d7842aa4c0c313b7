import gc
import os
import runpy
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

import pytest

from fini_gate import __version__

ARGUMENTS = ["fini-gate", "--version"]


class _EndedError(Exception):
    """Stands in for the end of the process."""


@pytest.fixture(autouse=True)
def _end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def end(exit_code: int) -> NoReturn:
        raise _EndedError(exit_code)

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(sys, "argv", ARGUMENTS)
    monkeypatch.delitem(sys.modules, "fini_gate.__main__", raising=False)
    monkeypatch.setenv("OPENSSL_CONF", "evil.cnf")
    monkeypatch.setenv("SSLKEYLOGFILE", "keys.txt")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_start__runs_the_command_line(capfd: pytest.CaptureFixture[str]) -> None:
    """`python -m fini_gate` runs it with the process's arguments, and ends the process with its exit code."""
    with pytest.raises(_EndedError, match=r"^0$"):
        runpy.run_module("fini_gate", run_name="__main__")
    assert f"fini-gate {__version__}" in capfd.readouterr().out
    assert os.environ.keys().isdisjoint({"OPENSSL_CONF", "SSLKEYLOGFILE"})
    assert signal.getsignal(signal.SIGTERM) not in {signal.SIG_DFL, signal.SIG_IGN}


def test_start__reports_a_bug_of_its_own(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Even a gate that cannot report anything exits with 4: Python's own 1 would mean that a job failed."""
    monkeypatch.setattr("fini_gate.main.main", None)
    with pytest.raises(_EndedError, match=r"^4$"):
        runpy.run_module("fini_gate", run_name="__main__")
    assert "fini-gate: fini-gate itself failed: TypeError in start.py, line " in capfd.readouterr().err


def test_start__needs_to_be_the_main_program() -> None:
    """An import alone starts nothing."""
    runpy.run_module("fini_gate.__main__", run_name="imported")
