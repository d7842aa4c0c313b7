"""The routes of Fini's API that the gate uses: what a request asks for, and what the response's status means. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol
from urllib.parse import quote

from fini_gate.models import StatusRow
from fini_gate.records import Article, Source


class ResponseKind(Enum):
    """What the client does with a response."""

    OK = auto()
    """200: take the rows."""
    NOT_FOUND = auto()
    """404: bisect. A single source cannot be read."""
    BAD_REQUEST = auto()
    """400: bisect."""
    TOO_LARGE = auto()
    """413: halve the batch size."""
    SERVER_ERROR = auto()
    """5xx without Retry-After: retry a few times, then bisect."""
    FATAL = auto()
    """3xx and other 4xx: give up."""
    RETRYABLE = auto()
    """Everything else, a 503 with Retry-After included: retry."""


class Row(Protocol):
    """One entry of a response."""

    @property
    def id(self) -> str:
        """The ID that the entry is about."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route that takes IDs and returns rows."""

    noun: str
    """What an ID stands for."""
    path: str
    ids_field: str | None
    """The field of the request that lists the IDs; None if the path ends in a single ID."""
    read_rows: Callable[[object], Sequence[Row]]
    """Reads a response's document. Raises ValueError, with what is wrong as its text."""
    kinds: Mapping[int, ResponseKind]
    """Status, or its hundreds, → what the client does; RETRYABLE for any other."""

    def request(self, ids: Sequence[str]) -> tuple[str, object]:
        """Return the path of a request for these IDs, and the document to post or None."""
        if self.ids_field is None:
            return f"{self.path}/{quote(ids[0], safe='', errors='replace')}", None
        return self.path, {self.ids_field: list(ids)}

    def kind_of(self, status: int) -> ResponseKind:
        """Return what the client does with a response of this status."""
        return self.kinds.get(status) or self.kinds.get(status // 100) or ResponseKind.RETRYABLE


def _read_jobs(document: object) -> list[StatusRow]:
    if not isinstance(document, dict) or not isinstance(document.get("jobs"), list):
        raise ValueError("no list of jobs")  # noqa: TRY004 - the caller treats it as a bad value
    return [StatusRow.from_json(row) for row in document["jobs"]]


def _read_articles(document: object) -> list[Article]:
    if not isinstance(document, list):
        raise ValueError("no list of articles")  # noqa: TRY004 - as above
    return [Article.from_json(row) for row in document]


def _read_source(document: object) -> list[Source]:
    return [Source.from_json(document)]


_REFUSALS: Final = {3: ResponseKind.FATAL, 4: ResponseKind.FATAL}
_COMMON: Final = {
    200: ResponseKind.OK,
    408: ResponseKind.RETRYABLE,
    413: ResponseKind.TOO_LARGE,
    429: ResponseKind.RETRYABLE,
}

# Fini's public API reference, "Check knowledge jobs".
STATUS: Final = Route(
    noun="job",
    path="/v2/knowledge/public/jobs/status",
    ids_field="jobIds",
    read_rows=_read_jobs,
    kinds={
        **_COMMON,
        **_REFUSALS,
        400: ResponseKind.BAD_REQUEST,
        404: ResponseKind.NOT_FOUND,
        5: ResponseKind.SERVER_ERROR,
    },
)
# "Get articles by IDs": it leaves out what it does not find, so no ID is ever the cause of an error.
ARTICLES: Final = Route(
    noun="article",
    path="/v2/hc-articles/ids/public",
    ids_field="articleIds",
    read_rows=_read_articles,
    kinds={**_COMMON, **_REFUSALS},
)
# "Get source": an error says nothing about other sources, unless the key is invalid.
SOURCES: Final = Route(
    noun="source",
    path="/v2/documents/public",
    ids_field=None,
    read_rows=_read_source,
    kinds={
        **_COMMON,
        401: ResponseKind.FATAL,
        413: ResponseKind.NOT_FOUND,
        3: ResponseKind.NOT_FOUND,
        4: ResponseKind.NOT_FOUND,
        5: ResponseKind.SERVER_ERROR,
    },
)
