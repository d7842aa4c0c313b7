"""Transports to send requests with, and the one way to send them."""

import time
from typing import Final

import trustme

from fini_gate.client.failures import Failure
from fini_gate.client.routes import STATUS
from fini_gate.client.transport import Request, Response, Transport
from fini_gate.executor import InterruptibleExecutor
from tests.integration.servers import OK

KEY: Final = "fini_0123456789abcdef"
# The limit of a request that is meant to reach it, and of one that is not.
SHORT: Final = 0.3
LONG: Final = 30.0
# How late even a slow machine gives up a request.
TOLERANCE: Final = 10.0
TIMED_OUT: Final = Failure(f"no complete response within {SHORT}s")


def transport_to(url: str, *authorities: trustme.CA, api_key: str = KEY) -> Transport:
    """Make a transport that trusts these authorities in addition to the default ones."""
    return Transport(
        api_url=url,
        api_key=api_key,
        executor=InterruptibleExecutor(),
        clock=time.monotonic,
        ca_certificates="".join(map(pem, authorities)),
    )


def pem(authority: trustme.CA) -> str:
    """Return an authority's certificate."""
    return authority.cert_pem.bytes().decode()


def submit(transport: Transport, *job_ids: str, seconds: float = LONG) -> Request:
    """Send a status request."""
    return transport.submit(STATUS.path, {"jobIds": job_ids}, timeout_seconds=seconds)


def post(transport: Transport, *job_ids: str, seconds: float = LONG) -> Response | Failure:
    """Send a status request and wait. It ends in time, and no failure names the key or the URL."""
    sent_at = time.monotonic()
    request = submit(transport, *job_ids, seconds=seconds)
    assert transport.wait_any([request], sent_at + seconds + TOLERANCE) is request
    assert time.monotonic() - sent_at < seconds + TOLERANCE
    response = request.response
    assert response is not None
    if isinstance(response, Failure):
        assert not [secret for secret in (KEY, "http:", "https:", STATUS.path) if secret in response.problem]
    return response


def is_good(response: Response | Failure | None) -> bool:
    """Return whether the rows arrived."""
    return isinstance(response, Response) and (response.status, response.body) == (200, OK)
