import contextlib
import io
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from actions_toolkit import core
from hypothesis import example, given
from hypothesis import strategies as st

from fini_gate.escaping import escape_markdown
from fini_gate.platforms.github import GitHubPlatform
from tests.integration.gates import read_outputs

KEY = "fini_0123456789abcdef"
OUTPUTS = {"result": "success", "message": "1 of 1 job completed.", "longest": "x" * 1000, "cut": "x" * 1001}
EARLIER = "earlier<<END\nvalue\nEND\n"
ANY_TEXT = st.text() | st.text(" \t\r\n:#[]%,ae\x1b\u2028\x85\x00\ud800é😀", max_size=30)


@pytest.fixture(autouse=True)
def output_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Provide a file for outputs that already has one, and no other file of a runner."""
    path = tmp_path / "output"
    path.write_text(EARLIER)
    monkeypatch.setenv("GITHUB_OUTPUT", str(path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")
    return path


def _platform(environ: Mapping[str, str]) -> GitHubPlatform:
    platform = GitHubPlatform({**os.environ, **environ})
    platform.hide(KEY)
    return platform


def _printed(write: Callable[[GitHubPlatform], None], **environ: str) -> str:
    """Return what a runner prints after the mask."""
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        write(_platform(environ))
    return log.getvalue().removeprefix(f"::add-mask::{KEY}\n")


# --- The key


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ("fini_100%", "::add-mask::fini_100%25\n"),
        ("abcd", "::add-mask::abcd\n"),
        *((text, "") for text in ("", "abc", "two\nlines", "tab\tkey", "nul\x00key")),
    ],
)
def test_platform__masks_the_key_first(capsys: pytest.CaptureFixture[str], secret: str, expected: str) -> None:
    """The first line masks what can be a key: the runner would hide every line of another text, however short."""
    platform = GitHubPlatform({})
    platform.hide(secret)
    platform.hide(secret)
    platform.info("ready")
    assert capsys.readouterr().out == f"{expected}ready\n"


def test_platform__keeps_the_key_out_of_log_and_files(output_file: Path, tmp_path: Path) -> None:
    """Neither log nor outputs nor summary contain the key or its beginning. The summary follows an earlier one."""
    summary = tmp_path / "summary"
    summary.write_text("before\n")

    def write(platform: GitHubPlatform) -> None:
        platform.info(f"a {KEY} b")
        platform.listing(KEY, [f"a {KEY}"] * 21)
        platform.warning(f"a {KEY}")
        platform.fail("", [(KEY, f"{'x' * 4090}{KEY}")])
        platform.set_outputs({"message": f"a {KEY} b"})
        platform.append_summary(f"✅ {KEY} b {escape_markdown(KEY)} c\r\n")

    log = _printed(write, GITHUB_STEP_SUMMARY=str(summary))
    log += _printed(lambda platform: platform.set_outputs({"message": f"{'x' * 990}{KEY}"}), GITHUB_OUTPUT="")
    assert "fini_0" not in log
    assert read_outputs(output_file)["message"] == "a *** b"
    assert summary.read_bytes().decode() == "before\n✅ *** b *** c\r\n"


# --- The log


@pytest.mark.parametrize("line", ["  12s  é 😀 a :: b 100%0A", "::error::planted", "  ::error::planted"])
def test_info__prints_a_line(line: str) -> None:
    """A line is printed as it is, but for what a runner would obey."""
    expected = f"\\{line}" if "planted" in line else line
    assert _printed(lambda platform: platform.info(line)) == f"{expected}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two\nlines, 100%", r"two\nlines, 100%25"),
        ("x" * 4096, "x" * 4096),
        ("x" * 4097, f"{'x' * 4095}…"),
        (f"##[error]\x1b {KEY}", r"# #[error]\x1b ***"),
    ],
    ids=["escaped", "longest", "cut", "foreign"],
)
def test_annotations__are_one_command_each(text: str, expected: str) -> None:
    """A notice, warning or error is one command with a title; its text is escaped and no longer than GitHub shows."""

    def annotate(platform: GitHubPlatform) -> None:
        platform.warning(text)
        platform.fail("", [("a: b, c", text)])

    assert _printed(annotate).splitlines() == [
        f"::warning title=fini-gate::{expected}",
        f"::error title=a%3A b%2C c::{expected}",
    ]


@pytest.mark.parametrize("count", [0, 1000, 1003])
def test_listing__folds_and_limits_its_lines(count: int) -> None:
    """More than 20 lines are a group; of more than 1,000 the rest is counted."""
    expected = [f"        line {number}" for number in range(min(count, 1000))]
    if count > 1000:
        expected.append("        and 3 more")
    if count > 20:
        expected = ["::group::What is left", *expected, "::endgroup::"]
    lines = [f"line {number}" for number in range(count)]
    assert _printed(lambda platform: platform.listing("What is left", lines)).splitlines() == expected


@given(ANY_TEXT)
@example("::error::planted")
@example("\t\u00a0::stop-commands::x")
@example("a\r::error::planted\u2028::error::planted\x85::error::planted\x0b::error::planted")
@example("a ##[error]planted ###[[group]b")
@example("\x1b[2K\x1b[1A::error::planted\x07")
@example("%0A::error::planted%0D::error::planted")
def test_log__never_obeys_foreign_text(text: str) -> None:
    """Whatever a text is, and wherever it appears, it is one printable line and no command."""

    def write(platform: GitHubPlatform) -> None:
        platform.info(text)
        platform.set_outputs({"message": text})
        platform.fail(text, [(text, text)])

    log = _printed(write, GITHUB_OUTPUT="")
    assert log.replace("\n", "").isprintable()
    commands = [line for line in re.split(r"\r\n|\r|\n", log) if line.lstrip().startswith("::") or "##[" in line]
    assert [re.sub("[ :].*", "", line.removeprefix("::")) for line in commands] == ["warning", "error"]
    assert log.count("\n") == 4


@pytest.mark.parametrize("problem", [ValueError("I/O operation on closed file"), BrokenPipeError()])
def test_log__that_nobody_reads_changes_nothing(output_file: Path, problem: Exception) -> None:
    """If nothing can be printed, the outputs are still written."""

    def write(_: str) -> NoReturn:
        raise problem

    log: Any = SimpleNamespace(write=write, writelines=write, closed=False, isatty=lambda: False)
    with contextlib.redirect_stdout(log):
        platform = _platform({})
        platform.info("a line")
        platform.set_outputs(OUTPUTS)
    assert read_outputs(output_file) == {"earlier": "value", **OUTPUTS}


# --- The files


@given(st.dictionaries(st.text("abc-", min_size=1), ANY_TEXT.map(lambda text: text.encode(errors="ignore").decode())))
def test_outputs__come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]) -> None:
    """Whatever the values, a strict reader of the file gets them back after the earlier ones, and the log is silent."""
    path = tmp_path_factory.mktemp("runner") / "output"
    path.write_text(EARLIER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_OUTPUT", str(path))
        assert _printed(lambda platform: platform.set_outputs(values)) == ""
    assert list(read_outputs(path).items()) == [("earlier", "value"), *values.items()]


def test_outputs__have_delimiters_that_nobody_can_guess(output_file: Path) -> None:
    """Each output has a delimiter of its own, a new one each time, and too long to guess."""
    for _ in range(2):
        _printed(lambda platform: platform.set_outputs(OUTPUTS))
    delimiters = re.findall("<<(.*)", output_file.read_text())[1:]
    assert len(set(delimiters)) == 2 * len(OUTPUTS)
    assert all(len(re.sub("[^0-9a-f]", "", delimiter)) >= 32 for delimiter in delimiters)


def test_outputs__that_break_off_leave_the_file_as_it_was(output_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle of an output does not leave half of it to the runner."""
    write = core.set_output

    def fill_up(name: str, value: str) -> None:
        write(name, value)
        if name == "message":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(core, "set_output", fill_up)
    assert "No space left on device" in _printed(lambda platform: platform.set_outputs(OUTPUTS))
    assert output_file.read_text() == EARLIER


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "GITHUB_OUTPUT is not set"),
        ("nowhere/output", "the outputs could not be written (No such file or directory)"),
        ("/", "the outputs could not be written (Is a directory)"),
        ("/dev/full", "the outputs could not be written (No space left on device)"),
    ],
)
def test_outputs__are_logged_if_they_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, path: str, problem: str
) -> None:
    """A warning says why, and the log shows the outputs, each cut after 1,000 characters."""
    monkeypatch.setenv("GITHUB_OUTPUT", path)
    warning, *lines = _printed(lambda platform: platform.set_outputs(OUTPUTS)).splitlines()
    text = f"Later steps cannot read this step's outputs: {problem}. They are in the log instead."
    assert warning == f"::warning title=fini-gate::{text}"
    assert lines == [f"output {name} = {value}" for name, value in {**OUTPUTS, "cut": f"{'x' * 1000}…"}.items()]


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("", "text", ""),
        ("/", "text", "Is a directory"),
        ("nowhere/summary", "text", "No such file or directory"),
        ("/dev/full", "text", "No space left on device"),
        ("/dev/null", "\ud800", "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed"),
    ],
)
def test_summary__that_cannot_be_written_is_a_warning(path: str, text: str, expected: str) -> None:
    """A warning says why; a runner without summaries gets none, and no warning."""
    log = _printed(lambda platform: platform.append_summary(text), GITHUB_STEP_SUMMARY=path)
    warning = f"The job summary could not be written ({expected}). The result is not affected."
    assert log == (f"::warning title=fini-gate::{warning}\n" if expected else "")
