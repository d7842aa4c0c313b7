"""Run `entrypoint.py` like the container does, and show the log, the outputs and the summary.

If FINI_API_KEY and JOB_IDS are set, the gate waits for those jobs at Fini. Otherwise there are two gates at a local
stand-in: one that passes, and one that fails as it should.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from fake_fini import FakeFini, Scenario

FOLDER = Path(__file__).resolve().parent
ENTRYPOINT = FOLDER.parent / "entrypoint.py"


def main() -> int:
    """Run the demo, and return its exit code: that of the real gate, or 0 if both gates ended as they should."""
    if os.environ.get("FINI_API_KEY") and os.environ.get("JOB_IDS"):
        return _show({"api-key": os.environ["FINI_API_KEY"], "job-ids": os.environ["JOB_IDS"]})
    passed = _show_scenario("scenario.yaml")
    failed = _show_scenario("failing.yaml", timeout="3s")
    exit_code = int((passed, failed) != (0, 1))
    print(f"--- The first gate exited with {passed}: its step passes, and a deploy that needs it runs.")
    print(f"--- The second gate exited with {failed}: its step fails, and the deploy does not run.")
    print(f"--- The demo itself exits with {exit_code}; it is 0 if the first gate passes and the second one fails.")
    return exit_code


def _show_scenario(name: str, **inputs: str) -> int:
    """Gate the jobs of a scenario at a stand-in, and return the exit code."""
    scenario = Scenario.load(FOLDER / name)
    with FakeFini(scenario) as api:
        print(f"--- {len(scenario.jobs)} jobs at a local stand-in for Fini's API, {api.url}\n", flush=True)
        job_ids = {"jobs": [{"id": job.id, "documentId": job.document_id} for job in scenario.jobs]}
        key = next(iter(scenario.api_keys))
        return _show({"api-key": key, "job-ids": json.dumps(job_ids), "api-url": api.url, **inputs})


def _show(inputs: Mapping[str, str]) -> int:
    """Run a gate, show what it leaves behind, and return its exit code."""
    with tempfile.TemporaryDirectory(prefix="fini-gate-demo-") as name:
        folder = Path(name)
        exit_code = _run_gate(inputs, folder)
        print(f"\n--- exit code {exit_code}; the outputs, which later steps can read:")
        for output, value in _read_outputs(folder / "output").items():
            print(f"{output:22} {value}")
        print("\n--- the job summary (Markdown):")
        print((folder / "summary").read_text(encoding="utf-8"))
    return exit_code


def _run_gate(inputs: Mapping[str, str], folder: Path) -> int:
    workspace = folder / "workspace"
    workspace.mkdir()
    for name in ("output", "summary"):
        (folder / name).touch()
    network = {name: value for name, value in os.environ.items() if name.upper().endswith(("_PROXY", "_CA_BUNDLE"))}
    environ = {
        **network,
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
        "GITHUB_ACTIONS": "true",
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
