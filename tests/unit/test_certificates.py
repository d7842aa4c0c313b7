import io
import os
import re
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.certificates import MAX_BUNDLE_BYTES, read_ca_bundle
from fini_gate.errors import UsageError
from fini_gate.inputs import Inputs

MakeInputs = Callable[..., Inputs]

AUTHORITY: Final = trustme.CA()
PEM: Final = AUTHORITY.cert_pem.bytes().decode()
OTHER_PEM: Final = trustme.CA().cert_pem.bytes().decode()
KEY_PEM: Final = AUTHORITY.private_key_pem.bytes().decode()
BEGIN: Final = "-----BEGIN CERTIFICATE-----"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with a bundle beside it that is none of the gate's business."""
    (tmp_path / "outside.pem").write_text(PEM)
    path = tmp_path / "workspace"
    path.mkdir()
    return path


@pytest.fixture
def read(make_inputs: MakeInputs, workspace: Path) -> Callable[[str], str]:
    """Read what the input holds or names."""
    return lambda given: read_ca_bundle(make_inputs(ca_bundle=given, workspace=workspace))


Read = Callable[[str], str]


def authority_count(pem: str) -> int:
    """Count the authorities that are trusted with these certificates and no others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    return context.cert_store_stats()["x509_ca"]


def refusal(read: Read, given: str) -> str:
    """Give the words in which it is refused."""
    with pytest.raises(UsageError) as caught:
        read(given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_ca_bundle__that_is_not_given_is_nothing(read: Read) -> None:
    """Without the input nobody is trusted besides the usual authorities."""
    assert read("") == ""


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (PEM, 1),
        (PEM.strip(), 1),
        (PEM + OTHER_PEM, 2),
        (PEM + PEM, 1),
        (PEM.replace("\n", "\r\n"), 1),
        (f"# Our own: Österreich\n{PEM}\n# …and another\n{OTHER_PEM}# the end", 2),
        (PEM.replace("\n", "  \n"), 1),
    ],
    ids=["one", "no line break at the end", "two", "one twice", "CRLF", "comments", "spaces"],
)
@pytest.mark.parametrize("is_file", [True, False])
def test_ca_bundle__is_text_or_a_file(read: Read, workspace: Path, given: str, count: int, *, is_file: bool) -> None:
    """The certificates are taken from the text itself or from the file that it names, and nothing else of it."""
    (workspace / "a b.pem").write_text(given, encoding="utf-8")
    pem = read("a b.pem" if is_file else given)
    assert authority_count(pem) == count
    assert set(re.findall("-----.*?-----", pem)) == {BEGIN, "-----END CERTIFICATE-----"}
    assert pem.isascii()


@pytest.mark.parametrize("given", ["a.pem", "./a.pem", "certs/../a.pem", "link.pem", "absolute", "../workspace/a.pem"])
def test_ca_bundle__is_found_in_the_workspace(read: Read, workspace: Path, given: str) -> None:
    """A path is relative to the workspace or absolute, and links are fine as long as they stay inside."""
    (workspace / "a.pem").write_text(PEM)
    (workspace / "certs").mkdir()
    (workspace / "link.pem").symlink_to("certs/../a.pem")
    assert read(str(workspace / "a.pem") if given == "absolute" else given) == PEM.strip()


@pytest.mark.parametrize(
    "given",
    [
        *("../outside.pem", "..", ".", "/", "/etc/ssl/certs/ca-certificates.crt", "link.pem", "far.pem"),
        *("out/outside.pem", "/dev/zero", "/proc/self/environ", "a\0b"),
    ],
)
def test_ca_bundle__outside_the_workspace_is_refused(read: Read, workspace: Path, given: str) -> None:
    """A path that leads out of the workspace, by itself or over links, is a usage error that names it."""
    (workspace / "link.pem").symlink_to("../outside.pem")
    (workspace / "far.pem").symlink_to("link.pem")
    (workspace / "out").symlink_to("..")
    assert refusal(read, given) == (
        f"Input ca-bundle is {given!r}: it must be PEM text, or the path of a PEM file inside the workspace, relative"
        " to it."
    )


@pytest.mark.parametrize("given", ["missing.pem", "folder", "pipe", "nowhere.pem", "file.pem/a.pem", "MIIBszCCAVmgAw="])
def test_ca_bundle__that_is_no_file_is_refused(read: Read, workspace: Path, given: str) -> None:
    """What is not there, and what is no file, is a usage error at once: nothing waits for a pipe to be written to."""
    (workspace / "file.pem").write_text(PEM)
    (workspace / "folder").mkdir()
    os.mkfifo(workspace / "pipe")
    (workspace / "nowhere.pem").symlink_to("missing.pem")
    assert refusal(read, given) == (
        f"Input ca-bundle names {given!r}, which is no file in the workspace: check the path, and that an earlier step"
        " of this job wrote it there."
    )


def test_ca_bundle__that_cannot_be_read_is_refused(
    read: Read, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that may not be read is named, with the operating system's words."""
    (workspace / "a.pem").write_text(PEM)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert refusal(read, "a.pem") == "File 'a.pem' of ca-bundle cannot be read: Permission denied."


def test_ca_bundle__of_a_megabyte_is_read_and_a_larger_one_is_refused(read: Read, workspace: Path) -> None:
    """No file makes the gate read without end."""
    path = workspace / "a.pem"
    path.write_bytes(PEM.encode().ljust(MAX_BUNDLE_BYTES))
    assert authority_count(read("a.pem")) == 1
    path.write_bytes(PEM.encode().ljust(MAX_BUNDLE_BYTES + 1))
    assert refusal(read, "a.pem") == (
        "File 'a.pem' of ca-bundle is larger than 1 MiB: name one with certificates alone."
    )


def test_ca_bundle__that_grows_while_it_is_read_is_refused(
    read: Read, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more is read of a file than is needed to refuse it."""

    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert size >= 0, "it has no end"
            return b" " * size

    (workspace / "a.pem").touch()
    monkeypatch.setattr(Path, "open", lambda *_: Endless())
    assert "is larger than 1 MiB" in refusal(read, "a.pem")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("one\ntwo", "'one…'"),
        (f"{'x' * 41}\n", f"'{'x' * 40}…'"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "'-----BEGIN PUBLIC KEY-----…'"),
        ("-----BEGIN CERTIFICATE REQUEST-----\n", "'-----BEGIN CERTIFICATE REQUEST-----…'"),
        ("\x1b[31m::error::\nx", r"'\x1b[31m::error::…'"),
    ],
)
@pytest.mark.parametrize("is_file", [True, False])
def test_ca_bundle__without_a_certificate_is_refused(
    read: Read, workspace: Path, content: str, name: str, *, is_file: bool
) -> None:
    """What holds no certificate is named by its path or its beginning, with what is allowed."""
    (workspace / "a.pem").write_text(content)
    name = "'a.pem'" if is_file else name
    assert refusal(read, "a.pem" if is_file else content) == (
        f"Input ca-bundle is {name}, and no certificate is in there: it must be PEM, with"
        f" {BEGIN} in it, or the path of such a file in the workspace."
    )


@pytest.mark.parametrize("content", [b"", b"\x30\x82\x01\x00\xff", b"\xff\xfe-\0-\0"])
def test_ca_bundle__of_bytes_is_refused(read: Read, workspace: Path, content: bytes) -> None:
    """A file that is empty, DER or UTF-16 holds no certificate as PEM."""
    (workspace / "a.der").write_bytes(content)
    assert "'a.der', and no certificate is in there: it must be PEM" in refusal(read, "a.der")


@pytest.mark.parametrize("cut", [PEM[: len(PEM) // 2], PEM.strip()[:-1], PEM.replace("\n", "\n-", 3)])
def test_ca_bundle__that_is_cut_short_is_refused(read: Read, cut: str) -> None:
    """A certificate without its end is told from one that is not there."""
    assert refusal(read, OTHER_PEM + cut) == (
        f"Input ca-bundle is '{BEGIN}…', and of 2 certificates in there 1 are whole: hand it over as it was made, to"
        " its last line."
    )


@pytest.mark.parametrize("middle", ["\n", "\nAAAA\n", "\n!\n", "\né\n", PEM.split("-----")[2].replace("A", "B")])
def test_ca_bundle__with_a_broken_certificate_says_which(read: Read, middle: str) -> None:
    """A certificate that cannot be read is counted out, and none of the others is trusted."""
    assert refusal(read, f"{PEM}{BEGIN}{middle}-----END CERTIFICATE-----\n{PEM}") == (
        f"Input ca-bundle is '{BEGIN}…', and certificate 2 of 3 in there is broken: hand it over as it was made."
    )


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "ENCRYPTED ", "OPENSSH "])
@pytest.mark.parametrize("is_file", [True, False])
def test_ca_bundle__with_a_private_key_is_refused_unseen(
    read: Read, workspace: Path, kind: str, *, is_file: bool
) -> None:
    """A private key, whatever stands around it, is refused in words that hold nothing of it."""
    key = re.sub("(BEGIN|END) [A-Z ]*PRIVATE", rf"\1 {kind}PRIVATE", KEY_PEM)
    (workspace / "a.pem").write_text(PEM + key)
    assert refusal(read, "a.pem" if is_file else key + PEM) == (
        "Input ca-bundle holds a private key (it is not shown here): certificates alone belong there. Take the key out,"
        " and use a new one where others could read it."
    )


@pytest.mark.parametrize("text", ["{}", "{}.pem", "x\n{}", "{}\n", "x{}\n"])
def test_ca_bundle__that_is_the_api_key_is_refused_unseen(read: Read, api_key: str, text: str) -> None:
    """The API key that was put there by mistake is not shown, nor a part of it."""
    assert api_key[:8] not in refusal(read, text.format(api_key))


@given(st.lists(st.sampled_from([*"-\n\0 /.a", BEGIN, "-----END CERTIFICATE-----", PEM, KEY_PEM]), max_size=6))
def test_ca_bundle__any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    """Whatever the text, it is certificates alone, or a usage error on one line that holds nothing of a key."""
    environ = {"FINI_API_KEY": "fini_0123456789", "GITHUB_WORKSPACE": str(tmp_path_factory.getbasetemp())}
    try:
        pem = read_ca_bundle(replace(Inputs.from_environ(environ), ca_bundle="".join(parts)))
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both ends are fine
        assert KEY_PEM.split("\n")[1] not in str(error)  # noqa: PT017 - as above
    else:
        assert "PRIVATE" not in pem
        assert not pem or authority_count(pem) == 1
