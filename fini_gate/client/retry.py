"""Send one request with retries: attempts, exponential backoff with jitter, Retry-After. The only user of `backoff`."""

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple, TypeAlias

from fini_gate.client.responses import ParsedResponse
from fini_gate.client.routes import ResponseKind
from fini_gate.client.throttle import Throttle
from fini_gate.models import PollLimits

# Fini's reference asks for one retry after a 500. Other 5xx come from proxies and tend to pass within seconds.
MAX_RETRIES_OF_500: Final = 1
MAX_RETRIES_OF_OTHER_5XX: Final = 3
INITIAL_BACKOFF_SECONDS: Final = 0.5
MAX_BACKOFF_SECONDS: Final = 30.0


class Send(NamedTuple):
    """A request to send. Whoever receives it sends it and returns the response."""

    ids: Sequence[str]
    not_before: float = -math.inf
    """The earliest time to send it, on the gate's clock."""
    attempt: int = 1


RetryRun: TypeAlias = Generator[Send, ParsedResponse, ParsedResponse]
"""Yields requests, receives their responses, and returns the final one."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The retry policy of one poll.

    Retries transient failures until the poll's limit, and server errors a few times. Each delay is twice the last,
    half of it jitter, and never shorter than the Retry-After in force. After a broken connection the first retry is
    immediate.
    """

    throttle: Throttle
    limits: PollLimits
    clock: Callable[[], float]
    on_retry: Callable[[str, float], None]
    """Receives what went wrong and the delay in seconds."""

    def send(self, ids: Sequence[str], *, retry_server_errors: bool) -> RetryRun:
        """Send a request until it gets a final response or no retry fits into the poll.

        Args:
            ids: what to ask for.
            retry_server_errors: False where an ID is already suspected: a retry would only delay the bisection.
        """
        response = yield Send(ids)
        delays: Iterator[float] | None = None
        retries = 0
        while retries < _max_retries(response, retry_server_errors=retry_server_errors):
            retries += 1
            delays = delays or _backoff_delays()
            delay_seconds = next(delays)
            if retries == 1 and response.retry_immediately:
                delay_seconds = 0.0
            now = self.clock()
            retry_at = max(now + delay_seconds, self.throttle.not_before)
            if delay_seconds and retry_at > self.limits.retry_until:
                break
            self.on_retry(response.problem, retry_at - now)
            response = yield Send(ids, not_before=retry_at, attempt=retries + 1)
        return response


def _max_retries(response: ParsedResponse, *, retry_server_errors: bool) -> float:
    if response.kind is ResponseKind.RETRYABLE:
        return math.inf
    if response.kind is ResponseKind.SERVER_ERROR and retry_server_errors:
        is_plain_500 = response.status == HTTPStatus.INTERNAL_SERVER_ERROR
        return MAX_RETRIES_OF_500 if is_plain_500 else MAX_RETRIES_OF_OTHER_5XX
    return 0


def _backoff_delays() -> Iterator[float]:
    """Return the delays in seconds: 0.5, 1, 2, … up to 30, the upper half of each random."""
    import backoff  # noqa: PLC0415 - it imports asyncio, which is slow, and most runs never retry

    delays = backoff.expo(base=2, factor=INITIAL_BACKOFF_SECONDS, max_value=MAX_BACKOFF_SECONDS)
    next(delays)  # backoff's generators yield nothing useful at first
    return (delay / 2 + backoff.full_jitter(delay / 2) for delay in delays)
