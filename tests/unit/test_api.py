import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from fini_gate.client import FiniClient, Transport
from fini_gate.client.api import (
    MAX_RETRIES_BEFORE_DEFERRAL,
    MIN_FAILED_IDS_FOR_OUTAGE,
    MIN_RESPONSE_SECONDS_PER_REQUEST,
)
from fini_gate.client.transport import Failure, Response
from fini_gate.errors import CancelledError, RequestRefusedError
from fini_gate.models import PollResult

KEY = "fini_0123456789abcdef"
HUNG_UP = Failure("it hung up", is_broken_connection=True)
TOO_SLOW = Failure("no whole answer within 30s")


def _answer(status: int, document: object = None, **headers: str) -> Response:
    body = {"statusCode": status, "message": "It said why"} if document is None else document
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, CaseInsensitiveDict(named), json.dumps(body).encode())


class Clock:
    """Time that passes only when slept through, or when a request takes some."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        assert seconds >= 0
        self.sleeps.append(seconds)
        self.now += seconds


@dataclass(eq=False)
class UnderWay:
    """A request that is answered at a time."""

    ends_at: float
    response: Response | Failure


class Api:
    """A transport that answers from memory, as the API does: one bad ID fails the whole request unnamed.

    Before that the answers of the script are given, one a request; None in it stands for the API's own.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.script: list[Response | Failure | None] = []
        # Which answer an ID makes of any request that names it. Of several the first in the table counts.
        self.bad: dict[int, set[str]] = {400: set(), 404: set(), 500: set(), 502: set()}
        self.omitted: set[str] = set()
        self.most_ids = 10_000
        self.too_many = 413
        self.down: Response | Failure | None = None
        self.request_seconds = 0.0
        self.slow: dict[str, float] = {}
        """The first ID of a request → how long that takes instead."""
        self.in_flight = self.most_in_flight = 0
        self.requests: list[tuple[str, ...]] = []
        self.timeouts: list[float] = []

    def submit(self, job_ids: Sequence[str], *, timeout_seconds: float) -> UnderWay:
        """Make the answer to a request, which comes later, or not before its time is over."""
        assert job_ids
        assert timeout_seconds > 0
        self.requests.append(tuple(job_ids))
        self.timeouts.append(timeout_seconds)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        response = (self.script.pop(0) if self.script else self.down) or self._own_answer(job_ids)
        seconds = self.slow.get(job_ids[0], self.request_seconds)
        if seconds > timeout_seconds:
            seconds, response = timeout_seconds, TOO_SLOW
        return UnderWay(self.clock.now + seconds, response)

    def wait_any(self, under_way: Sequence[UnderWay]) -> tuple[UnderWay, Response | Failure]:
        """Wait for the first answer."""
        first = min(under_way, key=lambda request: request.ends_at)
        self.clock.now = max(self.clock.now, first.ends_at)
        self.in_flight -= 1
        return first, first.response

    def _own_answer(self, job_ids: Sequence[str]) -> Response:
        if len(job_ids) > self.most_ids:
            return _answer(self.too_many)
        for status, bad in self.bad.items():
            if not bad.isdisjoint(job_ids):
                return _answer(status)
        rows = [{"id": job_id, "jobStatus": "PENDING"} for job_id in job_ids if job_id not in self.omitted]
        return _answer(200, {"jobs": rows})

    @property
    def sizes(self) -> list[int]:
        """How many IDs each request named."""
        return [len(request) for request in self.requests]

    def forget(self) -> None:
        """Forget the requests so far."""
        self.requests.clear()
        self.timeouts.clear()


class Client:
    """A client, the API that it asks, and the time in which it does so."""

    def __init__(self, *, batch_size: int = 100, max_parallel: int = 1, request_timeout_seconds: float = 30) -> None:
        self.clock = Clock()
        self.api = Api(self.clock)
        self.retries: list[tuple[str, float]] = []
        self.told: list[tuple[int, str, float]] = []
        self.client = FiniClient(
            transport=cast("Transport", self.api),
            api_key=KEY,
            batch_size=batch_size,
            max_parallel=max_parallel,
            request_timeout_seconds=request_timeout_seconds,
            clock=self.clock,
            sleep=self.clock.sleep,
            on_request=lambda *request: self.told.append(request),
            on_retry=lambda problem, wait_seconds: self.retries.append((problem, wait_seconds)),
        )

    def poll(self, job_ids: Sequence[str], *, retry_for: float = math.inf, ends_in: float = math.inf) -> PollResult:
        """Look once, with limits that count from now."""
        now = self.clock.now
        return self.client.poll(job_ids, retry_until=now + min(retry_for, ends_in), ends_at=now + ends_in)


def _ids(count: int) -> list[str]:
    return [f"job-{number}" for number in range(count)]


def _statuses(poll: PollResult) -> dict[str, str]:
    """What a look told of each job; each ID is in one place alone."""
    told = Counter[str]()
    found: dict[str, str] = {}
    tables: dict[str, Iterable[str]] = {
        "row": poll.rows,
        "left out": poll.omitted,
        "unknown": poll.not_found,
        "malformed": poll.malformed,
        "failing": poll.server_errors,
    }
    for name, job_ids in tables.items():
        told.update(list(job_ids))
        found |= dict.fromkeys(job_ids, name)
    assert not [job_id for job_id, times in told.items() if times > 1]
    return found


def test_request__is_told_of_with_its_size_answer_and_time() -> None:
    """Whoever watches learns of each request for how many jobs it was, what came, and after how long."""
    client = Client()
    client.api.request_seconds = 2
    client.api.script = [HUNG_UP, None, _answer(401)]
    client.poll(_ids(101))
    assert client.told == [(100, "it hung up", 2), (100, "HTTP 200", 2), (1, "HTTP 401", 2)]


# --- Batches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [
        (1, 100, [1]),
        (100, 100, [100]),
        (101, 100, [100, 1]),
        (250, 100, [100, 100, 50]),
        (3, 1, [1, 1, 1]),
        (1000, 1000, [1000]),
        (0, 100, []),
    ],
)
def test_poll__asks_for_each_job_once_in_batches(count: int, batch_size: int, sizes: list[int]) -> None:
    """The jobs are asked for in their order, none twice, in requests of the size allowed; for none nothing is asked."""
    client = Client(batch_size=batch_size)
    poll = client.poll(_ids(count))
    assert client.api.sizes == sizes
    assert [job_id for request in client.api.requests for job_id in request] == _ids(count)
    assert list(poll.rows) == _ids(count)
    assert poll.incomplete_reason is None


def test_poll__tells_jobs_left_out_from_jobs_with_rows() -> None:
    """A job whose row is not in the answer was left out by it."""
    client = Client()
    client.api.omitted = {"job-1"}
    poll = client.poll(_ids(3))
    assert _statuses(poll) == {"job-0": "row", "job-1": "left out", "job-2": "row"}


def test_poll__hands_on_all_rows_of_a_job_by_its_id_as_given() -> None:
    """Two rows for one job, in other letters, are both handed on."""
    client = Client()
    client.api.script = [_answer(200, {"jobs": [{"id": "ABC"}, {"id": "abc", "jobStatus": "DONE"}, {"id": "alien"}]})]
    poll = client.poll(["Abc"])
    assert [row.status for row in poll.rows["Abc"]] == [None, "DONE"]
    assert list(poll.rows) == ["Abc"]


# --- Tries ---------------------------------------------------------------------------------------------------------

HEALING = {
    "408": _answer(408),
    "429": _answer(429),
    "204": _answer(204, {}),
    "a page of a proxy": Response(200, CaseInsensitiveDict(), b"<html>"),
    "too slow": TOO_SLOW,
    "broken connection": HUNG_UP,
    "500": _answer(500),
    "502": _answer(502),
    "503": _answer(503),
    "503 with a time": _answer(503, Retry_After="1"),
    "504": _answer(504),
}


@pytest.mark.parametrize("problem", HEALING.values(), ids=HEALING)
def test_try__is_repeated_where_time_may_heal(problem: Response | Failure) -> None:
    """One unusable answer makes nobody fail: the same request is sent again, and whoever watches is told."""
    client = Client()
    client.api.script = [problem]
    poll = client.poll(_ids(3))
    assert client.api.sizes == [3, 3]
    assert list(poll.rows) == _ids(3)
    assert poll.incomplete_reason is None
    assert [wait for _, wait in client.retries] == client.clock.sleeps
    assert client.retries[0][0]


def test_try__waits_longer_each_time_with_chance_within_bounds() -> None:
    """The waits double from half a second to half a minute; no wait is longer, or shorter than half of that."""
    client = Client()
    client.api.script = [_answer(429)] * 12
    client.poll(["a"])
    assert len(client.clock.sleeps) == 12
    for tries, wait in enumerate(client.clock.sleeps):
        longest = min(30.0, 0.5 * 2**tries)
        assert longest / 2 <= wait <= longest
    assert client.retries == [("HTTP 429: It said why", wait) for wait in client.clock.sleeps]


def test_try__waits_for_different_times_in_different_gates() -> None:
    """Gates that failed together do not come back together."""
    clients = [Client() for _ in range(10)]
    for client in clients:
        client.api.script = [_answer(429)]
        client.poll(["a"])
    assert len({client.clock.sleeps[0] for client in clients}) == 10


def test_try__begins_with_a_short_wait_at_each_request() -> None:
    """A batch does not pay for the failures of the one before it."""
    client = Client(batch_size=1)
    client.api.script = [*[_answer(429)] * 3, None, _answer(429)]
    client.poll(_ids(2))
    assert client.clock.sleeps[-1] <= 0.5


def test_try__leaves_the_second_half_of_each_wait_to_chance() -> None:
    """The waits fill that half, from its one end to the other."""
    waits = []
    for _ in range(200):
        client = Client()
        client.api.script = [_answer(429)]
        client.poll(["a"])
        waits += client.clock.sleeps
    assert min(waits) < 0.3
    assert max(waits) > 0.45


def test_group__without_an_answer_does_not_keep_the_others_waiting() -> None:
    """A batch that breaks every connection is given up for this look, and the others have their turn."""
    client = Client(batch_size=1)
    client.api.script = [None, *[HUNG_UP] * (MAX_RETRIES_BEFORE_DEFERRAL + 1), None]
    poll = client.poll(["a", "b", "c"], retry_for=300)
    assert _statuses(poll) == {"a": "row", "c": "row"}
    assert poll.incomplete_reason == HUNG_UP.problem


def test_group__next_to_poison_is_answered_all_the_same() -> None:
    """Two poisonous IDs at the head of a batch are not taken for an outage."""
    ids = _ids(6)
    client, _ = _client_of([NAMES[500], NAMES[500], "row", "row", "row", "row"], 100, [400, 404, 500])
    poll = client.poll(ids, retry_for=0)
    assert set(poll.rows) == set(ids[2:])
    assert set(poll.server_errors) == set(ids[:2])


def test_group__next_to_several_poisonous_ids_is_not_taken_for_an_outage() -> None:
    """After a single ID that fails, where nothing is answered yet, one far from it is tried alone."""
    client = Client()
    client.api.bad[500] = set(_ids(MIN_FAILED_IDS_FOR_OUTAGE))
    poll = client.poll(_ids(64))
    assert poll.incomplete_reason is None
    assert set(poll.server_errors) == client.api.bad[500]
    assert len(poll.rows) == 64 - MIN_FAILED_IDS_FOR_OUTAGE
    assert client.api.requests[client.api.requests.index(("job-0",)) + 1] == ("job-63",)


@pytest.mark.parametrize(("retry_after", "least"), [("7", 7), ("100", 100), ("0", 0.25), ("-3", 0.25), ("soon", 0.25)])
def test_try__waits_no_shorter_than_the_api_asks(retry_after: str, least: float) -> None:
    """`Retry-After` is a lower bound of the wait, beside the client's own."""
    client = Client()
    client.api.script = [_answer(429, Retry_After=retry_after)]
    client.poll(["a"])
    assert client.clock.sleeps == [pytest.approx(max(least, client.clock.sleeps[0]))]
    assert least <= client.clock.sleeps[0] <= max(least, 0.5)


def test_try__on_a_new_connection_is_made_at_once_but_only_once() -> None:
    """The server may have closed a connection kept alive; a second broken one is waited on like all else."""
    client = Client()
    client.api.script = [HUNG_UP, HUNG_UP, HUNG_UP]
    client.poll(["a"])
    assert client.clock.sleeps[0] == 0
    assert all(wait > 0 for wait in client.clock.sleeps[1:])
    assert len(client.clock.sleeps) == 3


@pytest.mark.parametrize("problem", [_answer(429), TOO_SLOW, HUNG_UP], ids=["429", "too slow", "broken connection"])
@pytest.mark.parametrize("retry_for", [0.0, 0.1, 10.0, 300.0])
def test_try__never_waits_past_the_limit(problem: Response | Failure, retry_for: float) -> None:
    """No wait goes past `retry_until`; the look ends then with what it met, and nothing is said of the jobs."""
    client = Client()
    client.api.down = problem
    began_at = client.clock.now
    poll = client.poll(_ids(100), retry_for=retry_for)
    assert client.clock.now <= began_at + retry_for
    assert set(client.api.sizes) == {100}
    assert len(client.api.requests) == len(client.retries) + 1
    assert poll.incomplete_reason in {"HTTP 429: It said why", TOO_SLOW.problem, HUNG_UP.problem}
    assert (_statuses(poll), poll.last_response_at) == ({}, None)


def test_try__makes_use_of_the_time_that_it_has() -> None:
    """An API that is back before the limit is asked again before the limit."""
    client = Client()
    client.api.script = [_answer(503, Retry_After="60")] * 4
    assert client.poll(["a"], retry_for=240.0).incomplete_reason is None
    assert client.clock.now == 1240.0


@pytest.mark.parametrize("retry_after", ["11", "86400", "9" * 400])
def test_try__hands_on_a_time_beyond_the_limit(retry_after: str) -> None:
    """A `Retry-After` that the limit leaves no time for is not slept on, but told to who decides on the next look."""
    client = Client()
    client.api.down = _answer(429, Retry_After=retry_after)
    poll = client.poll(["a"], retry_for=10.0)
    assert client.clock.sleeps == []
    assert poll.retry_after_seconds == float(retry_after)


def test_try__hands_on_no_time_where_all_is_well() -> None:
    """A `Retry-After` that has been heeded is past."""
    client = Client()
    client.api.script = [_answer(429, Retry_After="2")]
    assert client.poll(["a"]).retry_after_seconds == 0


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 405, 407, 422])
def test_try__is_not_repeated_where_no_retry_heals(status: int) -> None:
    """A refused request ends the look with an error, at the first answer."""
    client = Client()
    client.api.down = _answer(status)
    error = client.poll(_ids(250)).error
    assert isinstance(error, RequestRefusedError)
    assert f"HTTP {status}" in str(error)
    assert client.api.sizes == [100]
    assert client.clock.sleeps == []


def test_try__is_ended_by_a_cancellation() -> None:
    """A signal in a wait between two tries comes through."""
    client = Client()
    client.api.down = _answer(429)

    def cancel(_seconds: float) -> None:
        raise CancelledError(15)

    client.client._sleep = cancel  # noqa: SLF001 - the sleep of this one test
    assert isinstance(client.poll(["a"]).error, CancelledError)
    assert client.api.sizes == [1]


def test_failure__of_one_ends_a_look_that_is_told_what_a_failure_is() -> None:
    """A malformed ID counts as one too: the rest is not asked for."""
    client = Client(batch_size=1)
    client.api.bad[400] = {"job-1"}
    poll = client.client.poll(_ids(4), retry_until=math.inf, ends_at=math.inf, is_failure=lambda _: False)
    assert _statuses(poll) == {"job-0": "row", "job-1": "malformed"}
    assert poll.found_failure


# --- Limits of time ------------------------------------------------------------------------------------------------


def test_limits__each_request_has_its_own() -> None:
    """A request may take as long as one may, or as long as the look has left."""
    client = Client(batch_size=1, request_timeout_seconds=30)
    client.api.request_seconds = 20
    client.poll(_ids(4), ends_in=65)
    assert client.api.timeouts == [30, 30, 25, 5]


def test_limits__nothing_is_asked_past_the_end() -> None:
    """What the look has no time for is not asked for and not told of; what was answered before stands."""
    client = Client(batch_size=1)
    client.api.request_seconds = 20
    poll = client.poll(_ids(4), retry_for=0, ends_in=40)
    assert client.api.sizes == [1, 1]
    assert list(poll.rows) == ["job-0", "job-1"]
    assert poll.incomplete_reason is not None
    assert poll.incomplete_reason == "the time ran out before all jobs were asked for"
    assert poll.last_response_at == 1040


@pytest.mark.parametrize("ends_in", [0.0, -1.0])
def test_limits__a_look_without_time_asks_nothing(ends_in: float) -> None:
    """A look that ends before it begins sends no request, and says so."""
    client = Client()
    poll = client.poll(_ids(3), retry_for=ends_in, ends_in=ends_in)
    assert client.api.requests == []
    assert client.clock.sleeps == []
    assert poll.incomplete_reason is not None


@pytest.mark.parametrize("kind", [404, 500])
def test_limits__hold_while_narrowing(kind: int) -> None:
    """A search for bad IDs that takes too long is left off, and nothing wrong is said of any ID."""
    client = Client()
    bad = set(_ids(100)[::3])
    client.api.bad[kind] = bad
    client.api.request_seconds = 1
    began_at = client.clock.now
    poll = client.poll(_ids(100), retry_for=30, ends_in=30)
    assert client.clock.now <= began_at + 30
    assert poll.incomplete_reason is not None
    told = _statuses(poll)
    assert 0 < len(told) < 100
    assert all((status == "row") is (job_id not in bad) for job_id, status in told.items())


@pytest.mark.parametrize(("ends_in", "timeouts"), [(2, [2, 1]), (2.5, [2.5, 1.5, 0.5])])
def test_limits__that_leave_no_time_for_the_last_of_a_search_are_told(ends_in: float, timeouts: list[float]) -> None:
    """An ID that would have been asked for alone, with nothing else left, is not passed over in silence."""
    client = Client()
    client.api.bad[404] = {"job-1"}
    client.api.request_seconds = 1
    poll = client.poll(_ids(2), ends_in=ends_in)
    assert client.api.timeouts == timeouts
    assert _statuses(poll) == {"job-0": "row"}
    assert poll.incomplete_reason == (
        TOO_SLOW.problem if ends_in > 2 else "the time ran out before all jobs were asked for"
    )


# --- Narrowing -----------------------------------------------------------------------------------------------------

NAMES = {400: "malformed", 404: "unknown", 500: "failing", 502: "failing"}


@pytest.mark.parametrize("status", NAMES)
@pytest.mark.parametrize("position", [0, 1, 49, 50, 63, 98, 99])
def test_narrowing__finds_one_bad_id_among_a_hundred(status: int, position: int) -> None:
    """About log2 n requests tell which ID fails the others, and all the others are answered for in the same look."""
    client = Client()
    bad = f"job-{position}"
    client.api.bad[status] = {bad}
    poll = client.poll(_ids(100))
    assert _statuses(poll) == {job_id: NAMES[status] if job_id == bad else "row" for job_id in _ids(100)}
    assert poll.incomplete_reason is None
    tries = 1 + len(client.retries)
    # Down to the bad one by halves, and at worst up again from single ones by doubling.
    assert len(client.api.requests) <= tries + 2 * math.log2(100) + 1
    assert "HTTP" in {**poll.malformed, **poll.not_found, **poll.server_errors}[bad]


@pytest.mark.parametrize("status", NAMES)
@pytest.mark.parametrize("bad_count", [2, 5, 10])
def test_narrowing__finds_several_bad_ids(status: int, bad_count: int) -> None:
    """The cost grows with the bad IDs, about log2 n for each."""
    client = Client()
    bad = set(_ids(1000)[7 :: 1000 // bad_count])
    client.api.bad[status] = bad
    poll = client.poll(_ids(1000))
    assert {job_id for job_id, told in _statuses(poll).items() if told == NAMES[status]} == bad
    assert len(poll.rows) == 1000 - len(bad)
    assert len(client.api.requests) - len(client.retries) <= 10 + len(bad) * (math.log2(100) + 4)


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("count", [100, 1000])
def test_narrowing__of_bad_ids_alone_takes_about_one_request_each(status: int, count: int) -> None:
    """Where every ID is bad the search does not begin anew for each."""
    client = Client(batch_size=count)
    client.api.bad[status] = set(_ids(count))
    poll = client.poll(_ids(count))
    assert set(_statuses(poll).values()) == {NAMES[status]}
    assert len(_statuses(poll)) == count
    assert len(client.api.requests) <= 1.5 * count


def test_narrowing__grows_again_where_all_goes_well() -> None:
    """After a stretch of bad IDs the good ones are asked for in ever larger groups."""
    client = Client()
    client.api.bad[404] = set(_ids(20))
    client.poll(_ids(1020))
    assert max(client.api.sizes[-5:]) == 100
    assert len(client.api.requests) < 80


def test_narrowing__doubles_the_groups_where_all_goes_well() -> None:
    """IDs that failed alone last time are asked for one, two, four at a time once they do not."""
    client = Client()
    client.api.bad[404] = set(_ids(15))
    client.poll(_ids(15))
    client.api.bad[404].clear()
    client.api.forget()
    client.poll(_ids(15))
    assert client.api.sizes == [1, 2, 4, 8]


def test_narrowing__waits_for_what_time_heals_for_as_long_as_it_may() -> None:
    """Amid a search nobody else waits for a turn: an answer that does not come is asked for again and again."""
    client = Client()
    client.api.bad[404] = {"job-0"}
    client.api.script = [None, *[_answer(429)] * (MAX_RETRIES_BEFORE_DEFERRAL + 3)]
    poll = client.poll(_ids(8))
    assert poll.incomplete_reason is None
    assert len(_statuses(poll)) == 8


def test_narrowing__tells_different_faults_apart() -> None:
    """Each bad ID is told by its own fault, whichever of them a group meets first."""
    client = Client()
    client.api.bad = {500: {"job-3"}, 404: {"job-4", "job-50"}, 400: {"job-5"}, 502: {"job-99"}}
    client.api.omitted = {"job-7"}
    told = _statuses(client.poll(_ids(100)))
    assert {job_id: status for job_id, status in told.items() if status != "row"} == {
        "job-3": "failing",
        "job-4": "unknown",
        "job-50": "unknown",
        "job-5": "malformed",
        "job-99": "failing",
        "job-7": "left out",
    }


@pytest.mark.parametrize(("status", "tries"), [(500, 2), (501, 4), (502, 4), (503, 4), (504, 4), (520, 4)])
def test_narrowing__begins_once_the_retries_of_a_5xx_are_used_up(status: int, tries: int) -> None:
    """A 500 is tried once more, the others of a proxy three times more, then smaller requests are sent."""
    client = Client()
    client.api.script = [_answer(status)] * tries
    client.poll(_ids(8))
    assert client.api.sizes[: tries + 1] == [8] * tries + [4]
    assert len(client.retries) == tries - 1


def test_narrowing__begins_at_once_where_no_retry_can_help() -> None:
    """A 404 and a 400 stay what they are."""
    for status in (400, 404):
        client = Client()
        client.api.bad[status] = {"job-0"}
        client.poll(_ids(8))
        assert client.clock.sleeps == []
        assert client.api.sizes[:2] == [8, 4]


def test_narrowing__does_not_retry_what_is_one_ids_fault() -> None:
    """While narrowing, a 5xx is expected: only the group as a whole was tried again."""
    client = Client()
    client.api.bad[500] = {"job-0"}
    client.poll(_ids(64))
    assert len(client.retries) == 1
    assert Counter(client.api.requests).most_common(2)[1][1] == 1


def test_narrowing__is_not_begun_for_what_time_heals() -> None:
    """A rate limit is no ID's fault, in the midst of narrowing either."""
    client = Client()
    client.api.bad[404] = {"job-0"}
    client.api.script = [None, _answer(429)]
    poll = client.poll(_ids(8))
    assert client.api.sizes[:4] == [8, 4, 4, 2]
    assert list(poll.not_found) == ["job-0"]


def test_narrowing__is_cut_short_by_trouble() -> None:
    """Where the API goes down in the midst of narrowing, what was answered stands and no more is asked."""
    client = Client()
    client.api.bad[404] = {"job-7"}
    client.api.script = [None, None, _answer(200, {"jobs": []})]
    client.api.down = _answer(429)
    poll = client.poll(_ids(200), retry_for=0)
    assert client.api.sizes == [100, 50, 25, 12]
    assert _statuses(poll) == dict.fromkeys(_ids(25), "left out")
    assert poll.incomplete_reason == "HTTP 429: It said why"


def test_narrowing__that_finds_no_bad_id_blames_the_size() -> None:
    """Where that many are rejected twice, and none of them alone, the batch shrinks, for good."""
    client = Client()
    client.api.most_ids, client.api.too_many = 30, 400
    for _ in range(2):
        poll = client.poll(_ids(100))
        assert set(_statuses(poll).values()) == {"row"}
    client.api.forget()
    client.poll(_ids(100))
    assert client.api.sizes == [25, 25, 25, 25]


@pytest.mark.parametrize("status", [400, 404])
def test_narrowing__that_finds_no_bad_id_once_blames_nothing(status: int) -> None:
    """A job that became known meanwhile, or one stray answer, does not make the batches smaller."""
    client = Client()
    for _ in range({400: 1, 404: 2}[status]):
        client.api.script = [_answer(status)]
        assert set(_statuses(client.poll(_ids(100))).values()) == {"row"}
    client.api.forget()
    client.poll(_ids(100))
    assert client.api.sizes == [100]


def test_narrowing__passes_over_an_outage_of_a_moment() -> None:
    """Two 500 in a row that were no ID's fault leave no job in a worse state."""
    client = Client()
    client.api.script = [_answer(500), _answer(500)]
    poll = client.poll(_ids(100))
    assert set(_statuses(poll).values()) == {"row"}
    assert poll.incomplete_reason is None


# --- Too large -----------------------------------------------------------------------------------------------------


def test_too_large__met_amid_narrowing_counts_too() -> None:
    """A half that is too large still makes the batches smaller."""
    client = Client()
    client.api.bad[404] = {"job-0"}
    client.api.script = [None, _answer(413)]
    client.poll(_ids(100))
    client.api.forget()
    client.poll([f"other-{number}" for number in range(50)])
    assert client.api.sizes == [25, 25]


def test_too_large__halves_the_batch_for_good() -> None:
    """After a 413 the same jobs are asked for in halves, and no later batch is as large again."""
    client = Client()
    client.api.most_ids = 30
    poll = client.poll(_ids(100))
    assert list(poll.rows) == _ids(100)
    assert client.api.sizes == [100, 50, 25, 25, 25, 25]
    client.api.forget()
    client.poll(_ids(60))
    assert client.api.sizes == [25, 25, 10]


def test_too_large__is_met_in_the_midst_of_narrowing() -> None:
    """A 413 for a part of a group leaves nobody out."""
    client = Client()
    client.api.bad[404] = {"job-60"}
    client.api.script = [None, _answer(413), _answer(413)]
    told = _statuses(client.poll(_ids(100)))
    assert told == {**dict.fromkeys(_ids(100), "row"), "job-60": "unknown"}


def test_too_large__for_one_job_is_an_error() -> None:
    """No smaller request can be sent: the error says so, and points to what stands before the API."""
    client = Client()
    client.api.most_ids = 0
    error = client.poll(_ids(5)).error
    assert isinstance(error, RequestRefusedError)
    assert re.search(r"HTTP 413.*proxy", str(error))
    assert client.api.sizes == [5, 2, 1]


# --- Outages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("count", [4, 100, 1000, 10_000])
def test_outage__is_told_by_few_requests(status: int, count: int) -> None:
    """Where nothing is answered at all, three single IDs are enough to tell, however many there are."""
    client = Client()
    client.api.down = _answer(status)
    poll = client.poll(_ids(count))
    assert poll.incomplete_reason == f"HTTP {status}: It said why"
    assert poll.last_response_at is None
    assert len(client.api.requests) <= 20
    assert len(poll.server_errors) == 3


def test_outage__costs_no_more_when_it_lasts() -> None:
    """The later looks at an API that is down are as short as the first."""
    client = Client()
    client.api.down = _answer(500)
    for _ in range(5):
        client.api.forget()
        assert client.poll(_ids(1000)).incomplete_reason is not None
        assert len(client.api.requests) <= 20


def test_outage__of_a_single_job_is_that_jobs_failure() -> None:
    """One job that fails alone, with nothing else to ask for, is failing; whether that is an outage time will tell."""
    client = Client()
    client.api.down = _answer(500)
    poll = client.poll(["a"])
    assert list(poll.server_errors) == ["a"]
    assert (poll.incomplete_reason, poll.last_response_at) == (None, None)


def test_outage__is_none_where_something_is_answered() -> None:
    """However many IDs fail, with one other answered each of them is found."""
    client = Client(batch_size=10)
    client.api.bad[500] = set(_ids(30)[10:])
    poll = client.poll(_ids(30))
    assert poll.incomplete_reason is None
    assert set(poll.server_errors) == client.api.bad[500]


def test_outage__that_is_over_leaves_no_trace() -> None:
    """Once the API is back, one look answers for all jobs, and the next one is in whole batches again."""
    client = Client()
    client.api.down = _answer(500)
    for _ in range(3):
        client.poll(_ids(100))
    client.api.down = None
    assert list(_statuses(client.poll(_ids(100))).values()) == ["row"] * 100
    client.api.forget()
    client.poll(_ids(100))
    assert client.api.sizes == [100]


# --- IDs with a record ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", NAMES)
def test_troubled__are_asked_for_apart_the_next_time(status: int) -> None:
    """An ID that failed alone is asked for alone, after the others, and fails them no more."""
    client = Client()
    client.api.bad[status] = {"job-3", "job-70"}
    client.poll(_ids(100))
    client.api.forget()
    poll = client.poll(_ids(100))
    assert client.api.sizes == [98, 1, 1]
    assert {request[0] for request in client.api.requests[1:]} == {"job-3", "job-70"}
    assert len(_statuses(poll)) == 100


def test_troubled__are_not_retried() -> None:
    """What failed last time is asked for once a look, without waits."""
    client = Client()
    client.api.bad[500] = {"job-3"}
    client.poll(_ids(10))
    client.clock.sleeps.clear()
    client.poll(_ids(10))
    assert client.clock.sleeps == []


def test_troubled__join_the_others_once_they_are_answered() -> None:
    """An ID that has healed is one like any other."""
    client = Client()
    client.api.bad[404] = {"job-3"}
    client.poll(_ids(10))
    client.api.bad[404] = set()
    assert "job-3" in client.poll(_ids(10)).rows
    client.api.forget()
    client.poll(_ids(10))
    assert client.api.sizes == [10]


def test_troubled__heal_together_in_few_requests() -> None:
    """Many IDs that all became known are not asked for one by one."""
    client = Client()
    client.api.bad[404] = set(_ids(1000))
    client.poll(_ids(1000))
    client.api.bad[404] = set()
    client.api.forget()
    assert list(client.poll(_ids(1000)).rows) == _ids(1000)
    assert len(client.api.requests) <= 20


def test_troubled__that_are_no_longer_wanted_are_not_asked_for() -> None:
    """Only the jobs of this look are asked for."""
    client = Client()
    client.api.bad[404] = {"job-3"}
    client.poll(_ids(10))
    client.api.forget()
    client.poll(["job-0", "job-1"])
    assert client.api.requests == [("job-0", "job-1")]


def test_troubled__take_turns() -> None:
    """Where time is short, the ID whose turn is longest ago is asked for first."""
    client = Client(batch_size=1)
    client.api.bad[404] = set(_ids(4))
    client.poll(_ids(4))
    client.api.request_seconds = 1
    asked = []
    for _ in range(4):
        client.api.forget()
        client.poll(_ids(4), retry_for=0, ends_in=1)
        asked += client.api.requests
    assert sorted(asked) == [(job_id,) for job_id in _ids(4)]


# --- When an answer was usable -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "usable_after"),
    [
        ([_answer(200, {"jobs": []})], 1),
        ([_answer(400)], 1),
        ([_answer(404)], 1),
        ([_answer(500)] * 2, None),
        ([_answer(503)] * 4, None),
        ([_answer(429)], None),
        ([HUNG_UP] * 2, None),
    ],
)
def test_usable__are_rows_and_what_narrowing_can_use(
    script: Sequence[Response | Failure], usable_after: float | None
) -> None:
    """A 200 with rows, a 400 and a 404 show that the API is there, and when; nothing else does."""
    client = Client()
    client.api.script = [*script]
    client.api.request_seconds = 1
    poll = client.poll(["a"], retry_for=0 if usable_after is None else math.inf)
    assert poll.last_response_at == (None if usable_after is None else 1000 + usable_after)


def test_usable__is_the_last_of_them() -> None:
    """Of several usable answers the time of the last is told, whatever follows it."""
    client = Client(batch_size=1)
    client.api.request_seconds = 1
    client.api.script = [None, None, _answer(429)]
    assert client.poll(_ids(3), retry_for=0).last_response_at == 1002


# --- For any jobs --------------------------------------------------------------------------------------------------

TRUTHS = ("row", "left out", "unknown", "malformed", "failing")
TRUTH_LISTS = st.lists(st.sampled_from(TRUTHS), max_size=40) | st.lists(
    st.sampled_from(["row"] * 30 + [*TRUTHS]), max_size=150
)


def _client_of(truths: Sequence[str], batch_size: int, order: Sequence[int]) -> tuple[Client, dict[str, str]]:
    """A client of an API that knows each job to be what is said, and tells the faults of a group in this order."""
    client = Client(batch_size=batch_size)
    truth = dict(zip(_ids(len(truths)), truths, strict=True))

    def in_state(told: str) -> set[str]:
        return {job_id for job_id, status in truth.items() if status == told}

    client.api.omitted = in_state("left out")
    client.api.bad = {status: in_state(NAMES[status]) for status in order}
    return client, truth


@given(TRUTH_LISTS, st.integers(1, 1000), st.permutations([400, 404, 500]), st.integers(1, 200))
def test_poll__classifies_every_id_rightly(
    truths: Sequence[str], batch_size: int, order: Sequence[int], most_ids: int
) -> None:
    """For any jobs and any sizes, what a look says is true, and it says something of each job.

    Only where nothing was answered yet and a few single IDs have failed may it leave off, as at an outage: the next
    look goes on from there.
    """
    client, truth = _client_of(truths, batch_size, order)
    client.api.most_ids = most_ids
    polls = 0
    while True:
        client.api.forget()
        poll = client.poll(list(truth))
        polls += 1
        told = _statuses(poll)
        assert told.items() <= truth.items()
        named = {*poll.not_found, *poll.malformed, *poll.server_errors}
        assert named <= {request[0] for request in client.api.requests if len(request) == 1}
        assert all(len(request) <= batch_size for request in client.api.requests)
        if poll.incomplete_reason is None:
            break
        assert poll.last_response_at is None
        assert len(poll.server_errors) == MIN_FAILED_IDS_FOR_OUTAGE
        if set(truths) == {"failing"}:
            return
        assert polls <= len(truth)
    assert told == truth
    assert poll.last_response_at is not None or set(truths) <= {"failing"}


ANSWERS: Sequence[Callable[[], Response | Failure | None]] = (
    lambda: None,
    lambda: HUNG_UP,
    lambda: TOO_SLOW,
    lambda: _answer(404),
    lambda: _answer(400),
    lambda: _answer(413),
    lambda: _answer(429, Retry_After="3"),
    lambda: _answer(500),
    lambda: _answer(503),
    lambda: _answer(200, {"jobs": None}),
    lambda: _answer(200, {"jobs": []}),
)


@given(
    TRUTH_LISTS,
    st.integers(1, 50),
    st.lists(st.sampled_from(ANSWERS), max_size=30),
    st.floats(0, 60),
    st.floats(0, 5),
    st.floats(0, 10),
)
def test_poll__gives_rows_of_good_ids_alone_whatever_happens(  # noqa: PLR0913, PLR0917 - what may happen
    truths: Sequence[str],
    batch_size: int,
    answers: Sequence[Callable[[], Response | Failure | None]],
    retry_for: float,
    extra: float,
    request_seconds: float,
) -> None:
    """Whatever the API answers in between, no limit is broken, no bad ID has a row, and each ID is in one place."""
    client, truth = _client_of(truths, batch_size, [400, 404, 500])
    client.api.script = [answer() for answer in answers]
    client.api.request_seconds = request_seconds
    began_at = client.clock.now
    poll = client.poll(list(truth), retry_for=retry_for, ends_in=retry_for + extra)
    assert poll.error is None or "413" in str(poll.error)
    assert client.clock.now <= began_at + retry_for + extra + 1e-6
    told = _statuses(poll)
    assert all(truth[job_id] == "row" for job_id in poll.rows)
    assert told.keys() == truth.keys() or poll.incomplete_reason is not None or poll.error is not None


def test_parallel__batches_are_asked_for_side_by_side() -> None:
    """Four batches at a time take a quarter of the time, and never are there more in flight."""
    client = Client(batch_size=10, max_parallel=4)
    client.api.request_seconds = 1
    poll = client.poll(_ids(160))
    assert set(_statuses(poll).values()) == {"row"}
    assert client.api.most_in_flight == 4
    assert client.clock.now == 1004


def test_parallel__a_slow_batch_keeps_no_other_waiting() -> None:
    """While one batch takes its time, the other ones are asked for beside it."""
    client = Client(batch_size=1, max_parallel=2)
    client.api.request_seconds, client.api.slow = 1, {"job-0": 8}
    client.poll(_ids(9))
    assert client.clock.now == 1008


@pytest.mark.parametrize(("concurrency", "expected"), [(16, 8), (5, 2), (4, 2), (3, 1), (2, 1), (1, 1)])
def test_parallel__429_halves_it_for_good(concurrency: int, expected: int) -> None:
    """Those that were in flight together and rejected together count once; the next look keeps to it."""
    client = Client(batch_size=1, max_parallel=concurrency)
    client.api.script = [_answer(429)] * concurrency
    assert set(_statuses(client.poll(_ids(64))).values()) == {"row"}
    client.api.request_seconds = 1
    client.api.most_in_flight = client.api.in_flight
    client.poll(_ids(64))
    assert client.api.most_in_flight == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.001, 1), (MIN_RESPONSE_SECONDS_PER_REQUEST, 1), (0.012, 3), (0.1, 4)]
)
def test_parallel__is_for_answers_that_take_their_time(seconds: float, expected: int) -> None:
    """As many are in flight as the last answer took long enough for, once there has been one."""
    client = Client(batch_size=1, max_parallel=4)
    client.api.request_seconds = seconds
    client.poll(_ids(8))
    client.api.most_in_flight = client.api.in_flight
    client.poll(_ids(8))
    assert client.api.most_in_flight == expected


def test_parallel__what_is_amiss_is_gone_into_alone() -> None:
    """A batch with an unknown ID is narrowed one request at a time; then batches go side by side again."""
    client = Client(batch_size=8, max_parallel=4)
    client.api.bad[404] = {"job-3"}
    client.api.request_seconds = 1
    poll = client.poll(_ids(80))
    assert _statuses(poll)["job-3"] == "unknown"
    assert len(poll.rows) == 79
    begun = client.api.most_in_flight
    assert begun == 4
    assert client.clock.now < 1000 + 10 + 2 * math.log2(8)


def test_parallel__waits_until_all_goes_well_again() -> None:
    """An API that answered for nothing is sent one request at a time, and several once it answers for all."""
    client = Client(batch_size=10, max_parallel=4)
    client.api.request_seconds = 1
    client.api.down = _answer(408)
    client.poll(_ids(40), retry_for=0)
    assert client.api.most_in_flight == 4
    client.api.most_in_flight = 0
    client.poll(_ids(40), retry_for=0)
    assert client.api.most_in_flight == 1
    client.api.down = None
    assert set(_statuses(client.poll(_ids(40))).values()) == {"row"}
    assert client.api.most_in_flight == 3


def test_parallel__an_id_that_is_bad_alone_makes_no_group_smaller() -> None:
    """Groups of those that have healed grow, whatever becomes of a single one beside them."""
    client = Client(max_parallel=2)
    client.api.request_seconds = 1
    client.api.bad[404] = set(_ids(16))
    client.poll(_ids(16))
    client.api.forget()
    client.api.bad[404], client.api.slow = {"job-1"}, {"job-1": 1.5}
    client.poll(_ids(16))
    assert client.api.sizes[:4] == [1, 1, 2, 2]


@pytest.mark.parametrize("longest_is", [0, 1, 2])
def test_parallel__of_several_that_are_asked_to_wait_the_longest_counts(longest_is: int) -> None:
    """Nothing is sent before all that the API asked for is over, whichever answer asked for it."""
    client = Client(batch_size=1, max_parallel=4)
    client.api.script = [_answer(429, Retry_After="5"), _answer(429), None]
    client.api.script.insert(longest_is, _answer(503, Retry_After="60"))
    client.poll(_ids(5))
    assert client.clock.sleeps[0] == 60


def test_parallel__to_wait_as_asked_once_is_enough() -> None:
    """What several answers that came together asked for is over for all of them at once."""
    client = Client(batch_size=1, max_parallel=4)
    client.api.script = [_answer(429, Retry_After="60")] * 4
    assert set(_statuses(client.poll(_ids(4))).values()) == {"row"}
    assert 1060 <= client.clock.now <= 1062


def test_parallel__a_refusal_loses_nothing_that_was_answered() -> None:
    """A batch that was answered for before another was refused has been seen."""
    client = Client(batch_size=2, max_parallel=3)
    client.api.request_seconds, client.api.slow = 1, {"job-4": 2}
    client.api.script = [_answer(404), None, _answer(401)]
    poll = client.poll(_ids(6))
    assert isinstance(poll.error, RequestRefusedError)
    assert _statuses(poll) == {"job-2": "row", "job-3": "row"}


def test_parallel__an_answer_that_comes_as_time_runs_out_counts() -> None:
    """What was sent beside a request that is given up is waited for, and taken in."""
    client = Client(batch_size=1, max_parallel=3)
    client.api.script = [_answer(429), _answer(404), None]
    poll = client.poll(_ids(3), retry_for=0, ends_in=100)
    assert _statuses(poll) == {"job-1": "unknown", "job-2": "row"}
    assert poll.incomplete_reason is not None


def test_parallel__an_answer_that_is_not_gone_into_shows_that_the_api_is_there() -> None:
    """Where there is no time to find out which ID is unknown, a 404 for a batch is a usable answer all the same."""
    client = Client(batch_size=2, max_parallel=2)
    client.api.script = [_answer(429, Retry_After="60"), _answer(404)]
    poll = client.poll(_ids(4), retry_for=10)
    assert (_statuses(poll), poll.last_response_at) == ({}, 1000)
    assert (poll.incomplete_reason, poll.retry_after_seconds) == ("HTTP 429: It said why", 60)


def test_parallel__what_was_answered_beside_a_failure_counts() -> None:
    """A failure that ends the look loses nothing of what had come with it."""
    client = Client(batch_size=2, max_parallel=3)
    client.api.script = [_answer(404)]
    poll = client.client.poll(_ids(6), retry_until=math.inf, ends_at=math.inf, is_failure=lambda _: True)
    assert poll.found_failure
    assert _statuses(poll) == dict.fromkeys(_ids(6)[2:], "row")
    assert client.api.sizes == [2, 2, 2]


def test_parallel__nothing_is_asked_past_a_request_for_one_job_that_is_too_large() -> None:
    """It is a refusal like any other: whatever else came with it is not waited on."""
    client = Client(batch_size=1, max_parallel=2)
    client.api.script = [_answer(429, Retry_After="5"), _answer(413)]
    assert isinstance(client.poll(_ids(4)).error, RequestRefusedError)
    assert (client.api.sizes, client.clock.sleeps) == ([1, 1], [])


def test_parallel__a_refusal_of_another_try_loses_nothing_that_was_answered() -> None:
    """What came beside an answer that was amiss has been seen, though the next try of that one is refused."""
    client = Client(batch_size=1, max_parallel=2)
    client.api.script = [_answer(408), _answer(500), _answer(401)]
    poll = client.poll(_ids(4))
    assert isinstance(poll.error, RequestRefusedError)
    assert _statuses(poll) == {"job-1": "failing"}
