"""Check in a browser that Mermaid reads the summary's chart as it is meant, and that a summary can be drawn."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from docs.picture.draw import FOLDER, draw, fill_in, run_scripts, summarize
from fini_gate.models import Job, JobState
from fini_gate.output.summary.chart import MAX_CHART_JOBS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CANNOT_INSTALL = 3
# Each means something to Mermaid, YAML or HTML.
HOSTILE = (
    *("title x", "section x", "call x()", 'click x href "y"', "monday", "2026-01-01", "gantt", "dateFormat x", "end"),
    *("a:b", "a;b", "#1", "#35;", "%%", "%%{init: {}}%%", "---", "--- a", "after x", "until x", "done, crit", "x, 1d"),
    *("```", "`x`", "<br>", "<b>x</b>", "$$x^2$$", "accTitle: x", "accDescr { x }", "}", '"', "'", "\\", "a\\nb", "{"),
    *("7", "   ", "\u00a0", "::::", "\u202e", "\u200b", "\ud800", "字" * 40, "🚀", "e\u0301", "x" * 200, "constructor"),
)
SPECIAL_TIMES = (
    *("2026-01-12T09:30:00Z", "2026-01-12T09:30:00.0004Z", "2026-01-12T09:30:00.001Z", "2026-01-12T09:30:07", ""),
    *("2026-01-12T11:30:00+02:00", "2024-02-29T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.5Z", "soon"),
    *("1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"),
    *("9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z"),
)
IDS = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=3).map(" ".join),
    st.text(min_size=1, max_size=60),
)
DAY = datetime.fromisoformat("2026-01-12"), datetime.fromisoformat("2026-01-13")
TIMES = st.one_of(
    st.none() | st.sampled_from(SPECIAL_TIMES),
    st.datetimes(*DAY, timezones=st.just(UTC)).map(datetime.isoformat),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
)
JOBS = st.builds(Job, id=IDS, state=st.sampled_from(JobState), created_at=TIMES, started_at=TIMES, completed_at=TIMES)


@pytest.fixture(scope="module", autouse=True)
def _provided() -> None:
    """Install a browser and the packages that draw."""
    ended = subprocess.run([FOLDER / "provide"], check=False, stdin=subprocess.DEVNULL, timeout=600)  # noqa: S603 - ours
    if ended.returncode == CANNOT_INSTALL and os.environ.get("FINI_GATE_REQUIRE_E2E") != "1":
        pytest.skip("docs/picture/provide cannot install a browser or the packages that draw")
    assert ended.returncode == 0


def milliseconds(text: str | None) -> int | None:
    """Return the time since 1970, or None if the text is not a later time."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return round(seconds * 1000) if seconds > 0 else None


def times(job: Job) -> list[int | None]:
    """Return when a job was created, started and completed."""
    return [milliseconds(text) for text in (job.created_at, job.started_at, job.completed_at)]


def is_charted(job: Job) -> bool:
    """Tell if the chart has a job: the time of its creation or start is known."""
    created, started, _ = times(job)
    return created is not None or started is not None


def expected_bars(job: Job, now: int) -> list[dict[str, Any]]:
    """Return the bars that a job must have, by its times."""
    created, started, completed = times(job)
    begin = started if started is not None else min(time for time in (created, completed) if time is not None)
    bars = []
    if created is not None and started is not None and created < started:
        bars.append({"start": created, "end": started, "tags": ["done"]})
    pending_tag = "done" if started is None else "active"
    tags = {JobState.FAILED: ["crit"], JobState.PENDING: [pending_tag]}.get(job.state, [])
    bars.append({"start": begin, "end": max(begin + 1, now if completed is None else completed), "tags": tags})
    return bars


def job_sets() -> list[list[Job]]:
    """Make up sets of jobs. The browser takes seconds to start, so it reads the charts of all sets at once."""
    found: list[list[Job]] = []

    @settings(max_examples=400, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(JOBS, max_size=8) | st.lists(JOBS, min_size=MAX_CHART_JOBS, max_size=MAX_CHART_JOBS + 20))
    def collect(jobs: list[Job]) -> None:
        if any(map(is_charted, jobs)):
            found.append(jobs)

    collect()
    return found


def charts_of(job_sets: Sequence[Sequence[Job]]) -> list[str]:
    """Return the chart in the summary of each set of jobs."""
    pattern = re.compile("^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    charts = [pattern.findall(summarize(jobs)) for jobs in job_sets]
    assert {len(found) for found in charts} == {1}
    return [chart for (chart,) in charts]


def test_chart__is_read_by_mermaid_as_it_was_meant(tmp_path: Path) -> None:
    """Whatever the IDs and times, Mermaid finds a section per job with the bars of its times, and draws them."""
    sets = job_sets()
    assert len(sets) > 100
    charts = charts_of(sets)
    page = tmp_path / "charts.html"
    fill_in(Path(__file__).with_name("charts.html"), page, CHARTS=charts)
    for jobs, chart, found in zip(sets, charts, json.loads(run_scripts(page)["found"]), strict=True):
        assert "error" not in found, chart
        charted = [job for job in jobs if is_charted(job)]
        assert len(found["sections"]) == min(len(charted), MAX_CHART_JOBS), chart
        numbers = [int(name.partition(" ")[0]) for name in found["sections"]]
        assert len(set(numbers)) == len(numbers)
        # All is drawn, and the bars of a job are in one row.
        assert found["labels"] == found["sections"], chart
        assert (found["bars"], found["rows"]) == (len(found["tasks"]), len(found["sections"])), chart
        now = max(time for job in charted for time in times(job) if time is not None)
        for number, name in zip(numbers, found["sections"], strict=True):
            tasks = [task for task in found["tasks"] if task["section"] == name]
            # The last bar has a visible text.
            assert tasks[-1]["text"].strip("\u200b"), chart
            bars = [{part: task[part] for part in ("start", "end", "tags")} for task in tasks]
            assert bars == expected_bars(jobs[number - 1], now), f"{chart}\n{jobs[number - 1]}"


def test_picture__is_as_wide_as_asked_for(tmp_path: Path) -> None:
    """A summary with hostile IDs can be drawn for a phone."""
    jobs = [Job(id=text, created_at="2026-01-12T09:30:00Z", completed_at="2026-01-12T09:30:07Z") for text in HOSTILE]
    draw(jobs, tmp_path / "summary.png", width=400)
    head = (tmp_path / "summary.png").read_bytes()[:24]
    assert (head[:6], int.from_bytes(head[16:20], "big")) == (b"\x89PNG\r\n", 400)


def test_picture__command_draws_the_example(tmp_path: Path) -> None:
    """`make picture` draws an example."""
    picture = tmp_path / "example.png"
    command = [sys.executable, "-m", "docs.picture.draw", str(picture)]
    subprocess.run(command, check=True, cwd=FOLDER.parents[1], timeout=300)  # noqa: S603 - our own
    assert picture.stat().st_size > 10_000
