"""When the gate may send which requests, by the contract."""

import math
from collections.abc import Iterator
from itertools import accumulate, pairwise
from operator import or_

from .model import Request
from .replies import Meaning
from .simulation import Evidence, Poll
from .written import Finding, Kind

EPSILON = 1e-6
MAX_OVERRUN_SECONDS = 5.0


def check_requests(evidence: Evidence) -> Iterator[Finding]:
    """Check each request against the inputs and the responses that had arrived before."""
    options, finished_by, responses = evidence.scenario.options, _finished_by(evidence), evidence.responses
    # Each list: what is known after 0, 1, 2, ... responses.
    is_slowed = [False, *accumulate((each.status == 429 for each in responses), or_)]
    is_refused = [False, *accumulate((each.is_refusal for each in responses), or_)]
    not_before = [-math.inf, *accumulate((each.retry_not_before for each in responses), max)]
    batch_size = [*accumulate(map(_acceptable_size, responses), min, initial=float(options.batch_size))]
    for number, request in enumerate(evidence.requests, start=1):
        known, ids = request.responses_before, request.job_ids
        concurrency = max(1, options.max_parallel // 2) if is_slowed[known] else options.max_parallel
        latest_end = request.began_at + request.timeout_seconds
        rules = {
            "each ID is given, once": 0 < len(ids) == len(set(ids) & set(evidence.scenario.unique_ids)),
            "no finished job": all(known <= finished_by.get(job_id.lower(), math.inf) for job_id in ids),
            "batch-size, halved by a 413": len(ids) <= batch_size[known],
            "max-parallel, halved by a 429": request.in_flight <= concurrency,
            "Retry-After": request.began_at >= min(not_before[known], evidence.timeout_at) - EPSILON,
            "nothing after a refusal": not is_refused[known],
        }
        limits = {
            "request-timeout": request.timeout_seconds <= options.request_timeout + EPSILON,
            "5 s after the timeout": latest_end <= evidence.deadline + MAX_OVERRUN_SECONDS + EPSILON,
        }
        for kind, claims in ((Kind.REQUESTS, rules), (Kind.OVERRUN, limits)):
            yield from (Finding(kind, f"request {number}: {rule}") for rule, holds in claims.items() if not holds)


def _acceptable_size(response: Request) -> float:
    """Return how many IDs a later request may have: half of what was too large."""
    return max(1, len(response.job_ids) // 2) if response.meaning is Meaning.TOO_LARGE else math.inf


def _finished_by(evidence: Evidence) -> dict[str, int]:
    """Return by which response, counted from 0, each job had finished."""
    found: dict[str, int] = {}
    for index, response in enumerate(evidence.responses):
        for job_id, rows in response.rows.items():
            if evidence.scenario.options.state_of(rows) != "pending":
                found.setdefault(job_id, index)
    return found


def check_pace(evidence: Evidence) -> Iterator[Finding]:
    """Check the interval before each poll, and the number of its requests."""
    options = evidence.scenario.options
    for number, (earlier, poll) in enumerate(pairwise(evidence.polls), start=2):
        interval = poll.began_at - earlier.ended_at
        if interval < options.poll_interval - EPSILON and poll.began_at < evidence.timeout_at - EPSILON:
            yield Finding(Kind.REQUESTS, f"poll {number}: after {interval:.3f} s, less than poll-interval")
        # The gate counts a Retry-After from when it handles the response, at the latest at the end of the poll.
        held_back = max((each.retry_not_before - each.ended_at for each in earlier.responses), default=-math.inf)
        if interval > max(options.max_poll_interval, held_back) + EPSILON and not evidence.api.clock.jumped_to:
            yield Finding(Kind.REQUESTS, f"poll {number}: after {interval:.3f} s, more than max-poll-interval")
    for number, poll in enumerate(evidence.polls, start=1):
        if len(poll.requests) > (most := _max_requests(evidence, poll)):
            yield Finding(Kind.REQUESTS, f"poll {number}: {len(poll.requests)} requests, more than {most}")


def _max_requests(evidence: Evidence, poll: Poll) -> int:
    """Return a generous limit: a bisection for each bad ID, fault and rejected size; retries are free."""
    job_ids = {job_id for request in poll.requests for job_id in request.job_ids}
    if not job_ids:
        return 0
    known = [each for each in evidence.responses if each.began_at <= poll.ended_at]
    size = int(min([evidence.scenario.options.batch_size, *map(_acceptable_size, known)]))
    batches, max_ids = math.ceil(len(job_ids) / size), evidence.scenario.behaviour.max_ids
    if all(each.meaning is Meaning.OK for each in known):
        return batches
    start, end = (at - evidence.started_at for at in (poll.began_at - EPSILON, poll.ended_at + EPSILON))
    words = (evidence.scenario.timelines[job_id.lower()].between(start, end) for job_id in job_ids)
    bad_ids = sum(any(isinstance(word, int) for word in each) for each in words)
    faults = sum(request.fault is not None for request in poll.requests)
    fragments = math.ceil(2 * len(job_ids) / max_ids) if max_ids < size else 0
    retries = sum(request.meaning in {Meaning.RETRYABLE, Meaning.TOO_LARGE, None} for request in poll.requests)
    depth = math.ceil(math.log2(min(size, len(job_ids)))) + 1
    return batches * depth + (bad_ids + faults + fragments) * (2 * depth + 6) + retries
