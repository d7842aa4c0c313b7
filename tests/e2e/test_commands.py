"""Check that no CI finds a command in what the gate prints outside GitHub, whatever texts the API and users give it."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from fake_fini import FakeFini
from tests.e2e.machine import NODE, ROOT
from tests.integration.clients import KEY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FIND_COMMANDS: Final = ROOT / "tests" / "e2e" / "node" / "find-commands.js"
PROGRAMS: Final = {
    "module": (sys.executable, "-m", "fini_gate"),
    "entrypoint": (sys.executable, "-I", "-u", str(ROOT / "entrypoint.py")),
}
# Wherever any terminal, editor or CI might end a line.
LINE_END: Final = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
COMMANDS: Final = (
    "##vso[task.setvariable variable=KEY;issecret=false]planted",
    "x##VSO[task.complete result=Succeeded;]",
    "###vSo[task.prependpath]/tmp",
    "##[error]planted",
    "##[[add-path]/tmp",
    "##teamcity[buildStatus status='SUCCESS']",
    "x ##TeamCity[setParameter name='env.KEY' value='x']",
    "::error::planted",
    "::set-env name=KEY::planted",
    ":::debug::planted",
)
# The last ones are also in Unicode's list of what is not drawn; each kind is another category.
INVISIBLE: Final = (
    *("\u200b", "\u034f", "\ufe0f", "\u3164", "\u00ad", "\u2060", "\u180e", "\u115f", "\u17b4", "\u2800", "\uffa0"),
    *("\ufeff", "\u202e", "\U000e0041", "\U000e0100", "\U0001d173"),
)
HIDDEN: Final = tuple(
    text
    for invisible in INVISIBLE
    for text in (
        f"#{invisible}#vso[task.debug]planted",
        f"##{invisible}VSO[task.debug]planted",
        f"##v{invisible}s{invisible}o{invisible}[task.debug]planted",
        f"##{invisible}[error]planted",
        f"#{invisible}#team{invisible}city[message text='x']",
        f"{invisible}::error::planted",
        f":{invisible}:error::planted",
    )
)
TEXTS: Final = (*COMMANDS, *HIDDEN)
# Only an API can send these: they end lines, or move the cursor.
SPLIT: Final = tuple(
    f"x{end}{text}" for end in ("\n", "\r", "\r\n", "\u2028", "\x85", "\x1b[2K\r") for text in COMMANDS
)
ALL_TEXTS: Final = (*TEXTS, *SPLIT)
_PARTS: Final = (
    *("::error::planted", "##vso[task.debug]planted", "##[error]planted", "##TeamCity[message text='x']"),
    *("#\u200b#vso[task.debug]planted", "\u3164::error::planted", "x\r##[error]planted", "x\n::error::planted"),
)
# All of it at once: each part comes first in one of them.
MIXED: Final = tuple(" ".join((*_PARTS[start:], *_PARTS[:start])) for start in range(len(_PARTS)))


class Printed(NamedTuple):
    """What a gate printed, and how it ended."""

    exit_code: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        """All lines."""
        return [line for text in (self.output, self.errors) for line in LINE_END.split(text)]


Start = Callable[..., Printed]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Run the gate as a process, on no platform in particular."""

    def start(
        *arguments: str, program: str = "module", stdin: str = "", environ: Mapping[str, str] | None = None
    ) -> Printed:
        variables = {"FINI_API_KEY": KEY, "PYTHONPATH": str(ROOT), "RUNNER_DEBUG": "1", **(environ or {})}
        ended = subprocess.run(  # noqa: S603 - our own program
            [*PROGRAMS[program], *arguments],
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env=variables,
            input=stdin.encode("utf-8", "surrogatepass"),
            timeout=60,
        )
        return Printed(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return start


@pytest.fixture
def find_commands(node_packages: Path) -> Callable[[Sequence[str]], list[str]]:
    """Return the lines in which a CI finds a command."""
    assert node_packages.is_dir()

    def find(lines: Sequence[str]) -> list[str]:
        ended = subprocess.run(  # noqa: S603 - our own script
            [NODE, FIND_COMMANDS],
            capture_output=True,
            check=True,
            encoding="utf-8",
            input=json.dumps(lines),
            timeout=60,
        )
        found: list[str] = json.loads(ended.stdout.splitlines()[-1])
        return found

    return find


Find = Callable[[Sequence[str]], list[str]]


def test_oracle__finds_every_command(find_commands: Find) -> None:
    """Each text would be obeyed if it were printed as it is, and plain text would not."""
    assert find_commands(TEXTS) == list(TEXTS)
    lines = [line for text in SPLIT for line in LINE_END.split(text)]
    assert len(find_commands(lines)) >= len(SPLIT)
    assert find_commands(["##", "## [x]", "# heading", "a::b", "\\::error::x", "vso[task.debug]x", "[x]"]) == []


def _jobs() -> Iterator[Mapping[str, object]]:
    """Yield jobs with hostile texts everywhere that end in every way."""
    for text in TEXTS:
        shared = {"document-id": f"{text} source", "article-id": f"{text} article", "title": text}
        yield {"id": f"{text} completed", **shared, "draft": True}
        yield {"id": f"{text} failed", **shared, "ends-as": "FAILED", "error": text}
        yield {"id": f"{text} pending", **shared, "statuses": {"running": text}, "runs-for": "never"}
        yield {"id": f"{text} dark", "broken": 500}
    for number, text in enumerate(ALL_TEXTS):
        yield {"id": f"failed-{number}", "ends-as": "FAILED", "error": text}
        yield {"id": f"odd-{number}", "ends-as": text}


def _saved(jobs: Sequence[Mapping[str, object]]) -> str:
    """Return the jobs as Fini returned them when they were queued."""
    return json.dumps(
        {"jobs": [{"backgroundJobId": job["id"], "documentId": job.get("document-id") or ""} for job in jobs]}
    )


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("options", [(), ("--json",)], ids=["log", "document"])
def test_log__of_hostile_jobs_holds_no_command(
    start: Start, serve: Callable[..., FakeFini], find_commands: Find, program: str, options: Sequence[str]
) -> None:
    """Whatever is in IDs, statuses, titles and reasons; with --json the document still decodes exactly."""
    jobs = [*_jobs(), *({"id": f"{text} missing", "omitted": True} for text in TEXTS)]
    arguments = ("--api-url", serve(*jobs).url, "--timeout", "2", "--not-found-grace", "0", *options, "-")
    printed = start(*arguments, program=program, stdin=_saved(jobs), environ={"FINI_GATE_RESULTS_FILE": "results.json"})
    assert printed.exit_code == 1, printed
    assert len(printed.lines) > 50
    assert find_commands(printed.lines) == []
    if options:
        document = json.loads(printed.output)
        assert [job["id"] for job in document["jobs"]] == [job["id"] for job in jobs]
        assert {job["reason"] for job in document["jobs"]} > set(TEXTS)


FAULTS: Final[Mapping[str, Sequence[Mapping[str, object]]]] = {
    "refusal": [{"do": {"status": 422}}],
    "retries": [{"do": {"status": 503}, "requests": "1-2"}, {"do": {"status": 400}, "requests": "3-"}],
    "outage": [{"do": {"status": 500}, "route": "articles"}],
    "none": [],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_log__of_a_hostile_api_holds_no_command(
    start: Start, serve: Callable[..., FakeFini], find_commands: Find, faults: Sequence[Mapping[str, Any]]
) -> None:
    """Whatever is in its messages, its request IDs and its reasons for a failure."""
    lines: list[str] = []
    for number, text in enumerate(MIXED):
        options = ("--json", "--require-published")[: number % 3]
        headers = {"x-request-id": text} if text.isascii() and text.isprintable() else {}
        body = json.dumps({"message": text})
        spoiled = [{**fault, "do": {**fault["do"], "body": body, "headers": headers}} for fault in faults]
        silent = {"id": "silent", "document-id": "source", "ends-as": "FAILED", "source-error": text}
        api = serve(silent, {"id": "done", "title": text}, faults=spoiled)
        limits = ("--poll-interval", "100ms", "--outage-tolerance", "1s", "--timeout", "5s")
        printed = start("--api-url", api.url, *limits, *options, "--job-ids", _saved([silent]), "done")
        assert printed.exit_code in {1, 4}, printed
        if options:
            (reason,) = {job["reason"] for job in json.loads(printed.output)["jobs"] if job["id"] == "silent"}
            assert reason == text or faults
        lines += printed.lines
    assert find_commands(lines) == []


USAGE: Final[Mapping[str, Callable[[str], tuple[str, ...]]]] = {
    "value": lambda text: ("--timeout", text, "a"),
    "address": lambda text: ("--api-url", f"http://{text}", "a"),
    "path": lambda text: ("--job-ids-file", text),
    "output path": lambda text: ("--junit-file", f"../{text}", "a"),
    "key file": lambda text: ("--api-key-file", text, "a"),
    "option": lambda text: (f"--{text}", "a"),
    "value of no option": lambda text: (f"--no-such={text}", "a"),
    "argument": lambda text: (f"{text}\x07",),
    "long argument": lambda text: (text + "x" * 200,),
    "JSON": lambda text: ("--job-ids", json.dumps([{text: text}])),
    "broken JSON": lambda text: ("--job-ids", f'["{text}'),
}


@pytest.mark.parametrize("make_arguments", USAGE.values(), ids=USAGE)
def test_usage_error__holds_no_command(
    start: Start, find_commands: Find, make_arguments: Callable[[str], tuple[str, ...]]
) -> None:
    """Whatever is wrong, one line on standard error may quote it, and nothing obeys it."""
    lines: list[str] = []
    for number, text in enumerate(MIXED):
        options = ("--json",)[: number % 2]
        printed = start(*options, *make_arguments(text))
        assert printed.exit_code == 2, printed
        assert len(printed.errors.splitlines()) == 1 or options
        assert not options or json.loads(printed.output)["result"] == "error"
        lines += printed.lines
    assert find_commands(lines) == []


@pytest.mark.parametrize("name", ["FINI_GATE_TIMEOUT", "INPUT_TIMEOUT", "FINI_GATE_CA_BUNDLE", "FINI_API_KEY"])
def test_usage_error__of_a_variable_holds_no_command(start: Start, find_commands: Find, name: str) -> None:
    """The same in a variable, and in an input of a workflow."""
    runs = [start("a", environ={name: text}) for text in MIXED]
    assert {printed.exit_code for printed in runs} == {2}
    assert find_commands([line for printed in runs for line in printed.lines]) == []
