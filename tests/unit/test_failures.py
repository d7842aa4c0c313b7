import ssl
from typing import Final

import pytest
from requests.exceptions import ConnectionError as OuterError
from urllib3.exceptions import ProtocolError

from fini_gate.client.failures import Failure, describe_failure

SECRETS: Final = "https://api.example/route Bearer fini_0123456789abcdef"
RESET: Final = ConnectionResetError(104, "Connection reset by peer", SECRETS)


def caused_by(cause: BaseException) -> Exception:
    """Make an exception with a cause."""
    error = OuterError(SECRETS)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RESET, "Connection reset by peer"),
        (caused_by(RESET), "Connection reset by peer"),
        (OuterError(ProtocolError(SECRETS, RESET)), "Connection reset by peer"),
        (OuterError(SECRETS), "ConnectionError"),
        (OSError(SECRETS), "OSError"),
        (OSError(), "OSError"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]", SECRETS), "[SSL: WRONG_VERSION_NUMBER]"),
        (UnicodeEncodeError("latin-1", SECRETS, 0, 1, SECRETS), "UnicodeEncodeError"),
        (KeyError(SECRETS), "KeyError"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_failure__has_the_words_of_the_root_cause(error: Exception, words: str) -> None:
    """They are the operating system's or OpenSSL's; the text of any other exception may contain secrets."""
    assert describe_failure(error, 3) == Failure(f"the connection failed ({words})", is_broken_connection=True)


@pytest.mark.parametrize("error", [TimeoutError(SECRETS), caused_by(TimeoutError()), OuterError(TimeoutError(SECRETS))])
def test_failure__of_a_timeout_has_the_limit(error: Exception) -> None:
    """A timeout says nothing about the connection."""
    assert describe_failure(error, 90) == Failure("no complete response within 1m30s")
