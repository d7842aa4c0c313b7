import os
from pathlib import Path

import pytest

from fini_gate.api_key import read_api_key
from fini_gate.errors import UsageError
from fini_gate.settings import CommandLine, Settings

KEY = "fini_0123456789abcdef"
NO_FILE = "It must be the path of a file that holds the key."


def _read(environ: dict[str, str], path: str = "") -> str:
    command_line = CommandLine(options={"api-key-file": path}, is_used=bool(path))
    return read_api_key(Settings(environ=environ, command_line=command_line), lambda read: read())


def _message(environ: dict[str, str], path: str = "") -> str:
    with pytest.raises(UsageError) as error:
        _read(environ, path)
    settings = Settings(environ=environ, command_line=CommandLine(options={"api-key-file": path}))
    return settings.names.fill_in(error.value.template)


def test_key__comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """White space around it does not count, and the file may be a pipe."""
    assert _read({"FINI_API_KEY": f"\t{KEY}\r\n"}) == KEY
    (tmp_path / "key").write_text(f"{KEY}\n", encoding="utf-8")
    assert _read({"FINI_API_KEY": "other"}, str(tmp_path / "key")) == KEY
    reading, writing = os.pipe()
    os.write(writing, KEY.encode())
    os.close(writing)
    assert _read({}, f"/dev/fd/{reading}") == KEY
    os.close(reading)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "missing",
            None,
            f"cannot be read: No such file or directory. {NO_FILE}",
        ),
        (".", None, f"cannot be read: Is a directory. {NO_FILE}"),
        ("a\0b", None, f"cannot be read: embedded null byte. {NO_FILE}"),
        ("empty", b" \n", "names an empty file: store the key in it."),
    ],
)
def test_file__that_holds_no_key_is_an_error(tmp_path: Path, name: str, content: bytes | None, expected: str) -> None:
    """The error names the option, but not the path, which may be the key itself."""
    path = f"{tmp_path}/{name}"
    if content is not None:
        Path(path).write_bytes(content)
    assert _message({}, path) == f"Option --api-key-file {expected}"


@pytest.mark.parametrize("inside", [" ", "\n", "\r", "\t", "\x00", "\x1b", "é", "\u200b", "\udcff"])
def test_key__is_not_shown_when_it_is_invalid(inside: str) -> None:
    """A key with anything but visible ASCII is an error that does not show it."""
    assert _message({"INPUT_API-KEY": f"hunter2{inside}hunter3", "GITHUB_ACTIONS": "true"}) == (
        "Input api-key contains a space, a line break or another character that a key cannot have (it is not shown"
        " here): store the secret again, with nothing but the key."
    )


def test_key__that_is_invalid_in_a_file_is_not_shown(tmp_path: Path) -> None:
    """The message names the option, and bytes that are not UTF-8 are no key either."""
    (tmp_path / "key").write_bytes(b"hunter2\xff")
    assert _message({}, str(tmp_path / "key")).startswith("Option --api-key-file contains a space, a line break or")


def test_key__that_is_missing_says_how_to_set_it() -> None:
    """A workflow has secrets, anything else has a variable and an option."""
    assert "${{ secrets.FINI_API_KEY }}" in _message({"GITHUB_ACTIONS": "true"})
    message = _message({"FINI_API_KEY": " "})
    assert "set the environment variable FINI_API_KEY" in message
    assert "--api-key-file" in message
    assert "secrets." not in message
