import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import pytest
import trustme
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fini_gate.certificates import MAX_BUNDLE_BYTES, read_ca_bundle
from fini_gate.errors import UsageError
from fini_gate.inputs import Inputs

Read: TypeAlias = Callable[[str], str]

AUTHORITY: Final = trustme.CA()
PEM: Final = AUTHORITY.cert_pem.bytes().decode()
OTHER_PEM: Final = trustme.CA().cert_pem.bytes().decode()
KEY_PEM: Final = AUTHORITY.private_key_pem.bytes().decode()
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with a bundle beside it."""
    (tmp_path / "outside.pem").write_text(PEM)
    path = tmp_path / "workspace"
    path.mkdir()
    (path / "link.pem").symlink_to("../outside.pem")
    return path


@pytest.fixture
def read(make_inputs: Callable[..., Inputs], workspace: Path) -> Read:
    """Read a bundle that is given as text or as a path."""
    return lambda given: read_ca_bundle(make_inputs(ca_bundle=given, workspace=workspace))


def count_authorities(pem: str) -> int:
    """Count the authorities that these certificates make trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    return context.cert_store_stats()["x509_ca"]


def message_of(read: Read, given: str) -> str:
    """Return the message with which a bundle is rejected."""
    with pytest.raises(UsageError) as error:
        read(given)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        *((PEM, 1), (PEM.strip(), 1), (PEM + OTHER_PEM, 2), (PEM + PEM, 1), (PEM.replace("\n", "\r\n"), 1)),
        *((f"# Österreich\n{PEM}\n# …another\n{OTHER_PEM}# the end", 2), (PEM.replace("\n", "  \n"), 1)),
    ],
    ids=["one", "no line break at the end", "two", "one twice", "CRLF", "comments", "spaces"],
)
@pytest.mark.parametrize("name", ["a b.pem", "{workspace}/a b.pem", ""])
def test_ca_bundle__is_text_or_a_file(read: Read, workspace: Path, text: str, count: int, name: str) -> None:
    """The certificates, and nothing else, come from the text or from the file in the workspace."""
    (workspace / "a b.pem").write_text(text, encoding="utf-8")
    pem = read(name.format(workspace=workspace) or text)
    assert count_authorities(pem) == count
    assert set(re.findall("-----.*?-----", pem)) == {BEGIN, END}
    assert pem.isascii()


@pytest.mark.parametrize("given", ["../outside.pem", "link.pem", "/etc/ssl/certs/ca-certificates.crt", "/", "a\0b"])
def test_ca_bundle__outside_the_workspace_is_rejected(read: Read, given: str) -> None:
    """A path that leads outside the workspace, by itself or through a link, is an error that names it."""
    assert message_of(read, given) == (
        f"Input ca-bundle is {given!r}: it must be PEM text, or the path of a PEM file inside the workspace."
    )


def test_ca_bundle__has_a_limited_size(read: Read, workspace: Path) -> None:
    """A file that is larger than the limit is an error that names it."""
    (workspace / "a.pem").write_bytes(PEM.encode().ljust(MAX_BUNDLE_BYTES))
    assert count_authorities(read("a.pem")) == 1
    (workspace / "a.pem").write_bytes(PEM.encode().ljust(MAX_BUNDLE_BYTES + 1))
    assert message_of(read, "a.pem").startswith("File 'a.pem' (input ca-bundle) is larger than 1 MiB")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        *(
            ("one\ntwo", "'one…'"),
            (f"{'x' * 41}\n", f"'{'x' * 40}…'"),
            ("\x1b[31m::error::\nx", r"'\x1b[31m::error::…'"),
        ),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "'-----BEGIN PUBLIC KEY-----…'"),
        ("-----BEGIN CERTIFICATE REQUEST-----\n", "'-----BEGIN CERTIFICATE REQUEST-----…'"),
        *((content, "'a.pem'") for content in (b"", b"one\ntwo", b"\x30\x82\x01\x00\xff", b"\xff\xfe-\0-\0")),
    ],
)
def test_ca_bundle__must_contain_a_certificate(read: Read, workspace: Path, content: str | bytes, name: str) -> None:
    """A bundle without a certificate is called by its path, or by how its text begins."""
    if isinstance(content, bytes):
        (workspace / "a.pem").write_bytes(content)
        content = "a.pem"
    assert message_of(read, content) == (
        f"Input ca-bundle is {name}, which contains no certificate: it must be PEM text with {BEGIN}, or the path of"
        " such a file in the workspace."
    )


@pytest.mark.parametrize("cut", [PEM[: len(PEM) // 2], PEM.strip()[:-1], PEM.replace("\n", "\n-", 3)])
def test_ca_bundle__must_be_complete(read: Read, cut: str) -> None:
    """A certificate without its end is an error that says how many are complete."""
    assert message_of(read, OTHER_PEM + cut) == (
        f"Input ca-bundle is '{BEGIN}…', with 1 of 2 certificates complete: copy it again, to the last line."
    )


@pytest.mark.parametrize("middle", ["\n", "\nAAAA\n", "\n!\n", "\né\n", PEM.split("-----")[2].replace("A", "B")])
def test_ca_bundle__must_not_be_damaged(read: Read, middle: str) -> None:
    """One damaged certificate is an error that says which it is."""
    assert message_of(read, f"{PEM}{BEGIN}{middle}{END}\n{PEM}") == (
        f"Input ca-bundle is '{BEGIN}…', in which certificate 2 of 3 is damaged: copy it again, without changes."
    )


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "ENCRYPTED ", "OPENSSH "])
@pytest.mark.parametrize("is_file", [True, False])
def test_ca_bundle__never_shows_a_private_key(read: Read, workspace: Path, kind: str, *, is_file: bool) -> None:
    """A private key of any kind is rejected, and the error shows nothing of it."""
    text = re.sub("(BEGIN|END) [A-Z ]*PRIVATE", rf"\1 {kind}PRIVATE", KEY_PEM) + PEM
    (workspace / "a.pem").write_text(text)
    assert message_of(read, "a.pem" if is_file else text) == (
        "Input ca-bundle contains a private key (not shown here): pass certificates only. If others could have read"
        " the key, replace it."
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # `read` keeps nothing from one call to the next
@example([])
@given(st.lists(st.sampled_from([*"-\n\0 /.a", BEGIN, END, PEM, KEY_PEM]), max_size=6))
def test_ca_bundle__accepts_or_rejects_any_text(read: Read, parts: list[str]) -> None:
    """Any text is either certificates alone, or an error on one line that shows nothing of a private key."""
    try:
        pem = read("".join(parts))
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is fine
        assert KEY_PEM.split("\n")[1] not in str(error)  # noqa: PT017 - as above
    else:
        assert "PRIVATE" not in pem
        assert count_authorities(pem) == 1 if parts else pem == ""
