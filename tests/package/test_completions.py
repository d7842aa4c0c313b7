import re
import shlex
import shutil
from pathlib import Path
from typing import Final

import pytest

from fini_gate.cli import make_parser
from fini_gate.inputs import DEFAULTS
from tests.e2e.machine import call
from tests.package.conftest import DIST

pytestmark = pytest.mark.package

# Shell → its file, and how the file spells an option.
FILES: Final = {"bash": ("fini-gate.bash", "--{}"), "zsh": ("_fini-gate", "--{}"), "fish": ("fini-gate.fish", "-l {}")}
# Shells that complete without a terminal → their script. It gets a folder, the file and a command line, or its words.
COMPLETE_IN_BASH: Final = r"""
    cd "$1" && source "$2" && shift 2
    COMP_WORDS=(fini-gate "$@") COMP_CWORD=$#
    $(complete -p fini-gate | sed 's/.*-F \([^ ]*\).*/\1/')
    printf '%s\n' "${COMPREPLY[@]}"
"""
COMPLETE_IN_FISH: Final = "cd $argv[1]; source $argv[2]; complete --do-complete $argv[3]"


@pytest.mark.parametrize("shell", FILES)
def test_completions__know_every_option(shell: str) -> None:
    """Each shell's file names every option that the help shows, and so every input but the key."""
    options = set(re.findall(r"(?m)^  --([a-z-]+)", make_parser().format_help()))
    assert {option.removeprefix("no-") for option in options} >= DEFAULTS.keys() - {"api-key"}
    name, spelling = FILES[shell]
    text = (DIST / "completions" / name).read_text(encoding="utf-8")
    assert [option for option in options if not re.search(rf"{spelling.format(option)}\b", text)] == []


@pytest.mark.parametrize("shell", FILES)
def test_completions__are_valid(shell: str) -> None:
    """The shell can parse its file."""
    require(shell)
    call(shell, "-n", DIST / "completions" / FILES[shell][0])


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["--time"], "--timeout"),
        (["--if-no-jobs", "w"], "warn"),
        (["--job-ids-file", "job"], "jobs.json"),
        (["--timeout", "1m", "--results-f"], "--results-file"),
    ],
)
def test_shell__completes(tmp_path: Path, shell: str, words: list[str], completed: str) -> None:
    """A shell completes options, the values of an option with fixed values, and file names."""
    require(shell)
    (tmp_path / "jobs.json").touch()
    arguments = (tmp_path, DIST / "completions" / FILES[shell][0])
    if shell == "bash":
        printed = call("bash", "-c", COMPLETE_IN_BASH, "bash", *arguments, *words)
    else:
        printed = call("fish", "--no-config", "-c", COMPLETE_IN_FISH, *arguments, shlex.join(["fini-gate", *words]))
    # Fish adds the option's help.
    assert [line.partition("\t")[0].strip() for line in printed.splitlines()] == [completed]


def require(shell: str) -> None:
    """Skip the test if the shell is not installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
