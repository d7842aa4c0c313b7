import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from fini_gate.client.failures import Failure
from fini_gate.client.responses import ParsedResponse, classify
from fini_gate.client.routes import STATUS, ResponseKind
from fini_gate.client.transport import Response
from fini_gate.models import StatusRow

SECRET = "fini_0123456789abcdef"
DONE = {"id": "a", "jobStatus": "COMPLETED"}
NOW = datetime(2026, 6, 11, 12, 0, 0, tzinfo=UTC)
SHAPED = '{"jobs": [], "more": [%s]}'


def parse(status: int, body: object = b"", *job_ids: str, **headers: str) -> ParsedResponse:
    """Classify a response with these bytes, or this JSON, as its body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    return classify(Response(status, named, raw), job_ids or ("a",), route=STATUS, secret=SECRET)


def error(status: int, message: object) -> dict[str, object]:
    """Build an error as the API words it."""
    return {"statusCode": status, "message": message, "error": "Error"}


# --- Kinds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (ResponseKind.OK, [200]),
        (ResponseKind.BAD_REQUEST, [400]),
        (ResponseKind.NOT_FOUND, [404]),
        (ResponseKind.TOO_LARGE, [413]),
        (ResponseKind.RETRYABLE, [408, 429, 100, 101, 103, 201, 202, 204, 206, 226, 299, 0, 600, 999]),
        (ResponseKind.SERVER_ERROR, [500, 501, 502, 503, 504, 507, 520, 521, 522, 524, 599]),
        (ResponseKind.FATAL, [*range(300, 309), 399, 401, 402, 403, 405, 406, 407, 409, 410, 411, 415, 422, 451]),
    ],
    ids=lambda value: value.name if isinstance(value, ResponseKind) else "",
)
def test_kind__follows_from_the_status(kind: ResponseKind, statuses: Sequence[int]) -> None:
    """Each status stands for one thing to do. No success but 200 counts as rows."""
    parsed = [parse(status, {"jobs": [DONE]}) for status in statuses]
    assert [(each.kind, each.status) for each in parsed] == [(kind, status) for status in statuses]
    assert not any(each.retry_immediately for each in parsed)


@pytest.mark.parametrize("is_broken_connection", [True, False])
def test_kind__of_a_failure_is_retryable(*, is_broken_connection: bool) -> None:
    """A failure describes itself. Only a broken connection is retried immediately."""
    parsed = classify(Failure("it hung up", is_broken_connection), ["a"], route=STATUS, secret=SECRET)
    assert parsed == ParsedResponse(
        kind=ResponseKind.RETRYABLE, problem="it hung up", retry_immediately=is_broken_connection
    )


@pytest.mark.parametrize(
    ("status", "beginning", "advice"),
    [
        (
            401,
            "The API rejected the key: {}. It may be invalid, revoked or from another workspace.",
            "Create a key under Deploy → API Keys in the workspace that queued the jobs.",
        ),
        (403, "The API rejected the key: {}.", "Use a key with the read scope."),
        (
            307,
            f"The API redirected the request: {{}}, to https://x.example/***/{'x' * 278}.",
            (
                "Redirects are not followed, so that the key reaches no other host. Set «api-url» to the API's own"
                " address."
            ),
        ),
        (405, "The API rejected the request: {}.", "Check «api-url» and any proxy in front of the API."),
    ],
)
def test_fatal__says_what_happened_and_what_to_do(status: int, beginning: str, advice: str) -> None:
    """The whole message holds what the API said, its request ID, and the next step."""
    location = f"https://x.example/{SECRET}/" + "x" * 60_000
    parsed = parse(status, error(status, "why"), X_Request_Id="r1", Location=location)
    assert parsed.problem == f"{beginning.format(f'HTTP {status}: why (request ID r1)')} {advice}"


def test_fatal__redirect_may_lack_a_target() -> None:
    """A redirect without a target says so."""
    assert parse(302).problem.startswith("The API redirected the request: HTTP 302, without a Location. ")


# --- Rows ----------------------------------------------------------------------------------------------------------


def test_rows__belong_to_the_id_as_sent() -> None:
    """Rows come in any order and letter case, doubled, omitted, or for other jobs."""
    rows = [
        {"id": "B", "jobStatus": "PENDING"},
        {"id": "alien", "jobStatus": "COMPLETED"},
        {"id": "a", "jobStatus": "COMPLETED", "hcArticleId": "article"},
        {"id": "b", "jobStatus": "FAILED"},
    ]
    assert parse(200, {"jobs": rows, "extra": []}, "A", "b", "omitted").rows == {
        "A": [StatusRow(id="a", status="COMPLETED", article_id="article")],
        "b": [StatusRow(id="B", status="PENDING"), StatusRow(id="b", status="FAILED")],
    }


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xef\xbb\xbf" + json.dumps({"jobs": [DONE]}).encode(), id="byte-order mark"),
        pytest.param({"jobs": [{**DONE, "n": 1e300, "deep": [[[{}]]]}], "jobCount": 1}, id="extra fields"),
        pytest.param(b'{"jobs": [' + json.dumps(DONE).encode() + b'], "n": ' + b"9" * 5000 + b"}", id="long number"),
    ],
)
def test_rows__need_only_the_documented_shape(body: object) -> None:
    """JSON in UTF-8 with a list of rows is enough, whatever charset the response claims."""
    assert list(parse(200, body, Content_Type="text/html; charset=utf-16").rows) == ["a"]


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        *((body, "a body that is not JSON") for body in (b"", b" \n", b"<!DOCTYPE html>", b'{"jobs": [{"id": "a"')),
        *((body, "a body that is not JSON") for body in (b'{"jobs": []}{}', b'{"jobs": [{"id": "\xff"}]}')),
        *((SHAPED % name, "a body that is not JSON") for name in ("NaN", "Infinity", "-Infinity")),
        (json.dumps({"jobs": [DONE]}).encode("utf-16"), "a body that is not JSON"),
        (b"[" * 200_000, "a body that is not JSON"),
        (b'{"jobs":' * 200_000, "a body that is not JSON"),
        *((body, "no list of jobs") for body in (b"null", b"[]", b'"jobs"', b"200", b"{}")),
        *((body, "no list of jobs") for body in ({"jobs": None}, {"jobs": {"a": DONE}}, {"jobs": "a"}, [DONE])),
        *(({"jobs": [DONE, row]}, "a row without an ID") for row in (None, ["a"], {}, {"id": 5}, {"id": None})),
        (SHAPED % ("1," * 499_998 + "1"), "more than 500000 values"),
        *((SHAPED % ("1," * 499_996 + more), "more than 500000 values") for more in ("{}", "[]")),
        ('{"jobs": [' + "[" * 500_000 + "]" * 500_000 + "]}", "more than 500000 values"),
    ],
)
def test_rows__of_another_shape_make_the_response_unusable(body: object, flaw: str) -> None:
    """A 200 that is not a well-formed list of rows gives no row at all, and says why."""
    parsed = parse(200, body.encode() if isinstance(body, str) else body, X_Request_Id="r1")
    assert (parsed.kind, parsed.rows) == (ResponseKind.RETRYABLE, {})
    assert parsed.problem == f"HTTP 200 (request ID r1) with {flaw}"


def test_rows__may_come_with_half_a_million_values() -> None:
    """500,000 values are the maximum, lists and objects included."""
    assert parse(200, (SHAPED % ("1," * 499_996 + "1")).encode()).kind is ResponseKind.OK


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (r'"error": "x\ud83d y"', StatusRow(id="a", error="x? y")),
        ('"hcArticleId": 123456789012345678901', StatusRow(id="a", article_id="123456789012345678901")),
    ],
    ids=["lone surrogate", "numeric article ID"],
)
def test_rows__keep_what_can_be_written(fields: str, expected: StatusRow) -> None:
    """A lone surrogate is replaced; a numeric ID keeps every digit."""
    assert parse(200, b'{"jobs": [{"id": "a", ' + fields.encode() + b"}]}").rows == {"a": [expected]}


# --- Problems ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "problem"),
    [
        (error(404, "Some jobs do not exist"), {}, "HTTP 404: Some jobs do not exist"),
        (error(404, ["no jobIds", 5, None, "not an array"]), {}, "HTTP 404: no jobIds; not an array"),
        *((error(404, said), {}, "HTTP 404") for said in list[object](["", None, {"text": "no"}, [], 5])),
        *((body, {}, "HTTP 404") for body in (b"", b"<html>", b"null", b"[]", b"\xff", b'{"message": NaN}')),
        (error(404, "m" * 1000), {"X_Request_Id": "r" * 1000}, f"HTTP 404: {'m' * 300} (request ID {'r' * 300})"),
        *(
            (b"", {name: "r1"}, "HTTP 404 (request ID r1)")
            for name in (
                *("X-Request-Id", "request-id", "X-Correlation-ID", "x-amzn-RequestId", "X-Amzn-Trace-Id"),
                *("X-Cloud-Trace-Context", "CF-RAY", "Traceparent"),
            )
        ),
        (b"", {"cf-ray": "proxy", "X-Request-Id": "own", "Request-Id": "b"}, "HTTP 404 (request ID own)"),
        (b"", {"cf-ray": "proxy", "X-Request-Id": "", "Request-Id": "b"}, "HTTP 404 (request ID b)"),
        (error(404, [f"not {SECRET}", SECRET]), {"X_Request_Id": SECRET}, "HTTP 404: not ***; *** (request ID ***)"),
    ],
)
def test_problem__is_what_the_api_said(body: object, headers: Mapping[str, str], problem: str) -> None:
    """The API's own message and request ID follow the status, short and without the key. A proxy's page does not."""
    assert parse(404, body, **headers).problem == problem


# --- Retry-After ---------------------------------------------------------------------------------------------------


def http_date(seconds: float) -> str:
    """Return a date so many seconds from NOW, as HTTP writes it."""
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((str(number), number) for number in (0, 1, 86_400)),
        *((" 17 ", 17), ("0017", 17), ("9" * 18, 10**18), ("9" * 400, float("inf"))),
        *((text, 0) for text in ("", " ", "-5", "+5", "1.5", "1e3", "5s", "5, 6", "soon", "inf", "nan", "٣", "²")),
        ("Thu, 99 Jun 2026 12:00:00 GMT", 0),
        ("Thu, 11 Jun 2026 25:00:00 GMT", 0),
        ("Thu, 11 Jun 99999 12:00:00 GMT", 0),
        ("Thu, 11 Jun 2026 12:00:00 +9999999999", 0),
        *((http_date(offset), max(0, offset)) for offset in (90, 86_400, 0, -1, -10_000 * 86_400)),
        ("Thursday, 11-Jun-26 12:00:30 GMT", 30),
        ("Thu Jun 11 12:00:30 2026", 30),
        ("Thu, 11 Jun 2026 14:00:30 +0200", 30),
    ],
)
def test_retry_after__is_seconds_or_a_date(value: str, seconds: float) -> None:
    """A date counts from the response's own Date. Whatever is neither counts as not given."""
    assert parse(429, b"", Retry_After=value, Date=http_date(0)).retry_after_seconds == seconds


@pytest.mark.parametrize(
    "headers", [{}, {"Date": ""}, {"Date": "yesterday"}, {"Date": "Thu, 99 Jun 2026 12:00:00 GMT"}]
)
def test_retry_after__falls_back_to_the_local_clock(headers: Mapping[str, str]) -> None:
    """Without a usable Date, the machine's own clock counts."""
    until = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    assert 500 < parse(429, b"", Retry_After=until, **headers).retry_after_seconds <= 600


@pytest.mark.parametrize(
    ("status", "value", "kind", "seconds"),
    [
        (503, "7", ResponseKind.RETRYABLE, 7),
        (503, "0", ResponseKind.SERVER_ERROR, 0),
        (503, "soon", ResponseKind.SERVER_ERROR, 0),
        (429, "7", ResponseKind.RETRYABLE, 7),
        (429, "", ResponseKind.RETRYABLE, 0),
        (400, "7", ResponseKind.BAD_REQUEST, 0),
        (404, "7", ResponseKind.NOT_FOUND, 0),
        (413, "7", ResponseKind.TOO_LARGE, 0),
        (500, "7", ResponseKind.SERVER_ERROR, 0),
    ],
)
def test_retry_after__counts_for_429_and_503(status: int, value: str, kind: ResponseKind, seconds: float) -> None:
    """A 503 that names a time is waited for rather than bisected."""
    parsed = parse(status, b"", Retry_After=value)
    assert (parsed.kind, parsed.retry_after_seconds) == (kind, seconds)


# --- Hostile text --------------------------------------------------------------------------------------------------

FIELDS = ("jobStatus", "createdAt", "startedAt", "completedAt", "hcArticleId", "error", "errorMessage", "message")


def documents(leaf: str) -> st.SearchStrategy[Any]:
    """Return JSON that holds a text: as itself, inside another, in lists, as a value or as a name."""
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


@given(
    st.sampled_from([200, 302, 400, 401, 404, 413, 429, 500]),
    st.sampled_from([SECRET, "\ud83d"]).flatmap(documents),
    st.sampled_from(FIELDS),
    st.sampled_from(["", "\udc00"]),
)
def test_text__holds_neither_the_key_nor_surrogates(status: int, value: object, field: str, odd: str) -> None:
    """Wherever a response holds the key or half a character, nothing that is taken from it does."""
    body = {"message": value, "jobs": [{"id": "a", field: value}]}
    parsed = parse(status, body, X_Request_Id=f"r-{SECRET}{odd}", Location=f"https://x.example/{SECRET}{odd}")
    texts = [parsed.problem, *(str(text) for rows in parsed.rows.values() for row in rows for text in row)]
    assert not [text for text in texts if SECRET in text]
    assert "".join(texts).encode().decode() == "".join(texts)
