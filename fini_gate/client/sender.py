"""Send one request to a route, without retries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fini_gate.client.failures import Failure
from fini_gate.client.responses import ParsedResponse, classify
from fini_gate.client.routes import ResponseKind, Route
from fini_gate.client.throttle import Throttle
from fini_gate.client.transport import Request, Response, Transport
from fini_gate.errors import RequestRefusedError


@dataclass(frozen=True, slots=True, eq=False)
class SentRequest:
    """A request in flight. Times are on the gate's clock."""

    ids: Sequence[str]
    request: Request
    sent_at: float
    concurrency: int
    """The maximum when it was sent."""

    @property
    def response(self) -> Response | Failure | None:
        """The outcome, or None while it is in flight."""
        return self.request.response


@dataclass(kw_only=True, eq=False, slots=True)
class Sender:
    """Sends requests to one route, and adapts the throttle to every response."""

    route: Route
    transport: Transport
    api_key: str = field(repr=False)
    """Redacted from every text that comes out of a response."""
    request_timeout_seconds: float
    clock: Callable[[], float]
    throttle: Throttle
    on_request: Callable[[str, int, str, float], None]
    """Receives what a request asked for and how many of them, what came back, and the seconds that it took."""

    def submit(self, ids: Sequence[str], *, end_at: float) -> SentRequest:
        """Send a request. It ends at `end_at`, which must be in the future, or at its own timeout if earlier."""
        now = self.clock()
        timeout_seconds = min(self.request_timeout_seconds, end_at - now)
        request = self.transport.submit(*self.route.request(ids), timeout_seconds=timeout_seconds)
        return SentRequest(ids, request, now, self.throttle.concurrency)

    def wait_any(self, requests: Sequence[SentRequest], until: float) -> None:
        """Wait until one of the requests has a response, or the clock reaches `until`.

        Raises:
            CancelledError: a signal arrived.
        """
        self.transport.wait_any([each.request for each in requests], until)

    def parse(self, request: SentRequest, response: Response | Failure) -> ParsedResponse:
        """Return what the response to a request means.

        Raises:
            RequestRefusedError: neither a retry nor bisection can help.
        """
        now = self.clock()
        seconds = now - request.sent_at
        outcome = response.problem if isinstance(response, Failure) else f"HTTP {response.status}"
        self.on_request(self.route.noun, len(request.ids), outcome, seconds)
        parsed = classify(response, request.ids, route=self.route, secret=self.api_key)
        if parsed.kind is ResponseKind.FATAL:
            raise RequestRefusedError(parsed.problem)
        if parsed.kind is ResponseKind.TOO_LARGE and len(request.ids) == 1:
            raise RequestRefusedError(
                f"The API rejects a request for a single {self.route.noun} as too large: {parsed.problem}. Check any"
                " proxy in front of the API."
            )
        if parsed.kind is ResponseKind.TOO_LARGE:
            self.throttle.shrink_batches(len(request.ids))
        self.throttle.adapt(parsed, now=now, response_seconds=seconds, concurrency=request.concurrency)
        return parsed
