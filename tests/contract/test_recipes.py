"""Check that the recipes for other CIs are safe to copy, consistent, described and tested."""

import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from fini_gate import __version__
from fini_gate.cli import parse_arguments
from fini_gate.inputs import DEFAULTS
from tests.contract.pages import Page, code_spans
from tests.recipes.recipes import EXAMPLES, RECIPES

PAGE: Final = Page("docs/any-ci.md")
# GitLab's recipes have tests of their own, with a real client.
FOLDERS: Final = {path.name for path in EXAMPLES.iterdir() if path.is_dir()} - {"gitlab"}
# What names a version of the package or the image.
VERSIONED: Final = [PAGE.path, *(EXAMPLES / recipe for recipe in RECIPES)]

each_recipe = pytest.mark.parametrize("recipe", RECIPES)


def commands(recipe: str) -> list[str]:
    """Return the commands of a recipe."""
    path = EXAMPLES / recipe
    scripts = [step.script for job in RECIPES[recipe](path) for step in job.steps]
    if path.suffix == ".sh":
        scripts = [path.read_text(encoding="utf-8")]
    lines = "\n".join(scripts).replace("\\\n", " ").splitlines()
    found = [" ".join(command.split()) for line in lines for command in line.split(" | ")]
    return [command for command in found if not command.startswith("#")]


def queue(recipe: str) -> list[str]:
    """Return the commands of a recipe that queue the jobs."""
    return [command for command in commands(recipe) if command.startswith(("body=", "printf", "curl"))]


@each_recipe
def test_recipe__says_what_it_needs(recipe: str) -> None:
    """The comment at the top names the secrets that the recipe uses, and the variable with the sources."""
    text = (EXAMPLES / recipe).read_text(encoding="utf-8")
    introduction = " ".join(re.findall(r"\A(?:(?:#|//).*\n)+", text))
    keys = {key for job in RECIPES[recipe](EXAMPLES / recipe) for step in job.steps for key in step.keys.values()}
    assert set(re.findall(r"\b(?:FINI_[A-Z_]+|fini-\w+-key)\b", introduction)) == keys | {"FINI_SOURCE_IDS"}


@each_recipe
def test_recipe__queues_like_the_others(recipe: str) -> None:
    """All recipes queue the jobs with the same commands. A shell runs printf itself, so no process has the key."""
    body, key, request = queue(recipe)
    assert [body, key, request] == queue("shell/generate-and-deploy.sh")
    assert key.startswith("printf ")
    assert [command for command in commands(recipe) if re.search(r"_KEY\b", command)] == [key]


@pytest.mark.parametrize("path", VERSIONED, ids=lambda path: path.name)
def test_recipe__names_this_version(path: Path) -> None:
    """Each recipe and the page name the current version, and no other."""
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"\bfini-gate(?:==|@|:)(\d[\w.-]*\w)", text)) == {__version__}


def test_recipes__are_listed_and_run() -> None:
    """The page links to each recipe, and `make test` runs each."""
    assert {recipe.partition("/")[0] for recipe in RECIPES} == FOLDERS
    assert set(RECIPES) <= {link.removeprefix("../examples/") for link in PAGE.links}


def test_page__names_settings_as_they_are() -> None:
    """The page's command lines are understood, and its options and variables set what it says."""
    for line in (line.partition("#")[0] for code in PAGE.code for line in code.splitlines()):
        call = re.search(r"\bfini-gate(?:(?:==|@|:)\S+)? ([^|>]+)", line)
        if call and "install" not in line:
            assert parse_arguments(shlex.split(call[1])).problem is None, line
    for setting, option, variable in PAGE.table("input of the action"):
        name, _, value = code_spans(setting)[0].partition(": ")
        assert name in DEFAULTS
        assert parse_arguments(shlex.split(code_spans(option)[0])).options == {name: value}
        assert code_spans(variable) == [f"FINI_GATE_{name.upper().replace('-', '_')}={value}"]
    for option, _ in PAGE.table("option"):
        assert parse_arguments(shlex.split(code_spans(option)[0])).problem is None
