"""A stand-in for other CIs: runs the shell lines of their recipes as they would."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.integration.gates import COMMAND
from tests.recipes.recipes import EXAMPLES, RECIPES, Job, Step

SECRETS: Final = {"FINI_API_KEY": "fini_demo_key", "FINI_WRITE_KEY": "fini_demo_write_key"}
_GATE: Final = f'exec {shlex.join(COMMAND)} "$@"'
# Commands that only a CI has or that would download something, and those whose arguments the tests look at.
_COMMANDS: Final = {
    "buildkite-agent": """case "$1 $2" in
        "annotate --context") cat > "$SHARED/summary" ;;
        "artifact download") cp "$SHARED/$3" "$4" ;;
    esac""",
    "curl": f'exec {shutil.which("curl")} "$@"',
    "pip": 'cp "${0%pip}uninstalled" "${0%pip}fini-gate"',
    "pipx": f"shift 2; {_GATE}",
    "uninstalled": _GATE,
    "uvx": f"shift; {_GATE}",
}
_AZURE_COMMAND: Final = re.compile(r"##vso\[task\.(\w+)([^]]*)\](.*)")


class RecipeRun(NamedTuple):
    """What came of a run."""

    exit_code: int
    """Of the first step that failed."""
    log: str
    reports: Sequence[Path]
    """The JUnit files that the CI found."""
    summary: str
    """The Markdown that the CI shows beside the log."""
    commands: str
    """The command lines, as other processes can see them."""


class StandInCI:
    """Runs a recipe, or jobs, once in a folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._shared = folder / "shared"
        self._bin = folder / "bin"
        for created in (self._shared, self._bin):
            created.mkdir()
        self._variables = self._shared / "variables"
        self._variables.touch()
        key_file = folder / "key"
        key_file.write_text(f"{SECRETS['FINI_API_KEY']}\n", encoding="utf-8")
        # In Jenkins, one is a secret file.
        self._secrets = SECRETS | {"fini-api-key": str(key_file), "fini-write-key": SECRETS["FINI_WRITE_KEY"]}
        self._environ = {
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "HOME": str(folder),
            "SHARED": str(self._shared),
            "BITBUCKET_PIPELINES_VARIABLES_PATH": str(self._variables),
            **environ,
        }
        self._outputs: dict[str, str] = {}
        self._log = ""

    def run_recipe(self, recipe: str) -> RecipeRun:
        """Run a recipe to its end."""
        path = EXAMPLES / recipe
        return self.run(RECIPES[recipe](path), is_gate_installed="pip install" not in path.read_text(encoding="utf-8"))

    def run(self, jobs: Sequence[Job], *, is_gate_installed: bool = True) -> RecipeRun:
        """Run jobs to their end."""
        self._add_commands(is_gate_installed=is_gate_installed)
        exit_code = 0
        reports: list[Path] = []
        succeeded: set[str] = set()
        for number, job in enumerate(jobs):
            if set(job.needs) <= succeeded:
                folder = self._folder / str(number)
                folder.mkdir()
                job_exit_code = self._run_job(job, folder)
                exit_code = exit_code or job_exit_code
                reports += folder.glob(job.report) if job.report else ()
                succeeded |= set() if job_exit_code else {job.name}
        shared = {path.name: path.read_text(encoding="utf-8") for path in self._shared.iterdir()}
        return RecipeRun(exit_code, self._log, reports, shared.get("summary", ""), shared["commands"])

    def _add_commands(self, *, is_gate_installed: bool) -> None:
        for command, script in (_COMMANDS | ({"fini-gate": _GATE} if is_gate_installed else {})).items():
            path = self._bin / command
            path.write_text(f'#!/bin/sh\necho "{command} $*" >> "$SHARED/commands"\n{script}\n', encoding="utf-8")
            path.chmod(0o700)

    def _run_job(self, job: Job, folder: Path) -> int:
        exit_code = 0
        for step in job.steps:
            if not exit_code or step.is_always_run:
                ended = self._run_step(step, job, folder)
                exit_code = exit_code or ended.returncode
                self._log += ended.stdout
                self._obey_azure(step, ended.stdout)
        for file in job.files:
            if (folder / file).exists():
                shutil.copy2(folder / file, self._shared)
        written = dict(line.split("=", 1) for line in self._variables.read_text(encoding="utf-8").splitlines())
        self._outputs |= {name: value for name, value in written.items() if name in job.exports}
        return exit_code

    def _obey_azure(self, step: Step, log: str) -> None:
        for command, properties, value in _AZURE_COMMAND.findall(log):
            if command == "uploadsummary":
                shutil.copy2(value, self._shared / "summary")
            else:
                name = properties.removeprefix(" variable=").removesuffix(";isOutput=true")
                self._outputs[f"{step.name}.{name}"] = value

    def _run_step(self, step: Step, job: Job, folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own recipes
            [*step.shell, step.script],
            check=False,
            cwd=folder,
            env={
                **self._environ,
                **{name: self._secrets[secret] for name, secret in step.keys.items()},
                **{name: self._outputs[output] for name, output in job.imports.items()},
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=30,
        )
