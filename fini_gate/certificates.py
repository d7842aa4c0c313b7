"""What `ca-bundle` holds or names → the certificates of authorities to trust, as PEM."""

import re
import ssl
from pathlib import Path
from typing import Final

from fini_gate.errors import UsageError
from fini_gate.escaping import redact
from fini_gate.files import resolve
from fini_gate.inputs import Inputs, quote

# All authorities that browsers trust make a quarter of it.
MAX_BUNDLE_BYTES: Final = 1024**2
_CERTIFICATE: Final = re.compile("-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")
_BEGIN: Final = "-----BEGIN "
# What an error quotes of a text that is no path.
_BEGINNING_CHARACTERS: Final = 40


def read_ca_bundle(inputs: Inputs) -> str:
    """Give the certificates of `ca-bundle`, one after the other and nothing else; empty where it is not given.

    Raises:
        UsageError: it is neither PEM text nor the path of such a file in the workspace; the text says what it is.
    """
    given = inputs.ca_bundle
    if not given:
        return ""
    is_path = _BEGIN not in given and "\n" not in given
    first_line = redact(given, inputs.api_key).split("\n")[0]
    name = quote(first_line if is_path else f"{first_line[:_BEGINNING_CHARACTERS]}…")
    text = _read_text(inputs.workspace, given, name) if is_path else given
    # A key is refused unseen, whatever else is wrong.
    if "PRIVATE KEY-----" in text:
        raise UsageError(
            "Input ca-bundle holds a private key (it is not shown here): certificates alone belong there. Take the key"
            " out, and use a new one where others could read it."
        )
    certificates = _CERTIFICATE.findall(text)
    count = text.count("-----BEGIN CERTIFICATE-----")
    if not count:
        raise UsageError(
            f"Input ca-bundle is {name}, and no certificate is in there: it must be PEM, with -----BEGIN"
            " CERTIFICATE----- in it, or the path of such a file in the workspace."
        )
    if len(certificates) < count:
        raise UsageError(
            f"Input ca-bundle is {name}, and of {count} certificates in there {len(certificates)} are whole: hand it"
            " over as it was made, to its last line."
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for number, certificate in enumerate(certificates, start=1):
        try:
            context.load_verify_locations(cadata=certificate)
        except (ssl.SSLError, TypeError):  # the latter where it is not ASCII
            raise UsageError(
                f"Input ca-bundle is {name}, and certificate {number} of {count} in there is broken: hand it over as it"
                " was made."
            ) from None
    return "\n".join(certificates)


def _read_text(workspace: Path, given: str, name: str) -> str:
    try:
        path = resolve(workspace, given)
    except (OSError, ValueError):
        raise UsageError(
            f"Input ca-bundle is {name}: it must be PEM text, or the path of a PEM file inside the workspace, relative"
            " to it."
        ) from None
    try:
        # A device never ends, and a pipe may have nobody who writes to it.
        if not path.is_file():
            raise UsageError(
                f"Input ca-bundle names {name}, which is no file in the workspace: check the path, and that an earlier"
                " step of this job wrote it there."
            )
        with path.open("rb") as file:
            content = file.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"File {name} of ca-bundle cannot be read: {error.strerror}.") from None
    if len(content) > MAX_BUNDLE_BYTES:
        raise UsageError(
            f"File {name} of ca-bundle is larger than {MAX_BUNDLE_BYTES // 1024**2} MiB: name one with"
            " certificates alone."
        )
    # Between the certificates, which are ASCII, anything may stand.
    return content.decode(errors="replace")
