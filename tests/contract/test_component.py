"""Check that the GitLab component passes its inputs on safely, agrees with action.yml, and is strict by default."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import fini_gate
from fini_gate.verdict import EXIT_CODES, Result
from tests.contract.pages import ROOT

TEXT: Final = (ROOT / "templates" / "fini-gate" / "template.yml").read_text(encoding="utf-8")
SPEC, CONFIGURATION = yaml.safe_load_all(TEXT)
INPUTS: Final[dict[str, dict[str, Any]]] = SPEC["spec"]["inputs"]
JOB: Final[dict[str, Any]] = CONFIGURATION["$[[ inputs.job-name ]]"]
FREE_TEXTS: Final = [name for name, spec in INPUTS.items() if "type" not in spec and "options" not in spec]
ACTION: Final[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
# What concerns the job rather than the gate.
JOB_INPUTS: Final = {"stage", "job-name", "image", "soft-timeout"}
EXAMPLE: Final[Path] = ROOT / "examples" / "gitlab" / ".gitlab-ci.yml"


def test_component__has_the_defaults_of_the_action() -> None:
    """Each input of the gate is one of action.yml's, with the same default, and a boolean is typed as one."""
    defaults = {name: spec["default"] for name, spec in INPUTS.items() if name not in JOB_INPUTS}
    declared = {name: ACTION["inputs"][name]["default"] for name in defaults}
    assert {name: yaml.safe_load(text) if text in {"true", "false"} else text for name, text in declared.items()} == (
        defaults
    )
    assert {name for name, spec in INPUTS.items() if spec.get("type") == "boolean"} == {
        name for name, spec in INPUTS.items() if isinstance(spec["default"], bool)
    }


def test_component__passes_the_inputs_on_in_variables() -> None:
    """The gate reads each of its inputs from the variable that is named after it, and the script has none of them."""
    assert JOB["variables"] == {
        f"FINI_GATE_{name.upper().replace('-', '_')}": f"$[[ inputs.{name} ]]" for name in INPUTS.keys() - JOB_INPUTS
    }
    assert set(re.findall(r"\$\[\[ (.*?) \]\]", "".join(JOB["script"]))) == {"inputs.job-name"}
    assert set(re.findall(r"inputs\.([\w-]+)", TEXT)) == set(INPUTS)


@pytest.mark.parametrize("name", FREE_TEXTS)
@pytest.mark.parametrize("text", ["it's", "'", "a\nscript: b", "a\rb", "a\n"])
def test_component__refuses_what_ends_a_quoted_text(name: str, text: str) -> None:
    """GitLab puts inputs into the text of the file, so none may have a single quote or a line break."""
    # In RE2, `$` matches at the end of the text only.
    regex = re.sub(r"\$$", r"\\Z", INPUTS[name]["regex"])
    assert regex.startswith("^")
    assert re.search(regex, INPUTS[name]["default"])
    assert not re.search(regex, text)


def test_component__quotes_each_free_text() -> None:
    """Free text is put between single quotes, but for the job's name, which is nothing but a file name."""
    for name in FREE_TEXTS:
        places = re.findall(rf"(.)\$\[\[ inputs\.{name} \]\](.)", TEXT)
        assert places
        if name != "job-name":
            assert set(places) == {("'", "'")}
    assert not any(re.search(INPUTS["job-name"]["regex"], name) for name in ("", ".x", "-x", "a/b", "a b", "$a", 'a"'))


def test_component__is_strict_unless_asked() -> None:
    """The job's failure stops the pipeline, and with `soft-timeout` every failure but a timeout."""
    assert JOB["extends"] == ".fini-gate-soft-timeout-$[[ inputs.soft-timeout ]]"
    assert "allow_failure" not in JOB
    assert CONFIGURATION[".fini-gate-soft-timeout-false"] == {"allow_failure": False}
    soft = CONFIGURATION[".fini-gate-soft-timeout-true"]
    assert soft == {"allow_failure": {"exit_codes": EXIT_CODES[Result.TIMED_OUT]}}


def test_component__reports_on_every_result() -> None:
    """Whatever the result is, the job keeps its files, which are named by options that no variable overrides."""
    options = dict(re.findall(r"--([a-z]+)-file (\S+ \S+ \S+)", "".join(JOB["script"])))
    assert options.keys() == {"results", "summary", "junit", "dotenv"}
    artifacts = JOB["artifacts"]
    assert artifacts["when"] == "always"
    assert artifacts["reports"] == {name: options[name] for name in ("junit", "dotenv")}
    assert all(path.startswith(artifacts["paths"][0]) for path in options.values())


def test_component__has_the_key_nowhere() -> None:
    """The key comes from a CI/CD variable: no input has it, and the job does not mention it."""
    assert "api-key" not in INPUTS
    assert "FINI_API_KEY" not in str(CONFIGURATION)


def test_component__runs_the_image_of_this_version() -> None:
    """The image is the one that is published for this version, and a shell starts in it instead of the gate."""
    assert INPUTS["image"]["default"] == f"ghcr.io/OWNER/fini-gate:{fini_gate.__version__}"
    assert JOB["image"] == {"name": "$[[ inputs.image ]]", "entrypoint": [""]}


def test_example__names_what_exists() -> None:
    """The example includes the component with inputs that it has, and its introduction names all its variables."""
    text = EXAMPLE.read_text(encoding="utf-8")
    (component,) = yaml.safe_load(text)["include"]
    assert component["component"] == "$CI_SERVER_FQDN/OWNER/fini-gate/fini-gate@main"
    assert component["inputs"].keys() <= INPUTS.keys()
    introduction, _, rest = text.partition("include:")
    used = {name for name in re.findall(r"\$(FINI_\w+)", rest) if not name.startswith("FINI_GATE_")}
    assert used | {"FINI_API_KEY"} == set(re.findall(r"\bFINI_\w+", introduction))


def test_example__queues_like_the_recipes() -> None:
    """The example queues the jobs with the same commands as the recipes for other CIs."""
    recipe = (ROOT / "examples" / "shell" / "generate-and-deploy.sh").read_text(encoding="utf-8")
    (script,) = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["queue"]["script"]
    assert f"\n\n{script}\n" in recipe
