"""The stand-in as a program: `python -m fake_fini`."""

import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from fake_fini import Scenario, ScenarioError
from fake_fini.__main__ import main
from fake_fini.faults import KINDS, Kind

REPOSITORY = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-W", "error", "-m", "fake_fini")
LISTENS = re.compile(r"The Fini stand-in listens at (http://127\.0\.0\.1:([0-9]+))\n")


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The program as it runs in a shell's background; killed where a test leaves it running."""
    with subprocess.Popen(  # noqa: S603 - the arguments are the tests' own
        [*PROGRAM, *map(str, arguments)], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line that the program prints."""
    assert process.stdout is not None
    return process.stdout.readline()


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the program where it is to end by itself."""
    return subprocess.run(  # noqa: S603 - the arguments are the tests' own
        [*PROGRAM, *map(str, arguments)], cwd=REPOSITORY, capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_program__listens_until_a_signal_ends_it(tmp_path: Path, ending: signal.Signals) -> None:
    """It prints its URL, writes it to the file, answers and logs, and ends with 0 and no more words."""
    url_file, scenario = tmp_path / "url", tmp_path / "scenario.yaml"
    scenario.write_text("jobs: [{id: a}]\n")
    with running("--url-file", url_file, "--scenario", scenario) as process:
        listens = LISTENS.fullmatch(first_line(process))
        assert listens is not None
        assert url_file.read_text() == listens[1] + "\n"
        assert [path.name for path in tmp_path.iterdir() if path not in (url_file, scenario)] == []
        request = urllib.request.Request(  # noqa: S310 - the URL is the stand-in's
            f"{listens[1]}/v2/knowledge/public/jobs/status",
            data=b'{"jobIds": ["a"]}',
            headers={"Authorization": "Bearer fini_demo_key", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310 - the URL is the stand-in's
            assert b'"COMPLETED"' in response.read()
        process.send_signal(ending)
        output, log = process.communicate(timeout=10)
    assert (process.returncode, output) == (0, "")
    assert log == "POST /v2/knowledge/public/jobs/status: 200, 1 IDs\n"


def test_program__takes_the_port_given() -> None:
    """A port that is free can be chosen."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with running("--port", port) as process:
        assert first_line(process).endswith(f":{port}\n")


def test_program__says_that_a_port_is_taken() -> None:
    """Two servers never share a port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--port", port)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(rf"fake_fini: cannot start on 127\.0\.0\.1, port {port}: .+\n", result.stderr)


def test_program__says_that_the_url_cannot_be_written(tmp_path: Path) -> None:
    """A URL file in a folder that is not there is an error."""
    result = run("--url-file", tmp_path / "missing" / "url")
    assert result.returncode == 2
    assert re.fullmatch(r"fake_fini: .*missing.*\n", result.stderr)


def test_program__refuses_a_wrong_scenario(tmp_path: Path) -> None:
    """One line names the file, the place, the value and what is allowed."""
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("jobs: [{id: a, runs-for: soon}]\n")
    result = run("--scenario", scenario)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"fake_fini: {scenario}: jobs[0].runs-for: expected a duration such as 500ms, 1.5s, 2m or 1m30s"
        " (a bare number is seconds), or never, not 'soon'\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--host", "example.org"],
        ["--port", "65536"],
        ["--port", "http"],
        ["--scen", "x"],
        ["x"],
    ],
)
def test_arguments__are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong argument ends with 2 and names itself."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


def test_program__speaks_tls(tmp_path: Path, help_text: str) -> None:
    """With the certificate that `--help` tells how to make, whoever trusts that reaches it, and nobody else."""
    lines = re.findall(r"  (openssl [^\n]*\\\n[^\n]*|cat ca\.pem [^\n]*)\n", help_text)
    for line in lines:
        command = line.replace("172.17.0.1", "127.0.0.1")
        subprocess.run(command, shell=True, check=True, cwd=tmp_path, capture_output=True)  # noqa: S602 - the text is ours
    with running("--tls", tmp_path / "tls.pem") as process:
        url = first_line(process).split()[-1]
        assert url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        trusting.verify_flags |= ssl.VERIFY_X509_STRICT
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url, timeout=20, context=trusting)  # noqa: S310 - the URL is the stand-in's
        with pytest.raises(urllib.error.URLError, match="certificate verify failed"):
            urllib.request.urlopen(url, timeout=20)  # noqa: S310 - the URL is the stand-in's


def test_program__needs_tls_where_others_reach_it() -> None:
    """On an address that is not loopback it refuses to speak without TLS."""
    result = run("--host", "0.0.0.0")  # noqa: S104 - it is the point
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "fake_fini: 0.0.0.0 is no loopback address: there it needs --tls, lest keys travel in the clear\n"
    )


def test_program__refuses_what_is_no_certificate(tmp_path: Path) -> None:
    """A file that is not there, or holds no certificate with its key, ends it with 2 and is named."""
    (tmp_path / "empty.pem").touch()
    for name in ("missing.pem", "empty.pem"):
        result = run("--tls", tmp_path / name)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(f"fake_fini: {tmp_path / name} is no PEM file of a certificate and its key: ")


@pytest.fixture
def help_text(capsys: pytest.CaptureFixture[str]) -> str:
    """What `--help` prints."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "unknown_at",
    [
        {"?": 0},
        {"jobs": [{"id": "a", "?": 0}]},
        {"generate": {"count": 1, "?": 0}},
        {"faults": [{"do": "reset", "?": 0}]},
        *({"faults": [{"do": {kind.name: 0, "?": 0}}]} for kind in KINDS.values() if kind.options),
    ],
)
def test_help__explains_every_key(help_text: str, unknown_at: dict[str, object]) -> None:
    """What the parser lists as allowed, the help tells of."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_mapping(unknown_at)
    allowed = re.search(r"expected one of (.+), not '\?'", str(caught.value))
    assert allowed is not None
    assert [key for key in allowed[1].split(", ") if not re.search(rf"\b{key}\b", help_text)] == []


def test_help__has_an_example_that_works(help_text: str) -> None:
    """The scenario in the help can be used as it stands, and has the jobs that it is said to have."""
    example = re.search(r"AN EXAMPLE.*?\n\n(.*?)\n\n", help_text, re.DOTALL)
    assert example is not None
    scenario = Scenario.from_mapping(yaml.safe_load(example[1]))
    assert len(scenario.jobs) == 22
    assert sum(job.ends_as == "FAILED" for job in scenario.jobs) == 1


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_help__shows_each_fault_as_it_can_be_written(help_text: str, kind: Kind) -> None:
    """A fault's example is in the help, and is a fault."""
    assert f"  {kind.example}" in help_text
    assert Scenario.from_mapping({"faults": [{"do": yaml.safe_load(kind.example)}]}).faults
