"""The stand-in's API over real sockets does what Fini's reference says."""

import json
import re
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import pytest

from fake_fini import FakeFini, Scenario
from tests.integration.clients import KEY, PATHS, ask, connected, request, rows, send, serving, wait_until
from tests.unit.fake_transport import Clock

A = {"id": "a"}
ASK = {"jobIds": ["a"]}
VALID = b'{"jobIds": ["a"]}'


def test_status__follows_a_job() -> None:
    """A row gains its dates and its article as the job proceeds, at the times that the scenario says."""
    clock, seen = Clock(), []
    with serving({**A, "queued-for": "2s", "runs-for": "3.5s"}, clock=clock) as api:
        for seconds in (0, 2, 3.5):
            clock.now += seconds
            seen += rows(api, "a")
    assert [row["jobStatus"] for row in seen] == ["PENDING", "IN_PROGRESS", "COMPLETED"]
    assert seen[0].keys() == {"id", "jobStatus", "createdAt", "hcArticleId"}
    assert seen[1].keys() == seen[0].keys() | {"startedAt"}
    assert seen[2].keys() == seen[1].keys() | {"completedAt"}
    assert [row["hcArticleId"] for row in seen[:2]] == [None, None]
    assert UUID(seen[2]["hcArticleId"])
    dates = [seen[2][name] for name in ("createdAt", "startedAt", "completedAt")]
    assert {(len(date), date[-1]) for date in dates} == {(len("2026-06-11T12:00:00.000Z"), "Z")}
    created, started, completed = map(datetime.fromisoformat, dates)
    assert ((started - created).total_seconds(), (completed - started).total_seconds()) == (2, 3.5)


@pytest.mark.parametrize(("starts", "job_status"), [("at-first-request", "IN_PROGRESS"), ("at-start", "COMPLETED")])
def test_clock__starts(starts: str, job_status: str) -> None:
    """Time begins at the first status request with a valid key, or at the start."""
    clock = Clock()
    with serving({**A, "runs-for": "5s"}, clock=clock, clock_starts=starts) as api:
        clock.now += 60
        assert send(api, request(ASK, Authorization="Bearer fini_other")).status == 401
        clock.now += 60
        assert rows(api, "a")[0]["jobStatus"] == job_status


@pytest.mark.parametrize(
    ("job", "field", "value"),
    [
        ({"ends-as": "FAILED", "error": "no text"}, "error", "no text"),
        ({"ends-as": "FAILED"}, "hcArticleId", None),
        ({"ends-as": "FAILED", "article-id": "x"}, "hcArticleId", "x"),
        ({"ends-as": "WEIRD"}, "jobStatus", "WEIRD"),
        ({"error": {"message": "no text"}}, "error", {"message": "no text"}),
        ({"article-id": None}, "hcArticleId", None),
        ({"queued-for": "never"}, "jobStatus", "PENDING"),
        ({"runs-for": "never"}, "jobStatus", "IN_PROGRESS"),
        ({"queued-for": "never", "statuses": {"pending": "WAITING"}}, "jobStatus", "WAITING"),
        ({"runs-for": "never", "statuses": {"running": "AT_IT"}}, "jobStatus", "AT_IT"),
        ({"runs-for": "never", "error": "not yet"}, "error", "absent"),
        ({"row": {"completedAt": None}}, "completedAt", None),
        ({"row": {"id": "A", "more": [1]}}, "more", [1]),
    ],
)
def test_status__shows_a_job_as_the_scenario_describes_it(job: dict[str, Any], field: str, value: object) -> None:
    """Each key of a job shows in its row."""
    with serving({**A, **job}) as api:
        assert rows(api, "a")[0].get(field, "absent") == value


def test_status__gives_each_id_one_row_in_the_order_of_the_request() -> None:
    """An ID that is given twice has one row, an omitted job none."""
    with serving(A, {"id": "b"}, {"id": "c", "omitted": True}) as api:
        assert [row["id"] for row in rows(api, "b", "c", "a", "b")] == ["b", "a"]


@pytest.mark.parametrize(
    ("job", "seconds", "status"),
    [
        ({"id": "A"}, 0, 404),
        ({"appears-after": "2s"}, 1.9, 404),
        ({"appears-after": "2s"}, 2, 200),
        ({"malformed": True}, 0, 400),
        ({"broken": True}, 0, 500),
        ({"broken": 503}, 0, 503),
        ({"broken": True, "broken-until": "3s"}, 2.9, 500),
        ({"broken": True, "broken-until": "3s"}, 3, 200),
    ],
)
def test_status__refuses_the_whole_request_for_one_job(job: dict[str, Any], seconds: float, status: int) -> None:
    """The error does not name the job; requests without it are answered. A malformed ID counts before a missing one."""
    clock = Clock()
    with serving({"id": "fine"}, {"id": "a", **job}, clock=clock) as api:
        assert ask(api, "fine").status == 200
        clock.now += seconds
        received = ask(api, "fine", "a", *["lost"] * (status == 400))
        assert ask(api, "fine").status == 200
    assert received.status == received.payload.get("statusCode", 200) == status
    assert status == 200 or '"a"' not in str(received.payload)


CONTENT = {
    "title": "Refunds",
    "mainKnowledge": "Within a week.",
    "agentInstruction": "Be kind.",
    "questions": ["When?"],
    "keywords": ["refund"],
    "escalation": True,
}
BAD_CONTENT: list[tuple[str, object, str]] = [
    *((name, None, "must be a string") for name in ("title", "mainKnowledge", "agentInstruction")),
    *((name, "text", "must be an array") for name in ("questions", "keywords")),
    *((name, [], "should not be empty") for name in ("questions", "keywords")),
    ("escalation", 0, "must be a boolean value"),
]
READER, WRITER = {"Authorization": "Bearer fini_reader"}, {"Authorization": "Bearer fini_writer"}
NO_SCOPE = "API key does not have the required scope for this operation"
NOT_JSON = "The body is not valid JSON"
NO_OBJECT = "The body is not a JSON object"
NO_ARRAY = ["jobIds must be an array"]
NO_TEXT = ["each value in jobIds must be a string that is not empty"]
TOO_LARGE = "request entity too large"


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        # Without a usable length there is no request to record.
        (request(b"", Content_Length="many"), 411, "Length Required"),
        (request(b"", Content_Length="-1"), 411, "Length Required"),
        (request(b"", Transfer_Encoding="chunked"), 411, "Length Required"),
        (request(b"", Content_Length="17000000"), 0, None),
        # The route comes first, then the key, whatever the body.
        (request({}, "/v2/x", Authorization=""), 404, "Cannot POST /v2/x"),
        (request(ASK, method="GET"), 404, f"Cannot GET {PATHS['status']}"),
        (request(ASK, "/", method="DELETE"), 404, "Cannot DELETE /"),
        (f"POST {PATHS['status']} HTTP/1.1\r\nConnection: close\r\n\r\n".encode(), 401, "Unauthorized"),
        (request(b"{", Authorization=""), 401, "Unauthorized"),
        (request(b"{", Authorization=KEY), 401, "Unauthorized"),
        (request(ASK, Authorization=f"Basic {KEY}"), 401, "Unauthorized"),
        (request(ASK, Authorization=f"bearer {KEY}"), 401, "Unauthorized"),
        (request(ASK, Authorization=f"Bearer  {KEY}"), 401, "Unauthorized"),
        (request(ASK, Authorization="Bearer "), 401, "Unauthorized"),
        (request(ASK, Authorization="Bearer fini_other"), 401, "Unauthorized"),
        (request(ASK, **READER), 200, None),
        (request({"articleIds": ["a"]}, "articles", **READER), 200, None),
        (request(CONTENT, "publish", **READER), 403, NO_SCOPE),
        (request({}, "generate", **READER), 403, NO_SCOPE),
        (request({"documentIds": ["d"]}, "bulk", **READER), 403, NO_SCOPE),
        (request(ASK, **WRITER), 403, NO_SCOPE),
        (request({"articleIds": ["a"]}, "articles", **WRITER), 403, NO_SCOPE),
        (request(CONTENT, "publish", **WRITER), 404, "The article draft was not found"),
        (request(ASK, "publish", method="PUT"), 404, f"Cannot PUT {PATHS['publish']}"),
        (request({}, "generate", **WRITER), 200, None),
        (request({"documentIds": ["d"]}, "bulk", **WRITER), 200, None),
        (request({"documentIds": ["doc-1"]}, "refresh", **READER), 403, NO_SCOPE),
        (request({}, "sources", method="GET", **WRITER), 403, NO_SCOPE),
        (request({}, f"{PATHS['sources']}/x", method="GET", **WRITER), 403, NO_SCOPE),
        (request(b"{"), 400, NOT_JSON),
        (request(b'{"jobIds": NaN}'), 400, NOT_JSON),
        (request(b'{"jobIds": ["\xff"]}'), 400, NOT_JSON),
        (request(b"[" * 100_000), 400, NOT_JSON),
        (request(b"null"), 400, NO_OBJECT),
        (request({}), 400, NO_ARRAY),
        (request(["a"]), 400, NO_ARRAY),
        (request({"jobIds": "a"}), 400, NO_ARRAY),
        (request(b""), 400, NO_ARRAY),
        (request(ASK, Content_Type="text/plain"), 400, NO_ARRAY),
        (request({"jobIds": []}), 400, ["jobIds should not be empty"]),
        (request({"documentIds": []}, "bulk"), 400, ["documentIds should not be empty"]),
        *(
            (request({"documentIds": ["d"], "isDraft": value}, route), 400, ["isDraft must be a boolean value"])
            for route, value in (("bulk", "false"), ("generate", "true"))
        ),
        *(
            (request({**CONTENT, name: value}, "publish"), 400, [f"{name} {message}"])
            for name, value, message in BAD_CONTENT
        ),
        (request({}, "publish"), 400, ["title must be a string"]),
        (request({"jobIds": [""]}), 400, NO_TEXT),
        (request({"jobIds": ["a", 1]}), 400, NO_TEXT),
        (request(VALID.ljust(102_400), Content_Type="application/json; charset=utf-8"), 200, None),
        (request(VALID.ljust(102_401)), 413, TOO_LARGE),
        (request(VALID.ljust(3_000_000)), 413, TOO_LARGE),
    ],
)
def test_request__is_checked(data: bytes, status: int, message: object) -> None:
    """An error has the documented form; the messages of request validation are a list."""
    keys = {KEY: ["read", "write"], "fini_reader": ["read"], "fini_writer": ["write"]}
    with serving(A, api_keys=keys) as api:
        received = send(api, data)
        assert len(api.requests) == (status not in (0, 411))
    assert received.status == status
    if status > 200:
        error = HTTPStatus(status).phrase
        assert received.payload == {"statusCode": status, "message": message, "error": error}


def test_generate__queues_jobs() -> None:
    """Each queued job has its own ID, and its own time, which begins when it is queued."""
    clock, seen = Clock(), []
    with serving(clock=clock) as api:
        first, other = (send(api, request({}, "generate")).payload["backgroundJobId"] for _ in range(2))
        clock.now += 0.5
        late = send(api, request({}, "generate")).payload["backgroundJobId"]
        for seconds in (0, 0.5, 2):
            clock.now += seconds
            seen.append([row["jobStatus"] for row in rows(api, first, late)])
    assert seen == [["PENDING", "PENDING"], ["IN_PROGRESS", "PENDING"], ["COMPLETED", "IN_PROGRESS"]]
    assert first != other


def test_bulk__queues_a_job_per_source() -> None:
    """A source of the scenario has the scenario's job; for others, `queued` says what happens to the job."""
    queued = {"queued-for": 0, "runs-for": 0, "ends-as": "FAILED", "error": "no"}
    with serving({**A, "document-id": "doc-1"}, queued=queued) as api:
        jobs = send(api, request({"documentIds": ["doc-1", "doc-2"]}, "bulk")).payload["jobs"]
        _, row = rows(api, *(job["backgroundJobId"] for job in jobs))
    assert [job["documentId"] for job in jobs] == ["doc-1", "doc-2"]
    assert jobs[0]["backgroundJobId"] == "a"
    assert UUID(jobs[1]["backgroundJobId"])
    assert (row["jobStatus"], row["error"], row["hcArticleId"]) == ("FAILED", "no", None)


def test_bulk__returns_the_jobs_of_a_source_in_turn() -> None:
    """The last one is returned again and again."""
    doc = {"document-id": "doc"}
    with serving({**A, **doc, "ends-as": "FAILED"}, {"id": "b", **doc}) as api:
        queued = [send(api, request({"documentIds": ["doc"]}, "bulk")).payload["jobs"] for _ in range(3)]
    assert [job["backgroundJobId"] for (job,) in queued] == ["a", "b", "b"]


def test_articles__are_those_that_jobs_have_made() -> None:
    """The response is a list; articles that do not exist yet, or at all, are missing from it."""
    clock = Clock()
    jobs = [
        {"id": "a", "article-id": "article-a", "title": "How refunds work"},
        {"id": "b", "article-id": "article-b", "document-id": "doc-b"},
        {"id": "c", "article-id": "article-c", "runs-for": "9s"},
    ]
    wanted = request({"articleIds": ["article-b", "article-c", "nothing", "article-a"]}, "articles")
    with serving(clock=clock, clock_starts="at-start", jobs=jobs) as api:
        articles = send(api, wanted).payload
        clock.now += 9
        later = send(api, wanted).payload
    assert [(row["id"], row["title"]) for row in later] == [
        ("article-b", "About doc-b"),
        ("article-c", "About c"),
        ("article-a", "How refunds work"),
    ]
    assert articles == [later[0], later[2]]
    types = {"mainKnowledge": str, "agentInstruction": str, "questions": list, "keywords": list, "escalation": bool}
    assert {name: type(value) for name, value in articles[0].items()} == {"id": str, "title": str, **types}
    assert all(articles[0][name] for name in types.keys() - {"escalation"})


def article(api: FakeFini, article_id: object) -> dict[str, Any] | None:
    """Get an article, if there is one."""
    found: list[dict[str, Any]] = send(api, request({"articleIds": [article_id]}, "articles")).payload
    return found[0] if found else None


DOC = {"document-id": "doc"}


@pytest.mark.parametrize(
    ("job", "queued", "body", "published"),
    [
        # A job of the scenario is live, unless it says otherwise or a request queues it.
        ({}, {}, None, "absent"),
        ({"draft": False}, {}, None, "absent"),
        ({"draft": True}, {}, None, False),
        ({}, {}, {}, False),
        ({}, {"draft": False}, {}, False),
        ({}, {}, {"isDraft": True}, False),
        ({}, {}, {"isDraft": False}, "absent"),
        ({"draft": False}, {}, {"isDraft": True}, "absent"),
        ({"draft": True}, {}, {"isDraft": False}, False),
        # A job that only a request queues.
        (None, {}, {}, False),
        (None, {}, {"isDraft": False}, "absent"),
        (None, {"draft": False}, {"isDraft": True}, "absent"),
        (None, {"draft": True}, {"isDraft": False}, False),
    ],
)
def test_articles__are_drafts_or_live(
    job: dict[str, Any] | None, queued: dict[str, Any], body: dict[str, Any] | None, published: object
) -> None:
    """The job says whether its article is a draft, or else the request that queued it; drafts are the default there."""
    jobs = [] if job is None else [{**A, **DOC, **job}]
    with serving(jobs=jobs, queued={"queued-for": 0, "runs-for": 0, **queued}) as api:
        if body is not None:
            send(api, request({"documentIds": ["doc"], **body}, "bulk"))
        job_id = "a" if jobs else send(api, request(body, "generate")).payload["backgroundJobId"]
        found = article(api, rows(api, job_id)[0]["hcArticleId"])
    assert found is not None
    assert found.get("isDraftPublished", "absent") == published


def test_articles__may_be_missing() -> None:
    """A job may have an article that cannot be found."""
    with serving({**A, "article-id": "x", "article-missing": True}) as api:
        assert (rows(api, "a")[0]["hcArticleId"], article(api, "x")) == ("x", None)


@pytest.mark.parametrize("original", [None, "live"])
def test_publish__leaves_one_live_article(original: str | None) -> None:
    """A draft of a live article updates it, another draft creates one; the draft is gone then, and cannot come back."""
    draft = {"id": "a", "article-id": "article-a", "draft": True, "original-article-id": original}
    with serving(draft, {"id": "b", "article-id": "live"}) as api:
        before, live_before = article(api, "article-a"), article(api, "live")
        published = send(api, request(CONTENT, "publish")).payload
        assert published == {"id": published["id"], **CONTENT} == article(api, published["id"])
        assert article(api, "article-a") is None
        assert send(api, request(CONTENT, "publish")).status == 404
        assert (article(api, "live") == live_before) == (original is None)
        assert api.requests[2].ids == ("article-a",)
    assert before is not None
    assert before.get("originalArticleId") == original
    assert original or UUID(published["id"])
    assert original in (None, published["id"])


def test_connection__is_kept() -> None:
    """Requests share a connection, whatever the responses; each response has its own request ID."""
    kept = {"Connection": "keep-alive"}
    data = [request(ASK, **kept), request(ASK, "/x", **kept), request(ASK, **kept), request(ASK)]
    data.insert(1, request(VALID.ljust(3_000_000), **kept))
    with serving(A, faults=[{"requests": 3, "do": {"status": 503}}], latency="1ms") as api:
        received = send(api, b"".join(data)).raw
    assert re.findall(rb"HTTP/1.1 ([0-9]+)", received) == [b"200", b"413", b"404", b"503", b"200"]
    assert len(set(re.findall(rb"X-Request-Id: (\S+)", received))) == 5


@pytest.mark.parametrize(("host", "url"), [("localhost", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
def test_host__is_loopback(host: str, url: str) -> None:
    """The stand-in listens on any loopback address."""
    try:
        with FakeFini(Scenario.from_mapping({}), host=host) as api:
            assert api.url.startswith(url)
            assert send(api, request(ASK, "/")).status == 404
    except OSError:
        assert host == "::1"
        pytest.skip("this machine has no IPv6")


def test_server__survives_clients_that_leave(capfd: pytest.CaptureFixture[str]) -> None:
    """A client may leave before its request is complete, or before the response is; nothing is printed."""
    with serving(A, faults=[{"requests": 1, "do": {"drip": "5ms"}}]) as api:
        for data in (request(ASK)[:20], request(ASK)[:-1], request({})):
            with connected(api.url) as connection:
                connection.sendall(data)
        wait_until(lambda: api.requests)
        assert len(rows(api, "a")) == 1
        assert [recorded.status for recorded in api.requests] == [400, 200]
    assert capfd.readouterr() == ("", "")


def test_requests__are_recorded(caplog: pytest.LogCaptureFixture) -> None:
    """Each request is recorded and logged with its status; the log shows no key and no control character."""
    clock, faults = Clock(), [{"requests": 2, "do": "hang-up"}]
    with caplog.at_level("INFO", "fake_fini"), serving(A, clock=clock, faults=faults) as api:
        clock.now += 1.5
        rows(api, "a")
        clock.now += 1
        ask(api, "a", "b")
        send(api, request({"articleIds": ["x"]}, f"{PATHS['articles']}?key={KEY}"))
        send(api, request(ASK, "/\x1b[31m"))
    assert [(seen.at_seconds, seen.path, seen.job_ids, seen.status) for seen in api.requests] == [
        (1.5, PATHS["status"], ("a",), 200),
        (2.5, PATHS["status"], ("a", "b"), None),
        (2.5, PATHS["articles"], (), 200),
        (2.5, "/\\x1b[31m", (), 404),
    ]
    first = api.requests[0]
    assert (first.method, first.headers["authorization"], json.loads(first.body)) == ("POST", f"Bearer {KEY}", ASK)
    assert caplog.messages == [
        f"POST {PATHS['status']}: 200, 1 IDs",
        f"POST {PATHS['status']}: no response, 2 IDs",
        f"POST {PATHS['articles']}: 200, 1 IDs",
        "POST /\\x1b[31m: 404, 0 IDs",
    ]
