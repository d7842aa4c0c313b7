"""Parse text, JSON, JSON Lines and YAML into job IDs, and choose the parser for a text."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from fini_gate.job_ids.locations import line_in_json
from fini_gate.job_ids.shapes import DocumentError, Pair, check_job_id, depth_error, find_job_ids

# Each list and object takes memory, and a job needs only one or a few.
MAX_CONTAINERS: Final = 2_000_000

# White space or commas. The control characters that `\s` matches are not separators: an ID with one is rejected.
_SEPARATORS: Final = re.compile(r"(?:[^\S\x1c-\x1f\x85]|,)+")
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*")

Parser: TypeAlias = Callable[[str], Iterator[Pair]]
"""Yields the job IDs in a text. Raises DocumentError."""


def parse_one(text: str) -> Iterator[Pair]:
    """Yield the text itself as one job ID."""
    yield check_job_id(text), None


def parse_text(text: str) -> Iterator[Pair]:
    """Yield the job IDs in plain text, where white space or commas separate them and `#` starts a comment."""
    for number, line in enumerate(_split_lines(text), start=1):
        for job_id in filter(None, _SEPARATORS.split(_COMMENT.sub("", line))):
            try:
                yield check_job_id(job_id), None
            except DocumentError as error:
                raise error.on_line(number) from None


def parse_json(text: str) -> Iterator[Pair]:
    """Yield the job IDs in a JSON text."""
    document = _load_json(text, expected="expected one JSON value")
    try:
        yield from find_job_ids(document)
    except DocumentError as error:
        raise error.on_line(line_in_json(text, error.path)) from None


def parse_json_lines(text: str) -> Iterator[Pair]:
    """Yield the job IDs in JSON Lines. Empty lines are ignored."""
    for number, line in enumerate(_split_lines(text), start=1):
        if line.strip():
            try:
                yield from find_job_ids(_load_json(line, expected="expected one JSON value per line"))
            except DocumentError as error:
                raise error.on_line(number) from None


def parse_yaml(text: str) -> Iterator[Pair]:
    """Yield the job IDs in the documents of a YAML text."""
    from fini_gate.job_ids import yaml_parser  # noqa: PLC0415 - PyYAML is slow to import, and rarely needed

    return yaml_parser.parse_yaml(text)


def _load_json(text: str, *, expected: str) -> object:
    if text.count("[") + text.count("{") > MAX_CONTAINERS:
        raise DocumentError(f"it contains more than {MAX_CONTAINERS} lists and objects; pass only the job IDs")
    try:
        # As floats, because Python refuses to read integers of more than some thousand digits.
        document: object = json.loads(text, parse_int=float)
    except json.JSONDecodeError as error:
        raise DocumentError(
            f"this is not valid JSON ({error.msg}, column {error.colno}); {expected}", line=error.lineno
        ) from None
    except RecursionError:
        raise depth_error() from None
    return document


def _split_lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


PARSER_BY_SUFFIX: Final[Mapping[str, Parser]] = {
    ".json": parse_json,
    ".jsonl": parse_json_lines,
    ".ndjson": parse_json_lines,
    ".yaml": parse_yaml,
    ".yml": parse_yaml,
}
"""A file with another suffix is JSON, JSON Lines or plain text, whichever its text starts like."""


def guess_parser(text: str, *, json_starts: tuple[str, ...]) -> Parser:
    """Return the parser for JSON Lines, JSON or plain text, whichever the text starts like."""
    if not text.lstrip().startswith(json_starts):
        return parse_text
    first_line, *other_lines = filter(str.strip, _split_lines(text))
    return parse_json_lines if other_lines and _is_json(first_line) else parse_json


def _is_json(text: str) -> bool:
    try:
        _load_json(text, expected="")
    except DocumentError:
        return False
    return True
