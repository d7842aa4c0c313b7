"""The platforms that the gate runs on: GitHub's runner, or anything else that shows what it prints."""

from fini_gate.platforms.choose import choose_platform
from fini_gate.platforms.plain import PlainPlatform
from fini_gate.platforms.streams import prepare_streams, print_line, read_stdin

__all__ = ["PlainPlatform", "choose_platform", "prepare_streams", "print_line", "read_stdin"]
