import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.models import Job
from fini_gate.output.summary import render_summary
from fini_gate.output.summary.markdown import size_bytes, take_fitting
from fini_gate.output.summary.page import MAX_SUMMARY_BYTES
from tests.unit.verdicts import ALL, COMPLETED, FAILED, HOSTILE, NO_ARTICLE, many, verdict

# A cell ends at a bar without a backslash of its own.
BAR = re.compile(r"(?<!\\)(?:\\\\)*\|")


ARTICLES = [job._replace(article_id=f"{'z' * 90}{job.id}") for job in many(COMPLETED, 8000)]


def _summary(*jobs: Job, results_file: str = "") -> str:
    return render_summary(verdict(*jobs), results_file=results_file)


def _outside_code(text: str) -> str:
    return re.sub(r"^(`{3,})[a-z]*\n.*?^\1\n", "", text, flags=re.MULTILINE | re.DOTALL)


def _rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the table, the head included."""
    lines = [line for line in _outside_code(text).splitlines() if re.match(r"\|(?! ---)", line)]
    return [[cell.strip() for cell in BAR.split(line)[1:-1]] for line in lines]


def test_summary__of_thousands_keeps_what_needs_attention() -> None:
    """With 5,000 jobs it stays within GitHub's limit, names each failure, and counts the rows that are not shown."""
    failed = many(FAILED._replace(reason="x" * 500), 1000)
    text = _summary(*many(COMPLETED._replace(id="y" * 150), 4000), *failed, results_file="out/r.json")
    assert len(text.encode()) < MAX_SUMMARY_BYTES < 1024**2
    assert all(f"**{job.id}**" in text for job in failed)
    omitted = re.search(r"\n\n(\d+) more not shown; (.*)\.", text)
    assert omitted is not None
    assert len(_rows(text)) - 1 + int(omitted[1]) == 5000
    assert omitted[2] == r"all are in out/r\.json"


@pytest.mark.parametrize(
    ("jobs", "omissions"),
    [
        # Too many entries and job IDs, and no room for the table.
        (many(FAILED._replace(id="&" * 190, reason="&" * 500), 2000), 3),
        # Too many article IDs, and too many rows.
        (ARTICLES, 2),
        # So much of everything that the table takes what is left, almost to the byte.
        ((*many(FAILED._replace(id="i" * 150, document_id="d" * 200, reason="r" * 60), 1500), *ARTICLES[:3000]), 4),
    ],
    ids=["entries", "articles", "everything"],
)
def test_summary__of_any_size_fits(jobs: Sequence[Job], omissions: int) -> None:
    """Even if not everything can be named the summary is within the limit, and says how much is not shown."""
    text = _summary(*jobs)
    assert len(text.encode()) < MAX_SUMMARY_BYTES
    assert text.count(" more not shown; set `results-file` to get all.") == omissions


@pytest.mark.parametrize(("max_bytes", "expected"), [(5, ["é", "b"]), (4, ["é"]), (3, ["é"]), (2, [])])
def test_lines__are_taken_while_they_fit(max_bytes: int, expected: list[str]) -> None:
    """Each line takes its bytes in UTF-8 and one more."""
    assert take_fitting(["é", "b"], max_bytes) == expected
    assert size_bytes(["é", "b"]) == 5


def test_summary__shortens_endless_names() -> None:
    """Of a title without end the beginning and the end are shown; IDs that would be cut are not in the lists."""
    endless = f"a{'x' * 2_000_000}z"
    text = _summary(COMPLETED._replace(document_id=endless, article_id=endless, article_title=endless), FAILED)
    (*_, source, article) = _rows(text)[-1]
    assert source == "axxxxx…&#8288;xxxxxz"
    assert article == f"a{'x' * 99}…{'x' * 98}z<br>{source}"
    assert text.count(" more not shown") == 2


UUID = "4cfcf2cc-7a06-4de2-b460-5b991fe6236a"


@pytest.mark.parametrize(
    ("job", "state", "article"),
    [
        (COMPLETED, "completed", "article-1"),
        (COMPLETED._replace(article_id=UUID), "completed", "4cfcf2…&#8288;e6236a"),
        (COMPLETED._replace(article_id=UUID, article_title="A title"), "completed", "A title<br>4cfcf2…&#8288;e6236a"),
        (COMPLETED._replace(article_is_draft=False), "completed", "article-1"),
        (COMPLETED._replace(article_is_draft=True), "completed", r"article-1 (draft)"),
        (COMPLETED._replace(article_id="x" * 20, article_is_draft=True), "completed", f"{'x' * 20} (draft)"),
        (NO_ARTICLE, "completed", "no article"),
        (FAILED, "failed", ""),
        (FAILED._replace(article_is_draft=True), "failed", "article-2 (draft)"),
    ],
)
def test_table__says_what_became_of_the_article(job: Job, state: str, article: str) -> None:
    """A long ID is shortened in the middle, a draft is marked, and a job without an article says so."""
    (*_, row) = _rows(_summary(job))
    assert (row[0].partition("&nbsp;")[2], row[-1]) == (state, article)


def test_summary__lists_whole_ids_to_copy() -> None:
    """However short they are elsewhere, all IDs of jobs, sources, articles and drafts are in lists of their own."""
    job = COMPLETED._replace(id=UUID, document_id=UUID[::-1], article_id=UUID.upper(), article_is_draft=True)
    text = _summary(job, FAILED)
    lists = dict(re.findall(r"<summary>(\d [a-z ]+ID[s]?)</summary>\n\n```\n(.*?)\n```", text, re.DOTALL))
    assert lists == {
        "1 article ID": UUID.upper(),
        "1 draft article ID": UUID.upper(),
        "2 job IDs": f"{UUID}\nbad",
        "2 source IDs": f"{UUID[::-1]}\ndoc-2",
    }


@given(st.lists(st.tuples(st.text(min_size=1), st.text(), st.text(), st.text()), min_size=1, max_size=5))
def test_table__has_a_row_with_all_cells_for_each_job(texts: list[tuple[str, str, str, str]]) -> None:
    """No text adds or removes a cell or a row; a column without a single source is left out."""
    jobs = [
        COMPLETED._replace(id=job_id, document_id=source, article_id=article, article_title=title)
        for job_id, source, article, title in texts
    ]
    rows = _rows(_summary(*jobs))
    assert len(rows) == len(jobs) + 1
    assert {len(row) for row in rows} == {5 + any(job.document_id for job in jobs)}


@pytest.mark.parametrize(
    ("end", "axis"),
    [
        ("2026-06-11T12:00:00.2Z", ["axisFormat %H:%M:%S", "tickInterval 1second"]),
        ("2026-06-11T12:00:05Z", ["axisFormat %H:%M:%S", "tickInterval 2second"]),
        ("2026-06-11T12:02:00Z", ["axisFormat %H:%M:%S", "tickInterval 30second"]),
        ("2026-06-11T12:02:01Z", ["axisFormat %H:%M:%S", "tickInterval 1minute"]),
        ("2026-06-11T16:00:00Z", ["axisFormat %H:%M:%S", "tickInterval 1hour"]),
        ("2026-06-12T11:59:59Z", ["axisFormat %H:%M:%S", "tickInterval 6hour"]),
        ("2026-06-12T12:00:00Z", ["axisFormat %m-%d %H:%M", "tickInterval 6hour"]),
        ("2026-06-15T12:00:00Z", ["axisFormat %m-%d %H:%M", "tickInterval 1day"]),
        ("2026-07-09T12:00:00Z", ["axisFormat %m-%d %H:%M", "tickInterval 1week"]),
        ("2026-07-11T12:00:00Z", ["axisFormat %Y-%m-%d", "tickInterval 1month"]),
        ("2026-10-09T12:00:01Z", ["axisFormat %Y-%m-%d", "section 1 done"]),
        # It ended before it began: the axis still reaches the later of the two.
        ("1971-01-01T00:00:00Z", ["axisFormat %Y-%m-%d", "section 1 done"]),
    ],
)
def test_chart__has_a_readable_axis(end: str, axis: list[str]) -> None:
    """A label never repeats, and there are at most four ticks."""
    assert "\n".join(axis) in _summary(COMPLETED._replace(completed_at=end))


@given(st.text(min_size=1))
def test_chart__has_harmless_labels(text: str) -> None:
    """A label is short and contains nothing with a meaning in Mermaid."""
    (label,) = re.findall("(?m)^section (.*)$", _summary(COMPLETED._replace(id=text)))
    assert re.fullmatch(r"1 [\w .,/+=@()…-]{0,16}", label)
    assert "--" not in label


@given(st.sampled_from(ALL), st.sampled_from(["id", "document_id", "article_id", "article_title", "reason", "status"]))
def test_summary__of_hostile_text_is_harmless(job: Job, where: str) -> None:
    """Wherever foreign text appears it is no HTML, link, mention or fence, and does not end a folded section."""
    hostile: dict[str, Any] = {"id": "x", where: HOSTILE}
    text = _outside_code(_summary(*ALL, job._replace(**hostile), results_file=HOSTILE))
    assert not re.search(r"<b>|@team|(?<!\\)\]\(|^::|\r|\x1b|\u2028|```", text, re.MULTILINE)
    assert text.count("<details>") == text.count("</details>")
