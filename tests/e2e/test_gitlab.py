"""Run the GitLab component, and the example that uses it, in pipelines: in a shell and in the image."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from fake_fini import FakeFini
from tests.e2e.gitlab import COMPONENT, Executor, GitLab, Pipeline
from tests.e2e.machine import ROOT, Images, call, run
from tests.e2e.workflows import API_KEYS, FAILED, FIRST, HOSTILE, SECOND, SECRETS, SOURCE_IDS
from tests.integration.clients import KEY, serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300, func_only=True)]

RunPipeline = Callable[..., Pipeline]

EXAMPLE = ROOT / "examples" / "gitlab" / ".gitlab-ci.yml"
SLOW = {"id": "slow", "runs-for": "500ms", "article-id": "article-of-slow"}
QUICK = {"id": "quick", "article-id": "article-of-quick"}
BROKEN = {"id": "broken", "ends-as": "FAILED", "error": "the source could not be read"}
BARE = {"id": "bare", "article-id": None}
ENDLESS = {"id": "endless", "runs-for": "never"}

# Prints what a later job knows of the gate.
SCRIPT = ['echo "$FINI_GATE_RESULT of $FINI_GATE_JOB_COUNT - $FINI_GATE_MESSAGE"']
LATER_JOBS = {
    "deploy": {"stage": "deploy", "before_script": [], "script": SCRIPT},
    "report": {"stage": ".post", "before_script": [], "script": SCRIPT, "needs": ["fini-gate"], "when": "always"},
}


@pytest.fixture(scope="module")
def gitlab(node_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> GitLab:
    """Mirror the component on a GitLab."""
    return GitLab(node_packages, tmp_path_factory.mktemp("gitlab"), ROOT / "templates" / "fini-gate")


@pytest.fixture
def executor(request: pytest.FixtureRequest, tmp_path: Path) -> Executor:
    """Run gates in the image, or else by a command that the shell finds."""
    if getattr(request, "param", "shell") == "image":
        image, images = (request.getfixturevalue(name) for name in ("image", "images"))
        # Without a registry, and on the stand-in's network.
        offline = ["--pull-policy=if-not-present", f"--helper-image={images.job}", "--network=host"]
        return Executor([*offline, f"--input=fini-gate:image={image}"])
    command = tmp_path / "bin" / "fini-gate"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -I {ROOT}/entrypoint.py "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return Executor(["--force-shell-executor", "--shell-isolation"], f"{command.parent}:{os.environ['PATH']}")


@pytest.fixture
def run_pipeline(gitlab: GitLab, executor: Executor, tmp_path: Path) -> RunPipeline:
    """Run a pipeline in a repository that contains nothing else, with these CI/CD variables."""

    def run_pipeline(text: str, **variables: str) -> Pipeline:
        repository = tmp_path / "repository"
        repository.mkdir()
        (repository / ".gitlab-ci.yml").write_text(text, encoding="utf-8")
        return gitlab.run(repository, executor, **variables)

    return run_pipeline


@pytest.fixture
def gate(run_pipeline: RunPipeline, serve: Callable[..., FakeFini]) -> RunPipeline:
    """Run a pipeline with these gates and jobs. It has a default that would make a gate fail."""

    def gate(*inputs: Mapping[str, object], **jobs: object) -> Pipeline:
        include = [{"component": COMPONENT, "inputs": given} for given in inputs]
        text = yaml.safe_dump({"default": {"before_script": ["exit 1"]}, "include": include, **jobs})
        url = serve(SLOW, QUICK, BROKEN, ENDLESS, BARE).url
        # Inputs that the component does not have.
        return run_pipeline(text, FINI_API_KEY=KEY, FINI_GATE_API_URL=url, FINI_GATE_NOT_FOUND_GRACE="0s")

    return gate


@pytest.mark.parametrize("executor", ["shell", "image"], indirect=True)
@pytest.mark.parametrize(
    ("inputs", "result", "deploys"),
    [
        ({"job-ids": "slow, quick"}, "success", True),
        ({"job-ids": '["broken", "quick"]'}, "failure", False),
        ({"job-ids": "endless quick", "timeout": "1s"}, "timed_out", False),
    ],
    ids=["success", "failure", "timeout"],
)
def test_component__gates_the_deploy(
    gate: RunPipeline, inputs: Mapping[str, object], result: str, *, deploys: bool
) -> None:
    """Later jobs read the gate's variables whatever its result is; the deploy runs only after a success.

    The gate leaves all files, none of which has the key.
    """
    pipeline = gate(inputs, **LATER_JOBS)
    variables = pipeline.dotenv("fini-gate")
    expected = [f"{result} of 2 - {variables['FINI_GATE_MESSAGE']}"]
    assert pipeline.printed["report"] == expected, pipeline.log
    assert pipeline.printed.get("deploy") == (expected if deploys else None)
    assert (pipeline.exit_code == 0) == deploys
    folder = pipeline.artifacts / "fini-gate" / "fini-gate" / "fini-gate"
    files = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert files.keys() == {"gate.env", "junit.xml", "results.json", "summary.md"}
    assert all(files.values())
    assert json.loads(files["results.json"])["result"] == result
    assert variables["FINI_GATE_RESULTS_FILE"] == "fini-gate/fini-gate/results.json"
    assert KEY not in pipeline.log + "".join(files.values())


def test_component__soft_timeout_lets_the_deploy_run(gate: RunPipeline) -> None:
    """With `soft-timeout`, the deploy runs after a timeout, and knows of it."""
    pipeline = gate({"job-ids": "endless quick", "timeout": "1s", "soft-timeout": True}, **LATER_JOBS)
    assert pipeline.exit_code == 0, pipeline.log
    assert pipeline.printed["deploy"][0].startswith("timed_out of 2 - ")


@pytest.mark.parametrize(
    ("inputs", "result", "message"),
    [
        ({"if-no-jobs": "ignore"}, "success", ""),
        ({"job-ids": "bare", "require-articles": True}, "failure", "1 of 1 job"),
        ({"job-ids": "quick", "timeout": "soon"}, "error", "FINI_GATE_TIMEOUT is 'soon'"),
    ],
    ids=["option", "boolean", "usage error"],
)
def test_component__passes_inputs(gate: RunPipeline, inputs: Mapping[str, object], result: str, message: str) -> None:
    """The gate follows its inputs, and names a wrong one by its variable."""
    variables = gate(inputs).dotenv("fini-gate")
    assert variables["FINI_GATE_RESULT"] == result
    assert message in variables["FINI_GATE_MESSAGE"]


def test_component__ignores_the_variables_of_an_earlier_gate(gate: RunPipeline) -> None:
    """A second gate writes its own files, although the variables of the first one name other files."""
    first = {"job-name": "first", "stage": "build", "job-ids": "quick"}
    second = {"job-name": "second", "job-ids": "slow, quick"}
    report = {"stage": "deploy", "before_script": [], "script": SCRIPT, "needs": ["second"]}
    pipeline = gate(first, second, report=report)
    assert pipeline.exit_code == 0, pipeline.log
    assert pipeline.printed["report"][0].startswith("success of 2 - ")
    for name, jobs in {"first": 1, "second": 2}.items():
        results = json.loads((pipeline.artifacts / name / "fini-gate" / name / "results.json").read_bytes())
        assert len(results["jobs"]) == jobs
        assert pipeline.dotenv(name)["FINI_GATE_JUNIT_FILE"] == f"fini-gate/{name}/junit.xml"


def test_component__refuses_quotes(gate: RunPipeline) -> None:
    """An input that could end its quotes is refused before any job runs."""
    pipeline = gate({"job-ids": HOSTILE})
    assert pipeline.exit_code == 1
    assert "does not match required regex" in pipeline.log
    assert not pipeline.printed


def test_component__runs_no_input(gate: RunPipeline) -> None:
    """A shell runs nothing of an input."""
    pipeline = gate({"job-ids": HOSTILE.replace("'", "")})
    assert pipeline.dotenv("fini-gate")["FINI_GATE_RESULT"] == "failure", pipeline.log
    assert "owned" not in pipeline.printed["fini-gate"]


@pytest.fixture(scope="module")
def _example_image(images: Images) -> Iterator[None]:
    """Give the job image the name of the example's image, unless the machine has that image."""
    name = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["default"]["image"]
    is_missing = run("docker", "image", "inspect", name).returncode != 0
    if is_missing:
        call("docker", "tag", images.job, name)
    yield
    if is_missing:
        call("docker", "image", "rm", name)


@pytest.mark.usefixtures("_example_image")
@pytest.mark.parametrize("executor", ["image"], indirect=True)
@pytest.mark.parametrize(
    ("jobs", "source_ids", "result"),
    [
        ([FIRST, SECOND], json.dumps(SOURCE_IDS), "success"),
        ([FIRST, FAILED], json.dumps(SOURCE_IDS), "failure"),
        ([FIRST, SECOND], HOSTILE, None),
    ],
    ids=["success", "failure", "hostile input"],
)
def test_example__keeps_its_promise(
    run_pipeline: RunPipeline, jobs: Sequence[Mapping[str, object]], source_ids: str, result: str | None
) -> None:
    """Unchanged, the example queues and gates, and deploys only if every job completed."""
    with serving(*jobs, api_keys=API_KEYS) as api:
        given = {"FINI_GATE_API_URL": api.url, "FINI_SOURCE_IDS": source_ids}
        pipeline = run_pipeline(EXAMPLE.read_text(encoding="utf-8"), **given, **SECRETS)
    variables = pipeline.dotenv("fini-gate") if result else {}
    assert variables.get("FINI_GATE_RESULT") == result, pipeline.log
    deployed = ["Deploy with 2 articles here"] if result == "success" else None
    assert pipeline.printed.get("deploy") == deployed, pipeline.log
    assert "owned" not in [line for lines in pipeline.printed.values() for line in lines]
