"""The report: everything that people and later steps read about a verdict."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from fini_gate.errors import UsageError
from fini_gate.output import messages
from fini_gate.output.files import OutputFiles
from fini_gate.output.log import Log, ProblemLog
from fini_gate.output.outputs import step_outputs
from fini_gate.output.results import results_json
from fini_gate.output.summary import render_summary
from fini_gate.verdict import Result, Verdict


class Platform(Log, Protocol):
    """Where a report goes, besides files."""

    has_outputs: bool
    """Whether later steps can read the outputs. Their size is limited then."""

    def succeed(self, line: str) -> None:
        """Print the last line of a gate that passed."""

    def fail(self, line: str, errors: Sequence[tuple[str, str]]) -> None:
        """Print the last line of a gate that did not pass, or its errors, each a title and a text."""

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Pass outputs to later steps."""

    def append_summary(self, markdown: str) -> None:
        """Add to the job's summary."""


class Report:
    """Reports a verdict.

    Args:
        platform: where lines, outputs and the job summary go.
        files: writes the output files.
    """

    def __init__(self, platform: Platform, files: OutputFiles) -> None:
        self._platform = platform
        self._files = files
        self._written: Mapping[str, str] = {}

    def write(self, verdict: Verdict) -> None:
        """Write files and outputs. If they were written before, the new ones replace them."""
        self._written = self._files.write(verdict)
        outputs, dropped = step_outputs(verdict, self._written)
        self._platform.set_outputs(outputs)
        if dropped and self._platform.has_outputs:
            results_file = self._written.get("results-file", "")
            self._platform.warning(messages.dropped_outputs_warning(dropped, results_file, verdict.names))

    def finish(self, verdict: Verdict, problem_log: ProblemLog, *, has_summary: bool, warn_on_success: bool) -> None:
        """Write the rest: the job summary and the end of the log.

        Args:
            verdict: how the gate ended.
            problem_log: logs the jobs that it has not logged yet.
            has_summary: whether to write the job summary.
            warn_on_success: whether to report a success as a warning.
        """
        if has_summary:
            self._platform.append_summary(render_summary(verdict, results_file=self._written.get("results-file", "")))
        problem_log.log_rest(verdict)
        if verdict.result is not Result.SUCCESS:
            self._fail(verdict)
        elif warn_on_success:
            self._platform.warning(messages.message(verdict))
        else:
            self._platform.succeed(messages.closing_line(verdict))

    def _fail(self, verdict: Verdict) -> None:
        line, errors = messages.closing_line(verdict), messages.errors(verdict)
        if isinstance(verdict.error, UsageError) and verdict.names.has_options:
            # A shell expects usage errors on standard error.
            with contextlib.redirect_stdout(sys.stderr):
                self._platform.fail(f"fini-gate: {messages.message(verdict)}", errors)
        else:
            self._platform.fail(line, errors)


def json_document(verdict: Verdict) -> Iterator[str]:
    """Yield the results as JSON. Without a # and without colons at the start of a line, no CI finds a command in it."""
    for piece in results_json(verdict):
        yield piece.replace("#", "\\u0023")
