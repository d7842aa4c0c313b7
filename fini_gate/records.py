"""What the API says about articles and sources, and the result of looking some up. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fini_gate.models import Job, RequestsResult, error_text, text_or_none


class Article(NamedTuple):
    """An article, or its draft."""

    id: str
    title: str | None
    is_draft: bool

    @classmethod
    def from_json(cls, row: object) -> "Article":
        """Read `{"id", "title", "isDraftPublished", …}`.

        Raises:
            ValueError: the row is not an object, or has no ID.
        """
        article_id, fields = _with_id(row, "an article without an ID")
        return cls(article_id, text_or_none(fields.get("title")), is_draft=fields.get("isDraftPublished") is False)


class Source(NamedTuple):
    """What a source's record says about its latest job."""

    id: str
    linked_job_id: str | None
    error: str | None
    linked_reason: str | None

    @classmethod
    def from_json(cls, record: object) -> "Source":
        """Read `{"id", "linkedJobId", "error", "linkedReason", …}`.

        Raises:
            ValueError: the record is not an object, or has no ID.
        """
        source_id, fields = _with_id(record, "no source with an ID")
        return cls(
            id=source_id,
            linked_job_id=text_or_none(fields.get("linkedJobId")),
            error=error_text(fields.get("error")),
            linked_reason=error_text(fields.get("linkedReason")),
        )


@dataclass(slots=True, kw_only=True)
class LookupResult(RequestsResult):
    """What the API returned for some IDs."""

    rows: dict[str, list[Any]] = field(default_factory=dict)
    """ID in lower case → its articles or sources; none if the API does not know the ID. Other IDs got no response."""


def with_article(job: Job, rows: Collection[Article]) -> Job:
    """Return the job with what the API says about its article. If rows disagree, the article is a draft."""
    if not rows:
        return job
    title = next((row.title for row in rows if row.title), None)
    return job._replace(article_title=title, article_is_draft=any(row.is_draft for row in rows))


def with_source(job: Job, rows: Collection[Source]) -> Job:
    """Return the job with the reason that its source gives, if the source's latest job is this one."""
    for row in rows:
        if row.linked_job_id is None or row.linked_job_id.lower() != job.id.lower():
            continue
        if job.lacks_article and row.linked_reason:
            return job._replace(reason=f"{job.reason}; {row.linked_reason}")
        if job.lacks_reason and (reason := row.error or row.linked_reason):
            return job._replace(reason=reason)
    return job


def _with_id(value: object, problem: str) -> tuple[str, Mapping[str, object]]:
    """Return an object's ID, which may be a number, and its fields."""
    if not isinstance(value, dict) or (row_id := text_or_none(value.get("id"))) is None:
        raise ValueError(problem)
    return row_id, value
