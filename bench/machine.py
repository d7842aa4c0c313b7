"""The machine in a few words, and the Docker engine and the images on it."""

import functools
import os
import platform
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
IMAGE: Final = "fini-gate-bench"
# By `tests/e2e/provide`: something that is needed cannot be had on this machine.
_CANNOT_BE_HAD: Final = 3


class NoEngineError(Exception):
    """There is no Docker engine or no base image, and none can be had."""

    def __init__(self) -> None:
        super().__init__("no Docker engine or no base image can be had on this machine (tests/e2e/provide says why)")


def described() -> str:
    """What figures depend on, without what would tell whose machine it is."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text(encoding="utf-8").splitlines() if cpus.exists() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return ", ".join(
        (
            models[0] if models else platform.machine(),
            f"{os.cpu_count()} cores",
            f"Python {platform.python_version()}",
            _engine(),
        )
    )


def _engine() -> str:
    try:
        return f"Docker {docker('version', '--format', '{{.Server.Version}}').strip()}"
    except (OSError, subprocess.CalledProcessError):
        return "no Docker engine"


def docker(*arguments: str | Path) -> str:
    """Let docker do something, and return what it printed."""
    return subprocess.run(  # noqa: S603 - the bench's own commands, as lists
        ["docker", *arguments],  # noqa: S607 - found on the PATH, as everywhere
        capture_output=True,
        check=True,
        stdin=subprocess.DEVNULL,
        text=True,
    ).stdout


@functools.cache
def base_image() -> str:
    """Make an engine and the base image ready, and return the image's name.

    Raises:
        NoEngineError: they cannot be had.
    """
    # It takes minutes on a fresh machine, and says meanwhile on standard error what it does.
    provided = subprocess.run(  # noqa: S603 - the project's own script
        [ROOT / "tests" / "e2e" / "provide"], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    if provided.returncode == _CANNOT_BE_HAD:
        raise NoEngineError
    provided.check_returncode()
    return provided.stdout.split()[0]


def build(context: Path, *, tag: str) -> str:
    """Build the action's image of a checkout, and return the name that it got."""
    name = f"{IMAGE}:{tag}"
    label = f"{IMAGE}=true"
    docker("build", "--build-arg", f"BASE_IMAGE={base_image()}", "--label", label, "--tag", name, context)
    # The build before this one may have lost its name to it.
    docker("image", "prune", "--force", "--filter", f"label={label}")
    return name
