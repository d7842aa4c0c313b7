"""Write the completions of fini-gate's options for bash, zsh and fish: `python .ci/completions.py FOLDER`."""

import sys
from pathlib import Path

import shtab

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fini_gate.cli import make_parser
from fini_gate.inputs import IfNoJobs

# The names under which the shells look for them.
NAMES = {"bash": "fini-gate.bash", "zsh": "_fini-gate", "fish": "fini-gate.fish"}


def main(folder: Path) -> None:
    """Write one file per shell into a folder."""
    parser = make_parser()
    for option in parser._actions:  # noqa: SLF001 - argparse has no public list of the options
        if option.metavar in {"PATH", "PEM"}:
            option.complete = shtab.FILE  # type: ignore[attr-defined] # read by shtab alone
        elif option.dest == "if-no-jobs":
            option.choices = [choice.value for choice in IfNoJobs]
    folder.mkdir(parents=True, exist_ok=True)
    for shell, name in NAMES.items():
        (folder / name).write_text(shtab.complete(parser, shell), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
