"""The stand-in as a program: `python -m fake_fini`."""

import json
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
from fake_fini.faults import KINDS
from fake_fini.routes import ROUTES
from tests.integration.clients import PATHS, connected, request

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run the program; kill it if the test leaves it running."""
    command = [sys.executable, "-W", "error", "-m", "fake_fini", *map(str, arguments)]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    """Return the URL that the program prints first."""
    assert process.stdout is not None
    listens = re.fullmatch(r"The Fini stand-in listens at (https?://127\.0\.0\.1:[0-9]+)\n", process.stdout.readline())
    assert listens
    return listens[1]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_program__listens_until_a_signal(tmp_path: Path, ending: signal.Signals) -> None:
    """It prints its URL and writes it to a file, responds, logs, and ends with 0."""
    url_file, scenario = tmp_path / "url", tmp_path / "scenario.yaml"
    scenario.write_text("jobs: [{id: a, row: {createdAt: 2026-06-11}}]\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with running("--port", port, "--url-file", url_file, "--scenario", scenario) as process:
        url = url_of(process)
        assert url == f"http://127.0.0.1:{port}"
        assert url_file.read_text() == url + "\n"
        assert sorted(tmp_path.iterdir()) == [scenario, url_file]
        with connected(url) as connection, connection.makefile("rb") as response:
            connection.sendall(request({"jobIds": ["a"]}))
            row = json.loads(response.read().partition(b"\r\n\r\n")[2])["jobs"][0]
        assert (row["jobStatus"], row["createdAt"]) == ("COMPLETED", "2026-06-11")
        process.send_signal(ending)
        output, log = process.communicate(timeout=10)
    assert (process.returncode, output, log) == (0, "", f"POST {PATHS['status']}: 200, 1 IDs\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--port {port}", r"fake_fini: cannot start on 127\.0\.0\.1, port {port}: .+\n"),
        ("--port 65536", r"fake_fini: cannot start on 127\.0\.0\.1, port 65536: .+\n"),
        ("--url-file {folder}/missing/url", r"fake_fini: .*missing.*\n"),
        ("--host 0.0.0.0", r"fake_fini: 0\.0\.0\.0 is not a loopback address: use TLS to protect API keys\n"),
        ("--host example.org", r"fake_fini: example\.org is not a loopback address: use TLS to protect API keys\n"),
        ("--tls {folder}/no.pem", r"fake_fini: {folder}/no\.pem is not a PEM file with a certificate and .+\n"),
        ("--tls {folder}/a.yaml", r"fake_fini: {folder}/a\.yaml is not a PEM file with a certificate and .+\n"),
        ("--scenario {folder}/a.yaml", r"fake_fini: {folder}/a\.yaml: jobs\[0\]\.runs-for: expected .+, not 'soon'\n"),
        ("--port http", r"usage: [^\0]+argument --port: invalid int value: 'http'\n"),
        ("--scen x", r"usage: [^\0]+unrecognized arguments: --scen x\n"),
    ],
)
def test_program__refuses_its_arguments(tmp_path: Path, arguments: str, message: str) -> None:
    """It ends with 2 and says why."""
    (tmp_path / "a.yaml").write_text("jobs: [{id: a, runs-for: soon}]\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        values = {"port": taken.getsockname()[1], "folder": tmp_path}
        with running(*arguments.format(**values).split()) as process:
            output, error = process.communicate(timeout=20)
    assert (process.returncode, output) == (2, "")
    assert re.fullmatch(message.format(**values), error)


@pytest.fixture
def help_text(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what `--help` prints."""
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    return capsys.readouterr().out


def test_program__speaks_tls(tmp_path: Path, help_text: str) -> None:
    """With the certificate of the commands in `--help`, clients that trust it reach the stand-in, and no others."""
    for line in re.findall(r"  (openssl [^\n]*\\\n[^\n]*|cat ca\.pem [^\n]*)\n", help_text):
        command = line.replace("172.17.0.1", "127.0.0.1")
        subprocess.run(command, shell=True, check=True, cwd=tmp_path, capture_output=True)  # noqa: S602 - our own text
    with running("--tls", tmp_path / "tls.pem") as process:
        url = url_of(process)
        assert url.startswith("https:")
        trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        trusting.verify_flags |= ssl.VERIFY_X509_STRICT
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url, timeout=20, context=trusting)  # noqa: S310 - the stand-in's URL
        with pytest.raises(urllib.error.URLError, match="certificate verify failed"):
            urllib.request.urlopen(url, timeout=20)  # noqa: S310 - the stand-in's URL


@pytest.mark.parametrize(
    "mapping",
    [
        {"?": 0},
        {"jobs": [{"id": "a", "?": 0}]},
        {"sources": [{"id": "a", "?": 0}]},
        {"generate": {"count": 1, "?": 0}},
        {"faults": [{"do": "reset", "?": 0}]},
        {"faults": [{"do": "?"}]},
        *({"faults": [{"do": {**do, "?": 0}}]} for do in ({"status": 429}, {"drip": 0}, {"garbage": "x"})),
    ],
)
def test_help__explains_every_key(help_text: str, mapping: dict[str, object]) -> None:
    """All keys and faults that a scenario may have are in the help."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_mapping(mapping)
    allowed = re.search(r"expected one of (.+), not '\?'", str(caught.value))
    assert allowed
    assert [key for key in allowed[1].split(", ") if not re.search(rf"\b{key}\b", help_text)] == []


def test_help__has_examples_that_work(help_text: str) -> None:
    """The help lists all routes, an example of each fault, and a scenario with the jobs that it promises."""
    assert all(f"  {route.method} {route.path} " in help_text for route in ROUTES)
    section = help_text.partition("WHAT CAN GO WRONG")[2].split("\n\n")[1]
    faults = [yaml.safe_load(fault) for fault in re.findall(r"^  (\S.*?)(?:   .*)?$", section, re.MULTILINE)]
    assert [fault if isinstance(fault, str) else next(iter(fault)) for fault in faults] == list(KINDS)
    Scenario.from_mapping({"faults": [{"do": fault} for fault in faults]})
    example = re.search(r"AN EXAMPLE.*?\n\n(.*?)\n\n", help_text, re.DOTALL)
    assert example
    jobs = Scenario.from_mapping(yaml.safe_load(example[1])).jobs
    assert (len(jobs), sum(job.ends_as == "FAILED" for job in jobs)) == (22, 1)
