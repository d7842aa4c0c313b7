"""Articles and sources as the client looks them up."""

import math
from collections.abc import Sequence
from typing import Any, cast

import pytest

from fini_gate.client import FiniClient, Transport
from fini_gate.client.transport import Response
from fini_gate.errors import RequestRefusedError
from fini_gate.models import PollLimits
from fini_gate.records import Article, LookupResult, Source
from tests.unit.fake_transport import HUNG_UP, STARTED_AT, Clock, FakeTransport, respond

KEY = "fini_0123456789abcdef"


class Api(FakeTransport):
    """An API that knows every article and every source, and takes a second for each request."""

    def __init__(self, *script: Any, request_seconds: float = 1) -> None:  # noqa: ANN401 - responses
        super().__init__(Clock(), list(script), request_seconds=request_seconds)

    def own_response(self, ids: Sequence[str]) -> Response:
        """Respond with all articles, or with the source."""
        if len(ids) > self.max_ids:
            return respond(413)
        if self.paths[-1].startswith("/v2/documents"):
            return respond(200, {"id": ids[0], "error": "", "linkedJobId": "job", "linkedReason": f"About {ids[0]}"})
        return respond(200, [{"id": each, "title": f"About {each}"} for each in ids])

    def client(self, *, batch_size: int = 2, max_parallel: int = 1) -> FiniClient:
        """Make a client of this API."""
        return FiniClient(
            transport=cast("Transport", self),
            api_key=KEY,
            batch_size=batch_size,
            max_parallel=max_parallel,
            request_timeout_seconds=5,
            clock=self.clock,
            on_request=lambda *_: None,
            on_retry=lambda *_: None,
        )

    def limits(self, *, retry_for: float = 0, end_in: float = math.inf, is_final: bool = False) -> PollLimits:
        """Return limits that count from now."""
        return PollLimits(self.clock.now + retry_for, self.clock.now + end_in, is_final=is_final)

    def articles(self, *ids: str, retry_for: float = 0, end_in: float = math.inf) -> LookupResult:
        """Look up articles, two in a request."""
        return self.client().find_articles(ids, self.limits(retry_for=retry_for, end_in=end_in))

    def sources(self, *ids: str, max_parallel: int = 1) -> LookupResult:
        """Look up sources, with time for retries."""
        return self.client(max_parallel=max_parallel).find_sources(ids, self.limits(retry_for=9))


def test_articles__are_looked_up_in_batches() -> None:
    """Each article is looked up once, whatever its letters' case, and found by its ID in lower case."""
    api = Api()
    result = api.articles("A", "b", "c", "a")
    assert result.rows == {name.lower(): [Article(name, f"About {name}", is_draft=False)] for name in ("a", "b", "c")}
    assert (result.incomplete_reason, result.error, result.last_response_at) == (None, None, STARTED_AT + 2)
    assert list(zip(api.requests, api.timeouts, strict=True)) == [(("a", "b"), 5), (("c",), 5)]


def test_articles__are_read_with_care() -> None:
    """Another article does not count, an ID may be a number, the key is redacted, and an article may be unknown."""
    rows = [{"id": "other", "title": "x"}, {"id": 7, "title": None}, {"id": "A", "title": f"A {KEY}"}, {"id": "a"}]
    api = Api(respond(200, rows), respond(200, []))
    assert api.articles("a", "7", "gone").rows == {
        "a": [Article("A", "A ***", is_draft=False), Article("a", None, is_draft=False)],
        "7": [Article("7", None, is_draft=False)],
        "gone": [],
    }


@pytest.mark.parametrize(("published", "is_draft"), [(False, True), (True, False), (None, False), ("no", False)])
def test_articles__are_drafts_if_the_response_says_so(*, published: object, is_draft: bool) -> None:
    """Only `isDraftPublished: false` makes a draft."""
    result = Api(respond(200, [{"id": "a", "title": "A", "isDraftPublished": published}])).articles("a")
    assert result.rows["a"][0].is_draft is is_draft


@pytest.mark.parametrize("status", [401, 403, 400, 404, 302, 422])
def test_articles__may_be_refused(status: int) -> None:
    """Whatever no retry can fix ends the look-up; what was found before counts."""
    api = Api(None, respond(status))
    result = api.articles("a", "b", "c", "d", "e")
    assert isinstance(result.error, RequestRefusedError)
    assert f"HTTP {status}" in str(result.error)
    assert (list(result.rows), len(api.requests)) == (["a", "b"], 2)


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        *((respond(status), f"HTTP {status}: It said why") for status in (408, 429, 500, 502, 503)),
        (respond(200, {"articles": []}), "HTTP 200 with no list of articles"),
        (respond(200, [{"id": "a"}, {"title": "x"}]), "HTTP 200 with an article without an ID"),
        (respond(200, [{"id": "a"}, "x"]), "HTTP 200 with an article without an ID"),
        (Response(200, {}, b"<html>"), "HTTP 200 with a body that is not JSON"),
        (HUNG_UP, "it hung up"),
    ],
)
def test_articles__are_asked_for_again_within_the_limit(response: Any, problem: str) -> None:  # noqa: ANN401 - or a failure
    """An unusable response is retried with growing delays, and says what was wrong if no retry is left."""
    api = Api(response, response)
    assert api.articles("a", retry_for=9).rows.keys() == {"a"}
    assert len(api.requests) == 3
    api = Api(*[response] * 9)
    result = api.articles("a", "b", "c", "d", "e", "f", retry_for=1)
    assert (result.rows, result.incomplete_reason, result.last_response_at) == ({}, problem, None)


def test_articles__are_cut_into_smaller_batches_after_a_413() -> None:
    """A batch that is too large is halved, and so is every later one."""
    api = Api()
    api.max_ids = 1
    assert list(api.articles("a", "b", "c", "d").rows) == ["a", "b", "c", "d"]
    assert api.sizes == [2, 1, 1, 1, 1]


def test_articles__too_large_alone_are_refused() -> None:
    """An API that takes not even one article has to be checked."""
    result = Api(respond(413)).articles("a")
    assert "a single article as too large" in str(result.error)


def test_articles__wait_for_retry_after_unless_the_deadline_has_come() -> None:
    """A Retry-After of the poll before holds the look-up back, and no request is sent if it ends too late."""
    api = Api(respond(429, Retry_After="60"))
    client = api.client()
    assert client.find_articles(["a"], api.limits(retry_for=9)).retry_not_before == STARTED_AT + 61
    result = client.find_articles(["a"], api.limits(retry_for=9))
    assert (result.rows, result.incomplete_reason) == ({}, "the API asked to wait for longer")
    assert result.retry_not_before == STARTED_AT + 61
    assert len(api.requests) == 1
    assert client.find_articles(["a"], api.limits(retry_for=61)).rows
    assert api.sent_at == [0, 61]
    api = Api(respond(429, Retry_After="60"))
    client = api.client()
    client.find_articles(["a"], api.limits(retry_for=9))
    assert client.find_articles(["a"], api.limits()).rows == {}
    assert client.find_articles(["a"], api.limits(end_in=3, is_final=True)).rows
    assert api.sent_at == [0, 1]


@pytest.mark.parametrize(
    ("end_in", "timeouts", "found"), [(9, [5, 5, 1], "abcd"), (4.5, [4.5, 0.5], "ab"), (0, [], "")]
)
def test_articles__are_looked_up_in_the_time_that_is_left(end_in: float, timeouts: list[float], found: str) -> None:
    """A request may take the time that is left, and none is sent without any."""
    api = Api(request_seconds=4)
    result = api.articles(*"abcde", end_in=end_in)
    assert (api.timeouts, "".join(result.rows)) == (timeouts, found)
    assert result.incomplete_reason


def test_sources__have_a_request_each() -> None:
    """Each source is asked for by a path of its own, in which nothing in its ID has a meaning; several at once."""
    api = Api()
    result = api.sources("a", "B/../ü?#", "half \ud800", max_parallel=2)
    assert result.rows["a"] == [Source("a", "job", None, "About a")]
    assert [path.removeprefix("/v2/documents/public/") for path in api.paths] == [
        *("a", "B%2F..%2F%C3%BC%3F%23", "half%20%3F")
    ]
    assert api.max_in_flight == 2


@pytest.mark.parametrize("status", [302, 400, 403, 404, 413, 414, 500, 502])
def test_sources__that_cannot_be_read_do_not_keep_others_from_it(status: int) -> None:
    """An error for one source says nothing about the next."""
    api = Api(respond(status), respond(status), None)
    result = api.sources("a", "b", "c")
    assert (list(result.rows), result.error, len(api.requests)) == (["c"], None, 3)
    assert result.incomplete_reason == f"HTTP {status}: It said why"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": "A", "linkedJobId": "x", "error": {"message": "why"}}, [Source("A", "x", "why", None)]),
        (
            {"id": "a", "linkedJobId": None, "error": ["x"], "linkedReason": "y" * 900},
            [Source("a", None, None, "y" * 500)],
        ),
        ({"id": "other"}, []),
    ],
)
def test_sources__are_read_with_care(record: object, expected: list[Source]) -> None:
    """Fields of an unexpected type count as absent, long texts are cut, and another source does not count."""
    assert Api(respond(200, record)).sources("a").rows == {"a": expected}


@pytest.mark.parametrize("record", [[], {}, {"id": None}, None, "a"])
def test_sources__of_another_shape_are_unusable(record: object) -> None:
    """A response that is not a record is a problem, not a source."""
    body = Response(200, {}, b"null") if record is None else respond(200, record)
    result = Api(*[body] * 9).sources("a")
    assert (result.rows, result.incomplete_reason) == ({}, "HTTP 200 with no source with an ID")


def test_sources__end_with_an_invalid_key() -> None:
    """A key that the API rejects is tried once."""
    api = Api(respond(401))
    assert "rejected the key" in str(api.sources("a", "b").error)
    assert len(api.requests) == 1


@pytest.mark.parametrize(("end_in", "sent_at"), [(60, [0, 0, 5]), (3, [0, 0])])
def test_look_up__waits_for_requests_that_a_poll_has_abandoned(end_in: float, sent_at: list[float]) -> None:
    """They count towards the requests in flight, and nothing is sent if they outlast the look-up."""
    api = Api()
    api.slow = {"slow": 5}
    api.script = [respond(200, {"jobs": [{"id": "quick"}]}), respond(200, {"jobs": []})]
    client = api.client(batch_size=1, max_parallel=2)
    client.poll(["quick", "slow"], api.limits(), should_stop=lambda result: bool(result.rows))
    assert api.clock.now == STARTED_AT + 1
    client.find_articles(["a"], api.limits(end_in=end_in))
    assert api.sent_at == sent_at


def test_look_up__that_has_to_stop_keeps_what_is_in_flight() -> None:
    """If the API asks to wait for too long, nothing more is sent, but the other response counts."""
    api = Api(respond(429, Retry_After="60"))
    api.slow = {"b": 3}
    result = api.client(batch_size=1, max_parallel=2).find_articles(["a", "b", "c"], api.limits(retry_for=9))
    assert (list(result.rows), len(api.requests)) == (["b"], 2)


def test_look_up__after_a_retry_after_is_over_asks_again_even_past_a_limit() -> None:
    """Having waited for as long as the API asked, one more request is due."""
    api = Api(respond(429, Retry_After="60"))
    client = api.client()
    client.find_articles(["a"], api.limits(retry_for=9))
    api.clock.now += 61
    assert client.find_articles(["a"], api.limits(retry_for=-9)).rows


def test_look_up__remembers_abandoned_requests_until_they_end() -> None:
    """A second look-up waits for them as well."""
    api = Api()
    api.slow = {"slow": 5}
    api.script = [respond(200, {"jobs": [{"id": "quick"}]}), respond(200, {"jobs": []})]
    client = api.client(batch_size=1, max_parallel=2)
    client.poll(["quick", "slow"], api.limits(), should_stop=lambda result: bool(result.rows))
    for end_in in (1, 60):
        client.find_articles(["a"], api.limits(end_in=end_in))
    assert api.sent_at == [0, 0, 5]
