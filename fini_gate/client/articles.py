"""Looks up the titles of articles, for people: best effort, in the time that is left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from fini_gate.client.responses import decode
from fini_gate.client.transport import Failure, Response, Transport


@dataclass(frozen=True)
class Article:
    """What is known of an article."""

    title: str
    is_draft: bool


def look_up_articles(  # noqa: PLR0913 - the parts that the composition root wires
    article_ids: Sequence[str],
    transport: Transport,
    *,
    api_key: str,
    batch_size: int,
    request_timeout_seconds: float,
    ends_at: float,
    clock: Callable[[], float],
) -> tuple[dict[str, Article], str | None]:
    """Ask for the articles, each batch once.

    Args:
        article_ids: each once.
        transport: sends one request.
        api_key: to be kept out of what is told of answers.
        batch_size: most article IDs in one request.
        request_timeout_seconds: the longest that one request may take.
        ends_at: no request goes past it, on the clock.
        clock: seconds, monotonic.

    Returns:
        Article ID → article, of those that the API knows; and what kept it from telling of all, or None.
    """
    found: dict[str, Article] = {}
    for start in range(0, len(article_ids), batch_size):
        timeout_seconds = min(request_timeout_seconds, ends_at - clock())
        if timeout_seconds <= 0:
            return found, "no time was left"
        batch = article_ids[start : start + batch_size]
        _, response = transport.wait_any([transport.submit_articles(batch, timeout_seconds=timeout_seconds)])
        try:
            found |= _articles(response, batch, api_key)
        except ValueError as error:
            return found, str(error)
    return found, None


def _articles(response: Response | Failure, article_ids: Sequence[str], api_key: str) -> dict[str, Article]:
    """Read `[{"id", "title", "isDraftPublished", …}, …]`.

    Raises:
        ValueError: it is none.
    """
    if isinstance(response, Failure):
        raise ValueError(response.problem)  # noqa: TRY004 - to the caller it is a bad answer like any other
    if response.status != HTTPStatus.OK:
        raise ValueError(f"HTTP {response.status}")
    document, flaw = decode(response.body, api_key)
    if not isinstance(document, list):
        raise ValueError(flaw or "with no list of articles in it")  # noqa: TRY004 - as above
    return {
        row["id"]: Article(row["title"], is_draft=row.get("isDraftPublished") is False)
        for row in document
        if isinstance(row, dict) and row.get("id") in article_ids and isinstance(row.get("title"), str)
    }
