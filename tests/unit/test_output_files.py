import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import junitparser
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fini_gate.errors import UsageError
from fini_gate.output.files import OutputFiles, check_paths, usable_paths
from fini_gate.output.results import results_json
from fini_gate.settings import Settings
from tests.unit.verdicts import ALL, COMPLETED, HOSTILE, verdict

KEY = "fini_0123456789abcdef"
VERDICT = verdict(*ALL, COMPLETED._replace(id=HOSTILE), elapsed_seconds=1.26)
STARTED_AT = datetime(2026, 6, 11, 12, tzinfo=UTC)
PATHS = {"results-file": "r.json", "junit-file": "out/j.xml", "dotenv-file": "v.env", "summary-file": "s.md"}


def _find(workspace: Path, paths: Mapping[str, str]) -> tuple[dict[str, str], str]:
    environ = {f"INPUT_{name.upper()}": path for name, path in paths.items()}
    settings = Settings(environ={**environ, "GITHUB_WORKSPACE": str(workspace)})
    try:
        check_paths(settings)
    except UsageError as error:
        return usable_paths(settings, KEY), str(error)
    return usable_paths(settings, KEY), ""


def _write(workspace: Path, paths: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    failures = list[str]()
    files = OutputFiles(workspace, paths, STARTED_AT, lambda path, error: failures.append(f"{path}: {error}"))
    return files.write(VERDICT), failures


def test_files__are_all_written(tmp_path: Path) -> None:
    """Each has its own format, and the variables name every file, their own included."""
    assert _write(tmp_path, PATHS) == (PATHS, [])
    texts = {name: (tmp_path / path).read_text(encoding="utf-8") for name, path in PATHS.items()}
    assert len(json.loads(texts["results-file"])["jobs"]) == 8
    assert sum(len(suite) for suite in junitparser.JUnitXml.fromstring(texts["junit-file"].encode())) == 8
    assert 'timestamp="2026-06-11T12:00:00"' in texts["junit-file"]
    assert texts["summary-file"].startswith("### ❌ Fini gate: ")
    for name, path in PATHS.items():
        assert f"FINI_GATE_{name.replace('-', '_').upper()}={path}\n" in texts["dotenv-file"]


def test_files__that_are_not_asked_for_are_not_written(tmp_path: Path) -> None:
    """Without paths nothing happens."""
    assert _write(tmp_path, {}) == ({}, [])
    assert list(tmp_path.iterdir()) == []


def test_file__that_cannot_be_written_costs_no_other(tmp_path: Path) -> None:
    """The failure is reported, and the variables do not name that file."""
    paths = {**PATHS, "junit-file": "x" * 300}
    written, failures = _write(tmp_path, paths)
    assert written.keys() == PATHS.keys() - {"junit-file"}
    assert len(failures) == 1
    assert "File name too long" in failures[0]
    assert "JUNIT" not in (tmp_path / "v.env").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("paths", "usable", "problem"),
    [
        (PATHS, PATHS.keys(), ""),
        (
            {**PATHS, "junit-file": "../j.xml"},
            PATHS.keys() - {"junit-file"},
            "Input junit-file is '../j.xml': it must be a path inside the workspace.",
        ),
        (
            {**PATHS, "junit-file": "../j.xml", "dotenv-file": "/v"},
            {"results-file", "summary-file"},
            "Input junit-file is '../j.xml': it must be a path inside the workspace.",
        ),
        (
            {"results-file": "a", "summary-file": "b/../a"},
            {"results-file"},
            "Input summary-file is 'b/../a', and so is results-file: each file needs a path of its own.",
        ),
        # `Inputs` rejects these.
        ({**PATHS, "junit-file": f"{KEY}.xml"}, PATHS.keys() - {"junit-file"}, ""),
        ({**PATHS, "junit-file": "a\nb"}, PATHS.keys() - {"junit-file"}, ""),
    ],
)
def test_paths__that_are_wrong_cost_no_others(
    tmp_path: Path, paths: Mapping[str, str], usable: set[str], problem: str
) -> None:
    """Each other file can be written, even if only to report that usage error."""
    found, text = _find(tmp_path, paths)
    assert (set(found), text) == (set(usable), problem)


@given(st.lists(st.sampled_from(["..", ".", "a", "in", "out", "loop", "", "\udcff", "é"]), max_size=6).map("/".join))
@example("loop/../../x")
@example("a\0b")
def test_file__at_any_path_stays_inside_or_is_rejected(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    """Whatever the path, it is rejected, cannot be written, or is written inside; outside nothing changes."""
    base = tmp_path_factory.mktemp("base")
    workspace = base / "deep" / "workspace"
    (workspace / "a").mkdir(parents=True)
    (workspace / "in").symlink_to("a")
    (workspace / "out").symlink_to("..")
    (workspace / "loop").symlink_to("loop")
    usable, _ = _find(workspace, {"results-file": path})
    written, _ = _write(workspace, usable)
    files = [file for file in base.rglob("*") if file.is_file() and not file.is_symlink()]
    assert [file.read_text() for file in files] == (["".join(results_json(VERDICT))] if written else [])
    assert all(workspace in file.parents for file in files)
