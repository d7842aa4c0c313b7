import datetime as dt
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import certifi
import pytest
import requests.adapters
import trustme

from fini_gate.client.transport import Failure, Response, Transport
from fini_gate.executor import InterruptibleExecutor
from tests.integration.gates import COVERAGE, Gate
from tests.integration.servers import OK, Connection, ParsedResponse, Server, ending, sending, tunnelling, whole

KEY: Final = "fini_0123456789abcdef"
ROW_WITH_ARTICLE: Final = b'{"jobs": [{"id": "a", "jobStatus": "COMPLETED", "hcArticleId": "article-1"}]}'
GOOD: Final = sending(whole())
LOGIN: Final = "someone:pass%2Fword"
UNKNOWN_AUTHORITY: Final = (
    "the certificate could not be verified (unable to get local issuer certificate); if a private authority made it,"
    " give that as ca-bundle"
)
# Who vouches for whom: an authority that everybody trusts, one that only some do, and one that nobody does.
USUAL, OWN, STRANGE = trustme.CA(), trustme.CA(), trustme.CA()
BROWSERS: Final = requests.adapters.DEFAULT_CA_BUNDLE_PATH
SOON: Final = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)


def pem(authority: trustme.CA) -> str:
    """Give an authority's certificate."""
    return authority.cert_pem.bytes().decode()


def speaking_tls(authority: trustme.CA, *names: str, **dates: Any) -> ssl.SSLContext:  # noqa: ANN401 - as trustme has it
    """Give what makes a server speak TLS, with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1", "api.example")), **dates).configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def _usual_authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One authority is trusted as a rule."""
    (tmp_path / "usual.pem").write_text(pem(USUAL))
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(tmp_path / "usual.pem"))


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start a server that gives these answers."""
    with ExitStack() as stack:
        yield lambda *answers, **options: stack.enter_context(Server(*answers, **options))


Serve = Callable[..., Server]


def transport_to(url: str, *authorities: trustme.CA) -> Transport:
    """A transport that trusts these authorities besides the usual ones."""
    return Transport(
        api_url=url, api_key=KEY, calls=InterruptibleExecutor(), ca_certificates="".join(map(pem, authorities))
    )


def post(transport: Transport, *, seconds: float) -> Response | Failure:
    """Ask for a job, and wait for the answer."""
    return transport.wait_any([transport.submit(["a"], timeout_seconds=seconds)])[1]


def ask(url: str, *authorities: trustme.CA) -> Response | Failure:
    """Ask for a job."""
    return post(transport_to(url, *authorities), seconds=30)


def good(response: Response | Failure) -> bool:
    """Whether the rows came through."""
    return isinstance(response, Response) and (response.status, response.body) == (200, OK)


# --- Whom the transport trusts -------------------------------------------------------------------------------------


def test_ca_bundle__is_trusted(serve: Serve) -> None:
    """A server for which the given authority vouches is talked to, over one connection as ever."""
    server = serve(GOOD, tls=speaking_tls(OWN))
    transport = transport_to(server.url, OWN)
    assert all(good(post(transport, seconds=30)) for _ in range(2))
    assert len(server.connections) == 1
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_ca_bundle__of_several_authorities_is_trusted_whole(serve: Serve) -> None:
    """Each of the given authorities is trusted."""
    for authority in (OWN, STRANGE):
        assert good(ask(serve(GOOD, tls=speaking_tls(authority)).url, OWN, STRANGE))


def test_ca_bundle__leaves_the_usual_authorities_trusted(serve: Serve) -> None:
    """Those trusted without it are trusted with it, and a third is not."""
    for authority in (USUAL, OWN):
        assert good(ask(serve(GOOD, tls=speaking_tls(authority)).url, OWN))
    assert ask(serve(GOOD, tls=speaking_tls(STRANGE)).url, OWN) == Failure(UNKNOWN_AUTHORITY, is_broken_connection=True)


def test_ca_bundle__comes_on_top_of_what_browsers_trust(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual authorities are those of certifi, and a connection's context holds them and the given one."""
    assert certifi.where() == BROWSERS
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", BROWSERS)
    loaded = []

    class Watched(ssl.SSLContext):
        def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:  # noqa: ANN401 - as it is called
            loaded.append(self)
            return super().wrap_socket(*arguments, **options)

    monkeypatch.setattr("urllib3.util.ssl_.SSLContext", Watched)
    server = serve(GOOD, tls=speaking_tls(OWN))
    assert good(ask(server.url, OWN))
    (context,) = loaded
    usual = ssl.create_default_context(cafile=certifi.where())
    assert context.cert_store_stats()["x509_ca"] == usual.cert_store_stats()["x509_ca"] + 1
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("env_name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_ca_bundle__adds_to_what_the_environment_names(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, env_name: str
) -> None:
    """Where a variable names the authorities to trust, they take the place of the usual ones, and the input adds."""
    (tmp_path / "strange.pem").write_text(pem(STRANGE))
    monkeypatch.setenv(env_name, str(tmp_path / "strange.pem"))
    for authority in (STRANGE, OWN):
        assert good(ask(serve(GOOD, tls=speaking_tls(authority)).url, OWN))
    assert isinstance(ask(serve(GOOD, tls=speaking_tls(USUAL)).url, OWN), Failure)


def test_ca_bundle__is_trusted_after_a_request_that_took_too_long(serve: Serve) -> None:
    """The new session that a request given up makes necessary trusts the same authorities."""
    server = serve(Connection.hang, GOOD, tls=speaking_tls(OWN))
    transport = transport_to(server.url, OWN)
    assert isinstance(post(transport, seconds=0.3), Failure)
    assert good(post(transport, seconds=30))


# --- Whom it does not ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (speaking_tls(STRANGE), UNKNOWN_AUTHORITY),
        (
            speaking_tls(OWN, "other.example"),
            "the certificate could not be verified (IP address mismatch, certificate is not valid for '127.0.0.1')",
        ),
        (
            speaking_tls(OWN, "127.0.0.1", not_after=SOON - dt.timedelta(days=2)),
            "the certificate could not be verified (certificate has expired)",
        ),
        (
            speaking_tls(OWN, "127.0.0.1", not_before=SOON),
            "the certificate could not be verified (certificate is not yet valid)",
        ),
    ],
    ids=["of an unknown authority", "of another host", "expired", "not yet valid"],
)
@pytest.mark.parametrize("is_tunnelled", [True, False])
def test_certificate__that_cannot_be_verified_is_sent_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, words: str, *, is_tunnelled: bool
) -> None:
    """Nothing is sent before the certificate is verified, name and dates and all, and the words say what is wrong."""
    server = serve(GOOD, tls=tls)
    proxy = serve(tunnelling(server.port))
    if is_tunnelled:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    assert ask(server.url, OWN) == Failure(words, is_broken_connection=True)
    assert server.requests == []
    assert len(proxy.requests) == is_tunnelled


# --- Proxies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["", LOGIN])
@pytest.mark.parametrize("authority", [USUAL, OWN])
@pytest.mark.parametrize("is_encrypted", [True, False])
def test_proxy__opens_a_tunnel(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    login: str,
    authority: trustme.CA,
    *,
    is_encrypted: bool,
) -> None:
    """The API is asked through a tunnel: the proxy hears its host alone, and the API nothing of the proxy's login."""
    server = serve(GOOD, tls=speaking_tls(authority))
    proxy = serve(
        tunnelling(server.port, login=login.replace("%2F", "/")), tls=speaking_tls(authority) if is_encrypted else None
    )
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//{login}@") if login else proxy.url)
    assert good(ask("https://api.example", OWN))
    (asked,) = proxy.requests
    assert asked.line.startswith("CONNECT api.example:443 ")
    assert KEY not in str(asked)
    assert ("proxy-authorization" in asked.headers) is bool(login)
    (request,) = server.requests
    assert request.headers["host"] == "api.example"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "proxy-authorization" not in request.headers


@pytest.mark.parametrize("wrong", ["", "someone:else@"])
def test_proxy__that_wants_another_login_says_so(serve: Serve, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """A proxy that is not given the right login opens nothing, and the words name its status and no password."""
    server = serve(GOOD, tls=speaking_tls(OWN))
    proxy = serve(tunnelling(server.port, login="someone:password"))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//{wrong}"))
    assert ask("https://api.example", OWN) == Failure(
        "the proxy opened no way to the API (HTTP 407)", is_broken_connection=True
    )
    assert server.connections == []


def test_proxy__that_refuses_is_told_without_its_words(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a proxy says besides its status may be anything, and is not repeated."""
    proxy = serve(ending(whole(b"::error::x", "403 ::error:: https://api.example")))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    assert ask("https://api.example") == Failure(
        "the proxy opened no way to the API (HTTP 403)", is_broken_connection=True
    )


def test_proxy__that_nobody_vouches_for_hears_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encrypted proxy has to show a certificate as well as the API has, before it learns the host and the login."""
    proxy = serve(GOOD, tls=speaking_tls(STRANGE))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//{LOGIN}@"))
    assert ask("https://api.example", OWN) == Failure(UNKNOWN_AUTHORITY, is_broken_connection=True)
    assert proxy.requests == []


def _endless_heads(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 Connection established\r\n")
    connection.drip(b"X-Long: " + b"x" * 10_000)


def _open_and_silent(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    connection.pause(30)


@pytest.mark.parametrize("answer", [Connection.hang, _endless_heads, _open_and_silent])
def test_proxy__that_never_opens_is_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, answer: ParsedResponse
) -> None:
    """The limit of a request holds for the way through a proxy as well."""
    monkeypatch.setenv("HTTPS_PROXY", serve(answer).url)
    response = post(transport_to("https://api.example"), seconds=0.3)
    assert response == Failure("no whole answer within 0.3s")


@pytest.mark.parametrize("excepted", ["127.0.0.1", "*", "other.example,127.0.0.1"])
def test_proxy__is_passed_by_where_no_proxy_says_so(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, excepted: str
) -> None:
    """`NO_PROXY` holds for an encrypted request as well."""
    server = serve(GOOD, tls=speaking_tls(OWN))
    proxy = serve(tunnelling(server.port))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", excepted)
    assert good(ask(server.url, OWN))
    assert proxy.connections == []


def test_netrc__is_not_read_on_the_way_through_a_proxy(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Passwords that lie about reach neither the API nor the proxy."""
    (tmp_path / ".netrc").write_text("default login someone password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server = serve(GOOD, tls=speaking_tls(OWN))
    proxy = serve(tunnelling(server.port))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    assert good(ask("https://api.example", OWN))
    assert "proxy-authorization" not in proxy.requests[0].headers
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


# --- The whole gate ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_file", [True, False])
def test_gate__passes_through_a_proxy_with_a_private_authority(serve: Serve, gate: Gate, *, is_file: bool) -> None:
    """TLS, a proxy that wants a login, and the authority's certificate as text or as a file: the verdict is as ever."""
    (gate.workspace / "authority.pem").write_text(pem(OWN))
    server = serve(sending(whole(ROW_WITH_ARTICLE)), tls=speaking_tls(OWN))
    proxy = serve(tunnelling(server.port, login=LOGIN.replace("%2F", "/")))
    inputs = {
        "api-url": "https://api.example",
        "job-ids": "a",
        "ca-bundle": "authority.pem" if is_file else f"# Our own\n{pem(STRANGE)}\n{pem(OWN)}",
    }
    run = gate.run(inputs, {"HTTPS_PROXY": proxy.url.replace("//", f"//{LOGIN}@")})
    assert (run.exit_code, run.outputs["article-ids"]) == (0, '["article-1"]')
    assert len(proxy.requests) == len(server.requests) == 1
    assert "pass" not in run.log.replace("passed", "")
    assert "CERTIFICATE" not in run.log


def test_gate__that_meets_an_unknown_authority_names_the_input(serve: Serve, gate: Gate) -> None:
    """A certificate that nobody vouches for is told at the first request, and ends the gate as an outage does."""
    server = serve(GOOD, tls=speaking_tls(OWN))
    run = gate.run({"api-url": server.url, "job-ids": "a", "outage-tolerance": "300ms"})
    assert run.exit_code == 4
    assert len(run.errors) == 1
    assert UNKNOWN_AUTHORITY in run.errors[0]
    assert f"no usable answer: {UNKNOWN_AUTHORITY}; trying again" in run.log
    assert server.requests == []


@pytest.mark.parametrize("env_name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_gate__trusts_nobody_whom_a_variable_of_openssl_names(serve: Serve, gate: Gate, env_name: str) -> None:
    """Of the environment only the two variables that the README names say whom to trust."""
    (gate.workspace / "own.pem").write_text(pem(OWN))
    server = serve(GOOD, tls=speaking_tls(OWN))
    path = gate.workspace / ("own.pem" if env_name == "SSL_CERT_FILE" else ".")
    run = gate.run({"api-url": server.url, "job-ids": "a", "outage-tolerance": "0"}, {env_name: str(path)})
    assert run.exit_code == 4
    assert UNKNOWN_AUTHORITY in run.errors[0]


def test_gate__writes_no_secrets_of_its_connections_down(
    serve: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSLKEYLOGFILE, by which a connection could be read later, has no effect, which it would have without care."""
    path = gate.workspace / "secrets"
    server = serve(GOOD, tls=speaking_tls(OWN))
    inputs = {"api-url": server.url, "job-ids": "a", "ca-bundle": pem(OWN)}
    assert gate.run(inputs, {"SSLKEYLOGFILE": str(path)}).exit_code == 0
    assert not path.exists()
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    assert good(ask(server.url, OWN))
    assert path.read_text()


def test_gate__lets_no_file_configure_openssl(serve: Serve, gate: Gate) -> None:
    """OPENSSL_CONF, by which the checkout's code could be loaded, has no effect, which it would have without care."""
    configuration = gate.workspace / "openssl.cnf"
    configuration.write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = old\n[old]\nMaxProtocol = TLSv1.2\n"
    )
    # Coverage would load OpenSSL before the gate is started.
    environ = {"OPENSSL_CONF": str(configuration), **dict.fromkeys(COVERAGE, "")}
    tls = speaking_tls(OWN)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    server = serve(GOOD, tls=tls)
    assert gate.run({"api-url": server.url, "job-ids": "a", "ca-bundle": pem(OWN)}, environ).exit_code == 0
    program = "import ssl; print(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).maximum_version.name)"
    newest = subprocess.run([sys.executable, "-I", "-c", program], env=environ, check=True, capture_output=True)  # noqa: S603 - our own program
    assert newest.stdout == b"TLSv1_2\n"


def test_gate__with_a_wrong_bundle_asks_nothing(serve: Serve, gate: Gate) -> None:
    """A bundle that is none is a usage error before the first request."""
    server = serve(GOOD, tls=speaking_tls(OWN))
    run = gate.run({"api-url": server.url, "job-ids": "a", "ca-bundle": "missing.pem"})
    assert run.exit_code == 2
    assert "Input ca-bundle names 'missing.pem'" in run.errors[0]
    assert server.connections == []
