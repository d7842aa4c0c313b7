"""Strict reading of a scenario: every value knows its place, and an error names place, value and what is allowed."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

NEVER: Final = "never"
DURATION_FORM: Final = "a duration such as 500ms, 1.5s, 2m or 1m30s (a bare number is seconds)"

_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_SPAN: Final = re.compile(rf"({_NUMBER})(ms|s|m|h)")
_SPANS: Final = re.compile(rf"(?:{_NUMBER}(?:ms|s|m|h))+")
# Beyond any test, and within what dates and the waits of the operating system can hold.
_LONGEST_SECONDS: Final = 100_000 * 3600.0
_SHOWN_CHARACTERS: Final = 60


class ScenarioError(ValueError):
    """A scenario that cannot be used. Its text is one line: place, value, what is allowed."""


@dataclass(frozen=True)
class Node:
    """One value of a scenario and the path to it, such as `jobs[3].runs-for`; the whole has an empty path."""

    value: object
    place: str = ""

    def error(self, allowed: str) -> ScenarioError:
        """Say that something else is expected here."""
        return ScenarioError(f"{self.place or 'the scenario'}: expected {allowed}, not {_shown(self.value)}")

    def fields(self, defaults: Mapping[str, object], required: str | None = None) -> "dict[str, Node]":
        """Read a mapping with these keys and no others; a key that is left out has its default."""
        if not isinstance(self.value, Mapping):
            raise self.error("a mapping")
        known = [*([required] if required else ()), *defaults]
        for key in self.value:
            if key not in known:
                raise Node(key, f"{self.place or 'the scenario'}, key").error(f"one of {', '.join(known)}")
        if required and required not in self.value:
            raise self.error(f"a mapping with the key {required}")
        values = {**defaults, **self.value}
        return {key: Node(value, f"{self.place}.{key}".lstrip(".")) for key, value in values.items()}

    def entries(self) -> "dict[str, Node]":
        """Read a mapping whose keys are any texts."""
        if not isinstance(self.value, Mapping) or not all(isinstance(key, str) for key in self.value):
            raise self.error("a mapping from texts (put a number or a word such as yes in quotes)")
        return {key: Node(value, f"{self.place}.{key}".lstrip(".")) for key, value in self.value.items()}

    def items(self) -> "list[Node]":
        """Read a list."""
        if not isinstance(self.value, list | tuple):
            raise self.error("a list")
        return [Node(item, f"{self.place}[{index}]") for index, item in enumerate(self.value)]

    def text(self) -> str:
        """Read a text that is not empty."""
        if not isinstance(self.value, str) or not self.value:
            raise self.error("a text (put a number or a word such as yes in quotes)")
        return self.value

    def text_or_null(self) -> str | None:
        """Read a text or null."""
        return None if self.value is None else self.text()

    def one_of(self, *words: str) -> str:
        """Read one of these words."""
        if not isinstance(self.value, str) or self.value not in words:
            raise self.error(" or ".join(words))
        return self.value

    def switch(self) -> bool:
        """Read true or false."""
        if not isinstance(self.value, bool):
            raise self.error("true or false")
        return self.value

    def whole_number(self, at_least: int, at_most: int) -> int:
        """Read a whole number within both limits."""
        # To Python, true and false are whole numbers too.
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not at_least <= self.value <= at_most:
            raise self.error(f"a whole number from {at_least} to {at_most}")
        return self.value

    def seconds(self) -> float:
        """Read a duration."""
        seconds = _seconds(self.value)
        if seconds is None:
            raise self.error(DURATION_FORM)
        return seconds

    def seconds_or(self, endless_word: str) -> float:
        """Read a duration, or the word that means infinity here."""
        if self.value == endless_word:
            return math.inf
        seconds = _seconds(self.value)
        if seconds is None:
            raise self.error(f"{DURATION_FORM}, or {endless_word}")
        return seconds

    def json_value(self) -> Any:  # noqa: ANN401 - what JSON can hold has no narrower type
        """Read anything that JSON can hold."""
        try:
            json.dumps(self.value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise self.error("a value that JSON can hold") from None
        return self.value


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if 0 <= value <= _LONGEST_SECONDS else None
    if isinstance(value, str) and _SPANS.fullmatch(value):
        seconds = math.fsum(float(number) * _UNIT_SECONDS[unit] for number, unit in _SPAN.findall(value))
    elif isinstance(value, str) and re.fullmatch(_NUMBER, value):
        seconds = float(value)
    else:
        return None
    return seconds if seconds <= _LONGEST_SECONDS else None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
