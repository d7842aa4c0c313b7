"""The recipes for other CIs: what each of them tells its CI to run. `stand_in_ci` runs it."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
KEYS: Final = {"FINI_API_KEY": "FINI_API_KEY", "FINI_WRITE_KEY": "FINI_WRITE_KEY"}


class Step(NamedTuple):
    """A piece of a recipe that a shell runs."""

    script: str
    shell: Sequence[str]
    keys: Mapping[str, str] = {}
    """Variable → the CI's name of the secret that it holds."""
    name: str = ""
    is_always_run: bool = False


class Job(NamedTuple):
    """Steps that run in a folder of their own."""

    steps: Sequence[Step]
    name: str = ""
    needs: Sequence[str] = ()
    """Jobs that must have succeeded."""
    report: str = ""
    """Where the CI looks for JUnit files, even if a step failed."""
    files: Sequence[str] = ()
    """Files that later jobs get."""
    exports: Sequence[str] = ()
    """Variables that later jobs get from a file."""
    imports: Mapping[str, str] = {}
    """Variable → the output of an earlier job that it holds."""


def read_jenkins(path: Path) -> list[Job]:
    """Read a Jenkinsfile, whose stages share a folder."""
    text = path.read_text(encoding="utf-8")
    # In Groovy, a backslash continues a line or escapes a character. The recipe needs only the former.
    scripts = [script.replace("\\\n", "") for script in re.findall("'''(.*?)'''", text, re.DOTALL)]
    assert not any("\\" in script for script in scripts)
    lines = re.sub("'''.*?'''", "''", text, flags=re.DOTALL).splitlines()
    stages = _read_blocks(iter(lines))["pipeline"]["stages"].values()
    steps = []
    for stage in stages:
        script = stage["steps"]["sh"].strip("'") or scripts.pop(0)
        keys = {name: value.split("'")[1] for name, value in stage.get("environment", {}).items()}
        steps.append(Step(script, ("sh", "-xec"), keys))
    (report,) = (stage["post"]["always"]["junit"].strip("'") for stage in stages if "post" in stage)
    return [Job(steps, report=report)]


def read_circleci(path: Path) -> list[Job]:
    """Read a configuration of CircleCI, in which a context has the secrets."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    (workflow,) = config["workflows"].values()
    jobs = []
    for name, options in (item for job in workflow["jobs"] for item in job.items()):
        settings = [item for step in config["jobs"][name]["steps"] for item in step.items()]
        scripts = [step["command"] for kind, step in settings if kind == "run"]
        folders = [step["at"] for kind, step in settings if kind == "attach_workspace"]
        job = Job(
            [
                Step(script, ("bash", "-eo", "pipefail", "-c"), KEYS if options.get("context") else {})
                for script in [*(f'cp "$SHARED"/* {folder}' for folder in folders), *scripts]
            ],
            name=name,
            needs=options.get("requires", ()),
            report="".join(step["path"] for kind, step in settings if kind == "store_test_results"),
            files=[file for kind, step in settings if kind == "persist_to_workspace" for file in step["paths"]],
        )
        jobs.append(job)
    return jobs


def read_azure(path: Path) -> list[Job]:
    """Read a pipeline of Azure, whose shell goes on after a command that failed."""
    return [_read_azure_job(job) for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]]


def _read_azure_job(job: Mapping[str, Any]) -> Job:
    always = [step for step in job["steps"] if step.get("condition") == "always()"]
    steps = []
    for step in (step for step in job["steps"] if "bash" in step):
        keys = {name: value.removeprefix("$(").removesuffix(")") for name, value in step.get("env", {}).items()}
        shell = ("bash", "--noprofile", "--norc", "-c")
        steps.append(Step(step["bash"], shell, keys, step.get("name", ""), is_always_run=step in always))
    return Job(
        steps,
        name=job["job"],
        needs=[job["dependsOn"]] if "dependsOn" in job else (),
        report="".join(step["inputs"]["testResultsFiles"] for step in always if "inputs" in step),
        imports={name: expression.split("'")[1] for name, expression in job.get("variables", {}).items()},
    )


def read_buildkite(path: Path) -> list[Job]:
    """Read a pipeline of Buildkite, whose agent expands a single `$` before the shell does."""
    jobs = []
    for step in yaml.safe_load(path.read_text(encoding="utf-8"))["steps"]:
        assert "$" not in step["command"].replace("$$", "")
        files = step.get("artifact_paths", ())
        job = Job(
            [
                Step(
                    step["command"].replace("$$", "$"),
                    ("bash", "-ec"),
                    {name: name for name in step.get("secrets", ())},
                )
            ],
            name=step.get("key", ""),
            needs=[step["depends_on"]] if "depends_on" in step else (),
            report="".join(file for file in files if file.endswith(".xml")),
            files=files,
        )
        jobs.append(job)
    return jobs


def read_bitbucket(path: Path) -> list[Job]:
    """Read a pipeline of Bitbucket, whose steps follow each other."""
    jobs: list[Job] = []
    for item in yaml.safe_load(path.read_text(encoding="utf-8"))["pipelines"]["branches"]["main"]:
        step = item["step"]
        job = Job(
            [Step("\n".join(step["script"]), ("bash", "-ec"), KEYS)],
            name=step["name"],
            needs=[earlier.name for earlier in jobs],
            report="test-results/**/*.xml",
            exports=step.get("output-variables", ()),
            imports={name: name for earlier in jobs for name in earlier.exports},
        )
        jobs.append(job)
    return jobs


def read_shell(path: Path) -> list[Job]:
    """Read a script, which runs as it is."""
    return [Job([Step(shlex.quote(str(path)), ("sh", "-c"), KEYS)], report="fini-gate.xml")]


RECIPES: Final[Mapping[str, Callable[[Path], list[Job]]]] = {
    "azure/azure-pipelines.yml": read_azure,
    "bitbucket/bitbucket-pipelines.yml": read_bitbucket,
    "buildkite/pipeline.yml": read_buildkite,
    "circleci/config.yml": read_circleci,
    "jenkins/Jenkinsfile": read_jenkins,
    "shell/generate-and-deploy.sh": read_shell,
}
"""Recipe → its reader."""


def _read_blocks(lines: Iterator[str]) -> dict[str, Any]:
    """Read the blocks of a Jenkinsfile: each ends with a line of its own, and has no two statements of a kind."""
    block: dict[str, Any] = {}
    for line in map(str.strip, lines):
        if line == "}":
            return block
        if line and not line.startswith("//"):
            head, _, rest = line.partition(" ")
            name = line.removesuffix(" {") if line.endswith("{") else head
            assert name not in block
            block[name] = _read_blocks(lines) if line.endswith("{") else rest
    return block
