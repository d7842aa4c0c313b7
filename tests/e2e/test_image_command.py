"""The image as a command: `docker run IMAGE --job-ids …`, and `fini-gate` on its path."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fake_fini import FakeFini
from fini_gate import __version__
from tests.e2e.machine import LABEL
from tests.e2e.runner import HARDENED
from tests.integration.clients import KEY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120, func_only=True)]

QUICK = {"id": "quick", "article-id": "article-of-quick"}
BROKEN = {"id": "broken", "ends-as": "FAILED", "error": "the source could not be read"}
ENDLESS = {"id": "endless", "runs-for": "never"}
# How CIs start a command in an image: with its entrypoint, without one, or through a shell.
STARTS = {
    "entrypoint": ([], []),
    "no entrypoint": (["--entrypoint="], ["fini-gate"]),
    "shell": (["--entrypoint=sh"], ["-ec", 'fini-gate "$@"', "sh"]),
}


class Command:
    """Runs the image as a command in a folder that is mounted as the working directory."""

    def __init__(self, image: str, folder: Path) -> None:
        self._image = image
        self.folder = folder

    def start(self, *arguments: str, options: Sequence[str] = (), before: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Start the container; `before` precedes the arguments."""
        base = f"docker run --rm --label {LABEL} --network host --interactive -e FINI_API_KEY --workdir /work"
        volume = f"--volume={self.folder}:/work"
        return subprocess.Popen(  # noqa: S603 - the tests' own command, as a list
            [*base.split(), volume, *options, self._image, *before, *arguments],
            env={**os.environ, "FINI_API_KEY": KEY},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, stdin: str = "", **more: Sequence[str]) -> tuple[int, str, str]:
        """Run the container to its end, and return the exit code, standard output and standard error."""
        with self.start(*arguments, **more) as process:
            log, errors = process.communicate(stdin, timeout=60)
        return process.returncode, log, errors


@pytest.fixture
def command(image: str, tmp_path: Path) -> Command:
    """Provide the command, and an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Command(image, folder)


@pytest.mark.parametrize("start", STARTS)
def test_command__gates_jobs(command: Command, serve: Callable[..., FakeFini], start: str) -> None:
    """However it is started, it takes options and job IDs, prints plain text, and exits with the result."""
    options, before = STARTS[start]
    api = serve(QUICK, BROKEN)
    arguments = ["--api-url", api.url, "--junit-file=out/junit.xml"]
    passed = command.run("quick", *arguments, options=options, before=before)
    assert (passed[0], passed[2]) == (0, ""), passed
    assert "✅ 1 of 1 job completed" in passed[1]
    failed = command.run(*arguments, "quick", "broken", options=options, before=before)
    assert failed[0] == 1, failed
    assert "job broken failed: the source could not be read" in failed[1]
    for text in (*passed[1:], *failed[1:]):
        assert "::" not in text
        assert KEY not in text
    assert "the source could not be read" in (command.folder / "out" / "junit.xml").read_text(encoding="utf-8")


def test_command__reads_standard_input_on_a_hardened_container(
    command: Command, serve: Callable[..., FakeFini]
) -> None:
    """Read-only and without capabilities it works, too, and --json prints one document."""
    saved = json.dumps({"jobs": [{"backgroundJobId": "quick", "documentId": "source"}]})
    ended = command.run("-", "--json", "--api-url", serve(QUICK).url, stdin=saved, options=HARDENED)
    assert ended[0] == 0, ended
    (job,) = json.loads(ended[1])["jobs"]
    assert (job["id"], job["documentId"], job["articleId"]) == ("quick", "source", "article-of-quick")


def test_command__is_isolated_from_the_folder(command: Command, serve: Callable[..., FakeFini]) -> None:
    """Modules in the working directory are not imported, not even through the command on the path."""
    for name in ("json.py", "argparse.py", "requests.py", "fini_gate.py"):
        (command.folder / name).write_text('raise SystemExit("planted code ran")\n', encoding="utf-8")
    for options, before in STARTS.values():
        ended = command.run("quick", "--api-url", serve(QUICK).url, options=options, before=before)
        assert ended[0] == 0, ended


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_command__ends_on_a_signal(
    command: Command, serve: Callable[..., FakeFini], number: signal.Signals, exit_code: int
) -> None:
    """A signal ends the wait for jobs, and the wait for standard input."""
    api = serve(ENDLESS)
    for argument, line in (("endless", "Waiting for 1 job"), ("-", f"fini-gate {__version__}")):
        with command.start(argument, "--json", "--api-url", api.url) as process:
            assert process.stderr is not None
            assert process.stdout is not None
            while line not in process.stderr.readline():
                pass
            process.send_signal(number)
            document = process.stdout.read()
            assert process.wait(timeout=30) == exit_code
        assert json.loads(document)["result"] == "cancelled"


def test_command__reports_wrong_usage(command: Command) -> None:
    """The image's version and a usage error need no API."""
    assert command.run("--version") == (0, f"fini-gate {__version__}\n", "")
    exit_code, _, errors = command.run("--timeout=soon", "a")
    assert (exit_code, errors.count("\n")) == (2, 1)
    assert "Option --timeout is 'soon'" in errors
