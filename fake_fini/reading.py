"""Read a scenario by types: the keyword-only parameters of a dataclass or a function declare its keys.

The key `runs-for` belongs to the parameter `runs_for`. A float is a duration in seconds, `X | None` also takes null,
and `Annotated[X, parser]` names its own parser.
"""

import inspect
import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, Union, get_args, get_origin

_DURATION: Final = "a duration such as 500ms, 1.5s, 2m or 1m30s (a bare number is seconds)"
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_DURATION_FORM: Final = re.compile(rf"(?:{_NUMBER}(?:ms|s|m|h))+|{_NUMBER}")
_DURATION_PART: Final = re.compile(rf"({_NUMBER})(ms|s|m|h)?")
_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
# Dates and the operating system's timers can hold it.
_MAX_DURATION_SECONDS: Final = 100_000 * 3600
_MAX_SHOWN_CHARACTERS: Final = 60


class ScenarioError(ValueError):
    """A scenario that cannot be used. The message is one line: the place, what is expected there, the value."""


class Node(NamedTuple):
    """A value of a scenario and its place, such as `jobs[3].runs-for`; the place of the whole scenario is empty."""

    value: Any
    place: str = ""

    def error(self, expected: str) -> ScenarioError:
        """Return an error that says what is expected here."""
        shown = repr(self.value)
        if len(shown) > _MAX_SHOWN_CHARACTERS:
            shown = shown[:_MAX_SHOWN_CHARACTERS] + "…"
        return ScenarioError(f"{self.place or 'the scenario'}: expected {expected}, not {shown}")

    def entries(self) -> "dict[str, Node]":
        """Return the values of a mapping."""
        if not isinstance(self.value, Mapping) or not all(isinstance(name, str) for name in self.value):
            raise self.error("a mapping from texts (quote numbers and words such as yes)")
        return {name: Node(value, f"{self.place}.{name}".lstrip(".")) for name, value in self.value.items()}

    def items(self) -> "list[Node]":
        """Return the items of a list."""
        if not isinstance(self.value, list | tuple):
            raise self.error("a list")
        return [Node(item, f"{self.place}[{index}]") for index, item in enumerate(self.value)]


Parser: TypeAlias = Callable[[Node], Any]


def read(node: Node, hint: Any) -> Any:  # noqa: ANN401 - any type, and a value of it
    """Read a value of a type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return arguments[1](node)
    if origin in (Union, UnionType):
        return None if node.value is None else read(node, arguments[0])
    if origin is tuple:
        return tuple(read(item, arguments[0]) for item in node.items())
    if origin is Mapping:
        return {name: read(entry, arguments[1]) for name, entry in node.entries().items()}
    return _SCALARS[hint](node) if hint in _SCALARS else hint(**read_arguments(node, hint))


def read_arguments(node: Node, target: Callable[..., object]) -> dict[str, Any]:
    """Read a mapping as arguments for a dataclass or a function; keys that are left out keep their defaults."""
    entries, parameters = node.entries(), _parameters(target)
    for name in entries:
        if name not in parameters:
            allowed = f"one of {', '.join(parameters)}" if parameters else "no options"
            raise Node(name, f"{node.place or 'the scenario'}, key").error(allowed)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in entries:
            raise node.error(f"a mapping with the key {name}")
    return {parameters[name].name: read(entry, parameters[name].annotation) for name, entry in entries.items()}


@cache
def _parameters(target: Callable[..., object]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(target).parameters.values()
    return {item.name.replace("_", "-"): item for item in parameters if item.kind is item.KEYWORD_ONLY}


def accept(is_allowed: Callable[[Any], bool], expected: str) -> Parser:
    """Return a parser that takes a value as it is, if it is allowed."""

    def parse(node: Node) -> object:
        if not is_allowed(node.value):
            raise node.error(expected)
        return node.value

    return parse


def one_of(*words: str) -> Parser:
    """Return a parser for one of these words."""
    return accept(lambda value: value in words, " or ".join(words))


def whole_number(minimum: int, maximum: int) -> Parser:
    """Return a parser for a whole number within these limits."""
    # A bool is an int, but not a number here.
    expected = f"a whole number from {minimum} to {maximum}"
    return accept(lambda value: type(value) is int and minimum <= value <= maximum, expected)


def duration_or(word: str | None) -> Parser:
    """Return a parser for a duration in seconds, or for a word that means infinity."""

    def parse(node: Node) -> float:
        seconds = math.nan
        if word and node.value == word:
            return math.inf
        if isinstance(node.value, str) and _DURATION_FORM.fullmatch(node.value):
            parts = _DURATION_PART.findall(node.value)
            seconds = math.fsum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
        elif isinstance(node.value, int | float) and not isinstance(node.value, bool):
            seconds = node.value
        if not 0 <= seconds <= _MAX_DURATION_SECONDS:
            raise node.error(f"{_DURATION}, or {word}" if word else _DURATION)
        return float(seconds)

    return parse


def _range(node: Node) -> tuple[float, float]:
    limits = read(node, tuple[float, ...])
    if len(limits) != 2 or limits[0] > limits[1]:  # noqa: PLR2004 - from and to
        raise node.error("a list of two durations, the shorter first")
    return limits[0], limits[1]


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


text: Final = accept(
    lambda value: isinstance(value, str) and value != "", "a text (quote numbers and words such as yes)"
)
boolean: Final = accept(lambda value: isinstance(value, bool), "true or false")
duration: Final = duration_or(None)

Json: TypeAlias = Annotated[Any, accept(_is_json, "a value that JSON can represent")]
OrNever: TypeAlias = Annotated[float, duration_or("never")]
Range: TypeAlias = Annotated[tuple[float, float], _range]

_SCALARS: Final[Mapping[Any, Parser]] = {str: text, bool: boolean, float: duration}
