"""Find the line of a value in a JSON text. The standard parser does not record positions, so the text is read again."""

import json
from collections.abc import Iterator

from fini_gate.job_ids.shapes import ValuePath


def line_in_json(text: str, path: ValuePath) -> int:
    """Return the line on which the value at a path begins, in a valid JSON text."""
    index = _skip_space(text, 0)
    for step in path:
        for name, value_index in _members(text, index):
            if name == step:  # the last one counts if an object repeats a name
                index = value_index
    return line_at(text, index)


def line_at(text: str, index: int) -> int:
    """Return the line number of a position in a text, as an editor counts lines."""
    return text[:index].count("\n") + 1


def _members(text: str, index: int) -> Iterator[tuple[object, int]]:
    """Yield the name or number of each member of the list or object at a position, and where its value begins."""
    decode = json.JSONDecoder(parse_int=float).raw_decode
    is_list, number = text[index] == "[", 0
    index = _skip_space(text, index + 1)
    while text[index] not in {"]", "}"}:
        name: object = number
        if not is_list:
            name, index = decode(text, index)
            index = _skip_space(text, _skip_space(text, index) + 1)
        yield name, index
        index = _skip_space(text, decode(text, index)[1])
        if text[index] == ",":
            index = _skip_space(text, index + 1)
        number += 1


def _skip_space(text: str, index: int) -> int:
    while text[index : index + 1].isspace():
        index += 1
    return index
