"""The status route: one request for the status of some jobs, without retries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fini_gate.client.failures import Failure
from fini_gate.client.responses import ParsedResponse, ResponseKind, classify
from fini_gate.client.throttle import Throttle
from fini_gate.client.transport import Request, Response, Transport
from fini_gate.errors import RequestRefusedError

# Fini's public API reference, "Check knowledge jobs".
STATUS_ROUTE: Final = "/v2/knowledge/public/jobs/status"


@dataclass(frozen=True, slots=True, eq=False)
class StatusRequest:
    """A request in flight. Times are on the gate's clock."""

    job_ids: Sequence[str]
    request: Request
    sent_at: float
    concurrency: int
    """The maximum when it was sent."""

    @property
    def response(self) -> Response | Failure | None:
        """The outcome, or None while it is in flight."""
        return self.request.response


@dataclass(kw_only=True, eq=False, slots=True)
class StatusRoute:
    """Sends requests for the status of jobs, and adapts the throttle to every response."""

    transport: Transport
    api_key: str = field(repr=False)
    """Redacted from every text that comes out of a response."""
    request_timeout_seconds: float
    clock: Callable[[], float]
    throttle: Throttle
    on_request: Callable[[int, str, float], None]
    """Receives the number of jobs in a request, what came back, and the seconds that it took."""

    def submit(self, job_ids: Sequence[str], *, end_at: float) -> StatusRequest:
        """Send a request. It ends at `end_at`, which must be in the future, or at its own timeout if earlier."""
        now = self.clock()
        timeout_seconds = min(self.request_timeout_seconds, end_at - now)
        request = self.transport.submit(STATUS_ROUTE, {"jobIds": list(job_ids)}, timeout_seconds=timeout_seconds)
        return StatusRequest(job_ids, request, now, self.throttle.concurrency)

    def wait_any(self, requests: Sequence[StatusRequest], until: float) -> None:
        """Wait until one of the requests has a response, or the clock reaches `until`.

        Raises:
            CancelledError: a signal arrived.
        """
        self.transport.wait_any([each.request for each in requests], until)

    def parse(self, request: StatusRequest, response: Response | Failure) -> ParsedResponse:
        """Return what the response to a request means.

        Raises:
            RequestRefusedError: neither a retry nor bisection can help.
        """
        now = self.clock()
        seconds = now - request.sent_at
        outcome = response.problem if isinstance(response, Failure) else f"HTTP {response.status}"
        self.on_request(len(request.job_ids), outcome, seconds)
        parsed = classify(response, request.job_ids, secret=self.api_key)
        if parsed.kind is ResponseKind.FATAL:
            raise RequestRefusedError(parsed.problem)
        if parsed.kind is ResponseKind.TOO_LARGE and len(request.job_ids) == 1:
            raise RequestRefusedError(
                f"The API rejects a request for a single job as too large: {parsed.problem}. Check any proxy in front"
                " of the API."
            )
        if parsed.kind is ResponseKind.TOO_LARGE:
            self.throttle.shrink_batches(len(request.job_ids))
        self.throttle.adapt(parsed, now=now, response_seconds=seconds, concurrency=request.concurrency)
        return parsed
