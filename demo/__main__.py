"""Run `entrypoint.py` like the container does, and show the log, the outputs and the summary.

If FINI_API_KEY and JOB_IDS are set, the gate waits for those jobs at Fini, else for a scenario's at a local stand-in.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from fake_fini import FakeFini, Scenario

ENTRYPOINT = Path(__file__).resolve().parent.parent / "entrypoint.py"
SCENARIO = Path(__file__).resolve().parent / "scenario.yaml"


def main() -> int:
    """Run the demo, and return the gate's exit code."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fini-gate-demo-")))
        inputs = stack.enter_context(_inputs(os.environ))
        exit_code = _run_gate(inputs, folder)
        print(f"\n--- exit code {exit_code}; the outputs, which later steps can read:")
        for name, value in _read_outputs(folder / "output").items():
            print(f"{name:22} {value}")
        print("\n--- the job summary (Markdown):")
        print((folder / "summary").read_text(encoding="utf-8"))
    return exit_code


@contextlib.contextmanager
def _inputs(environ: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Provide the inputs that a workflow would set, while the API that they name is running."""
    if environ.get("FINI_API_KEY") and environ.get("JOB_IDS"):
        yield {"api-key": environ["FINI_API_KEY"], "job-ids": environ["JOB_IDS"], "article-details": "true"}
        return
    scenario = Scenario.load(SCENARIO)
    with FakeFini(scenario) as api:
        print(f"--- {len(scenario.jobs)} jobs at a local stand-in for Fini's API, {api.url}\n", flush=True)
        yield {
            "api-key": next(iter(scenario.api_keys)),
            "job-ids": "\n".join(job.id for job in scenario.jobs),
            "article-details": "true",
            "api-url": api.url,
        }


def _run_gate(inputs: Mapping[str, str], folder: Path) -> int:
    workspace = folder / "workspace"
    workspace.mkdir()
    for name in ("output", "summary"):
        (folder / name).touch()
    network = {name: value for name, value in os.environ.items() if name.upper().endswith(("_PROXY", "_CA_BUNDLE"))}
    environ = {
        **network,
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "GITHUB_WORKSPACE": str(workspace),
    }
    command = [sys.executable, "-I", "-u", str(ENTRYPOINT)]
    with subprocess.Popen(command, cwd=workspace, env=environ, stdin=subprocess.DEVNULL) as gate:  # noqa: S603 - ours
        while True:
            try:
                return gate.wait()
            except KeyboardInterrupt:  # the gate receives it too, and ends by itself
                continue


def _read_outputs(path: Path) -> dict[str, str]:
    """Read a file of outputs: `name<<delimiter`, the lines of the value, `delimiter`."""
    outputs = {}
    lines = iter(path.read_text(encoding="utf-8").split("\n")[:-1])
    for line in lines:
        name, _, delimiter = line.partition("<<")
        outputs[name] = "\n".join(iter(lambda: next(lines), delimiter))
    return outputs


if __name__ == "__main__":
    sys.exit(main())
