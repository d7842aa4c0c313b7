"""What the integration tests share: nothing of the machine in the environment, gates, and a stand-in API."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.clients import serving
from tests.integration.gates import KEY, Gate, Serve
from tests.integration.servers import Server, Start


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing of the machine's own proxies, certificates and passwords, and a login that nothing may use."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    netrc = tmp_path_factory.getbasetemp() / "netrc"
    netrc.write_text("default login other password else\n")
    monkeypatch.setenv("NETRC", str(netrc))


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Give a gate to run."""
    return Gate(tmp_path)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve jobs (and faults) at a stand-in API."""
    with ExitStack() as stack:
        yield lambda *jobs, **more: stack.enter_context(serving(*jobs, api_keys={KEY: ["read"]}, **more))


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers that play scripts."""
    with ExitStack() as stack:
        yield lambda *scripts, **options: stack.enter_context(Server(*scripts, **options))
