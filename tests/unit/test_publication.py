"""Gates with `require-published`, in simulated time."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from fini_gate.deadlines import Deadlines
from fini_gate.errors import CancelledError, GateError, OutageError, RequestRefusedError
from fini_gate.models import Job, PollLimits
from fini_gate.poller import Timing
from fini_gate.publication import require_published
from fini_gate.records import Article, LookupResult
from fini_gate.verdict import Verdict
from tests.unit.fake_client import STARTED_AT, FakeClock, make_inputs
from tests.unit.verdicts import COMPLETED, ERRORS, FAILED, MISSING, NO_ARTICLE, QUEUED, UNREADABLE, many, verdict

LIVE, DRAFT = (Article("article-1", "Title", is_draft=is_draft) for is_draft in (False, True))
DRAFT_REASON = "article article-1 is a draft, but require-published is true"
ABSENT_REASON = "the API does not return article article-1, but require-published is true"


@dataclass
class Articles:
    """A client whose look-ups end as scripted, one after the other; the last one repeats."""

    clock: FakeClock
    script: list[LookupResult]
    seconds: float = 0.0
    announced: list[int] = field(default_factory=list)
    """The numbers of articles that look-ups were announced for."""
    calls: list[tuple[float, list[str], PollLimits]] = field(default_factory=list)
    """When each look-up began, in seconds after the start, what it asked for, and its limits."""

    def find_articles(self, article_ids: Iterable[str], limits: PollLimits) -> LookupResult:
        """Take the time, and return what is next."""
        self.calls.append((self.clock.elapsed, list(article_ids), limits))
        self.clock.now += self.seconds
        result = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if result.rows:
            result.last_response_at = self.clock.now
        return result


def found(*articles: Article, **more: list[Article]) -> LookupResult:
    """Return a look-up that found these articles."""
    return LookupResult(rows={**{article.id: [article] for article in articles}, **more})


def failed(reason: str = "HTTP 503", retry_after: float = -math.inf) -> LookupResult:
    """Return a look-up without a usable response."""
    return LookupResult(incomplete_reason=reason, retry_not_before=STARTED_AT + retry_after)


def check(
    before: Verdict,
    *script: LookupResult,
    at: float = 10,
    seconds: float = 0,
    **fields: Any,  # noqa: ANN401 - inputs
) -> tuple[Verdict, Articles]:
    """Check a verdict that was reached at a time, and return the new one and the client."""
    clock = FakeClock()
    inputs = make_inputs(**fields)
    deadlines = Deadlines(inputs, started_at=STARTED_AT, job_count=len(before.jobs))
    deadlines.start_poll(STARTED_AT)
    timing = Timing(started_at=STARTED_AT, deadlines=deadlines, clock=clock, sleep=clock.sleep, random=lambda: 0.0)
    clock.now += at
    client = Articles(clock, list(script), seconds)
    return require_published(before, client, timing, on_look_up=client.announced.append), client


@pytest.mark.parametrize(
    ("rows", "state", "reason", "is_draft"),
    [
        ([LIVE], "completed", None, False),
        ([DRAFT], "failed", DRAFT_REASON, True),
        ([LIVE, DRAFT], "failed", DRAFT_REASON, True),
        ([DRAFT, LIVE], "failed", DRAFT_REASON, True),
        ([], "failed", ABSENT_REASON, None),
    ],
)
def test_job__fails_unless_its_article_is_live(
    rows: list[Article], state: str, reason: str | None, *, is_draft: bool | None
) -> None:
    """Of two rows for one article the draft counts. An article that the API does not return is not live."""
    after, client = check(verdict(COMPLETED), LookupResult(rows={"article-1": rows}))
    (job,) = after.jobs
    assert (str(job.state), job.reason, job.article_is_draft) == (state, reason, is_draft)
    assert job.article_title == ("Title" if rows else None)
    assert (after.exit_code, after.elapsed_seconds) == (0 if state == "completed" else 1, 10)
    assert [(at, ids) for at, ids, _ in client.calls] == [(10, ["article-1"])]


def test_articles__are_asked_for_once_whatever_the_case_of_their_ids() -> None:
    """Jobs that share an article share its state; a job without one needs none, and other states stay as they are."""
    shared = COMPLETED._replace(id="other", article_id="ARTICLE-1")
    after, client = check(verdict(COMPLETED, shared, NO_ARTICLE, FAILED, MISSING, UNREADABLE), found(DRAFT))
    assert [str(job.state) for job in after.jobs] == [*["failed"] * 2, "completed", "failed", "missing", "unreadable"]
    assert client.calls[0][1] == ["article-1"]
    assert client.announced == [1]
    assert after.draft_article_ids == ("article-1",)
    assert after.failed_document_ids == ("doc-2",)
    assert after.article_ids == ()


@pytest.mark.parametrize(
    "before",
    [
        verdict(COMPLETED, QUEUED),
        verdict(COMPLETED, FAILED, QUEUED),
        verdict(NO_ARTICLE),
        verdict(FAILED),
        verdict(),
        *(verdict(COMPLETED, error=ERRORS[kind]) for kind in ("refused", "outage", "cancelled")),
    ],
)
def test_verdict__without_a_look_up_stands(before: Verdict) -> None:
    """While a job is pending, without an article and after an error, no article is asked for."""
    after, client = check(before, failed())
    assert after is before
    assert (client.calls, client.announced) == ([], [])


def test_look_up__asks_again_for_what_has_no_response() -> None:
    """Articles that the API has answered for are not asked for again."""
    jobs = [job._replace(article_id=job.id) for job in many(COMPLETED, 3)]
    first, second, third = (Article(job.id, None, is_draft=False) for job in jobs)
    partial = found(first, third)
    partial.incomplete_reason = "HTTP 502"
    after, client = check(verdict(*jobs), partial, found(second))
    assert after.exit_code == 0
    assert [(at, ids) for at, ids, _ in client.calls] == [(10, ["done-0", "done-1", "done-2"]), (11, ["done-1"])]


@pytest.mark.parametrize(
    ("inputs", "at", "calls", "text"),
    [
        # The outage counts from the start of the look-up, whatever came before.
        ({"outage_tolerance_seconds": 3}, 50, [50, 51, 52, 53], "gave no usable response for 3s: HTTP 503."),
        ({"timeout_seconds": 12}, 10, [10, 11, 12], "No usable response about 1 of them within the timeout (12s)"),
        ({"timeout_seconds": 0}, 0.5, [0.5], "No usable response about 1 of them within the timeout (0s)"),
        ({"timeout_seconds": 12, "stall_timeout_seconds": 1}, 10, [10, 11, 12], "within the timeout (12s)"),
    ],
)
@pytest.mark.parametrize("jobs", [(COMPLETED,), (COMPLETED, FAILED)])
def test_look_up__without_a_response_is_an_error(
    inputs: dict[str, Any], at: float, calls: list[float], text: str, jobs: tuple[Job, ...]
) -> None:
    """It ends at `timeout` or `outage-tolerance`, says why, and is an error even if a job failed."""
    after, client = check(verdict(*jobs), failed(), at=at, **inputs)
    assert ([at for at, _, _ in client.calls], after.elapsed_seconds) == (calls, calls[-1])
    assert (str(after.result), after.exit_code, after.jobs) == ("error", 4, jobs)
    assert isinstance(after.error, OutageError)
    assert str(after.error).startswith("The articles could not be looked up, and require-published is true. ")
    assert text in str(after.error)


def test_look_up__may_use_the_grace_after_the_deadline_once() -> None:
    """Polling may have used a part of it, and what is left limits the requests."""
    _, client = check(verdict(COMPLETED), found(LIVE), at=62, timeout_seconds=60)
    assert client.calls[0][2].end_at == pytest.approx(STARTED_AT + 63.5, abs=0.001)


@pytest.mark.parametrize(
    ("inputs", "calls"),
    [
        ({}, [10, 40]),
        # A limit ends the wait; the last look-up at the deadline ignores the Retry-After.
        ({"timeout_seconds": 20}, [10, 20]),
        ({"outage_tolerance_seconds": 5}, [10]),
    ],
)
def test_look_up__waits_for_retry_after(inputs: dict[str, Any], calls: list[float]) -> None:
    """It asks again once the API allows it, and never waits past a limit."""
    after, client = check(verdict(COMPLETED), failed(retry_after=40), found(LIVE), **inputs)
    assert [at for at, _, _ in client.calls] == calls
    assert after.exit_code == (0 if len(calls) == 2 else 4)


@pytest.mark.parametrize(
    ("error", "result", "text"),
    [
        (
            RequestRefusedError("No."),
            "error",
            "The articles could not be looked up, and require-published is true. No.",
        ),
        (CancelledError(15), "cancelled", "Cancelled by SIGTERM."),
    ],
)
def test_look_up__ends_with_an_error_of_the_client(error: GateError, result: str, text: str) -> None:
    """A refusal and a signal decide, and the jobs stay as they were."""
    after, _ = check(verdict(COMPLETED, FAILED), LookupResult(error=error))
    assert (str(after.result), after.exit_code, str(after.error)) == (result, error.exit_code, text)
    assert type(after.error) is type(error)
    assert after.jobs == (COMPLETED, FAILED)
