"""Run the shell lines of the recipes for other CIs."""

import json
import re
from pathlib import Path
from typing import Final

import pytest

from fake_fini import FakeFini
from tests.e2e.workflows import FAILED, FIRST, SECOND, SOURCE_IDS, THIRD
from tests.formats import Case, read_junit
from tests.integration.clients import serving
from tests.recipes.recipes import EXAMPLES, KEYS, RECIPES, Job, Step
from tests.recipes.stand_in_ci import SECRETS, RecipeRun, StandInCI

each_recipe = pytest.mark.parametrize("recipe", RECIPES)
SHOW_SUMMARIES: Final = {"azure/azure-pipelines.yml", "buildkite/pipeline.yml"}
API_KEYS: Final = {SECRETS["FINI_API_KEY"]: ["read"], SECRETS["FINI_WRITE_KEY"]: ["write"]}


def run(recipe: str, api: FakeFini, folder: Path) -> RecipeRun:
    """Run a recipe for two sources, one with a hostile ID."""
    environ = {
        "FINI_GATE_API_URL": api.url,
        "FINI_GATE_POLL_INTERVAL": "100ms",
        "FINI_SOURCE_IDS": json.dumps(SOURCE_IDS),
    }
    with api:
        ended = StandInCI(folder, environ).run_recipe(recipe)
    # Other processes can read a command line.
    assert not any(key in ended.commands for key in API_KEYS)
    assert "\nowned\n" not in ended.log
    return ended


def cases(ended: RecipeRun) -> list[Case]:
    """Return the test cases that the CI shows."""
    (report,) = ended.reports
    return read_junit(report.read_bytes())


@each_recipe
def test_recipe__deploys_if_all_jobs_completed(recipe: str, tmp_path: Path) -> None:
    """The jobs are queued, the CI shows them, and the deploy knows how many articles there are."""
    api = serving(FIRST, SECOND, api_keys=API_KEYS)
    ended = run(recipe, api, tmp_path)
    assert (ended.exit_code, ended.log.splitlines().count("Deploy with 2 articles here")) == (0, 1), ended.log
    assert [request.ids for request in api.requests if request.route == "bulk"] == [tuple(SOURCE_IDS)]
    assert [case.kind for case in cases(ended)] == [None, None]


@each_recipe
def test_recipe__does_not_deploy_if_a_job_failed(recipe: str, tmp_path: Path) -> None:
    """The build fails with the gate's exit code, the CI shows which job failed and why, and nothing is deployed."""
    ended = run(recipe, serving(FIRST, FAILED, api_keys=API_KEYS), tmp_path)
    assert (ended.exit_code, "Deploy with" in ended.log) == (1, False), ended.log
    assert [(case.kind, case.text) for case in cases(ended)][1:] == [("failure", FAILED["error"])]
    assert ended.summary.startswith("### ❌") == (recipe in SHOW_SUMMARIES)


@each_recipe
def test_recipe__gates_nothing_if_nothing_was_queued(recipe: str, tmp_path: Path) -> None:
    """If the API does not accept the sources, curl says so, and nothing is deployed."""
    ended = run(recipe, serving(FIRST, SECOND, api_keys={SECRETS["FINI_API_KEY"]: ["read"]}), tmp_path)
    assert ended.exit_code != 0
    assert "The requested URL returned error: 401" in ended.log
    assert "Deploy with" not in ended.log


def test_page__shows_commands_that_work(tmp_path: Path) -> None:
    """The everyday commands of the page succeed, once what stands for something else is replaced."""
    page = (EXAMPLES.parent / "docs" / "any-ci.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"## Run it\n\n```sh\n(.*?)```", page, re.DOTALL)
    commands = commands.replace("curl …", "cat jobs.json").replace("JOB-ID JOB-ID", "one three")
    with serving(FIRST, THIRD, api_keys=API_KEYS) as api:
        ci = StandInCI(tmp_path, {"FINI_GATE_API_URL": api.url})
        script = f"""echo '{{"jobs": [{{"backgroundJobId": "one"}}]}}' > jobs.json\n{commands}"""
        ended = ci.run([Job([Step(script, ("sh", "-ec"), KEYS)])])
    assert ended.exit_code == 0, ended.log
    assert ended.log.count("1 of 1 job completed") == 4
    assert ended.log.count("2 of 2 jobs completed") == 1
    results = json.loads((tmp_path / "0" / "results.json").read_bytes())
    assert [job["articleId"] for job in results["jobs"]] == ["article-1"]
