import io
import os
import sys
from types import SimpleNamespace
from typing import Any, TextIO

import pytest

from fini_gate.errors import UsageError
from fini_gate.platforms.streams import RED, Screen, prepare_streams, read_stdin, write


def _terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Make standard output a terminal 20 columns wide."""
    stdout = io.StringIO()
    monkeypatch.setattr(stdout, "isatty", lambda: True)
    monkeypatch.setattr(stdout, "fileno", lambda: 1)
    monkeypatch.setattr("fini_gate.platforms.streams.os.get_terminal_size", lambda _: os.terminal_size((20, 5)))
    monkeypatch.setattr(sys, "stdout", stdout)
    return stdout


def test_streams__print_every_text_in_every_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the encoding was, it becomes UTF-8, and what UTF-8 cannot express is spelled out."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert prepare_streams(is_json=False) is stdout is sys.stdout
    write(["→ ", "\ud800\n"], stdout)
    stdout.seek(0)
    assert stdout.read() == "→ \\ud800\n"


def test_streams__may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was started without a standard output can print all the same."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    prepare_streams(is_json=False)
    with sys.stdout, sys.stderr:
        write(["→ \ud800"], sys.stdout)
        assert sys.stdout.name == sys.stderr.name == "/dev/null"


def test_streams__of_a_document_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--json`, everything else is printed to standard error."""
    streams: list[TextIO] = [io.TextIOWrapper(io.BytesIO()) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    assert prepare_streams(is_json=True) is streams[0]
    assert sys.stdout is streams[1]


def test_screen__redraws_a_line_below_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line erases the one drawn before, and is cut where it would wrap."""
    terminal = _terminal(monkeypatch)
    screen = Screen({"NO_COLOR": "1"})
    screen.draw("first")
    screen.draw("x" * 30)
    screen.print("failed", RED)
    screen.print("later")
    assert screen.can_redraw
    assert terminal.getvalue() == f"first\r\x1b[2K{'x' * 19}\r\x1b[2Kfailed\nlater\n"


def test_screen__has_colours_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A colour ends with its line; an empty NO_COLOR counts as not set."""
    terminal = _terminal(monkeypatch)
    Screen({"NO_COLOR": ""}).print("failed", RED)
    assert terminal.getvalue() == "\x1b[31mfailed\x1b[0m\n"


def test_screen__is_plain_at_a_simple_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that is dumb has neither colours nor a line that is redrawn."""
    terminal = _terminal(monkeypatch)
    screen = Screen({"TERM": "dumb"})
    screen.print("failed", RED)
    assert (screen.can_redraw, terminal.getvalue()) == (False, "failed\n")


@pytest.mark.parametrize("columns", [0, None])
def test_screen__of_unknown_width_has_80_columns(monkeypatch: pytest.MonkeyPatch, columns: int | None) -> None:
    """A terminal may not know its width."""
    terminal = _terminal(monkeypatch)

    def size(_: int) -> os.terminal_size:
        if columns is None:
            raise OSError
        return os.terminal_size((columns, 0))

    monkeypatch.setattr("fini_gate.platforms.streams.os.get_terminal_size", size)
    Screen({}).draw("x" * 100)
    assert terminal.getvalue() == "x" * 79


def _stdin(content: bytes, **more: Any) -> Any:  # noqa: ANN401 - stands in for a stream
    return SimpleNamespace(closed=False, isatty=lambda: False, buffer=io.BytesIO(content), **more)


def test_stdin__is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be as long as the limit; a missing one is empty."""
    monkeypatch.setattr(sys, "stdin", _stdin(b"x" * 1024**2))
    assert read_stdin(1024**2) == b"x" * 1024**2
    monkeypatch.setattr(sys, "stdin", None)
    assert read_stdin(9) == b""


@pytest.mark.parametrize(
    ("stdin", "expected"),
    [
        (_stdin(b"x" * (1024**2 + 1)), "Standard input is larger than 1 MiB: pass only the job IDs."),
        (
            SimpleNamespace(closed=False, isatty=lambda: True),
            "Standard input is a terminal: pipe the job IDs into fini-gate, or leave out -.",
        ),
    ],
)
def test_stdin__that_cannot_be_job_ids_is_an_error(
    monkeypatch: pytest.MonkeyPatch, stdin: object, expected: str
) -> None:
    """The error says what to do."""
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(UsageError) as error:
        read_stdin(1024**2)
    assert str(error.value) == expected


def test_stdin__that_cannot_be_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the operating system's words."""

    def read(_: int) -> bytes:
        raise IsADirectoryError(21, "Is a directory")

    stdin = _stdin(b"")
    stdin.buffer = SimpleNamespace(read=read)
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(UsageError) as error:
        read_stdin(9)
    assert str(error.value) == "Standard input cannot be read: Is a directory."
