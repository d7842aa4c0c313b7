"""One HTTP request, bounded in time and size, whose failures come as data. The only user of `requests`."""

import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from ssl import SSLCertVerificationError
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from fini_gate.errors import CancelledError, UsageError
from fini_gate.inputs import format_duration, is_loopback


@contextmanager
def _without_charset_detection() -> Iterator[None]:
    """Keep requests from importing what guesses charsets, a tenth of its time to start: here all bodies are UTF-8."""
    hidden = {"chardet", "charset_normalizer"} - sys.modules.keys()
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(hidden))  # None stands for what cannot be imported
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _without_charset_detection():
    import requests
    from requests.adapters import HTTPAdapter

# Fini's public API reference, "Check knowledge jobs".
STATUS_ROUTE: Final = "/v2/knowledge/public/jobs/status"
# … and "Get articles by IDs".
ARTICLES_ROUTE: Final = "/v2/hc-articles/ids/public"
MAX_BODY_BYTES: Final = 16 * 1024**2
_CHUNK_BYTES: Final = 64 * 1024
# OpenSSL's numbers for a certificate that leads to no authority that is trusted (X509_V_ERR_…, in x509_vfy.h).
_UNKNOWN_AUTHORITY: Final = {2, 18, 19, 20, 21}

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Response:
    """An answer that arrived whole. The names of the headers are compared without regard to letter case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Failure:
    """No whole answer, and why, in words that hold neither URL nor key."""

    problem: str
    is_broken_connection: bool = False


@dataclass(frozen=True)
class Request:
    """A request that is under way, for `Transport.first` to wait for."""

    call: Future[Response]
    timeout_seconds: float
    ends_at: float
    """When nobody waits for it any more, on the monotonic clock."""


class Executor(Protocol):
    """Calls functions beside each other, and waits for them no longer than it is told to."""

    def submit(self, function: Callable[[], _Result]) -> Future[_Result]:
        """Begin to call a function."""

    def wait_any(self, calls: Sequence[Future[_Result]], seconds: float) -> Future[_Result]:
        """The first of the calls to end; past the seconds it raises TimeoutError."""


class Transport:
    """Posts job IDs to the status route, and article IDs to theirs.

    Each request under way has a session, and so a connection, of its own, which the next one finds kept alive.

    Args:
        api_url: base URL, without a slash at its end.
        api_key: goes into the Authorization header, and nowhere else.
        calls: how to call what may take too long.
        ca_certificates: of authorities to trust besides the usual ones, as PEM.

    Raises:
        UsageError: the environment names a file of certificates that is not there.
    """

    def __init__(self, *, api_url: str, api_key: str, calls: Executor, ca_certificates: str = "") -> None:
        self._url = api_url
        self._api_key = api_key
        self._calls = calls
        self._ca_certificates = ca_certificates
        environment = requests.Session().merge_environment_settings(self._url, {}, stream=True, verify=None, cert=None)
        self._verify = environment["verify"]
        self._proxies = self._safe(environment["proxies"])
        _require_certificates(self._verify)
        self._request_templates: dict[str, requests.PreparedRequest] = {}
        # Of requests that nobody waits for any more they come back late, or never.
        self._idle_sessions: list[requests.Session] = []

    def submit(self, job_ids: Sequence[str], *, timeout_seconds: float) -> Request:
        """Ask for jobs. The limit counts from before the name look-up to the last byte."""
        return self._begin(STATUS_ROUTE, "jobIds", job_ids, timeout_seconds)

    def submit_articles(self, article_ids: Sequence[str], *, timeout_seconds: float) -> Request:
        """Ask for articles, within the same kind of limit."""
        return self._begin(ARTICLES_ROUTE, "articleIds", article_ids, timeout_seconds)

    def wait_any(self, under_way: Sequence[Request]) -> tuple[Request, Response | Failure]:
        """Wait for the first of some requests to be answered, or to have taken too long."""
        request = min(under_way, key=lambda request: request.ends_at)
        try:
            call = self._calls.wait_any([each.call for each in under_way], request.ends_at - time.monotonic())
            request = next(each for each in under_way if each.call is call)
            return request, call.result()
        except CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - of requests, urllib3, http.client, ssl, socket, zlib: all mean this
            return request, _failure(error, request)

    def _begin(self, route: str, field: str, ids: Sequence[str], timeout_seconds: float) -> Request:
        ends_at = time.monotonic() + timeout_seconds
        document = {field: list(ids)}
        call = self._calls.submit(lambda: self._exchange(route, document, timeout_seconds, ends_at))
        return Request(call, timeout_seconds, ends_at)

    def _exchange(self, route: str, document: object, timeout_seconds: float, ends_at: float) -> Response:
        with (
            self._session() as session,
            session.send(
                self._prepared(session, route, document), timeout=timeout_seconds, allow_redirects=False, stream=True
            ) as response,
        ):
            body = bytearray()
            # Not `content`: a small body can be packed so that it unpacks to gigabytes, or drip for ever.
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise _BodyTooLargeError
                if time.monotonic() > ends_at:  # nobody waits for this thread any more
                    raise TimeoutError
            return Response(response.status_code, response.headers, bytes(body))

    def _prepared(self, session: requests.Session, route: str, document: object) -> requests.PreparedRequest:
        """A request of the route. All are the same but for their bodies: to prepare that is a third of the work."""
        if (bare := self._request_templates.get(route)) is None:
            bare = session.prepare_request(requests.Request("POST", self._url + route))
            self._request_templates[route] = bare
        request = bare.copy()
        request.prepare_body(None, None, json=document)
        return request

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        """A session for one request at a time: the one that was used last, or a new one where all are in use."""
        try:
            session = self._idle_sessions.pop()
        except IndexError:
            session = self._new_session()
        try:
            yield session
        finally:
            self._idle_sessions.append(session)

    def _new_session(self) -> requests.Session:
        """A session that heeds the environment's proxies and certificates, and nothing else of it.

        What requests calls trusting the environment would also let a `.netrc` replace the Authorization header.
        """
        session = requests.Session()
        session.trust_env = False
        session.verify = self._verify
        if self._ca_certificates:
            session.mount("https://", _ExtraCAAdapter(self._ca_certificates))
        session.proxies.update(self._proxies)
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers["Authorization"] = f"Bearer {self._api_key}"
        session.headers["User-Agent"] = "fini-gate"
        return session

    def _safe(self, proxies: Mapping[str, str]) -> Mapping[str, str]:
        """The proxies that may see the request: without TLS it may not leave this machine."""
        if urlsplit(self._url).scheme == "https":
            return proxies
        return {scheme: proxy for scheme, proxy in proxies.items() if is_loopback(_host(proxy))}


class _ExtraCAAdapter(HTTPAdapter):
    """Trusts certificate authorities besides the usual ones, those of an encrypted proxy too.

    Handed on as text: requests itself takes files alone, and there may be no disk to write one to.
    """

    def __init__(self, ca_certificates: str) -> None:
        self._ca_certificates = ca_certificates
        super().__init__()

    def build_connection_pool_key_attributes(self, *arguments: Any) -> Any:  # noqa: ANN401 - its own types
        """Give what requests tells urllib3 of the host and of TLS, and the certificates."""
        host, tls = super().build_connection_pool_key_attributes(*arguments)
        return host, {**tls, "ca_cert_data": self._ca_certificates}


class _BodyTooLargeError(Exception):
    """More bytes than any list of statuses has."""


def _host(proxy: str) -> str:
    """The host of a proxy's address, with which the environment need not name a scheme; empty where there is none."""
    try:
        return urlsplit(proxy if "//" in proxy else f"//{proxy}").hostname or ""
    except ValueError:
        return ""


def _require_certificates(verify: Any) -> None:  # noqa: ANN401 - a path or a boolean, as requests has it
    if isinstance(verify, str) and not Path(verify).exists():
        raise UsageError(
            f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE in the environment is {verify!r}, which is not there: the action"
            " runs in a container of its own, so unset it for this step, and give ca-bundle instead."
        )


def _failure(error: Exception, request: Request) -> Failure:
    """What became of a request in place of an answer."""
    if isinstance(error, _BodyTooLargeError):
        return Failure(f"an answer of more than {MAX_BODY_BYTES // 1024**2} MiB")
    cause = _root_cause(error)
    if isinstance(cause, TimeoutError):
        return Failure(f"no whole answer within {format_duration(request.timeout_seconds)}")
    return Failure(_describe(cause), is_broken_connection=True)


def _root_cause(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__ or _held(error)) is not None:
        error = cause
    return error


def _held(error: BaseException) -> BaseException | None:
    """An error that another was made of: through a proxy urllib3 tells no other way what went wrong with TLS."""
    return next((held for held in error.args if isinstance(held, BaseException)), None)


def _describe(error: BaseException) -> str:
    """What broke, in the words of the operating system or of OpenSSL: the library's own quote URLs and headers."""
    match error:
        case SSLCertVerificationError(verify_code=code, verify_message=why) if code in _UNKNOWN_AUTHORITY:
            return (
                f"the certificate could not be verified ({why}); if a private authority made it, give that as ca-bundle"
            )
        case SSLCertVerificationError(verify_message=why):
            return f"the certificate could not be verified ({why.removesuffix('.')})"
        case OSError(args=(str(text),)) if found := re.match("Tunnel connection failed: ([0-9]{3})", text):
            return f"the proxy opened no way to the API (HTTP {found[1]})"
        case OSError(strerror=str(words)):
            return f"the connection failed ({words})"
        case _:
            return f"the connection failed ({type(error).__name__})"
