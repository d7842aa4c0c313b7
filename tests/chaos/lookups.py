"""What a gate may look up, and what follows from it: the contract of articles and sources, from the outside."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .contract import is_live
from .model import Request
from .replies import Meaning
from .request_rules import EPSILON, MAX_OVERRUN_SECONDS
from .simulation import Evidence
from .written import Finding, Kind

MAX_SOURCES = 20
MAX_DETAILS_SECONDS = 10.0


def check_lookups(evidence: Evidence) -> Iterator[Finding]:
    """Check each request for articles or sources against the inputs and the responses that had arrived before."""
    options, lookups = evidence.scenario.options, evidence.api.lookups
    signalled_at = evidence.api.clock.signalled_at
    is_pending = "pending" in _states(evidence).values()
    for number, request in enumerate(lookups, start=1):
        before = [each for each in [*evidence.responses, *lookups] if each.ended_at <= request.began_at]
        not_before = max((each.retry_not_before for each in before), default=-math.inf)
        sizes = [
            max(1, len(each.job_ids) // 2)
            for each in before
            if each.meaning is Meaning.TOO_LARGE and each.route != "source"
        ]
        rules = {
            "it is asked for": options.article_details or options.require_published,
            "each ID once": 0 < len(request.job_ids) == len({each.lower() for each in request.job_ids}),
            "batch-size, halved by a 413": len(request.job_ids) <= min([options.batch_size, *sizes]),
            "max-parallel": request.in_flight <= options.max_parallel,
            "Retry-After": request.began_at >= min(not_before, evidence.timeout_at) - EPSILON,
            "nothing after a signal": signalled_at is None or request.began_at <= signalled_at,
            "no article while a job is pending": request.route == "source" or options.article_details or not is_pending,
        }
        limits = {
            "request-timeout": request.timeout_seconds <= options.request_timeout + EPSILON,
            "5 s after the timeout": request.began_at + request.timeout_seconds
            <= evidence.deadline + MAX_OVERRUN_SECONDS + EPSILON,
        }
        for kind, claims in ((Kind.REQUESTS, rules), (Kind.OVERRUN, limits)):
            yield from (Finding(kind, f"look-up {number}: {rule}") for rule, holds in claims.items() if not holds)
    yield from _check_details(evidence)


def _check_details(evidence: Evidence) -> Iterator[Finding]:
    """Check that the details take no longer than they may, and which sources are asked."""
    lookups, is_published = evidence.api.lookups, evidence.scenario.options.require_published
    sources = {source.encode("utf-8", "replace").decode() for source in evidence.scenario.sources}
    asked = {each.job_ids[0] for each in lookups if each.route == "source"}
    if len(asked) > MAX_SOURCES or not asked <= sources:
        yield Finding(Kind.REQUESTS, f"sources {sorted(asked)}")
    end_at = max((each.began_at + each.timeout_seconds for each in lookups), default=0)
    is_bounded = is_published or evidence.api.clock.jumped_to or not lookups
    if not is_bounded and end_at > evidence.polling_ended_at + MAX_DETAILS_SECONDS + EPSILON:
        yield Finding(Kind.OVERRUN, "the details may take longer than 10 s")


def _states(evidence: Evidence) -> Mapping[str, str]:
    return {job.id: str(job.state) for job in evidence.polls[-1].jobs} if evidence.polls else {}


@dataclass
class Publication:
    """The look-up that `require-published` demands."""

    articles: Mapping[str, str]
    """Job ID → its article in lower case, of each completed job that has one."""
    answered: Mapping[str, Sequence[Mapping[str, Any]]]
    """Article in lower case → the rows of the first response about it."""
    requests: Sequence[Request]

    @classmethod
    def of(cls, evidence: Evidence) -> "Publication | None":
        """Return the look-up, or None if the gate must not make one."""
        states, options = _states(evidence), evidence.scenario.options
        if not options.require_published or not states or "pending" in states.values() or evidence.is_refused:
            return None
        articles = {
            job.id: job.article_id.lower()
            for job in evidence.polls[-1].jobs
            if states[job.id] == "completed" and job.article_id
        }
        requests = [request for request in evidence.api.lookups if request.route == "articles"]
        answered: dict[str, Sequence[Mapping[str, Any]]] = {}
        for request in sorted(requests, key=lambda request: request.ended_at):
            if request.meaning is Meaning.OK:
                for article in request.job_ids:
                    answered.setdefault(article.lower(), request.rows.get(article.lower(), []))
        return cls(articles, answered, requests) if articles else None

    @property
    def is_complete(self) -> bool:
        """Whether the API has said of each article whether it is live."""
        return set(self.articles.values()) <= self.answered.keys()

    def fails(self, job_id: str) -> bool:
        """Whether a job fails because its article is not live."""
        return self.is_complete and job_id in self.articles and not is_live(self.answered[self.articles[job_id]])

    @property
    def drafts(self) -> set[str]:
        """The articles that are drafts, in lower case."""
        return {article for article, rows in self.answered.items() if rows and not is_live(rows)}

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        """Check what the gate asked for, and that it asked for as long as it had to."""
        for number, request in enumerate(self.requests, start=1):
            before = [each for each in self.requests if each.ended_at <= request.began_at]
            known = {article.lower() for each in before if each.meaning is Meaning.OK for article in each.job_ids}
            asked = {article.lower() for article in request.job_ids}
            if not asked <= set(self.articles.values()) - known:
                yield Finding(Kind.REQUESTS, f"articles {number}: one is not a completed job's, or known already")
        is_refused = any(request.is_refusal for request in self.requests)
        if self.is_complete or is_refused or evidence.api.clock.signalled_at is not None:
            return
        tolerance_ends_at = evidence.polls[-1].ended_at + evidence.scenario.options.outage_tolerance
        if evidence.ended_at < min(evidence.timeout_at, tolerance_ends_at) - EPSILON:
            yield Finding(Kind.VERDICT, "the gate gave up the articles before a limit")
