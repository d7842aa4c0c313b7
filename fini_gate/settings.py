"""The settings, unparsed: from the command line, a workflow's inputs and environment variables."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from fini_gate.errors import UsageError
from fini_gate.names import Names

_INPUT_PREFIX: Final = "INPUT_"
_VARIABLE_PREFIX: Final = "FINI_GATE_"


class Given(NamedTuple):
    """A setting as the user set it."""

    setting: str
    text: str
    name: str
    """What it was set as: an input (`timeout`), an option (`--timeout`) or a variable (`FINI_GATE_TIMEOUT`)."""


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """The arguments of the command `fini-gate`. The action has none."""

    options: Mapping[str, str] = field(default_factory=dict)
    """Setting → its text."""
    job_ids: tuple[str, ...] = ()
    """Each a job ID, or `-` for standard input."""
    is_used: bool = False
    help_text: str = ""
    """What to print instead of running the gate."""
    problem: UsageError | None = None
    """What is wrong with the arguments. The valid ones still apply."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings that the gate was started with, unparsed.

    A setting's text comes from its option, else from INPUT_<NAME> (a workflow's input, in which hyphens stay hyphens),
    else from FINI_GATE_<NAME>. An empty text counts as not set.
    """

    environ: Mapping[str, str] = field(repr=False)
    command_line: CommandLine = field(default_factory=CommandLine)

    @property
    def is_on_github(self) -> bool:
        """Whether the runner is GitHub's, or one that is compatible with it."""
        return self.environ.get("GITHUB_ACTIONS") == "true"

    @cached_property
    def workspace(self) -> Path:
        """The folder that paths are relative to."""
        try:
            return Path(self.environ.get("GITHUB_WORKSPACE") or Path.cwd())
        except FileNotFoundError:  # the current folder has been deleted
            return Path(os.devnull)  # in which no file can be

    @property
    def is_json(self) -> bool:
        """Whether only the results document goes to standard output."""
        return self.text("json").lower() == "true"

    def text(self, setting: str) -> str:
        """Return a setting's text, without white space around it; empty if it is not set."""
        return self._given[setting].text if setting in self._given else ""

    @cached_property
    def names(self) -> Names:
        """How messages refer to the settings."""
        names = {given.setting: given.name for given in self._given.values()}
        if "api-key-file" in names:
            names["api-key"] = names["api-key-file"]
        has_options = self.command_line.is_used or not self.is_on_github
        return Names(given=names, has_options=has_options, has_outputs=self.is_on_github)

    @cached_property
    def _given(self) -> Mapping[str, Given]:
        """Each setting that is set. A later candidate replaces an earlier one."""
        given: dict[str, Given] = {}
        for candidate in self._candidates():
            if text := candidate.text.strip():
                if candidate.setting in {"api-key", "api-key-file"}:
                    given.pop("api-key", None)
                    given.pop("api-key-file", None)
                given[candidate.setting] = candidate._replace(text=text)
        return given

    def _candidates(self) -> Iterator[Given]:
        """Yield what each source sets, lowest precedence first."""
        yield Given("api-key", self.environ.get("FINI_API_KEY", ""), "FINI_API_KEY")
        for variable, text in self._variables(_VARIABLE_PREFIX):
            setting = variable.removeprefix(_VARIABLE_PREFIX).lower().replace("_", "-")
            if setting != "api-key":  # FINI_API_KEY is the variable for it
                yield Given(setting, text, variable)
        for variable, text in self._variables(_INPUT_PREFIX):
            setting = variable.removeprefix(_INPUT_PREFIX).lower()
            yield Given(setting, text, setting if self.is_on_github else variable)
        for setting, text in self.command_line.options.items():
            yield Given(setting, text, f"--{setting}")

    def _variables(self, prefix: str) -> Iterator[tuple[str, str]]:
        return ((name, text) for name, text in self.environ.items() if name.startswith(prefix) and name.isupper())
