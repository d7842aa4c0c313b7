"""Complete one batch: one bad ID fails the whole request without being named, so bisect to find it."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from fini_gate.client.responses import ParsedResponse
from fini_gate.client.retry import Retry, RetryRun, Send
from fini_gate.client.routes import ResponseKind
from fini_gate.models import PollResult

# If this many single IDs get server errors and no response has been usable, the API is down.
MIN_FAILED_IDS_FOR_OUTAGE: Final = 3

_BISECTED: Final = {ResponseKind.NOT_FOUND, ResponseKind.BAD_REQUEST, ResponseKind.SERVER_ERROR}

BatchRun: TypeAlias = Generator[Send, ParsedResponse, ParsedResponse | None]
"""Yields requests and receives their responses. Returns the response that ended it early, or None if it is complete.

A batch whose poll stops halfway starts over in the next poll.
"""


@dataclass(frozen=True, slots=True)
class BatchPoller:
    """Polls batches within one poll."""

    retry: Retry
    result: PollResult
    record: Callable[[Sequence[str], ParsedResponse], None]
    """Adds a request's final response to the result."""

    def poll(self, job_ids: Sequence[str], *, are_suspect: bool) -> BatchRun:
        """Poll until a final response covers every ID, or no retry is left.

        Requests shrink while they find bad IDs and grow again while they succeed, so that a batch of many bad IDs takes
        about one request for each.

        Args:
            job_ids: the IDs of one batch.
            are_suspect: whether each of them failed alone in the last poll. Then start with single IDs.
        """
        waiting = deque(job_ids)
        size = 1 if are_suspect else len(waiting)
        while waiting:
            size = min(size, self.retry.throttle.batch_size, len(waiting))
            part = self._take(waiting, size)
            # Only the whole batch is worth a retry: a part that fails most likely holds a bad ID.
            is_whole = len(part) == len(job_ids) and not are_suspect
            response = yield from self._send(part, retry_server_errors=is_whole)
            match response.kind:
                case ResponseKind.OK:
                    size *= 2
                case ResponseKind.TOO_LARGE:
                    waiting.extendleft(reversed(part))
                    continue
                case kind if kind in _BISECTED and len(part) > 1 and not self._is_outage():
                    rest, response = yield from self._find_bad_id(part, response)
                    waiting.extendleft(reversed(rest))
                    # If nothing succeeded yet, one more ID is enough to tell an outage from a bad ID.
                    size = 1 if self.result.last_response_at is None else max(1, size // 2)
            if response.kind is ResponseKind.RETRYABLE or self._is_outage():
                return response
        return None

    def _find_bad_id(
        self, part: Sequence[str], rejection: ParsedResponse
    ) -> Generator[Send, ParsedResponse, tuple[list[str], ParsedResponse]]:
        """Bisect to one bad ID, in about log2(n) requests.

        Returns:
            The IDs that got no response of their own yet, and the last response.
        """
        size, rest, response = len(part), list[str](), rejection
        while len(part) > 1:
            left, right = part[: len(part) // 2], part[len(part) // 2 :]
            response = yield from self._send(left, retry_server_errors=False)
            if response.kind is ResponseKind.RETRYABLE:
                return rest, response
            if response.kind is ResponseKind.OK:
                # The bad ID must be on the right: skip the request that would only confirm it.
                part = right
            else:
                part, rest = left, [*right, *rest]
        if response.kind is ResponseKind.OK:
            # This ID has not been sent on its own yet.
            response = yield from self._send(part, retry_server_errors=False)
            if response.kind is ResponseKind.OK:
                self.retry.throttle.record_unexplained_rejection(size, rejection.kind)
        return rest, response

    def _send(self, part: Sequence[str], *, retry_server_errors: bool) -> RetryRun:
        response = yield from self.retry.send(part, retry_server_errors=retry_server_errors)
        self.record(part, response)
        return response

    def _is_outage(self) -> bool:
        return self.result.last_response_at is None and len(self.result.server_errors) >= MIN_FAILED_IDS_FOR_OUTAGE

    def _take(self, waiting: deque[str], size: int) -> list[str]:
        # While IDs fail and nothing has succeeded, take IDs from the other end: bad IDs are often adjacent.
        is_in_doubt = bool(self.result.server_errors) and self.result.last_response_at is None
        take = waiting.pop if is_in_doubt else waiting.popleft
        return [take() for _ in range(size)]
