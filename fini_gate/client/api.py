"""Poll all unfinished jobs once: cut them into batches, and run the batches concurrently."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from fini_gate.client.bisection import BatchPoller
from fini_gate.client.responses import ParsedResponse, ResponseKind
from fini_gate.client.retry import Retry
from fini_gate.client.scheduler import BatchScheduler
from fini_gate.client.status_route import StatusRoute
from fini_gate.client.throttle import Throttle
from fini_gate.client.transport import Transport
from fini_gate.errors import GateError
from fini_gate.models import PollLimits, PollResult


@dataclass(kw_only=True, eq=False)
class FiniClient:
    """Asks Fini for the status of jobs."""

    transport: Transport
    api_key: str = field(repr=False)
    """Redacted from every text that comes out of a response."""
    batch_size: int
    """Maximum number of job IDs in one request."""
    max_parallel: int
    """Maximum number of requests in flight."""
    request_timeout_seconds: float
    clock: Callable[[], float]
    on_request: Callable[[int, str, float], None]
    """Receives the number of jobs in a request, what came back, and the seconds that it took."""
    on_retry: Callable[[str, float], None]
    """Receives what went wrong, and the delay before the next attempt in seconds."""

    def __post_init__(self) -> None:
        """Start with the given limits; the API's responses may tighten them for the rest of the run."""
        self._throttle = Throttle(batch_size=self.batch_size, concurrency=self.max_parallel)
        self._route = StatusRoute(
            transport=self.transport,
            api_key=self.api_key,
            request_timeout_seconds=self.request_timeout_seconds,
            clock=self.clock,
            throttle=self._throttle,
            on_request=self.on_request,
        )
        # IDs that failed alone when last polled, oldest first.
        self._suspect_ids: dict[str, None] = {}

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
        retry = Retry(self._throttle, limits, self.clock, self.on_retry)
        batch_poller = BatchPoller(retry, result, lambda ids, response: self._record(ids, response, result))
        scheduler = BatchScheduler(self._route, limits, result, lambda: should_stop(result))
        # Suspect IDs come last: they are slow to poll, and responses to the others show whether the API is up.
        wanted_ids = set(job_ids)
        self._suspect_ids = {job_id: None for job_id in self._suspect_ids if job_id in wanted_ids}
        suspect_ids = list(self._suspect_ids)
        healthy_ids = [job_id for job_id in job_ids if job_id not in self._suspect_ids]
        try:
            scheduler.run(batch_poller.poll(batch, are_suspect=False) for batch in self._batches(healthy_ids))
            scheduler.run(batch_poller.poll(batch, are_suspect=True) for batch in self._batches(suspect_ids))
        except GateError as error:
            result.error = error
        for ids, response in scheduler.unfinished():
            self._record(ids, response, result)
        result.retry_not_before = self._throttle.not_before
        return result

    def _batches(self, job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
        size = self._throttle.batch_size
        return (job_ids[start : start + size] for start in range(0, len(job_ids), size))

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
