import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fini_gate.errors import UsageError
from fini_gate.output.results import check_results_file, results_json, write_results_file
from tests.unit.verdicts import ALL, COMPLETED, HOSTILE, many, verdict

VERDICT = verdict(*ALL, COMPLETED._replace(id=HOSTILE), elapsed_seconds=1.26)


@pytest.mark.parametrize("count", [0, 1, 1000, 2001])
def test_document__has_every_job_once(count: int) -> None:
    """However many pieces it is written in, the document is JSON with every job in order."""
    jobs = many(COMPLETED, count)
    document = json.loads("".join(results_json(verdict(*jobs, elapsed_seconds=1.26))))
    assert (document["elapsedSeconds"], [job["id"] for job in document["jobs"]]) == (1.3, [job.id for job in jobs])


@given(st.lists(st.sampled_from(["..", ".", "a", "in", "out", "loop", "", "\udcff", "é"]), max_size=6).map("/".join))
@example("loop/../../x")
@example("a\0b")
def test_results_file__at_any_path_stays_inside_or_is_rejected(
    tmp_path_factory: pytest.TempPathFactory, path: str
) -> None:
    """Whatever the path, it is rejected, cannot be written, or is written inside; outside nothing changes."""
    base = tmp_path_factory.mktemp("base")
    workspace = base / "deep" / "workspace"
    (workspace / "a").mkdir(parents=True)
    (workspace / "in").symlink_to("a")
    (workspace / "out").symlink_to("..")
    (workspace / "loop").symlink_to("loop")
    is_written = False
    with contextlib.suppress(UsageError):
        check_results_file(workspace, path)
        with contextlib.suppress(OSError, ValueError):
            write_results_file(workspace, path, VERDICT)
            is_written = True
    files = [file for file in base.rglob("*") if file.is_file() and not file.is_symlink()]
    assert [file.read_text() for file in files] == (["".join(results_json(VERDICT))] if is_written else [])
    assert all(workspace in file.parents for file in files)
