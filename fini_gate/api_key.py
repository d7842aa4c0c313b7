"""The API key: where it comes from, and what it looks like."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fini_gate.errors import UsageError, reason_of
from fini_gate.settings import Settings

# Far longer than any key.
_MAX_FILE_BYTES: Final = 65_536


def read_api_key(settings: Settings, run: Callable[[Callable[[], bytes]], bytes]) -> str:
    """Return the API key, from its file if the settings name one.

    Args:
        settings: what the gate was started with.
        run: calls a function that may block, and returns its result.

    Raises:
        UsageError: there is no key, its file cannot be read, or it is invalid. The message does not show it.
    """
    path = settings.text("api-key-file")
    key = _read_file(path, run) if path else settings.text("api-key")
    if not key:
        raise UsageError(_how_to_set(settings))
    if not is_api_key(key):
        raise UsageError(
            "«Input api-key» contains a space, a line break or another character that a key cannot have (it is not"
            " shown here): store the secret again, with nothing but the key."
        )
    return key


def is_api_key(text: str) -> bool:
    """Whether a text can be an API key. It is sent in a header, so it must be visible ASCII."""
    return bool(re.fullmatch(r"[!-~]+", text))


def _read_file(path: str, run: Callable[[Callable[[], bytes]], bytes]) -> str:
    def read() -> bytes:
        with Path(path).open("rb") as file:
            return file.read(_MAX_FILE_BYTES)

    try:
        # Reading a pipe, such as <(command), may block.
        key = run(read).decode(errors="replace").strip()
    except (OSError, ValueError) as error:
        # The path is not shown: it may be the key itself.
        raise UsageError(
            f"«Input api-key-file» cannot be read: {reason_of(error)}. It must be the path of a file that holds the"
            " key."
        ) from None
    if not key:
        raise UsageError("«Input api-key-file» names an empty file: store the key in it.")
    return key


def _how_to_set(settings: Settings) -> str:
    if settings.names.has_options:
        return (
            "There is no API key: set the environment variable FINI_API_KEY to a Fini API key with the read scope, or"
            " --api-key-file to the path of a file that holds one."
        )
    return (
        "Input api-key is empty, and so is the environment variable FINI_API_KEY: pass a Fini API key with the read"
        " scope, such as ${{ secrets.FINI_API_KEY }}. Workflows triggered from forks get no secrets."
    )
