"""How messages refer to settings: by the name that the user used, or could use here. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# «timeout» in a message stands for the name of that setting, and «Input timeout» for that name preceded by its kind:
# input, option or variable.
_REFERENCE: Final = re.compile("«([Ii]nput )?([a-z-]+)»")


@dataclass(frozen=True)
class Names:
    """The names of the settings in this run."""

    given: Mapping[str, str] = field(default_factory=dict)
    """Setting → what the user set: input (`timeout`), option (`--timeout`) or variable (`FINI_GATE_TIMEOUT`)."""
    has_options: bool = False
    """Whether a setting that the user did not set is best set as an option. If not, it is an input of a workflow."""
    has_outputs: bool = True
    """Whether later steps can read outputs, which messages may then name."""

    def name_of(self, setting: str) -> str:
        """Return the name of a setting, such as `timeout`, `--timeout` or `FINI_GATE_TIMEOUT`."""
        return self.given.get(setting) or (f"--{setting}" if self.has_options else setting)

    def fill_in(self, message: str) -> str:
        """Replace each «setting» in a message by its name here."""
        return _REFERENCE.sub(self._name_in_message, message)

    def _name_in_message(self, reference: re.Match[str]) -> str:
        kind, name = reference[1], self.name_of(reference[2])
        if not kind:
            return name
        kind_here = "option" if name.startswith("--") else "variable" if name.isupper() else "input"
        return f"{kind_here.capitalize() if kind[0].isupper() else kind_here} {name}"
