import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from docs.picture.draw import FOLDER, draw, filled, in_page, run_page
from fini_gate.models import Job, JobState
from fini_gate.output.summary import MAX_CHART_JOBS, summary
from fini_gate.verdict import decide

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CANNOT_BE_HAD = 3
CHART = re.compile("^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Each means something to Mermaid, to YAML, or to HTML.
HOSTILE = (
    *("title x", "section x", "call x()", 'click x href "y"', "monday", "2026-01-01", "gantt", "dateFormat x", "end"),
    *("a:b", "a;b", "#1", "#35;", "%%", "%%{init: {}}%%", "---", "--- a", "after x", "until x", "done, crit", "x, 1d"),
    *("```", "`x`", "<br>", "<b>x</b>", "$$x^2$$", "accTitle: x", "accDescr { x }", "}", '"', "'", "\\", "a\\nb", "{"),
    *("7", "   ", "\u00a0", "::::", "\u202e", "\u200b", "\ud800", "字" * 40, "🚀", "e\u0301", "x" * 200, "constructor"),
)
IDS = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=3).map(" ".join),
    st.text(min_size=1, max_size=60),
)
TIMES = st.one_of(
    st.none(),
    st.sampled_from(
        [
            *("2026-01-12T09:30:00Z", "2026-01-12T09:30:00.0004Z", "2026-01-12T09:30:00.001Z", "2026-01-12T09:30:07"),
            *("2026-01-12T11:30:00+02:00", "2024-02-29T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.5Z"),
            *("1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"),
            *("9999-12-31T23:59:59-14:00", "soon", "2026-02-30T00:00:00Z", ""),
        ]
    ),
    st.datetimes(datetime(2026, 1, 12), datetime(2026, 1, 13), timezones=st.just(UTC)).map(datetime.isoformat),  # noqa: DTZ001 - the bounds of a strategy have no zone
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
)
JOBS = st.builds(
    Job,
    id=IDS,
    state=st.sampled_from(JobState),
    created_at=TIMES,
    started_at=TIMES,
    completed_at=TIMES,
)


@pytest.fixture(scope="session", autouse=True)
def _provided() -> None:
    """Ready the machine: a browser, and the packages that draw."""
    ended = subprocess.run(  # noqa: S603 - the project's own script
        [FOLDER / "provide"], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=600
    )
    if ended.returncode == CANNOT_BE_HAD and os.environ.get("FINI_GATE_REQUIRE_E2E") != "1":
        pytest.skip("no browser or no packages to draw with can be had on this machine; docs/picture/provide says why")
    if ended.returncode != 0:
        pytest.fail(f"docs/picture/provide exited with {ended.returncode}", pytrace=False)


def _job_sets() -> list[list[Job]]:
    """Make up sets of jobs; all are made before the first is looked at, since a browser takes its time to start."""
    found: list[list[Job]] = []

    @settings(max_examples=400, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(JOBS, max_size=8) | st.lists(JOBS, min_size=MAX_CHART_JOBS, max_size=MAX_CHART_JOBS + 20))
    def collect(jobs: list[Job]) -> None:
        found.append(jobs)

    collect()
    return found


def _chart(jobs: Sequence[Job]) -> str | None:
    """Take the chart out of the jobs' summary."""
    charts = CHART.findall(summary(decide(jobs, elapsed_seconds=1), results_file=""))
    assert len(charts) <= 1
    return charts[0] if charts else None


def _read_by_mermaid(charts: Sequence[str | None], folder: Path) -> list[dict[str, Any]]:
    page = folder / "charts.html"
    template = Path(__file__).with_name("charts.html").read_text(encoding="utf-8")
    page.write_text(filled(template, CHARTS=in_page(charts)), encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(run_page(page)["found"])
    assert len(found) == len(charts)
    return found


def _ms(text: str | None) -> int | None:
    """Milliseconds since 1970, of a time that is later."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return round(seconds * 1000) if seconds > 0 else None


def _has_chart(job: Job) -> bool:
    times = [time for time in (_ms(job.created_at), _ms(job.started_at), _ms(job.completed_at)) if time is not None]
    return bool(times) and (len(times) > 1 or _ms(job.completed_at) is None)


def _bars(job: Job, now: int) -> list[dict[str, Any]]:
    """Say which bars a job has to have, from its times alone."""
    created, started, ended = _ms(job.created_at), _ms(job.started_at), _ms(job.completed_at)
    bars = []
    begin = started if started is not None else min(time for time in (created, ended) if time is not None)
    if created is not None and started is not None and created < started:
        bars.append({"start": created, "end": started, "tags": ["done"]})
    is_queued = job.state is JobState.PENDING and started is None
    tags = {JobState.FAILED: ["crit"], JobState.PENDING: ["done" if is_queued else "active"]}.get(job.state, [])
    bars.append({"start": begin, "end": max(begin + 1, ended if ended is not None else now), "tags": tags})
    return bars


def test_chart__is_read_by_mermaid_as_it_was_meant(tmp_path: Path) -> None:
    """Whatever the IDs and times, Mermaid finds a section for each job with the bars of its times, and draws them."""
    job_sets = [jobs for jobs in _job_sets() if any(map(_has_chart, jobs))]
    assert len(job_sets) > 100
    charts = [_chart(jobs) for jobs in job_sets]
    for jobs, chart, found in zip(job_sets, charts, _read_by_mermaid(charts, tmp_path), strict=True):
        assert "error" not in found, chart
        charted = [job for job in jobs if _has_chart(job)]
        assert len(found["sections"]) == min(len(charted), MAX_CHART_JOBS), chart
        numbers = [int(re.match(r"(\d+) ", name).group(1)) for name in found["sections"]]  # type: ignore[union-attr] # no match is a failure
        assert len(set(numbers)) == len(numbers)
        assert found["labels"] == found["sections"], chart
        assert found["bars"] == len(found["tasks"]), chart
        # The bars of a job stand on one line.
        assert found["rows"] == len(found["sections"]), chart
        times = [_ms(text) for job in charted for text in (job.created_at, job.started_at, job.completed_at)]
        now = max(time for time in times if time is not None)
        for number, name in zip(numbers, found["sections"], strict=True):
            tasks = [task for task in found["tasks"] if task["section"] == name]
            wanted = _bars(jobs[number - 1], now)
            # The last bar has a text that shows.
            assert [bool(task["text"].strip("\u200b")) for task in tasks][-1:] == [True], chart
            bars = [{part: task[part] for part in ("start", "end", "tags")} for task in tasks]
            assert bars == wanted, f"{chart}\n{jobs[number - 1]}"


@pytest.mark.parametrize("width", [400, 800])
def test_picture__is_as_wide_as_asked_for(tmp_path: Path, width: int) -> None:
    """A summary with hostile IDs can be drawn."""
    jobs = [Job(id=text, created_at="2026-01-12T09:30:00Z", completed_at="2026-01-12T09:30:07Z") for text in HOSTILE]
    picture = tmp_path / "summary.png"
    draw(summary(decide(jobs, elapsed_seconds=7), results_file=""), picture, width=width)
    head = picture.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(head[16:20], "big") == width


def test_picture__command_draws_the_example(tmp_path: Path) -> None:
    """`make picture` writes a picture without being given a summary."""
    assert shutil.which("chromium-headless-shell")
    picture = tmp_path / "example.png"
    command = [sys.executable, "-m", "docs.picture.draw", str(picture)]
    subprocess.run(command, check=True, cwd=FOLDER.parents[1], stdin=subprocess.DEVNULL, timeout=300)  # noqa: S603 - the project's own module
    assert picture.stat().st_size > 10_000
