"""The inputs: parsed from their texts, validated, and frozen.

The fields of `Inputs` are the table of inputs: each names its input, its default and its parser. To add an input, add
a field, its line to the command's help, and the input to action.yml and the documentation.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, get_type_hints

from fini_gate.addresses import hide_credentials, parse_api_url
from fini_gate.durations import parse_duration
from fini_gate.errors import UsageError
from fini_gate.escaping import quote, redact
from fini_gate.settings import Settings

MIN_INTERVAL: Final = "100ms"


class IfNoJobs(StrEnum):
    """What to do if there are no job IDs."""

    ERROR = "error"
    WARN = "warn"
    IGNORE = "ignore"


class Input(NamedTuple):
    """An input as the workflow sets it."""

    name: str
    default: str
    parse: Callable[[str], object]
    """Parses the text. Raises ValueError with what is allowed."""

    @property
    def is_boolean(self) -> bool:
        """Whether it is `true` or `false`."""
        return self.parse is _parse_boolean


def _parse_lines(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.splitlines())))


def _parse_positive_duration(text: str) -> float:
    seconds = parse_duration(text)
    if seconds == 0:
        raise ValueError("longer than 0")
    return seconds


def _parse_optional_duration(text: str) -> float | None:
    return _parse_positive_duration(text) if text else None


def _parse_interval(text: str) -> float:
    seconds = parse_duration(text)
    if seconds < parse_duration(MIN_INTERVAL):
        raise ValueError(f"at least {MIN_INTERVAL}")
    return seconds


def _parse_boolean(text: str) -> bool:
    if text not in {"true", "True", "TRUE", "false", "False", "FALSE"}:
        raise ValueError("true or false")
    return text.lower() == "true"


def _parse_if_no_jobs(text: str) -> IfNoJobs:
    try:
        return IfNoJobs(text)
    except ValueError:
        raise ValueError(f"one of {', '.join(IfNoJobs)}") from None


def _parse_integer(text: str, *, minimum: int, maximum: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not minimum <= int(text) <= maximum:
        raise ValueError(f"a whole number from {minimum} to {maximum}")
    return int(text)


def _parse_path(text: str) -> str:
    if text and not text.isprintable():
        raise ValueError("one path, without line breaks or control characters")
    return text


# Only the command line has this one.
_JSON: Final = Input("json", "false", _parse_boolean)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All inputs, validated. `None` and the empty text mean not set."""

    api_key: Annotated[str, Input("api-key", "", str)] = field(repr=False)
    job_ids: Annotated[str, Input("job-ids", "", str)]
    job_id_paths: Annotated[tuple[str, ...], Input("job-ids-file", "", _parse_lines)]
    timeout_seconds: Annotated[float, Input("timeout", "30m", parse_duration)]
    stall_timeout_seconds: Annotated[float | None, Input("stall-timeout", "", _parse_optional_duration)]
    poll_interval_seconds: Annotated[float, Input("poll-interval", "1s", _parse_interval)]
    max_poll_interval_seconds: Annotated[float, Input("max-poll-interval", "30s", _parse_interval)]
    fail_fast: Annotated[bool, Input("fail-fast", "false", _parse_boolean)]
    if_no_jobs: Annotated[IfNoJobs, Input("if-no-jobs", "error", _parse_if_no_jobs)]
    require_articles: Annotated[bool, Input("require-articles", "false", _parse_boolean)]
    require_published: Annotated[bool, Input("require-published", "false", _parse_boolean)]
    not_found_grace_seconds: Annotated[float, Input("not-found-grace", "10s", parse_duration)]
    outage_tolerance_seconds: Annotated[float, Input("outage-tolerance", "5m", parse_duration)]
    request_timeout_seconds: Annotated[float, Input("request-timeout", "30s", _parse_positive_duration)]
    batch_size: Annotated[int, Input("batch-size", "100", partial(_parse_integer, minimum=1, maximum=1000))]
    max_parallel: Annotated[int, Input("max-parallel", "4", partial(_parse_integer, minimum=1, maximum=16))]
    results_file: Annotated[str, Input("results-file", "", _parse_path)]
    junit_file: Annotated[str, Input("junit-file", "", _parse_path)]
    dotenv_file: Annotated[str, Input("dotenv-file", "", _parse_path)]
    summary_file: Annotated[str, Input("summary-file", "", _parse_path)]
    article_details: Annotated[bool, Input("article-details", "true", _parse_boolean)]
    job_summary: Annotated[bool, Input("job-summary", "true", _parse_boolean)]
    ca_bundle: Annotated[str, Input("ca-bundle", "", str)] = field(repr=False)
    api_url: Annotated[str, Input("api-url", "https://api-prod.usefini.com", parse_api_url)]
    workspace: Path
    arguments: tuple[str, ...] = ()
    """The job IDs on the command line; `-` is standard input."""

    @classmethod
    def parse(cls, settings: Settings, api_key: str) -> "Inputs":
        """Parse and validate all inputs.

        Raises:
            UsageError: an input is invalid. The message names it, and says what is allowed.
        """
        texts = {name: settings.text(name) or default for name, default in DEFAULTS.items()} | {"api-key": api_key}
        _reject_key(texts, api_key)
        _parse_input(_JSON, settings.text("json") or _JSON.default)
        values: dict[str, Any] = {name: _parse_input(each, texts[each.name]) for name, each in INPUTS.items()}
        inputs = cls(**values, workspace=settings.workspace, arguments=settings.command_line.job_ids)
        if inputs.max_poll_interval_seconds < inputs.poll_interval_seconds:
            raise UsageError(
                f"«Input max-poll-interval» is {quote(texts['max-poll-interval'])}: it must not be shorter than"
                f" «poll-interval», which is {quote(texts['poll-interval'])}."
            )
        return inputs


INPUTS: Final[Mapping[str, Input]] = {
    field_name: extra
    for field_name, hint in get_type_hints(Inputs, include_extras=True).items()
    for extra in getattr(hint, "__metadata__", ())
}
"""Field of `Inputs` → its input."""

DEFAULTS: Final[Mapping[str, str]] = {each.name: each.default for each in INPUTS.values()}
"""Name of an input → its default."""


def _reject_key(texts: Mapping[str, str], api_key: str) -> None:
    """Reject inputs that contain the API key. It would end up in requests, outputs and errors."""
    for name, text in texts.items():
        if name != "api-key" and redact(text, api_key) != text:
            raise UsageError(f"«Input {name}» contains the API key (not shown here): pass the key as «api-key» only.")


def _parse_input(given: Input, text: str) -> object:
    try:
        return given.parse(text)
    except ValueError as error:
        raise UsageError(f"«Input {given.name}» is {quote(hide_credentials(text))}: it must be {error}.") from None
