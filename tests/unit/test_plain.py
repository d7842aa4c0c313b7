import io
import re
import sys

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fini_gate.platforms import PlainPlatform, choose_platform
from fini_gate.platforms.github import GitHubPlatform
from fini_gate.settings import Settings

KEY = "fini_0123456789abcdef"
INVISIBLE = "\u200b\u034f\ufe0f\u3164\u00ad\u2800\U000e0100"


def _platform(**environ: str) -> PlainPlatform:
    platform = PlainPlatform(environ)
    platform.hide(KEY)
    return platform


def _write_everything(platform: PlainPlatform, text: str) -> None:
    platform.info(text)
    platform.listing(text, [text] * 21)
    platform.debug(text)
    platform.warning(text)
    platform.succeed(text)
    platform.fail(text, [(text, text)])
    platform.set_outputs({"message": text})
    platform.append_summary(text)
    platform.draw(text)


def test_platform__prints_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is a command, and the key is not in it."""
    _write_everything(_platform(RUNNER_DEBUG="1"), f"a {KEY} b")
    lines = ["a *** b", *["        a *** b"] * 21, "a *** b", "Warning: a *** b", *["a *** b"] * 3]
    assert capsys.readouterr().out == "\n".join(lines)


def test_last_line__has_a_colour_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning is yellow, a success green and a failure red."""
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    platform = _platform()
    platform.info("plain")
    platform.warning("unsure")
    platform.succeed("good")
    platform.fail("bad", [])
    expected = ["plain", "\x1b[33mWarning: unsure\x1b[0m", "\x1b[32mgood\x1b[0m", "\x1b[31mbad\x1b[0m"]
    assert terminal.getvalue().splitlines() == expected


def test_debug__needs_to_be_switched_on(capsys: pytest.CaptureFixture[str]) -> None:
    """By default it prints nothing."""
    _platform().debug("detail")
    assert capsys.readouterr().out == ""


@given(st.text() | st.text("#[]:vsoVSO tEaMcIty" + INVISIBLE, max_size=12))
@example("##vso[task.setvariable variable=x]y")
@example("a ##VsO[task.complete result=Succeeded;]done")
@example("#\u200b#vso[task.complete]")
@example("#\ufe0f#\u3164vso[task.complete]")
@example("##teamcity[buildStatus status='SUCCESS']")
@example("##[error]x")
@example("###[error]x")
@example(" \u3164::error::x")
@example(":\u034f:error::x")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines__hold_nothing_that_a_ci_would_obey(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Whatever a text is, no line begins with a command or contains one, even without invisible characters."""
    _write_everything(_platform(RUNNER_DEBUG="1"), text)
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    for line in re.sub(f"[{INVISIBLE}]", "", out).splitlines():
        assert "##" not in line
        assert not line.lstrip().startswith("::")


def test_choice__depends_on_the_runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """GitHub's platform needs a runner that says so, and its toolkit; one line says what is missing."""
    on_github = Settings(environ={"GITHUB_ACTIONS": "true"})
    assert type(choose_platform(on_github)) is GitHubPlatform
    assert type(choose_platform(Settings(environ={"GITHUB_ACTIONS": "false"}))) is PlainPlatform
    assert capsys.readouterr().out == ""
    monkeypatch.delitem(sys.modules, "fini_gate.platforms.github")
    monkeypatch.setitem(sys.modules, "actions_toolkit", None)
    assert type(choose_platform(on_github)) is PlainPlatform
    assert re.fullmatch("Warning: .* pip install 'fini-gate\\[github\\]'.\n", capsys.readouterr().out)
