"""Asks for all jobs: in batches, again where time may heal, by halves where one ID fails the others.

The only user of `backoff`.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fini_gate.client.responses import ParsedResponse, ResponseKind, classify
from fini_gate.client.transport import Failure, Request, Transport
from fini_gate.errors import GateError, RequestRefusedError
from fini_gate.models import PollResult, StatusRow

# How often a request that met a 5xx is tried again before it is narrowed: Fini's reference says once for a 500; the
# other ones are a proxy's, and more often over in a moment.
MAX_RETRIES_OF_500: Final = 1
MAX_RETRIES_OF_OTHER_5XX: Final = 3
# How often a group without a usable answer is tried again before the others have their turn.
MAX_RETRIES_BEFORE_DEFERRAL: Final = 3
INITIAL_BACKOFF_SECONDS: Final = 0.5
MAX_BACKOFF_SECONDS: Final = 30.0
# About what it takes to send a request and to take its answer in. Where one is answered as soon, another one beside it
# would only wait for its turn, and threads that want the same turn cost more than they bring.
MIN_RESPONSE_SECONDS_PER_REQUEST: Final = 0.005
OUT_OF_TIME: Final = "the time ran out before all jobs were asked for"
# As many single IDs that fail, with nothing answered in the whole look, are no poison but an outage.
MIN_FAILED_IDS_FOR_OUTAGE: Final = 3


@dataclass(frozen=True)
class _Limits:
    """Of one look; times are on the client's clock."""

    retry_until: float
    ends_at: float
    is_failure: Callable[[StatusRow], bool] | None


@dataclass(frozen=True)
class _InFlight:
    """A group that is asked for."""

    job_ids: Sequence[str]
    request: Request
    began_at: float
    concurrency: int
    """How many requests might be in flight."""


class FiniClient:
    """Asks Fini for the status of jobs.

    Args:
        transport: sends one request.
        api_key: to be kept out of what is told of answers.
        batch_size: most job IDs in one request.
        max_parallel: most requests in flight at once.
        request_timeout_seconds: the longest that one request may take as a whole.
        clock: seconds, monotonic.
        sleep: sleeps so many seconds.
        on_request: is told for how many jobs was asked, what was answered, and after how many seconds.
        on_retry: is told what went wrong, and in how many seconds it is tried again.
    """

    def __init__(  # noqa: PLR0913 - the parts that the composition root wires
        self,
        *,
        transport: Transport,
        api_key: str,
        batch_size: int,
        max_parallel: int,
        request_timeout_seconds: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        on_request: Callable[[int, str, float], None],
        on_retry: Callable[[str, float], None],
    ) -> None:
        self._transport = transport
        self._api_key = api_key
        self._batch_size = batch_size
        self._concurrency = max_parallel
        self._request_timeout_seconds = request_timeout_seconds
        self._clock = clock
        self._sleep = sleep
        self._on_request = on_request
        self._on_retry = on_retry
        # How many the last answer took long enough for.
        self._useful_concurrency = max_parallel
        # Whether the last group was answered for: only then others are asked for beside the next.
        self._goes_well = True
        # Sizes of groups that were rejected as malformed for none of their IDs.
        self._rejected_sizes: set[int] = set()
        # Until when the API asked to be left alone. Of several requests that were in flight together each is answered
        # so: to wait for one is to wait for all.
        self._retry_not_before = -math.inf
        # IDs that failed when last asked for alone, longest ago first: they are asked for apart from the others.
        self._suspect_ids: dict[str, None] = {}

    def poll(
        self,
        job_ids: Sequence[str],
        *,
        retry_until: float,
        ends_at: float,
        is_failure: Callable[[StatusRow], bool] | None = None,
    ) -> PollResult:
        """Ask for each of the jobs.

        An unknown, a malformed and a poisonous ID each fail their whole request without being named: they are found
        out. What the limits leave no time for is not answered for.

        Args:
            job_ids: the jobs, each once.
            retry_until: no wait for another try goes past it, on the clock.
            ends_at: no request goes past it, on the clock.
            is_failure: where given, one job that failed by it, or is malformed, ends the look.
        """
        poll = PollResult()
        limits = _Limits(min(retry_until, ends_at), ends_at, is_failure)
        asked = set(job_ids)
        suspects = [job_id for job_id in self._suspect_ids if job_id in asked]
        healthy_ids = [job_id for job_id in job_ids if job_id not in self._suspect_ids]
        try:
            self._poll_batches(healthy_ids, self._batch_size, poll, limits, retry_5xx=True)
            # Those that failed last time most likely fail again: begin with groups of one.
            self._poll_batches(suspects, 1, poll, limits, retry_5xx=False)
        except GateError as error:  # what was answered before it is true all the same
            poll.error = error
        return poll

    def _poll_batches(  # noqa: C901 - one loop, with a branch for each kind of answer
        self, job_ids: Sequence[str], size: int, poll: PollResult, limits: _Limits, *, retry_5xx: bool
    ) -> None:
        """Ask in groups: smaller ones the more IDs turn out bad, larger ones again while all goes well.

        Side by side, too, while all goes well: what is amiss is got to the bottom of before more is asked for.
        """
        waiting = deque(job_ids)
        asked: list[_InFlight] = []
        deferred: ParsedResponse | None = None
        while (waiting or asked) and not poll.should_stop:
            concurrency = min(self._concurrency, self._useful_concurrency) if self._goes_well else 1
            while waiting and len(asked) < concurrency and self._seconds_left(limits) > 0:
                size = min(size, self._batch_size, len(waiting))
                asked.append(self._begin(_take_batch(waiting, size, poll), limits))
            if not asked:
                poll.incomplete_reason = OUT_OF_TIME
            answered = self._next_answers(asked, poll)
            try:
                while answered and not poll.should_stop:
                    group, answer = answered.popleft()
                    others_wait = bool(waiting or answered) and deferred is None
                    answer = self._send_with_retries(
                        group, poll, limits, answer=answer, retry_5xx=retry_5xx, others_wait=others_wait
                    )
                    self._goes_well = _is_complete(group, answer)
                    if answer.kind is ResponseKind.OK:
                        size *= 2
                    elif answer.kind is ResponseKind.RETRYABLE and others_wait and not answer.retry_after_seconds:
                        deferred, poll.incomplete_reason = answer, None
                    elif answer.kind is ResponseKind.TOO_LARGE:
                        waiting.extendleft(reversed(group))
                    elif len(group) > 1:
                        waiting.extendleft(reversed(self._bisect(group, answer, poll, limits)))
                        # Where nothing is answered at all, one more ID is enough to tell.
                        size = 1 if poll.last_response_at is None else max(1, size // 2)
            finally:
                for group, answer in answered:  # nothing goes into them any more, but they are answers
                    self._record(answer, group, poll)
        if deferred is not None and poll.incomplete_reason is None:
            poll.incomplete_reason = deferred.problem

    def _next_answers(self, asked: list[_InFlight], poll: PollResult) -> deque[tuple[Sequence[str], ParsedResponse]]:
        """Wait for the first answer; where that is amiss, for all that are under way.

        They come with the groups that they are for, which are then asked for no more. First come those with which all
        is well, then the one by which the API wants to be left alone for the longest.
        """
        answered: list[tuple[Sequence[str], ParsedResponse]] = []
        try:
            while asked and not (answered and _is_complete(*answered[0])):
                answered.append(self._wait_any(asked))
        except GateError:
            for group, answer in answered:
                self._record(answer, group, poll)
            raise
        return deque(
            sorted(answered, key=lambda each: (_is_complete(*each), each[1].retry_after_seconds), reverse=True)
        )

    def _bisect(self, group: Sequence[str], answer: ParsedResponse, poll: PollResult, limits: _Limits) -> Sequence[str]:
        """Find one ID for which a group has failed, in about log2 of its size requests.

        Returns:
            Those of the group that have not been answered for yet.
        """
        size, aside, group_was_asked = len(group), list[str](), True
        while len(group) > 1 and not poll.should_stop:
            left, right = group[: len(group) // 2], group[len(group) // 2 :]
            if self._send_with_retries(left, poll, limits).kind is ResponseKind.OK:
                # So it is one of the others: no need to ask for them all to learn that they fail.
                group, group_was_asked = right, False
            else:
                group, aside, group_was_asked = left, [*right, *aside], True
        if group_was_asked or poll.should_stop:
            return aside
        # Nothing is said of a single ID that was not asked for alone.
        if (
            self._send_with_retries(group, poll, limits).kind is ResponseKind.OK
            and answer.kind is ResponseKind.BAD_REQUEST
        ):
            # It was none of them: what the API would not have was that many, or else it was chance, but not twice.
            if size in self._rejected_sizes:
                self._batch_size = size // 2
            self._rejected_sizes.add(size)
        return aside

    def _send_with_retries(  # noqa: PLR0913 - each has its line below
        self,
        job_ids: Sequence[str],
        poll: PollResult,
        limits: _Limits,
        *,
        answer: ParsedResponse | None = None,
        retry_5xx: bool = False,
        others_wait: bool = False,
    ) -> ParsedResponse:
        """Ask for a group, again while time may heal what it met, and enter its answer into the look.

        Args:
            job_ids: the jobs to ask for.
            poll: to enter the answer into.
            limits: the look's.
            answer: what the group has been answered, where it has been asked for.
            retry_5xx: whether a 5xx is tried again too; where it is known to be an ID's fault that only takes time.
            others_wait: whether not to try for as long as the limits allow, since others may be answered meanwhile.
        """
        answer = answer or self._send(job_ids, limits)
        waits: Iterator[float] | None = None
        tries = 1
        while tries <= self._retries(answer, retry_5xx=retry_5xx, others_wait=others_wait):
            waits = waits or _backoff_delays()
            wait_seconds = max(next(waits), self._retry_not_before - self._clock())
            if tries == 1 and answer.retry_immediately:
                wait_seconds = 0
            elif self._clock() + wait_seconds > limits.retry_until:
                break
            self._on_retry(answer.problem, wait_seconds)
            self._sleep(wait_seconds)
            answer = self._send(job_ids, limits)
            tries += 1
        if answer.kind is ResponseKind.TOO_LARGE:
            self._batch_size = max(1, min(self._batch_size, len(job_ids) // 2))
        self._record(answer, job_ids, poll)
        if limits.is_failure is not None:
            rows = (row for rows in answer.rows.values() for row in rows)
            poll.found_failure = bool(poll.malformed) or any(map(limits.is_failure, rows))
        return answer

    def _send(self, job_ids: Sequence[str], limits: _Limits) -> ParsedResponse:
        """Send one request, and wait for its answer."""
        if self._seconds_left(limits) <= 0:
            return ParsedResponse(kind=ResponseKind.RETRYABLE, problem=OUT_OF_TIME)
        _, answer = self._wait_any([self._begin(job_ids, limits)])
        return answer

    def _seconds_left(self, limits: _Limits) -> float:
        """How long a request may take that begins now."""
        return min(self._request_timeout_seconds, limits.ends_at - self._clock())

    def _begin(self, job_ids: Sequence[str], limits: _Limits) -> _InFlight:
        request = self._transport.submit(job_ids, timeout_seconds=self._seconds_left(limits))
        return _InFlight(job_ids, request, self._clock(), self._concurrency)

    def _wait_any(self, asked: list[_InFlight]) -> tuple[Sequence[str], ParsedResponse]:
        """Wait for the first of some groups to be answered for, and take it out of them."""
        request, response = self._transport.wait_any([each.request for each in asked])
        first = next(each for each in asked if each.request is request)
        asked.remove(first)
        told = response.problem if isinstance(response, Failure) else f"HTTP {response.status}"
        seconds = self._clock() - first.began_at
        self._on_request(len(first.job_ids), told, seconds)
        self._useful_concurrency = max(1, math.ceil(seconds / MIN_RESPONSE_SECONDS_PER_REQUEST))
        answer = classify(response, first.job_ids, secret=self._api_key)
        if answer.kind is ResponseKind.TOO_LARGE and len(first.job_ids) == 1:
            raise RequestRefusedError(
                f"The API finds a request for one job too large: {answer.problem}. Check any proxy before it."
            )
        self._retry_not_before = max(self._retry_not_before, self._clock() + answer.retry_after_seconds)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            # For good. Of several that were in flight together each is answered so: they halve it once.
            self._concurrency = min(self._concurrency, max(1, first.concurrency // 2))
        return first.job_ids, answer

    @staticmethod
    def _retries(answer: ParsedResponse, *, retry_5xx: bool, others_wait: bool) -> float:
        if answer.kind is ResponseKind.RETRYABLE:
            return MAX_RETRIES_BEFORE_DEFERRAL if others_wait and not answer.retry_after_seconds else math.inf
        if answer.kind is ResponseKind.SERVER_ERROR and retry_5xx:
            return MAX_RETRIES_OF_500 if answer.status == HTTPStatus.INTERNAL_SERVER_ERROR else MAX_RETRIES_OF_OTHER_5XX
        return 0

    def _record(self, answer: ParsedResponse, job_ids: Sequence[str], poll: PollResult) -> None:
        """Enter an answer into the look: of a group its rows, of a single ID whatever it is."""
        if answer.is_usable:
            poll.last_response_at = self._clock()
        if answer.kind is ResponseKind.RETRYABLE:
            poll.incomplete_reason = answer.problem
            poll.retry_after_seconds = max(poll.retry_after_seconds, answer.retry_after_seconds)
        elif answer.kind is ResponseKind.OK:
            poll.rows.update(answer.rows)
            poll.omitted.update(job_id for job_id in job_ids if job_id not in answer.rows)
            for job_id in self._suspect_ids.keys() & job_ids:
                del self._suspect_ids[job_id]
        elif len(job_ids) == 1:
            self._record_single(answer, job_ids[0], poll)

    def _record_single(self, answer: ParsedResponse, job_id: str, poll: PollResult) -> None:
        self._suspect_ids.pop(job_id, None)
        self._suspect_ids[job_id] = None
        if answer.kind is ResponseKind.NOT_FOUND:
            poll.not_found[job_id] = answer.problem
        elif answer.kind is ResponseKind.BAD_REQUEST:
            poll.malformed[job_id] = answer.problem
        else:
            poll.server_errors[job_id] = answer.problem
            if poll.last_response_at is None and len(poll.server_errors) >= MIN_FAILED_IDS_FOR_OUTAGE:
                poll.incomplete_reason = answer.problem


def _take_batch(waiting: deque[str], size: int, poll: PollResult) -> list[str]:
    # Where single IDs fail and nothing is answered, the next to try is far from those.
    take = waiting.pop if poll.server_errors and poll.last_response_at is None else waiting.popleft
    return [take() for _ in range(size)]


def _is_complete(job_ids: Sequence[str], answer: ParsedResponse) -> bool:
    """Whether an answer tells of each job that was asked for."""
    return answer.kind is ResponseKind.OK or (len(job_ids) == 1 and answer.is_usable)


def _backoff_delays() -> Iterator[float]:
    """Seconds to wait before each further try: doubled each time, the second half of each left to chance."""
    import backoff  # noqa: PLC0415 - slow to import (it brings asyncio), and of use only when something failed

    waits = backoff.expo(base=2, factor=INITIAL_BACKOFF_SECONDS, max_value=MAX_BACKOFF_SECONDS)
    next(waits)  # a generator of backoff's gives nothing at first
    return (wait / 2 + backoff.full_jitter(wait / 2) for wait in waits)
