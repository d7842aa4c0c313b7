"""Under `require-published`: look up the articles of completed jobs, and fail each job whose article is not live."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from fini_gate.durations import format_duration
from fini_gate.errors import ApiError, GateError, OutageError
from fini_gate.models import Job, JobState, PollLimits
from fini_gate.poller import Timing
from fini_gate.records import Article, LookupResult, with_article
from fini_gate.verdict import Verdict, decide


class ArticleClient(Protocol):
    """Asks the API for articles."""

    def find_articles(self, article_ids: Iterable[str], limits: PollLimits) -> LookupResult:
        """Ask for each article, within the limits."""


def require_published(
    verdict: Verdict, client: ArticleClient, timing: Timing, *, on_look_up: Callable[[int], None]
) -> Verdict:
    """Return the verdict that counts, given which articles are live.

    Without a look-up it is the same verdict: if polling ended with an error, if a job is pending, or if there are no
    articles. Without a usable response about every article, the verdict is an error.

    Args:
        verdict: what polling the jobs led to.
        client: asks the API for articles.
        timing: the clock, the limits with which the jobs were polled, and how to wait.
        on_look_up: called with the number of articles before they are looked up.
    """
    if verdict.error is not None or verdict.in_state(JobState.PENDING) or not verdict.article_ids:
        return verdict
    on_look_up(len(verdict.article_ids))
    jobs = verdict.jobs
    error: GateError | None = None
    try:
        articles = _look_up(verdict.article_ids, client, timing)
        jobs = tuple(_check_article(job, articles) for job in jobs)
    except GateError as caught:
        error = caught
    return decide(jobs, elapsed_seconds=timing.clock() - timing.started_at, error=error)


def _look_up(article_ids: Iterable[str], client: ArticleClient, timing: Timing) -> Mapping[str, list[Article]]:
    """Look up articles until the API has sent a usable response about each of them.

    Returns:
        Article ID in lower case → its rows: none if the API does not know the article.

    Raises:
        GateError: the API refused a request, was down for too long, or a signal arrived.
    """
    found: dict[str, list[Article]] = {}
    missing = {article_id.lower(): article_id for article_id in article_ids}
    timing.deadlines.start_lookup()
    try:
        while missing:
            result = client.find_articles(missing.values(), timing.deadlines.start_poll(timing.clock()))
            if result.error is not None:
                raise result.error
            timing.deadlines.finish_poll(result)
            found |= result.rows
            missing = {key: article_id for key, article_id in missing.items() if key not in found}
            if missing:
                _wait(result, len(missing), timing)
    except ApiError as error:
        raise type(error)(
            f"The articles could not be looked up, and «require-published» is true. {error.template}"
        ) from None
    return found


def _wait(result: LookupResult, missing_count: int, timing: Timing) -> None:
    """Wait until the API may be asked again.

    Raises:
        GateError: a limit comes first, or a signal arrived.
    """
    deadlines = timing.deadlines
    while True:
        now = timing.clock()
        if deadlines.reached(result, now=now) is not None:
            timeout = format_duration(deadlines.timeout_at - timing.started_at)
            raise OutageError(
                f"No usable response about {missing_count} of them within the timeout ({timeout}): {result.problem}."
                " Raise «timeout», or pass the job IDs to another gate."
            )
        timing.sleep(deadlines.shorten_interval(result.retry_not_before - now, result, now=now))
        if timing.clock() >= min(result.retry_not_before, deadlines.timeout_at):
            return


def _check_article(job: Job, articles: Mapping[str, list[Article]]) -> Job:
    if job.state is not JobState.COMPLETED or job.article_id is None:
        return job
    rows = articles[job.article_id.lower()]
    if not rows:
        reason = f"the API does not return article {job.article_id}, but require-published is true"
        return job._replace(state=JobState.FAILED, reason=reason)
    job = with_article(job, rows)
    if not job.article_is_draft:
        return job
    reason = f"article {job.article_id} is a draft, but require-published is true"
    return job._replace(state=JobState.FAILED, reason=reason)
