"""The machine, the image, the stand-in API, and the two ways to run the action: as GitHub's runner does, and by act."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "fini-gate-e2e"
ACT_IMAGE = "act-dockeraction:latest"
# What the README and the examples call the action, and what act calls the image that it builds for it.
PUBLISHED = "OWNER/fini-gate@main"
PUBLISHED_IMAGE = "act-owner-fini-gate-main-dockeraction:latest"
KEY = "fini_demo_key"
WRITE_KEY = "fini_demo_write_key"

# A fresh machine installs an engine and makes the base image; only a hang is to be cut short here.
PROVIDE_LIMIT_SECONDS = 1500
BUILD_LIMIT_SECONDS = 600
COMMAND_LIMIT_SECONDS = 60
ACT_LIMIT_SECONDS = 240
CANNOT_BE_HAD = 3


def call(
    *command: str | Path,
    timeout_seconds: float = COMMAND_LIMIT_SECONDS,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a command that has to succeed and return what it printed; the failure shows all of it."""
    ended = subprocess.run(  # noqa: S603 - the tests' own commands, as lists
        command,
        capture_output=True,
        check=False,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout_seconds,
    )
    if ended.returncode != 0:
        pytest.fail(f"{command} exited with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


# --- the machine and the image ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Provided:
    """The images that the machine has by now."""

    base_image: str
    job_image: str


@pytest.fixture(scope="session")
def provided(request: pytest.FixtureRequest) -> Provided:
    """Ready the machine."""
    # Minutes of silence would look like a hang: what is done is shown as it is done.
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        ended = subprocess.run(  # noqa: S603 - the tests' own script
            [ROOT / "tests" / "e2e" / "provide"],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=PROVIDE_LIMIT_SECONDS,
        )
    if ended.returncode == CANNOT_BE_HAD and os.environ.get("FINI_GATE_REQUIRE_E2E") != "1":
        pytest.skip("no Docker engine or no base image can be had on this machine; `provide` says why")
    if ended.returncode != 0:
        pytest.fail(f"tests/e2e/provide exited with {ended.returncode}", pytrace=False)
    return Provided(*ended.stdout.split())


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the repository as a fresh clone would have it: tracked files and new ones, nothing that is ignored."""
    folder = tmp_path_factory.mktemp("exported")
    listed = call("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


@pytest.fixture(scope="session")
def image(provided: Provided, exported: Path) -> str:
    """Build the action's image, as the runner does: the whole checkout as context, but on the base that is there."""
    build(IMAGE, exported, "--build-arg", f"BASE_IMAGE={provided.base_image}")
    # The build before this one lost its name to it.
    call("docker", "image", "prune", "--force", "--filter", f"label={IMAGE}=true")
    return IMAGE


def build(name: str, context: Path, *options: str) -> None:
    """Build an image that goes by this name."""
    labelled = ("--label", f"{IMAGE}=true", *options)
    call("docker", "build", "--tag", name, *labelled, context, timeout_seconds=BUILD_LIMIT_SECONDS)


# --- the stand-in API ------------------------------------------------------------------------------------------------


class StartFini(Protocol):
    """Starts a stand-in API that knows these jobs, meets these faults and pauses before each answer; its address."""

    def __call__(self, *jobs: Mapping[str, object], latency: str = "0s", faults: Sequence[object] = ()) -> str:
        """Start it."""


@pytest.fixture
def start_fini(exported: Path, tmp_path: Path) -> Iterator[StartFini]:
    """Start stand-in APIs that live as long as the test does."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*jobs: Mapping[str, object], latency: str = "0s", faults: Sequence[object] = ()) -> str:
        folder = tmp_path / f"fini-{len(running)}"
        folder.mkdir()
        scenario = folder / "scenario.yaml"
        # JSON is YAML.
        keys = {KEY: ["read"], WRITE_KEY: ["write"]}
        content = {"jobs": jobs, "api-keys": keys, "latency": latency, "faults": faults}
        scenario.write_text(json.dumps(content), encoding="utf-8")
        url_file = folder / "url"
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - the project's own module
                [
                    *(sys.executable, "-u", "-m", "fake_fini", "--port", "0"),
                    *("--scenario", scenario, "--url-file", url_file),
                ],
                cwd=exported,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
            )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline(), (folder / "log").read_text(encoding="utf-8")
        return url_file.read_text(encoding="utf-8").strip()

    yield start
    for process in running:
        process.terminate()
        process.communicate(timeout=COMMAND_LIMIT_SECONDS)


# --- the action as GitHub's runner runs it ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Metadata:
    """What action.yml declares."""

    defaults: Mapping[str, str]
    outputs: frozenset[str]
    entrypoint: str


@pytest.fixture(scope="session")
def metadata(exported: Path) -> Metadata:
    """Read action.yml."""
    document: dict[str, Any] = yaml.safe_load((exported / "action.yml").read_text(encoding="utf-8"))
    return Metadata(
        defaults={name: declared.get("default", "") for name, declared in document["inputs"].items()},
        outputs=frozenset(document["outputs"]),
        entrypoint=document["runs"]["entrypoint"],
    )


def read_outputs(text: str) -> dict[str, str]:
    """Read a file of outputs, more strictly than GitHub does: each `name<<DELIMITER`, no blank line, no name twice."""
    outputs: dict[str, str] = {}
    assert not text or text.endswith("\n"), "the last line is not ended"
    lines = iter(text.split("\n")[:-1])
    for line in lines:
        name, mark, delimiter = line.partition("<<")
        assert name, f"not the start of an output: {line!r}"
        assert mark, f"not the start of an output: {line!r}"
        assert delimiter, f"not the start of an output: {line!r}"
        assert name not in outputs, f"{name} is there twice"
        value = []
        for inner in lines:
            if inner == delimiter:
                break
            value.append(inner)
        else:
            pytest.fail(f"{name} is not ended")
        outputs[name] = "\n".join(value)
    return outputs


@dataclass(frozen=True)
class Ended:
    """What a step left behind."""

    exit_code: int
    log: str
    errors: str
    outputs: Mapping[str, str]
    summary: str


@dataclass
class Step:
    """A container of the action that was started."""

    name: str
    process: subprocess.Popen[bytes]
    file_commands: Path
    seen: list[bytes] = field(default_factory=list)

    def wait_for(self, text: str) -> None:
        """Read the log until a line holds the text."""
        while text.encode() not in (line := self._next_line()):
            assert line, f"the log ended without {text!r}: {b''.join(self.seen).decode()}"

    def kill(self, name: str) -> None:
        """Send a signal to the container's first process, by the signal's name."""
        call("docker", "kill", "--signal", name, self.name)

    def interrupt(self) -> None:
        """Interrupt the docker client, as the runner does when a job is cancelled."""
        self.process.send_signal(signal.SIGINT)

    def end(self, timeout_seconds: float = COMMAND_LIMIT_SECONDS) -> Ended:
        """Wait for the container's end."""
        rest, errors = self.process.communicate(timeout=timeout_seconds)
        return Ended(
            exit_code=self.process.returncode,
            log=(b"".join(self.seen) + rest).decode(),
            errors=errors.decode(),
            outputs=read_outputs((self.file_commands / "set_output").read_bytes().decode()),
            summary=(self.file_commands / "step_summary").read_bytes().decode(),
        )

    def _next_line(self) -> bytes:
        # The pipe is not buffered: a line read here is not missed by `communicate`, and none after it is taken from it.
        stdout: IO[bytes] | None = self.process.stdout
        assert stdout is not None
        self.seen.append(stdout.readline())
        return self.seen[-1]


@dataclass
class Runner:
    """GitHub's runner, in front of one step: its folders, and how it starts a Docker action."""

    image: str
    metadata: Metadata
    folder: Path
    # The runner's own network cannot reach the stand-in, which listens on the host's loopback only.
    network: str = "host"
    started: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the folders that are mounted."""
        for name in ("workspace", "home", "runner_temp", "workflow", "file_commands"):
            (self.folder / name).mkdir(parents=True)

    @property
    def workspace(self) -> Path:
        """The user's checkout."""
        return self.folder / "workspace"

    @property
    def home(self) -> Path:
        """The container's home."""
        return self.folder / "home"

    def run(
        self,
        inputs: Mapping[str, str],
        *,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> Ended:
        """Run the action to its end."""
        return self.start(inputs, environment=environment, options=options).end()

    def start(
        self,
        inputs: Mapping[str, str],
        *,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> Step:
        """Start the action with these inputs and, besides what the runner sets, this environment and these options."""
        step_environment = {**self.environment(inputs), **(environment or {})}
        options = [*options, "--entrypoint", self.metadata.entrypoint]
        command = self.docker_run(options=options, names=step_environment)
        for name in ("set_output", "step_summary"):
            (self.folder / "file_commands" / name).write_bytes(b"")
        process = subprocess.Popen(  # noqa: S603 - the tests' own command, as a list
            [*command, self.image],
            env={**self._client_environment(), **step_environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        return Step(name=self.started[-1], process=process, file_commands=self.folder / "file_commands")

    def docker_run(self, *, options: Sequence[str] = (), names: Sequence[str] | Mapping[str, str] = ()) -> list[str]:
        """Return the command without the image: no -t, no -i, no --init, no --user, values by the environment alone."""
        self.started.append(f"{IMAGE}-{uuid.uuid4().hex}")
        return [
            "docker",
            "run",
            *("--name", self.started[-1], "--label", f"{IMAGE}=true", "--workdir", "/github/workspace", "--rm"),
            *("--network", self.network),
            *(option for name in names for option in ("-e", name)),
            *("-e", "GITHUB_ACTIONS=true", "-e", "CI=true"),
            *("-v", "/var/run/docker.sock:/var/run/docker.sock"),
            *("-v", f"{self.folder}/runner_temp:/github/runner_temp"),
            *("-v", f"{self.folder}/home:/github/home"),
            *("-v", f"{self.folder}/workflow:/github/workflow"),
            *("-v", f"{self.folder}/file_commands:/github/file_commands"),
            *("-v", f"{self.folder}/workspace:/github/workspace"),
            *options,
        ]

    def containers(self) -> str:
        """Return the IDs of this runner's containers that are still there, running or not."""
        return "".join(call("docker", "ps", "--all", "--quiet", "--filter", f"name={name}") for name in self.started)

    def remove_containers(self) -> None:
        """Remove what a failed test left running."""
        left = self.containers().split()
        if left:
            call("docker", "rm", "--force", *left)

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return what the runner sets for a step with these inputs."""
        unknown = given.keys() - self.metadata.defaults.keys()
        assert not unknown, f"action.yml does not declare {unknown}"
        filled = {**self.metadata.defaults, **given}
        return {
            **{f"INPUT_{name.upper().replace(' ', '_')}": value for name, value in filled.items()},
            "HOME": "/github/home",
            "GITHUB_JOB": "gate",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REPOSITORY": "octo/knowledge",
            "GITHUB_RUN_ID": "1",
            "GITHUB_WORKSPACE": "/github/workspace",
            "GITHUB_OUTPUT": "/github/file_commands/set_output",
            "GITHUB_STEP_SUMMARY": "/github/file_commands/step_summary",
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": "/github/runner_temp",
        }

    @staticmethod
    def _client_environment() -> dict[str, str]:
        """Return what the docker client itself needs: the step's HOME is not the one that its configuration is in."""
        own = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST", "DOCKER_CONTEXT") if name in os.environ}
        return {"DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker")), **own}


@pytest.fixture
def runner(image: str, metadata: Metadata, tmp_path: Path) -> Iterator[Runner]:
    """Stand before one step of a job."""
    runner = Runner(image=image, metadata=metadata, folder=tmp_path / "github")
    yield runner
    runner.remove_containers()


# --- the action under act --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ActEnded:
    """How a workflow went under act."""

    exit_code: int
    log: str
    printed: Sequence[str]
    printed_by_step: Mapping[str, Sequence[str]]
    results: Mapping[str, str]


class Act(Protocol):
    """Runs a workflow of these jobs, in a repository that holds the action."""

    def __call__(self, jobs: Mapping[str, Mapping[str, object]]) -> ActEnded:
        """Run it."""


class TryExample(Protocol):
    """Runs a workflow file as it is, on this event, with the stand-in API at this address."""

    def __call__(
        self,
        workflow: Path,
        event: str,
        url: str,
        *,
        inputs: Mapping[str, str],
        secrets: Mapping[str, str],
    ) -> ActEnded:
        """Run it, with its own secrets besides the two API keys."""


@dataclass(frozen=True)
class Checkout:
    """A repository that act runs workflows of, and act's home beside it."""

    folder: Path
    home: Path
    job_image: str

    @property
    def environment(self) -> dict[str, str]:
        """What git and act get to see."""
        own = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
        folders = {"XDG_CONFIG_HOME": str(self.home / ".config"), "XDG_CACHE_HOME": str(self.home / ".cache")}
        return {**own, "HOME": str(self.home), **folders}

    def act(self, event: str, *options: str | Path, secrets: Mapping[str, str]) -> ActEnded:
        """Commit what is there, and run act."""
        secret_file = self.home / "secrets"
        # An existing configuration, though empty, keeps act from asking which images it should use.
        (self.home / ".config" / "act").mkdir(parents=True, exist_ok=True)
        (self.home / ".config" / "act" / "actrc").write_text("", encoding="utf-8")
        secret_file.write_text("".join(f"{name}={value}\n" for name, value in secrets.items()), encoding="utf-8")
        identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.invalid")
        for command in (
            ("init", "--quiet", "--initial-branch", "main"),
            ("add", "--all"),
            (*identity, "commit", "--quiet", "--message", "A workflow"),
        ):
            call("git", *command, cwd=self.folder, env=self.environment)
        ended = subprocess.run(  # noqa: S603 - the tests' own command, as a list
            [
                Path(sys.executable).with_name("act"),
                *(event, "--platform", f"ubuntu-latest={self.job_image}"),
                *("--pull=false", "--action-offline-mode", "--no-cache-server"),
                *("--network", "host", "--rm", "--json", "--secret-file", secret_file),
                *options,
            ],
            check=False,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=ACT_LIMIT_SECONDS,
        )
        return read_act_log(ended.returncode, ended.stdout)


@pytest.fixture(scope="session")
def job_image(provided: Provided) -> Iterator[str]:
    """Name the image that act runs jobs in; afterwards, remove the image that act built for `uses: ./`."""
    yield provided.job_image
    remove_image(ACT_IMAGE)


def remove_image(name: str) -> None:
    """Remove an image by its name, where it is there."""
    if call("docker", "image", "ls", "--quiet", name).split():
        call("docker", "image", "rm", name)


@pytest.fixture
def act(provided: Provided, job_image: str, exported: Path, tmp_path: Path) -> Act:
    """Run workflows under act, with the API key as the secret FINI_API_KEY."""
    checkout = Checkout(folder=tmp_path / "repository", home=tmp_path / "act-home", job_image=job_image)
    shutil.copytree(exported, checkout.folder)
    # act hands no argument to the build: its copy of the Dockerfile names the base that is there.
    dockerfile = checkout.folder / "Dockerfile"
    named, count = re.subn("(?m)^(ARG BASE_IMAGE=).+$", rf"\g<1>{provided.base_image}", dockerfile.read_text("utf-8"))
    assert count == 1
    dockerfile.write_text(named, encoding="utf-8")

    def run(jobs: Mapping[str, Mapping[str, object]]) -> ActEnded:
        workflow = checkout.folder / ".github" / "workflows" / "tried.yml"
        workflow.parent.mkdir(parents=True, exist_ok=True)
        workflow.write_text(json.dumps({"on": "push", "jobs": jobs}), encoding="utf-8")
        # An image that an earlier run left would hide what is wrong with this one.
        return checkout.act("push", "--workflows", workflow, "--rebuild", secrets={"FINI_API_KEY": KEY})

    return run


@pytest.fixture(scope="session")
def published_image(image: str) -> Iterator[str]:
    """Give the action's image the name by which act looks for it, so that not each run of an example builds it anew."""
    call("docker", "tag", image, PUBLISHED_IMAGE)
    yield PUBLISHED_IMAGE
    remove_image(PUBLISHED_IMAGE)


@pytest.fixture
def try_example(job_image: str, published_image: str, exported: Path, tmp_path: Path) -> TryExample:
    """Run examples under act, in a repository that holds nothing else; this checkout stands in for the action's own."""
    assert published_image

    def run(
        workflow: Path,
        event: str,
        url: str,
        *,
        inputs: Mapping[str, str],
        secrets: Mapping[str, str],
    ) -> ActEnded:
        checkout = Checkout(folder=tmp_path / "repository", home=tmp_path / "act-home", job_image=job_image)
        copied = checkout.folder / ".github" / "workflows" / workflow.name
        copied.parent.mkdir(parents=True)
        shutil.copy2(workflow, copied)
        return checkout.act(
            event,
            *("--workflows", copied, "--rebuild=false", "--local-repository", f"{PUBLISHED}={exported}"),
            *("--var", f"FINI_API_URL={url}"),
            *(option for name, value in inputs.items() for option in ("--input", f"{name}={value}")),
            secrets={"FINI_API_KEY": KEY, "FINI_WRITE_KEY": WRITE_KEY, **secrets},
        )

    return run


def read_act_log(exit_code: int, log: str) -> ActEnded:
    """Read act's JSON lines: what act shows of them, what the steps printed, and how each step ended."""
    quote: list[str] = []
    printed: list[str] = []
    printed_by_step: defaultdict[str, list[str]] = defaultdict(list)
    results: dict[str, str] = {}
    for line in log.splitlines():
        if not line.startswith("{"):
            quote.append(line)
            continue
        event: dict[str, Any] = json.loads(line)
        quote.append(event["msg"].rstrip("\r\n"))
        if event.get("raw_output"):
            printed.append(quote[-1])
            printed_by_step[event["step"]].append(quote[-1])
        if "stepResult" in event and event.get("stage") == "Main":
            results[event["step"]] = event["stepResult"]
    return ActEnded(
        exit_code=exit_code,
        log="\n".join(quote),
        printed=printed,
        printed_by_step=printed_by_step,
        results=results,
    )
