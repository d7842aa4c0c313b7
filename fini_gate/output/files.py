"""The output files: results, JUnit report, summary and variables, each written whole or not at all."""

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from fini_gate.errors import UsageError
from fini_gate.escaping import redact
from fini_gate.files import resolve, write_whole
from fini_gate.inputs import quote
from fini_gate.output.outputs import OUTPUT_FILES, step_outputs
from fini_gate.output.results import results_json
from fini_gate.output.summary import render_summary
from fini_gate.settings import Settings
from fini_gate.verdict import Verdict


def find_paths(settings: Settings, api_key: str) -> tuple[dict[str, str], UsageError | None]:
    """Return the paths of the output files, by the input that names each, and what is wrong with another one.

    Files are written on a usage error, too, so one wrong path must not cost the others.
    """
    paths: dict[str, str] = {}
    problem: UsageError | None = None
    for name in OUTPUT_FILES:
        path = settings.text(name)
        if not path or not path.isprintable() or redact(path, api_key) != path:  # `Inputs` rejects the latter
            continue
        try:
            _check_path(settings.workspace, name, path, paths)
        except UsageError as error:
            problem = problem or error
        else:
            paths[name] = path
    return paths, problem


class OutputFiles:
    """Writes the output files.

    Args:
        workspace: the folder that paths are relative to.
        paths: the path of each file, by the input that names it.
        started_at: when the gate started.
        on_failure: called with the path of a file that could not be written, and the reason.
    """

    def __init__(
        self,
        workspace: Path,
        paths: dict[str, str],
        started_at: datetime,
        on_failure: Callable[[str, OSError | ValueError], None],
    ) -> None:
        self._workspace = workspace
        self._paths = paths
        self._started_at = started_at
        self._on_failure = on_failure

    def write(self, verdict: Verdict) -> dict[str, str]:
        """Write all files, and return the paths of those that were written."""
        written: dict[str, str] = {}
        self._write("results-file", lambda: results_json(verdict), written)
        self._write("junit-file", lambda: self._junit(verdict), written)
        self._write(
            "summary-file", lambda: [render_summary(verdict, results_file=written.get("results-file", ""))], written
        )
        # Last, because it names the others; and itself, which exists if it can be read.
        self._write("dotenv-file", lambda: self._dotenv(verdict, written), written)
        return written

    def _write(self, name: str, render: Callable[[], Iterable[str]], written: dict[str, str]) -> None:
        if path := self._paths.get(name):
            try:
                write_whole(self._workspace, path, render())
            except (OSError, ValueError) as error:
                self._on_failure(path, error)
            else:
                written[name] = path

    def _junit(self, verdict: Verdict) -> Iterable[str]:
        from fini_gate.output.junit import junit_xml  # noqa: PLC0415 - slow to import, and rarely needed

        return junit_xml(verdict, started_at=self._started_at)

    def _dotenv(self, verdict: Verdict, written: dict[str, str]) -> Iterable[str]:
        from fini_gate.output.dotenv import dotenv_text  # noqa: PLC0415 - rarely needed

        outputs, _ = step_outputs(verdict, {**written, "dotenv-file": self._paths["dotenv-file"]})
        return [dotenv_text(outputs)]


def _check_path(workspace: Path, name: str, path: str, others: dict[str, str]) -> None:
    try:
        target = resolve(workspace, path)
        same = next((other for other in others if resolve(workspace, others[other]) == target), None)
    except (OSError, ValueError):
        raise UsageError(f"«Input {name}» is {quote(path)}: it must be a path inside the workspace.") from None
    if same is not None:
        raise UsageError(f"«Input {name}» is {quote(path)}, and so is «{same}»: each file needs a path of its own.")
