"""The text, JSON, JSON Lines and YAML that workflows hold job IDs in → job IDs and their `documentId`s.

Every source is read into `(job ID, documentId)` pairs by the one reader that fits it, and all pairs are then merged.
"""

import codecs
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from fini_gate.errors import UsageError
from fini_gate.escaping import redact
from fini_gate.files import resolve
from fini_gate.inputs import Inputs, quote

MAX_ID_CHARACTERS: Final = 200
MAX_FILE_BYTES: Final = 32 * 1024**2
# YAML is read at about 1 MB a second.
MAX_YAML_BYTES: Final = 4 * 1024**2
MAX_DEPTH: Final = 100
# Of lists and objects in a JSON text. A job has one, or a few: more of them would fill the memory, and hold no job IDs.
MAX_CONTAINERS: Final = 2_000_000
MAX_JOBS: Final = 200_000

# `\s` but for the separators of old that are control characters: an ID that holds one is refused, not torn apart.
_SEPARATORS: Final = re.compile(r"(?:[^\S\x1c-\x1f\x85]|,)+")
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*")
_SHAPES: Final = (
    'expected an ID, a list of IDs, {"jobIds": […]}, {"backgroundJobId": …} or {"jobs": […]}, the last with a'
    " backgroundJobId or an id each"
)

JobIds: TypeAlias = dict[str, str | None]
"""Job ID, as first given → `documentId` where one is known; in order, each ID once without regard to letter case."""

_Pair: TypeAlias = tuple[str, str | None]
_Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class _Source:
    """A text that holds job IDs, and what to call it in an error."""

    name: str
    text: str

    def error(self, problem: str, *, line: int | None = None, path: _Path = ()) -> UsageError:
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        place = f", line {line}" * (line is not None) + f", at {steps}" * bool(steps)
        return UsageError(f"{self.name}{place}: {problem}.")


class _ShapeError(ValueError):
    """A value of a wrong shape, at a path into the document that holds it."""

    def __init__(self, problem: str, path: _Path) -> None:
        super().__init__(problem)
        self.path = path


class _NotJsonError(ValueError):
    """A text that is no JSON, with the line where it ceases to be."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.line = line


def read_job_ids(inputs: Inputs) -> JobIds:
    """Read the job IDs of `job-ids`, then those of the files that `job-ids-file` names.

    Raises:
        UsageError: something in there is no job ID, or a file cannot be read; the text says where.
    """
    try:
        return _merged(inputs)
    except UsageError as error:  # JSON and YAML can spell the key in many ways
        raise UsageError(redact(str(error), inputs.api_key)) from None


def _merged(inputs: Inputs) -> JobIds:
    job_ids: JobIds = {}
    first_given: dict[str, str] = {}
    for source, pairs in _all_pairs(inputs):
        for job_id, document_id in pairs:
            _reject_key(source, f"{job_id}\n{document_id}", inputs.api_key)
            known = first_given.setdefault(job_id.lower(), job_id)
            job_ids[known] = job_ids.get(known) or document_id
            if len(job_ids) > MAX_JOBS:
                raise source.error(
                    f"this makes more than {MAX_JOBS} job IDs, the most that one gate takes; use several"
                )
    return job_ids


def _all_pairs(inputs: Inputs) -> Iterator[tuple[_Source, Iterable[_Pair]]]:
    given = _Source("Input job-ids", inputs.job_ids.removeprefix("\ufeff"))
    _reject_key(given, given.text, inputs.api_key)
    yield given, (_parse_json if given.text.lstrip().startswith(("[", "{", '"')) else _parse_text)(given)
    paths = "\n".join(inputs.job_id_paths)
    _reject_key(_Source("Input job-ids-file", paths), paths, inputs.api_key)
    for path in (found for pattern in inputs.job_id_paths for found in _expand_glob(inputs.workspace, pattern)):
        name = os.path.relpath(path, inputs.workspace) if path.is_relative_to(inputs.workspace) else str(path)
        source = _Source(f"File {quote(name)} of job-ids-file", _read_text(path, name, inputs.workspace))
        _reject_key(source, source.text, inputs.api_key)
        yield source, _reader_of(path, source.text)(source)


def _reject_key(source: _Source, text: str, api_key: str) -> None:
    """Refuse a text of a source that holds the API key: it would end up in requests, outputs and errors."""
    if redact(text, api_key) != text:
        raise source.error("the API key stands in there, where job IDs should; hand it over as api-key alone")


def _expand_glob(workspace: Path, pattern: str) -> Sequence[Path]:
    """The files that a path or glob stands for, sorted where it is a glob."""
    literal = workspace / pattern
    try:
        if literal.exists():
            return [literal]
        # Not `glob.glob`: it follows links to folders, and so never ends in a checkout that means harm.
        root = Path(literal.anchor) if Path(pattern).is_absolute() else workspace
        tail = str(Path(pattern).relative_to(Path(pattern).anchor))
        found = sorted(path for path in root.glob(f"{tail}/*" if tail.endswith("**") else tail) if path.is_file())
    # An IndexError is for "." in a folder that is not there, a RecursionError for hundreds of folders.
    except (OSError, ValueError, IndexError, RecursionError) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"Input job-ids-file names {quote(pattern)}, which is no path or glob: {problem}.") from None
    if not found:
        raise UsageError(
            f"Input job-ids-file names {quote(pattern)}, which matches no file in the workspace: check the path, and"
            " that an earlier step of this job wrote it there."
        )
    return found


def _read_text(path: Path, name: str, workspace: Path) -> str:
    limit = MAX_YAML_BYTES if path.suffix.lower() in {".yaml", ".yml"} else MAX_FILE_BYTES
    try:
        # A device never ends, and a pipe may have nobody who writes to it.
        if not path.is_file():
            raise UsageError(f"Input job-ids-file names {quote(name)}, which is a folder or a device: name a file.")
        _reject_escape(workspace, path, name)
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"File {quote(name)} of job-ids-file cannot be read: {error.strerror}.") from None
    if len(content) > limit:
        raise UsageError(f"File {quote(name)} of job-ids-file is larger than {limit // 1024**2} MiB: split it.")
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"File {quote(name)} of job-ids-file, line {line}: byte 0x{content[error.start]:02x} is not UTF-8:"
            " store the file as UTF-8."
        ) from None


def _reject_escape(workspace: Path, path: Path, name: str) -> None:
    """Refuse a path in the workspace that leads out of it: by a link, a checkout could have any file's text shown."""
    if Path(os.path.normpath(path)).is_relative_to(workspace):  # else it is by the workflow's own words
        try:
            resolve(workspace, str(path))
        except ValueError:
            raise UsageError(
                f"Input job-ids-file names {quote(name)}, which leads out of the workspace: name a file in there, or"
                " one elsewhere by its full path."
            ) from None


def _reader_of(path: Path, text: str) -> Callable[[_Source], Iterable[_Pair]]:
    match path.suffix.lower():
        case ".yaml" | ".yml":
            return _parse_yaml
        case ".jsonl" | ".ndjson":
            return _parse_json_lines
        case ".json":
            return _parse_json
        case _:
            return _parse_json if text.lstrip().startswith(("[", "{")) else _parse_text


def _parse_text(source: _Source) -> Iterator[_Pair]:
    for number, line in enumerate(_lines(source.text), start=1):
        for job_id in filter(None, _SEPARATORS.split(_COMMENT.sub("", line))):
            try:
                yield _checked(job_id, ()), None
            except _ShapeError as error:
                raise source.error(str(error), line=number) from None


def _parse_json_lines(source: _Source) -> Iterator[_Pair]:
    for number, line in enumerate(_lines(source.text), start=1):
        if line.strip():
            try:
                yield from _walk(_parsed_json(line), (), set())
            except _ShapeError as error:
                raise source.error(str(error), line=number, path=error.path) from None
            except _NotJsonError as error:
                raise source.error(f"{error}; each line must be one JSON value", line=number) from None


def _parse_json(source: _Source) -> Iterator[_Pair]:
    if source.text.count("[") + source.text.count("{") > MAX_CONTAINERS:
        raise source.error(f"it holds more than {MAX_CONTAINERS} lists and objects; hand over the job IDs alone")
    try:
        yield from _walk(_parsed_json(source.text), (), set())
    except _ShapeError as error:
        raise source.error(str(error), line=_line_in_json(source.text, error.path), path=error.path) from None
    except _NotJsonError as error:
        raise source.error(f"{error}; it must be one JSON value", line=error.line) from None


def _parsed_json(text: str) -> object:
    try:
        # A number is no ID, but one of thousands of digits would be refused as no JSON.
        value: object = json.loads(text, parse_int=float)
    except json.JSONDecodeError as error:
        raise _NotJsonError(f"no valid JSON ({error.msg}, column {error.colno})", error.lineno) from None
    except RecursionError:
        raise _NotJsonError("nested too deeply") from None
    return value


def _parse_yaml(source: _Source) -> Iterator[_Pair]:
    import yaml  # noqa: PLC0415 - seldom needed, and slow to import

    try:
        _reject_depth(source.text)
        # Not the safe loader: it makes 10 of 012 and true of yes, and an ID is text as written.
        for number, document in enumerate(yaml.load_all(source.text, Loader=yaml.CBaseLoader)):
            try:
                yield from _walk(document, (), set())
            except _ShapeError as error:
                place = _line_in_yaml(source.text, number, error.path)
                raise source.error(str(error), line=place, path=error.path) from None
    except yaml.MarkedYAMLError as error:
        line = _line_at(source.text, error.problem_mark.index) if error.problem_mark else None
        raise source.error(f"no valid YAML ({error.problem})", line=line) from None
    except yaml.reader.ReaderError as error:
        # Its position counts bytes.
        line = source.text.encode()[: error.position].count(b"\n") + 1
        raise source.error(f"no valid YAML ({error.reason})", line=line) from None
    except RecursionError:
        raise source.error("nested too deeply") from None


def _walk(value: object, path: _Path, seen: set[int]) -> Iterator[_Pair]:
    """The pairs in a document of any accepted shape.

    `seen` holds the identities of the lists and objects met: a YAML alias is one more way to the same, and a few
    of them nested would otherwise be billions of ways.
    """
    if len(path) > MAX_DEPTH:
        raise _ShapeError("nested too deeply", path[:1])
    if isinstance(value, list | dict):
        if id(value) in seen:
            return
        seen.add(id(value))
    match value:
        case str():
            yield _checked(value, path), None
        case list():
            for index, item in enumerate(value):
                yield from _walk(item, (*path, index), seen)
        case dict() if not value.keys().isdisjoint({"jobIds", "backgroundJobId", "jobs"}):
            yield from _parse_object(value, path, seen)
        case {"statusCode": _}:
            raise _ShapeError(
                "this is an error answer of the API, not job IDs: the step that queued the jobs failed (let it use"
                " curl --fail-with-body)",
                path,
            )
        case _:
            raise _ShapeError(f"found {_kind(value)}; {_SHAPES}", path)


def _parse_object(value: dict[str, Any], path: _Path, seen: set[int]) -> Iterator[_Pair]:
    for index, job_id in enumerate(_list_at("jobIds", value, path, seen)):
        yield _checked(job_id, (*path, "jobIds", index)), None
    if "backgroundJobId" in value:
        yield _parse_job(value, path)
    for index, job in enumerate(_list_at("jobs", value, path, seen)):
        yield _parse_job(job, (*path, "jobs", index))


def _list_at(key: str, value: dict[str, Any], path: _Path, seen: set[int]) -> list[object]:
    items = value.get(key, [])
    if not isinstance(items, list):
        raise _ShapeError(f"found {_kind(items)}; expected a list", (*path, key))
    if id(items) in seen:
        return []
    seen.add(id(items))
    return items


def _parse_job(value: object, path: _Path) -> _Pair:
    if not isinstance(value, dict) or value.keys().isdisjoint({"backgroundJobId", "id"}):
        raise _ShapeError(f"found {_kind(value)}; expected an object with a backgroundJobId or an id", path)
    key = "backgroundJobId" if "backgroundJobId" in value else "id"
    document_id = value.get("documentId")
    return _checked(value[key], (*path, key)), document_id if isinstance(document_id, str) and document_id else None


def _checked(job_id: object, path: _Path) -> str:
    if not isinstance(job_id, str):
        raise _ShapeError(f"found {_kind(job_id)}; a job ID must be text, in quotes", path)
    if not job_id.strip():
        raise _ShapeError("a job ID is empty", path)
    if len(job_id) > MAX_ID_CHARACTERS:
        raise _ShapeError(f"job ID {quote(job_id)} is longer than {MAX_ID_CHARACTERS} characters", path)
    if not job_id.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in job_id):
        raise _ShapeError(f"job ID {quote(job_id)} holds a control character", path)
    return job_id


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case dict():
            return f"an object with {quote(', '.join(map(str, value)))}" if value else "an empty object"
        case list():
            return "a list"
        case _:
            return "text"


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _reject_depth(text: str) -> None:
    """Raise RecursionError for YAML nested so deeply that the loader, which is written in C, would crash on it."""
    import yaml  # noqa: PLC0415 - seldom needed, and slow to import

    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise RecursionError


def _line_in_yaml(text: str, document_number: int, path: _Path) -> int:
    """The line on which the value at a path stands, in a text that has been read as YAML."""
    import yaml  # noqa: PLC0415 - seldom needed, and slow to import

    # Not further than to that document: a later one may be no YAML.
    node: Any = next(islice(yaml.compose_all(text, Loader=yaml.CBaseLoader), document_number, None))
    for step in path:
        if isinstance(step, int):
            node = node.value[step]
        else:
            node = next(value for key, value in reversed(node.value) if key.value == step)
    return _line_at(text, node.start_mark.index)


def _line_in_json(text: str, path: _Path) -> int:
    """The line on which the value at a path stands, in a text that has been read as JSON."""
    at = _skip_space(text, 0)
    for step in path:
        for name, value_at in _members(text, at):
            if name == step:  # of a name given twice the later one counts
                at = value_at
    return _line_at(text, at)


def _members(text: str, at: int) -> Iterator[tuple[object, int]]:
    """For each member of the list or object that begins at an index: its index or name, and where its value begins."""
    decode = json.JSONDecoder(parse_int=float).raw_decode
    is_list, number = text[at] == "[", 0
    at = _skip_space(text, at + 1)
    while text[at] not in "]}":
        name: object = number
        if not is_list:
            name, at = decode(text, at)
            at = _skip_space(text, _skip_space(text, at) + 1)
        yield name, at
        at = _skip_space(text, decode(text, at)[1])
        at = _skip_space(text, at + (text[at] == ","))
        number += 1


def _skip_space(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _line_at(text: str, index: int) -> int:
    # Not a mark's own line: to YAML some characters end a line that to an editor do not.
    return text.count("\n", 0, index) + 1
