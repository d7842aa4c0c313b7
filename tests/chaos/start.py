"""How a gate is started: as an action, or as a command whose settings come from all sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, takewhile
from pathlib import Path
from random import Random

from .replies import KEY

OUTPUT_FILES = ("results-file", "junit-file", "dotenv-file", "summary-file")
SWITCHES = ("fail-fast", "require-articles", "require-published", "article-details", "job-summary")
FLAGS = {*SWITCHES, "json"}
# From the strongest to the weakest.
PLACES = ("--{}", "INPUT_{}", "FINI_GATE_{}")
# Neither of them is GitHub's runner.
ELSEWHERE: Sequence[Mapping[str, str]] = (
    *({}, {"GITHUB_ACTIONS": "false"}, {"GITHUB_ACTIONS": ""}, {"GITHUB_ACTIONS": "True"}, {"GITHUB_ACTIONS": "1"}),
    *({"RUNNER_DEBUG": "1"}, {"GITLAB_CI": "true"}, {"TERM": "xterm"}),
)


@dataclass(frozen=True)
class Start:
    """A gate's environment, arguments and standard input."""

    environ: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    stdin: bytes = b""
    files: Mapping[str, str] = field(default_factory=dict)
    """Input → the path of the output file that it asks for."""
    is_on_github: bool = True
    is_json: bool = False

    @property
    def kinds(self) -> Sequence[str]:
        """What kinds of start this is, for the figures."""
        name = f"{'command' if self.arguments else 'action'} {'on GitHub' if self.is_on_github else 'elsewhere'}"
        return [name, "with --json"] if self.is_json else [name]


def start(seed: int, inputs: Mapping[str, str], job_ids: Sequence[str], workspace: Path) -> Start:
    """Start half of the gates as the action, and the others as the command, most of those outside GitHub.

    Args:
        seed: decides how.
        inputs: what to set, by the names of the inputs.
        job_ids: the IDs in `job-ids` if they are known. Some are also given as arguments, before that.
        workspace: where the gate is started.
    """
    files = {name: path.strip() for name, path in inputs.items() if name in OUTPUT_FILES and path.strip()}
    if seed % 2:
        given = {f"INPUT_{name.upper()}": text for name, text in inputs.items()}
        environ = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(workspace), "INPUT_API-KEY": KEY, **given}
        return Start(environ, files=files)
    rng, is_on_github = Random(seed), seed % 10 == 0  # noqa: S311 - not a secret
    mix = _Mix(rng, {"GITHUB_ACTIONS": "true"} if is_on_github else dict(rng.choice(ELSEWHERE)))
    ids = [*takewhile(lambda job_id: job_id != "-", job_ids)][: rng.choice((0, 0, 1, 3, len(job_ids)))]
    settings, stdin = dict(inputs), b""
    if rng.random() < 0.4:
        ids.append("-")
        stdin = settings.pop("job-ids", "").encode("utf-8", "surrogateescape")
    # Elsewhere the document is the only place that names all jobs.
    has_document = files.get("results-file", "").endswith(".json")
    is_json = rng.random() < 0.4 or not (has_document or is_on_github)
    if is_json:
        settings["json"] = "true"
    for name, text in settings.items():
        mix.add(name, text)
    mix.add_key(workspace / "key")
    return Start(mix.environ, mix.arguments(ids), stdin, files, is_on_github, is_json)


def option(name: str, text: str, *, is_one: bool) -> list[str]:
    """Return the arguments that set an input: one, or the value by itself."""
    if name in FLAGS:
        return [f"--{name}" if text.lower() == "true" else f"--no-{name}"]
    return [f"--{name}={text}"] if is_one or text.startswith("-") else [f"--{name}", text]


@dataclass
class _Mix:
    """Settings, some of them options and others variables."""

    rng: Random
    environ: dict[str, str]
    options: list[list[str]] = field(default_factory=list)

    def add(self, name: str, text: str) -> None:
        """Set an input in one place. A stronger one may be empty, and a weaker one may say something else."""
        places = PLACES if name not in FLAGS or text.lower() in {"true", "false"} else PLACES[1:]
        chosen = self.rng.randrange(len(places))
        for number, place in enumerate(places):
            if number == chosen:
                self._put(place, name, text)
            elif self.rng.random() >= 0.9 and not (place == "--{}" and name in FLAGS):
                self._put(place, name, "nonsense" if number > chosen and text.strip() else " ")

    def _put(self, place: str, name: str, text: str) -> None:
        if place == "--{}":
            self.options.append(option(name, text, is_one=name not in FLAGS and self.rng.random() < 0.5))
        else:
            variable = name if place == "INPUT_{}" else name.replace("-", "_")
            self.environ[place.format(variable.upper())] = text

    def add_key(self, path: Path) -> None:
        """Set the key, which is never an option."""
        match self.rng.randrange(3):
            case 0:
                self.environ["FINI_API_KEY"] = KEY
            case 1:
                self.environ["INPUT_API-KEY"] = KEY
            case _:
                path.write_text(f"{KEY}\n", encoding="utf-8")
                self.options.append(["--api-key-file", str(path)])

    def arguments(self, ids: Sequence[str]) -> list[str]:
        """Return the options in any order, among the job IDs."""
        self.rng.shuffle(self.options)
        options, place = [*chain(*self.options)], self.rng.randint(0, len(ids))
        if any(job_id.startswith("-") and job_id != "-" for job_id in ids):
            return [*options, "--", *ids]
        return [*ids[:place], *options, *ids[place:]]
