import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import UsageError
from fini_gate.output.results import check_results_file, results_json, write_results_file
from tests.unit.verdicts import ALL, COMPLETED, HOSTILE, many, verdict

VERDICT = verdict(*ALL, COMPLETED._replace(id=HOSTILE), elapsed_seconds=1.26)


@pytest.mark.parametrize("count", [0, 1, 1000, 2001])
def test_document__has_every_job_once(count: int) -> None:
    """However many pieces it is written in, the document is JSON with every job in order."""
    jobs = many(COMPLETED, count)
    document = json.loads("".join(results_json(verdict(*jobs))))
    assert [job["id"] for job in document["jobs"]] == [job.id for job in jobs]


@pytest.mark.parametrize("path", ["../results.json", ".", "out/new/results.json", "loop/../../x", "a\0b"])
def test_results_file__outside_the_workspace_is_rejected(tmp_path: Path, path: str) -> None:
    """A path that leads out of the workspace, by itself or through links, is a usage error."""
    (tmp_path / "out").symlink_to("..")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError) as rejection:
        check_results_file(tmp_path, path)
    assert str(rejection.value) == (
        f"Input results-file is {path!r}: it must be a path inside the workspace, relative to it."
    )


@given(st.lists(st.sampled_from(["..", ".", "a", "in", "out", "", "\udcff", "é"]), max_size=6).map("/".join))
def test_results_file__at_any_path_stays_inside_or_is_rejected(
    tmp_path_factory: pytest.TempPathFactory, path: str
) -> None:
    """Whatever the path, it is rejected, cannot be written, or is written inside; outside nothing changes."""
    base = tmp_path_factory.mktemp("base")
    workspace = base / "deep" / "workspace"
    (workspace / "a").mkdir(parents=True)
    (workspace / "in").symlink_to("a")
    (workspace / "out").symlink_to("..")
    is_written = True
    try:
        check_results_file(workspace, path)
        write_results_file(workspace, path, VERDICT)
    except (UsageError, OSError):
        is_written = False
    files = [file for file in base.rglob("*") if file.is_file() and not file.is_symlink()]
    assert [file.read_text() for file in files] == (["".join(results_json(VERDICT))] if is_written else [])
    assert all(workspace in file.parents for file in files)
