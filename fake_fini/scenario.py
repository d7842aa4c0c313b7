"""What the stand-in is to play: keys, jobs, faults. Read once from YAML, or from the same mapping in Python.

Times are seconds from the scenario's time zero, or from the job's creation where a job was queued over the API.
"""

import math
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self
from uuid import NAMESPACE_URL, UUID, uuid5

import yaml

from fake_fini.faults import FaultRule
from fake_fini.reading import NEVER, Node, ScenarioError

READ_SCOPE: Final = "read"
WRITE_SCOPE: Final = "write"
DEMO_KEY: Final = "fini_demo_key"

# What a job that is told nothing of its article gets once it has completed.
DERIVED_ARTICLE: Final = "one derived from the job's ID"

_KEY: Final = re.compile(r"fini_[!-~]+")
_AT_FIRST_REQUEST: Final = "at-first-request"
_AT_START: Final = "at-start"
_MOST_GENERATED: Final = 200_000
_NAMESPACE: Final = uuid5(NAMESPACE_URL, "fake-fini")

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
_COURSE_KEYS: Final[Mapping[str, object]] = {
    "queued-for": 0,
    "runs-for": 0,
    "ends-as": "COMPLETED",
    "article-id": DERIVED_ARTICLE,
    "title": None,
    "error": None,
    "statuses": {},
    "appears-after": 0,
    "row": {},
    "omitted": False,
    "broken": False,
    "broken-until": NEVER,
}
_JOB_KEYS: Final[Mapping[str, object]] = {**_COURSE_KEYS, "document-id": None, "malformed": False}
_QUEUED_KEYS: Final[Mapping[str, object]] = {**_COURSE_KEYS, "queued-for": "1s", "runs-for": "2s"}
_STATUS_KEYS: Final[Mapping[str, object]] = {"pending": "PENDING", "running": "IN_PROGRESS"}
_GENERATE_KEYS: Final[Mapping[str, object]] = {
    "prefix": None,
    "queued-for": [0, "2s"],
    "runs-for": ["1s", "5s"],
    "failing": 0,
    "without-article": 0,
    "seed": 0,
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job as it is to go; infinity stands for never."""

    id: str
    document_id: str | None = None
    appears_after_seconds: float = 0
    queued_for_seconds: float = 0
    runs_for_seconds: float = 0
    pending_status: str = "PENDING"
    running_status: str = "IN_PROGRESS"
    ends_as: str = "COMPLETED"
    article: str | None = DERIVED_ARTICLE
    title: str | None = None
    error: Any = None
    row: Mapping[str, Any] = field(default_factory=dict)
    is_omitted: bool = False
    is_malformed: bool = False
    broken_status: int | None = None
    broken_until_seconds: float = math.inf

    @property
    def article_id(self) -> str | None:
        """The article that the job makes, the same each time where the scenario names none."""
        return derived_uuid(f"article of {self.id}") if self.article == DERIVED_ARTICLE else self.article

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read one entry of `jobs`."""
        fields = node.fields(_JOB_KEYS, required="id")
        return replace(
            cls._from_fields(fields),
            id=fields["id"].text(),
            document_id=fields["document-id"].text_or_null(),
            is_malformed=fields["malformed"].switch(),
        )

    @classmethod
    def template_from_node(cls, node: Node) -> Self:
        """Read `queued`: how a job goes that is queued over the API. Its ID is given then."""
        return cls._from_fields(node.fields(_QUEUED_KEYS))

    @classmethod
    def _from_fields(cls, fields: Mapping[str, Node]) -> Self:
        statuses = fields["statuses"].fields(_STATUS_KEYS)
        ends_as = fields["ends-as"].text()
        article = fields["article-id"].text_or_null()
        if article == DERIVED_ARTICLE and ends_as.upper() == "FAILED":
            article = None
        return cls(
            id="",
            appears_after_seconds=fields["appears-after"].seconds(),
            queued_for_seconds=fields["queued-for"].seconds_or(NEVER),
            runs_for_seconds=fields["runs-for"].seconds_or(NEVER),
            pending_status=statuses["pending"].text(),
            running_status=statuses["running"].text(),
            ends_as=ends_as,
            article=article,
            title=fields["title"].text_or_null(),
            error=fields["error"].json_value(),
            row={name: value.json_value() for name, value in fields["row"].entries().items()},
            is_omitted=fields["omitted"].switch(),
            broken_status=_broken_status(fields["broken"]),
            broken_until_seconds=fields["broken-until"].seconds_or(NEVER),
        )


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
            jobs += _generated(fields["generate"])
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


def derived_uuid(name: str) -> str:
    """A UUID that is the same for the same name, in every run."""
    return str(uuid5(_NAMESPACE, name))


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


def _broken_status(node: Node) -> int | None:
    if isinstance(node.value, bool):
        return 500 if node.value else None
    try:
        return node.whole_number(500, 599)
    except ScenarioError:
        raise node.error("true, false or a status from 500 to 599") from None


def _generated(node: Node) -> Iterator[Job]:
    """Read `generate`: many jobs from a few numbers, the same in every run."""
    fields = node.fields(_GENERATE_KEYS, required="count")
    count = fields["count"].whole_number(1, _MOST_GENERATED)
    seed = fields["seed"].whole_number(0, 2**63)
    failing_count = fields["failing"].whole_number(0, count)
    without_article_count = fields["without-article"].whole_number(0, count - failing_count)
    prefix = fields["prefix"].text_or_null()
    shortest_queued, longest_queued = _span_seconds(fields["queued-for"])
    shortest_run, longest_run = _span_seconds(fields["runs-for"])
    chance = random.Random(seed)  # noqa: S311 - jobs to play with, not secrets
    special = chance.sample(range(count), failing_count + without_article_count)
    failing, without_article = set(special[:failing_count]), set(special[failing_count:])
    for number in range(count):
        fails = number in failing
        yield Job(
            id=f"{prefix}{number + 1}" if prefix else str(UUID(int=chance.getrandbits(128), version=4)),
            document_id=f"source-{number + 1}",
            queued_for_seconds=round(chance.uniform(shortest_queued, longest_queued), 3),
            runs_for_seconds=round(chance.uniform(shortest_run, longest_run), 3),
            ends_as="FAILED" if fails else "COMPLETED",
            error="The source could not be read." if fails else None,
            article=None if fails or number in without_article else DERIVED_ARTICLE,
        )


def _span_seconds(node: Node) -> tuple[float, float]:
    if not isinstance(node.value, list | tuple):
        return node.seconds(), node.seconds()
    limits = [limit.seconds() for limit in node.items()]
    if len(limits) != 2 or limits[0] > limits[1]:  # noqa: PLR2004 - shortest and longest
        raise node.error("a duration or a list of two, the shortest first")
    return limits[0], limits[1]


def _refuse_twins(jobs: list[Job]) -> None:
    seen: set[str] = set()
    for job in jobs:
        if job.id in seen:
            raise ScenarioError(f"jobs: the ID {job.id!r} is given twice, an ID may be given once")
        seen.add(job.id)
