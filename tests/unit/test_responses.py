import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from fini_gate.client.responses import ParsedResponse, ResponseKind, classify
from fini_gate.client.transport import Failure, Response
from fini_gate.errors import RequestRefusedError
from fini_gate.models import StatusRow

SECRET = "fini_0123456789abcdef"
DONE = {"id": "a", "jobStatus": "COMPLETED"}
FATAL = "refused"


def _response(status: int, body: object = b"", headers: Mapping[str, str] | None = None) -> Response:
    """An answer with these bytes, or this JSON, as its body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, CaseInsensitiveDict(headers or {}), raw)


def _judged(
    status: int, body: object = b"", headers: Mapping[str, str] | None = None, *, job_ids: Sequence[str] = ("a",)
) -> ParsedResponse:
    return classify(_response(status, body, headers), job_ids, secret=SECRET)


def _fatal_message(status: int, body: object = b"", headers: Mapping[str, str] | None = None) -> str:
    with pytest.raises(RequestRefusedError) as caught:
        _judged(status, body, headers)
    assert caught.value.exit_code == 4
    return str(caught.value)


def _error(status: int, message: object) -> dict[str, object]:
    """An error as the API words it."""
    return {"statusCode": status, "message": message, "error": "Error"}


# --- What kind of answer it is -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((200,), ResponseKind.OK),
        ((400,), ResponseKind.BAD_REQUEST),
        ((404,), ResponseKind.NOT_FOUND),
        ((413,), ResponseKind.TOO_LARGE),
        ((408, 429), ResponseKind.RETRYABLE),
        ((500, 501, 502, 503, 504, 507, 520, 521, 522, 524, 599), ResponseKind.SERVER_ERROR),
        ((100, 101, 103, 201, 202, 204, 206, 226, 299, 0, 600, 999), ResponseKind.RETRYABLE),
    ],
)
def test_answer__is_what_its_status_means(statuses: Sequence[int], kind: ResponseKind) -> None:
    """Each status stands for one thing to do; no success but 200 is taken for rows."""
    answers = [_judged(status, {"jobs": [DONE]}) for status in statuses]
    assert [answer.kind for answer in answers] == [kind] * len(statuses)
    assert [answer.status for answer in answers] == list(statuses)


@pytest.mark.parametrize("status", [*range(300, 309), 399, 401, 402, 403, 405, 406, 407, 409, 410, 411, 415, 422, 451])
def test_answer__that_no_retry_heals_is_refused(status: int) -> None:
    """A redirect, a refused key and any other 4xx end the gate, and the error names the status."""
    assert f"HTTP {status}" in _fatal_message(status)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (
            401,
            (
                "The API refused the key: HTTP 401. It is missing, revoked or of another workspace: hand over a key"
                " made under Deploy → API Keys of the workspace that queued the jobs."
            ),
        ),
        (
            403,
            "The API refused the key: HTTP 403. It needs the read scope: make a key that has it.",
        ),
        (
            307,
            (
                "The API answered with a redirect: HTTP 307, to nowhere. It is not followed, so that the key goes"
                " nowhere else: set api-url to the API's own address."
            ),
        ),
        (405, "The API refused the request: HTTP 405. Check api-url, and any proxy before it."),
    ],
)
def test_refusal__is_worded_in_full(status: int, text: str) -> None:
    """The error says what happened, with the status, and the next step."""
    assert _fatal_message(status) == text


@given(st.integers(0, 999), st.binary(max_size=20) | st.just(b'{"jobs": []}'))
def test_answer__of_any_status_has_a_meaning(status: int, body: bytes) -> None:
    """Whatever the status and the body, an answer is judged, or refused."""
    try:
        answer = _judged(status, body)
    except RequestRefusedError:
        assert status // 100 in {3, 4}
    else:
        assert answer.kind is not ResponseKind.FATAL
        assert (answer.kind is ResponseKind.OK) <= (status == 200)


@pytest.mark.parametrize("is_broken_connection", [True, False])
def test_answer__that_never_came_is_unusable(*, is_broken_connection: bool) -> None:
    """A failure says itself what went wrong; only a broken connection may be tried anew at once."""
    answer = classify(Failure("it hung up", is_broken_connection), ["a"], secret=SECRET)
    assert answer.kind is ResponseKind.RETRYABLE
    assert answer.problem == "it hung up"
    assert answer.retry_immediately is is_broken_connection
    assert answer.status is None


def test_answer__that_came_is_never_tried_again_at_once() -> None:
    """An API that answers is given time."""
    assert not _judged(429).retry_immediately


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, ("missing", "revoked", "another workspace", "Deploy → API Keys")),
        (403, ("read scope",)),
        (302, ("redirect", "api-url", "not followed")),
        (405, ("api-url", "proxy")),
        (407, ("api-url", "proxy")),
    ],
)
def test_refusal__says_what_to_do(status: int, words: Sequence[str]) -> None:
    """The error of a refused request holds what the API said, its request ID, and what to do."""
    text = _fatal_message(status, _error(status, "It said why"), {"X-Request-Id": "req-1"})
    assert all(word in text for word in (*words, "It said why", "req-1")), text


def test_refusal__of_a_redirect_names_its_target() -> None:
    """Where a redirect leads is told, cut to a readable length; without one it says so."""
    assert "https://elsewhere.example/login" in _fatal_message(
        302, b"", {"Location": "https://elsewhere.example/login"}
    )
    assert "nowhere" in _fatal_message(302)
    assert len(_fatal_message(302, b"", {"Location": "https://elsewhere.example/" + "x" * 60_000})) < 1000


# --- The rows ------------------------------------------------------------------------------------------------------


def _rows(body: object, *job_ids: str) -> Mapping[str, list[StatusRow]]:
    answer = _judged(200, body, job_ids=job_ids)
    assert answer.kind is ResponseKind.OK
    return answer.rows


def test_rows__are_found_by_the_id_asked_for() -> None:
    """Rows come in any order, in any letters' case, doubled, left out, or for jobs nobody asked for."""
    rows = _rows(
        {
            "jobs": [
                {"id": "B", "jobStatus": "PENDING"},
                {"id": "alien", "jobStatus": "COMPLETED"},
                {"id": "a", "jobStatus": "COMPLETED", "hcArticleId": "article"},
                {"id": "b", "jobStatus": "FAILED"},
            ],
            "extra": [],
        },
        *("A", "b", "left-out"),
    )
    assert rows == {
        "A": [StatusRow(id="a", status="COMPLETED", article_id="article")],
        "b": [StatusRow(id="B", status="PENDING"), StatusRow(id="b", status="FAILED")],
    }


def test_rows__may_be_none() -> None:
    """An empty list is an answer that leaves every job out."""
    assert _rows({"jobs": []}, "a") == {}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xef\xbb\xbf" + json.dumps({"jobs": [DONE]}).encode(), {}),
        ({"jobs": [DONE]}, {"Content-Type": "text/html; charset=utf-16"}),
        (b'{"jobs": [' + json.dumps(DONE).encode() + b'], "more": [' + b"1," * 400_000 + b"1]}", {}),
        ({"jobs": [{**DONE, "n": 1e300, "deep": [[[{}]]]}], "jobCount": 1}, {}),
    ],
    ids=["byte-order mark", "wrong content type", "many values", "extra fields"],
)
def test_rows__need_only_the_documented_shape(body: object, headers: Mapping[str, str]) -> None:
    """JSON in UTF-8 with a list of rows will do, whatever is said about it and whatever else is in it."""
    assert list(_judged(200, body, headers).rows) == ["a"]


SHAPELESS = {
    "empty": b"",
    "white space": b" \n",
    "HTML": b"<!DOCTYPE html><title>Please wait</title>",
    "cut short": b'{"jobs": [{"id": "a", "jobStatus": "COMPL',
    "followed by more": b'{"jobs": []}{"jobs": []}',
    "null": b"null",
    "a list": json.dumps([DONE]).encode(),
    "a text": b'"jobs"',
    "a number": b"200",
    "an empty object": b"{}",
    "jobs null": b'{"jobs": null}',
    "jobs an object": json.dumps({"jobs": {"a": DONE}}).encode(),
    "jobs a text": b'{"jobs": "a"}',
    "a row null": json.dumps({"jobs": [DONE, None]}).encode(),
    "a row a list": json.dumps({"jobs": [DONE, ["a"]]}).encode(),
    "a row without an ID": json.dumps({"jobs": [DONE, {"jobStatus": "COMPLETED"}]}).encode(),
    "a row with a number for an ID": json.dumps({"jobs": [{**DONE, "id": 5}]}).encode(),
    "a row with null for an ID": json.dumps({"jobs": [{**DONE, "id": None}]}).encode(),
    "too many values": b'{"jobs": [], "more": [' + b"1," * 499_998 + b"1]}",
    "too many lists": b'{"jobs": [' + b"[" * 500_000 + b"]" * 500_000 + b"]}",
    "UTF-16": json.dumps({"jobs": [DONE]}).encode("utf-16"),
    "no UTF-8": b'{"jobs": [{"id": "\xff"}]}',
    "not a number": b'{"jobs": [], "n": NaN}',
    "infinity": b'{"jobs": [], "n": -Infinity}',
    "nested too deeply": b"[" * 200_000,
    "objects nested too deeply": b'{"jobs":' * 200_000,
}


@pytest.mark.parametrize("body", SHAPELESS.values(), ids=SHAPELESS)
def test_rows__of_another_shape_are_unusable_as_a_whole(body: bytes) -> None:
    """A 200 that is not a well-formed list of rows gives no row at all, and says what it was in a few words."""
    answer = _judged(200, body)
    assert answer.kind is ResponseKind.RETRYABLE
    assert answer.rows == {}
    assert answer.problem.startswith("HTTP 200, but ")
    assert len(answer.problem) < 100


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        (b"", "what came is no JSON"),
        (b"null", "with no list of jobs in it"),
        (b'{"jobs": [{}]}', "with a row without an ID in it"),
        (b'{"jobs": [' + b"{}," * 250_000 + b"{}]}", "with more than 500000 values in it"),
    ],
)
def test_rows__of_another_shape_say_which(body: bytes, flaw: str) -> None:
    """The problem says in a few words what came in place of rows."""
    assert _judged(200, body).problem == f"HTTP 200, but {flaw}"


@pytest.mark.parametrize(
    ("more", "kind"), [(b"1", ResponseKind.OK), (b"{}", ResponseKind.RETRYABLE), (b"[]", ResponseKind.RETRYABLE)]
)
def test_rows__with_as_many_values_as_may_be(more: bytes, kind: ResponseKind) -> None:
    """500,000 values are the most, lists and objects among them."""
    body = b'{"jobs": [], "more": [' + b"1," * 499_996 + more + b"]}"
    assert sum(map(body.count, (b",", b"[", b"{"))) == 500_000 + (kind is ResponseKind.RETRYABLE)
    assert _judged(200, body).kind is kind


def test_rows__with_halves_of_characters_are_made_whole() -> None:
    """What no file can hold is replaced, and costs no row."""
    (row,) = _judged(200, b'{"jobs": [{"id": "a", "jobStatus": "FAILED", "error": "x\\ud83d y"}]}').rows["a"]
    assert row.error == "x? y"


def test_rows__may_come_with_a_number_of_any_length() -> None:
    """A number that no machine can hold, where the gate reads none, is no reason to refuse the rows."""
    assert _judged(200, b'{"jobs": [], "n": ' + b"9" * 5000 + b"}").kind is ResponseKind.OK


def test_rows__may_have_a_number_for_an_article() -> None:
    """An ID that is a whole number is text to the gate, to the last digit."""
    body = b'{"jobs": [{"id": "a", "jobStatus": "COMPLETED", "hcArticleId": 123456789012345678901234567890}]}'
    (row,) = _judged(200, body).rows["a"]
    assert row.article_id == "123456789012345678901234567890"


# --- What the API said ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("One or more jobs do not exist", "HTTP 404: One or more jobs do not exist"),
        (["jobIds should not be empty", 5, None, "jobIds must be an array"], None),
        ("", "HTTP 404"),
        (None, "HTTP 404"),
        ({"text": "no"}, "HTTP 404"),
        ([], "HTTP 404"),
        (5, "HTTP 404"),
    ],
)
def test_problem__is_what_the_api_said(message: object, said: str | None) -> None:
    """The API's own message stands behind the status: a text, or the texts of a list."""
    said = said or "HTTP 404: jobIds should not be empty; jobIds must be an array"
    assert _judged(404, _error(404, message)).problem == said


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]", b"\xff", b"[" * 200_000, b'{"message": NaN}'])
def test_problem__of_an_error_without_json_is_its_status(body: bytes) -> None:
    """An error page of a proxy is not quoted."""
    assert _judged(502, body).problem == "HTTP 502"


def test_problem__is_of_readable_length() -> None:
    """A message, or a request ID, that goes on and on is cut."""
    problem = _judged(500, _error(500, "m" * 10_000), {"X-Request-Id": "r" * 10_000}).problem
    assert "m" * 100 in problem
    assert "r" * 100 in problem
    assert len(problem) < 700


@pytest.mark.parametrize(
    "name", ["X-Request-Id", "request-id", "X-Correlation-ID", "x-amzn-RequestId", "X-Amzn-Trace-Id", "CF-RAY"]
)
@pytest.mark.parametrize("status", [400, 404, 413, 429, 500])
def test_problem__names_the_request_id(status: int, name: str) -> None:
    """Where an answer carries a request ID, in whichever header, messages name it."""
    assert _judged(status, b"", {name: "req-77"}).problem == f"HTTP {status} (request ID req-77)"


def test_problem__names_one_request_id() -> None:
    """Of several the API's own counts, and an empty one does not."""
    headers = {"cf-ray": "proxy", "X-Request-Id": "own", "Request-Id": "other"}
    assert "own" in _judged(500, b"", headers).problem
    assert "other" in _judged(500, b"", {**headers, "X-Request-Id": ""}).problem


def test_problem__of_an_unusable_200_names_the_request_id() -> None:
    """HTML with 200 can be asked about, too."""
    assert "req-1" in _judged(200, b"<html>", {"X-Request-Id": "req-1"}).problem


# --- Retry-After ---------------------------------------------------------------------------------------------------

NOW = datetime(2026, 6, 11, 12, 0, 0, tzinfo=UTC)


def _http_date(date: datetime) -> str:
    return format_datetime(date, usegmt=True)


def _retry_after(value: str, **headers: str) -> float:
    return _judged(429, b"", {"Retry-After": value, **headers}).retry_after_seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("1", 1),
        (" 17 ", 17),
        ("0017", 17),
        ("86400", 86_400),
        ("9" * 18, 10**18),
        ("", 0),
        (" ", 0),
        ("-5", 0),
        ("+5", 0),
        ("1.5", 0),
        ("1e3", 0),
        ("5s", 0),
        ("5, 6", 0),
        ("soon", 0),
        ("inf", 0),
        ("nan", 0),
        ("٣", 0),
        ("²", 0),
        ("Thu, 99 Jun 2026 12:00:00 GMT", 0),
        ("Thu, 11 Jun 2026 25:00:00 GMT", 0),
        ("Thu, 11 Jun 99999 12:00:00 GMT", 0),
        ("Thu, 11 Jun 2026 12:00:00 +9999999999", 0),
    ],
)
def test_retry_after__in_seconds_or_nonsense(value: str, seconds: float) -> None:
    """A whole number of seconds counts as it is; whatever is neither that nor a date counts as not given."""
    assert _retry_after(value) == seconds


def test_retry_after__of_absurd_length_is_a_number_to_compare_with() -> None:
    """More digits than a number can have are longer than any limit."""
    assert _retry_after("9" * 400) > 1e18


@pytest.mark.parametrize(
    ("offset", "seconds"),
    [
        (timedelta(seconds=90), 90),
        (timedelta(days=1), 86_400),
        (timedelta(0), 0),
        (timedelta(seconds=-1), 0),
        (timedelta(days=-10_000), 0),
    ],
)
def test_retry_after__as_a_date_counts_from_the_servers_own_clock(offset: timedelta, seconds: float) -> None:
    """A date counts from the answer's `Date`, however wrong either clock is; one that has passed is no wait."""
    assert _retry_after(_http_date(NOW + offset), Date=_http_date(NOW)) == seconds


@pytest.mark.parametrize("date", [None, "", "yesterday", "Thu, 99 Jun 2026 12:00:00 GMT"])
def test_retry_after__as_a_date_counts_from_our_clock_where_the_server_tells_no_time(date: str | None) -> None:
    """Without a `Date`, or with one that is none, the machine's own clock has to do."""
    until = _http_date(datetime.now(UTC) + timedelta(minutes=10))
    assert 500 < _retry_after(until, **({} if date is None else {"Date": date})) <= 600


@pytest.mark.parametrize(
    "date", ["Thursday, 11-Jun-26 12:00:30 GMT", "Thu Jun 11 12:00:30 2026", "Thu, 11 Jun 2026 14:00:30 +0200"]
)
def test_retry_after__may_be_a_date_of_an_older_form(date: str) -> None:
    """Both obsolete forms of HTTP's dates, one of which names no time zone, are understood, and other zones are."""
    assert _retry_after(date, Date=_http_date(NOW)) == 30


@given(
    st.text(st.characters(max_codepoint=255), max_size=40) | st.from_regex(r"[A-Za-z0-9 ,:+\-()\"]{0,40}"),
    st.text(st.characters(max_codepoint=255), max_size=40),
)
def test_retry_after__of_any_text_is_a_time(value: str, date: str) -> None:
    """No header, however odd, breaks the judgement or asks for a negative wait."""
    assert _retry_after(value, Date=date) >= 0


def test_retry_after__not_given_is_no_wait() -> None:
    """Without the header the API asks for nothing."""
    assert _judged(429).retry_after_seconds == 0


@pytest.mark.parametrize(
    ("status", "value", "kind"),
    [
        (503, "7", ResponseKind.RETRYABLE),
        (503, "0", ResponseKind.SERVER_ERROR),
        (503, "soon", ResponseKind.SERVER_ERROR),
        (429, "7", ResponseKind.RETRYABLE),
        (400, "7", ResponseKind.BAD_REQUEST),
        (404, "7", ResponseKind.NOT_FOUND),
        (413, "7", ResponseKind.TOO_LARGE),
        (500, "7", ResponseKind.SERVER_ERROR),
    ],
)
def test_retry_after__says_that_a_503_heals_by_itself(status: int, value: str, kind: ResponseKind) -> None:
    """A 503 that names a time is waited for and not narrowed; a 500 is one ID's fault whatever it says."""
    assert _judged(status, b"", {"Retry-After": value}).kind is kind


# --- What may not be handed on -------------------------------------------------------------------------------------


def _leaves(leaf: str) -> st.SearchStrategy[Any]:
    """JSON that holds a text somewhere: as itself, inside another, in lists, as a value or as a name."""
    texts = st.sampled_from([leaf, f"Bearer {leaf}", f"{leaf}{leaf}"])
    return st.recursive(
        texts,
        lambda inner: (
            st.lists(inner, min_size=1, max_size=2)
            | st.dictionaries(st.sampled_from(["message", "x"]), inner, min_size=1)
            | st.dictionaries(texts, st.none(), min_size=1, max_size=1)
        ),
        max_leaves=3,
    )


FIELDS = ("jobStatus", "createdAt", "startedAt", "completedAt", "hcArticleId", "error", "errorMessage", "message")


def _everything_told(status: int, body: object, headers: Mapping[str, str]) -> list[str]:
    """Every text that an answer hands on."""
    try:
        answer = _judged(status, body, headers)
    except RequestRefusedError as error:
        return [str(error)]
    rows = [row for rows in answer.rows.values() for row in rows]
    return [
        answer.problem,
        *(
            text
            for row in rows
            for text in (
                row.id,
                row.status,
                row.created_at,
                row.started_at,
                row.completed_at,
                row.article_id,
                row.error,
            )
            if text is not None
        ),
    ]


@given(st.sampled_from([200, 302, 400, 401, 404, 413, 429, 500]), _leaves(SECRET), st.sampled_from(FIELDS))
def test_answer__never_hands_the_key_on(status: int, value: object, field: str) -> None:
    """Wherever an answer holds the key, in a header, a text, a list or a name, nothing told of it does."""
    body = {"message": value, "jobs": [{"id": "a", field: value}]}
    told = _everything_told(status, body, {"X-Request-Id": f"r-{SECRET}", "Location": f"https://x.example/{SECRET}"})
    assert not [text for text in told if SECRET in text]


@pytest.mark.parametrize("value", [SECRET, [SECRET], ["a", f"not {SECRET}"]])
def test_problem__shows_that_something_was_left_out(value: object) -> None:
    """In place of the key stand asterisks, in a message of one text or of several."""
    problem = _judged(400, _error(400, value)).problem
    assert "***" in problem
    assert SECRET not in problem


@given(
    st.sampled_from([200, 401, 404, 500]), _leaves("\ud83d"), st.sampled_from(FIELDS), st.sampled_from(["", "\udc00"])
)
def test_answer__hands_on_nothing_but_whole_characters(status: int, value: object, field: str, suffix: str) -> None:
    """Half a character, which JSON can hold and no file can, is replaced wherever it stands."""
    body = {"message": value, "jobs": [{"id": f"a{suffix}", field: value}, {"id": "a", field: value}]}
    for text in _everything_told(status, body, {}):
        assert text.encode()
