"""What the integration tests share: a bare environment, gates to run, and APIs to run them against."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fake_fini import FakeFini, Scenario
from tests.integration.gates import KEY, Gate
from tests.integration.servers import Server, Start


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the machine's own proxies, certificates and passwords."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Provide a gate to run."""
    return Gate(tmp_path)


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeFini]]:
    """Provide a function that serves jobs, and faults, at a stand-in API."""
    with ExitStack() as stack:

        def start(*jobs: Mapping[str, Any], **more: Any) -> FakeFini:  # noqa: ANN401 - YAML
            scenario = Scenario.from_mapping({"api-keys": {KEY: ["read"]}, "jobs": list(jobs), **more})
            return stack.enter_context(FakeFini(scenario))

        yield start


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers that play scripts."""
    with ExitStack() as stack:
        yield lambda *scripts, **options: stack.enter_context(Server(*scripts, **options))
