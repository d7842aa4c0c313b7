import itertools
from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.models import Job, JobState, StatusRow, worse_of

COMPLETED = ("COMPLETED", "SUCCEEDED", "SUCCESS", "DONE", "FINISHED")
FAILED = (
    "FAILED",
    "FAILURE",
    "ERROR",
    "ERRORED",
    "CANCELLED",
    "CANCELED",
    "ABORTED",
    "REJECTED",
    "EXPIRED",
    "TIMED_OUT",
)
PENDING = ("PENDING", "IN_PROGRESS")
NOT_FOUND = (
    "QUEUED",
    "COMPLETE",
    "COMPLETED_WITH_ERRORS",
    "NOT_FAILED",
    "?",
    "FÄILED",
    "\u017fUCCE\u017f\u017f",
    "DONE\u00a0",
)
ENDED = {"completedAt": "2026-06-11T12:00:05.000Z"}
EMPTY_ERRORS: tuple[object, ...] = (None, "", 5, {}, [], {"message": ["list"]})
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def _seen(row: Mapping[str, object], *, require_article: bool = False) -> Job:
    """The job as a row with these fields shows it."""
    return Job(id="a").updated_from(StatusRow.from_json({"id": "a", **row}), require_article=require_article)


@pytest.mark.parametrize("spell", [str, str.lower, str.title, lambda status: f" {status}\n"])
@pytest.mark.parametrize(
    ("status", "state"),
    [
        *itertools.product(COMPLETED, [JobState.COMPLETED]),
        *itertools.product(FAILED, [JobState.FAILED]),
        *itertools.product((*PENDING, *NOT_FOUND), [JobState.PENDING]),
    ],
)
def test_job__is_what_its_status_means(status: str, state: JobState, spell: Callable[[str], str]) -> None:
    """Each known status stands for one state, whatever its letters' case; one never heard of is pending."""
    assert _seen({"jobStatus": spell(status)}).state is state


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *itertools.product(COMPLETED, [JobState.COMPLETED]),
        *itertools.product((*FAILED, *NOT_FOUND, "", None, 7), [JobState.FAILED]),
        *itertools.product(PENDING, [JobState.PENDING]),
    ],
)
def test_job__with_an_end_has_failed_where_its_status_is_not_known(status: object, state: JobState) -> None:
    """A row with `completedAt` and a status never heard of is a failed job; known ones mean what they mean."""
    assert _seen({"jobStatus": status, **ENDED}).state is state


@pytest.mark.parametrize("completed_at", [None, "", 5, False, [], {}])
def test_job__without_a_proper_end_is_pending_where_its_status_is_not_known(completed_at: object) -> None:
    """A `completedAt` that is no text is no end."""
    assert _seen({"jobStatus": "QUEUED", "completedAt": completed_at}).state is JobState.PENDING


@pytest.mark.parametrize("status", [None, "", 7, True, ["COMPLETED"], {"status": "COMPLETED"}])
def test_job__never_completes_by_a_status_of_another_form(status: object) -> None:
    """A status that is missing or no text is pending."""
    assert _seen({"jobStatus": status}).state is JobState.PENDING


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        *(({}, ""), ({"jobStatus": None}, ""), ({"jobStatus": ""}, "")),
        ({"jobStatus": True}, "true"),
        ({"jobStatus": ["COMPLETED"]}, '["COMPLETED"]'),
        ({"jobStatus": {"code": Decimal("1.5")}}, '{"code": "1.5"}'),
    ],
)
def test_job__shows_a_status_of_another_form_as_json(fields: dict[str, object], status: str) -> None:
    """A status that is no text is told as JSON, whatever it holds; a row that has none has the empty one."""
    job = _seen(fields)
    assert (job.state, job.status) == (JobState.PENDING, status)


@given(st.text())
def test_job__completes_by_the_documented_words_alone(status: str) -> None:
    """No text but those that mean completed lets a job pass."""
    is_known = status.isascii() and status.strip().upper() in COMPLETED
    assert (_seen({"jobStatus": status}).state is JobState.COMPLETED) is is_known


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *itertools.product((*NOT_FOUND, None, ""), [True]),
        *itertools.product((*COMPLETED, *FAILED, *PENDING), [False]),
    ],
)
def test_job__tells_a_status_never_heard_of(status: str | None, *, expected: bool) -> None:
    """Only a job that is pending because its status is unknown, or for want of one, calls for a warning."""
    assert _seen({"jobStatus": status}).has_unknown_status is expected


def test_job__with_an_unknown_status_that_has_failed_calls_for_no_warning() -> None:
    """An unknown status on a row with an end is a failure, and told as one."""
    assert not _seen({"jobStatus": "QUEUED", **ENDED}).has_unknown_status


@pytest.mark.parametrize("article_id", [None, "", 5, ["a"]])
def test_job__without_an_article_fails_only_where_one_is_required(article_id: object) -> None:
    """A completed job without an article passes, or under `require-articles` fails and says so."""
    row = {"jobStatus": "COMPLETED", "hcArticleId": article_id}
    job, required = _seen(row), _seen(row, require_article=True)
    assert (job.state, job.article_id, job.reason) == (JobState.COMPLETED, None, None)
    assert required.state is JobState.FAILED
    assert required.reason == "completed without an article, which require-articles asks for"


@pytest.mark.parametrize("status", [*PENDING, *NOT_FOUND])
def test_job__that_has_not_ended_needs_no_article(status: str) -> None:
    """`require-articles` does not fail a job before it completed."""
    assert _seen({"jobStatus": status}, require_article=True).state is JobState.PENDING


def test_job__with_an_article_passes_where_one_is_required() -> None:
    """A completed job with its article is completed under `require-articles` too."""
    job = _seen({"jobStatus": "COMPLETED", "hcArticleId": "article"}, require_article=True)
    assert (job.state, job.article_id) == (JobState.COMPLETED, "article")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "FAILED"),
        *(({name: "no text"}, "no text") for name in ("error", "errorMessage", "message", "failureReason")),
        *(({name: {"message": "no text"}}, "no text") for name in ("error", "errorMessage", "message")),
        ({"error": "first", "message": "second"}, "first"),
        ({"errorMessage": "first", "failureReason": "second"}, "first"),
        *(({"error": empty, "failureReason": "why"}, "why") for empty in EMPTY_ERRORS),
        ({"error": {"code": 7}}, "FAILED"),
        ({"error": "x" * 501}, "x" * 500),
    ],
)
def test_job__that_failed_says_why(fields: dict[str, object], reason: str) -> None:
    """The reason is the row's own error text, cut where it is endless, or else the status."""
    assert _seen({"jobStatus": "FAILED", **fields}).reason == reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"jobStatus": "HALTED"}, "HALTED"),
        ({"jobStatus": "HALTED", "error": "power cut"}, "power cut"),
    ],
)
def test_job__that_ended_in_an_unknown_way_says_why(row: dict[str, object], reason: str) -> None:
    """The reason of a job with an end and an unknown status is its error text, or names the status."""
    assert reason in (_seen({**row, **ENDED}).reason or "")


@pytest.mark.parametrize("status", ["COMPLETED", "PENDING"])
def test_job__that_did_not_fail_has_no_reason(status: str) -> None:
    """A row's error text counts only for a failed job."""
    assert _seen({"jobStatus": status, "message": "all is well"}).reason is None


def test_row__is_read() -> None:
    """Every documented field of a row is taken over to the job, which keeps its own ID and document."""
    row = StatusRow.from_json(
        {
            "id": "JOB",
            "jobStatus": "Completed",
            "createdAt": "2026-06-11T12:00:00.000Z",
            "startedAt": "2026-06-11T12:00:01.000Z",
            "completedAt": "2026-06-11T12:00:05.000Z",
            "hcArticleId": "article",
            "extra": {},
        }
    )
    job = Job(id="job", document_id="document", reason="failing").updated_from(row, require_article=True)
    assert row.id == "JOB"
    assert job == Job(
        id="job",
        document_id="document",
        state=JobState.COMPLETED,
        status="Completed",
        article_id="article",
        created_at="2026-06-11T12:00:00.000Z",
        started_at="2026-06-11T12:00:01.000Z",
        completed_at="2026-06-11T12:00:05.000Z",
    )


@pytest.mark.parametrize("row", [None, "a", 5, [], ["id"], {}, {"jobStatus": "COMPLETED"}, {"id": None}, {"id": 5}])
def test_row__needs_an_id(row: object) -> None:
    """What is no object with an ID is no row."""
    with pytest.raises(ValueError, match=r"^a row without an ID$"):
        StatusRow.from_json(row)


@given(
    st.fixed_dictionaries(
        {"id": st.text()},
        optional=dict.fromkeys(
            ("jobStatus", "createdAt", "startedAt", "completedAt", "hcArticleId", "error", "message"), JSON_VALUES
        ),
    )
)
def test_row__of_any_values_makes_a_job_of_texts(row: dict[str, object]) -> None:
    """Whatever the fields hold, the job has texts or nothing, and an article only where the API gave one."""
    job = Job(id="a").updated_from(StatusRow.from_json(row), require_article=False)
    texts = (job.status, job.article_id, job.created_at, job.started_at, job.completed_at, job.reason)
    assert all(isinstance(text, str | None) for text in texts)
    assert job.article_id in {None, row.get("hcArticleId") if isinstance(row.get("hcArticleId"), str) else None}
    assert job.state in {JobState.COMPLETED, JobState.FAILED, JobState.PENDING}


def test_job__is_settled_in_every_state_but_pending() -> None:
    """Only a pending job is asked for again."""
    assert [state for state in JobState if not Job(id="a", state=state).is_finished] == [JobState.PENDING]


@pytest.mark.parametrize(
    ("row", "is_another"),
    [
        ({"jobStatus": "PENDING"}, False),
        ({"jobStatus": "PENDING", "createdAt": "later"}, False),
        ({"jobStatus": "PENDING", "hcArticleId": "article"}, False),
        ({"jobStatus": "pending"}, True),
        ({"jobStatus": "IN_PROGRESS"}, True),
        ({"jobStatus": "PENDING", "startedAt": "now"}, True),
        ({"jobStatus": "PENDING", "completedAt": "now"}, True),
    ],
)
def test_job__changes_by_its_status_start_and_end(row: dict[str, object], *, is_another: bool) -> None:
    """A job's stage is another when its status, start or end is, and for nothing else."""
    assert (_seen(row).progress_key != _seen({"jobStatus": "PENDING"}).progress_key) is is_another


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        *itertools.product(["FAILED"], ["PENDING", "COMPLETED"], [0]),
        ("PENDING", "COMPLETED", 0),
        *itertools.product(["PENDING", "COMPLETED"], ["FAILED"], [1]),
        ("COMPLETED", "PENDING", 1),
        ("FAILED", "ERROR", 0),
        ("PENDING", "IN_PROGRESS", 0),
    ],
)
def test_worse__counts_of_two_rows(first: str, second: str, counts: int) -> None:
    """Of two rows for one job failed comes before pending, and that before completed."""
    sightings = _seen({"jobStatus": first}), _seen({"jobStatus": second})
    assert worse_of(*sightings) is sightings[counts]


def test_worse__of_two_completed_is_the_one_with_an_article() -> None:
    """An article that one of two equal rows names is not lost."""
    without, with_article = _seen({"jobStatus": "DONE"}), _seen({"jobStatus": "DONE", "hcArticleId": "article"})
    assert worse_of(without, with_article) is worse_of(with_article, without) is with_article
