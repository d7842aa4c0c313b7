"""Jobs as a scenario describes them. Durations are in seconds; infinity means never."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeAlias
from uuid import NAMESPACE_URL, UUID, uuid5

from fake_fini.reading import Json, Node, OrNever, Range, accept, read, whole_number

_DERIVED: Final = "derived from the job's ID"
_NAMESPACE: Final = uuid5(NAMESPACE_URL, "fake-fini")
_MAX_GENERATED: Final = 200_000


def _is_broken_status(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, int) and 500 <= value <= 599)  # noqa: PLR2004 - a 5xx


@dataclass(frozen=True, kw_only=True)
class Statuses:
    """The `jobStatus` of an unfinished job."""

    pending: str = "PENDING"
    running: str = "IN_PROGRESS"


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """What happens to a job, and when."""

    appears_after: float = 0
    queued_for: OrNever = 0
    runs_for: OrNever = 0
    statuses: Statuses = Statuses()
    ends_as: str = "COMPLETED"
    article_id: str | None = _DERIVED
    title: str | None = None
    error: Json = None
    row: Mapping[str, Json] = field(default_factory=dict)
    omitted: bool = False
    broken: Annotated[int, accept(_is_broken_status, "true, false or a status from 500 to 599")] = False
    broken_until: OrNever = math.inf


@dataclass(frozen=True, kw_only=True)
class QueuedJobPlan(JobPlan):
    """What happens to a job that is queued over the API."""

    queued_for: OrNever = 1
    runs_for: OrNever = 2


@dataclass(frozen=True, kw_only=True)
class Job(JobPlan):
    """A job."""

    id: str
    document_id: str | None = None
    malformed: bool = False

    @property
    def broken_status(self) -> int | None:
        """The 5xx that requests for the job get, if any."""
        return 500 if self.broken is True else self.broken or None

    @property
    def starts_after(self) -> float:
        """When the job starts to run."""
        return self.appears_after + self.queued_for

    @property
    def ends_after(self) -> float:
        """When the job is finished."""
        return self.starts_after + self.runs_for

    @property
    def article(self) -> str | None:
        """The ID of the article that the job makes, if any."""
        if self.article_id != _DERIVED:
            return self.article_id
        return None if self.ends_as.upper() == "FAILED" else str(uuid5(_NAMESPACE, f"article of {self.id}"))


def _duration_or_range(node: Node) -> tuple[float, float]:
    is_range = isinstance(node.value, list | tuple)
    shortest, longest = read(node, Range) if is_range else [read(node, float)] * 2
    return shortest, longest


_DurationOrRange: TypeAlias = Annotated[tuple[float, float], _duration_or_range]
_JobCount: TypeAlias = Annotated[int, whole_number(0, _MAX_GENERATED)]


@dataclass(frozen=True, kw_only=True)
class _Generator:
    count: Annotated[int, whole_number(1, _MAX_GENERATED)]
    prefix: str | None = None
    queued_for: _DurationOrRange = (0, 2)
    runs_for: _DurationOrRange = (1, 5)
    failing: _JobCount = 0
    without_article: _JobCount = 0
    seed: Annotated[int, whole_number(0, 2**63)] = 0

    def jobs(self) -> Iterator[Job]:
        """Generate the jobs."""
        chance = random.Random(self.seed)  # noqa: S311 - not for cryptography
        special = chance.sample(range(self.count), self.failing + self.without_article)
        failing, without_article = set(special[: self.failing]), set(special[self.failing :])
        for number in range(self.count):
            yield Job(
                id=f"{self.prefix}{number + 1}" if self.prefix else str(UUID(int=chance.getrandbits(128), version=4)),
                document_id=f"source-{number + 1}",
                queued_for=round(chance.uniform(*self.queued_for), 3),
                runs_for=round(chance.uniform(*self.runs_for), 3),
                ends_as="FAILED" if number in failing else "COMPLETED",
                error="The source could not be read." if number in failing else None,
                article_id=None if number in without_article else _DERIVED,
            )


def generate_jobs(node: Node) -> tuple[Job, ...]:
    """Read `generate`: many jobs from a few numbers, the same in every run."""
    generator: _Generator = read(node, _Generator)
    if generator.failing + generator.without_article > generator.count:
        raise node.error("failing and without-article to be at most count together")
    return tuple(generator.jobs())
