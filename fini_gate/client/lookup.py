"""Complete one batch of a look-up: the API leaves out what it does not find, so there is nothing to bisect."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from fini_gate.client.bisection import BatchRun
from fini_gate.client.responses import ParsedResponse
from fini_gate.client.retry import Retry
from fini_gate.client.routes import ResponseKind
from fini_gate.records import LookupResult


@dataclass(frozen=True, slots=True)
class BatchLookup:
    """Looks up batches within one round of requests."""

    retry: Retry
    result: LookupResult

    def look_up(self, ids: Sequence[str]) -> BatchRun:
        """Ask until a final response covers every ID, or no retry is left. A batch that is too large is cut."""
        waiting = deque(ids)
        while waiting:
            size = min(self.retry.throttle.batch_size, len(waiting))
            part = [waiting.popleft() for _ in range(size)]
            response = yield from self.retry.send(part, retry_server_errors=False)
            if response.kind is ResponseKind.TOO_LARGE:
                waiting.extendleft(reversed(part))
                continue
            self.record(part, response)
            if response.kind is ResponseKind.RETRYABLE:
                return response
        return None

    def record(self, ids: Sequence[str], response: ParsedResponse) -> None:
        """Add a request's final response to the result."""
        if response.kind is ResponseKind.OK:
            self.result.last_response_at = self.retry.clock()
            self.result.rows.update({each.lower(): response.rows.get(each, []) for each in ids})
        else:
            self.result.incomplete_reason = response.problem
