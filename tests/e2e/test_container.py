import json
import os
import ssl
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import trustme

from fake_fini import FakeFini
from tests.e2e.machine import LABEL, call
from tests.e2e.runner import ACTION, HARDENED, Runner, Step
from tests.integration.clients import KEY
from tests.integration.servers import Server, tunnelling, whole

# The image is built in a fixture: only a test's own time counts.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120, func_only=True)]

Serve = Callable[..., FakeFini]

FIXED_INTERVAL = {"api-key": KEY, "poll-interval": "200ms", "max-poll-interval": "200ms", "not-found-grace": "0s"}

# The slower job comes first: outputs keep the order of the job IDs, not the order in which jobs finish.
SLOW = {"id": "slow", "runs-for": "2s", "article-id": "article-of-slow"}
QUICK = {"id": "quick", "article-id": "article-of-quick"}
BROKEN = {"id": "broken", "ends-as": "FAILED", "error": "the source could not be read"}
ENDLESS = {"id": "endless", "runs-for": "never"}
COMPLETED = b'{"jobs": [{"id": "a", "jobStatus": "COMPLETED", "hcArticleId": "article-1"}]}'


@pytest.mark.parametrize(
    ("inputs", "exit_code", "outputs"),
    [
        pytest.param(
            {"job-ids": "slow, quick"},
            0,
            {
                "result": "success",
                "article-ids": ["article-of-slow", "article-of-quick"],
                "article-ids-lines": "article-of-slow\narticle-of-quick",
                "articles-by-job": {"slow": "article-of-slow", "quick": "article-of-quick"},
                "completed-job-ids": ["slow", "quick"],
                "article-count": 2,
            },
            id="success",
        ),
        pytest.param(
            {"job-ids": "broken quick unheard-of"},
            1,
            {
                "result": "failure",
                "article-ids": ["article-of-quick"],
                "completed-job-ids": ["quick"],
                "failed-job-ids": ["broken"],
                "missing-job-ids": ["unheard-of"],
            },
            id="failure",
        ),
    ],
)
def test_container__keeps_the_contract(
    runner: Runner, serve: Serve, inputs: Mapping[str, str], exit_code: int, outputs: Mapping[str, object]
) -> None:
    """The gate writes all outputs and a summary, masks the key before anything else, and writes no other file."""
    given = {**FIXED_INTERVAL, "api-url": serve(SLOW, QUICK, BROKEN, ENDLESS).url, **inputs}
    ended = runner.run(given, environ={"RUNNER_DEBUG": "1", "ACTIONS_STEP_DEBUG": "true"})
    assert ended.exit_code == exit_code, ended.log
    for name, value in outputs.items():
        assert ended.outputs[name] == (value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))
    assert ended.outputs.keys() == ACTION["outputs"].keys()
    assert ended.outputs["message"]
    assert ended.summary.strip()
    assert ("::error" in ended.log) == (exit_code != 0)
    first_line, _, rest = ended.log.partition("\n")
    assert first_line == f"::add-mask::{given['api-key']}"
    assert rest.strip()
    assert given["api-key"] not in rest + ended.summary + "".join(ended.outputs.values())
    assert [*runner.workspace.rglob("*"), *runner.home.rglob("*")] == []


@pytest.mark.parametrize(("stop", "exit_code"), [(Step.kill, 143), (Step.cancel, 130)], ids=["SIGTERM", "cancel"])
def test_container__stops_at_once(runner: Runner, serve: Serve, stop: Callable[[Step], None], exit_code: int) -> None:
    """A signal ends a long wait: within 5 s everything is written and the container is gone."""
    intervals = {"poll-interval": "10m", "max-poll-interval": "10m"}
    given = {"api-key": KEY, **intervals, "api-url": serve(QUICK, ENDLESS).url, "job-ids": "quick endless"}
    step = runner.start(given)
    # The first poll's result.
    step.wait_for("1/2")
    stop(step)
    ended = step.wait(timeout_seconds=5)
    assert ended.exit_code == exit_code, ended.log
    assert ended.outputs["result"] == "cancelled"
    assert (ended.ids("completed"), ended.ids("pending")) == (["quick"], ["endless"])
    assert ended.outputs.keys() == ACTION["outputs"].keys()
    assert ended.summary.strip()
    assert "::error" in ended.log
    assert runner.remaining_containers() == []


def _plant(folder: Path) -> None:
    """Put into a folder what could make Python run its code or make the gate send another key."""
    planted = 'print("planted code ran", flush=True)\nraise SystemExit(0)\n'
    for name in ("actions_toolkit", "backoff", "encodings", "fini_gate", "json", "requests", "signal", "yaml"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(planted, encoding="utf-8")
    for name in ("json.py", "requests.py", "sitecustomize.py", "startup.py", "usercustomize.py", "yaml.py"):
        (folder / name).write_text(planted, encoding="utf-8")
    (folder / ".netrc").write_text("default login planted password planted\n", encoding="utf-8")
    (folder / ".netrc").chmod(0o600)
    (folder / "pyvenv.cfg").write_text("home = /github/workspace\n", encoding="utf-8")


def test_hostile_checkout__changes_nothing(runner: Runner, serve: Serve) -> None:
    """Modules and a .netrc planted in the checkout and the home have no effect, whatever variables point at them."""
    _plant(runner.workspace)
    _plant(runner.home)
    environ = {
        "NETRC": "/github/workspace/.netrc",
        "PYTHONHOME": "/github/workspace",
        "PYTHONINSPECT": "1",
        "PYTHONPATH": "/github/workspace",
        "PYTHONSTARTUP": "/github/workspace/startup.py",
        "PYTHONUSERBASE": "/github/home",
        "PYTHONWARNINGS": "error",
    }
    ended = runner.run({**FIXED_INTERVAL, "api-url": serve(QUICK).url, "job-ids": "quick"}, environ=environ)
    assert "planted code ran" not in ended.log
    assert ended.exit_code == 0, ended.log
    assert json.loads(ended.outputs["article-ids"]) == ["article-of-quick"]


def test_hostile_checkout__takes_over_a_python_that_is_not_isolated(runner: Runner) -> None:
    """Without isolation the planted code runs, which shows that the test above can fail."""
    _plant(runner.workspace)
    assert "planted code ran" in call(*runner.docker_run("--entrypoint", "python"), "-m", "fini_gate")


def test_container__needs_little_memory(runner: Runner, serve: Serve) -> None:
    """96 MiB are enough for 10,000 jobs after two responses of a gigabyte; the results belong to the runner's user."""
    count = 10_000
    jobs = [{"backgroundJobId": f"job-{number}", "documentId": f"source-{number}"} for number in range(1, count + 1)]
    (runner.workspace / "response.json").write_text(json.dumps({"jobs": jobs}), encoding="utf-8")
    if os.geteuid() == 0:
        os.chown(runner.workspace, 1001, 1001)
    floods = [{"requests": 1, "do": {"gzip-bomb": 1000}}, {"requests": 2, "do": {"huge": 1000}}]
    api = serve(generate={"count": count, "prefix": "job-", "runs-for": "0s"}, faults=floods)
    files = {"job-ids-file": "response.json", "results-file": "reports/deep/results.json"}
    # The stand-in takes seconds to compress a gigabyte, and longer on a busy machine.
    inputs = {**FIXED_INTERVAL, **files, "api-url": api.url, "request-timeout": "2m"}
    ended = runner.run(inputs, options=["--memory", "96m", "--memory-swap", "96m"])
    assert ended.exit_code == 0, ended.log
    assert ended.outputs["completed-count"] == str(count)
    assert ended.log.count("16 MiB") == len(floods)
    assert ended.outputs["results-file"] == files["results-file"]
    results = runner.workspace / files["results-file"]
    assert len(json.loads(results.read_text(encoding="utf-8"))["jobs"]) == count
    owner = runner.workspace.stat()
    for path in (results, results.parent, results.parent.parent):
        assert (path.stat().st_uid, path.stat().st_gid) == (owner.st_uid, owner.st_gid), path


def test_container__trusts_a_private_authority_without_a_disk(runner: Runner) -> None:
    """Behind a proxy with a login, `ca-bundle` works where nothing can be written."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.example").configure_cert(tls)
    ca_bundle = authority.cert_pem.bytes().decode()
    inputs = {"api-key": KEY, "api-url": "https://api.example", "job-ids": "a", "ca-bundle": ca_bundle}
    with (
        Server([whole(COMPLETED)], tls=tls) as server,
        Server(tunnelling(server.port, login="someone:password")) as proxy,
    ):
        address = proxy.url.replace("//", "//someone:password@")
        ended = runner.run(inputs, environ={"HTTPS_PROXY": address}, options=HARDENED)
    assert ended.exit_code == 0, ended.log
    assert ended.outputs["article-ids"] == '["article-1"]'
    assert "password" not in ended.log


@pytest.fixture
def isolated_api(runner: Runner, exported: Path, tmp_path: Path) -> Iterator[str]:
    """Start a stand-in API in a container without a network and let the runner's containers join it there."""
    (tmp_path / "scenario.yaml").write_text(json.dumps({"jobs": [QUICK]}), encoding="utf-8")
    name = f"fini-gate-e2e-api-{uuid.uuid4().hex}"
    container = f"docker run --rm --name {name} --label {LABEL} --network none --workdir /repository"
    volumes = f"--volume={exported}:/repository:ro --volume={tmp_path}/scenario.yaml:/scenario.yaml:ro"
    api = f"--entrypoint python {runner.image} -u -m fake_fini --port 8000 --scenario /scenario.yaml"
    command = f"{container} {volumes} {api}".split()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        assert process.stdout is not None
        assert process.stdout.readline()
        runner.network = f"container:{name}"
        yield "http://127.0.0.1:8000"
        call("docker", "rm", "--force", name)


def test_container__needs_no_network_but_the_apis(runner: Runner, isolated_api: str) -> None:
    """Read-only, without capabilities, and with nothing but the API in reach, the gate passes."""
    inputs = {**FIXED_INTERVAL, "api-url": isolated_api, "job-ids": "quick", "results-file": "results.json"}
    ended = runner.run(inputs, options=HARDENED)
    assert ended.exit_code == 0, ended.log
    assert json.loads(ended.outputs["article-ids"]) == ["article-of-quick"]
    assert (runner.workspace / "results.json").is_file()
    assert ended.summary.strip()
