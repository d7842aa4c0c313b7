"""Look up articles for people to read: best effort, within the time that is left."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from fini_gate.client.failures import Failure
from fini_gate.client.responses import decode
from fini_gate.client.transport import Response, Transport

# Fini's public API reference, "Get articles by IDs".
ARTICLES_ROUTE: Final = "/v2/hc-articles/ids/public"


@dataclass(frozen=True)
class Article:
    """What is known about an article."""

    title: str
    is_draft: bool


@dataclass(frozen=True, kw_only=True)
class ArticleLookup:
    """Looks up articles, each batch once."""

    transport: Transport
    api_key: str = field(repr=False)
    """Redacted from every text that comes out of a response."""
    batch_size: int
    """Maximum number of article IDs in one request."""
    request_timeout_seconds: float
    clock: Callable[[], float]

    def find(self, article_ids: Sequence[str], *, end_at: float) -> tuple[dict[str, Article], str | None]:
        """Look up articles.

        Args:
            article_ids: each once.
            end_at: no request runs past this time, on the gate's clock.

        Returns:
            Article ID → article, for those that the API knows; and why some were not looked up, or None.

        Raises:
            CancelledError: a signal arrived.
        """
        found: dict[str, Article] = {}
        for start in range(0, len(article_ids), self.batch_size):
            timeout_seconds = min(self.request_timeout_seconds, end_at - self.clock())
            if timeout_seconds <= 0:
                return found, "no time left"
            batch = article_ids[start : start + self.batch_size]
            request = self.transport.submit(ARTICLES_ROUTE, {"articleIds": batch}, timeout_seconds=timeout_seconds)
            while (response := request.response) is None:
                self.transport.wait_any([request], until=math.inf)
            try:
                found |= self._parse(response, batch)
            except ValueError as error:
                return found, str(error)
        return found, None

    def _parse(self, response: Response | Failure, article_ids: Sequence[str]) -> dict[str, Article]:
        """Read `[{"id", "title", "isDraftPublished", …}, …]`.

        Raises:
            ValueError: the response is something else; the text says what.
        """
        if isinstance(response, Failure):
            raise ValueError(response.problem)  # noqa: TRY004 - to the caller, a bad response like any other
        if response.status != HTTPStatus.OK:
            raise ValueError(f"HTTP {response.status}")
        document, flaw = decode(response.body, self.api_key)
        if not isinstance(document, list):
            raise ValueError(flaw or "no list of articles")  # noqa: TRY004 - as above
        return {
            row["id"]: Article(row["title"], is_draft=row.get("isDraftPublished") is False)
            for row in document
            if isinstance(row, dict) and row.get("id") in article_ids and isinstance(row.get("title"), str)
        }
