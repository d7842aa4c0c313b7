"""Parse YAML into job IDs. Tags are ignored: everything is text, a list or a map, so no tag can run code."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import yaml

from fini_gate.job_ids.locations import line_at
from fini_gate.job_ids.shapes import MAX_DEPTH, DocumentError, Pair, ValuePath, depth_error, find_job_ids


def parse_yaml(text: str) -> Iterator[Pair]:
    """Yield the job IDs in the documents of a YAML text."""
    try:
        _check_depth(text)
        # The base loader keeps scalars as written; the safe loader would turn the ID 012 into 10 and yes into true.
        for number, document in enumerate(yaml.load_all(text, Loader=yaml.CBaseLoader)):
            try:
                yield from find_job_ids(document)
            except DocumentError as error:
                raise error.on_line(_line_of(text, number, error.path)) from None
    except yaml.MarkedYAMLError as error:
        # Not the mark's own line: YAML ends lines at some characters at which editors do not.
        line = line_at(text, error.problem_mark.index) if error.problem_mark else None
        raise DocumentError(f"this is not valid YAML ({error.problem})", line=line) from None
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1  # the position counts bytes
        raise DocumentError(f"this is not valid YAML ({error.reason})", line=line) from None


def _check_depth(text: str) -> None:
    """Raise an error if the text is nested too deeply. The loader, which is written in C, would crash on it."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise depth_error()


def _line_of(text: str, document_number: int, path: ValuePath) -> int:
    """Return the line on which the value at a path begins, in a document that has been parsed."""
    # Only up to that document: a later one may be invalid.
    node: Any = next(islice(yaml.compose_all(text, Loader=yaml.CBaseLoader), document_number, None))
    for step in path:
        if isinstance(step, int):
            node = node.value[step]
        else:  # the last one counts if a map repeats a key
            node = next(value for key, value in reversed(node.value) if key.value == step)
    return line_at(text, node.start_mark.index)
