"""A scenario: keys, jobs, and faults with their conditions. Read from YAML, or from the same mapping in Python."""

import re
import sys
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Self

import yaml

from fake_fini.faults import Fault, read_fault
from fake_fini.jobs import Job, QueuedJobPlan, generate_jobs
from fake_fini.messages import Request
from fake_fini.reading import Node, Range, ScenarioError, one_of, read, whole_number
from fake_fini.routes import READ, ROUTES, WRITE
from fake_fini.sources import Source

DEMO_KEY: Final = "fini_demo_key"

_KEY: Final = re.compile(r"fini_[!-~]+")
_EVERY: Final = re.compile(r"every ([1-9][0-9]{0,8})")
_NUMBER_RANGE: Final = re.compile(r"([1-9][0-9]{0,8})-([1-9][0-9]{0,8})?")
AT_START: Final = "at-start"


def _request_numbers(node: Node) -> Container[int]:
    if isinstance(node.value, int):
        return (whole_number(1, sys.maxsize)(node),)
    if isinstance(node.value, list | tuple):
        return frozenset(map(whole_number(1, sys.maxsize), node.items()))
    words = "1-" if node.value == "all" else str(node.value)
    if every := _EVERY.fullmatch(words):
        return range(int(every[1]), sys.maxsize, int(every[1]))
    limits = _NUMBER_RANGE.fullmatch(words)
    if limits and int(limits[1]) <= int(limits[2] or sys.maxsize):
        return range(int(limits[1]), int(limits[2]) + 1 if limits[2] else sys.maxsize)
    raise node.error('a number, a list of numbers, a range such as "5-9" or "5-", "every 3", or all')


@dataclass(frozen=True, kw_only=True)
class FaultRule:
    """A fault and its conditions, all of which must hold."""

    do: Annotated[Fault, read_fault]
    route: Annotated[str, one_of(*(route.name for route in ROUTES))] = "status"
    requests: Annotated[Container[int], _request_numbers] = range(1, sys.maxsize)
    between: Range | None = None
    more_ids_than: Annotated[int, whole_number(0, sys.maxsize)] | None = None
    at_most: Annotated[int, whole_number(1, sys.maxsize)] | None = None

    def applies(self, request: Request, number: int, elapsed: float) -> bool:
        """Return whether all conditions but `at_most` hold; `number` counts the requests to the route."""
        is_in_time = self.between is None or self.between[0] <= elapsed < self.between[1]
        is_large = self.more_ids_than is None or len(request.ids) > self.more_ids_than
        return request.route == self.route and number in self.requests and is_in_time and is_large


def _api_keys(node: Node) -> Mapping[str, frozenset[str]]:
    """Read API keys and their scopes; messages number the keys instead of showing them."""
    if not isinstance(node.value, Mapping):
        raise ScenarioError(f"{node.place}: expected a mapping from keys to lists of scopes")
    scopes_by_key = {}
    for number, (key, scopes) in enumerate(node.value.items(), start=1):
        place = f"{node.place}, key number {number}"
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ScenarioError(f"{place}: expected fini_ and more visible ASCII characters")
        scopes_by_key[key] = frozenset(map(one_of(READ, WRITE), Node(scopes, f"{place}, scopes").items()))
    return scopes_by_key


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A scenario. Durations are in seconds. `jobs` includes the generated ones."""

    api_keys: Annotated[Mapping[str, frozenset[str]], _api_keys] = field(
        default_factory=lambda: {DEMO_KEY: frozenset((READ, WRITE))}, repr=False
    )
    latency: float = 0
    clock_starts: Annotated[str, one_of("at-first-request", AT_START)] = "at-first-request"
    jobs: tuple[Job, ...] = ()
    generate: Annotated[tuple[Job, ...], generate_jobs] | None = None
    sources: tuple[Source, ...] = ()
    queued: QueuedJobPlan = field(default_factory=QueuedJobPlan)
    faults: tuple[FaultRule, ...] = ()

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read the mapping that the YAML holds, or raise `ScenarioError`."""
        scenario: Self = read(Node(mapping), cls)
        jobs = scenario.jobs + (scenario.generate or ())
        _refuse_twins("jobs", jobs)
        _refuse_twins("sources", scenario.sources)
        return replace(scenario, jobs=jobs, generate=None)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a YAML file, or raise `ScenarioError`."""
        try:
            return cls.from_mapping(yaml.load(Path(path).read_bytes(), Loader=_Loader))  # noqa: S506 - a SafeLoader
        except ScenarioError as error:
            raise ScenarioError(f"{path}: {error}") from None
        except OSError as error:
            raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ScenarioError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None


def _refuse_twins(place: str, items: Iterable[Job | Source]) -> None:
    seen = set()
    for item in items:
        if item.id in seen:
            raise ScenarioError(f"{place}: the ID {item.id!r} is given twice")
        seen.add(item.id)


class _Loader(yaml.SafeLoader):
    """A YAML loader that reads timestamps as texts and refuses keys that are given twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML declares its resolvers this way
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - PyYAML's signature
        mapping = super().compose_mapping_node(anchor)
        seen: set[object] = set()
        for key, _ in mapping.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"the key {key.value} is given twice"
                raise yaml.composer.ComposerError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return mapping
