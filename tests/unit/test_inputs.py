import math
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fini_gate.errors import UsageError
from fini_gate.inputs import DEFAULTS, IfNoJobs, Inputs, api_key, format_duration, is_loopback, parse_duration, quote

ReadInputs: TypeAlias = Callable[[Mapping[str, str]], Inputs]

KEY = "fini_0123456789abcdef"
LONGEST_SECONDS = 360_000_000
DURATION = "a number with a unit (ms, s, m, h), or several in a row, such as 90s, 15m or 1h30m"
DURATION_INPUTS = {
    "timeout": "timeout_seconds",
    "stall-timeout": "stall_timeout_seconds",
    "poll-interval": "poll_interval_seconds",
    "max-poll-interval": "max_poll_interval_seconds",
    "not-found-grace": "not_found_grace_seconds",
    "outage-tolerance": "outage_tolerance_seconds",
    "request-timeout": "request_timeout_seconds",
}
SWITCHES = {
    name: name.replace("-", "_") for name in ("fail-fast", "require-articles", "article-details", "job-summary")
}
# Which any text may stand in, until it is read.
READ_LATER = {"api-key", "job-ids", "job-ids-file", "results-file", "ca-bundle"}
URL_FORM = (
    "an https:// address, or an http:// one of this machine (localhost, 127.0.0.1), without user name, query or"
    " fragment"
)
UNIT_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}


def _environ(given_inputs: Mapping[str, str]) -> dict[str, str]:
    return {f"INPUT_{name.upper()}": value for name, value in {"api-key": KEY, **given_inputs}.items()}


@pytest.fixture
def read_inputs(tmp_path: Path) -> ReadInputs:
    """Read inputs as the runner hands them over, with a key and a workspace besides."""
    return lambda given_inputs: Inputs.from_environ({**_environ(given_inputs), "GITHUB_WORKSPACE": str(tmp_path)})


def test_inputs__default_to_what_the_contract_says(read_inputs: ReadInputs, tmp_path: Path) -> None:
    """With nothing but a key every input has its default."""
    expected = {
        "api_key": KEY,
        "job_ids": "",
        "job_id_paths": (),
        "timeout_seconds": 1800,
        "stall_timeout_seconds": None,
        "poll_interval_seconds": 1,
        "max_poll_interval_seconds": 30,
        "fail_fast": False,
        "if_no_jobs": IfNoJobs.ERROR,
        "require_articles": False,
        "not_found_grace_seconds": 10,
        "outage_tolerance_seconds": 300,
        "request_timeout_seconds": 30,
        "batch_size": 100,
        "max_parallel": 4,
        "results_file": "",
        "article_details": False,
        "job_summary": True,
        "ca_bundle": "",
        "api_url": "https://api-prod.usefini.com",
        "workspace": tmp_path,
    }
    inputs = read_inputs({})
    assert {field.name: getattr(inputs, field.name) for field in fields(inputs)} == expected


@pytest.mark.parametrize("empty", ["", " ", "\n\t "])
def test_inputs__empty_means_not_given(read_inputs: ReadInputs, empty: str) -> None:
    """An input that is empty, or nothing but white space, has its default."""
    everything_empty = dict.fromkeys(DEFAULTS, empty) | {"api-key": KEY}
    assert read_inputs(everything_empty) == read_inputs({})


def test_inputs__cannot_be_changed(read_inputs: ReadInputs) -> None:
    """What was validated stays as it is."""
    with pytest.raises(FrozenInstanceError):
        read_inputs({}).batch_size = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        *((name, "1m30s", field, 90) for name, field in DURATION_INPUTS.items() if "interval" not in name),
        ("timeout", "0", "timeout_seconds", 0),
        ("timeout", " 45 ", "timeout_seconds", 45),
        ("timeout", "100000h", "timeout_seconds", LONGEST_SECONDS),
        ("not-found-grace", "0s", "not_found_grace_seconds", 0),
        ("outage-tolerance", "0", "outage_tolerance_seconds", 0),
        ("stall-timeout", "1ms", "stall_timeout_seconds", 0.001),
        ("request-timeout", "500ms", "request_timeout_seconds", 0.5),
        ("poll-interval", "100ms", "poll_interval_seconds", 0.1),
        ("poll-interval", "30s", "poll_interval_seconds", 30),
        ("max-poll-interval", "1s", "max_poll_interval_seconds", 1),
        *((name, value, field, True) for name, field in SWITCHES.items() for value in ("true", "True", "TRUE")),
        *((name, value, field, False) for name, field in SWITCHES.items() for value in ("false", "False", "FALSE")),
        *(("if-no-jobs", value, "if_no_jobs", value) for value in ("error", "warn", "ignore")),
        ("batch-size", "1", "batch_size", 1),
        ("batch-size", "1000", "batch_size", 1000),
        ("max-parallel", "1", "max_parallel", 1),
        ("max-parallel", "16", "max_parallel", 16),
        ("job-ids", " a,\n b ", "job_ids", "a,\n b"),
        ("job-ids-file", "a.txt", "job_id_paths", ("a.txt",)),
        ("job-ids-file", " a b.txt \r\n\n out/*.json\n", "job_id_paths", ("a b.txt", "out/*.json")),
        ("results-file", " out/résultats 1.json ", "results_file", "out/résultats 1.json"),
        ("ca-bundle", " -----BEGIN\nA\n ", "ca_bundle", "-----BEGIN\nA"),
        ("api-url", "https://fini.example", "api_url", "https://fini.example"),
        ("api-url", "https://fini.example:8443/base/", "api_url", "https://fini.example:8443/base"),
        ("api-url", "https://fini.example/X/", "api_url", "https://fini.example/X"),
        ("api-url", "https://192.0.2.1", "api_url", "https://192.0.2.1"),
        ("api-url", "https://[2001:db8::1]:8443", "api_url", "https://[2001:db8::1]:8443"),
        ("api-url", "http://localhost:8080", "api_url", "http://localhost:8080"),
        ("api-url", "http://LOCALHOST", "api_url", "http://LOCALHOST"),
        ("api-url", "http://127.0.0.1:1", "api_url", "http://127.0.0.1:1"),
        ("api-url", "http://127.200.3.4", "api_url", "http://127.200.3.4"),
        ("api-url", "http://[::1]:8080/", "api_url", "http://[::1]:8080"),
    ],
)
def test_inputs__take(read_inputs: ReadInputs, name: str, value: str, field: str, expected: object) -> None:
    """Each input takes what the contract allows, white space around it dropped."""
    assert getattr(read_inputs({name: value}), field) == expected


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        *((name, "soon", DURATION) for name in DURATION_INPUTS),
        *(
            ("timeout", value, DURATION)
            for value in ("-1", "+1", "1 s", "1d", "1H", "1h30", ".5s", "1.", "1e3", "\u0661s")
        ),
        *(("timeout", value, "at most 100000h") for value in ("100000h1ms", "9" * 40)),
        ("stall-timeout", "0", "longer than 0"),
        ("request-timeout", "0ms", "longer than 0"),
        ("poll-interval", "99ms", "at least 100ms"),
        ("max-poll-interval", "0", "at least 100ms"),
        ("max-poll-interval", "500ms", "no shorter than poll-interval, which is '1s'"),
        *((name, value, "true or false") for name in SWITCHES for value in ("yes", "1", "tRUE", "on", "truee", "wahr")),
        *(("if-no-jobs", value, "one of error, warn, ignore") for value in ("fail", "WARN", "warn,ignore")),
        *(
            ("batch-size", value, "a whole number from 1 to 1000")
            for value in ("0", "1001", "-5", "1.0", "ten", "\u0663")
        ),
        ("batch-size", "1" * 50, "a whole number from 1 to 1000"),
        ("max-parallel", "0", "a whole number from 1 to 16"),
        ("max-parallel", "17", "a whole number from 1 to 16"),
        ("results-file", "a\nb", "one path, without line breaks and control characters"),
        ("results-file", "a\x1b[0m", "one path, without line breaks and control characters"),
        ("api-url", "fini.example", URL_FORM),
        ("api-url", "//fini.example", URL_FORM),
        ("api-url", "ftp://fini.example", URL_FORM),
        ("api-url", "http://fini.example", URL_FORM),
        ("api-url", "http://127.0.0.1.fini.example", URL_FORM),
        ("api-url", "http://localhost.fini.example", URL_FORM),
        ("api-url", "http://192.168.0.1", URL_FORM),
        ("api-url", "https://", URL_FORM),
        ("api-url", "https://:443", URL_FORM),
        ("api-url", "https:///path", URL_FORM),
        ("api-url", "https://fini.example:0", URL_FORM),
        ("api-url", "https://fini.example:65536", URL_FORM),
        ("api-url", "https://fini.example:port", URL_FORM),
        ("api-url", "https://[::1", URL_FORM),
        ("api-url", "https://[::1]x", URL_FORM),
        ("api-url", "http://[::1]x", URL_FORM),
        ("api-url", "https://[v1.a]", URL_FORM),
        ("api-url", "https://[fe80::1%1]", URL_FORM),
        ("api-url", "https://fini.example/a b", URL_FORM),
        ("api-url", "https://fini.example\\evil.example", URL_FORM),
        ("api-url", "https://fíni.example", URL_FORM),
        ("api-url", "https://fini.example/?", URL_FORM),
        ("api-url", "https://fini.example/?a=b", URL_FORM),
        ("api-url", "https://fini.example#", URL_FORM),
    ],
)
def test_inputs__refuse(read_inputs: ReadInputs, name: str, value: str, allowed: str) -> None:
    """A value that is not allowed is an error that names the input, the value and what is allowed."""
    with pytest.raises(UsageError) as refusal:
        read_inputs({name: value})
    assert str(refusal.value) == f"Input {name} is {quote(value)}: it must be {allowed}."


@pytest.mark.parametrize(
    ("address", "without_password"),
    [
        ("https://reader:hunter2@fini.example", "https://***@fini.example"),
        ("HTTPS://reader:hunter2@fini.example", "HTTPS://***@fini.example"),
        ("http://hunter2@localhost", "http://***@localhost"),
        ("https://reader:hunter2?@fini.example", "https://***@fini.example"),
        ("https://reader:hunter2/x@fini.example", "https://***@fini.example"),
        ("https://reader:hunter2//x@fini.example", "https://***@fini.example"),
        ("reader:hunter2@fini.example", "***@fini.example"),
    ],
)
def test_inputs__refuse_a_password_in_the_address_without_showing_it(
    read_inputs: ReadInputs, address: str, without_password: str
) -> None:
    """An API address with a user name or password is refused, and the log learns the rest of it alone."""
    with pytest.raises(UsageError) as refusal:
        read_inputs({"api-url": address})
    assert str(refusal.value) == f"Input api-url is '{without_password}': it must be {URL_FORM}."


def test_inputs__refuse_a_shortest_pause_above_the_longest(read_inputs: ReadInputs) -> None:
    """A poll interval above the default longest one is an error that names both inputs with their values."""
    with pytest.raises(UsageError, match=r"max-poll-interval is '30s': .* poll-interval, which is '1m'"):
        read_inputs({"poll-interval": "1m"})


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"INPUT_API-KEY": "from-input", "FINI_API_KEY": "from-environment"}, "from-input"),
        ({"INPUT_API-KEY": "  from-input\n"}, "from-input"),
        ({"INPUT_API-KEY": " ", "FINI_API_KEY": "\tfrom-environment\r\n"}, "from-environment"),
        ({"FINI_API_KEY": "from-environment"}, "from-environment"),
    ],
)
def test_api_key__is_the_input_or_else_of_the_environment(environ: dict[str, str], expected: str) -> None:
    """The key is taken from the input, or where that is empty from FINI_API_KEY, without white space around it."""
    assert Inputs.from_environ(environ).api_key == api_key(environ) == expected


@pytest.mark.parametrize("environ", [{}, {"INPUT_API-KEY": " ", "FINI_API_KEY": "\n"}])
def test_api_key__is_required(environ: dict[str, str]) -> None:
    """No key at all is an error that says where one is to be put."""
    with pytest.raises(UsageError) as refusal:
        Inputs.from_environ(environ)
    assert str(refusal.value) == (
        "Input api-key is empty, and so is FINI_API_KEY in the environment: hand over a Fini API key with the read"
        " scope, such as ${{ secrets.FINI_API_KEY }} (workflows of forks get no secrets)."
    )


@pytest.mark.parametrize("inside", [" ", "\n", "\r", "\t", "\x00", "\x1b", "é", "\u200b", "\udcff"])
def test_api_key__is_refused_unseen(inside: str) -> None:
    """A key with anything but visible ASCII inside is an error that says what to do, and does not show it."""
    with pytest.raises(UsageError) as refusal:
        Inputs.from_environ({"INPUT_API-KEY": f"hunter2{inside}hunter3"})
    assert str(refusal.value) == (
        "Input api-key holds white space, a line break or a character that is not ASCII inside (it is not shown"
        " here): store the key again, alone and whole."
    )


def test_api_key__is_not_in_the_representation(read_inputs: ReadInputs) -> None:
    """Printing the inputs does not print the key, nor one that was put among certificates."""
    assert KEY not in repr(read_inputs({"ca-bundle": KEY}))


@pytest.mark.parametrize("name", sorted(DEFAULTS.keys() - READ_LATER))
def test_api_key__is_not_shown_where_it_is_put_by_mistake(read_inputs: ReadInputs, name: str) -> None:
    """The key given as another input is an error that names the input, and does not show the key."""
    with pytest.raises(UsageError, match=f"Input {name} ") as refusal:
        read_inputs({name: KEY})
    assert KEY not in str(refusal.value)


def test_workspace__is_the_current_folder_where_the_runner_names_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without GITHUB_WORKSPACE paths start at the current folder."""
    monkeypatch.chdir(tmp_path)
    assert Inputs.from_environ({**_environ({}), "GITHUB_WORKSPACE": ""}).workspace == tmp_path


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.text(max_size=30)))
def test_inputs__any_values_are_taken_or_refused(given_inputs: dict[str, str]) -> None:
    """Whatever the inputs hold, it is either read or a usage error on one of them."""
    try:
        assert Inputs.from_environ(_environ(given_inputs)).api_key
    except UsageError as refusal:
        assert any(f"Input {name} " in str(refusal) for name in DEFAULTS)  # noqa: PT017 - both ends are fine


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0), ("90", 90), ("0.25", 0.25), ("007", 7)),
        *(("500ms", 0.5), ("90s", 90), ("15m", 900), ("2h", 7200)),
        *(("1h30m", 5400), ("1.5s", 1.5), ("1m1m", 120), ("1s500ms", 1.5), ("1m1ms", 60.001), ("0.1s0.2s", 0.3)),
    ],
)
def test_duration__is_read(text: str, seconds: float) -> None:
    """A duration is a bare number of seconds, or numbers with units in a row."""
    assert parse_duration(text) == pytest.approx(seconds, abs=1e-12)


@given(
    st.lists(st.tuples(st.decimals(0, 9999, places=3), st.sampled_from(sorted(UNIT_SECONDS))), min_size=1, max_size=6)
)
def test_duration__adds_up_its_parts(parts: list[tuple[Decimal, str]]) -> None:
    """The parts of a duration add up, in any order and however often a unit comes."""
    text = "".join(f"{number}{unit}" for number, unit in parts)
    expected = sum(number * UNIT_SECONDS[unit] for number, unit in parts)
    assert parse_duration(text) == pytest.approx(float(expected))


@pytest.mark.parametrize("unit", ["", "s"])
def test_duration__of_very_many_digits_is_refused(unit: str) -> None:
    """A number without an end is too long, and is not looked at from each of its digits on: that would take minutes."""
    with pytest.raises(ValueError, match="at most 100000h"):
        parse_duration("1" * 100_000 + unit)


@given(st.text() | st.text("0123456789.smh"))
@example(f"1{'0' * 308}s" * 2)
@example("9" * 5000)
@example("nan")
@example("inf")
@example("1_0s")
def test_duration__any_text_is_a_duration_or_refused(text: str) -> None:
    """Whatever the text, it is a number of seconds within the limit, or an error that says what is allowed."""
    try:
        seconds = parse_duration(text)
    except ValueError as refusal:
        assert str(refusal) in {DURATION, "at most 100000h"}  # noqa: PT017 - both ends are fine
    else:
        assert 0 <= seconds <= LONGEST_SECONDS


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0s"), (0.4, "0.4s"), (1, "1s"), (12.34, "12.3s"), (59.94, "59.9s")),
        *(
            (59.96, "1m"),
            (60, "1m"),
            (125, "2m5s"),
            (3599.6, "1h"),
            (5400, "1h30m"),
            (3605, "1h5s"),
            (90061, "25h1m1s"),
        ),
    ],
)
def test_duration_text__reads_well(seconds: float, text: str) -> None:
    """A duration is shown in hours, minutes and seconds, to a tenth below a minute."""
    assert format_duration(seconds) == text


@given(st.floats(0, LONGEST_SECONDS))
def test_duration_text__is_a_duration_again(seconds: float) -> None:
    """A duration that is shown can be read back, but for what was rounded off."""
    again = parse_duration(format_duration(seconds))
    assert math.isclose(again, seconds, rel_tol=0, abs_tol=0.0501 if seconds < 59 else 0.5001)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True)),
        *(("", False), ("localhost.example", False), ("0.0.0.0", False), ("128.0.0.1", False), ("::2", False)),  # noqa: S104
        *(("127.1", False), ("2130706433", False)),
    ],
)
def test_is_loopback__tells_this_machine_from_others(host: str, *, expected: bool) -> None:
    """Only localhost and loopback addresses in their full form are this machine."""
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(("a", "'a'"), ("a\n\x1b", r"'a\n\x1b'"), ("x" * 100, f"'{'x' * 100}'"), ("x" * 101, f"'{'x' * 99}…'")),
    ],
)
def test_shown__is_short_and_on_one_line(value: Any, text: str) -> None:  # noqa: ANN401 - a value of a table
    """A quoted value has no line break and at most a hundred characters."""
    assert quote(value) == text
