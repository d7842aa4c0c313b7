"""Describe failed requests without quoting the URL or the key."""

import re
from ssl import SSLCertVerificationError
from typing import Final, NamedTuple

from fini_gate.durations import format_duration

# OpenSSL's numbers for a certificate that leads to no trusted authority (X509_V_ERR_…, in x509_vfy.h).
_UNKNOWN_AUTHORITY: Final = {2, 18, 19, 20, 21}


class Failure(NamedTuple):
    """What happened instead of a whole response."""

    problem: str
    is_broken_connection: bool = False


def describe_timeout(timeout_seconds: float) -> Failure:
    """Describe a request that took longer than its limit."""
    return Failure(f"no complete response within {format_duration(timeout_seconds)}")


def describe_failure(error: BaseException, timeout_seconds: float) -> Failure:
    """Describe an exception of the HTTP library, of OpenSSL or of the operating system."""
    cause = root_cause(error)
    if isinstance(cause, TimeoutError):
        return describe_timeout(timeout_seconds)
    return Failure(_describe(cause), is_broken_connection=True)


def root_cause(error: BaseException) -> BaseException:
    """Return the exception at the bottom of a chain."""
    while (cause := error.__cause__ or error.__context__ or _wrapped(error)) is not None:
        error = cause
    return error


def _wrapped(error: BaseException) -> BaseException | None:
    """Return an exception among the arguments: urllib3 reports TLS problems behind a proxy in no other way."""
    return next((argument for argument in error.args if isinstance(argument, BaseException)), None)


def _describe(error: BaseException) -> str:
    """Quote the operating system or OpenSSL: the HTTP library's messages contain URLs and headers."""
    match error:
        case SSLCertVerificationError(verify_code=code, verify_message=why) if code in _UNKNOWN_AUTHORITY:
            return f"the certificate could not be verified ({why}); if a private authority issued it, set ca-bundle"
        case SSLCertVerificationError(verify_message=why):
            return f"the certificate could not be verified ({why.removesuffix('.')})"
        case OSError(args=(str(text),)) if found := re.match("Tunnel connection failed: ([0-9]{3})", text):
            return f"the proxy refused to connect to the API (HTTP {found[1]})"
        case OSError(strerror=str(words)):
            return f"the connection failed ({words})"
        case _:
            return f"the connection failed ({type(error).__name__})"
