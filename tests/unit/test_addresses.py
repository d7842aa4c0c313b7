import pytest

from fini_gate.addresses import hide_credentials, parse_api_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        *((url, url) for url in ("https://fini.example", "https://192.0.2.1", "https://[2001:db8::1]:8443")),
        *((url, url) for url in ("http://localhost:8080", "http://LOCALHOST", "http://127.200.3.4", "http://[::1]:1")),
        ("https://fini.example:8443/base//", "https://fini.example:8443/base"),
        ("https://fini.example/X/", "https://fini.example/X"),
    ],
)
def test_parse_api_url__accepts_https_and_loopback(text: str, url: str) -> None:
    """The key may go to any host over TLS, and to this machine without."""
    assert parse_api_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        *("fini.example", "//fini.example", "ftp://fini.example", "http://fini.example", "http://192.168.0.1"),
        *("http://0.0.0.0", "http://128.0.0.1", "http://[::2]", "http://127.1", "http://2130706433"),
        *("http://127.0.0.1.fini.example", "http://localhost.fini.example", "https://", "https://:443", "http://"),
        *("https:///path", "https://fini.example:0", "https://fini.example:65536", "https://fini.example:port"),
        *("https://[::1", "https://[::1]x", "http://[::1]x", "https://[v1.a]", "https://[fe80::1%1]"),
        *("https://fini.example/a b", "https://fini.example\\evil.example", "https://fíni.example"),
        *("https://fini.example/?", "https://fini.example/?a=b", "https://fini.example#", "https://me@fini.example"),
    ],
)
def test_parse_api_url__rejects_other_addresses(text: str) -> None:
    """An address that could leak the key or be read in two ways is an error that says what is allowed."""
    with pytest.raises(ValueError, match=r"^an https:// address, or .*, without user name, query or fragment$"):
        parse_api_url(text)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("https://reader:hunter2@fini.example", "https://***@fini.example"),
        ("HTTPS://hunter2@localhost", "HTTPS://***@localhost"),
        *((f"https://reader:hunter2{end}@fini.example", "https://***@fini.example") for end in ("?", "/x", "//x")),
        ("reader:hunter2@fini.example", "***@fini.example"),
        ("https://fini.example", "https://fini.example"),
    ],
)
def test_hide_credentials__hides_all_before_the_host(text: str, hidden: str) -> None:
    """Whatever a text has in front of its last @ may be a password."""
    assert hide_credentials(text) == hidden
