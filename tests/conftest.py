"""What all tests share: no network but loopback, and factories for the project's own types."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from fini_gate.addresses import is_loopback
from fini_gate.inputs import Inputs

settings.register_profile("fini-gate", deadline=None)
settings.load_profile("fini-gate")

API_KEY = "fini_0123456789abcdef"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:  # noqa: ANN401 - a socket's address may be anything
        if isinstance(address, tuple):
            assert is_loopback(address[0]), f"a test reaches for {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def api_key() -> str:
    """A key of the form that Fini's have."""
    return API_KEY


@pytest.fixture
def make_inputs(tmp_path: Path) -> Callable[..., Inputs]:
    """Make the default inputs, with some of their fields replaced."""

    def make(**fields: Any) -> Inputs:  # noqa: ANN401 - each field has its own type
        environ = {"INPUT_API-KEY": API_KEY, "GITHUB_WORKSPACE": str(tmp_path)}
        return replace(Inputs.from_environ(environ), **fields)

    return make
