"""The environment that the runner hands over → a frozen `Inputs`. All validation of single inputs happens here.

Names, defaults and meanings are those of `action.yml`; a contract test holds the two together.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import SplitResult, urlsplit

from fini_gate.errors import UsageError
from fini_gate.escaping import redact

DEFAULTS: Final[Mapping[str, str]] = {
    "api-key": "",
    "job-ids": "",
    "job-ids-file": "",
    "timeout": "30m",
    "stall-timeout": "",
    "poll-interval": "1s",
    "max-poll-interval": "30s",
    "fail-fast": "false",
    "if-no-jobs": "error",
    "require-articles": "false",
    "not-found-grace": "10s",
    "outage-tolerance": "5m",
    "request-timeout": "30s",
    "batch-size": "100",
    "max-parallel": "4",
    "results-file": "",
    "article-details": "false",
    "job-summary": "true",
    "ca-bundle": "",
    "api-url": "https://api-prod.usefini.com",
}

MIN_INTERVAL_SECONDS: Final = 0.1
# Eleven years: beyond any job, and within what clocks, dates and the operating system's waits can hold.
MAX_DURATION_HOURS: Final = 100_000
BATCH_SIZES: Final = range(1, 1001)
CONCURRENT_REQUESTS: Final = range(1, 17)

_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_SPAN: Final = re.compile(rf"({_NUMBER})(ms|s|m|h)")
_DURATION: Final = re.compile(rf"{_NUMBER}|(?:{_NUMBER}(?:ms|s|m|h))+")
_HOST_AND_PORT: Final = re.compile(r"(?:\[[0-9a-f:.]+\]|(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?)(?::[0-9]*)?")
_DURATION_FORM: Final = "a number with a unit (ms, s, m, h), or several in a row, such as 90s, 15m or 1h30m"

_Value = TypeVar("_Value")


class IfNoJobs(StrEnum):
    """What it means to be given no job IDs at all."""

    ERROR = "error"
    WARN = "warn"
    IGNORE = "ignore"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the workflow asked for, validated. `None` and the empty text mean not given."""

    api_key: str = field(repr=False)
    job_ids: str
    job_id_paths: tuple[str, ...]
    timeout_seconds: float
    stall_timeout_seconds: float | None
    poll_interval_seconds: float
    max_poll_interval_seconds: float
    fail_fast: bool
    if_no_jobs: IfNoJobs
    require_articles: bool
    not_found_grace_seconds: float
    outage_tolerance_seconds: float
    request_timeout_seconds: float
    batch_size: int
    max_parallel: int
    results_file: str
    article_details: bool
    job_summary: bool
    ca_bundle: str = field(repr=False)
    api_url: str
    workspace: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Inputs":
        """Read and validate every input.

        Raises:
            UsageError: an input is wrong; the text names it, its value and what is allowed.
        """
        given = {name: environ.get(env_name(name), "").strip() or default for name, default in DEFAULTS.items()}

        key = api_key(environ)

        def read(name: str, parse: Callable[[str], _Value]) -> _Value:
            try:
                return parse(given[name])
            except ValueError as error:
                value = quote(_without_password(redact(given[name], key)))
                raise UsageError(f"Input {name} is {value}: it must be {error}.") from None

        def read_optional(name: str, parse: Callable[[str], _Value]) -> _Value | None:
            return read(name, parse) if given[name] else None

        inputs = cls(
            api_key=_checked_api_key(key),
            job_ids=given["job-ids"],
            job_id_paths=tuple(filter(None, map(str.strip, given["job-ids-file"].splitlines()))),
            timeout_seconds=read("timeout", parse_duration),
            stall_timeout_seconds=read_optional("stall-timeout", _some_seconds),
            poll_interval_seconds=read("poll-interval", _interval_seconds),
            max_poll_interval_seconds=read("max-poll-interval", _interval_seconds),
            fail_fast=read("fail-fast", _boolean),
            if_no_jobs=read("if-no-jobs", _if_no_jobs),
            require_articles=read("require-articles", _boolean),
            not_found_grace_seconds=read("not-found-grace", parse_duration),
            outage_tolerance_seconds=read("outage-tolerance", parse_duration),
            request_timeout_seconds=read("request-timeout", _some_seconds),
            batch_size=read("batch-size", _whole_number(BATCH_SIZES)),
            max_parallel=read("max-parallel", _whole_number(CONCURRENT_REQUESTS)),
            results_file=read("results-file", _one_line),
            article_details=read("article-details", _boolean),
            job_summary=read("job-summary", _boolean),
            ca_bundle=given["ca-bundle"],
            api_url=read("api-url", _api_url),
            workspace=Path(environ.get("GITHUB_WORKSPACE") or Path.cwd()),
        )
        if inputs.max_poll_interval_seconds < inputs.poll_interval_seconds:
            raise UsageError(
                f"Input max-poll-interval is {quote(given['max-poll-interval'])}: it must be no shorter than"
                f" poll-interval, which is {quote(given['poll-interval'])}."
            )
        return inputs


def api_key(environ: Mapping[str, str]) -> str:
    """The API key as it was handed over, whatever it is; empty where there is none."""
    return environ.get(env_name("api-key"), "").strip() or environ.get("FINI_API_KEY", "").strip()


def is_api_key(text: str) -> bool:
    """Whether a text may be an API key: nothing but visible ASCII, since it has to fit into a header."""
    return bool(re.fullmatch(r"[!-~]+", text))


def env_name(name: str) -> str:
    """The environment variable in which the runner hands over an input. Hyphens stay."""
    return f"INPUT_{name.upper()}"


def quote(value: str) -> str:
    """A value as an error quotes it: on one line, and short."""
    return repr(value if len(value) <= 100 else f"{value[:99]}…")  # noqa: PLR2004 - a length for the eye


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `500ms`, `90s`, `1h30m`; a bare number is seconds.

    Raises:
        ValueError: with what is allowed as its text.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(_DURATION_FORM)
    # In digits alone it would be looked for from each of them on.
    spans = _SPAN.findall(text) if text[-1].isalpha() else [(text, "s")]
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in spans)
    if seconds > MAX_DURATION_HOURS * _UNIT_SECONDS["h"]:
        raise ValueError(f"at most {MAX_DURATION_HOURS}h")
    return seconds


def format_duration(seconds: float) -> str:
    """A duration as people read it, such as `1h30m` or `2m5s`; below a minute to a tenth, such as `0.4s`."""
    if round(seconds, 1) < _UNIT_SECONDS["m"]:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h" * bool(hours) + f"{minutes}m" * bool(minutes) + f"{seconds}s" * bool(seconds)


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or address, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _some_seconds(text: str) -> float:
    seconds = parse_duration(text)
    if seconds == 0:
        raise ValueError("longer than 0")
    return seconds


def _interval_seconds(text: str) -> float:
    seconds = parse_duration(text)
    if seconds < MIN_INTERVAL_SECONDS:
        raise ValueError(f"at least {MIN_INTERVAL_SECONDS * 1000:.0f}ms")
    return seconds


def _boolean(text: str) -> bool:
    if text not in {"true", "True", "TRUE", "false", "False", "FALSE"}:
        raise ValueError("true or false")
    return text.lower() == "true"


def _if_no_jobs(text: str) -> IfNoJobs:
    if text not in set(IfNoJobs):
        raise ValueError(f"one of {', '.join(IfNoJobs)}")
    return IfNoJobs(text)


def _whole_number(allowed: range) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) not in allowed:
            raise ValueError(f"a whole number from {allowed[0]} to {allowed[-1]}")
        return int(text)

    return parse


def _one_line(text: str) -> str:
    if text and not text.isprintable():
        raise ValueError("one path, without line breaks and control characters")
    return text


def _checked_api_key(key: str) -> str:
    if not key:
        raise UsageError(
            "Input api-key is empty, and so is FINI_API_KEY in the environment: hand over a Fini API key with the read"
            " scope, such as ${{ secrets.FINI_API_KEY }} (workflows of forks get no secrets)."
        )
    if not is_api_key(key):
        raise UsageError(
            "Input api-key holds white space, a line break or a character that is not ASCII inside (it is not shown"
            " here): store the key again, alone and whole."
        )
    return key


def _api_url(text: str) -> str:
    """The API's base URL without a slash at its end."""
    try:
        parts = urlsplit(text)
        well_formed = bool(re.fullmatch(r"[!-~]+", text)) and not re.search(r"[\\?#]", text)
        allowed = well_formed and parts.port != 0 and _is_secure(parts)
    except ValueError:  # no valid port, or no valid IPv6 address
        allowed = False
    if not allowed:
        raise ValueError(
            "an https:// address, or an http:// one of this machine (localhost, 127.0.0.1), without user name, query or"
            " fragment"
        )
    return text.rstrip("/")


def _without_password(address: str) -> str:
    return re.sub("^([A-Za-z]+://)?.*@", r"\1***@", address)


def _is_secure(parts: SplitResult) -> bool:
    """Whether a key may be sent there: encrypted, or without leaving the machine."""
    if not _HOST_AND_PORT.fullmatch(parts.netloc.lower()):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
