"""When a fault is to happen."""

import math
import re
import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Final, Self

from fake_fini.faults import Fault, read_fault
from fake_fini.reading import DURATION_FORM, Node

ROUTE_NAMES: Final = ("status", "articles", "generate", "bulk")

_EVERY: Final = re.compile(r"every ([1-9][0-9]{0,8})")
_SPAN: Final = re.compile(r"([1-9][0-9]{0,8})-([1-9][0-9]{0,8})?")

_RULE_KEYS: Final[Mapping[str, object]] = {
    "route": "status",
    "requests": "all",
    "between": None,
    "more-ids-than": None,
    "at-most": None,
}


@dataclass(frozen=True, kw_only=True)
class FaultRule:
    """A fault and when it happens: all conditions must hold."""

    fault: Fault
    route: str
    requests: Container[int]
    """Which requests to the route, counted from 1."""
    from_seconds: float
    until_seconds: float
    more_ids_than: int
    at_most: float
    """How many times the fault may happen; infinity is no limit."""

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read one entry of `faults`."""
        fields = node.fields(_RULE_KEYS, required="do")
        from_seconds, until_seconds = _between_seconds(fields["between"])
        more_ids_than, at_most = fields["more-ids-than"], fields["at-most"]
        return cls(
            fault=read_fault(fields["do"]),
            route=fields["route"].one_of(*ROUTE_NAMES),
            requests=_requests(fields["requests"]),
            from_seconds=from_seconds,
            until_seconds=until_seconds,
            more_ids_than=-1 if more_ids_than.value is None else more_ids_than.whole_number(0, sys.maxsize),
            at_most=math.inf if at_most.value is None else at_most.whole_number(1, sys.maxsize),
        )

    def applies(self, route: str, number: int, at_seconds: float, id_count: int) -> bool:
        """Whether this request is one to go wrong, but for `at_most`."""
        return (
            route == self.route
            and number in self.requests
            and self.from_seconds <= at_seconds < self.until_seconds
            and id_count > self.more_ids_than
        )


def _requests(node: Node) -> Container[int]:
    value = node.value
    if value == "all":
        return range(1, sys.maxsize)
    if isinstance(value, int):
        return (node.whole_number(1, sys.maxsize),)
    if isinstance(value, list | tuple):
        return frozenset(item.whole_number(1, sys.maxsize) for item in node.items())
    if isinstance(value, str) and (every := _EVERY.fullmatch(value)):
        return range(int(every[1]), sys.maxsize, int(every[1]))
    if isinstance(value, str) and (span := _SPAN.fullmatch(value)):
        first, last = int(span[1]), int(span[2] or sys.maxsize)
        if first <= last:
            return range(first, last + 1)
    raise node.error('a number, a list of numbers, a span such as "5-9" or "5-", "every 3", or all')


def _between_seconds(node: Node) -> tuple[float, float]:
    if node.value is None:
        return -math.inf, math.inf
    limits = [limit.seconds() for limit in node.items()]
    if len(limits) != 2 or limits[0] > limits[1]:  # noqa: PLR2004 - from and until
        raise node.error(f"a list of two, the earlier first, each {DURATION_FORM}")
    return limits[0], limits[1]
