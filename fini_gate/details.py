"""Look up details for people to read, once the verdict is known: why jobs failed, titles, drafts. Best effort."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, Protocol

from fini_gate.deadlines import Deadlines
from fini_gate.errors import CancelledError
from fini_gate.models import Job, JobState, PollLimits
from fini_gate.records import Article, LookupResult, with_article, with_source
from fini_gate.verdict import Verdict

MAX_ARTICLES: Final = 1000
MAX_EXPLAINED_JOBS: Final = 20
# A source's ID goes into a path. No ID of Fini's is longer, and a dot segment would lead to another path.
_MAX_SOURCE_ID_CHARACTERS: Final = 200
_DOT_SEGMENTS: Final = {".", ".."}


class DetailsClient(Protocol):
    """Asks the API for articles and sources."""

    def find_articles(self, article_ids: Iterable[str], limits: PollLimits) -> LookupResult:
        """Ask for each article, within the limits."""

    def find_sources(self, source_ids: Iterable[str], limits: PollLimits) -> LookupResult:
        """Ask for each source, within the limits."""


def look_up_details(
    verdict: Verdict, client: DetailsClient, deadlines: Deadlines, clock: Callable[[], float]
) -> tuple[tuple[Job, ...], list[str]]:
    """Look up why jobs failed, and the titles and draft states of articles.

    Returns:
        The jobs, in the same states, with what was found; and what could not be looked up, each with the reason.

    Raises:
        CancelledError: a signal arrived.
    """
    limits = deadlines.start_details(clock())
    # Half of the time, so that one slow route leaves some for the other.
    reasons, no_reasons = _look_up_reasons(verdict, client, limits._replace(end_at=(clock() + limits.end_at) / 2))
    articles, no_articles = _look_up_articles(verdict, client, limits)
    jobs = (reasons.get(job.id, job) for job in verdict.jobs)
    return tuple(_with_article(job, articles) for job in jobs), [*no_reasons, *no_articles]


def _look_up_reasons(
    verdict: Verdict, client: DetailsClient, limits: PollLimits
) -> tuple[Mapping[str, Job], Sequence[str]]:
    sources = ((job, job.document_id) for job in verdict.in_state(JobState.FAILED) if job.may_be_explained)
    readable = ((job, source_id) for job, source_id in sources if source_id is not None and _is_readable(source_id))
    source_by_job = dict(islice(readable, MAX_EXPLAINED_JOBS))
    if not source_by_job:
        return {}, ()
    found = _checked(client.find_sources(source_by_job.values(), limits))
    jobs = {job.id: with_source(job, found.rows.get(source.lower(), ())) for job, source in source_by_job.items()}
    return jobs, () if found.rows else [f"why jobs failed ({_problem(found)})"]


def _look_up_articles(
    verdict: Verdict, client: DetailsClient, limits: PollLimits
) -> tuple[Mapping[str, Sequence[Article]], Sequence[str]]:
    completed = verdict.in_state(JobState.COMPLETED)
    unknown = {job.article_id.lower() for job in completed if job.article_id and job.article_is_draft is None}
    wanted = [article_id for article_id in verdict.article_ids if article_id.lower() in unknown][:MAX_ARTICLES]
    if not wanted:
        return {}, ()
    found = _checked(client.find_articles(wanted, limits))
    if not (missing_count := len(wanted) - len(found.rows)):
        return found.rows, ()
    return found.rows, [f"titles and draft states of {missing_count} of {len(wanted)} articles ({_problem(found)})"]


def _with_article(job: Job, articles: Mapping[str, Sequence[Article]]) -> Job:
    if job.state is not JobState.COMPLETED or job.article_id is None:
        return job
    return with_article(job, articles.get(job.article_id.lower(), ()))


def _is_readable(source_id: str) -> bool:
    """Whether a source's ID can be a part of a path."""
    return len(source_id) <= _MAX_SOURCE_ID_CHARACTERS and source_id not in _DOT_SEGMENTS


def _checked(result: LookupResult) -> LookupResult:
    """Return the result, unless a signal has ended the look-up."""
    if isinstance(result.error, CancelledError):
        raise result.error
    return result


def _problem(result: LookupResult) -> str:
    """Return what went wrong, without the advice that a refusal ends with."""
    return str(result.error).partition(". ")[0] if result.error is not None else result.problem
