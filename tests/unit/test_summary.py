import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.errors import CancelledError, OutageError, UsageError
from fini_gate.models import Job, JobState
from fini_gate.output.report import advice
from fini_gate.output.summary import MAX_CHART_JOBS, MAX_SUMMARY_BYTES, summary
from fini_gate.output.timing import job_timings, percentile
from fini_gate.verdict import Limit, Verdict, decide

HOSTILE = "\n::error::planted\r##[error]<b>@team `|` [x](http://y) ```\n</details>\x1b[2K\u2028"
# Cells end at a bar that no backslash takes the meaning of.
BAR = re.compile(r"(?<!\\)(?:\\\\)*\|")


def _at(seconds: float) -> str:
    return f"2026-06-11T12:{int(seconds) // 60:02}:{seconds % 60:06.3f}Z"


def _job(name: str, *, queued: float = 1, ran: float = 3, state: JobState = JobState.COMPLETED) -> Job:
    return Job(
        id=name,
        state=state,
        status="COMPLETED",
        article_id=f"article-{name}",
        created_at=_at(0),
        started_at=_at(queued),
        completed_at=_at(queued + ran),
    )


DONE = _job("done")
FAILED = _job("bad", state=JobState.FAILED)._replace(reason="no text", document_id="doc-2")
RUNNING = Job(id="slow", status="IN_PROGRESS", created_at=_at(0), started_at=_at(2))
QUEUED = Job(id="new", status="PENDING", created_at=_at(1))
MISSING = Job(id="gone", state=JobState.MISSING, reason="the API does not know the ID")
UNREADABLE = Job(id="dark", state=JobState.UNREADABLE, reason="HTTP 500")
ALL = (DONE, QUEUED, UNREADABLE, RUNNING, MISSING, FAILED)


def _changed(job: Job, **fields: Any) -> Job:  # noqa: ANN401 - each has its own type
    return job._replace(**fields)


def _summary(*jobs: Job, results_file: str = "", **how: Any) -> str:  # noqa: ANN401 - an error or a limit
    return summary(_verdict(*jobs, **how), results_file=results_file)


def _verdict(*jobs: Job, **how: Any) -> Verdict:  # noqa: ANN401 - an error or a limit
    return decide(jobs, elapsed_seconds=65, **how)


def _plain(text: str) -> str:
    """Leave out what is fenced as code."""
    return re.sub(r"^(`{3,})[a-z]*\n.*?^\1\n", "", text, flags=re.MULTILINE | re.DOTALL)


def _rows(text: str) -> list[list[str]]:
    """Give the table's rows, as cells."""
    return [
        [cell.strip() for cell in BAR.split(line)[1:-1]]
        for line in _plain(text).splitlines()
        if line.startswith("|") and "---" not in line
    ]


def _chart(text: str) -> list[str]:
    """Give the chart's lines behind its head."""
    found = re.search(
        r"^```mermaid\n.*?axisFormat [^\n]*\n(?:tickInterval [^\n]*\n)?(.*?)^```", text, re.MULTILINE | re.DOTALL
    )
    return found[1].splitlines() if found else []


# --- What stands at the top


@pytest.mark.parametrize(
    ("jobs", "how", "headline"),
    [
        ((DONE,), {}, "### ✅ Fini gate: All jobs completed"),
        ((FAILED,), {}, "### ❌ Fini gate: Not all jobs completed"),
        ((QUEUED,), {"limit": Limit("timeout", 30)}, "### ⏰ Fini gate: Timed out"),
        ((UNREADABLE,), {}, "### ⚠️ Fini gate: No verdict"),
        ((QUEUED,), {"error": CancelledError(15)}, "### 🚫 Fini gate: Cancelled"),
        ((), {"error": UsageError("Input timeout is wrong.")}, "### ⚠️ Fini gate: Wrong input"),
    ],
)
def test_summary__begins_with_the_outcome(jobs: tuple[Job, ...], how: dict[str, Any], headline: str) -> None:
    """The first line says how it ended; the message, with counts and time, follows."""
    lines = _summary(*jobs, **how).splitlines()
    assert lines[0] == headline
    assert lines[1] == ""
    assert lines[2].endswith("after 1m5s\\." if jobs else "is wrong\\.")


def test_summary__without_jobs_is_the_message_alone() -> None:
    """A wrong input leaves nothing else to be told."""
    assert _summary(error=UsageError("Input timeout is wrong.")).count("\n") == 3


def test_attention__comes_first_and_the_worst_before_all() -> None:
    """Failed, missing, unreadable and pending jobs stand before the table, with their reasons and what to do."""
    text = _summary(*ALL)
    assert text.index("**What to do:**") < text.index("- ❌") < text.index("| State")
    assert f"**What to do:** {advice(_verdict(*ALL))}" in text
    assert [line for line in text.splitlines() if line.startswith("- ")] == [
        "- ❌ **bad** (source doc-2) failed: no text",
        "- ❓ **gone** is missing: the API does not know the ID",
        "- ⚠️ **dark** is unreadable: HTTP 500",
        "- ⏳ **new** is pending: PENDING",
        "- ⏳ **slow** is pending: IN\\_PROGRESS",
    ]


def test_attention__is_not_asked_for_where_all_is_well() -> None:
    """A green run has nothing to do."""
    text = _summary(DONE)
    assert "What to do" not in text
    assert "\n- " not in text


def test_attention__of_an_error_has_its_advice_in_the_message() -> None:
    """Where the error says what to do, it is not said twice."""
    assert "What to do" not in _summary(QUEUED, error=OutageError("No answer. Check api-url."))


@pytest.mark.parametrize(("count", "folded"), [(20, 0), (21, 1), (500, 480)])
def test_attention__of_many_jobs_is_folded(count: int, folded: int) -> None:
    """Twenty entries stand open, the others under a title that counts them."""
    text = _summary(*(FAILED._replace(id=f"bad-{number}") for number in range(count)))
    assert text.count("\n- ❌ ") == count
    assert (f"<summary>{folded} more</summary>" in text) is bool(folded)


# --- The table


def test_table__has_a_row_for_each_job() -> None:
    """State with a sign, ID, source, article, and for how long it was queued and ran; the worst first."""
    jobs = [DONE._replace(article_title="A *title*", article_is_draft=True), FAILED._replace(id="bad"), MISSING]
    assert _rows(_summary(*jobs)) == [
        ["State", "Job", "Queued", "Ran", "Source", "Article"],
        ["❌&nbsp;failed", "bad", "1s", "3s", "doc-2", ""],
        ["❓&nbsp;missing", "gone", "", "", "", ""],
        ["✅&nbsp;completed", "done", "1s", "3s", "", "A \\*title\\* (draft)<br>article-done"],
    ]


def test_table__has_sources_only_where_they_are_known() -> None:
    """A column without a single source would only take room."""
    assert _rows(_summary(DONE))[0] == ["State", "Job", "Queued", "Ran", "Article"]


def test_table__is_not_crowded_out_by_one_name() -> None:
    """Of a source, an article or a title without end, the beginning and the end are shown."""
    endless = f"a{'x' * 2_000_000}z"
    text = _summary(DONE._replace(document_id=endless, article_id=endless, article_title=endless), FAILED)
    (*_, source, article) = _rows(text)[-1]
    assert re.fullmatch("ax+…x+z", source)
    assert article == f"{source}<br>{source}"
    assert len(source) == 200
    assert text.count("1 more are left out here") == 1  # of the articles' IDs, which are whole or not there


@given(st.lists(st.tuples(st.text(min_size=1), st.text(), st.text(), st.text()), min_size=1, max_size=5))
def test_table__always_has_as_many_cells(texts: list[tuple[str, str, str, str]]) -> None:
    """No text makes a cell more or less, or a line."""
    jobs = [
        DONE._replace(id=job_id, document_id=source, article_id=article, article_title=title)
        for job_id, source, article, title in texts
    ]
    rows = _rows(_summary(*jobs))
    assert len(rows) == len(jobs) + 1
    assert {len(row) for row in rows} == {len(rows[0])}


@pytest.mark.parametrize(("count", "is_folded"), [(20, False), (21, True)])
def test_table__of_many_jobs_is_folded(*, count: int, is_folded: bool) -> None:
    """On a phone a long table is in the way."""
    text = _summary(*(DONE._replace(id=f"job-{number}") for number in range(count)))
    assert (f"<summary>{count} jobs</summary>" in text) is is_folded


@pytest.mark.parametrize(
    ("results_file", "where"), [("out/r.json", "all are in out/r\\.json"), ("", "`results-file` would have them all")]
)
def test_summary__of_thousands_keeps_what_needs_attention(results_file: str, where: str) -> None:
    """At 5,000 jobs it is within what GitHub takes, names each that did not complete, and counts the rows left out."""
    failed = [FAILED._replace(id=f"bad-{number}", reason="x" * 500) for number in range(1000)]
    done = [DONE._replace(id=f"{number}-{'y' * 150}") for number in range(4000)]
    text = _summary(*done, *failed, results_file=results_file)
    assert len(text.encode()) < MAX_SUMMARY_BYTES < 1024**2
    assert all(f"**bad-{number}**" in text for number in range(1000))
    omitted = re.search(r"(\d+) more are left out here; (.*)\.", text)
    assert omitted is not None
    assert len(_rows(text)) - 1 + int(omitted[1]) == 5000
    assert omitted[2] == where


def test_summary__of_any_size_is_within_the_limit() -> None:
    """Even where not all can be named, it is shown, and says how many are not."""
    text = _summary(*(FAILED._replace(id=f"{'&' * 190}{number}", reason="&" * 500) for number in range(2_000)))
    assert len(text.encode()) < MAX_SUMMARY_BYTES
    assert "more are left out here" in text
    text = _summary(*(DONE._replace(id=str(number), article_id=f"{number}{'z' * 90}") for number in range(8_000)))
    assert len(text.encode()) < MAX_SUMMARY_BYTES
    assert text.count("more are left out here") == 2


# --- The articles


def test_articles__stand_one_a_line_to_be_copied() -> None:
    """Each once, as they are, in a block of code."""
    jobs = [DONE, DONE._replace(id="again"), DONE._replace(id="other", article_id="b_c")]
    text = _summary(*jobs)
    assert "<summary>2 article IDs</summary>\n\n```\narticle-done\nb_c\n```\n\n</details>" in text


def test_articles__cannot_end_their_block() -> None:
    """The fence is longer than any in an ID."""
    text = _summary(DONE._replace(article_id="a ````` b\n`````"))
    assert "\n``````\na ````` b\\n`````\n``````\n" in text


# --- The chart


def test_chart__shows_each_job_queued_and_running() -> None:
    """A section for each job, with bars on a real axis; failures are critical, what goes on ends with what is known."""
    assert _chart(_summary(*ALL)) == [
        "section 1 done",
        "· :done, 1781179200000, 1000ms",
        "3s :1781179201000, 3000ms",
        "section 4 slow",
        "· :done, 1781179200000, 2000ms",
        "2s+ :active, 1781179202000, 2000ms",
        "section 6 bad",
        "· :done, 1781179200000, 1000ms",
        "3s :crit, 1781179201000, 3000ms",
        "section 2 new",
        "3s+ :done, 1781179201000, 3000ms",
    ]


def test_chart__has_the_slowest_fifty() -> None:
    """Of more jobs the slowest are shown, in the order of their making."""
    text = _summary(*(_job(f"job-{number}", ran=number) for number in range(MAX_CHART_JOBS + 10)))
    assert "<summary>The slowest 50 jobs over time: queued (grey), running (+: not ended)</summary>" in text
    sections = [line for line in _chart(text) if line.startswith("section")]
    assert sections == [f"section {number + 1} job-{number}" for number in range(10, MAX_CHART_JOBS + 10)]


@pytest.mark.parametrize(
    ("end", "axis"),
    [
        ("2026-06-11T12:00:00.2Z", ["axisFormat %H:%M:%S", "tickInterval 1second"]),
        ("2026-06-11T12:00:05Z", ["axisFormat %H:%M:%S", "tickInterval 2second"]),
        ("2026-06-11T12:02:00Z", ["axisFormat %H:%M:%S", "tickInterval 30second"]),
        ("2026-06-11T12:02:01Z", ["axisFormat %H:%M:%S", "tickInterval 1minute"]),
        ("2026-06-12T11:59:59Z", ["axisFormat %H:%M:%S", "tickInterval 6hour"]),
        ("2026-06-12T12:00:00Z", ["axisFormat %m-%d %H:%M", "tickInterval 6hour"]),
        ("2026-07-11T12:00:00Z", ["axisFormat %Y-%m-%d", "tickInterval 1month"]),
        ("2027-07-12T12:00:00Z", ["axisFormat %Y-%m-%d", "section 1 done"]),
        # It ended before it began: what is drawn still reaches to the later of the two.
        ("1971-01-01T00:00:00Z", ["axisFormat %Y-%m-%d", "section 1 done"]),
    ],
)
def test_chart__has_an_axis_that_can_be_read(end: str, axis: list[str]) -> None:
    """Hours that come twice would mislead, and many ticks would overlap, or never be counted to their end."""
    assert "\n".join(axis) in _summary(DONE._replace(completed_at=end))


def test_chart__has_room_for_its_labels() -> None:
    """The bars begin where the longest label ends."""
    found = [re.findall("leftPadding: (.*)", _summary(DONE._replace(id=name))) for name in ("a", "a" * 200)]
    assert found == [["33"], [str(12 + 7 * len("1 aaaaaaaa…aaaaaaa"))]]


@pytest.mark.parametrize(
    ("times", "bars"),
    [
        ({}, ["· :done, 1781179200000, 1000ms", "3s :1781179201000, 3000ms"]),
        ({"created_at": None}, ["3s :1781179201000, 3000ms"]),
        ({"started_at": None}, ["4s :1781179200000, 4000ms"]),
        ({"completed_at": _at(1)}, ["· :done, 1781179200000, 1000ms", "0s :1781179201000, 1ms"]),
        ({"completed_at": _at(0.5)}, ["· :done, 1781179200000, 1000ms", "0s :1781179201000, 1ms"]),
        ({"created_at": _at(1)}, ["3s :1781179201000, 3000ms"]),
        ({"created_at": "1969-12-31T23:59:59Z"}, ["3s :1781179201000, 3000ms"]),
        ({"created_at": None, "started_at": None}, None),
        ({"created_at": "yesterday", "started_at": "", "completed_at": "9999999"}, None),
    ],
)
def test_chart__makes_do_with_what_is_known(times: dict[str, str | None], bars: list[str] | None) -> None:
    """Times that are missing, that are none, or that run backwards, make no bar of negative length."""
    job = _changed(DONE, **times)
    assert _chart(_summary(job)) == ([] if bars is None else ["section 1 done", *bars])


@given(st.text(min_size=1))
def test_chart__has_no_label_that_means_something(text: str) -> None:
    """A name holds nothing that Mermaid would read, and is short."""
    (label, *_) = _chart(_summary(DONE._replace(id=text)))
    assert re.fullmatch(r"section 1 [\w .,/+=@()…-]{0,16}", label)
    assert "--" not in label


# --- How long


def test_spread__tells_median_and_extremes() -> None:
    """A line tells how long jobs ran: in the median, at the 95th percentile, and at the longest."""
    text = _summary(*(_job(f"job-{number}", ran=number) for number in range(1, 41)))
    line = "Jobs ran for 20s in the median, 38s at the 95th percentile, 40s at the longest (job-40)."
    assert line in text.splitlines()
    assert "Jobs ran" not in _summary(QUEUED)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([7], 0.5, 7),
        ([1, 2], 0.5, 1),
        ([3, 1, 2], 0.5, 2),
        ([*range(1, 101)], 0.95, 95),
        ([1, 9], 0, 1),
        ([1, 9], 1, 9),
    ],
)
def test_percentile__is_one_of_the_values(values: list[float], share: float, expected: float) -> None:
    """The smallest value that so large a share does not exceed."""
    assert percentile(values, share) == expected


def test_courses__read_times_with_and_without_a_zone() -> None:
    """A time without a zone is in Greenwich's; one in another zone is the same moment."""
    job = DONE._replace(
        created_at="2026-06-11T12:00:00",
        started_at="2026-06-11T14:00:00+02:00",
        completed_at="2026-06-11T12:00:00.250Z",
    )
    (timing,) = job_timings([job])
    assert (timing.queued_seconds, timing.ran_seconds) == (0, 0.25)
    assert (timing.number, timing.job) == (1, job)


# --- Others' text


@given(st.sampled_from(ALL), st.sampled_from(["id", "document_id", "article_id", "article_title", "reason", "status"]))
def test_summary__of_hostile_text_is_harmless(job: Job, where: str) -> None:
    """Whatever text is hostile, none of it is live: no HTML, link, mention, fence, or end of what is folded."""
    text = _summary(*ALL, _changed(job, **{"id": "x", where: HOSTILE}), results_file=HOSTILE)
    plain = _plain(text)
    assert not re.search(r"<b>|@team|(?<!\\)\]\(|^::|\r|\x1b|\u2028", plain, re.MULTILINE)
    assert plain.count("<details>") == plain.count("</details>")
    assert "```" not in plain
