"""The dotenv file: the scalar outputs as variables, by GitLab's rules. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from fini_gate.escaping import escape_control
from fini_gate.models import JobState
from fini_gate.output.outputs import OUTPUT_FILES

# GitLab rejects a file of 5 KiB, and by default one with more than 20 variables.
MAX_DOTENV_BYTES: Final = 5 * 1024 - 1
_COUNTS: Final = ("job-count", *(f"{state}-count" for state in JobState), "article-count")
_SCALARS: Final = ("result", "message", *_COUNTS, "elapsed-seconds")
_LINE_BREAK_OR_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# GitLab expands `$NAME`, `${NAME}` and `%NAME%` for later jobs. In a foreign text it would fill in their secrets.
_EXPANDED: Final = re.compile(r"\$(?=\S)|%(?=[A-Za-z_][A-Za-z0-9_]*%)")
_ELLIPSIS: Final = "…"


def dotenv_text(outputs: Mapping[str, str]) -> str:
    """Return the lines `FINI_GATE_<NAME>=value`. Lists, empty values and paths that GitLab would change are left out.

    Args:
        outputs: the step's outputs.
    """
    values = {name: outputs[name] for name in _SCALARS}
    values["message"] = _one_line(values["message"])
    room_bytes = MAX_DOTENV_BYTES - sum(_line_bytes(*item) for item in values.items())
    if room_bytes < 0:
        values["message"] = _cut(values["message"], len(values["message"].encode()) + room_bytes)
    for name in OUTPUT_FILES:
        path = outputs.get(name, "")
        # What is not representable may not even be encodable.
        if _is_representable(path) and _line_bytes(name, path) <= room_bytes:
            values[name] = path
            room_bytes -= _line_bytes(name, path)
    return "".join(_line(*item) for item in values.items())


def _line(name: str, value: str) -> str:
    return f"FINI_GATE_{name.replace('-', '_').upper()}={value}\n" if value else ""


def _line_bytes(name: str, value: str) -> int:
    return len(_line(name, value).encode())


def _is_representable(path: str) -> bool:
    """Return whether a reader gets exactly this path back."""
    return _trim(path) == path and not _LINE_BREAK_OR_CONTROL.search(path) and not _EXPANDED.search(path)


def _one_line(text: str) -> str:
    """Put a text on one line that no reader unquotes, trims or expands."""
    return _trim(_EXPANDED.sub(r"\g<0> ", escape_control(text)))


def _trim(text: str) -> str:
    """Remove blanks at the ends, and quotes around the text."""
    text = text.strip()
    while text and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    return text


def _cut(text: str, max_bytes: int) -> str:
    """Cut the end off a text, between two characters, and mark that."""
    return text.encode()[: max_bytes - len(_ELLIPSIS.encode())].decode(errors="ignore") + _ELLIPSIS
