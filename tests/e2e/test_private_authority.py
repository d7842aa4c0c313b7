from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.integration.servers import Server, sending, tunnelling, whole

if TYPE_CHECKING:
    from tests.e2e.conftest import Runner

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120, func_only=True)]

COMPLETED = b'{"jobs": [{"id": "a", "jobStatus": "COMPLETED", "hcArticleId": "article-1"}]}'
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


@pytest.mark.parametrize("is_file", [True, False])
def test_container__trusts_a_private_authority_without_a_disk(runner: Runner, *, is_file: bool) -> None:
    """Behind a proxy that wants a login, `ca-bundle` works where nothing can be written, as text or as a file."""
    authority = trustme.CA()
    pem = authority.cert_pem.bytes().decode()
    (runner.workspace / "authority.pem").write_text(pem, encoding="utf-8")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.example").configure_cert(tls)
    inputs = {
        "api-key": "fini_demo_key",
        "api-url": "https://api.example",
        "job-ids": "a",
        "ca-bundle": "authority.pem" if is_file else pem,
    }
    with (
        Server(sending(whole(COMPLETED)), tls=tls) as server,
        Server(tunnelling(server.port, login="someone:password")) as proxy,
    ):
        address = proxy.url.replace("//", "//someone:password@")
        ended = runner.run(inputs, environment={"HTTPS_PROXY": address}, options=HARDENED)
    assert ended.exit_code == 0, ended.log
    assert ended.outputs["article-ids"] == '["article-1"]'
    assert "password" not in ended.log + ended.errors
