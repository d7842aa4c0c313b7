import json
from collections.abc import Sequence
from typing import cast

import pytest
from requests.structures import CaseInsensitiveDict

from fini_gate.client import Article, Transport, look_up_articles
from fini_gate.client.transport import Failure, Response

KEY = "fini_0123456789abcdef"


class Api:
    """A transport that knows some articles; each request takes its time."""

    def __init__(self, *answers: Response | Failure, seconds: float = 1) -> None:
        self.answers = list(answers)
        self.seconds = seconds
        self.now = 0.0
        self.asked: list[tuple[tuple[str, ...], float]] = []

    def wait_any(self, under_way: Sequence[Response | Failure]) -> tuple[object, Response | Failure]:
        """Give an answer, which is there at once."""
        (response,) = under_way
        return None, response

    def submit_articles(self, article_ids: Sequence[str], *, timeout_seconds: float) -> Response | Failure:
        """Answer from the script, and then with all that was asked for."""
        self.asked.append((tuple(article_ids), timeout_seconds))
        self.now += self.seconds
        return self.answers.pop(0) if self.answers else _answer([{"id": i, "title": f"About {i}"} for i in article_ids])

    def look_up(self, *article_ids: str, ends_at: float = 10) -> tuple[dict[str, Article], str | None]:
        """Look articles up, two in a request."""
        return look_up_articles(
            article_ids,
            cast("Transport", self),
            api_key=KEY,
            batch_size=2,
            request_timeout_seconds=5,
            ends_at=ends_at,
            clock=lambda: self.now,
        )


def _answer(document: object, status: int = 200) -> Response:
    return Response(status, CaseInsensitiveDict(), json.dumps(document).encode())


def test_articles__are_asked_for_in_batches() -> None:
    """Each article is asked for once; the titles come back in the order asked for."""
    api = Api()
    found, problem = api.look_up("a", "b", "c")
    assert list(found.items()) == [(name, Article(f"About {name}", is_draft=False)) for name in "abc"]
    assert problem is None
    assert api.asked == [(("a", "b"), 5), (("c",), 5)]


def test_articles__that_the_api_does_not_know_are_left_out() -> None:
    """Neither an unknown article, nor one never asked for, nor a row that is none makes a title."""
    rows = [{"id": "other", "title": "x"}, {"id": "b", "title": None}, {"title": "y"}, "z", {"id": "a", "title": "A"}]
    assert Api(_answer(rows)).look_up("a", "b") == ({"a": Article("A", is_draft=False)}, None)


@pytest.mark.parametrize(("published", "is_draft"), [(False, True), (True, False), (None, False), ("no", False)])
def test_articles__are_drafts_where_the_answer_tells(*, published: object, is_draft: bool) -> None:
    """Only what says of itself that it is not published is a draft."""
    found, _ = Api(_answer([{"id": "a", "title": "A", "isDraftPublished": published}])).look_up("a")
    assert found["a"].is_draft is is_draft


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Failure("it hung up"), "it hung up"),
        (_answer([], 500), "HTTP 500"),
        (_answer([], 302), "HTTP 302"),
        (_answer({"articles": []}), "with no list of articles in it"),
        (Response(200, CaseInsensitiveDict(), b"<html>"), "what came is no JSON"),
    ],
)
def test_articles__keep_what_was_found_before_a_failure(answer: Response | Failure, problem: str) -> None:
    """An answer that is none ends it, with what was wrong; titles that came before stand."""
    api = Api(_answer([{"id": "a", "title": "A"}]), answer)
    assert api.look_up("a", "b", "c", "d", "e") == ({"a": Article("A", is_draft=False)}, problem)
    assert len(api.asked) == 2


def test_articles__never_hand_on_the_key() -> None:
    """A title that holds the key does not hand it on."""
    found, _ = Api(_answer([{"id": "a", "title": f"A {KEY}"}])).look_up("a")
    assert found["a"].title == "A ***"


@pytest.mark.parametrize(("ends_at", "timeouts"), [(7, [5, 3]), (8, [5, 4]), (4.5, [4.5, 0.5]), (0, [])])
def test_articles__are_looked_up_in_the_time_that_is_left(ends_at: float, timeouts: list[float]) -> None:
    """A request may take as long as is left, and none is sent without."""
    api = Api(seconds=4)
    found, problem = api.look_up("a", "b", "c", "d", "e", ends_at=ends_at)
    assert [timeout for _, timeout in api.asked] == timeouts
    assert list(found) == ["a", "b", "c", "d"][: 2 * len(timeouts)]
    assert problem == "no time was left"
