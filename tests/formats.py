"""Strict readers of the files for other CIs: what the rules of a format do not allow is an AssertionError."""

import re
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

MAX_DOTENV_BYTES: Final = 5 * 1024
MAX_DOTENV_VARIABLES: Final = 20
_KEY: Final = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)
# GitLab and its runner replace these in the variables of a later job.
_EXPANDED: Final = re.compile(r"\$[A-Za-z0-9_{(*#$@!?-]|%[A-Za-z_][A-Za-z0-9_]*%", re.ASCII)
# Element → its attributes. Every reader that we know takes these; each other one is rejected by some schema.
_DIALECT: Final = {
    "testsuites": set[str](),
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"classname", "name", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
}
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]{1,3})?", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)


class Case(NamedTuple):
    """A test case as a CI reads it."""

    name: str
    seconds: float
    kind: str | None = None
    """`failure` or `error`; None if the case is green."""
    type: str | None = None
    message: str | None = None
    text: str | None = None


def read_dotenv(content: bytes) -> dict[str, str]:
    """Read a dotenv file by GitLab's rules, the documented ones and those of its parser."""
    assert len(content) < MAX_DOTENV_BYTES
    text = content.decode("utf-8")
    assert "\r" not in text
    assert text.endswith("\n")
    variables = {}
    for line in text.removesuffix("\n").split("\n"):
        key, equals, value = line.partition("=")
        assert equals
        assert _KEY.fullmatch(key), f"{key!r} is no key: empty lines and comments are not allowed either"
        assert key not in variables
        assert value == value.strip(" \t\v\f\0"), f"GitLab trims {value!r}"
        assert len(value.splitlines()) == 1, f"{value!r} is empty, or has several lines"
        assert not (value[0] == value[-1] and value[0] in "\"'"), f"GitLab keeps the quotes of {value!r}"
        assert not _EXPANDED.search(value), f"GitLab expands {value!r}"
        variables[key] = value
    assert len(variables) <= MAX_DOTENV_VARIABLES
    return variables


def read_junit(content: bytes) -> list[Case]:
    """Read a JUnit file: one suite, in the dialect that every CI reads, with right counts and unique names."""
    root = ET.fromstring(content)  # noqa: S314 - the gate wrote it
    for element in root.iter():
        assert set(element.attrib) == _DIALECT[element.tag]
        assert all(_SECONDS.fullmatch(seconds) for name, seconds in element.attrib.items() if name == "time")
    document = JUnitXml.fromstring(content)
    (suite,) = document
    assert isinstance(suite, TestSuite)
    assert suite.name == "fini-gate"
    assert _TIMESTAMP.fullmatch(suite.timestamp)
    cases = [_case(case) for case in suite]
    counts = (suite.tests, suite.failures, suite.errors, suite.skipped)
    kinds = [case.kind for case in cases]
    assert counts == (len(cases), kinds.count("failure"), kinds.count("error"), 0)
    assert len({case.name for case in cases}) == len(cases)
    return cases


def _case(case: TestCase) -> Case:
    assert case.classname == "fini-gate"
    results = case.result
    assert len(results) <= 1
    if not results:
        return Case(case.name, case.time)
    (result,) = results
    assert isinstance(result, (Failure, Error))
    kind = "failure" if isinstance(result, Failure) else "error"
    assert len(result.message.splitlines()) == 1
    assert result.text
    return Case(case.name, case.time, kind, result.type, result.message, result.text)
