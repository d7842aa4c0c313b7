"""The command line: options for all inputs, parsed into settings.

The only module that uses `argparse`. The action has no arguments, and does not import it.
"""

import argparse
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from fini_gate import __version__
from fini_gate.errors import UsageError
from fini_gate.inputs import INPUTS
from fini_gate.settings import CommandLine


class _Help(NamedTuple):
    """What the help says about an option."""

    value: str
    """What kind of value it takes; empty if it takes none."""
    text: str


# The options under each heading. The first heading and what is above it fit on a screen.
_HELP: Final = {
    "everyday options": {
        "api-key-file": _Help("PATH", "file with the API key, instead of FINI_API_KEY"),
        "job-ids-file": _Help("PATH", "file or glob with job IDs: text, JSON(L), YAML"),
        "timeout": _Help("TIME", "how long to wait; 0 polls exactly once"),
        "fail-fast": _Help("", "stop at the first failed or missing job"),
        "require-articles": _Help("", "fail jobs that completed without an article"),
        "require-published": _Help("", "fail completed jobs whose article is not live"),
        "if-no-jobs": _Help("ACTION", "if there are no job IDs: error, warn, ignore"),
        "results-file": _Help("PATH", "write the full results as JSON"),
        "junit-file": _Help("PATH", "write a JUnit report: a test case per job"),
        "json": _Help("", "print only the results, as JSON"),
    },
    "other job options": {
        "job-ids": _Help("IDS", "job IDs as text or JSON"),
        "stall-timeout": _Help("TIME", "give up when no job changes for this long"),
        "not-found-grace": _Help("TIME", "how long an ID may be unknown to the API"),
        "article-details": _Help("", "do not look up titles and reasons"),
    },
    "other files": {
        "dotenv-file": _Help("PATH", "write result and counts as KEY=value lines"),
        "summary-file": _Help("PATH", "write the summary as Markdown"),
        "job-summary": _Help("", "do not write the job summary on GitHub"),
    },
    "polling and requests": {
        "poll-interval": _Help("TIME", "minimum time between two polls"),
        "max-poll-interval": _Help("TIME", "maximum time between two polls"),
        "outage-tolerance": _Help("TIME", "how long the API may be down"),
        "request-timeout": _Help("TIME", "limit on one HTTP request as a whole"),
        "batch-size": _Help("N", "maximum number of job IDs per request"),
        "max-parallel": _Help("N", "maximum number of concurrent requests"),
        "api-url": _Help("URL", "address of the API"),
        "ca-bundle": _Help("PEM", "extra certificate authorities: PEM text or file"),
    },
}
_DESCRIPTION: Final = (
    "Wait for Fini's knowledge jobs, and exit with 0 if all of them completed. The job ID - means standard input (text,"
    " JSON or JSON Lines)."
)
_EPILOG: Final = (
    "TIME is a duration such as 90s, 15m or 1h30m. Each option can also be set by an environment variable: --timeout by"
    " FINI_GATE_TIMEOUT. Exit codes: 0 success, 1 a job failed or is missing, 2 usage error, 3 timed out, 4 no verdict,"
    " 130 and 143 cancelled."
)
# Repeated options add up.
_REPEATABLE: Final = {"job-ids", "job-ids-file"}
# Any other argument may be a key, so errors do not show it.
_SHOWABLE: Final = re.compile("--?[a-z]{1,20}(-[a-z]{1,20}){0,3}")
_INPUT_BY_NAME: Final = {each.name: each for each in INPUTS.values()}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with all options, for parsing, help and completions."""
    parser = argparse.ArgumentParser(
        prog="fini-gate",
        usage="fini-gate [OPTIONS] [JOB_ID ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=30, width=80),
        argument_default=argparse.SUPPRESS,
        add_help=False,
        allow_abbrev=False,
        exit_on_error=False,
    )
    for heading, options in _HELP.items():
        group = parser.add_argument_group(heading)
        for name, (value, text) in options.items():
            if value:
                action = "append" if name in _REPEATABLE else "store"
                group.add_argument(f"--{name}", dest=name, action=action, metavar=value, help=_with_default(name, text))
            else:
                _add_flags(group, name, text)
    general = parser.add_argument_group("general")
    general.add_argument("--help", action="store_true", help="show this help")
    general.add_argument("--version", action="store_true", help="show the version")
    return parser


def parse_arguments(arguments: Sequence[str]) -> CommandLine:
    """Parse the arguments. If one is wrong, keep the others."""
    parser = make_parser()
    end = arguments.index("--") if "--" in arguments else len(arguments)
    # Not an option of argparse's: errors would name it as -h/--help.
    words = ["--help" if each == "-h" else each for each in arguments[:end]]
    given, rest, problems = _parse_options(parser, words)
    known = [string for action in parser._actions for string in action.option_strings]  # noqa: SLF001 - no other list
    problems += [_unknown_option(each, known) for each in rest if _is_option(each)]
    help_text = parser.format_help() if "help" in given else f"fini-gate {__version__}" if "version" in given else ""
    return CommandLine(
        options={name: _text(value) for name, value in given.items()},
        job_ids=(*(each for each in rest if not _is_option(each)), *arguments[end + 1 :]),
        is_used=True,
        help_text=help_text.strip(),
        problem=UsageError(problems[0]) if problems else None,
    )


def _add_flags(group: Any, name: str, text: str) -> None:  # noqa: ANN401 - argparse does not publish the type
    """Add an option for each value. The help shows the one that is not the default."""
    flags = {f"--{name}": "true"}
    if name in _INPUT_BY_NAME:
        flags[f"--no-{name}"] = "false"
    for flag, value in flags.items():
        is_default = name in _INPUT_BY_NAME and _INPUT_BY_NAME[name].default == value
        shown = argparse.SUPPRESS if is_default else text
        group.add_argument(flag, dest=name, action="store_const", const=value, help=shown)


def _with_default(name: str, text: str) -> str:
    default = _INPUT_BY_NAME[name].default if name in _INPUT_BY_NAME else ""
    return f"{text} ({default})" if default else text


def _parse_options(
    parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return the options by name, the other arguments, and the problems."""
    problems = []
    while True:
        try:
            namespace, rest = parser.parse_known_args(arguments)
        except argparse.ArgumentError as error:
            # argparse stops at the first error. Parse again without that option: others may name output files.
            problems.append(_value_problem(error))
            arguments = [each for each in arguments if each.partition("=")[0] != error.argument_name]
        else:
            return vars(namespace), rest, problems


def _text(value: object) -> str:
    """Return the text of an option's value. Older versions of argparse turn `--name=--` into no text at all."""
    values = value if isinstance(value, list) else [value]
    return "\n".join(str(each or "") for each in values)


def _is_option(argument: str) -> bool:
    return argument.startswith("-") and argument != "-"


def _value_problem(error: argparse.ArgumentError) -> str:
    if error.message.startswith("expected"):
        return f"Option {error.argument_name} needs a value."
    return f"Option {error.argument_name} takes no value."


def _unknown_option(argument: str, known: Sequence[str]) -> str:
    option = argument.partition("=")[0]
    if option == "--api-key":
        return (
            "There is no option --api-key, because other processes can read a command line: set FINI_API_KEY, or use"
            " --api-key-file."
        )
    if not _SHOWABLE.fullmatch(option):
        return "An argument begins with a hyphen, but is not an option (it is not shown here: it may be a key)."
    similar = get_close_matches(option, known, n=1)
    if similar:
        return f"There is no option {option}: did you mean {similar[0]}?"
    return f"There is no option {option}. Run fini-gate --help for a list of all options."
