"""One job as a scenario describes it, and the generator of many."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self
from uuid import NAMESPACE_URL, UUID, uuid5

from fake_fini.reading import NEVER, Node, ScenarioError

# The article of a job whose scenario names none.
DERIVED_ARTICLE: Final = "one derived from the job's ID"

_MOST_GENERATED: Final = 200_000
_NAMESPACE: Final = uuid5(NAMESPACE_URL, "fake-fini")

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


def _broken_status(node: Node) -> int | None:
    if isinstance(node.value, bool):
        return 500 if node.value else None
    try:
        return node.whole_number(500, 599)
    except ScenarioError:
        raise node.error("true, false or a status from 500 to 599") from None


def generated(node: Node) -> Iterator[Job]:
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


def derived_uuid(name: str) -> str:
    """A UUID that is the same for the same name, in every run."""
    return str(uuid5(_NAMESPACE, name))
