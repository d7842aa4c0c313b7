"""Runs a command to its end, and says what it took."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

_LAUNCH: Final = Path(__file__).with_name("launch.py")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Taken:
    """What a process took, with the processes that it waited for."""

    began_at: float
    """Just before it was started, on the machine's monotonic clock."""
    wall_seconds: float
    cpu_seconds: float
    """Its own and the kernel's on its behalf."""
    peak_bytes: int
    """The most that it held in memory."""
    exit_code: int


def run(command: Sequence[str | Path], *, environ: Mapping[str, str], folder: Path) -> Taken:
    """Run a command, named by its whole path, with this environment alone and in this folder.

    Raises:
        RuntimeError: it did not succeed; the text has what it printed.
    """
    log = folder / "log"
    with log.open("wb") as written:
        launched = subprocess.run(  # noqa: S603 - the bench's own commands, as lists
            [sys.executable, "-I", "-S", _LAUNCH, *command],
            check=True,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=written,
        )
    taken = Taken(**json.loads(launched.stdout))
    if taken.exit_code != 0:
        raise RuntimeError(f"{command} exited with {taken.exit_code}:\n{log.read_text(errors='replace')[-2000:]}")
    return taken


def in_turn(peers: Mapping[str, Callable[[], Result]], *, rounds: int, warm_up: bool = True) -> dict[str, list[Result]]:
    """Let the peers run one after the other, round by round.

    Args:
        peers: by their names.
        rounds: how many are counted.
        warm_up: one round before them, which leaves byte code and the disk's cache warm.
    """
    if warm_up:
        for peer in peers.values():
            peer()
    taken = [{name: peer() for name, peer in peers.items()} for _ in range(rounds)]
    return {name: [each[name] for each in taken] for name in peers}
