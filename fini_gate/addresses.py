"""Validate the API's address: TLS or this machine only, so that the key never crosses a network in plain text."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

_ALLOWED: Final = (
    "an https:// address, or an http:// address of this machine (localhost, 127.0.0.1), without user name, query or"
    " fragment"
)
_HOST_AND_PORT: Final = re.compile(r"(?:\[[0-9a-f:.]+\]|(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?)(?::[0-9]*)?")


def parse_api_url(text: str) -> str:
    """Return the base URL of the API without trailing slashes.

    Raises:
        ValueError: the key must not be sent there; the error's text says what is allowed.
    """
    if not _is_allowed(text):
        raise ValueError(_ALLOWED)
    return text.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hide_credentials(text: str) -> str:
    """Replace the user name and password in a text that may be an address."""
    return re.sub("^([A-Za-z]+://)?.*@", r"\1***@", text)


def _is_allowed(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return _is_plain(text) and parts.port != 0 and _is_secure(parts)
    except ValueError:  # an invalid port or IPv6 address
        return False


def _is_plain(text: str) -> bool:
    """Whether an address is visible ASCII, and has neither a query nor a fragment nor a backslash."""
    return bool(re.fullmatch(r"[!-~]+", text)) and not re.search(r"[\\?#]", text)


def _is_secure(parts: SplitResult) -> bool:
    """Whether a connection is encrypted or stays on this machine."""
    if not _HOST_AND_PORT.fullmatch(parts.netloc.lower()):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
