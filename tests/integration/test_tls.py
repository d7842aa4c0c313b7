"""TLS and proxies: whom the transport and the whole gate trust, and what each side learns."""

import datetime as dt
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
import requests.adapters
import trustme

from fini_gate.client.failures import Failure
from fini_gate.client.routes import STATUS
from fini_gate.errors import UsageError
from tests.integration.gates import Gate
from tests.integration.sending import KEY, SHORT, TIMED_OUT, is_good, pem, post, transport_to
from tests.integration.servers import CLOSE, GOOD, HANG, Script, Start, drip, tunnelling, whole

LOGIN: Final = "someone:pass%2Fword"
PASSWORD: Final = "someone:pass/word"
UNVERIFIED: Final = "the certificate could not be verified"
UNKNOWN_AUTHORITY: Final = (
    f"{UNVERIFIED} (unable to get local issuer certificate); if a private authority issued it, set ca-bundle"
)
# One authority is trusted by default, one only if given, one never.
USUAL, OWN, STRANGE = trustme.CA(), trustme.CA(), trustme.CA()
TODAY: Final = dt.datetime.now(dt.UTC)
DAY: Final = dt.timedelta(days=1)


def tls_of(authority: trustme.CA, *names: str, **dates: Any) -> ssl.SSLContext:  # noqa: ANN401 - trustme's own
    """Make a server speak TLS, with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1", "api.example")), **dates).configure_cert(context)
    return context


def self_signed() -> ssl.SSLContext:
    """Make a server speak TLS with an authority's own certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with STRANGE.cert_pem.tempfile() as certificate, STRANGE.private_key_pem.tempfile() as key:
        context.load_cert_chain(certificate, key)
    return context


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trust one authority by default."""
    (tmp_path / "usual.pem").write_text(pem(USUAL))
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(tmp_path / "usual.pem"))


TRUST: Final[Mapping[str, tuple[trustme.CA, Sequence[trustme.CA], str, bool]]] = {
    "default": (USUAL, [], "", True),
    "default, besides given": (USUAL, [OWN], "", True),
    "given": (OWN, [OWN], "", True),
    "given second": (OWN, [STRANGE, OWN], "", True),
    "not given": (STRANGE, [OWN], "", False),
    "environment": (STRANGE, [], pem(STRANGE), True),
    "environment, besides given": (STRANGE, [OWN], pem(STRANGE), True),
    "given, besides environment": (OWN, [OWN], pem(STRANGE), True),
    "default, replaced by environment": (USUAL, [OWN], pem(STRANGE), False),
    "environment without a certificate": (USUAL, [], "nothing", False),
}


@pytest.mark.parametrize("case", TRUST)
@pytest.mark.parametrize("env_name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_authority__is_trusted(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, env_name: str, case: str
) -> None:
    """The input adds to the default authorities, which a variable of the environment replaces."""
    authority, given, bundle, is_trusted = TRUST[case]
    if bundle:
        (tmp_path / "bundle.pem").write_text(bundle)
        monkeypatch.setenv(env_name, str(tmp_path / "bundle.pem"))
    server = start(GOOD, tls=tls_of(authority))
    transport = transport_to(server.url, *given)
    assert [is_good(post(transport)) for _ in range(2)] == [is_trusted] * 2
    assert (len(server.requests), server.connection_count) == ((2, 1) if is_trusted else (0, 0))


@pytest.mark.parametrize("env_name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_bundle__that_does_not_exist_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, env_name: str) -> None:
    """A file that is not in the container is named at the start, with what to do."""
    monkeypatch.setenv(env_name, "/missing.pem")
    with pytest.raises(UsageError) as error:
        transport_to("https://api.example")
    assert str(error.value) == (
        "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE in the environment is '/missing.pem', which does not exist here: a"
        " container has files of its own. Unset the variable for the gate, and set ca-bundle instead."
    )


CERTIFICATES: Final[Mapping[str, ssl.SSLContext]] = {
    UNKNOWN_AUTHORITY: tls_of(STRANGE),
    f"{UNVERIFIED} (self-signed certificate); if a private authority issued it, set ca-bundle": self_signed(),
    f"{UNVERIFIED} (IP address mismatch, certificate is not valid for '127.0.0.1')": tls_of(OWN, "other.example"),
    f"{UNVERIFIED} (certificate has expired)": tls_of(OWN, "127.0.0.1", not_after=TODAY - DAY),
    f"{UNVERIFIED} (certificate is not yet valid)": tls_of(OWN, "127.0.0.1", not_before=TODAY + DAY),
}


@pytest.mark.parametrize("problem", CERTIFICATES)
@pytest.mark.parametrize("way", ["direct", "tunnel", "encrypted proxy"])
def test_certificate__that_is_wrong_gets_no_request(
    start: Start, monkeypatch: pytest.MonkeyPatch, problem: str, way: str
) -> None:
    """Authority, name and dates are verified before anything is sent, to a proxy too."""
    tls = CERTIFICATES[problem]
    server = start(GOOD, tls=tls)
    proxy = start(tunnelling(server.port), tls=tls if way == "encrypted proxy" else None)
    if way != "direct":
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//{LOGIN}@"))
    assert post(transport_to(server.url, OWN)) == Failure(problem, is_broken_connection=True)
    assert (len(server.requests), len(proxy.requests)) == (0, way == "tunnel")


PLAIN_PROXIES: Final = {
    **dict.fromkeys(("http://127.0.0.1:{}", "http://localhost:{}", "http://127.0.0.1:{}/", "127.0.0.1:{}"), True),
    **dict.fromkeys(("http://192.0.2.1:{}", "http://proxy.example:{}", "https://192.0.2.1", "192.0.2.1:{}"), False),
    **dict.fromkeys(("http://127.0.0.1@192.0.2.1:{}", "http://127.0.0.1.example:{}", "//192.0.2.1"), False),
    "socks5://192.0.2.1:{}": False,
}


@pytest.mark.parametrize("env_name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("address", PLAIN_PROXIES)
def test_proxy__gets_plain_requests_on_this_machine_only(
    start: Start, monkeypatch: pytest.MonkeyPatch, env_name: str, address: str
) -> None:
    """Without TLS a proxy gets the whole request, key included, so a proxy elsewhere is not used."""
    proxy, server = start(GOOD), start(GOOD)
    monkeypatch.setenv(env_name, address.format(proxy.port))
    assert is_good(post(transport_to(server.url)))
    asked, idle = (proxy, server) if PLAIN_PROXIES[address] else (server, proxy)
    assert idle.requests == []
    assert asked.requests[0].line.split()[1] == (server.url if asked is proxy else "") + STATUS.path
    assert asked.requests[0].headers["authorization"] == f"Bearer {KEY}"


WRONG_PROXIES: Final = ("http://[bad", "http://127.0.0.1:port", "http://", "socks5://127.0.0.1:1", "http://a.invalid:1")


@pytest.mark.parametrize("address", WRONG_PROXIES)
@pytest.mark.parametrize("tls", [None, tls_of(USUAL)])
def test_proxy__with_a_wrong_address_is_not_bypassed(
    start: Start, monkeypatch: pytest.MonkeyPatch, address: str, tls: ssl.SSLContext | None
) -> None:
    """An encrypted request goes through the proxy or fails, and a plain one may."""
    monkeypatch.setenv("ALL_PROXY", address)
    server = start(GOOD, tls=tls)
    response = post(transport_to(server.url))
    assert isinstance(response, Failure) or (tls is None and is_good(response))
    assert len(server.requests) == is_good(response)


@pytest.mark.parametrize("excepted", ["127.0.0.1", "*", "example.com, 127.0.0.1", "127.0.0.0/8"])
@pytest.mark.parametrize("env_name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("tls", [None, tls_of(OWN)])
def test_proxy__is_bypassed_where_no_proxy_says_so(
    start: Start, monkeypatch: pytest.MonkeyPatch, env_name: str, excepted: str, tls: ssl.SSLContext | None
) -> None:
    """`NO_PROXY` names hosts to connect to directly."""
    proxy = start(GOOD)
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    monkeypatch.setenv(env_name, excepted)
    assert is_good(post(transport_to(start(GOOD, tls=tls).url, OWN)))
    assert proxy.connection_count == 0


@pytest.mark.parametrize("env_name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("authority", [USUAL, OWN])
@pytest.mark.parametrize("case", list(product(("", f"{LOGIN}@"), (True, False))))
def test_proxy__opens_a_tunnel(
    start: Start, monkeypatch: pytest.MonkeyPatch, env_name: str, authority: trustme.CA, case: tuple[str, bool]
) -> None:
    """The proxy learns only the API's host, the API nothing of the login, and neither what a .netrc says."""
    login, is_encrypted = case
    tls = tls_of(authority)
    server = start(GOOD, tls=tls)
    proxy = start(tunnelling(server.port, login=PASSWORD if login else ""), tls=tls if is_encrypted else None)
    monkeypatch.setenv(env_name, proxy.url.replace("//", f"//{login}"))
    assert is_good(post(transport_to("https://api.example", OWN)))
    (connect,), (request,) = proxy.requests, server.requests
    assert connect.line.startswith("CONNECT api.example:443 ")
    assert KEY not in str(connect)
    assert ("proxy-authorization" in connect.headers) is bool(login)
    assert (request.headers["host"], request.headers["authorization"]) == ("api.example", f"Bearer {KEY}")
    assert "proxy-authorization" not in request.headers


ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n"
REFUSED: Final = "the proxy refused to connect to the API (HTTP %s)"


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        pytest.param(tunnelling(9, login="some:password"), REFUSED % 407, id="another login"),
        pytest.param([whole(b"::error::x", "403 ::error:: x"), CLOSE], REFUSED % 403, id="other words"),
        pytest.param([HANG], TIMED_OUT.problem, id="nothing"),
        pytest.param([ESTABLISHED, *drip(b"X: " + b"x" * 1000)], TIMED_OUT.problem, id="endless headers"),
        pytest.param(None, TIMED_OUT.problem, id="no handshake"),
    ],
)
@pytest.mark.parametrize("login", ["", f"{LOGIN}@"])
def test_proxy__that_opens_no_tunnel_is_a_failure(
    start: Start, monkeypatch: pytest.MonkeyPatch, script: Script | None, problem: str, login: str
) -> None:
    """The problem has the proxy's status, not its words, and no password; the limit includes the proxy."""
    proxy = start(script or tunnelling(start([HANG]).port))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//{login}"))
    response = post(transport_to("https://api.example"), seconds=SHORT)
    assert response == Failure(problem, is_broken_connection=problem != TIMED_OUT.problem)


@pytest.mark.parametrize(("env_name", "path"), [("", ""), ("SSL_CERT_FILE", "own.pem"), ("SSL_CERT_DIR", ".")])
def test_gate__trusts_no_unknown_authority(start: Start, gate: Gate, env_name: str, path: str) -> None:
    """The error names the input that helps; OpenSSL's own variables do not."""
    (gate.workspace / "own.pem").write_text(pem(OWN))
    server = start(GOOD, tls=tls_of(OWN))
    inputs = {"api-url": server.url, "job-ids": "a", "outage-tolerance": "300ms", "poll-interval": "100ms"}
    run = gate.end(gate.start(inputs, {env_name: str(gate.workspace / path)} if env_name else {}))
    assert run.exit_code == 4
    assert [UNKNOWN_AUTHORITY in error for error in run.errors] == [True]
    assert run.log.count(UNKNOWN_AUTHORITY) > 1  # from the first retry on
    assert server.requests == []


def test_gate__ignores_what_configures_openssl(start: Start, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither SSLKEYLOGFILE, which reveals connections, nor OPENSSL_CONF, which can load code, has an effect."""
    keys, configuration = gate.workspace / "keys", gate.workspace / "openssl.cnf"
    configuration.write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = old\n[old]\nMaxProtocol = TLSv1.2\n"
    )
    environ = {"OPENSSL_CONF": str(configuration), "SSLKEYLOGFILE": str(keys)}
    tls = tls_of(OWN)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    server = start(GOOD, tls=tls)
    inputs = {"api-url": server.url, "job-ids": "a", "ca-bundle": pem(OWN)}
    assert gate.end(gate.start(inputs, environ)).exit_code == 0
    assert not keys.exists()
    # Both have an effect on other programs.
    program = "import ssl; print(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).maximum_version.name)"
    python = subprocess.run([sys.executable, "-I", "-c", program], env=environ, check=True, capture_output=True)  # noqa: S603 - our own program
    assert python.stdout == b"TLSv1_2\n"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    assert is_good(post(transport_to(server.url, OWN)))
    assert keys.read_text()
