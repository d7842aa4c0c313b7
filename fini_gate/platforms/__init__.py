"""The platforms that the gate runs on: GitHub's runner, and plain text everywhere else."""

from fini_gate.platforms.choose import choose_platform
from fini_gate.platforms.plain import PlainPlatform
from fini_gate.platforms.streams import prepare_streams, read_stdin, write

__all__ = ["PlainPlatform", "choose_platform", "prepare_streams", "read_stdin", "write"]
