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

import fini_gate.job_ids.yaml_parser
import fini_gate.start  # noqa: F401 - both are imported late, where coverage may be off
from fini_gate.addresses import is_loopback
from fini_gate.inputs import Inputs
from fini_gate.settings import Settings

# The machine is not on UTC.
os.environ["TZ"] = "Asia/Kathmandu"
time.tzset()

settings.register_profile("fini-gate", deadline=None)
settings.load_profile("fini-gate")

API_KEY = "fini_0123456789abcdef"
COVERAGE = Coverage.current()


def pytest_collection_finish() -> None:
    """Measure coverage while modules are imported, and then only while tests run that are meant to cover the code."""
    if COVERAGE is not None:
        COVERAGE.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Measure unit and integration tests, but no generated examples: those vary, and take twice as long if measured."""
    is_meant_to_cover = {"unit", "integration"} & set(item.path.parts) and not item.get_closest_marker("hypothesis")
    if COVERAGE is None or not is_meant_to_cover:
        return (yield)
    COVERAGE.start()
    try:
        return (yield)
    finally:
        COVERAGE.stop()


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
        key = given.get("api-key", API_KEY).strip()
        environ = {f"INPUT_{name.upper()}": text for name, text in given.items()}
        environ |= {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
        return Inputs.parse(Settings(environ=environ), key)

    return read


@pytest.fixture
def make_inputs(read_inputs: Callable[[Mapping[str, str]], Inputs]) -> Callable[..., Inputs]:
    """Make the default inputs, with some fields replaced."""

    def make(**fields: Any) -> Inputs:  # noqa: ANN401 - each field has its own type
        return replace(read_inputs({}), **fields)

    return make
