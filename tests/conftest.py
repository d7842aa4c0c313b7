"""Shared by all tests: no network but loopback, and factories for the project's own types."""

import os
import socket
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from hypothesis import settings

from fini_gate.addresses import is_loopback
from fini_gate.inputs import Inputs, env_name

# The machine is not on UTC.
os.environ["TZ"] = "Asia/Kathmandu"
time.tzset()

settings.register_profile("fini-gate", deadline=None)
settings.load_profile("fini-gate")

API_KEY = "fini_0123456789abcdef"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Measure the coverage of examples written by hand: generated ones take twice as long if measured, and vary."""
    coverage = Coverage.current()
    is_generated = item.get_closest_marker("hypothesis") or item.get_closest_marker("campaign")
    if coverage is None or not is_generated:
        return (yield)
    coverage.stop()
    try:
        return (yield)
    finally:
        coverage.start()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:  # noqa: ANN401 - a socket's address may be anything
        if isinstance(address, tuple):
            assert is_loopback(address[0]), f"a test connects to {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def api_key() -> str:
    """A key that looks like one of Fini's."""
    return API_KEY


@pytest.fixture
def read_inputs(tmp_path: Path) -> Callable[[Mapping[str, str]], Inputs]:
    """Read inputs as the runner passes them, with an API key and a workspace."""

    def read(given: Mapping[str, str]) -> Inputs:
        environ = {env_name(name): text for name, text in {"api-key": API_KEY, **given}.items()}
        return Inputs.from_environ({"GITHUB_WORKSPACE": str(tmp_path), **environ})

    return read


@pytest.fixture
def make_inputs(read_inputs: Callable[[Mapping[str, str]], Inputs]) -> Callable[..., Inputs]:
    """Make the default inputs, with some fields replaced."""

    def make(**fields: Any) -> Inputs:  # noqa: ANN401 - each field has its own type
        return replace(read_inputs({}), **fields)

    return make
