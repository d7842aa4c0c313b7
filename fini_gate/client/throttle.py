"""What the API has shown that it can take: the state that all batches and polls share."""

import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from fini_gate.client.responses import ParsedResponse, ResponseKind

# About what one request costs on this side. If the API responds as fast, another request in flight only waits its turn.
MIN_RESPONSE_SECONDS_PER_REQUEST: Final = 0.005


@dataclass(slots=True, kw_only=True)
class Throttle:
    """Limits on what is sent. They only ever tighten, except `not_before`. Times are on the gate's clock."""

    batch_size: int
    """Maximum number of job IDs in one request."""
    concurrency: int
    """Maximum number of requests in flight."""
    not_before: float = -math.inf
    """Send nothing before this time: the latest Retry-After of all responses."""
    _useful_concurrency: float = math.inf
    _rejected_sizes: set[int] = field(default_factory=set)

    @property
    def usable_concurrency(self) -> float:
        """How many requests to keep in flight: no more than pay for themselves."""
        return min(self.concurrency, self._useful_concurrency)

    def adapt(self, response: ParsedResponse, *, now: float, response_seconds: float, sent_concurrency: int) -> None:
        """Adapt to a response.

        Args:
            response: any response.
            now: the current time.
            response_seconds: how long the response took.
            sent_concurrency: the concurrency when the request was sent. Requests in flight together are often answered
                429 together; they halve the concurrency once.
        """
        if response.retry_after_seconds:
            self.not_before = max(self.not_before, now + response.retry_after_seconds)
        self._useful_concurrency = max(1, math.ceil(response_seconds / MIN_RESPONSE_SECONDS_PER_REQUEST))
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.concurrency = min(self.concurrency, max(1, sent_concurrency // 2))

    def shrink_batches(self, rejected_size: int) -> None:
        """Halve the batch size after a request of this size was too large."""
        self.batch_size = min(self.batch_size, max(1, rejected_size // 2))

    def note_baseless_rejection(self, rejected_size: int, kind: ResponseKind) -> None:
        """Take note that a batch was rejected although none of its IDs is bad.

        Once may be chance. A second 400 for the same size means that the API limits the size and does not say 413.
        """
        if kind is not ResponseKind.BAD_REQUEST:
            return
        if rejected_size in self._rejected_sizes:
            self.shrink_batches(rejected_size)
        self._rejected_sizes.add(rejected_size)
