"""Send one HTTP request, bounded in time and size, and return its failures as data. The only user of `requests`."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from fini_gate.addresses import is_loopback
from fini_gate.client.failures import Failure, describe_failure, describe_timeout
from fini_gate.errors import UsageError


@contextmanager
def _without_charset_detection() -> Iterator[None]:
    """Keep requests from importing its charset detection, a tenth of the start-up time: every body here is UTF-8."""
    hidden = {"chardet", "charset_normalizer"} - sys.modules.keys()
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(hidden))  # None makes an import fail
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _without_charset_detection():
    import requests
    from requests.adapters import HTTPAdapter

MAX_BODY_BYTES: Final = 16 * 1024**2
_CHUNK_BYTES: Final = 64 * 1024

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Response:
    """A response that arrived whole. Header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(eq=False, slots=True)
class Request:
    """A request in flight."""

    future: Future[Response | Failure]
    timeout_seconds: float
    deadline: float
    """When to stop waiting for it, on the gate's clock."""
    has_timed_out: bool = False

    @property
    def response(self) -> Response | Failure | None:
        """The outcome, or None while it is in flight."""
        if self.has_timed_out:
            return describe_timeout(self.timeout_seconds)
        return self.future.result() if self.future.done() else None


class Executor(Protocol):
    """Runs functions in the background, and waits for them in a way that a signal ends."""

    def submit(self, function: Callable[[], _Result]) -> Future[_Result]:
        """Run a function in the background."""

    def wait_any(self, futures: Sequence[Future[Any]], timeout_seconds: float) -> bool:
        """Wait until one of the futures is done, and return whether that was in time."""


class Transport:
    """Exchanges JSON with the API.

    Each request in flight has its own session, and so its own connection, which a later request uses again.

    Args:
        api_url: base URL without a trailing slash.
        api_key: goes into the Authorization header and nowhere else.
        executor: runs what may take too long.
        clock: seconds, monotonic.
        ca_certificates: PEM text of authorities to trust in addition to the defaults.

    Raises:
        UsageError: the environment names a certificate file that does not exist.
    """

    def __init__(
        self, *, api_url: str, api_key: str, executor: Executor, clock: Callable[[], float], ca_certificates: str = ""
    ) -> None:
        self._url = api_url
        self._api_key = api_key
        self._executor = executor
        self._clock = clock
        self._ca_certificates = ca_certificates
        environment = requests.Session().merge_environment_settings(self._url, {}, stream=True, verify=None, cert=None)
        self._verify = environment["verify"]
        self._proxies = self._secure_proxies(environment["proxies"])
        _require_certificates(self._verify)
        self._request_templates: dict[str, requests.PreparedRequest] = {}
        # An abandoned request returns its session late, or never.
        self._idle_sessions: list[requests.Session] = []

    def submit(self, path: str, document: object, *, timeout_seconds: float) -> Request:
        """Post a document to a path, or get the path if the document is None.

        The limit counts from before the DNS lookup to the last byte of the body.
        """
        deadline = self._clock() + timeout_seconds
        future = self._executor.submit(lambda: self._try(path, document, timeout_seconds, deadline))
        return Request(future, timeout_seconds, deadline)

    def wait_any(self, requests_in_flight: Sequence[Request], until: float) -> Request | None:
        """Wait until a request ends or times out, and return it. Return None if the clock reaches `until` first.

        Raises:
            CancelledError: a signal arrived.
        """
        futures = [request.future for request in requests_in_flight]
        wake_at = min([until, *(request.deadline for request in requests_in_flight)])
        if self._executor.wait_any(futures, wake_at - self._clock()):
            return next(request for request in requests_in_flight if request.future.done())
        # The executor has waited until `wake_at`, whatever the clock says now.
        late = next((request for request in requests_in_flight if request.deadline == wake_at), None)
        if late is not None:
            late.has_timed_out = True
        return late

    def _try(self, path: str, document: object, timeout_seconds: float, deadline: float) -> Response | Failure:
        try:
            return self._exchange(path, document, timeout_seconds, deadline)
        except Exception as error:  # noqa: BLE001 - requests, urllib3, http.client, ssl, socket and zlib raise their own
            return describe_failure(error, timeout_seconds)

    def _exchange(self, path: str, document: object, timeout_seconds: float, deadline: float) -> Response | Failure:
        with (
            self._session() as session,
            session.send(
                self._prepare(session, path, document), timeout=timeout_seconds, allow_redirects=False, stream=True
            ) as response,
        ):
            body = bytearray()
            # Not `content`: a small compressed body may unpack to gigabytes, and a slow one may never end.
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return Failure(f"a response of more than {MAX_BODY_BYTES // 1024**2} MiB")
                if self._clock() > deadline:  # the request has been abandoned
                    raise TimeoutError
            return Response(response.status_code, response.headers, bytes(body))

    def _prepare(self, session: requests.Session, path: str, document: object) -> requests.PreparedRequest:
        """Copy the path's template and set the body. Preparing from scratch is a third of the work of a request."""
        if document is None:
            return session.prepare_request(requests.Request("GET", self._url + path))
        if (template := self._request_templates.get(path)) is None:
            template = session.prepare_request(requests.Request("POST", self._url + path))
            self._request_templates[path] = template
        request = template.copy()
        request.prepare_body(None, None, json=document)
        return request

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        """Lend the session that was used last, or a new one if all are in use."""
        try:
            session = self._idle_sessions.pop()
        except IndexError:
            session = self._new_session()
        try:
            yield session
        finally:
            self._idle_sessions.append(session)

    def _new_session(self) -> requests.Session:
        """Create a session that takes only proxies and certificates from the environment.

        With `trust_env`, requests would also let a `.netrc` replace the Authorization header.
        """
        session = _Session()
        session.trust_env = False
        session.verify = self._verify
        if self._ca_certificates:
            session.mount("https://", _ExtraCAAdapter(self._ca_certificates))
        session.proxies.update(self._proxies)
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers["Authorization"] = f"Bearer {self._api_key}"
        session.headers["Content-Type"] = "application/json"
        session.headers["User-Agent"] = "fini-gate"
        return session

    def _secure_proxies(self, proxies: Mapping[str, str]) -> Mapping[str, str]:
        """Return the proxies that may see the request: without TLS, it must not leave this machine."""
        if urlsplit(self._url).scheme == "https":
            return proxies
        return {scheme: proxy for scheme, proxy in proxies.items() if is_loopback(_host(proxy))}


class _Session(requests.Session):
    """Follows no redirect. With `allow_redirects=False` alone, requests still reads a redirect's body of any size."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return no target."""


class _ExtraCAAdapter(HTTPAdapter):
    """Trusts additional certificate authorities, for an encrypted proxy too.

    It passes them on as text: requests itself accepts only files, and the disk may be read-only.
    """

    def __init__(self, ca_certificates: str) -> None:
        self._ca_certificates = ca_certificates
        super().__init__()

    def build_connection_pool_key_attributes(self, *arguments: Any) -> Any:  # noqa: ANN401 - requests' own types
        """Add the certificates to what requests tells urllib3 about TLS."""
        host, tls = super().build_connection_pool_key_attributes(*arguments)
        return host, {**tls, "ca_cert_data": self._ca_certificates}


def _host(proxy: str) -> str:
    """Return the host of a proxy's address, which may lack a scheme; empty if it has none."""
    try:
        return urlsplit(proxy if "//" in proxy else f"//{proxy}").hostname or ""
    except ValueError:
        return ""


def _require_certificates(verify: Any) -> None:  # noqa: ANN401 - a path or a boolean, as requests has it
    if isinstance(verify, str) and not Path(verify).exists():
        raise UsageError(
            f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE in the environment is {verify!r}, which does not exist here: a"
            " container has files of its own. Unset the variable for the gate, and set «ca-bundle» instead."
        )
