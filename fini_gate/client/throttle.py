"""Batch size, concurrency and Retry-After: adapted to the API's responses, and shared by all batches and polls."""

import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from fini_gate.client.responses import ParsedResponse
from fini_gate.client.routes import ResponseKind

# About what one request costs on this side. If responses arrive faster than this, more concurrency gains nothing.
MIN_RESPONSE_SECONDS_PER_REQUEST: Final = 0.005


@dataclass(slots=True, kw_only=True)
class Throttle:
    """Limits on what is sent. Batch size and concurrency only ever shrink. Times are on the gate's clock."""

    batch_size: int
    """Maximum number of IDs in one request."""
    concurrency: int
    """Maximum number of requests in flight."""
    not_before: float = -math.inf
    """Send nothing before this time: the latest Retry-After of all responses."""
    _latency_concurrency: float = math.inf
    """How many concurrent requests are useful, given how long the latest response took."""
    _rejected_sizes: set[int] = field(default_factory=set)

    @property
    def usable_concurrency(self) -> float:
        """Maximum number of requests in flight; below `concurrency` if the API is so fast that more would not help."""
        return min(self.concurrency, self._latency_concurrency)

    def adapt(self, response: ParsedResponse, *, now: float, response_seconds: float, concurrency: int) -> None:
        """Adapt to a response: keep its Retry-After, and halve the concurrency after a 429.

        Args:
            response: any response.
            now: the current time.
            response_seconds: how long the response took.
            concurrency: the concurrency when the request was sent. Requests in flight together often get a 429
                together; they halve the concurrency once.
        """
        if response.retry_after_seconds:
            self.not_before = max(self.not_before, now + response.retry_after_seconds)
        self._latency_concurrency = max(1, math.ceil(response_seconds / MIN_RESPONSE_SECONDS_PER_REQUEST))
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.concurrency = min(self.concurrency, max(1, concurrency // 2))

    def shrink_batches(self, rejected_size: int) -> None:
        """Halve the batch size after a request of this size was too large."""
        self.batch_size = min(self.batch_size, max(1, rejected_size // 2))

    def record_unexplained_rejection(self, rejected_size: int, kind: ResponseKind) -> None:
        """Record that a batch was rejected although none of its IDs is bad.

        One may be a coincidence. A second 400 for the same size means that the API limits the size without saying 413.
        """
        if kind is not ResponseKind.BAD_REQUEST:
            return
        if rejected_size in self._rejected_sizes:
            self.shrink_batches(rejected_size)
        self._rejected_sizes.add(rejected_size)
