from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tarfile
import uuid
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import IMAGE, KEY, build, call, read_outputs, remove_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.e2e.conftest import Metadata, Provided, Runner, StartFini

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120, func_only=True)]

CALM = {"api-key": KEY, "poll-interval": "200ms", "max-poll-interval": "200ms"}
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")

ADDED_BYTES = 10_000_000
CODE_BYTES = 500_000

PACKAGES = "actions_toolkit|backoff|certifi|charset_normalizer|idna|requests|urllib3|yaml|_yaml"
PROJECTS = "actions_toolkit|backoff|certifi|charset_normalizer|idna|requests|urllib3|pyyaml"
LIBRARY = r"usr/(local/)?lib/python3\.\d+"
INSTALLED = rf"{LIBRARY}/(site|dist)-packages"
BYTE_CODE = r"__pycache__/\w+\.cpython-\d+\.pyc"
# Each file that the image may add to its base. That a folder of tests would fit into some of them is looked at as well.
ALLOWED = (
    r"fini-gate/(entrypoint\.py|LICENSE)",
    rf"fini-gate/fini_gate/(\w+/)*(\w+\.py|{BYTE_CODE})",
    rf"{INSTALLED}/({PACKAGES})/(\w+/)*(\w+\.py|py\.typed|{BYTE_CODE})",
    rf"{INSTALLED}/certifi/cacert\.pem",
    rf"{INSTALLED}/yaml/_yaml\.cpython-\d+-\w+-linux-\w+\.so",
    rf"{INSTALLED}/({PROJECTS})-[\d.]+\.dist-info/(licenses/)?[\w.-]+",
    rf"{LIBRARY}/(\w+/)*{BYTE_CODE}",
)

QUICK = {"id": "quick", "runs-for": "0s", "article-id": "article-of-quick"}
SERVER_ERROR = {"id": "broken", "runs-for": "0s", "ends-as": "FAILED", "error": "the source could not be read"}


# --- what the image is made of ---------------------------------------------------------------------------------------


def inspect(name: str) -> dict[str, Any]:
    """Return what the engine knows of an image."""
    found: list[dict[str, Any]] = json.loads(call("docker", "image", "inspect", name))
    return found[0]


@dataclass(frozen=True)
class Layers:
    """What there is in the base image, and what is in each layer that is laid over it."""

    base: frozenset[str]
    added: Sequence[Sequence[tarfile.TarInfo]]

    @property
    def files(self) -> list[tarfile.TarInfo]:
        """Return all that is added and is no folder."""
        return [entry for layer in self.added for entry in layer if not entry.isdir()]


@pytest.fixture(scope="module")
def layers(image: str, provided: Provided, tmp_path_factory: pytest.TempPathFactory) -> Layers:
    """Read the image's layers."""
    saved = tmp_path_factory.mktemp("saved") / "image.tar"
    call("docker", "save", "--output", saved, image)
    with tarfile.open(saved) as archive:

        def member(name: str) -> IO[bytes]:
            content = archive.extractfile(name)
            assert content is not None
            return content

        read = []
        for name in json.load(member("manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=member(name)) as layer:
                read.append(layer.getmembers())
    of_base, of_image = (inspect(name)["RootFS"]["Layers"] for name in (provided.base_image, image))
    assert of_image[: len(of_base)] == of_base
    assert len(of_image) == len(read)
    return Layers(base=names_after(read[: len(of_base)]), added=read[len(of_base) :])


def names_after(layers: Sequence[Sequence[tarfile.TarInfo]]) -> frozenset[str]:
    """Return what is there after these layers. In a layer, a mark in its name says that a file is taken away."""
    there: set[str] = set()
    for layer in layers:
        # Some archivers begin each name with the folder.
        names = {entry.name.removeprefix("./") for entry in layer}
        there -= {name.replace(".wh.", "", 1) for name in names if ".wh." in name}
        there |= names
    return frozenset(there)


def test_image__adds_only_what_is_allowed(layers: Layers) -> None:
    """The gate, its packages and byte code are added, nothing else: no pip, cache, test, command or stray file."""
    added = {entry.name for entry in layers.files}
    allowed = {pattern: {name for name in added if re.fullmatch(pattern, name)} for pattern in ALLOWED}
    assert added - set().union(*allowed.values()) == set()
    assert [pattern for pattern, names in allowed.items() if not names] == []
    assert [name for name in added if {"test", "tests"} & set(name.split("/"))] == []


def test_image__changes_nothing_of_its_base(layers: Layers) -> None:
    """No file of the base image is replaced or taken away, and no folder is there for nothing."""
    added = {entry.name for entry in layers.files}
    assert added & layers.base == set()
    folders = {entry.name for layer in layers.added for entry in layer if entry.isdir()}
    parents = {name[: slash.start()] for name in added for slash in re.finditer("/", name)}
    assert folders <= parents


def test_image__adds_plain_files_of_root(layers: Layers) -> None:
    """Nobody but root can write to what is added, none of it gives rights to who runs it, and no time is in it."""
    entries = [entry for layer in layers.added for entry in layer]
    assert {(entry.uid, entry.gid) for entry in entries} == {(0, 0)}
    assert [entry.name for entry in entries if not (entry.isreg() or entry.isdir())] == []
    assert {entry.mtime for entry in layers.files} == {0}
    assert {entry.mode & 0o7777 for entry in entries if entry.isdir()} == {0o755}
    runnable = {"fini-gate/entrypoint.py"}
    runnable |= {entry.name for entry in layers.files if entry.name.endswith(".so")}
    modes = {entry.name: entry.mode & 0o7777 for entry in layers.files}
    assert modes == {name: 0o755 if name in runnable else 0o644 for name in modes}


def test_image__keeps_the_licences(layers: Layers) -> None:
    """The gate and each package that is added come with their licences."""
    added = {entry.name for entry in layers.files}
    assert "fini-gate/LICENSE" in added
    projects = {name.partition(".dist-info/")[0] for name in added if ".dist-info/" in name}
    licensed = {name.partition(".dist-info/")[0] for name in added if re.search(r"dist-info/.*LICEN[CS]E", name)}
    assert len(projects) == len(PROJECTS.split("|"))
    assert projects - licensed == set()


def test_image__is_small(layers: Layers) -> None:
    """At most 10 MB are added to the base, and the last layer, the code's, is some hundred kB of it."""
    sizes = [sum(entry.size for entry in layer) for layer in layers.added]
    assert sum(sizes) <= ADDED_BYTES
    assert sizes[-1] <= CODE_BYTES
    assert all(entry.name.startswith("fini-gate") for entry in layers.added[-1])


def test_image__says_what_it_is(image: str, provided: Provided, metadata: Metadata) -> None:
    """It carries its labels, starts the gate without being told to, and leaves the rest to the runner."""
    config = inspect(image)["Config"]
    own = "org.opencontainers.image."
    labels = {name.removeprefix(own): value for name, value in config["Labels"].items() if name.startswith(own)}
    assert labels.pop("description")
    assert labels == {
        "title": "fini-gate",
        "source": "https://github.com/OWNER/fini-gate",
        "licenses": "MIT",
        "version": "unreleased",
        "revision": "unknown",
        "base.name": provided.base_image,
    }
    assert config["Entrypoint"] == ["/usr/local/bin/python", "-I", "-u", metadata.entrypoint]
    assert not any(config.get(name) for name in ("Cmd", "User", "Healthcheck"))


@pytest.fixture
def next_image(provided: Provided, exported: Path, tmp_path: Path) -> Iterator[str]:
    """Build the image of a release with a change of the code."""
    shutil.copytree(exported, tmp_path / "next")
    with (tmp_path / "next" / "fini_gate" / "verdict.py").open("a", encoding="utf-8") as changed:
        changed.write("# a change\n")
    name = f"{IMAGE}-next"
    arguments = (f"BASE_IMAGE={provided.base_image}", "VERSION=1.2.3", "REVISION=0123456789abcdef")
    build(name, tmp_path / "next", *(option for argument in arguments for option in ("--build-arg", argument)))
    yield name
    remove_image(name)


def test_next_image__differs_in_one_layer(image: str, next_image: str) -> None:
    """After a change of the code only the last layer has to be fetched, and the labels are the release's own."""
    before, after = inspect(image), inspect(next_image)
    assert after["RootFS"]["Layers"][:-1] == before["RootFS"]["Layers"][:-1]
    assert after["RootFS"]["Layers"][-1] != before["RootFS"]["Layers"][-1]
    assert after["Config"]["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    assert after["Config"]["Labels"]["org.opencontainers.image.revision"] == "0123456789abcdef"


# --- what it needs, and leaves behind --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pod:
    """A container of the image that stays, in which steps are run as in Kubernetes: by a script of the runner's."""

    runner: Runner
    name: str

    def run(self, inputs: Mapping[str, str]) -> tuple[int, str, Mapping[str, str]]:
        """Run the action; its exit code, log and outputs."""
        files = self.runner.folder / "file_commands"
        for name in ("set_output", "step_summary"):
            (files / name).write_bytes(b"")
        settings = [f"{name}={value}" for name, value in self.runner.environment(inputs).items()]
        script = f"cd /github/workspace\nexec env {shlex.join(settings)} {self.runner.metadata.entrypoint}\n"
        (self.runner.folder / "runner_temp" / "step.sh").write_text(script, encoding="utf-8")
        ended = subprocess.run(  # noqa: S603 - the tests' own command, as a list
            ["docker", "exec", self.name, "sh", "-e", "/github/runner_temp/step.sh"],  # noqa: S607 - as everywhere here
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
        )
        outputs = read_outputs((files / "set_output").read_text(encoding="utf-8"))
        return ended.returncode, ended.stdout + ended.stderr, outputs


@pytest.fixture
def pod(runner: Runner) -> Pod:
    """Start a container that only waits, as actions-runner-controller does."""
    command = runner.docker_run(options=["--detach", "--entrypoint", "tail"])
    call(*command, runner.image, "-f", "/dev/null")
    return Pod(runner, name=runner.started[-1])


@pytest.mark.parametrize(("job", "exit_code"), [(QUICK, 0), (SERVER_ERROR, 1)], ids=["success", "failure"])
def test_image__runs_in_kubernetes(pod: Pod, start_fini: StartFini, job: Mapping[str, str], exit_code: int) -> None:
    """A runner's script in a container that waits finds what it needs, and the gate ends as it does elsewhere."""
    ended, log, outputs = pod.run({**CALM, "api-url": start_fini(job), "job-ids": job["id"]})
    assert ended == exit_code, log
    assert outputs["result"] == ("success" if exit_code == 0 else "failure")
    # What the runner calls besides, to get files in and out.
    tools = ("sh", "env", "tail", "tar", "find", "stat", "mv", "rm", "chmod")
    assert len(call("docker", "exec", pod.name, "which", *tools).split()) == len(tools)


def test_gate__writes_where_it_is_asked_to_and_nowhere_else(pod: Pod, start_fini: StartFini) -> None:
    """Gates that pass, fail, try again and give up leave nothing in the container: neither files nor byte code."""
    workspace = pod.runner.workspace
    (workspace / "ids.yaml").write_text("- quick\n- broken\n", encoding="utf-8")
    (workspace / "ids.jsonl").write_text('"quick"\n{"backgroundJobId": "quick"}\n', encoding="utf-8")
    slow_down = {"requests": 1, "do": {"status": 429, "headers": {"Retry-After": "1"}}}
    url = start_fini(QUICK, SERVER_ERROR, faults=[slow_down])
    given = {**CALM, "api-url": url, "results-file": "out/results.json", "article-details": "true"}
    exit_codes = [
        pod.run(inputs)[0]
        for inputs in (
            {**given, "job-ids-file": "ids.yaml"},
            {**given, "job-ids-file": "ids.jsonl"},
            {**given, "job-ids": "unknown", "not-found-grace": "0s"},
            {**given, "job-ids": "quick", "timeout": "soon"},
            {**CALM, "job-ids": "quick", "api-url": "http://localhost:9", "outage-tolerance": "1s"},
            {**CALM, "job-ids": "quick", "api-url": "https://fini.invalid", "outage-tolerance": "1s"},
        )
    ]
    assert exit_codes == [1, 0, 1, 2, 4, 4]
    changed = [line.split()[1] for line in call("docker", "diff", pod.name).splitlines()]
    # There the runner's folders are mounted.
    assert [
        path for path in changed if not re.fullmatch("/github(/.*)?|/run|/run/docker.sock|/var|/var/run", path)
    ] == []
    assert {str(path.relative_to(workspace)) for path in workspace.rglob("*")} == {
        *("ids.yaml", "ids.jsonl", "out", "out/results.json"),
    }


@pytest.fixture
def api_alone(runner: Runner, exported: Path, tmp_path: Path) -> Iterator[str]:
    """Start a stand-in API in a container without any network; its address there. A gate that joins it has no other."""
    folder = tmp_path / "api"
    folder.mkdir()
    (folder / "scenario.yaml").write_text(json.dumps({"jobs": [QUICK], "api-keys": {KEY: ["read"]}}), encoding="utf-8")
    name = f"{IMAGE}-api-{uuid.uuid4().hex}"
    command = ["docker", "run", "--rm", "--name", name, "--label", f"{IMAGE}=true", "--network", "none"]
    command += [
        "--volume",
        f"{exported}:/repository:ro",
        "--volume",
        f"{folder}:/scenario:ro",
        "--workdir",
        "/repository",
    ]
    command += ["--entrypoint", "/usr/local/bin/python", runner.image]
    command += ["-u", "-m", "fake_fini", "--port", "8000", "--scenario", "/scenario/scenario.yaml"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        assert process.stdout is not None
        assert process.stdout.readline()
        runner.network = f"container:{name}"
        yield "http://127.0.0.1:8000"
        call("docker", "rm", "--force", name)


def test_container__needs_no_network_but_the_apis(runner: Runner, api_alone: str) -> None:
    """Where nothing but the API can be reached, read-only and without capabilities, the gate passes."""
    inputs = {**CALM, "api-url": api_alone, "job-ids": "quick", "results-file": "results.json"}
    ended = runner.run(inputs, options=HARDENED)
    assert ended.exit_code == 0, ended.log
    assert json.loads(ended.outputs["article-ids"]) == ["article-of-quick"]
    assert (runner.workspace / "results.json").is_file()
    assert ended.summary.strip()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://fini.invalid"])
def test_container__ends_cleanly_without_a_network(runner: Runner, url: str) -> None:
    """Without any network the gate says so in one error, and writes its outputs."""
    runner.network = "none"
    inputs = {**CALM, "api-url": url, "job-ids": "quick", "outage-tolerance": "1s"}
    ended = runner.run(inputs, options=HARDENED)
    assert ended.exit_code == 4, ended.log
    assert ended.log.count("::error") == 1
    assert "Traceback" not in ended.log + ended.errors
    assert ended.outputs["result"] == "error"
    assert ended.outputs.keys() == runner.metadata.outputs


# Compared with what Python itself compares: a stale one is as good as none. The base image comes without byte code of
# the standard library, of which the gate loads a lot; `backoff` is loaded when something has failed for the first time.
UNCOMPILED = """
import importlib, importlib.util, json, pathlib, struct, sys

def is_compiled(source):
    cached = pathlib.Path(importlib.util.cache_from_source(source))
    if not cached.is_file():
        return False
    magic, flags = struct.unpack("<4sI", cached.read_bytes()[:8])
    return magic == importlib.util.MAGIC_NUMBER and flags == 1

sys.path.insert(0, "/fini-gate")
for name in ("fini_gate.main", "actions_toolkit.core", "backoff", "requests", "yaml"):
    importlib.import_module(name)
origins = [getattr(module.__spec__, "origin", None) or "" for module in sys.modules.values()]
loaded = {pathlib.Path(origin) for origin in origins if origin.endswith(".py")}
gate = {source for source in pathlib.Path("/fini-gate/fini_gate").rglob("*.py")}
assert gate and len(loaded) > 100
print(json.dumps(sorted(str(source) for source in loaded | gate if not is_compiled(source))))
"""


def test_image__holds_byte_code_for_every_module(runner: Runner) -> None:
    """No module is compiled at start, which would make the start a good part slower, every time."""
    command = [*runner.docker_run(options=["--entrypoint", "/usr/local/bin/python"]), runner.image]
    # Without -B, Python would write the very byte code that is looked for.
    assert json.loads(call(*command, "-I", "-B", "-c", UNCOMPILED)) == []
