"""Read `ca-bundle`: certificates of authorities to trust in addition to the usual ones, as PEM text or a file."""

import re
import ssl
from collections.abc import Sequence
from typing import Final

from fini_gate.errors import UsageError
from fini_gate.escaping import quote
from fini_gate.files import read_bytes, resolve
from fini_gate.inputs import Inputs

# Four times the size of the bundle of all authorities that browsers trust.
MAX_BUNDLE_BYTES: Final = 1024**2

_BEGIN: Final = "-----BEGIN "
_BEGIN_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"
_CERTIFICATE: Final = re.compile(f"{_BEGIN_CERTIFICATE}[^-]*-----END CERTIFICATE-----")
# How much of a PEM text errors quote.
_MAX_NAME_CHARACTERS: Final = 40


def read_ca_bundle(inputs: Inputs) -> str:
    """Return the certificates of `ca-bundle` as PEM, without anything else. Empty if the input is not set.

    Raises:
        UsageError: the input is neither certificates as PEM nor a file of them in the workspace.
    """
    given = inputs.ca_bundle
    if not given:
        return ""
    first_line = given.split("\n")[0]
    if _BEGIN in given or "\n" in given:
        name = quote(f"{first_line[:_MAX_NAME_CHARACTERS]}…")
        text = given
    else:
        name = quote(first_line)
        text = _read_file(inputs, name)
    certificates = _find_certificates(text, name)
    _check_certificates(certificates, name)
    return "\n".join(certificates)


def _read_file(inputs: Inputs, name: str) -> str:
    try:
        path = resolve(inputs.workspace, inputs.ca_bundle)
    except (OSError, ValueError):
        raise UsageError(
            f"«Input ca-bundle» is {name}: it must be PEM text, or the path of a PEM file inside the workspace."
        ) from None
    content = read_bytes(path, MAX_BUNDLE_BYTES, name=name, input_name="ca-bundle")
    # Certificates are ASCII. Comments between them may be in any encoding.
    return content.decode(errors="replace")


def _find_certificates(text: str, name: str) -> Sequence[str]:
    # First, so that no other error quotes a private key.
    if "PRIVATE KEY-----" in text:
        raise UsageError(
            "«Input ca-bundle» contains a private key (not shown here): pass certificates only. If others could have"
            " read the key, replace it."
        )
    certificates: list[str] = _CERTIFICATE.findall(text)
    count = text.count(_BEGIN_CERTIFICATE)
    if not count:
        raise UsageError(
            f"«Input ca-bundle» is {name}, which contains no certificate: it must be PEM text with -----BEGIN"
            " CERTIFICATE-----, or the path of such a file in the workspace."
        )
    if len(certificates) < count:
        raise UsageError(
            f"«Input ca-bundle» is {name}, with {len(certificates)} of {count} certificates complete: copy it again, to"
            " the last line."
        )
    return certificates


def _check_certificates(certificates: Sequence[str], name: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for number, certificate in enumerate(certificates, start=1):
        try:
            context.load_verify_locations(cadata=certificate)
        except (ssl.SSLError, TypeError):  # TypeError: it is not ASCII
            raise UsageError(
                f"«Input ca-bundle» is {name}, in which certificate {number} of {len(certificates)} is damaged: copy it"
                " again, without changes."
            ) from None
