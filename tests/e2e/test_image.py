import json
import re
import shlex
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fake_fini import FakeFini
from tests.e2e.machine import Images, build_image, call, run
from tests.e2e.runner import ENTRYPOINT, Runner
from tests.integration.gates import read_outputs

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120, func_only=True)]

PACKAGES = "actions_toolkit|backoff|certifi|charset_normalizer|idna|requests|urllib3|yaml|_yaml"
PROJECTS = "actions_toolkit|backoff|certifi|charset_normalizer|idna|requests|urllib3|pyyaml"
LIBRARY = r"usr/(local/)?lib/python3\.\d+"
INSTALLED = rf"{LIBRARY}/(site|dist)-packages"
BYTE_CODE = r"__pycache__/\w+\.cpython-\d+\.pyc"
# Every file that the image may add to its base. Some patterns would also match a folder of tests: see below.
COMMAND = "usr/local/bin/fini-gate"
ALLOWED = (
    COMMAND,
    r"fini-gate/(entrypoint\.py|LICENSE)",
    rf"fini-gate/fini_gate/(\w+/)*(\w+\.py|{BYTE_CODE})",
    rf"{INSTALLED}/({PACKAGES})/(\w+/)*(\w+\.py|py\.typed|{BYTE_CODE})",
    rf"{INSTALLED}/certifi/cacert\.pem",
    rf"{INSTALLED}/yaml/_yaml\.cpython-\d+-\w+-linux-\w+\.so",
    rf"{INSTALLED}/({PROJECTS})-[\d.]+\.dist-info/(licenses/)?[\w.-]+",
    rf"{LIBRARY}/(\w+/)*{BYTE_CODE}",
)


def inspect(name: str) -> dict[str, Any]:
    """Return what the engine knows about an image."""
    found: list[dict[str, Any]] = json.loads(call("docker", "image", "inspect", name))
    return found[0]


@dataclass(frozen=True)
class Layers:
    """The names of the base image's files, and the entries of each layer on top of it."""

    base: frozenset[str]
    added: Sequence[Sequence[tarfile.TarInfo]]

    @property
    def files(self) -> list[tarfile.TarInfo]:
        """Everything added that is not a folder."""
        return [entry for layer in self.added for entry in layer if not entry.isdir()]

    @property
    def names(self) -> set[str]:
        """The names of the added files."""
        return {entry.name for entry in self.files}


@pytest.fixture(scope="module")
def layers(image: str, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Layers:
    """Read the image's layers."""
    folder = tmp_path_factory.mktemp("saved")
    call("docker", "save", "--output", folder / "image.tar", image)
    call("tar", "-xf", folder / "image.tar", "-C", folder)
    entries = []
    for name in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))[0]["Layers"]:
        with tarfile.open(folder / name) as layer:
            entries.append(layer.getmembers())
    of_base, of_image = (inspect(name)["RootFS"]["Layers"] for name in (images.base, image))
    assert of_image[: len(of_base)] == of_base
    assert len(of_image) == len(entries)
    base_names = {entry.name.removeprefix("./") for layer in entries[: len(of_base)] for entry in layer}
    # A marker in a name says that a layer deletes the file.
    deleted = {name.replace(".wh.", "", 1) for name in base_names if ".wh." in name}
    return Layers(frozenset(base_names - deleted), entries[len(of_base) :])


def test_image__adds_only_what_is_allowed(layers: Layers) -> None:
    """The image adds the gate, its packages with their licences, and byte code; no pip, cache, test or stray file."""
    matches = {pattern: {name for name in layers.names if re.fullmatch(pattern, name)} for pattern in ALLOWED}
    assert layers.names - set().union(*matches.values()) == set()
    assert [pattern for pattern, names in matches.items() if not names] == []
    assert [name for name in layers.names if {"test", "tests"} & set(name.split("/"))] == []
    projects = {name.partition(".dist-info/")[0] for name in layers.names if ".dist-info/" in name}
    licensed = {name.partition(".dist-info/")[0] for name in layers.names if re.search("dist-info/.*LICEN[CS]E", name)}
    assert len(projects) == len(PROJECTS.split("|"))
    assert projects == licensed


def test_image__keeps_its_base(layers: Layers) -> None:
    """No file of the base image is replaced or deleted, and no added folder is empty."""
    assert layers.names & layers.base == set()
    folders = {entry.name for layer in layers.added for entry in layer if entry.isdir()}
    assert folders <= {str(parent) for name in layers.names for parent in Path(name).parents}


def test_image__adds_plain_files_of_root(layers: Layers) -> None:
    """Added files belong to root, only root can write to them, none is setuid, and all have the same timestamp.

    The only link is the command.
    """
    entries = [entry for layer in layers.added for entry in layer]
    assert {(entry.uid, entry.gid) for entry in entries} == {(0, 0)}
    links = {entry.name: entry.linkname for entry in entries if not (entry.isreg() or entry.isdir())}
    assert links == {COMMAND: ENTRYPOINT}
    assert {entry.mtime for entry in layers.files} == {0}
    for entry in (entry for entry in entries if not entry.issym()):
        is_executable = entry.isdir() or entry.name.endswith((".so", "/entrypoint.py"))
        assert entry.mode & 0o7777 == (0o755 if is_executable else 0o644), entry.name


def test_image__is_small(layers: Layers) -> None:
    """The image adds at most 10 MB, of which the last layer, the gate's own code, is less than 600 kB."""
    sizes = [sum(entry.size for entry in layer) for layer in layers.added]
    assert sum(sizes) <= 10_000_000
    assert sizes[-1] <= 600_000
    assert all(entry.name.startswith(("fini-gate", "usr")) for entry in layers.added[-1])


def test_image__describes_itself(image: str, images: Images) -> None:
    """The image has its labels, starts the gate by itself, and leaves everything else to the runner."""
    config = inspect(image)["Config"]
    prefix = "org.opencontainers.image."
    labels = {name.removeprefix(prefix): value for name, value in config["Labels"].items() if name.startswith(prefix)}
    assert labels.pop("description")
    assert labels == {
        "title": "fini-gate",
        "source": "https://github.com/OWNER/fini-gate",
        "licenses": "MIT",
        "version": "unreleased",
        "revision": "unknown",
        "base.name": images.base,
    }
    assert config["Entrypoint"] == ["/usr/local/bin/python", "-I", "-u", ENTRYPOINT]
    assert not any(config.get(name) for name in ("Cmd", "User", "Healthcheck"))


def test_next_image__differs_in_one_layer(image: str, images: Images, exported: Path, tmp_path: Path) -> None:
    """After a change to the code only the last layer has to be downloaded, and the labels are the release's own."""
    shutil.copytree(exported, tmp_path / "next")
    with (tmp_path / "next" / "fini_gate" / "verdict.py").open("a", encoding="utf-8") as changed:
        changed.write("# a change\n")
    next_image = f"{image}-next"
    build_image(next_image, tmp_path / "next", BASE_IMAGE=images.base, VERSION="1.2.3", REVISION="0123456789abcdef")
    before, after = inspect(image), inspect(next_image)
    call("docker", "image", "rm", next_image)
    assert after["RootFS"]["Layers"][:-1] == before["RootFS"]["Layers"][:-1]
    assert after["RootFS"]["Layers"][-1] != before["RootFS"]["Layers"][-1]
    assert after["Config"]["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    assert after["Config"]["Labels"]["org.opencontainers.image.revision"] == "0123456789abcdef"


def test_image__writes_nothing_of_its_own_in_kubernetes(runner: Runner, serve: Callable[..., FakeFini]) -> None:
    """Gates run by scripts in a waiting container, as in Kubernetes, leave only what they were asked to write.

    Python writes no byte code, because the image has it for every module that a gate loads.
    """
    workspace = runner.workspace
    (workspace / "ids.yaml").write_text("- quick\n- broken\n", encoding="utf-8")
    (workspace / "ids.jsonl").write_text('"quick"\n{"backgroundJobId": "quick"}\n', encoding="utf-8")
    jobs = {"id": "quick"}, {"id": "broken", "ends-as": "FAILED"}, {"id": "endless", "runs-for": "never"}
    slow_down = {"requests": 1, "do": {"status": 429, "headers": {"Retry-After": "1"}}}
    api = serve(*jobs, faults=[slow_down])
    call(*runner.docker_run("--detach", "--entrypoint", "tail"), "-f", "/dev/null")
    (container,) = runner.containers
    for result, exit_code, inputs in (
        ("failure", 1, {"job-ids-file": "ids.yaml"}),
        ("success", 0, {"job-ids-file": "ids.jsonl"}),
        ("failure", 1, {"job-ids": "unknown", "not-found-grace": "0s"}),
        ("timed_out", 3, {"job-ids": "endless", "timeout": "0"}),
        ("error", 2, {"job-ids": "quick", "timeout": "soon"}),
        ("error", 4, {"job-ids": "quick", "api-url": "http://localhost:9", "outage-tolerance": "1s"}),
        ("error", 4, {"job-ids": "quick", "api-url": "https://fini.invalid", "outage-tolerance": "1s"}),
    ):
        given = {"api-key": "fini_demo_key", "poll-interval": "200ms", "api-url": api.url, "article-details": "true"}
        environ = runner.environ({**given, "results-file": "out/results.json", **inputs})
        settings = shlex.join(f"{name}={value}" for name, value in environ.items())
        script = f"cd /github/workspace\nexec env {settings} {ENTRYPOINT}\n"
        (runner.folder / "runner_temp" / "step.sh").write_text(script, encoding="utf-8")
        ended = run("docker", "exec", container, "sh", "-e", "/github/runner_temp/step.sh")
        assert ended.returncode == exit_code, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stdout
        assert read_outputs(runner.output)["result"] == result
    # The runner calls these to copy files in and out.
    tools = ("sh", "env", "tail", "tar", "find", "stat", "mv", "rm", "chmod")
    assert len(call("docker", "exec", container, "which", *tools).split()) == len(tools)
    changed = [line.split()[1] for line in call("docker", "diff", container).splitlines()]
    # Docker mounts the runner's folders and socket there.
    mounts = "/github(/.*)?|/run|/run/docker.sock|/var|/var/run"
    assert [path for path in changed if not re.fullmatch(mounts, path)] == []
    written = {str(path.relative_to(workspace)) for path in workspace.rglob("*")}
    assert written == {"ids.yaml", "ids.jsonl", "out", "out/results.json"}
