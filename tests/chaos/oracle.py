"""What a gate may do and say, given the API's responses: the contract, written once more, from the outside.

Nothing here knows how the gate works. Where the contract leaves room, as to whether a time counts from the request or
from the response, either reading is allowed.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .contract import MIN_OMISSIONS, ending_of, state_of, text_of
from .lookups import Publication, check_lookups
from .model import Request
from .replies import KEY, Meaning
from .request_rules import EPSILON, MAX_OVERRUN_SECONDS, check_pace, check_requests
from .simulation import Evidence, Poll
from .written import Finding, Kind

# What the response to a request for a single job says of it.
SINGLE_WORDS: Final = {
    Meaning.NOT_FOUND: "not found",
    Meaning.BAD_REQUEST: "malformed",
    Meaning.SERVER_ERROR: "failing",
}


def check(evidence: Evidence) -> list[Finding]:
    """Find all that is wrong with a gate's run."""
    if evidence.crash:
        return [Finding(Kind.TRACEBACK, evidence.crash)]
    referee = _Referee(evidence)
    return [
        *evidence.written.check_text(),
        *check_requests(evidence),
        *check_pace(evidence),
        *check_lookups(evidence),
        *referee.check_polls(),
        *referee.check_ending(),
    ]


@dataclass
class _Job:
    """What is known of a job. A time is a pair: the earliest and the latest that the gate may count from."""

    state: str = "pending"
    was_seen: bool = False
    is_not_found: bool = False
    omissions: int = 0
    absent_since: tuple[float, float] | None = None
    failing_since: float | None = None


class _Referee:
    """Follows the gate from poll to poll."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._options = evidence.scenario.options
        self._jobs = {job_id: _Job() for job_id in evidence.scenario.unique_ids}
        self._progress: object = [("pending", None, None, None)] * len(self._jobs)
        self._changed_at = evidence.started_at
        self._usable_at = evidence.started_at
        # The earliest and the latest time from which the gate may count an outage.
        self._outage_since: tuple[float | None, float | None] = None, None
        self._reasons: dict[str, bool] = {}
        """Why the gate may end after the last poll, and whether it has to."""
        self._publication: Publication | None = None
        """The look-up of the articles, if the gate has to make one."""

    def check_polls(self) -> Iterator[Finding]:
        """Check each job's state after each poll, and that the gate polled for as long as it had to, and no longer."""
        for number, poll in enumerate(self._evidence.polls, start=1):
            states = {job.id: str(job.state) for job in poll.jobs}
            if list(states) != list(self._jobs):
                yield Finding(Kind.VERDICT, f"poll {number}: a job is lost or doubled")
                return
            self._follow(poll)
            words = _words(poll)
            for job_id, job in self._jobs.items():
                is_finished = job.state != "pending"
                allowed = {job.state} if is_finished else self._allowed(job_id, poll, *words.get(job_id, (None, None)))
                if states[job_id] not in allowed:
                    text = f"{job_id!r} is {states[job_id]}, not {' or '.join(sorted(allowed))}"
                    yield Finding(Kind.VERDICT, f"poll {number}: {text}")
                self._jobs[job_id].state = states[job_id]
            is_last = number == len(self._evidence.polls)
            self._reasons = self._reasons_to_end(poll, is_last=is_last)
            if not is_last and any(self._reasons.values()):
                yield Finding(Kind.OVERRUN, f"poll {number}: the gate goes on despite {', '.join(self._reasons)}")
            if is_last and not self._reasons and self._evidence.api.clock.signalled_at is None:
                yield Finding(Kind.VERDICT, f"poll {number}: the gate ends without a reason")

    def _follow(self, poll: Poll) -> None:
        """Remember when a job last changed, and since when no response has been usable."""
        progress = [(str(job.state), job.status, job.started_at, job.completed_at) for job in poll.jobs]
        if progress != self._progress:
            self._changed_at, self._progress = poll.ended_at, progress
        usable_at = [response.ended_at for response in poll.responses if response.is_usable]
        if usable_at:
            self._usable_at = max(usable_at)
            # Nothing fails between polls: if all went well, an outage cannot begin before the next one.
            all_went_well = len(usable_at) == len(poll.requests)
            self._outage_since = None if all_went_well else self._usable_at, None
        else:
            earliest, latest = self._outage_since
            self._outage_since = earliest or poll.began_at, latest or poll.began_at

    # --- Job states ---------------------------------------------------------------------------------------------------

    def _allowed(self, job_id: str, poll: Poll, word: str | None, response: Request | None) -> set[str]:
        """Return the states that a pending job may have after a poll, and remember what the poll says of it."""
        job, is_final_poll = self._jobs[job_id], poll.began_at >= self._evidence.timeout_at
        allowed = {"pending"}
        if word is not None and word != "failing":
            job.failing_since = None
        if word == "row" and response is not None:
            self._jobs[job_id] = _Job(was_seen=True)
            return {self._options.state_of(response.rows[job_id.lower()])}
        if word == "malformed":
            return {"missing"}
        if word == "failing":
            allowed |= self._unreadable(job, poll)
        elif response is not None:
            job.is_not_found = word == "not found"
            job.omissions += word == "omitted"
            job.absent_since = job.absent_since or (response.began_at, poll.ended_at)
            allowed = self._absent(job, poll)
        # An ID still unknown at the deadline is missing.
        if is_final_poll and job.is_not_found:
            return {"missing"} if word != "failing" else allowed | {"missing"}
        is_unknown = job.omissions >= MIN_OMISSIONS and not job.was_seen
        return allowed | {"missing"} if is_final_poll and is_unknown else allowed

    def _absent(self, job: _Job, poll: Poll) -> set[str]:
        """Missing: unknown, or omitted from three responses, for `not-found-grace`."""
        if job.absent_since is None or not (job.is_not_found or job.omissions >= MIN_OMISSIONS):
            return {"pending"}
        grace, (earliest, latest) = self._options.not_found_grace, job.absent_since
        if poll.began_at - latest >= grace + EPSILON:
            return {"missing"}
        return {"pending", "missing"} if poll.ended_at - earliest >= grace - EPSILON else {"pending"}

    def _unreadable(self, job: _Job, poll: Poll) -> set[str]:
        """Unreadable: failing for `outage-tolerance`, while other requests get usable responses."""
        since = job.failing_since = poll.began_at if job.failing_since is None else job.failing_since
        tolerance = self._options.outage_tolerance
        if poll.began_at - since >= tolerance + EPSILON and any(each.is_usable for each in poll.responses):
            return {"unreadable"}
        may_be = poll.ended_at - since >= tolerance - EPSILON and self._usable_at >= since
        return {"pending", "unreadable"} if may_be else {"pending"}

    # --- Results ------------------------------------------------------------------------------------------------------

    def _reasons_to_end(self, poll: Poll, *, is_last: bool) -> dict[str, bool]:
        """Return why the gate may end after a poll, and whether it has to."""
        options, states, now = self._options, {str(job.state) for job in poll.jobs}, poll.ended_at
        if is_last and any(
            each.retry_not_before > self._evidence.polling_ended_at for each in self._evidence.responses
        ):
            # Where no further poll is allowed, a limit may be reached while the gate waits.
            now = self._evidence.polling_ended_at
        reasons = {
            "a refusal": any(response.is_refusal for response in poll.responses),
            "no pending job": "pending" not in states,
            "fail-fast": options.fail_fast and not states.isdisjoint({"failed", "missing"}),
            "timeout": poll.began_at >= self._evidence.timeout_at and bool(poll.requests),
            "stall-timeout": now >= self._changed_at + (options.stall_timeout or math.inf) - EPSILON,
        }
        found = {reason: True for reason, holds in reasons.items() if holds}
        earliest, latest = self._outage_since
        if earliest is not None and latest is not None and now >= earliest + options.outage_tolerance - EPSILON:
            found["outage"] = now >= latest + options.outage_tolerance - EPSILON
        return found

    def _allowed_endings(self, states: set[str]) -> set[tuple[str, int]]:
        """Return the results that the contract's table allows: the first that applies."""
        evidence, reasons, publication = self._evidence, self._reasons, self._publication
        if evidence.api.clock.signalled_at is not None and evidence.scenario.signal is not None:
            return {("cancelled", 128 + evidence.scenario.signal[1])}
        if evidence.is_refused or (publication is not None and not publication.is_complete):
            return {("error", 4)}
        is_over = not reasons.keys().isdisjoint({"no pending job", "fail-fast"})
        endings = {("error", 4)} if "outage" in reasons and not is_over else set()
        is_certain = reasons.get("outage") and not is_over
        return endings if is_certain or not reasons.keys() - {"outage"} else endings | {ending_of(states)}

    def check_ending(self) -> Iterator[Finding]:
        """Check the result, what is reported of each job, and when the gate ended."""
        evidence, written = self._evidence, self._evidence.written
        values, findings = written.check_outputs(evidence.scenario.unique_ids)
        yield from findings
        self._publication = Publication.of(evidence)
        if self._publication is not None:
            yield from self._publication.check(evidence)
        if not values:
            return
        result, message = values["result"], values["message"]
        publication = self._publication.requests if self._publication is not None else ()
        is_refused = evidence.is_refused or any(request.is_refusal for request in publication)
        yield from written.check_closing(values, is_refusal=is_refused)
        allowed = self._allowed_endings(set(values["states"].values()))
        if (result, evidence.exit_code) not in allowed:
            yield Finding(Kind.VERDICT, f"{result} with exit code {evidence.exit_code}, not {sorted(allowed)}")
        yield from self._check_limit(result, message, len(values["pending-job-ids"]))
        yield from self._check_jobs(values)
        elapsed = evidence.ended_at - evidence.started_at
        if abs(float(values["elapsed-seconds"]) - elapsed) > 0.06:
            yield Finding(Kind.OUTPUTS, f"elapsed-seconds {values['elapsed-seconds']}, not {elapsed:.1f}")
        for name, since in {"deadline": evidence.deadline, "signal": evidence.api.clock.signalled_at}.items():
            if since is not None and evidence.ended_at > since + MAX_OVERRUN_SECONDS:
                yield Finding(Kind.OVERRUN, f"ended {evidence.ended_at - since:.1f} s after the {name}")

    def _check_limit(self, result: str, message: str, pending_count: int) -> Iterator[Finding]:
        """Check that the message names the limit that the gate stopped at, whatever the result, and what is pending."""
        is_failure_at_a_limit = result == "failure" and pending_count and "fail-fast" not in self._reasons
        if result != "timed_out" and not is_failure_at_a_limit:
            return
        limit = next((name for name in ("stall-timeout", "timeout") if f"({name}" in message), "none")
        if limit not in self._reasons:
            yield Finding(Kind.OUTPUTS, f"the message names the limit {limit}, not {', '.join(self._reasons)}")
        if f"; {pending_count} w" not in message:
            yield Finding(Kind.OUTPUTS, "the message does not say how many jobs are still pending")

    def _check_jobs(self, values: Mapping[str, Any]) -> Iterator[Finding]:
        """Check that each job is reported as last seen, and completed only where a row says so, with its article."""
        for job_id, state in values["states"].items():
            allowed = {self._jobs[job_id].state}
            if self._publication is not None and self._publication.fails(job_id):
                # A signal may arrive before the gate has drawn the conclusion.
                allowed = {"failed"} if values["result"] != "cancelled" else {"failed", *allowed}
            if state not in allowed:
                yield Finding(Kind.VERDICT, f"{job_id!r} is reported as {state}, not {' or '.join(sorted(allowed))}")
        drafts = {article.lower() for article in values["draft-article-ids"]}
        is_known = self._publication is not None and values["result"] in {"success", "failure"}
        if is_known and self._publication is not None and drafts != self._publication.drafts:
            yield Finding(Kind.OUTPUTS, f"draft-article-ids {drafts}, not {self._publication.drafts}")
        yield from self._check_failures(values)
        for job_id, article in values["articles-by-job"].items():
            found = [response.rows.get(job_id.lower(), []) for response in self._evidence.responses]
            good = [rows for rows in found if rows and self._options.state_of(rows) == "completed"]
            if not good or article not in {_article(row) for row in good[-1]}:
                yield Finding(Kind.VERDICT, f"no row says that {job_id!r} has completed with its article")

    def _check_failures(self, values: Mapping[str, Any]) -> Iterator[Finding]:
        """Check which sources are reported: of the jobs that failed by their own rows."""
        rows_by_job: dict[str, Any] = {}
        for response in self._evidence.responses:
            rows_by_job |= response.rows
        source_by_job = {job_id: source for source, job_id in self._evidence.scenario.sources.items()}
        failed = [
            job_id
            for job_id in values["failed-job-ids"]
            if state_of(rows_by_job.get(job_id.lower(), [{}]), require_articles=False) == "failed"
        ]
        expected = [source_by_job[job_id] for job_id in failed if job_id in source_by_job]
        # The document does not say which jobs failed in Fini.
        if values.get("failed-document-ids", expected) != expected:
            yield Finding(Kind.OUTPUTS, f"failed-document-ids {values['failed-document-ids']}, of {failed}")


def _words(poll: Poll) -> dict[str, tuple[str, Request]]:
    """Return the last thing that a poll says of each job, and the response that says it."""
    found = {}
    for response in poll.responses:
        if response.meaning is Meaning.OK:
            for job_id in response.job_ids:
                found[job_id] = ("row" if job_id.lower() in response.rows else "omitted"), response
        elif len(response.job_ids) == 1 and response.meaning in SINGLE_WORDS:
            found[response.job_ids[0]] = SINGLE_WORDS[response.meaning], response
    return found


def _article(row: Mapping[str, Any]) -> str | None:
    """Return the article of a row as the gate reports it."""
    article = text_of(row.get("hcArticleId"))
    return article and article.replace(KEY, "***").encode("utf-8", "replace").decode()
