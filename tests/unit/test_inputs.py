from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from fini_gate.errors import UsageError
from fini_gate.escaping import quote
from fini_gate.inputs import DEFAULTS, IfNoJobs, Inputs

ReadInputs: TypeAlias = Callable[[Mapping[str, str]], Inputs]

DURATION_FIELDS = {
    "timeout": "timeout_seconds",
    "stall-timeout": "stall_timeout_seconds",
    "poll-interval": "poll_interval_seconds",
    "max-poll-interval": "max_poll_interval_seconds",
    "not-found-grace": "not_found_grace_seconds",
    "outage-tolerance": "outage_tolerance_seconds",
    "request-timeout": "request_timeout_seconds",
}
OUTPUT_FILES = ("results-file", "junit-file", "dotenv-file", "summary-file")
BOOLEANS = ("fail-fast", "require-articles", "article-details", "job-summary")
DURATION = "a number with a unit (ms, s, m, h), or several in a row, such as 90s, 15m or 1h30m"
ONE_PATH = "one path, without line breaks or control characters"
URL = (
    "an https:// address, or an http:// address of this machine (localhost, 127.0.0.1), without user name, query or"
    " fragment"
)


@pytest.mark.parametrize("empty", ["", " ", "\n\t "])
def test_inputs__default_when_empty(read_inputs: ReadInputs, api_key: str, tmp_path: Path, empty: str) -> None:
    """An input that is empty or white space has its default."""
    inputs = read_inputs({**dict.fromkeys(DEFAULTS, empty), "api-key": api_key})
    assert inputs == read_inputs({})
    assert inputs == Inputs(
        api_key=api_key,
        job_ids="",
        job_id_paths=(),
        timeout_seconds=1800,
        stall_timeout_seconds=None,
        poll_interval_seconds=1,
        max_poll_interval_seconds=30,
        fail_fast=False,
        if_no_jobs=IfNoJobs.ERROR,
        require_articles=False,
        require_published=False,
        not_found_grace_seconds=10,
        outage_tolerance_seconds=300,
        request_timeout_seconds=30,
        batch_size=100,
        max_parallel=4,
        results_file="",
        junit_file="",
        dotenv_file="",
        summary_file="",
        article_details=True,
        job_summary=True,
        ca_bundle="",
        api_url="https://api-prod.usefini.com",
        workspace=tmp_path,
    )


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        *((name, "29.5s", field, 29.5) for name, field in DURATION_FIELDS.items()),
        *((name, "0", DURATION_FIELDS[name], 0) for name in ("timeout", "not-found-grace", "outage-tolerance")),
        *((name, "1ms", DURATION_FIELDS[name], 0.001) for name in ("stall-timeout", "request-timeout")),
        ("timeout", " 45 ", "timeout_seconds", 45),
        ("poll-interval", "100ms", "poll_interval_seconds", 0.1),
        ("max-poll-interval", "1s", "max_poll_interval_seconds", 1),
        *((name, text, name.replace("-", "_"), True) for name in BOOLEANS for text in ("true", "True", "TRUE")),
        *((name, text, name.replace("-", "_"), False) for name in BOOLEANS for text in ("false", "False", "FALSE")),
        *(("if-no-jobs", text, "if_no_jobs", IfNoJobs(text)) for text in ("error", "warn", "ignore")),
        *(("batch-size", text, "batch_size", int(text)) for text in ("1", "1000")),
        *(("max-parallel", text, "max_parallel", int(text)) for text in ("1", "16")),
        ("job-ids", " a,\n b ", "job_ids", "a,\n b"),
        ("job-ids-file", " a b.txt \r\n\n out/*.json\n", "job_id_paths", ("a b.txt", "out/*.json")),
        ("results-file", " out/résultats 1.json ", "results_file", "out/résultats 1.json"),
        ("ca-bundle", " -----BEGIN\nA\n ", "ca_bundle", "-----BEGIN\nA"),
        ("api-url", "http://[::1]:8080/", "api_url", "http://[::1]:8080"),
    ],
)
def test_inputs__parse(read_inputs: ReadInputs, name: str, value: str, field: str, expected: object) -> None:
    """Each input becomes a field, without surrounding white space."""
    assert getattr(read_inputs({name: value}), field) == expected


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        *((name, "soon", DURATION) for name in DURATION_FIELDS),
        ("timeout", "100001h", "at most 100000h"),
        *((name, "0", "longer than 0") for name in ("stall-timeout", "request-timeout")),
        *((name, "99ms", "at least 100ms") for name in ("poll-interval", "max-poll-interval")),
        ("max-poll-interval", "500ms", "not be shorter than poll-interval, which is '1s'"),
        *((name, text, "true or false") for name in BOOLEANS for text in ("yes", "1", "tRUE", "truee")),
        *(("if-no-jobs", text, "one of error, warn, ignore") for text in ("fail", "WARN", "warn,ignore")),
        *(("batch-size", text, "a whole number from 1 to 1000") for text in ("0", "1001", "-5", "1.0", "\u0663")),
        *(("max-parallel", text, "a whole number from 1 to 16") for text in ("0", "17", "1" * 5000)),
        *((name, text, ONE_PATH) for name in OUTPUT_FILES for text in ("a\nb", "a\x1b[0m")),
        ("api-url", "fini.example", URL),
    ],
    ids=lambda text: ascii(text[:20]).replace("\\", "/"),
)
def test_inputs__reject(read_inputs: ReadInputs, name: str, value: str, allowed: str) -> None:
    """An invalid value is an error that names the input, the value and what is allowed."""
    with pytest.raises(UsageError) as error:
        read_inputs({name: value})
    must = "must" if allowed.startswith("not ") else "must be"
    assert str(error.value) == f"Input {name} is {quote(value)}: it {must} {allowed}."


@pytest.mark.parametrize("name", sorted(DEFAULTS.keys() - {"api-key"}))
@pytest.mark.parametrize("text", ["{}", "x\n{}", "x{}y"])
def test_api_key__is_not_shown_when_it_is_part_of_another_input(
    read_inputs: ReadInputs, api_key: str, name: str, text: str
) -> None:
    """The key in another input is an error that names the input and does not show the key."""
    with pytest.raises(UsageError) as error:
        read_inputs({name: text.format(api_key)})
    assert str(error.value) == f"Input {name} contains the API key (not shown here): pass the key as api-key only."


def test_api_key__is_not_in_the_representation(read_inputs: ReadInputs, api_key: str) -> None:
    """Printing the inputs shows neither the key nor the certificates."""
    text = repr(read_inputs({"ca-bundle": "certificate"}))
    assert api_key not in text
    assert "certificate" not in text


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("a", "'a'"), ("a\n\x1b", r"'a\n\x1b'"), ("x" * 100, f"'{'x' * 100}'"), ("x" * 101, f"'{'x' * 99}…'")],
)
def test_quote__is_short_and_on_one_line(value: str, quoted: str) -> None:
    """A quoted value has no line breaks and at most a hundred characters."""
    assert quote(value) == quoted
