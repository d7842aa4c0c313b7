"""How long it takes to start: to the first byte of the first request, and as a container."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from bench import gate, machine
from bench.api import Api, serve
from bench.child import in_turn, run
from bench.figures import quote, ratios
from bench.section import Goal, Section

ROUNDS: Final = 21
CONTAINER_ROUNDS: Final = 11

IMPORT: Final = "import requests"
WORKSPACE: Final = "/github/workspace"

_Peers = dict[str, Callable[[], float]]


def measure() -> Section:
    """Measure gates on one job that has ended."""
    with tempfile.TemporaryDirectory(prefix="fini-gate-bench-") as name, serve() as api:
        workspace = gate.workspace(Path(name), job_count=1)
        process = in_turn(_processes(workspace, api), rounds=ROUNDS)
        no_container, container = "", dict[str, list[float]]()
        try:
            container = in_turn(_containers(workspace, api), rounds=CONTAINER_ROUNDS)
        except machine.NoEngineError as error:
            no_container = f" Containers are left out: {error}."
    goals = [_goal("process's start to the first byte of a request", process, 1.3)]
    if container:
        goals.append(_goal("whole gate in a container", container, 1.6))
    return Section(
        title="Start",
        prose=(
            "A gate on one job that has ended, its ID in a JSON file, against what importing requests alone takes, in"
            f" the same virtual environment and in a container of the same image.{no_container}"
        ),
        header=("where", "what", "time, ms", f"times {IMPORT}"),
        rows=(*_rows("process", process), *_rows("docker run", container)),
        goals=tuple(goals),
    )


def _processes(workspace: Path, api: Api) -> _Peers:
    def python(*arguments: str) -> float:
        return run([sys.executable, "-I", *arguments], environ={}, folder=workspace).wall_seconds

    def first_byte() -> float:
        api.tally()
        began_at = run(gate.COMMAND, environ=gate.environ(workspace, api.url), folder=workspace).began_at
        first_byte_at, _, _ = api.tally()
        return first_byte_at - began_at

    return {
        "pass": lambda: python("-c", "pass"),
        IMPORT: lambda: python("-c", IMPORT),
        "gate, to the first byte of its first request": first_byte,
    }


def _containers(workspace: Path, api: Api) -> _Peers:
    image = machine.build(machine.ROOT, tag="latest")
    with_requests = _with_requests(image, workspace)
    # The runner's own network cannot reach the stand-in API, which listens on the host's loopback only.
    options = ["run", "--rm", "--network", "host", "--volume", f"{workspace}:{WORKSPACE}", "--workdir", WORKSPACE]

    def docker(*arguments: str) -> float:
        command = [shutil.which("docker") or "docker", *options, *arguments]
        return run(command, environ=os.environ, folder=workspace).wall_seconds

    def whole_gate() -> float:
        inputs = gate.environ(workspace, api.url, seen_at=WORKSPACE)
        return docker(*(option for pair in inputs.items() for option in ("--env", "=".join(pair))), image)

    def python(code: str) -> float:
        return docker("--entrypoint", "python", with_requests, "-I", "-c", code)

    return {"pass": lambda: python("pass"), IMPORT: lambda: python(IMPORT), "whole gate": whole_gate}


def _with_requests(image: str, folder: Path) -> str:
    """Build the image whose Python is to import requests: the same one, with all byte code that this needs."""
    context = folder / "requests"
    context.mkdir()
    (context / "Dockerfile").write_text(f'FROM {image}\nRUN ["python", "-c", "{IMPORT}"]\n', encoding="utf-8")
    return machine.build(context, tag="requests")


def _goal(text: str, taken: dict[str, list[float]], at_most: float) -> Goal:
    *_, seconds = taken.values()
    return Goal(f"{text}, times {IMPORT}", median(ratios(seconds, taken[IMPORT])), at_most)


def _rows(where: str, taken: dict[str, list[float]]) -> list[tuple[str, ...]]:
    return [
        (
            where,
            what,
            quote([each * 1000 for each in seconds], ".0f"),
            quote(ratios(seconds, taken[IMPORT])),
        )
        for what, seconds in taken.items()
    ]
