import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from actions_toolkit import core
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.escaping import escape_markdown
from fini_gate.platforms.github import Runner

MakeRunner: TypeAlias = Callable[..., Runner]
Captured: TypeAlias = pytest.CaptureFixture[str]

KEY = "fini_0123456789abcdef"
OUTPUTS = {"result": "success", "message": "1 of 1 job completed.", "article-ids": '["a"]', "results-file": ""}
COMMANDS_OF_OTHERS = [
    "::error::planted",
    "  ::set-output name=result::success",
    "\t\u00a0::stop-commands::x",
    "a\n::error::planted",
    "a\r::error::planted",
    "a\u2028::error::planted\x85::error::planted\x0b::error::planted",
    "a ##[error]planted ###[[group]b",
    "\x1b[2K\x1b[1A::error::planted\x07",
    "%0A::error::planted%0D::error::planted",
]
ANY_TEXT = st.text() | st.text(" \t\r\n:#[]%,ae\x1b\u2028\x85\x00\ud800é😀", max_size=30)


@pytest.fixture(autouse=True)
def _no_runner_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def runner(capsys: Captured) -> Runner:
    """A runner that knows the key, its first lines already read."""
    runner = Runner(os.environ, secret=KEY)
    capsys.readouterr()
    return runner


@pytest.fixture
def output_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that the runner offers for outputs, with something of an earlier command in it."""
    path = tmp_path / "output"
    path.write_text("earlier<<END\nvalue\nEND\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(path))
    return path


def _entries(path: Path) -> list[tuple[str, str, str]]:
    """Each name, delimiter and value of a file of outputs, read as strictly as any runner does."""
    text = path.read_bytes().decode("utf-8")
    assert text.endswith("\n")
    lines = iter(text.removesuffix("\n").split("\n"))
    entries = []
    for line in lines:
        name, separator, delimiter = line.partition("<<")
        assert separator, f"no heredoc: {line!r}"
        assert name
        assert delimiter
        value = []
        for value_line in lines:
            if value_line == delimiter:
                break
            value.append(value_line)
        else:
            pytest.fail(f"no end of {name}")
        entries.append((name, delimiter, "\n".join(value)))
    return entries


def _commands(log: str) -> list[str]:
    """The lines of a log that some runner obeys."""
    lines = re.split(r"\r\n|\r|\n", log)
    return [line for line in lines if line.lstrip().startswith("::") or "##[" in line]


@contextlib.contextmanager
def _stdout(stream: io.TextIOBase) -> Iterator[None]:
    """Print into a stream that may fail on being closed, too."""
    with contextlib.redirect_stdout(stream):
        yield
    with contextlib.suppress(OSError):
        stream.close()


# --- The key


def test_runner__masks_the_key_first(capsys: Captured) -> None:
    """The first line of the log is the command that masks the key, with what the runner unescapes escaped."""
    Runner({}, secret="fini_100%").info("ready")
    assert capsys.readouterr().out == "::add-mask::fini_100%25\nready\n"


@pytest.mark.parametrize("secret", ["", "abc", "two\nlines", "carriage\rreturn", "tab\tkey", "nul\x00key"])
def test_runner__does_not_mask_what_would_hide_the_log(capsys: Captured, secret: str) -> None:
    """A key that is short, or of several lines, is not masked: the runner would mask each line, however short."""
    Runner({}, secret=secret)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "write",
    [
        lambda runner: runner.info(f"a {KEY} b"),
        lambda runner: runner.warning(f"a {KEY}"),
        lambda runner: runner.error("title", f"{'x' * 4090}{KEY}"),
        lambda runner: runner.set_outputs({"message": f"a {KEY} b"}),
        lambda runner: runner.set_outputs({"message": f"{'x' * 990}{KEY}"}),
    ],
)
def test_runner__keeps_the_key_out_of_the_log(
    runner: Runner, capsys: Captured, write: Callable[[Runner], None]
) -> None:
    """No line holds the key or the beginning of it, whatever text it came in."""
    write(runner)
    log = capsys.readouterr().out
    assert "fini_0" not in log
    assert log


def test_runner__keeps_the_key_out_of_the_files(
    runner: Runner, output_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither outputs nor the summary hold the key, whatever text it came in."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    runner.set_outputs({"message": f"a {KEY} b"})
    runner.append_summary(f"a {KEY} b {escape_markdown(KEY)} c")
    written = output_file.read_text() + (tmp_path / "summary").read_text()
    assert KEY not in written
    # As it reads.
    assert KEY not in written.replace("\\", "")
    assert written.endswith("a *** b *** c")


# --- The log


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("plain é 😀", "plain é 😀"),
        ("", ""),
        ("  12s  1 of 2", "  12s  1 of 2"),
        ("a :: b", "a :: b"),
        ("100%0A", "100%0A"),
        ("::error::planted", "\\::error::planted"),
        ("  ::error::planted", "\\  ::error::planted"),
        ("a\nb", r"a\nb"),
    ],
)
def test_info__prints_a_line(runner: Runner, capsys: Captured, line: str, printed: str) -> None:
    """A line is printed as it is, but for what a runner would obey."""
    runner.info(line)
    assert capsys.readouterr().out == f"{printed}\n"


@pytest.mark.parametrize("command", ["warning", "error"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plain é: a, b 😀", "plain é: a, b 😀"),
        ("100% and %0A", "100%25 and %250A"),
        ("a\r\nb", r"a\r\nb"),
        ("a::b", "a::b"),
        ("x" * 4096, "x" * 4096),
        ("x" * 4097, f"{'x' * 4095}…"),
    ],
    ids=lambda text: text[:20],
)
def test_annotation__is_one_command(runner: Runner, capsys: Captured, command: str, text: str, message: str) -> None:
    """A warning or error is one command with a title, its text escaped and no longer than is shown."""
    if command == "warning":
        runner.warning(text)
    else:
        runner.error("fini-gate", text)
    assert capsys.readouterr().out == f"::{command} title=fini-gate::{message}\n"


def test_annotation__has_a_title_that_ends_nothing(runner: Runner, capsys: Captured) -> None:
    """A title's colons and commas are escaped."""
    runner.error("Fini gate: a, b", "text")
    assert capsys.readouterr().out == "::error title=Fini gate%3A a%2C b::text\n"


def test_debug__shows_only_where_the_run_has_debug_logging(capsys: Captured) -> None:
    """What few look for is there for them alone."""
    Runner({}, secret=KEY).debug("asked")
    Runner({"RUNNER_DEBUG": "0"}, secret=KEY).debug("asked")
    assert "asked" not in capsys.readouterr().out
    Runner({"RUNNER_DEBUG": "1"}, secret=KEY).debug(f"asked\n::error::{KEY}")
    assert capsys.readouterr().out.endswith("::debug::asked\\n::error::***\n")


def test_annotation__has_a_title_that_is_made_safe(runner: Runner, capsys: Captured) -> None:
    """A title may hold what others have named, too."""
    capsys.readouterr()
    runner.error(f"Job ##[error]\x1b {KEY} failed", "a reason")
    assert capsys.readouterr().out == "::error title=Job ## [error]\\x1b *** failed::a reason\n"


def test_notice__is_good_news_with_a_title(runner: Runner, capsys: Captured) -> None:
    """A notice annotates the run."""
    runner.notice("All jobs completed", "2 articles")
    assert capsys.readouterr().out.endswith("::notice title=All jobs completed::2 articles\n")


@pytest.mark.parametrize(("count", "is_folded"), [(0, False), (20, False), (21, True)])
def test_listing__of_many_lines_is_folded(runner: Runner, capsys: Captured, *, count: int, is_folded: bool) -> None:
    """A long list is a group; a short one stands open."""
    capsys.readouterr()
    runner.listing("What is left", [f"a line {number}" for number in range(count)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines if "line" in line] == [f"a line {number}" for number in range(count)]
    assert (lines[:1] == ["::group::What is left"]) is is_folded
    assert (lines[-1:] == ["::endgroup::"]) is is_folded


def test_listing__has_an_end(runner: Runner, capsys: Captured) -> None:
    """Of more lines than anybody reads the rest is counted."""
    runner.listing("What is left", ["a line"] * 1003)
    log = capsys.readouterr().out
    assert log.count("a line") == 1000
    assert "and 3 more" in log


@pytest.mark.parametrize("text", COMMANDS_OF_OTHERS)
def test_log__never_obeys_the_text_of_others(runner: Runner, capsys: Captured, text: str) -> None:
    """No text becomes a command, or clears what was printed, wherever it is put."""
    runner.info(text)
    runner.set_outputs({"article-ids-lines": text})
    runner.warning(text)
    runner.error("title", text)
    captured = capsys.readouterr()
    kinds = [line.split("::")[1].split()[0] for line in _commands(captured.out)]
    assert kinds == ["warning", "warning", "error"]
    assert captured.out.replace("\n", "").isprintable()
    assert captured.err == ""


@given(ANY_TEXT, ANY_TEXT)
def test_log__is_one_line_for_each_text(text: str, title: str) -> None:
    """Whatever the texts, a line is no command, and an annotation is exactly one."""
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        runner = Runner({}, secret="")
        runner.info(text)
        runner.error(title, text)
    line, annotation, end = log.getvalue().split("\n")
    assert _commands(line) == []
    assert _commands(annotation) == [annotation]
    assert annotation.startswith("::error title=")
    assert end == ""


# --- The outputs


def test_outputs__are_written_behind_what_was_there(runner: Runner, output_file: Path, capsys: Captured) -> None:
    """Every output is added to the file, in order, and the log says nothing of it."""
    values = {**OUTPUTS, "article-ids-lines": "a\nb\n\nc", "message": "é 😀 100% a<<b=c\r"}
    runner.set_outputs(values)
    entries = _entries(output_file)
    assert entries[0] == ("earlier", "END", "value")
    assert [(name, value) for name, _, value in entries[1:]] == list(values.items())
    assert capsys.readouterr().out == ""


def test_outputs__that_break_off_leave_the_file_as_it_was(
    runner: Runner, output_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """A disk that fills up amid an output does not leave half of it to the runner."""
    output_file.write_text("earlier=1\n")
    write = core.set_output

    def fill_up(name: str, value: str) -> None:
        write(name, value)
        if name == "b":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(core, "set_output", fill_up)
    runner.set_outputs({"a": "1", "b": "2", "c": "3"})
    assert output_file.read_text() == "earlier=1\n"
    assert "No space left on device" in capsys.readouterr().out


def test_outputs__have_delimiters_that_nobody_can_guess(runner: Runner, output_file: Path) -> None:
    """Each output has a delimiter of its own, another one each time, and long enough not to be guessed."""
    runner.set_outputs(OUTPUTS)
    runner.set_outputs(OUTPUTS)
    delimiters = [delimiter for _, delimiter, _ in _entries(output_file)[1:]]
    assert len(set(delimiters)) == 2 * len(OUTPUTS)
    assert all(len(re.sub("[^0-9a-f]", "", delimiter)) >= 32 for delimiter in delimiters)


@given(st.dictionaries(st.text("abc-", min_size=1), ANY_TEXT.map(lambda text: text.encode(errors="ignore").decode())))
def test_outputs__come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]) -> None:
    """Whatever the values, a strict reader of the file gets them back, and no other output with them."""
    path = tmp_path_factory.mktemp("runner") / "output"
    path.write_text("first<<END\n\nEND\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_OUTPUT", str(path))
        Runner(os.environ, secret="").set_outputs(values)
    assert [(name, value) for name, _, value in _entries(path)[1:]] == list(values.items())


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (None, "GITHUB_OUTPUT is not set"),
        ("", "GITHUB_OUTPUT is not set"),
        ("{tmp_path}/nowhere", "No such file or directory"),
        ("{tmp_path}", "Is a directory"),
        ("/dev/full", "No space left on device"),
    ],
)
def test_outputs__are_in_the_log_where_there_is_no_file(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path, path: str | None, problem: str
) -> None:
    """Where the outputs cannot be written a warning says why, and the log has them."""
    if path is not None:
        monkeypatch.setenv("GITHUB_OUTPUT", path.format(tmp_path=tmp_path))
    Runner(os.environ, secret="").set_outputs(OUTPUTS)
    warning, *lines = capsys.readouterr().out.splitlines()
    assert warning.startswith("::warning title=fini-gate::No later step can read this step's outputs: ")
    assert problem in warning
    assert lines == [f"output {name} = {value}" for name, value in OUTPUTS.items()]


@pytest.mark.parametrize("length", [1000, 1001])
def test_outputs__are_cut_in_the_log(runner: Runner, capsys: Captured, length: int) -> None:
    """A value in the log ends after a thousand characters, and shows that it does."""
    runner.set_outputs({"article-ids": "x" * length})
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == f"output article-ids = {'x' * 1000}{'…' * (length - 1000)}"


# --- The summary


def test_summary__is_added_to_what_is_there(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    """The summary goes behind what the step wrote before, as UTF-8, and the log says nothing of it."""
    path = tmp_path / "summary"
    path.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    runner.append_summary("### ✅ one\n")
    runner.append_summary("two\r\n")
    assert path.read_bytes().decode() == "before\n### ✅ one\ntwo\r\n"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("path", [None, ""])
def test_summary__is_optional(monkeypatch: pytest.MonkeyPatch, capsys: Captured, path: str | None) -> None:
    """A runner without summaries gets none, and no warning."""
    if path is not None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", path)
    Runner(os.environ, secret="").append_summary("text")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("{tmp_path}", "text", "Is a directory"),
        ("{tmp_path}/no/where", "text", "No such file or directory"),
        ("/dev/full", "text", "No space left on device"),
        ("{tmp_path}/summary", "\ud800", "surrogates not allowed"),
    ],
)
def test_summary__that_cannot_be_written_is_a_warning(
    capsys: Captured, tmp_path: Path, path: str, text: str, problem: str
) -> None:
    """Where the summary cannot be written a warning says why."""
    Runner({"GITHUB_STEP_SUMMARY": path.format(tmp_path=tmp_path)}, secret="").append_summary(text)
    (warning,) = capsys.readouterr().out.splitlines()
    assert warning.startswith("::warning title=fini-gate::The job summary could not be written (")
    assert problem in warning


# --- Nobody listens


def _closed() -> io.TextIOBase:
    stream = io.StringIO()
    stream.close()
    return stream


def _broken_pipe() -> io.TextIOBase:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def _full() -> io.TextIOBase:
    return Path("/dev/full").open("w", encoding="utf-8")


def _ascii() -> io.TextIOBase:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii")


@pytest.mark.parametrize("open_stream", [_closed, _broken_pipe, _full, _ascii])
def test_runner__goes_on_where_nothing_can_be_printed(
    output_file: Path, open_stream: Callable[[], io.TextIOBase]
) -> None:
    """With a log that is closed, full or of another encoding the outputs are still written."""
    with _stdout(open_stream()):
        runner = Runner(os.environ, secret=KEY)
        runner.info("→ a line")
        runner.warning("→ a warning")
        runner.error("title", "→ an error")
        runner.set_outputs(OUTPUTS)
    assert [(name, value) for name, _, value in _entries(output_file)[1:]] == list(OUTPUTS.items())


def test_runner__prints_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every line leaves the process as soon as it is printed."""
    path = tmp_path / "log"
    with path.open("w", encoding="utf-8") as log:
        monkeypatch.setattr(sys, "stdout", log)
        runner = Runner({}, secret=KEY)
        assert path.read_text() == f"::add-mask::{KEY}\n"
        runner.info("a line")
        assert path.read_text().endswith("a line\n")
        runner.warning("a warning")
        assert path.read_text().endswith("a warning\n")
