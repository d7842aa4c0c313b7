"""What the stand-in is to play: keys, jobs, faults. Read once from YAML, or from the same mapping in Python.

Times are seconds from the scenario's time zero, or from the job's creation where a job was queued over the API.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import yaml

from fake_fini.jobs import Job, generated
from fake_fini.reading import Node, ScenarioError
from fake_fini.rules import FaultRule

READ_SCOPE: Final = "read"
WRITE_SCOPE: Final = "write"
DEMO_KEY: Final = "fini_demo_key"

# What a job that is told nothing of its article gets once it has completed.
DERIVED_ARTICLE: Final = "one derived from the job's ID"

_KEY: Final = re.compile(r"fini_[!-~]+")
_AT_FIRST_REQUEST: Final = "at-first-request"
_AT_START: Final = "at-start"

# The keys of each mapping with their defaults, in the scenario's own language.
_SCENARIO_KEYS: Final[Mapping[str, object]] = {
    "api-keys": {DEMO_KEY: [READ_SCOPE, WRITE_SCOPE]},
    "latency": 0,
    "clock-starts": _AT_FIRST_REQUEST,
    "jobs": [],
    "generate": None,
    "queued": {},
    "faults": [],
}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A whole scenario, valid by construction."""

    api_keys: Mapping[str, frozenset[str]] = field(repr=False)
    latency_seconds: float
    clock_starts_at_first_request: bool
    jobs: tuple[Job, ...]
    queued: Job
    faults: tuple[FaultRule, ...]

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Read the mapping that the YAML holds.

        Raises:
            ScenarioError: a key is not known, or a value is not allowed.
        """
        fields = Node(mapping).fields(_SCENARIO_KEYS)
        jobs = [Job.from_node(node) for node in fields["jobs"].items()]
        if fields["generate"].value is not None:
            jobs += generated(fields["generate"])
        _refuse_twins(jobs)
        return cls(
            api_keys=_api_keys(fields["api-keys"]),
            latency_seconds=fields["latency"].seconds(),
            clock_starts_at_first_request=fields["clock-starts"].one_of(_AT_FIRST_REQUEST, _AT_START)
            == _AT_FIRST_REQUEST,
            jobs=tuple(jobs),
            queued=Job.template_from_node(fields["queued"]),
            faults=tuple(FaultRule.from_node(node) for node in fields["faults"].items()),
        )

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a YAML file.

        Raises:
            ScenarioError: the file cannot be read, is not YAML, or holds no scenario.
        """
        try:
            return cls.from_mapping(yaml.load(Path(path).read_bytes(), Loader=_Loader))  # noqa: S506 - a SafeLoader
        except ScenarioError as error:
            raise ScenarioError(f"{path}: {error}") from None
        except OSError as error:
            raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None
        except yaml.MarkedYAMLError as error:
            place = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
            raise ScenarioError(f"{path}{place}: is not YAML: {error.problem}") from None
        except (yaml.YAMLError, ValueError) as error:
            raise ScenarioError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
        except RecursionError:
            raise ScenarioError(f"{path}: is nested too deeply") from None


class _Loader(yaml.SafeLoader):
    """YAML in which a time stamp is a text, and a key given twice is an error."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to say which plain scalars are more than texts
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


def _api_keys(node: Node) -> dict[str, frozenset[str]]:
    """Read the keys. They stay out of every message, even here."""
    if not isinstance(node.value, Mapping):
        raise ScenarioError(f"{node.place}: expected a mapping from keys to lists of scopes")
    scopes_by_key = {}
    for number, (key, scopes) in enumerate(node.value.items(), start=1):
        place = f"{node.place}, key number {number}"
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ScenarioError(f"{place}: expected fini_ and more visible ASCII characters")
        scopes_by_key[key] = frozenset(
            scope.one_of(READ_SCOPE, WRITE_SCOPE) for scope in Node(scopes, f"{place}, scopes").items()
        )
    return scopes_by_key


def _refuse_twins(jobs: list[Job]) -> None:
    seen: set[str] = set()
    for job in jobs:
        if job.id in seen:
            raise ScenarioError(f"jobs: the ID {job.id!r} is given twice, an ID may be given once")
        seen.add(job.id)
