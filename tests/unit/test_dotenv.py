import re
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fini_gate.errors import GateError
from fini_gate.escaping import escape_control
from fini_gate.models import JobState
from fini_gate.output.dotenv import dotenv_text
from fini_gate.output.outputs import step_outputs
from tests.formats import read_dotenv
from tests.unit.verdicts import ALL, ERRORS, HOSTILE, verdict

MAX_BYTES = 5119
PATH_NAMES = ["results-file", "junit-file", "dotenv-file", "summary-file"]
COUNTS = {f"{name}-count": "1" for name in ("job", *JobState, "article")}
OUTPUTS = {"result": "success", "message": "All done.", **COUNTS, "elapsed-seconds": "65.0"}
AFTER_SIGN = re.compile(r"(?<=[$%]) ")
HOSTILE_TEXT = st.text() | st.text("a \t\r\n\x0b\x00\x85\u2028\u3000\ud800\"'`=#$%{}_é😀")


def _variables(outputs: Mapping[str, str]) -> dict[str, str]:
    """Read the file back by GitLab's rules, and name the variables as the outputs are named."""
    variables = read_dotenv(dotenv_text(outputs).encode())
    assert all(name.startswith("FINI_GATE_") for name in variables)
    return {name.removeprefix("FINI_GATE_").replace("_", "-").lower(): value for name, value in variables.items()}


def _message(text: str) -> str | None:
    return _variables({**OUTPUTS, "message": text}).get("message")


def test_dotenv__is_the_scalar_outputs() -> None:
    """Each is a line of its own; lists are not in the file."""
    outputs, _ = step_outputs(verdict(*ALL), {"results-file": "out/results.json"})
    paths = {"junit-file": "out/junit.xml", "dotenv-file": "fini-gate.env", "summary-file": "sum mary.md"}
    assert (
        dotenv_text(outputs | paths)
        == """\
FINI_GATE_RESULT=failure
FINI_GATE_MESSAGE=1 of 7 jobs failed, 1 is missing, 1 is unreadable, 2 completed, 2 are still pending after 1m5s.
FINI_GATE_JOB_COUNT=7
FINI_GATE_COMPLETED_COUNT=2
FINI_GATE_FAILED_COUNT=1
FINI_GATE_PENDING_COUNT=2
FINI_GATE_MISSING_COUNT=1
FINI_GATE_UNREADABLE_COUNT=1
FINI_GATE_ARTICLE_COUNT=1
FINI_GATE_ELAPSED_SECONDS=65.0
FINI_GATE_RESULTS_FILE=out/results.json
FINI_GATE_JUNIT_FILE=out/junit.xml
FINI_GATE_DOTENV_FILE=fini-gate.env
FINI_GATE_SUMMARY_FILE=sum mary.md
"""
    )


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_dotenv__leaves_out_what_is_empty(error: GateError) -> None:
    """A file that was not written has no variable, because some readers reject an empty value."""
    outputs, _ = step_outputs(verdict(error=error), {})
    assert _variables(outputs) == {name: outputs[name] for name in OUTPUTS}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("  a  b ", "a  b"),
        ('"a"', "a"),
        ("' \"a\" '", "a"),
        ("'a' and 'b'", "a' and 'b"),
        ("'a\"", "'a\""),
        ("XaX", "XaX"),
        ('"', None),
        ("''", None),
        ("a\r\nb\tc\x00\u2028\ud800", r"a\r\nb\tc\x00\u2028\ud800"),
        ("A=b # c", "A=b # c"),
        ("é 😀", "é 😀"),
        ("$FINI_API_KEY ${X} $$ $(id) 5$ $", "$ FINI_API_KEY $ {X} $ $ $ (id) 5$ $"),
        ("%FINI_API_KEY% 100% %41% %a", "% FINI_API_KEY% 100% %41% %a"),
    ],
)
def test_message__is_one_line_that_no_reader_changes(text: str, expected: str | None) -> None:
    """Control characters are spelled out; blanks and quotes around it go; nothing in it is a variable."""
    assert _message(text) == expected


@pytest.mark.parametrize("path", ["a.json", "a b/é.json", "a'b'", "'a", "a#b=c", "100%/$", "😀"])
@pytest.mark.parametrize("name", PATH_NAMES)
def test_path__is_written_as_it_is(name: str, path: str) -> None:
    """A reader gets exactly the path that the gate wrote to."""
    assert _variables({**OUTPUTS, name: path}) == {**OUTPUTS, name: path}


@pytest.mark.parametrize(
    "path",
    ["", " a", "a ", "\u3000a", '"a"', "'a'", "'", "a\nb", "a\rb", "a\tb", "a\x85b", "a\u2028b", "\udcff", "$A", "%A%"],
)
@pytest.mark.parametrize("name", PATH_NAMES)
def test_path__that_would_change_is_left_out(name: str, path: str) -> None:
    """A wrong path is worse than none."""
    assert _variables({**OUTPUTS, name: path}) == OUTPUTS


def _filled(letter: str, size_bytes: int) -> str:
    """Return a text of a size in UTF-8."""
    count, rest = divmod(size_bytes, len(letter.encode()))
    return letter * count + "x" * rest


@pytest.mark.parametrize(("missing_bytes", "kept"), [(0, PATH_NAMES), (1, PATH_NAMES[:3]), (-1, PATH_NAMES)])
@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_size__decides_about_paths_to_the_byte(letter: str, missing_bytes: int, kept: list[str]) -> None:
    """At 5,119 bytes everything is there; one more, and the last path is not. The message stays whole."""
    outputs = {**OUTPUTS, **{name: f"{name}.txt" for name in PATH_NAMES}, "message": "x"}
    room_bytes = MAX_BYTES + missing_bytes - len(dotenv_text(outputs).encode()) + 1
    outputs["message"] = _filled(letter, room_bytes)
    found = _variables(outputs)
    assert list(found) == [*OUTPUTS, *kept]
    assert found["message"] == outputs["message"]


def test_size__leaves_out_only_the_paths_that_do_not_fit() -> None:
    """A long path does not cost a short one its place."""
    found = _variables({**OUTPUTS, "results-file": "x" * 6000, "junit-file": "y" * 4000, "dotenv-file": "z" * 1000})
    assert list(found) == [*OUTPUTS, "junit-file"]


def test_size__takes_a_message_that_just_fits() -> None:
    """At 5,119 bytes nothing is cut."""
    room_bytes = MAX_BYTES - len(dotenv_text({**OUTPUTS, "message": "x"}).encode()) + 1
    assert _message("x" * room_bytes) == "x" * room_bytes


@pytest.mark.parametrize("letter", ["x", "é", "…", "😀"])
@pytest.mark.parametrize("more_bytes", [1, 2, 3, 4, 5, 10_000])
def test_size__cuts_the_message_last(letter: str, more_bytes: int) -> None:
    """A message that does not fit alone is cut between two characters, as late as possible."""
    room_bytes = MAX_BYTES - len(dotenv_text({**OUTPUTS, "message": "x"}).encode()) + 1
    text = _filled(letter, room_bytes + more_bytes)
    outputs = {**OUTPUTS, "message": text, "results-file": "r"}
    size_bytes, found = len(dotenv_text(outputs).encode()), _variables(outputs)
    assert MAX_BYTES - 4 < size_bytes <= MAX_BYTES
    assert list(found) == list(OUTPUTS)
    assert found["message"].endswith("…")
    assert text.startswith(found["message"][:-1])


@given(
    st.fixed_dictionaries(
        {"message": st.tuples(HOSTILE_TEXT, st.sampled_from([1, 1, 300, 5000])).map(lambda pair: pair[0] * pair[1])},
        optional=dict.fromkeys(PATH_NAMES, HOSTILE_TEXT),
    )
)
@example({"message": HOSTILE * 500})
def test_dotenv__of_any_texts_obeys_the_rules(texts: Mapping[str, str]) -> None:
    """Whatever the message and the paths, GitLab takes the file, and a path is as given or not there."""
    found = _variables({**OUTPUTS, **texts})
    message = found.pop("message", "")
    assert found.items() >= {name: value for name, value in OUTPUTS.items() if name != "message"}.items()
    assert all(found.get(name, path) == path for name, path in texts.items() if name != "message")
    assert AFTER_SIGN.sub("", message.removesuffix("…")) in AFTER_SIGN.sub("", escape_control(texts["message"]))


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n", b"A=b", b"A=b\n\n", b"A=b\r\n", b"# A\nA=b\n", b"A\n", b"=b\n", b"A-B=c\n", b"A=\n", b"A =b\n"),
        *(
            b"A= b\n",
            b"A=b \n",
            b"A=b\0\n",
            b'A="b"\n',
            b"A='b'\n",
            b"A='\n",
            b"A=b\nA=c\n",
            b"A=\xff\n",
            b"export A=b\n",
        ),
        *(b"A=\xed\xa0\x80\n", "A=b\u2028c\n".encode(), "\ufeffA=b\n".encode(), b"A=$B\n", b"A=${B}\n", b"A=%B%\n"),
        *(b"A=" + b"b" * 5117 + b"\n", b"".join(b"A%d=b\n" % number for number in range(21))),
    ],
)
def test_reader__is_strict(content: bytes) -> None:
    """What GitLab would reject, trim, unquote or expand does not pass for a dotenv file."""
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        read_dotenv(content)
