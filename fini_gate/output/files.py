"""The output files: results, JUnit report, summary and variables, each written whole or not at all."""

import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from fini_gate.errors import UsageError
from fini_gate.escaping import quote, redact
from fini_gate.files import resolve, write_whole
from fini_gate.output.outputs import OUTPUT_FILES, step_outputs
from fini_gate.output.results import results_json
from fini_gate.output.summary import render_summary
from fini_gate.settings import Settings
from fini_gate.verdict import Verdict


def check_paths(settings: Settings) -> None:
    """Check that each path, with all links followed, is inside the workspace, and that no two are the same.

    Raises:
        UsageError: one is not, or two are.
    """
    for name in OUTPUT_FILES:
        _check_path(settings, name)


def usable_paths(settings: Settings, api_key: str) -> dict[str, str]:
    """Return the valid paths, by the input that names each.

    Files are written on a usage error, too, so one wrong path must not cost the others.
    """
    paths = {}
    for name in OUTPUT_FILES:
        path = settings.text(name)
        with contextlib.suppress(UsageError):
            _check_path(settings, name)
            # `Inputs` rejects what does not print, and what contains the key.
            if path and path.isprintable() and redact(path, api_key) == path:
                paths[name] = path
    return paths


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
        # Last, because it lists the files that were written, itself included.
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


def _check_path(settings: Settings, name: str) -> None:
    path = settings.text(name)
    if not path:
        return
    target = _target(settings, name)
    if target is None:
        raise UsageError(f"«Input {name}» is {quote(path)}: it must be a path inside the workspace.")
    for other in OUTPUT_FILES[: OUTPUT_FILES.index(name)]:
        if _target(settings, other) == target:
            raise UsageError(
                f"«Input {name}» is {quote(path)}, and so is «{other}»: each file needs a path of its own."
            )


def _target(settings: Settings, name: str) -> Path | None:
    """Return the path of a file with all links followed, or None if it is not inside the workspace."""
    try:
        return resolve(settings.workspace, settings.text(name))
    except (OSError, ValueError):
        return None
