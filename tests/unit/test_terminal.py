import io
import re
import sys

import pytest

from fini_gate.platforms.terminal import live_line, prepare_stdout


def test_stdout__prints_every_text_in_every_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the encoding was, it becomes UTF-8, and what UTF-8 cannot express is spelled out."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    prepare_stdout()
    print("→ \ud800", flush=True)  # noqa: T201 - what is tested
    stdout.seek(0)
    assert stdout.read() == "→ \\ud800\n"


def test_stdout__may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was started without a standard output can print all the same."""
    monkeypatch.setattr(sys, "stdout", None)
    prepare_stdout()
    with sys.stdout:
        print("→ \ud800")  # noqa: T201 - what is tested
        assert sys.stdout.name == "/dev/null"


def test_live_line__needs_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, lines are printed one below the other."""
    monkeypatch.setattr("fini_gate.platforms.terminal.is_terminal", lambda: True)
    monkeypatch.setitem(sys.modules, "rich.live", None)
    with live_line() as show_line:
        assert show_line is None


def test_live_line__is_redrawn_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line erases the one before."""
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with live_line() as show_line:
        assert show_line is not None
        show_line("first")
        show_line("second")
    assert re.search(r"first\r\x1b\[2Ksecond", terminal.getvalue())
