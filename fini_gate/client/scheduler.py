"""Run the batches of a poll concurrently: send what each one yields, and pass the response back to it."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from fini_gate.client.bisection import BatchRun
from fini_gate.client.responses import ParsedResponse
from fini_gate.client.retry import Send
from fini_gate.client.routes import ResponseKind
from fini_gate.client.sender import Sender, SentRequest
from fini_gate.errors import RequestRefusedError
from fini_gate.models import PollLimits, RequestsResult

OUT_OF_TIME: Final = "time ran out before all requests were sent"
# A batch that needs more attempts no longer keeps the next one from starting.
MAX_ATTEMPTS_BEFORE_NEXT_BATCH: Final = 3
# One batch may fail because of an ID in it. Two in a row, with no usable response in between, are an outage.
MAX_ABANDONED_IN_A_ROW: Final = 2


@dataclass(eq=False, slots=True)
class _Batch:
    """A batch that has started: what it wants to send, and the request once that is in flight."""

    run: BatchRun
    send: Send
    request: SentRequest | None = None
    retried_response: ParsedResponse | None = None
    """The previous attempt's response, while the batch waits for a retry."""


@dataclass(eq=False, slots=True)
class BatchScheduler:
    """Runs each batch to completion, with a limited number of requests in flight.

    A batch waits for its own backoff alone. Retry-After holds back everything, the next request of a bisection
    included: nothing is sent before it has passed. If it ends after the poll's `retry_until`, the poll stops, and no
    batch is bisected any further.
    All of this happens in one thread, so that nothing needs a lock and simulated time can drive it.
    """

    sender: Sender
    limits: PollLimits
    result: RequestsResult
    should_stop: Callable[[], bool]
    """Whether the result is good enough to stop without waiting for what is in flight."""
    _active: list[_Batch] = field(default_factory=list)
    _abandoned_in_a_row: int = 0
    _is_stopped: bool = False

    def run(self, batch_runs: Iterable[BatchRun]) -> None:
        """Run batches, in order, until all are complete or the poll has to stop.

        Raises:
            GateError: the API refused a request, or a signal arrived.
        """
        waiting = iter(batch_runs)
        while not self._is_stopped and not self.should_stop():
            self._start(waiting)
            if not self._active:
                return
            self._send_due()
            self._wait()
            self._receive()
        while self._is_stopped and (awaited := self.in_flight()):
            # The API is still processing these, and their responses belong to the result.
            self.sender.wait_any(awaited, until=math.inf)

    def in_flight(self) -> list[SentRequest]:
        """Return the requests that have no response yet."""
        return [request for request in self._requests() if request.response is None]

    def unfinished(self) -> Iterator[tuple[Sequence[str], ParsedResponse]]:
        """Yield the last response of each batch that did not complete."""
        for batch in self._active:
            if batch.retried_response is not None:
                yield batch.send.ids, batch.retried_response
            elif batch.request is not None and (response := batch.request.response) is not None:
                try:
                    yield batch.send.ids, self.sender.parse(batch.request, response)
                except RequestRefusedError as error:
                    self.result.error = self.result.error or error

    def _start(self, waiting: Iterator[BatchRun]) -> None:
        """Start as many batches as may be active."""
        concurrency = self.sender.throttle.concurrency
        struggling = sum(batch.send.attempt > MAX_ATTEMPTS_BEFORE_NEXT_BATCH for batch in self._active)
        free_slots = concurrency + min(struggling, concurrency) - len(self._active)
        for batch_run in islice(waiting, max(0, free_slots)):
            self._active.append(_Batch(batch_run, next(batch_run)))

    def _send_due(self) -> None:
        """Send everything that is due, as far as the concurrency allows."""
        now = self.sender.clock()
        for batch in self._active:
            if batch.request is None and self._due_at(batch) <= now and self._has_room():
                if now >= self.limits.end_at:
                    self._stop(self.result.incomplete_reason or OUT_OF_TIME)
                    return
                self._cut_to_size(batch)
                batch.request = self.sender.submit(batch.send.ids, end_at=self.limits.end_at)
                batch.retried_response = None

    def _cut_to_size(self, batch: _Batch) -> None:
        """Cut a batch smaller if the API has rejected another of its size since it was cut."""
        while len(batch.send.ids) > self.sender.throttle.batch_size:
            batch.send = batch.run.send(ParsedResponse(kind=ResponseKind.TOO_LARGE))

    def _wait(self) -> None:
        """Wait until a response arrives or something is due."""
        due_at = min((self._due_at(batch) for batch in self._active if batch.request is None), default=math.inf)
        self.sender.wait_any(self._requests(), until=due_at if self._has_room() else math.inf)

    def _receive(self) -> None:
        """Pass every response that has arrived to its batch."""
        for batch in list(self._active):
            if batch.request is not None and (response := batch.request.response) is not None and not self._is_stopped:
                request, batch.request = batch.request, None
                self._resume(batch, self.sender.parse(request, response))

    def _requests(self) -> list[SentRequest]:
        return [batch.request for batch in self._active if batch.request is not None]

    def _has_room(self) -> bool:
        return len(self._requests()) < self.sender.throttle.usable_concurrency

    def _due_at(self, batch: _Batch) -> float:
        return max(batch.send.not_before, self.sender.throttle.not_before)

    def _resume(self, batch: _Batch, response: ParsedResponse) -> None:
        """Pass a batch its response, and let it run until it wants to send again."""
        if response.is_usable:
            self._abandoned_in_a_row = 0
        try:
            batch.send = batch.run.send(response)
            batch.retried_response = response if batch.send.attempt > 1 else None
        except StopIteration as end:
            self._active.remove(batch)
            if end.value is not None:
                self._abandon(end.value)
        if self.sender.throttle.not_before > self.limits.retry_until:
            self._stop(response.problem)

    def _abandon(self, last_response: ParsedResponse) -> None:
        """Note that a batch has ended incomplete."""
        self.result.incomplete_reason = last_response.problem
        self._abandoned_in_a_row += 1
        self._is_stopped |= self._abandoned_in_a_row == MAX_ABANDONED_IN_A_ROW

    def _stop(self, reason: str) -> None:
        self.result.incomplete_reason = reason
        self._is_stopped = True
