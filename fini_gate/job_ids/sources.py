"""Find and read the texts that contain job IDs: arguments, standard input, `job-ids`, and files."""

import codecs
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fini_gate.errors import UsageError, reason_of
from fini_gate.escaping import quote
from fini_gate.files import read_bytes, resolve
from fini_gate.inputs import Inputs
from fini_gate.job_ids.parsers import (
    PARSER_BY_SUFFIX,
    Parser,
    guess_parser,
    parse_one,
    parse_yaml,
)
from fini_gate.job_ids.shapes import DocumentError, Pair, ValuePath

MAX_FILE_BYTES: Final = 32 * 1024**2
# Parsing YAML takes about a second per megabyte.
MAX_YAML_BYTES: Final = 4 * 1024**2
# A file may begin with a quotation mark and still be plain text.
_JSON_STARTS: Final = ("[", "{", '"')


@dataclass(frozen=True)
class Source:
    """A text that contains job IDs, with its name in errors and its parser."""

    name: str
    text: str
    parse: Parser

    def job_ids(self) -> Iterator[Pair]:
        """Yield the job IDs in the text.

        Raises:
            UsageError: the text contains something else. The message says where.
        """
        try:
            yield from self.parse(self.text)
        except DocumentError as error:
            line = "" if error.line is None else f", line {error.line}"
            place = f", at {_format_path(error.path)}" if error.path else ""
            raise UsageError(f"{self.name}{line}{place}: {error}.") from None


def find_sources(inputs: Inputs, read_stdin: Callable[[int], bytes]) -> Iterator[Source]:
    """Yield the arguments, then the input, then each file in the order given. The files that match a glob are sorted.

    Raises:
        UsageError: a text is not UTF-8, or a path matches no file, leads outside the workspace or cannot be read.
    """
    for number, argument in enumerate(inputs.arguments, start=1):
        if argument == "-":
            text = _decode(read_stdin(MAX_FILE_BYTES), "Standard input")
            yield Source("Standard input", text, guess_parser(text, json_starts=_JSON_STARTS))
        else:
            yield Source(f"Argument {number}", argument, parse_one)
    text = inputs.job_ids.removeprefix("\ufeff")
    yield Source("«Input job-ids»", text, guess_parser(text, json_starts=_JSON_STARTS))
    for pattern in inputs.job_id_paths:
        for path in _expand_glob(inputs.workspace, pattern):
            yield _read_source(inputs.workspace, path)


def _format_path(path: ValuePath) -> str:
    """Return a path in a document, such as `jobs[2].id`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _expand_glob(workspace: Path, pattern: str) -> Sequence[Path]:
    """Return the files that match a path or glob. A path that exists is that file, even if it looks like a glob."""
    literal = workspace / pattern
    try:
        if literal.exists():
            return [literal]
        root = Path(literal.anchor) if Path(pattern).is_absolute() else workspace
        tail = str(Path(pattern).relative_to(Path(pattern).anchor))
        # The `glob` module would follow links to folders, and a loop of links would never end.
        found = sorted(path for path in root.glob(f"{tail}/*" if tail.endswith("**") else tail) if path.is_file())
    # IndexError comes from "." in a folder that does not exist, RecursionError from hundreds of folders.
    except (OSError, ValueError, IndexError, RecursionError) as error:
        raise UsageError(
            f"«Input job-ids-file» names {quote(pattern)}, which is not a valid path or glob: {reason_of(error)}."
        ) from None
    if not found:
        raise UsageError(
            f"«Input job-ids-file» names {quote(pattern)}, which matches no file in the workspace: check the path, and"
            " that an earlier step of this job created the file."
        )
    return found


def _read_source(workspace: Path, path: Path) -> Source:
    name = quote(os.path.relpath(path, workspace) if path.is_relative_to(workspace) else str(path))
    _check_confined(workspace, path, name)
    parser = PARSER_BY_SUFFIX.get(path.suffix.lower())
    max_bytes = MAX_YAML_BYTES if parser is parse_yaml else MAX_FILE_BYTES
    content = read_bytes(path, max_bytes, name=name, input_name="job-ids-file")
    name = f"File {name} («input job-ids-file»)"
    text = _decode(content, name)
    return Source(name, text, parser or guess_parser(text, json_starts=("[", "{")))


def _check_confined(workspace: Path, path: Path, name: str) -> None:
    """Reject a path in the workspace if a link leads it outside.

    Otherwise a hostile checkout could make errors quote any file. A path that the workflow itself points outside is
    accepted.
    """
    if Path(os.path.normpath(path)).is_relative_to(workspace):
        try:
            resolve(workspace, str(path))
        except (OSError, ValueError):
            raise UsageError(
                f"«Input job-ids-file» names {name}, which leads outside the workspace through a link: use a file"
                " inside it, or an absolute path."
            ) from None


def _decode(content: bytes, name: str) -> str:
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{name}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; use UTF-8 only."
        ) from None
