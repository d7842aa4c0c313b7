"""What the end-to-end tests share: the machine, the image, stand-in APIs, the runner, and workflows under act."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from fake_fini import FakeFini
from tests.e2e.act import ACTION_IMAGES
from tests.e2e.machine import IMAGE, LABEL, NODE_PACKAGES, ROOT, Images, build_image, call
from tests.e2e.runner import Runner
from tests.e2e.workflows import ActResult, ActRun, run_workflows
from tests.integration.clients import KEY, serving

# A fresh machine installs an engine and makes the base image; this limit only ends a hang.
PROVIDE_TIMEOUT_SECONDS = 1500
PROVIDE_UNAVAILABLE = 3


def provide(request: pytest.FixtureRequest, script: str, missing: str) -> str:
    """Run a script that prepares the machine, and return its output; if it cannot, skip the tests, or fail in CI."""
    # Show the progress: minutes of silence would look like a hang.
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        ended = subprocess.run(  # noqa: S603 - the tests' own script
            [ROOT / script],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=PROVIDE_TIMEOUT_SECONDS,
        )
    if ended.returncode == PROVIDE_UNAVAILABLE and os.environ.get("FINI_GATE_REQUIRE_E2E") != "1":
        pytest.skip(f"this machine has no {missing}; the output of {script} says why")
    if ended.returncode != 0:
        pytest.fail(f"{script} exited with {ended.returncode}", pytrace=False)
    return ended.stdout


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest) -> Images:
    """Prepare the machine."""
    return Images(*provide(request, "tests/e2e/provide", "Docker engine or no base image").split())


@pytest.fixture(scope="session")
def node_packages(request: pytest.FixtureRequest) -> Path:
    """Install other CIs' own programs, and return the folder with their packages."""
    provide(request, "tests/e2e/node/provide", "npm, or cannot reach its registry")
    return NODE_PACKAGES


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the repository as a fresh clone would have it: tracked and new files, but no ignored ones."""
    folder = tmp_path_factory.mktemp("exported")
    listed = call("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


@pytest.fixture(scope="session")
def image(images: Images, exported: Path) -> str:
    """Build the action's image as the runner does, from the whole checkout, but on the base image at hand."""
    build_image(IMAGE, exported, BASE_IMAGE=images.base)
    # Remove the image of the previous run, which has just lost its name.
    call("docker", "image", "prune", "--force", "--filter", f"label={LABEL}")
    return IMAGE


@pytest.fixture
def runner(image: str, tmp_path: Path) -> Iterator[Runner]:
    """Stand in for GitHub's runner."""
    runner = Runner(image, tmp_path / "github")
    yield runner
    # A failed test leaves its container running.
    if remaining := runner.remaining_containers():
        call("docker", "rm", "--force", *remaining)


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeFini]]:
    """Serve jobs (and faults) at stand-in APIs."""
    with ExitStack() as stack:
        yield lambda *jobs, **more: stack.enter_context(serving(*jobs, api_keys={KEY: ["read"]}, **more))


@pytest.fixture(scope="session", autouse=True)
def act_runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[ActRun, Future[ActResult]]]:
    """Run the workflows of the selected tests under act, in the background.

    Those of one event run one after the other: act names its containers after workflows and jobs.
    """
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    selected = dict.fromkeys(given["act_run"] for given in parameters if "act_run" in given)
    if not selected:
        yield {}
        return
    image, images, exported = (request.getfixturevalue(name) for name in ("image", "images", "exported"))
    for name in ACTION_IMAGES:
        call("docker", "tag", image, name)
    pools = {event: ThreadPoolExecutor(1) for event in {run.event for run in selected}}
    folders = {run: tmp_path_factory.mktemp("act") for run in selected}
    yield {run: pools[run.event].submit(run_workflows, run, folders[run], exported, images.job) for run in selected}
    for pool in pools.values():
        pool.shutdown(cancel_futures=True)
    call("docker", "image", "rm", *ACTION_IMAGES)
