import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate import __version__
from fini_gate.cli import make_parser, parse_arguments
from fini_gate.inputs import DEFAULTS, INPUTS
from fini_gate.settings import CommandLine

KEY = "fini_Secret-0123456789"
SCREEN_LINES = 24
BOOLEANS = [each.name for each in INPUTS.values() if each.is_boolean]
OTHERS = sorted(DEFAULTS.keys() - {*BOOLEANS, "api-key"})


def _problem(*arguments: str) -> str:
    return str(parse_arguments(arguments).problem)


def test_options__are_all_inputs_but_the_key() -> None:
    """Each input is an option of the same name, a boolean one with its opposite."""
    strings = {string for action in make_parser()._actions for string in action.option_strings}  # noqa: SLF001 - no other list
    expected = {f"--{name}" for name in DEFAULTS} | {f"--no-{name}" for name in BOOLEANS}
    assert strings == (expected - {"--api-key"}) | {"--api-key-file", "--json", "--help", "--version"}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("separator", [" ", "="])
def test_option__takes_a_value(name: str, separator: str) -> None:
    """The value follows after a space or an equals sign, and may be anything but an option."""
    for value in ("a b", "-", "", "=x", "é"):
        arguments = [f"--{name}={value}"] if separator == "=" else [f"--{name}", value]
        assert parse_arguments(arguments) == CommandLine(options={name: value}, is_used=True)


@pytest.mark.parametrize("name", BOOLEANS)
def test_boolean_option__has_an_opposite(name: str) -> None:
    """It takes no value, so that a job ID may follow; the last one counts."""
    assert parse_arguments([f"--{name}", "job", "true"]).options == {name: "true"}
    assert parse_arguments([f"--{name}", "job", "true"]).problem is None
    assert parse_arguments([f"--{name}", f"--no-{name}", "job"]) == CommandLine(
        options={name: "false"}, job_ids=("job",), is_used=True
    )


@pytest.mark.parametrize(
    ("arguments", "job_ids", "options"),
    [
        (("a", "--fail-fast", "b", "-", "--timeout", "3s", "c"), ("a", "b", "-", "c"), ("fail-fast", "timeout")),
        (("--json", "--", "-a", "--json", "-"), ("-a", "--json", "-"), ("json",)),
        (("a b", "", "é"), ("a b", "", "é"), ()),
        (("--", "--"), ("--",), ()),
    ],
)
def test_arguments__are_job_ids_as_they_stand(
    arguments: tuple[str, ...], job_ids: tuple[str, ...], options: tuple[str, ...]
) -> None:
    """Job IDs stand between options in any order; after -- everything is a job ID."""
    command_line = parse_arguments(arguments)
    assert (command_line.job_ids, tuple(command_line.options), command_line.problem) == (job_ids, options, None)


def test_options__may_be_repeated() -> None:
    """Job IDs and their files add up; of other options the last one counts."""
    options = parse_arguments(
        [
            "--job-ids",
            "a",
            "--job-ids",
            "b",
            "--job-ids-file",
            "x",
            "--job-ids-file=y",
            "--timeout",
            "1s",
            "--timeout=2s",
        ]
    ).options
    assert options == {"job-ids": "a\nb", "job-ids-file": "x\ny", "timeout": "2s"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--timeout",), "Option --timeout needs a value; after = it may begin with a hyphen."),
        (("--timeout", "--json"), "Option --timeout needs a value; after = it may begin with a hyphen."),
        (("--fail-fast=yes",), "Option --fail-fast takes no value."),
        *((("--fail-fast", text, "job"), "Option --fail-fast takes no value.") for text in ("true", "False", "no")),
        (("job", "-h"), "Options --help and --version cannot be combined with other arguments."),
        (("--version", "--json"), "Options --help and --version cannot be combined with other arguments."),
        (("--help=x",), "Option --help takes no value."),
        (("--timout", "3s"), "There is no option --timout: did you mean --timeout?"),
        (("--api-ke=x",), "There is no option --api-ke: did you mean --api-key-file?"),
        (("--job-ids=--", "--timeout=--", "--fail-fast="), "Option --fail-fast takes no value."),
        (("--xyzzy",), "There is no option --xyzzy. Run fini-gate --help for a list of all options."),
        (("-x",), "There is no option -x. Run fini-gate --help for a list of all options."),
        (
            (f"--api-key={KEY}",),
            (
                "There is no option --api-key, because other processes can read a command line: set FINI_API_KEY, or"
                " use --api-key-file."
            ),
        ),
        *(
            (
                (argument,),
                "An argument begins with a hyphen, but is not an option (it is not shown here: it may be a key).",
            )
            for argument in (f"--{KEY}", f"-{KEY}", "-5", "--a\nb", "--nope ")
        ),
        (("--nope=a b",), "There is no option --nope. Run fini-gate --help for a list of all options."),
    ],
)
def test_arguments__that_are_wrong_are_a_problem(arguments: tuple[str, ...], problem: str) -> None:
    """The problem names the option, and shows nothing that may be a key."""
    assert _problem(*arguments) == problem


@pytest.mark.parametrize(
    "wrong", [("--bogus",), ("--timeout",), ("--fail-fast=x",), ("--api-key", KEY), ("--timeout", "--fail-fast=x")]
)
def test_problem__costs_nothing_else(wrong: tuple[str, ...]) -> None:
    """Options before and after it count, so that the error can be reported where they say."""
    command_line = parse_arguments(["--results-file", "r", *wrong, "--json", "--junit-file=j"])
    assert command_line.problem is not None
    assert KEY not in str(command_line.problem)
    wanted = {"results-file": "r", "json": "true", "junit-file": "j"}
    assert wanted.items() <= command_line.options.items()


def test_help__fits_a_screen() -> None:
    """What everybody needs comes first; the rest has headings, and each input is in it."""
    text = parse_arguments(["--help"]).help_text
    assert parse_arguments(["-h"]).help_text == text
    golden = Path(__file__).parent / "golden" / "help.txt"
    if os.environ.get("REWRITE_GOLDEN"):
        golden.write_text(f"{text}\n", encoding="utf-8")
    assert f"{text}\n" == golden.read_text(encoding="utf-8")
    screen = text.split("\n\nother job options:")[0]
    assert screen.count("\n") < SCREEN_LINES
    assert max(map(len, text.splitlines())) <= 80
    assert all(f"-{name} " in text or f"-{name}\n" in text for name in DEFAULTS.keys() - {"api-key"})


def test_version__is_that_of_the_package() -> None:
    """It names the program, too."""
    assert parse_arguments(["--version"]).help_text == f"fini-gate {__version__}"


@given(st.lists(st.sampled_from(["--json", "--timeout", "3s", "--", "-", "-x", "a b", "--nope=1", "-h"]) | st.text()))
def test_arguments__of_any_kind_are_parsed(arguments: list[str]) -> None:
    """Whatever the arguments, none is lost: each is an option, its value, a job ID or a problem."""
    command_line = parse_arguments(arguments)
    assert command_line.is_used
    assert all(isinstance(value, str) for value in command_line.options.values())
    if not any(each.startswith("-") for each in arguments):
        assert command_line.job_ids == tuple(arguments)
