"""What is looked up once the verdict is known."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from fini_gate.deadlines import Deadlines
from fini_gate.details import MAX_ARTICLES, MAX_EXPLAINED_JOBS, look_up_details
from fini_gate.errors import CancelledError, RequestRefusedError
from fini_gate.models import Job, JobState, PollLimits, StatusRow
from fini_gate.records import Article, LookupResult, Source
from tests.unit.fake_client import STARTED_AT, make_inputs
from tests.unit.verdicts import COMPLETED, FAILED, MISSING, NO_ARTICLE, QUEUED, many, verdict

SILENT = FAILED._replace(reason="FAILED")
ODD = StatusRow("x", status="GONE", completed_at="now")
ROW_WITHOUT_ARTICLE = StatusRow("x", status="COMPLETED")
LACKS_ARTICLE = Job("bad", document_id="doc-2").updated_from(ROW_WITHOUT_ARTICLE, require_article=True)
SOURCE = Source("doc-2", linked_job_id="BAD", error=None, linked_reason="a reason")
NOTHING = LookupResult(incomplete_reason="HTTP 503")
FOUND = LookupResult(rows={"article-1": []})


@dataclass
class Api:
    """A client that returns what it is given, and remembers what it was asked for."""

    sources: LookupResult = field(default_factory=LookupResult)
    articles: LookupResult = field(default_factory=LookupResult)
    asked: list[tuple[str, list[str], PollLimits]] = field(default_factory=list)

    def find_sources(self, source_ids: Iterable[str], limits: PollLimits) -> LookupResult:
        """Return the sources."""
        self.asked.append(("sources", list(source_ids), limits))
        return self.sources

    def find_articles(self, article_ids: Iterable[str], limits: PollLimits) -> LookupResult:
        """Return the articles."""
        self.asked.append(("articles", list(article_ids), limits))
        return self.articles

    def details(self, *jobs: Job) -> tuple[tuple[Job, ...], list[str]]:
        """Look up the details of jobs, 100 s after the start."""
        deadlines = Deadlines(make_inputs(), started_at=STARTED_AT, job_count=0)
        return look_up_details(verdict(*jobs), self, deadlines, lambda: STARTED_AT + 100)


def sources(*rows: Source) -> LookupResult:
    """Return a look-up of one source."""
    return LookupResult(rows={"doc-2": list(rows)})


@pytest.mark.parametrize(
    ("job", "rows", "reason"),
    [
        (SILENT, [SOURCE], "a reason"),
        (SILENT, [SOURCE._replace(error="no text")], "no text"),
        (SILENT, [SOURCE._replace(linked_job_id="other", error="not this job's")], "FAILED"),
        (SILENT, [SOURCE._replace(linked_job_id=None)], "FAILED"),
        (SILENT, [SOURCE._replace(linked_reason=None)], "FAILED"),
        (SILENT, [SOURCE._replace(linked_job_id="other"), SOURCE], "a reason"),
        (SILENT, [], "FAILED"),
        (SILENT._replace(document_id="DOC-2"), [SOURCE], "a reason"),
        (Job("bad", "doc-2").updated_from(ODD, require_article=False), [SOURCE], "a reason"),
        (LACKS_ARTICLE, [SOURCE], f"{LACKS_ARTICLE.reason}; a reason"),
        (LACKS_ARTICLE, [SOURCE._replace(error="no text", linked_reason=None)], LACKS_ARTICLE.reason),
    ],
)
def test_reason__comes_from_the_source_of_this_very_job(job: Job, rows: list[Source], reason: str) -> None:
    """A source tells of its latest job alone: first its error counts, then the reason for what it did."""
    api = Api(sources=sources(*rows))
    (found,), missing = api.details(job)
    assert (found, missing) == (job._replace(reason=reason), [])


@pytest.mark.parametrize(
    "job",
    [
        FAILED,
        SILENT._replace(document_id=None),
        SILENT._replace(document_id=".."),
        SILENT._replace(document_id="."),
        SILENT._replace(document_id="d" * 201),
        COMPLETED._replace(state=JobState.FAILED, reason="article article-1 is a draft"),
        MISSING._replace(document_id="doc-2"),
        QUEUED._replace(document_id="doc-2"),
    ],
)
def test_source__is_asked_only_where_it_can_explain_a_failure(job: Job) -> None:
    """A reason of the job's own stands, and a source that is unknown or has an impossible ID is not asked."""
    api = Api(sources=sources(SOURCE))
    assert api.details(job) == ((job,), [])
    assert api.asked == []


def test_source__may_have_any_possible_id() -> None:
    """The longest ID that is asked for has 200 characters."""
    api = Api()
    ids = ["d", "d" * 200, "..."]
    api.details(*(SILENT._replace(id=source_id, document_id=source_id) for source_id in ids))
    assert api.asked[0][1] == ids


def test_sources__are_asked_for_the_first_twenty_failures() -> None:
    """Each source is asked once; they have half of the time, so that some is left for the articles."""
    jobs = [job._replace(document_id=f"doc-{job.id}") for job in many(SILENT, 30)]
    api = Api()
    api.details(*jobs, COMPLETED)
    assert api.asked == [
        (
            "sources",
            [job.document_id for job in jobs[:MAX_EXPLAINED_JOBS]],
            PollLimits(STARTED_AT + 102, STARTED_AT + 105),
        ),
        ("articles", ["article-1"], PollLimits(STARTED_AT + 102, STARTED_AT + 110)),
    ]


def test_articles__are_looked_up_for_completed_jobs() -> None:
    """Titles and draft states come back; an article that is known already, or unknown to the API, is as before."""
    known = COMPLETED._replace(id="known", article_id="known", article_title="Known", article_is_draft=False)
    lost = COMPLETED._replace(id="lost", article_id="lost")
    twice = COMPLETED._replace(id="twice", article_id="ARTICLE-1")
    rows = [Article("article-1", None, is_draft=False), Article("article-1", "Title", is_draft=True)]
    api = Api(articles=LookupResult(rows={"article-1": rows, "lost": []}))
    failed = FAILED._replace(article_id="article-1")
    jobs, missing = api.details(COMPLETED, known, lost, NO_ARTICLE, failed, twice)
    titled, titled_twice = (job._replace(article_title="Title", article_is_draft=True) for job in (COMPLETED, twice))
    assert jobs == (titled, known, lost, NO_ARTICLE, failed, titled_twice)
    assert missing == []
    assert [ids for _, ids, _ in api.asked] == [["article-1", "lost"]]


def test_articles__are_looked_up_for_the_first_thousand() -> None:
    """More would take too long."""
    api = Api()
    api.details(*(job._replace(article_id=job.id) for job in many(COMPLETED, MAX_ARTICLES + 1)))
    assert len(api.asked[0][1]) == MAX_ARTICLES


@pytest.mark.parametrize(
    ("found_sources", "found_articles", "missing"),
    [
        (NOTHING, NOTHING, ["why jobs failed (HTTP 503)", "titles and draft states of 1 of 1 articles (HTTP 503)"]),
        (LookupResult(error=RequestRefusedError("No.")), FOUND, ["why jobs failed (No.)"]),
        (
            sources(SOURCE),
            LookupResult(error=RequestRefusedError("No. Check it.")),
            ["titles and draft states of 1 of 1 articles (No)"],
        ),
        # One source that cannot be read says nothing about the route.
        (LookupResult(rows={"doc-2": []}, incomplete_reason="HTTP 404"), FOUND, []),
    ],
)
def test_details__that_are_missing_are_named(
    found_sources: LookupResult, found_articles: LookupResult, missing: list[str]
) -> None:
    """Each kind that could not be looked up has its reason."""
    jobs, problems = Api(found_sources, found_articles).details(SILENT, COMPLETED)
    assert problems == missing
    assert [job.state for job in jobs] == [JobState.FAILED, JobState.COMPLETED]


def test_signal__ends_the_look_ups() -> None:
    """No article is asked for after a signal."""
    api = Api(sources=LookupResult(error=CancelledError(15)))
    with pytest.raises(CancelledError):
        api.details(SILENT, COMPLETED)
    assert [kind for kind, _, _ in api.asked] == ["sources"]
