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
OPTIONS: Final = set(make_parser().format_help().replace("[", " ").replace("]", " ").split())


@pytest.mark.parametrize("shell", FILES)
def test_completions__know_every_option(shell: str) -> None:
    """Each shell's file names every input but the key, which is no option."""
    name, spelling = FILES[shell]
    text = (DIST / "completions" / name).read_text(encoding="utf-8")
    for option in DEFAULTS.keys() - {"api-key"} | {"api-key-file", "json", "help", "version"}:
        assert spelling.format(option) in text, option


@pytest.mark.parametrize("shell", FILES)
def test_completions__are_valid(shell: str) -> None:
    """The shell can parse its file."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    call(shell, "-n", DIST / "completions" / FILES[shell][0])


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["--time"], "--timeout"),
        (["--if-no-jobs", "w"], "warn"),
        (["--job-ids-file", "job"], "jobs.json"),
        (["--timeout", "1m", "--results-f"], "--results-file"),
    ],
)
def test_bash__completes(tmp_path: Path, words: list[str], completed: str) -> None:
    """Bash completes options, the values of an option with fixed values, and file names."""
    (tmp_path / "jobs.json").touch()
    script = """
        cd "$1" && source "$2" && shift 2
        COMP_WORDS=(fini-gate "$@") COMP_CWORD=$#
        $(complete -p fini-gate | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    printed = call("bash", "-c", script, "bash", tmp_path, DIST / "completions" / "fini-gate.bash", *words)
    assert [line.strip() for line in printed.splitlines()] == [completed]
