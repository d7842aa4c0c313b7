import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fini_gate.client import FiniClient, Transport
from fini_gate.client.bisection import MIN_FAILED_IDS_FOR_OUTAGE
from fini_gate.client.failures import Failure
from fini_gate.client.scheduler import MAX_ATTEMPTS_BEFORE_NEXT_BATCH, OUT_OF_TIME
from fini_gate.client.throttle import MIN_RESPONSE_SECONDS_PER_REQUEST
from fini_gate.client.transport import Response
from fini_gate.errors import CancelledError, RequestRefusedError
from fini_gate.models import PollLimits, PollResult
from tests.unit.fake_transport import HUNG_UP, STARTED_AT, TOO_SLOW, Clock, FakeTransport, respond

KEY = "fini_0123456789abcdef"
STATE_BY_STATUS = {400: "malformed", 404: "not found", 500: "server error", 502: "server error"}


class Client:
    """A client, the API that it polls, and the time in which it does so."""

    def __init__(self, *, batch_size: int = 100, max_parallel: int = 1, request_timeout_seconds: float = 30) -> None:
        self.clock = Clock()
        self.api = FakeTransport(self.clock)
        self.retries: list[tuple[str, float]] = []
        self.seen: list[tuple[str, int, str, float]] = []
        self.client = FiniClient(
            transport=cast("Transport", self.api),
            api_key=KEY,
            batch_size=batch_size,
            max_parallel=max_parallel,
            request_timeout_seconds=request_timeout_seconds,
            clock=self.clock,
            on_request=lambda *request: self.seen.append(request),
            on_retry=lambda problem, delay_seconds: self.retries.append((problem, delay_seconds)),
        )

    def poll(
        self,
        job_ids: Sequence[str],
        *,
        retry_for: float = math.inf,
        end_in: float = math.inf,
        should_stop: Callable[[PollResult], bool] = lambda _: False,
    ) -> PollResult:
        """Poll once, with limits that count from now."""
        now = self.clock.now
        limits = PollLimits(retry_until=now + min(retry_for, end_in), end_at=now + end_in)
        return self.client.poll(job_ids, limits, should_stop=should_stop)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock.now - STARTED_AT

    @property
    def delays(self) -> list[float]:
        """The delays before retries."""
        return [delay_seconds for _, delay_seconds in self.retries]


def ids(count: int) -> list[str]:
    """Make job IDs."""
    return [f"job-{number}" for number in range(count)]


def states(result: PollResult) -> dict[str, str]:
    """Return what a poll says of each job, which is in one table at most."""
    tables: Mapping[str, Iterable[str]] = {
        "row": result.rows,
        "omitted": result.omitted,
        "not found": result.not_found,
        "malformed": result.malformed,
        "server error": result.server_errors,
    }
    assert max(Counter(job_id for table in tables.values() for job_id in table).values(), default=1) == 1
    return {job_id: name for name, table in tables.items() for job_id in table}


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [
        (0, 100, []),
        (1, 100, [1]),
        (100, 100, [100]),
        (101, 100, [100, 1]),
        (250, 100, [100, 100, 50]),
        (3, 1, [1, 1, 1]),
        (1000, 1000, [1000]),
    ],
)
def test_poll__sends_each_job_once_in_batches(count: int, batch_size: int, sizes: list[int]) -> None:
    """Jobs are polled in their order, in requests of the size allowed."""
    client = Client(batch_size=batch_size)
    result = client.poll(ids(count))
    assert client.api.sizes == sizes
    assert [job_id for request in client.api.requests for job_id in request] == ids(count)
    assert list(result.rows) == ids(count)
    assert result.incomplete_reason is None


def test_poll__returns_all_rows_of_a_job_by_its_id_as_given() -> None:
    """Two rows for one job, in other letter case, both count; rows for other jobs do not; a job without is omitted."""
    client = Client()
    client.api.script = [respond(200, {"jobs": [{"id": "ABC"}, {"id": "abc", "jobStatus": "DONE"}, {"id": "alien"}]})]
    result = client.poll(["Abc", "other"])
    assert [row.status for row in result.rows["Abc"]] == [None, "DONE"]
    assert states(result) == {"Abc": "row", "other": "omitted"}


def test_poll__reports_each_request() -> None:
    """The observer receives the size of each request, what came back, and the seconds that it took."""
    client = Client()
    client.api.request_seconds = 2
    client.api.script = [HUNG_UP, None, respond(401)]
    client.poll(ids(101))
    assert client.seen == [("job", 100, "it hung up", 2), ("job", 100, "HTTP 200", 2), ("job", 1, "HTTP 401", 2)]


@pytest.mark.parametrize(
    ("problem", "is_delayed"),
    [
        *((respond(status), True) for status in (408, 429, 500, 502, 503, 504)),
        *((respond(204, {}), True), (respond(200, "<html>"), True), (respond(503, Retry_After="1"), True)),
        *((TOO_SLOW, True), (HUNG_UP, False)),
    ],
)
def test_retry__repeats_what_may_pass(problem: Response | Failure, is_delayed: bool) -> None:  # noqa: FBT001 - a case
    """One unusable response fails no job: the same request is sent again, and the observer is told."""
    client = Client()
    client.api.script = [problem]
    result = client.poll(ids(3))
    assert client.api.sizes == [3, 3]
    assert (list(result.rows), result.incomplete_reason) == (ids(3), None)
    assert [bool(delay) for delay in client.delays] == [is_delayed]
    assert client.api.sent_at == [0, *client.delays]
    assert client.retries[0][0]


def test_retry__doubles_its_delays_and_leaves_half_of_each_to_jitter() -> None:
    """Delays double from 0.5 to 30 seconds. The second half of each is random, so that gates do not march in step."""
    runs = []
    for _ in range(40):
        client = Client()
        client.api.script = [respond(429)] * 12
        client.poll(["a"])
        assert {problem for problem, _ in client.retries} == {"HTTP 429: It said why"}
        runs.append(client.delays)
    for attempt, delays in enumerate(zip(*runs, strict=True)):
        longest = min(30.0, 0.5 * 2**attempt)
        assert longest / 2 <= min(delays) < 0.65 * longest
        assert 0.85 * longest < max(delays) <= longest


def test_retry__starts_with_a_short_delay_for_each_request() -> None:
    """A batch does not pay for the failures of the batch before it."""
    client = Client(batch_size=1)
    client.api.script = [*[respond(429)] * 2, None, respond(429)]
    client.poll(ids(2))
    assert client.delays[-1] <= 0.5


def test_retry__on_a_new_connection_is_immediate_only_once() -> None:
    """A server may close an idle connection; a second broken one is delayed like everything else."""
    client = Client()
    client.api.script = [HUNG_UP, HUNG_UP, HUNG_UP]
    client.poll(["a"])
    assert [bool(delay) for delay in client.delays] == [False, True, True]


@pytest.mark.parametrize(("retry_after", "least"), [("7", 7), ("100", 100), ("0", 0.25), ("-3", 0.25), ("soon", 0.25)])
def test_retry_after__is_a_lower_bound(retry_after: str, least: float) -> None:
    """The next attempt comes no sooner than Retry-After, and no sooner than the client's own delay."""
    client = Client()
    client.api.script = [respond(429, Retry_After=retry_after)]
    client.poll(["a"])
    assert least <= client.delays[0] <= max(least, 0.5)


@pytest.mark.parametrize("problem", [respond(429), TOO_SLOW, HUNG_UP], ids=["429", "too slow", "broken connection"])
@pytest.mark.parametrize("retry_for", [0.0, 0.1, 10.0, 300.0])
def test_retry__never_waits_past_the_limit(problem: Response | Failure, retry_for: float) -> None:
    """No retry is scheduled past `retry_until`; the poll then ends incomplete."""
    client = Client()
    client.api.down = problem
    result = client.poll(ids(100), retry_for=retry_for)
    assert client.elapsed <= retry_for
    assert set(client.api.sizes) == {100}
    assert len(client.api.requests) == len(client.retries) + 1
    assert result.incomplete_reason in {"HTTP 429: It said why", TOO_SLOW.problem, HUNG_UP.problem}
    assert (states(result), result.last_response_at) == ({}, None)


def test_retry__uses_the_time_up_to_its_limit() -> None:
    """An API that is back at the limit is still polled."""
    client = Client()
    client.api.script = [respond(503, Retry_After="60")] * 4
    assert client.poll(["a"], retry_for=240.0).incomplete_reason is None
    assert client.elapsed == 240.0


@pytest.mark.parametrize("retry_after", ["11", "86400", "9" * 400])
def test_retry_after__beyond_the_limit_is_reported(retry_after: str) -> None:
    """A Retry-After that does not fit into the poll ends it, and tells the poller when to come back."""
    client = Client(batch_size=1)
    client.api.down = respond(429, Retry_After=retry_after)
    result = client.poll(["a", "b"], retry_for=10.0)
    assert (client.api.sizes, client.elapsed, client.retries) == ([1], 0, [])
    assert result.retry_not_before == STARTED_AT + float(retry_after)
    assert result.incomplete_reason == "HTTP 429: It said why"


def test_retry_after__is_over_at_the_next_poll() -> None:
    """The poller decides when to poll again: at its deadline even before Retry-After has passed."""
    client = Client()
    client.api.script = [respond(429, Retry_After="60")]
    assert client.poll(["a"], retry_for=10.0).retry_not_before == STARTED_AT + 60
    result = client.poll(["a"], retry_for=10.0)
    assert list(result.rows) == ["a"]
    assert result.retry_not_before == -math.inf


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 405, 407, 422])
def test_refusal__ends_the_poll(status: int) -> None:
    """What no retry can change ends the poll with an error at the first response."""
    client = Client()
    client.api.down = respond(status)
    error = client.poll(ids(250)).error
    assert isinstance(error, RequestRefusedError)
    assert f"HTTP {status}" in str(error)
    assert (client.api.sizes, client.elapsed) == ([100], 0)


def test_signal__ends_the_poll() -> None:
    """A signal during a wait keeps what was answered before it."""
    client = Client(batch_size=1)
    wait_any = client.api.wait_any

    def wait(*arguments: object, **limits: object) -> object:
        if len(client.api.requests) == 2:
            raise CancelledError(15)
        return wait_any(*arguments, **limits)  # type: ignore[arg-type]

    client.api.wait_any = wait  # type: ignore[method-assign, assignment]
    client.api.request_seconds = 1
    result = client.poll(ids(3))
    assert isinstance(result.error, CancelledError)
    assert states(result) == {"job-0": "row"}


def test_should_stop__ends_the_poll() -> None:
    """As soon as the result is enough, nothing more is sent."""
    client = Client(batch_size=1)
    client.api.bad[400] = {"job-1"}
    result = client.poll(ids(4), should_stop=lambda result: bool(result.malformed))
    assert states(result) == {"job-0": "row", "job-1": "malformed"}
    assert client.api.sizes == [1, 1]


def test_limits__bound_each_request() -> None:
    """A request may take its own timeout, or what is left of the poll."""
    client = Client(batch_size=1, request_timeout_seconds=30)
    client.api.request_seconds = 20
    client.poll(ids(4), end_in=65)
    assert client.api.timeouts == [30, 30, 25, 5]


@pytest.mark.parametrize(("end_in", "sent", "polled"), [(40, 2, 2), (39, 2, 1), (20, 1, 1), (0, 0, 0), (-1, 0, 0)])
def test_limits__end_the_poll(end_in: float, sent: int, polled: int) -> None:
    """Jobs for which there is no time are not polled; what was answered before counts."""
    client = Client(batch_size=1)
    client.api.request_seconds = 20
    result = client.poll(ids(4), retry_for=0, end_in=end_in)
    assert client.api.sizes == [1] * sent
    assert list(result.rows) == ids(polled)
    assert result.incomplete_reason == (TOO_SLOW.problem if sent > polled else OUT_OF_TIME)
    assert result.last_response_at == (STARTED_AT + 20 * polled if polled else None)


@pytest.mark.parametrize("status", [404, 500])
def test_limits__hold_while_bisecting(status: int) -> None:
    """A bisection that takes too long is cut off, and says nothing wrong about any ID."""
    client = Client()
    bad = set(ids(100)[::3])
    client.api.bad[status] = bad
    client.api.request_seconds = 1
    result = client.poll(ids(100), retry_for=30, end_in=30)
    assert client.elapsed <= 30
    assert result.incomplete_reason is not None
    assert 0 < len(states(result)) < 100
    assert all((state == "row") is (job_id not in bad) for job_id, state in states(result).items())


@pytest.mark.parametrize(("end_in", "timeouts"), [(2, [2, 1]), (2.5, [2.5, 1.5, 0.5])])
def test_limits__tell_of_the_last_id_of_a_bisection(end_in: float, timeouts: list[float]) -> None:
    """An ID that was to be polled alone, with nothing else left, makes the poll incomplete."""
    client = Client()
    client.api.bad[404] = {"job-1"}
    client.api.request_seconds = 1
    result = client.poll(ids(2), end_in=end_in)
    assert client.api.timeouts == timeouts
    assert states(result) == {"job-0": "row"}
    assert result.incomplete_reason == (TOO_SLOW.problem if end_in > 2 else OUT_OF_TIME)


@pytest.mark.parametrize("status", STATE_BY_STATUS)
@pytest.mark.parametrize("position", [0, 1, 49, 50, 63, 98, 99])
def test_bisection__finds_one_bad_id_in_a_batch(status: int, position: int) -> None:
    """About log2(n) requests find the ID, and every other job gets its row in the same poll."""
    client = Client()
    bad = f"job-{position}"
    client.api.bad[status] = {bad}
    result = client.poll(ids(100))
    assert states(result) == {job_id: STATE_BY_STATUS[status] if job_id == bad else "row" for job_id in ids(100)}
    assert result.incomplete_reason is None
    assert len(client.retries) == {500: 1, 502: 3}.get(status, 0)
    # Down to the ID by halves, and at worst up again from single IDs by doubling.
    assert len(client.api.requests) <= 1 + len(client.retries) + 2 * math.log2(100) + 1
    assert {**result.malformed, **result.not_found, **result.server_errors} == {bad: f"HTTP {status}: It said why"}


@pytest.mark.parametrize("status", STATE_BY_STATUS)
@pytest.mark.parametrize("bad_count", [2, 5, 10])
def test_bisection__costs_log2_n_for_each_bad_id(status: int, bad_count: int) -> None:
    """Several bad IDs are all found."""
    client = Client()
    bad = set(ids(1000)[7 :: 1000 // bad_count])
    client.api.bad[status] = bad
    result = client.poll(ids(1000))
    assert {job_id for job_id, state in states(result).items() if state == STATE_BY_STATUS[status]} == bad
    assert len(result.rows) == 1000 - len(bad)
    assert len(client.api.requests) - len(client.retries) <= 10 + len(bad) * (math.log2(100) + 4)


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("count", [100, 1000])
def test_bisection__of_bad_ids_alone_takes_about_one_request_each(status: int, count: int) -> None:
    """If every ID is bad, bisection does not start over for each."""
    client = Client(batch_size=count)
    client.api.bad[status] = set(ids(count))
    assert states(client.poll(ids(count))) == dict.fromkeys(ids(count), STATE_BY_STATUS[status])
    assert len(client.api.requests) <= 1.5 * count


def test_bisection__grows_its_requests_again() -> None:
    """After a stretch of bad IDs, the good ones are polled in ever larger requests."""
    client = Client(batch_size=1000)
    client.api.bad[404] = set(ids(20))
    client.poll(ids(1000))
    assert max(client.api.sizes[-5:]) > 200
    assert len(client.api.requests) < 80


@pytest.mark.parametrize(
    ("status", "attempts"), [(400, 1), (404, 1), (500, 2), (501, 4), (502, 4), (503, 4), (504, 4), (520, 4)]
)
def test_bisection__follows_the_retries_of_a_server_error(status: int, attempts: int) -> None:
    """A 500 is retried once, a proxy's 5xx three times, a 4xx never; then the request is halved without retries."""
    client = Client()
    client.api.script = [respond(status)] * (attempts + 1)
    client.poll(ids(8))
    assert client.api.sizes[: attempts + 2] == [*[8] * attempts, 4, 2]
    assert len(client.retries) == attempts - 1


def test_bisection__tells_problems_apart() -> None:
    """Each bad ID has its own problem, whichever of them a request meets first."""
    client = Client()
    client.api.bad = {500: {"job-3"}, 404: {"job-4", "job-50"}, 400: {"job-5"}, 502: {"job-99"}}
    client.api.omitted = {"job-7"}
    assert {job_id: state for job_id, state in states(client.poll(ids(100))).items() if state != "row"} == {
        "job-3": "server error",
        "job-4": "not found",
        "job-50": "not found",
        "job-5": "malformed",
        "job-99": "server error",
        "job-7": "omitted",
    }


@pytest.mark.parametrize("retries", [1, 7])
def test_bisection__retries_what_may_pass(retries: int) -> None:
    """A rate limit during bisection is no ID's fault: the same part is sent again."""
    client = Client()
    client.api.bad[404] = {"job-0"}
    client.api.script = [None, *[respond(429)] * retries]
    result = client.poll(ids(8))
    assert client.api.sizes[: retries + 3] == [8, *[4] * (retries + 1), 2]
    assert len(states(result)) == 8
    assert (list(result.not_found), result.incomplete_reason) == (["job-0"], None)


def test_bisection__is_cut_short_by_an_outage() -> None:
    """If the API goes down during bisection, what was answered counts."""
    client = Client()
    client.api.bad[404] = {"job-7"}
    client.api.script = [None, None, respond(200, {"jobs": []})]
    client.api.down = respond(429)
    result = client.poll(ids(100), retry_for=0)
    assert client.api.sizes == [100, 50, 25, 12]
    assert states(result) == dict.fromkeys(ids(25), "omitted")
    assert result.incomplete_reason == "HTTP 429: It said why"


@pytest.mark.parametrize("script", [[respond(500)] * 2, [respond(404)], [respond(400)]], ids=["500", "404", "400"])
def test_bisection__that_finds_no_bad_id_blames_none(script: list[Response]) -> None:
    """A stray response leaves every job with its row, and the batches as large as before."""
    client = Client()
    client.api.script = [*script]
    result = client.poll(ids(100))
    assert set(states(result).values()) == {"row"}
    assert result.incomplete_reason is None
    client.api.forget()
    client.poll(ids(100))
    assert client.api.sizes == [100]


@pytest.mark.parametrize(("status", "sizes"), [(400, [25, 25, 25, 25]), (404, [100])])
def test_bisection__that_finds_no_bad_id_twice_blames_the_size(status: int, sizes: list[int]) -> None:
    """If a size is rejected twice with 400, and none of its IDs alone, the batch size is halved for the run."""
    client = Client()
    client.api.max_ids, client.api.status_if_too_many = 30, status
    for _ in range(2):
        assert set(states(client.poll(ids(100))).values()) == {"row"}
    client.api.max_ids = 30 if status == 400 else 100
    client.api.forget()
    client.poll(ids(100))
    assert client.api.sizes == sizes


def test_too_large__halves_the_batch_size_for_the_run() -> None:
    """After a 413 the same jobs are sent in halves, and no later batch is as large again."""
    client = Client()
    client.api.max_ids = 30
    assert list(client.poll(ids(100)).rows) == ids(100)
    assert client.api.sizes == [100, 50, 25, 25, 25, 25]
    client.api.forget()
    client.poll(ids(60))
    assert client.api.sizes == [25, 25, 10]


@pytest.mark.parametrize("count", [1, 2])
def test_too_large__counts_while_bisecting(count: int) -> None:
    """A 413 for a part of a batch loses no job, and shrinks the batches too."""
    client = Client()
    client.api.bad[404] = {"job-60"}
    client.api.script = [None, *[respond(413)] * count]
    assert states(client.poll(ids(100))) == {**dict.fromkeys(ids(100), "row"), "job-60": "not found"}
    client.api.forget()
    client.poll([f"other-{number}" for number in range(50)])
    assert max(client.api.sizes) == 50 // 2**count


def test_too_large__shrinks_batches_that_are_about_to_be_sent() -> None:
    """A batch that waits for its retry is cut smaller if another one of its size is too large meanwhile."""
    client = Client(batch_size=8, max_parallel=2)
    client.api.script = [respond(503), respond(413)]
    result = client.poll(ids(16))
    assert len(result.rows) == 16
    assert client.api.sizes == [8, 8, 4, 4, 4, 4]


def test_too_large__counts_if_the_poll_stops() -> None:
    """A 413 that arrives with the response that ends the poll shrinks the batches of the next one."""
    client = Client(batch_size=4, max_parallel=2)
    client.api.script = [respond(429, Retry_After="60"), respond(413)]
    client.poll(ids(8), retry_for=10)
    client.api.forget()
    client.poll(ids(8))
    assert client.api.sizes == [2, 2, 2, 2]


def test_too_large__for_one_job_is_an_error() -> None:
    """No smaller request exists: the error says so, and points to the proxy."""
    client = Client()
    client.api.max_ids = 0
    error = client.poll(ids(5)).error
    assert isinstance(error, RequestRefusedError)
    assert str(error) == (
        "The API rejects a request for a single job as too large: HTTP 413: It said why. Check any proxy in front of"
        " the API."
    )
    assert client.api.sizes == [5, 2, 1]


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("count", [4, 100, 1000, 10_000])
def test_outage__is_detected_by_few_requests(status: int, count: int) -> None:
    """If nothing succeeds, a few single IDs are enough to tell, in later polls too."""
    client = Client()
    client.api.down = respond(status)
    for _ in range(4):
        client.api.forget()
        result = client.poll(ids(count))
        assert (result.incomplete_reason, result.last_response_at) == (f"HTTP {status}: It said why", None)
        assert len(result.server_errors) <= MIN_FAILED_IDS_FOR_OUTAGE + 1
        assert len(client.api.requests) <= 25


def test_outage__of_a_single_job_is_that_jobs_failure() -> None:
    """One job that fails alone is a server error; whether it is an outage, time will tell."""
    client = Client()
    client.api.down = respond(500)
    result = client.poll(["a"])
    assert list(result.server_errors) == ["a"]
    assert (result.incomplete_reason, result.last_response_at) == (None, None)


def test_outage__is_none_while_something_succeeds() -> None:
    """However many IDs fail, with one other response each of them is found."""
    client = Client(batch_size=10)
    client.api.bad[500] = set(ids(30)[10:])
    result = client.poll(ids(30))
    assert (result.incomplete_reason, set(result.server_errors)) == (None, client.api.bad[500])


@pytest.mark.parametrize(("count", "poisonous"), [(6, 2), (64, MIN_FAILED_IDS_FOR_OUTAGE)])
def test_outage__is_not_seen_in_bad_neighbours(count: int, poisonous: int) -> None:
    """After an ID that fails, with nothing answered yet, the next request is for an ID far from it."""
    client = Client()
    client.api.bad[500] = set(ids(poisonous))
    result = client.poll(ids(count), retry_for=0)
    assert result.incomplete_reason is None
    assert set(result.server_errors) == client.api.bad[500]
    assert len(result.rows) == count - poisonous
    assert client.api.requests[client.api.requests.index(("job-0",)) + 1] == (f"job-{count - 1}",)


def test_outage__ends_the_poll_at_the_second_batch_in_a_row() -> None:
    """One batch may fail for an ID in it. After two in a row, the other batches are not tried."""
    client = Client(batch_size=1)
    client.api.script = [HUNG_UP, HUNG_UP, None]
    client.api.down = respond(429)
    result = client.poll(ids(100), retry_for=0)
    assert states(result) == {"job-1": "row"}
    assert client.api.requests == [("job-0",), ("job-0",), ("job-1",), ("job-2",), ("job-3",)]
    assert result.incomplete_reason == "HTTP 429: It said why"


@pytest.mark.parametrize("status", STATE_BY_STATUS)
def test_suspect__is_polled_apart(status: int) -> None:
    """An ID that failed alone is polled alone next time, after the others and without retries."""
    client = Client()
    client.api.bad[status] = {"job-3", "job-70"}
    client.poll(ids(100))
    client.api.forget()
    client.retries.clear()
    result = client.poll(ids(100))
    assert client.api.sizes == [98, 1, 1]
    assert set(client.api.requests[1:]) == {("job-3",), ("job-70",)}
    assert len(states(result)) == 100
    assert client.retries == []


def test_suspect__ids_recover_together_in_few_requests() -> None:
    """IDs that all became known are polled one, two, four, eight at a time."""
    client = Client()
    client.api.bad[404] = set(ids(15))
    client.poll(ids(15))
    client.api.bad[404].clear()
    client.api.forget()
    client.poll(ids(15))
    assert client.api.sizes == [1, 2, 4, 8]
    client.api.forget()
    client.poll(ids(15))
    assert client.api.sizes == [15]


def test_suspect__is_no_id_that_met_a_rate_limit() -> None:
    """An ID whose own request was only put off is polled with the others next time."""
    client = Client()
    client.api.script = [respond(404), None, respond(429)]
    client.poll(ids(2), retry_for=0)
    client.api.forget()
    client.poll(ids(2))
    assert client.api.sizes == [2]


def test_suspect__that_is_no_longer_wanted_is_not_polled() -> None:
    """A poll sends only the jobs that it was given."""
    client = Client()
    client.api.bad[404] = {"job-3"}
    client.poll(ids(10))
    client.api.forget()
    client.poll(["job-0", "job-1"])
    assert client.api.requests == [("job-0", "job-1")]


def test_suspect__ids_take_turns() -> None:
    """When time is short, the ID that has waited longest comes first."""
    client = Client(batch_size=1)
    client.api.bad[404] = set(ids(4))
    client.poll(ids(4))
    client.api.request_seconds = 1
    client.api.forget()
    for _ in range(4):
        client.poll(ids(4), retry_for=0, end_in=1)
    assert sorted(client.api.requests) == [(job_id,) for job_id in ids(4)]


@pytest.mark.parametrize(
    ("script", "is_usable"),
    [
        ([respond(200, {"jobs": []})], True),
        ([respond(400)], True),
        ([respond(404)], True),
        ([respond(500)] * 2, False),
        ([respond(503)] * 4, False),
        ([respond(429)], False),
        ([HUNG_UP] * 2, False),
    ],
)
def test_usable__is_what_tells_of_jobs(script: Sequence[Response | Failure], is_usable: bool) -> None:  # noqa: FBT001
    """A 200 with rows, a 400 and a 404 show that the API is there, and when; nothing else does."""
    client = Client()
    client.api.script = [*script]
    client.api.request_seconds = 1
    result = client.poll(["a"], retry_for=math.inf if is_usable else 0)
    assert result.last_response_at == (STARTED_AT + 1 if is_usable else None)


def test_parallel__batches_are_in_flight_together() -> None:
    """Four batches at a time take a quarter of the time, and never are more in flight."""
    client = Client(batch_size=10, max_parallel=4)
    client.api.request_seconds = 1
    assert set(states(client.poll(ids(160))).values()) == {"row"}
    assert (client.api.max_in_flight, client.elapsed) == (4, 4)


def test_parallel__a_slow_batch_delays_no_other() -> None:
    """While one batch takes its time, the others go on beside it."""
    client = Client(batch_size=1, max_parallel=2)
    client.api.request_seconds, client.api.slow = 1, {"job-0": 8}
    client.poll(ids(9))
    assert client.elapsed == 8


def test_parallel__a_bisection_delays_no_other() -> None:
    """One batch is bisected while the others go on beside it."""
    client = Client(batch_size=8, max_parallel=4)
    client.api.bad[404] = {"job-3"}
    client.api.request_seconds = 1
    result = client.poll(ids(80))
    assert {job_id for job_id, state in states(result).items() if state != "row"} == {"job-3"}
    assert client.api.max_in_flight == 4
    assert client.elapsed <= 7


@pytest.mark.parametrize(("max_parallel", "expected"), [(16, 8), (5, 2), (4, 2), (3, 1), (2, 1), (1, 1)])
def test_parallel__429_halves_the_concurrency_for_the_run(max_parallel: int, expected: int) -> None:
    """Requests in flight together that are all answered 429 count once."""
    client = Client(batch_size=1, max_parallel=max_parallel)
    client.api.script = [respond(429)] * max_parallel
    assert set(states(client.poll(ids(64))).values()) == {"row"}
    client.api.request_seconds = 1
    client.api.forget()
    client.poll(ids(64))
    assert client.api.max_in_flight == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.001, 1), (MIN_RESPONSE_SECONDS_PER_REQUEST, 1), (0.012, 3), (0.1, 4)]
)
def test_parallel__pays_only_for_slow_responses(seconds: float, expected: int) -> None:
    """No more requests are in flight than the last response took long enough for."""
    client = Client(batch_size=1, max_parallel=4)
    client.api.request_seconds = seconds
    client.poll(ids(8))
    client.api.forget()
    client.poll(ids(8))
    assert client.api.max_in_flight == expected


@pytest.mark.parametrize("longest_is", [0, 1, 2])
def test_parallel__the_longest_retry_after_holds_back_every_request(longest_is: int) -> None:
    """Nothing is sent before all that the API asked for has passed, a bisection included."""
    client = Client(batch_size=2, max_parallel=4)
    client.api.bad[404] = {"job-6"}
    client.api.script = [respond(429, Retry_After="5"), respond(429), None]
    client.api.script.insert(longest_is, respond(503, Retry_After="60"))
    result = client.poll(ids(10))
    assert [at for at in client.api.sent_at if 0 < at < 60] == []
    assert len(states(result)) == 10
    assert client.elapsed <= 62


def test_parallel__a_batch_that_keeps_failing_lets_another_start() -> None:
    """A batch that breaks every connection does not hold up the others, and is polled again until the limit."""
    client = Client(batch_size=1)
    client.api.script = [None, *[HUNG_UP] * MAX_ATTEMPTS_BEFORE_NEXT_BATCH]
    result = client.poll(["a", "b", "c"], retry_for=300)
    assert client.api.requests == [("a",), *[("b",)] * MAX_ATTEMPTS_BEFORE_NEXT_BATCH, ("c",), ("b",)]
    assert states(result) == {"a": "row", "b": "row", "c": "row"}


def test_parallel__an_abandoned_batch_makes_the_poll_incomplete() -> None:
    """Other batches that succeed do not hide that one was given up."""
    client = Client(batch_size=1, max_parallel=2)
    client.api.script = [respond(429), None]
    result = client.poll(ids(3), retry_for=0)
    assert states(result) == {"job-1": "row", "job-2": "row"}
    assert result.incomplete_reason == "HTTP 429: It said why"


@pytest.mark.parametrize("last", [respond(401), respond(429, Retry_After="60")], ids=["refusal", "Retry-After"])
def test_parallel__what_arrived_before_the_end_counts(last: Response) -> None:
    """A refusal, or a Retry-After beyond the limit, loses no response that is here, another refusal included."""
    client = Client(batch_size=2, max_parallel=4)
    client.api.script = [last, None, respond(403)]
    client.api.slow = {"job-6": 5}
    result = client.poll(ids(20), retry_for=10)
    assert isinstance(result.error, RequestRefusedError)
    assert states(result).keys() >= {"job-2", "job-3"}
    assert result.last_response_at == client.clock.now
    assert client.api.sizes == [2, 2, 2, 2]
    # What is still in flight is waited for if the gate goes on, and abandoned if it ends.
    assert client.elapsed == (0 if last.status == 401 else 5)


def test_parallel__a_server_error_counts_though_its_retry_never_comes() -> None:
    """A poll that ends while an ID waits for a retry still reports what the API said of it."""
    client = Client(batch_size=1, max_parallel=2)
    client.api.script = [respond(500), respond(429, Retry_After="60")]
    assert states(client.poll(ids(2), retry_for=10)) == {"job-0": "server error"}


TRUTHS = ("row", "omitted", "not found", "malformed", "server error")
TRUTH_LISTS = st.lists(st.sampled_from(TRUTHS), max_size=40) | st.lists(
    st.sampled_from(["row"] * 30 + [*TRUTHS]), max_size=150
)


def client_of(truths: Sequence[str], order: Sequence[int], **limits: int) -> tuple[Client, dict[str, str]]:
    """Make a client of an API that knows each job to be what is said, and reports problems in this order."""
    client = Client(**limits)
    truth = dict(zip(ids(len(truths)), truths, strict=True))
    client.api.omitted = {job_id for job_id, state in truth.items() if state == "omitted"}
    client.api.bad = {
        status: {job_id for job_id, state in truth.items() if state == STATE_BY_STATUS[status]} for status in order
    }
    return client, truth


@example(["server error"] * 3 + ["row"], 1, [400, 404, 500], 1, 1)
@given(TRUTH_LISTS, st.integers(1, 1000), st.permutations([400, 404, 500]), st.integers(1, 200), st.integers(1, 4))
def test_poll__classifies_every_id_correctly(
    truths: Sequence[str], batch_size: int, order: Sequence[int], max_ids: int, max_parallel: int
) -> None:
    """What a poll says is true, and it says something of each job.

    Only after several single IDs have failed may it stop, as in an outage: the next poll goes on from there.
    """
    client, truth = client_of(truths, order, batch_size=batch_size, max_parallel=max_parallel)
    client.api.max_ids = max_ids
    for _ in range(len(truth) + 1):
        client.api.forget()
        result = client.poll(list(truth))
        assert states(result).items() <= truth.items()
        named = {*result.not_found, *result.malformed, *result.server_errors}
        assert named <= {request[0] for request in client.api.requests if len(request) == 1}
        assert all(len(request) <= batch_size for request in client.api.requests)
        if states(result) == truth:
            break
        assert result.incomplete_reason is not None
        assert len(result.server_errors) >= MIN_FAILED_IDS_FOR_OUTAGE
    is_all_broken = set(truths) == {"server error"}
    assert is_all_broken or states(result) == truth
    assert is_all_broken or not truths or result.last_response_at is not None
