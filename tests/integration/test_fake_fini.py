"""The stand-in's API, over real sockets: what Fini's reference says, it does."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from fake_fini import FakeFini, Scenario

STATUS_ROUTE: Final = "/v2/knowledge/public/jobs/status"
ARTICLES_ROUTE: Final = "/v2/hc-articles/ids/public"
GENERATE_ROUTE: Final = "/v2/knowledge/public"
BULK_ROUTE: Final = "/v2/knowledge/public/bulk"
KEY: Final = "fini_demo_key"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


class Client:
    """One kept connection to the stand-in."""

    def __init__(self, api: FakeFini) -> None:
        parts = urlsplit(api.url)
        self.connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)

    def ask(
        self,
        path: str,
        payload: object = None,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[int, Any]:
        """Ask, and give the status and the decoded body."""
        every = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **(headers or {})}
        sent = json.dumps(payload).encode() if body is None else body
        self.connection.request(method, path, sent, every)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def rows(self, *job_ids: str) -> list[dict[str, Any]]:
        """Ask for jobs that the stand-in knows."""
        status, payload = self.ask(STATUS_ROUTE, {"jobIds": job_ids})
        assert status == 200
        rows = payload["jobs"]
        assert isinstance(rows, list)
        return rows


@contextmanager
def serving(clock: Callable[[], float] | None = None, **scenario: object) -> Iterator[tuple[FakeFini, Client]]:
    """A stand-in and a client of it; `_` in a key stands for `-`."""
    mapping = {key.replace("_", "-"): value for key, value in scenario.items()}
    with FakeFini(Scenario.from_mapping(mapping), clock=clock or Clock()) as api:
        client = Client(api)
        try:
            yield api, client
        finally:
            client.connection.close()


def ask_raw(client: Client, request: str) -> tuple[int, Any]:
    """Send a request as it is written."""
    with socket.create_connection((client.connection.host, client.connection.port), timeout=5) as connection:
        connection.sendall(request.encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        status, payload = response.status, json.loads(response.read())
        response.close()
    return status, payload


def test_status__follows_a_job_from_pending_to_completed() -> None:
    """A row gains its dates and its article as the job gets on, at the times that the scenario says."""
    clock = Clock()
    with serving(clock, jobs=[{"id": "a", "queued-for": "2s", "runs-for": "3s"}]) as (_, client):
        (pending,) = client.rows("a")
        clock.now += 2
        (running,) = client.rows("a")
        clock.now += 3
        (completed,) = client.rows("a")
    assert (pending["jobStatus"], running["jobStatus"], completed["jobStatus"]) == (
        "PENDING",
        "IN_PROGRESS",
        "COMPLETED",
    )
    assert set(pending) == {"id", "jobStatus", "createdAt", "hcArticleId"}
    assert set(running) == {*pending, "startedAt"}
    assert set(completed) == {*running, "completedAt"}
    assert pending["hcArticleId"] is None
    assert str(UUID(completed["hcArticleId"])) == completed["hcArticleId"]


def test_status__gives_dates_in_iso_8601_with_milliseconds_and_z() -> None:
    """Dates look as in the reference, and lie apart as the scenario says."""
    clock = Clock()
    with serving(clock, jobs=[{"id": "a", "queued-for": "250ms", "runs-for": "1s"}]) as (_, client):
        client.rows("a")
        clock.now += 60
        (row,) = client.rows("a")
    dates = [row["createdAt"], row["startedAt"], row["completedAt"]]
    assert all(len(date) == len("2026-06-11T12:00:00.000Z") and date.endswith("Z") for date in dates)
    # ISO dates of one form sort as they lie in time.
    assert dates == sorted(set(dates))


def test_status__counts_time_from_the_first_request_that_is_let_in() -> None:
    """Neither the time before nor a request with a wrong key starts the jobs."""
    clock = Clock()
    with serving(clock, jobs=[{"id": "a", "runs-for": "5s"}]) as (_, client):
        clock.now += 60
        client.ask(STATUS_ROUTE, {"jobIds": ["a"]}, headers={"Authorization": "Bearer fini_other"})
        clock.now += 60
        (row,) = client.rows("a")
    assert row["jobStatus"] == "IN_PROGRESS"


def test_status__counts_time_from_the_start_where_the_scenario_says_so() -> None:
    """With `clock-starts: at-start`, jobs get on before anybody asks."""
    clock = Clock()
    with serving(clock, clock_starts="at-start", jobs=[{"id": "a", "runs-for": "5s"}]) as (_, client):
        clock.now += 5
        (row,) = client.rows("a")
    assert row["jobStatus"] == "COMPLETED"


def test_status__gives_one_row_an_id_in_the_order_asked_for() -> None:
    """An ID named twice has one row."""
    with serving(jobs=[{"id": "a"}, {"id": "b"}]) as (_, client):
        assert [row["id"] for row in client.rows("b", "a", "b")] == ["b", "a"]


@pytest.mark.parametrize(
    ("job", "field", "value"),
    [
        ({"ends-as": "FAILED", "error": "no text"}, "jobStatus", "FAILED"),
        ({"ends-as": "FAILED", "error": "no text"}, "error", "no text"),
        ({"ends-as": "FAILED"}, "hcArticleId", None),
        ({"ends-as": "FAILED", "article-id": "x"}, "hcArticleId", "x"),
        ({"ends-as": "WEIRD"}, "jobStatus", "WEIRD"),
        ({"error": {"message": "no text"}}, "error", {"message": "no text"}),
        ({"article-id": None}, "hcArticleId", None),
        ({"article-id": "article-1"}, "hcArticleId", "article-1"),
        ({"queued-for": "never"}, "jobStatus", "PENDING"),
        ({"runs-for": "never"}, "jobStatus", "IN_PROGRESS"),
        ({"queued-for": "never", "statuses": {"pending": "WAITING"}}, "jobStatus", "WAITING"),
        ({"runs-for": "never", "statuses": {"running": "AT_IT"}}, "jobStatus", "AT_IT"),
        ({"runs-for": "never", "error": "not yet"}, "error", "absent"),
        ({"row": {"completedAt": None}}, "completedAt", None),
        ({"row": {"id": "A", "more": [1]}}, "more", [1]),
    ],
)
def test_status__shows_a_job_as_the_scenario_has_it(job: dict[str, Any], field: str, value: object) -> None:
    """Each key of a job shows in its row."""
    with serving(jobs=[{"id": "a", **job}]) as (_, client):
        (row,) = client.rows("a")
    assert row.get(field, "absent") == value


def test_status__leaves_out_the_row_of_an_omitted_job() -> None:
    """An omitted job is no error; its row is just not there."""
    with serving(jobs=[{"id": "a", "omitted": True}, {"id": "b"}]) as (_, client):
        assert [row["id"] for row in client.rows("a", "b")] == ["b"]


def test_status__refuses_the_whole_request_for_one_unknown_id() -> None:
    """A 404 does not say which ID it is about."""
    with serving(jobs=[{"id": "known"}]) as (_, client):
        status, error = client.ask(STATUS_ROUTE, {"jobIds": ["known", "lost"]})
    assert (status, error["statusCode"], error["error"]) == (404, 404, "Not Found")
    assert "lost" not in error["message"]


def test_status__matches_ids_exactly() -> None:
    """An ID in other letter case is unknown."""
    with serving(jobs=[{"id": "abc"}]) as (_, client):
        assert client.ask(STATUS_ROUTE, {"jobIds": ["ABC"]})[0] == 404


def test_status__does_not_know_a_job_before_it_appears() -> None:
    """Until `appears-after` an ID gets 404; then the job runs its course from there."""
    clock = Clock()
    with serving(clock, jobs=[{"id": "a", "appears-after": "2s", "runs-for": "1s"}]) as (_, client):
        assert client.ask(STATUS_ROUTE, {"jobIds": ["a"]})[0] == 404
        clock.now += 2
        assert client.rows("a")[0]["jobStatus"] == "IN_PROGRESS"
        clock.now += 1
        assert client.rows("a")[0]["jobStatus"] == "COMPLETED"


def test_status__refuses_a_malformed_id_before_an_unknown_one() -> None:
    """Validation comes first, and its messages are a list."""
    with serving(jobs=[{"id": "bad", "malformed": True}]) as (_, client):
        status, error = client.ask(STATUS_ROUTE, {"jobIds": ["bad", "lost"]})
    assert status == 400
    assert isinstance(error["message"], list)


@pytest.mark.parametrize(("broken", "expected"), [(True, 500), (503, 503)])
def test_status__fails_for_any_request_that_names_a_broken_job(broken: object, expected: int) -> None:
    """The other jobs of such a request are not answered either; alone they are."""
    with serving(jobs=[{"id": "a", "broken": broken}, {"id": "b"}]) as (_, client):
        assert client.ask(STATUS_ROUTE, {"jobIds": ["b", "a"]})[0] == expected
        assert client.ask(STATUS_ROUTE, {"jobIds": ["b"]})[0] == 200


def test_status__heals_a_broken_job_when_the_scenario_says() -> None:
    """After `broken-until` the job is answered."""
    clock = Clock()
    with serving(clock, jobs=[{"id": "a", "broken": True, "broken-until": "3s"}]) as (_, client):
        assert client.ask(STATUS_ROUTE, {"jobIds": ["a"]})[0] == 500
        clock.now += 3
        assert client.ask(STATUS_ROUTE, {"jobIds": ["a"]})[0] == 200


@pytest.mark.parametrize(
    "authorization", ["", KEY, f"Basic {KEY}", f"bearer {KEY}", f"Bearer  {KEY}", "Bearer fini_other", "Bearer "]
)
def test_key__is_refused_where_it_is_missing_malformed_or_unknown(authorization: str) -> None:
    """Such a request gets the documented 401, whatever its body."""
    with serving(jobs=[{"id": "a"}]) as (_, client):
        status, error = client.ask(STATUS_ROUTE, body=b"{", headers={"Authorization": authorization})
    assert status == 401
    assert error == {"statusCode": 401, "message": "Unauthorized", "error": "Unauthorized"}


def test_key__is_refused_where_no_header_holds_one() -> None:
    """A request without the header gets 401 too."""
    with serving() as (_, client):
        assert ask_raw(client, f"POST {STATUS_ROUTE} HTTP/1.1\r\n\r\n")[0] == 401


@pytest.mark.parametrize(
    ("scope", "path", "payload", "expected"),
    [
        ("read", STATUS_ROUTE, {"jobIds": ["a"]}, 200),
        ("read", ARTICLES_ROUTE, {"articleIds": ["a"]}, 200),
        ("read", GENERATE_ROUTE, {}, 403),
        ("read", BULK_ROUTE, {"documentIds": ["d"]}, 403),
        ("write", STATUS_ROUTE, {"jobIds": ["a"]}, 403),
        ("write", ARTICLES_ROUTE, {"articleIds": ["a"]}, 403),
        ("write", GENERATE_ROUTE, {}, 200),
        ("write", BULK_ROUTE, {"documentIds": ["d"]}, 200),
    ],
)
def test_key__needs_the_scope_of_the_route(scope: str, path: str, payload: object, expected: int) -> None:
    """A key without the scope gets 403 and the documented words."""
    with serving(api_keys={KEY: [scope]}, jobs=[{"id": "a"}]) as (_, client):
        status, answer = client.ask(path, payload)
    assert status == expected
    if expected == 403:
        assert answer == {
            "statusCode": 403,
            "message": "API key does not have the required scope for this operation",
            "error": "Forbidden",
        }


@pytest.mark.parametrize(
    "body",
    [b"{", b"null", b'"a"', b"{'jobIds': []}", b'{"jobIds": NaN}', b'{"jobIds": ["\xff"]}', b"[" * 100_000],
)
def test_body__is_refused_where_it_is_not_json(body: bytes) -> None:
    """What no JSON parser would take gets 400, with one message."""
    with serving() as (_, client):
        status, error = client.ask(STATUS_ROUTE, body=body)
    assert (status, error["error"], type(error["message"])) == (400, "Bad Request", str)


@pytest.mark.parametrize(
    "payload",
    [{}, [], ["a"], {"jobIds": []}, {"jobIds": "a"}, {"jobIds": None}, {"jobIds": [""]}, {"jobIds": ["a", 1]}],
)
def test_body__is_refused_where_it_holds_no_list_of_ids(payload: object) -> None:
    """Validation answers 400 with a list of messages that name the field."""
    with serving(jobs=[{"id": "a"}]) as (_, client):
        status, error = client.ask(STATUS_ROUTE, payload)
    assert status == 400
    assert all("jobIds" in message for message in error["message"])


@pytest.mark.parametrize(("content_type", "body"), [("text/plain", b'{"jobIds": ["a"]}'), ("application/json", b"")])
def test_body__is_not_read_as_json_where_there_is_none(content_type: str, body: bytes) -> None:
    """Without the content type, or without a body, the fields are missing."""
    with serving(jobs=[{"id": "a"}]) as (_, client):
        status, error = client.ask(STATUS_ROUTE, body=body, headers={"Content-Type": content_type})
    assert (status, error["message"]) == (400, ["jobIds must be an array"])


@pytest.mark.parametrize(("size", "expected"), [(102_400, 200), (102_401, 413), (3_000_000, 413)])
def test_body__may_have_100_kilobytes(size: int, expected: int) -> None:
    """A larger one gets 413, and the connection goes on to be used."""
    body = b'{"jobIds": ["a"]}'
    with serving(jobs=[{"id": "a"}]) as (_, client):
        assert client.ask(STATUS_ROUTE, body=body + b" " * (size - len(body)))[0] == expected
        assert client.ask(STATUS_ROUTE, body=body)[0] == 200


def test_body__is_cut_off_where_it_is_beyond_all_measure() -> None:
    """A client that announces 17 MB is not listened to, and not recorded."""
    with serving() as (api, client), pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask_raw(client, f"POST {STATUS_ROUTE} HTTP/1.1\r\nContent-Length: 17000000\r\n\r\n")
    assert api.requests == []


@pytest.mark.parametrize("header", ["Transfer-Encoding: chunked", "Content-Length: many", "Content-Length: -1"])
def test_body__needs_a_length(header: str) -> None:
    """A request whose end cannot be told gets 411."""
    with serving() as (_, client):
        assert ask_raw(client, f"POST {STATUS_ROUTE} HTTP/1.1\r\n{header}\r\n\r\n")[0] == 411


@pytest.mark.parametrize(("method", "path"), [("POST", "/v2/x"), ("GET", STATUS_ROUTE), ("DELETE", "/")])
def test_route__is_refused_where_it_is_unknown(method: str, path: str) -> None:
    """An unknown route or method gets a 404 that names both, before any look at the key."""
    with serving() as (_, client):
        status, error = client.ask(path, method=method, headers={"Authorization": ""})
    assert (status, error["message"]) == (404, f"Cannot {method} {path}")


def test_generate__queues_a_job_that_takes_three_seconds() -> None:
    """A queued job has a fresh ID, and its times count from its queueing."""
    clock = Clock()
    with serving(clock) as (_, client):
        first, second = (client.ask(GENERATE_ROUTE, {})[1]["backgroundJobId"] for _ in range(2))
        clock.now += 0.5
        late = client.ask(GENERATE_ROUTE, {})[1]["backgroundJobId"]
        assert [row["jobStatus"] for row in client.rows(first, late)] == ["PENDING", "PENDING"]
        clock.now += 0.5
        assert [row["jobStatus"] for row in client.rows(first, late)] == ["IN_PROGRESS", "PENDING"]
        clock.now += 2
        assert [row["jobStatus"] for row in client.rows(first, late)] == ["COMPLETED", "IN_PROGRESS"]
    assert first != second


def test_generate__follows_the_scenario_s_template() -> None:
    """`queued` says how a job goes that is queued over the API."""
    with serving(queued={"queued-for": 0, "runs-for": 0, "ends-as": "FAILED", "error": "no"}) as (_, client):
        job_id = client.ask(GENERATE_ROUTE, {})[1]["backgroundJobId"]
        (row,) = client.rows(job_id)
    assert (row["jobStatus"], row["error"], row["hcArticleId"]) == ("FAILED", "no", None)


def test_bulk__queues_a_job_a_source() -> None:
    """Each source has a job of its own; a source of the scenario has the scenario's job."""
    with serving(jobs=[{"id": "a", "document-id": "doc-1", "ends-as": "FAILED"}]) as (_, client):
        status, answer = client.ask(BULK_ROUTE, {"documentIds": ["doc-1", "doc-2"], "origin": "sources"})
        jobs = answer["jobs"]
        assert len(client.rows(*(job["backgroundJobId"] for job in jobs))) == 2
    assert status == 200
    assert [job["documentId"] for job in jobs] == ["doc-1", "doc-2"]
    assert jobs[0]["backgroundJobId"] == "a"
    assert str(UUID(jobs[1]["backgroundJobId"])) == jobs[1]["backgroundJobId"]


def test_bulk__refuses_a_body_without_sources() -> None:
    """Validation is the same on every route."""
    with serving() as (_, client):
        assert client.ask(BULK_ROUTE, {"documentIds": []})[0] == 400


def test_articles__gives_those_that_jobs_have_made() -> None:
    """The answer is a list; what is not there yet, or never will be, is left out."""
    clock = Clock()
    jobs = [
        {"id": "a", "article-id": "article-a", "title": "How refunds work"},
        {"id": "b", "article-id": "article-b", "document-id": "doc-b"},
        {"id": "c", "article-id": "article-c", "runs-for": "9s"},
    ]
    with serving(clock, clock_starts="at-start", jobs=jobs) as (_, client):
        wanted = ["article-b", "article-c", "nothing", "article-a"]
        status, articles = client.ask(ARTICLES_ROUTE, {"articleIds": wanted})
        clock.now += 9
        _, later = client.ask(ARTICLES_ROUTE, {"articleIds": ["article-c"]})
    assert status == 200
    assert articles == [{"id": "article-b", "title": "About doc-b"}, {"id": "article-a", "title": "How refunds work"}]
    assert [article["id"] for article in later] == ["article-c"]


def test_answers__carry_a_request_id_each() -> None:
    """Good answers and errors alike have an `x-request-id` of their own."""
    with serving(jobs=[{"id": "a"}]) as (_, client):
        request_ids = set()
        for path in (STATUS_ROUTE, "/nowhere"):
            client.connection.request("POST", path, b"{}")
            response = client.connection.getresponse()
            response.read()
            request_ids.add(response.headers["x-request-id"])
    assert len(request_ids - {None}) == 2


def test_connection__is_kept() -> None:
    """Many requests, refused ones too, go over one connection."""
    with serving(jobs=[{"id": "a"}]) as (_, client):
        client.rows("a")
        kept = client.connection.sock
        client.ask("/nowhere")
        client.rows("a")
        assert kept is not None
        assert client.connection.sock is kept


def test_server__answers_several_clients_at_once() -> None:
    """A client that is kept waiting does not hold up another."""
    with serving(jobs=[{"id": "a"}], faults=[{"requests": 1, "do": "hang"}]) as (api, client):
        held = Client(api)
        held.connection.request("POST", STATUS_ROUTE, b"{}", {"Content-Type": "application/json"})
        while not api.requests:
            threading.Event().wait(0.005)
        assert len(client.rows("a")) == 1
        held.connection.close()


def test_server__ends_with_connections_open() -> None:
    """A client that waits, or that keeps its connection, does not keep the stand-in from ending."""
    with serving(faults=[{"do": "hang"}]) as (api, client):
        client.connection.request("POST", STATUS_ROUTE, b"{}")
        idle = Client(api)
        idle.connection.connect()
        while not api.requests:
            threading.Event().wait(0.005)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        client.ask(STATUS_ROUTE, {})
    idle.connection.close()


def test_server__survives_clients_that_leave(capfd: pytest.CaptureFixture[str]) -> None:
    """A client may go before its request is whole, or without hearing the answer; nothing is printed."""
    with serving(jobs=[{"id": "a"}], faults=[{"requests": 1, "do": {"drip": "5ms"}}]) as (api, client):
        address = (client.connection.host, client.connection.port)
        for request in (
            f"POST {STATUS_ROUTE} HT",
            f"POST {STATUS_ROUTE} HTTP/1.1\r\nContent-Length: 100\r\n\r\n{{",
            f"POST {STATUS_ROUTE} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}",
        ):
            with socket.create_connection(address) as connection:
                connection.sendall(request.encode())
        while not api.requests:
            threading.Event().wait(0.005)
        assert len(client.rows("a")) == 1
    assert [request.status for request in api.requests] == [401, 200]
    assert capfd.readouterr() == ("", "")


def test_requests__are_recorded() -> None:
    """A test sees when each request came, what it held, and how it was answered."""
    clock = Clock()
    with serving(clock, jobs=[{"id": "a"}], faults=[{"requests": 2, "do": "hang-up"}]) as (api, client):
        clock.now += 1.5
        client.rows("a")
        clock.now += 1
        with pytest.raises(http.client.RemoteDisconnected):
            client.rows("a")
        client.ask(ARTICLES_ROUTE, {"articleIds": ["x"]})
        first, second, third = api.requests
    assert (first.at_seconds, first.method, first.path) == (1.5, "POST", STATUS_ROUTE)
    assert (first.job_ids, first.status, json.loads(first.body)) == (("a",), 200, {"jobIds": ["a"]})
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert (second.at_seconds, second.job_ids, second.status) == (2.5, ("a",), None)
    assert (third.path, third.job_ids, third.status) == (ARTICLES_ROUTE, (), 200)


def test_log__has_a_line_a_request_and_never_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """Method, path, status and the number of IDs; what a client writes cannot act on the terminal."""
    with caplog.at_level("INFO", "fake_fini"), serving(jobs=[{"id": "a"}]) as (_, client):
        client.rows("a")
        client.ask(f"/\x1b[31m?key={KEY}".replace("\x1b", "%1b"))
        ask_raw(client, "POST /\x1b[31m HTTP/1.1\r\n\r\n")
    assert caplog.messages == [
        f"POST {STATUS_ROUTE}: 200, 1 IDs",
        "POST /%1b[31m: 404, 0 IDs",
        "POST /\\x1b[31m: 404, 0 IDs",
    ]


def test_url__is_known_once_the_stand_in_listens() -> None:
    """Before, there is none to give."""
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = FakeFini(Scenario.from_mapping({})).url


def test_host__may_be_localhost() -> None:
    """The name is as good as the address."""
    with FakeFini(Scenario.from_mapping({}), host="localhost") as api:
        assert api.url.startswith("http://127.0.0.1:")


def test_host__must_be_loopback() -> None:
    """Without TLS, the stand-in refuses to be reached from elsewhere."""
    with pytest.raises(ValueError, match=r"'0\.0\.0\.0' is not a loopback address"):
        FakeFini(Scenario.from_mapping({}), host="0.0.0.0")  # noqa: S104 - it is the point


def test_host__may_be_ipv6() -> None:
    """The URL of an IPv6 address has brackets."""
    try:
        with FakeFini(Scenario.from_mapping({}), host="::1") as api:
            assert api.url.startswith("http://[::1]:")
            client = Client(api)
            assert client.ask("/")[0] == 404
            client.connection.close()
    except OSError:
        pytest.skip("this machine has no IPv6")


def test_latency__holds_up_each_answer() -> None:
    """The answer comes no sooner than the scenario's latency."""
    with serving(latency="100ms", jobs=[{"id": "a"}]) as (api, client):
        client.connection.connect()
        client.connection.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.rows("a")
        assert [request.status for request in api.requests] == [200]
