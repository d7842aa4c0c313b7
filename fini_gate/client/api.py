"""Ask the API about many IDs: cut them into batches, and run the batches concurrently."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from fini_gate.client.bisection import BatchPoller, BatchRun
from fini_gate.client.lookup import BatchLookup
from fini_gate.client.responses import ParsedResponse
from fini_gate.client.retry import Retry
from fini_gate.client.routes import ARTICLES, SOURCES, STATUS, ResponseKind, Route
from fini_gate.client.scheduler import BatchScheduler
from fini_gate.client.sender import Sender, SentRequest
from fini_gate.client.throttle import Throttle
from fini_gate.client.transport import Transport
from fini_gate.errors import GateError
from fini_gate.models import PollLimits, PollResult
from fini_gate.records import LookupResult


@dataclass(kw_only=True, eq=False)
class FiniClient:
    """Asks Fini about jobs, articles and sources."""

    transport: Transport
    api_key: str = field(repr=False)
    """Redacted from every text that comes out of a response."""
    batch_size: int
    """Maximum number of IDs in one request."""
    max_parallel: int
    """Maximum number of requests in flight."""
    request_timeout_seconds: float
    clock: Callable[[], float]
    on_request: Callable[[str, int, str, float], None]
    """Receives what a request asked for and how many of them, what came back, and the seconds that it took."""
    on_retry: Callable[[str, float], None]
    """Receives what went wrong, and the delay before the next attempt in seconds."""

    def __post_init__(self) -> None:
        """Start with the given limits; the API's responses may tighten them for the rest of the run."""
        self._throttle = Throttle(batch_size=self.batch_size, concurrency=self.max_parallel)
        # IDs that failed alone when last polled, oldest first.
        self._suspect_ids: dict[str, None] = {}
        # What a poll that stopped early has left in flight.
        self._abandoned: list[SentRequest] = []

    def poll(
        self, job_ids: Sequence[str], limits: PollLimits, *, should_stop: Callable[[PollResult], bool]
    ) -> PollResult:
        """Poll each job once.

        Args:
            job_ids: the jobs to poll, each once.
            limits: the times at which to stop.
            should_stop: whether the result so far is enough; asked after each response.

        Returns:
            What the API returned, even if a limit, a signal or a refused request ended the poll early.
        """
        result = PollResult()
        # The poller has already waited for Retry-After, or this is the final poll.
        self._throttle.not_before = -math.inf

        def record(ids: Sequence[str], response: ParsedResponse) -> None:
            self._record(ids, response, result)

        batch_poller = BatchPoller(self._retry(limits), result, record)
        # Suspect IDs come last: they are slow to poll, and responses to the others show whether the API is up.
        wanted_ids = set(job_ids)
        self._suspect_ids = {job_id: None for job_id in self._suspect_ids if job_id in wanted_ids}
        suspect_ids = list(self._suspect_ids)
        healthy_ids = [job_id for job_id in job_ids if job_id not in self._suspect_ids]
        scheduler = BatchScheduler(self._sender(STATUS), limits, result, lambda: should_stop(result))
        self._run(
            scheduler,
            record,
            (batch_poller.poll(batch, are_suspect=False) for batch in self._batches(healthy_ids)),
            (batch_poller.poll(batch, are_suspect=True) for batch in self._batches(suspect_ids)),
        )
        return result

    def find_articles(self, article_ids: Iterable[str], limits: PollLimits) -> LookupResult:
        """Look up articles. IDs that differ only in case are one."""
        return self._find(ARTICLES, article_ids, limits)

    def find_sources(self, source_ids: Iterable[str], limits: PollLimits) -> LookupResult:
        """Look up sources, each in a request of its own. IDs that differ only in case are one."""
        return self._find(SOURCES, source_ids, limits)

    def _find(self, route: Route, ids: Iterable[str], limits: PollLimits) -> LookupResult:
        result = LookupResult()
        # A Retry-After that is over must not stop the round if it ended after a limit.
        if limits.is_final or self._throttle.not_before <= self.clock():
            self._throttle.not_before = -math.inf
        if self._throttle.not_before > limits.retry_until:
            result.incomplete_reason = "the API asked to wait for longer"
            result.retry_not_before = self._throttle.not_before
            return result

        unique_ids = list({each.lower(): each for each in ids}.values())
        lookup = BatchLookup(self._retry(limits), result)
        scheduler = BatchScheduler(self._sender(route), limits, result, lambda: False)
        batches = self._batches(unique_ids, max_size=math.inf if route.ids_field else 1)
        self._run(scheduler, lookup.record, map(lookup.look_up, batches))
        return result

    def _run(
        self,
        scheduler: BatchScheduler,
        record: Callable[[Sequence[str], ParsedResponse], None],
        *phases: Iterable[BatchRun],
    ) -> None:
        """Run the batches of each phase, one phase after the other, unless an error ends the round."""
        try:
            self._wait_for_abandoned(scheduler.sender, scheduler.limits)
            for batch_runs in phases:
                scheduler.run(batch_runs)
        except GateError as error:
            scheduler.result.error = error
        for ids, response in scheduler.unfinished():
            record(ids, response)
        self._abandoned = [*(each for each in self._abandoned if each.response is None), *scheduler.in_flight()]
        scheduler.result.retry_not_before = self._throttle.not_before

    def _wait_for_abandoned(self, sender: Sender, limits: PollLimits) -> None:
        """Let abandoned requests end first: they count towards the maximum in flight."""
        while (awaited := [each for each in self._abandoned if each.response is None]) and self.clock() < limits.end_at:
            sender.wait_any(awaited, until=limits.end_at)

    def _retry(self, limits: PollLimits) -> Retry:
        return Retry(self._throttle, limits, self.clock, self.on_retry)

    def _sender(self, route: Route) -> Sender:
        return Sender(
            route=route,
            transport=self.transport,
            api_key=self.api_key,
            request_timeout_seconds=self.request_timeout_seconds,
            clock=self.clock,
            throttle=self._throttle,
            on_request=self.on_request,
        )

    def _batches(self, ids: Sequence[str], max_size: float = math.inf) -> Iterator[Sequence[str]]:
        size = int(min(self._throttle.batch_size, max_size))
        return (ids[start : start + size] for start in range(0, len(ids), size))

    def _record(self, job_ids: Sequence[str], response: ParsedResponse, result: PollResult) -> None:
        """Add a response to the result: the rows of a batch, or what the API says of a single ID."""
        if response.is_usable:
            result.last_response_at = self.clock()
        if response.kind is ResponseKind.OK:
            result.rows.update(response.rows)
            result.omitted.update(job_id for job_id in job_ids if job_id not in response.rows)
            for job_id in self._suspect_ids.keys() & set(job_ids):
                del self._suspect_ids[job_id]
        elif len(job_ids) == 1:
            self._record_rejection(job_ids[0], response, result)

    def _record_rejection(self, job_id: str, response: ParsedResponse, result: PollResult) -> None:
        match response.kind:
            case ResponseKind.NOT_FOUND:
                result.not_found[job_id] = response.problem
            case ResponseKind.BAD_REQUEST:
                result.malformed[job_id] = response.problem
            case ResponseKind.SERVER_ERROR:
                result.server_errors[job_id] = response.problem
            case _:
                return
        self._suspect_ids.pop(job_id, None)
        self._suspect_ids[job_id] = None
