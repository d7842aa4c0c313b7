from collections.abc import Sequence
from typing import cast

import pytest
from requests.structures import CaseInsensitiveDict

from fini_gate.client import Article, ArticleLookup, Transport
from fini_gate.client.failures import Failure
from fini_gate.client.transport import Response
from tests.unit.fake_transport import TOO_SLOW, Clock, FakeTransport, respond

KEY = "fini_0123456789abcdef"


class Api(FakeTransport):
    """An API that knows every article, and takes a second for each request."""

    def __init__(self, *script: Response | Failure, request_seconds: float = 1) -> None:
        super().__init__(Clock(), list(script), request_seconds=request_seconds)

    def own_response(self, ids: Sequence[str]) -> Response:
        """Respond with all articles."""
        return respond(200, [{"id": article_id, "title": f"About {article_id}"} for article_id in ids])

    def look_up(self, *article_ids: str, end_in: float = 10) -> tuple[dict[str, Article], str | None]:
        """Look articles up, two in a request."""
        lookup = ArticleLookup(
            transport=cast("Transport", self), api_key=KEY, batch_size=2, request_timeout_seconds=5, clock=self.clock
        )
        return lookup.find(article_ids, end_at=self.clock.now + end_in)


def test_articles__are_looked_up_in_batches() -> None:
    """Each article is looked up once, and the titles come back in the same order."""
    api = Api()
    found, problem = api.look_up("a", "b", "c")
    assert list(found.items()) == [(name, Article(f"About {name}", is_draft=False)) for name in "abc"]
    assert problem is None
    assert list(zip(api.requests, api.timeouts, strict=True)) == [(("a", "b"), 5), (("c",), 5)]


def test_articles__are_read_with_care() -> None:
    """Neither another article nor a malformed row counts; the key is redacted."""
    rows = [{"id": "other", "title": "x"}, {"id": "b", "title": None}, {"title": "y"}, "z"]
    api = Api(respond(200, [*rows, {"id": "a", "title": f"A {KEY}"}]))
    assert api.look_up("a", "b") == ({"a": Article("A ***", is_draft=False)}, None)


@pytest.mark.parametrize(("published", "is_draft"), [(False, True), (True, False), (None, False), ("no", False)])
def test_articles__are_drafts_if_the_response_says_so(*, published: object, is_draft: bool) -> None:
    """Only `isDraftPublished: false` makes a draft."""
    found, _ = Api(respond(200, [{"id": "a", "title": "A", "isDraftPublished": published}])).look_up("a")
    assert found["a"].is_draft is is_draft


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (Failure("it hung up"), "it hung up"),
        (respond(500, []), "HTTP 500"),
        (respond(302, []), "HTTP 302"),
        (respond(200, {"articles": []}), "no list of articles"),
        (Response(200, CaseInsensitiveDict(), b"<html>"), "a body that is not JSON"),
    ],
)
def test_articles__found_before_a_failure_count(response: Response | Failure, problem: str) -> None:
    """An unusable response ends the look-up and says what was wrong."""
    api = Api(respond(200, [{"id": "a", "title": "A"}]), response)
    assert api.look_up("a", "b", "c", "d", "e") == ({"a": Article("A", is_draft=False)}, problem)
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("end_in", "timeouts", "found", "problem"),
    [
        (8, [5, 4], "abcd", "no time left"),
        (7, [5, 3], "ab", TOO_SLOW.problem),
        (4.5, [4.5, 0.5], "ab", TOO_SLOW.problem),
        (4, [4], "ab", "no time left"),
        (0, [], "", "no time left"),
    ],
)
def test_articles__are_looked_up_in_the_time_that_is_left(
    end_in: float, timeouts: list[float], found: str, problem: str
) -> None:
    """A request may take the time that is left, and none is sent without any."""
    api = Api(request_seconds=4)
    articles, why = api.look_up(*"abcde", end_in=end_in)
    assert (api.timeouts, "".join(articles), why) == (timeouts, found, problem)
