"""What a gate may do and say, given what the API told it: the contract, written once more and from the outside.

Nothing here knows how the gate works. Where the contract leaves room (whether an answer counts from when it was asked
for or from when it came) both readings are let pass.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

from .faults import KEY
from .model import OVERRUN_SECONDS, Exchange, Meaning
from .simulation import Evidence, Poll

EPSILON = 1e-6
COMPLETED = {"COMPLETED", "SUCCEEDED", "SUCCESS", "DONE", "FINISHED"}
FAILED = {
    *("FAILED", "FAILURE", "ERROR", "ERRORED", "CANCELLED", "CANCELED"),
    *("ABORTED", "REJECTED", "EXPIRED", "TIMED_OUT"),
}
PENDING = {"PENDING", "IN_PROGRESS"}
STATES = ("completed", "failed", "pending", "missing", "unreadable")
OUTPUTS = {
    *("result", "message", "article-ids", "article-ids-lines", "articles-by-job", "elapsed-seconds", "results-file"),
    *(f"{state}-job-ids" for state in STATES),
    *(f"{name}-count" for name in ("job", "article", *STATES)),
}
MOST_OUTPUT_UNITS = 450_000
MOST_ERRORS = 10
MIN_OMISSIONS = 3
TOO_MANY_REQUESTS = 429


class Kind(StrEnum):
    """What sort of wrong it is."""

    VERDICT = "verdicts wrong"
    KEY = "keys leaked"
    TRACEBACK = "tracebacks"
    OVERRUN = "overruns of a limit"
    REQUESTS = "requests out of bounds"
    TEXT = "commands or live text"
    OUTPUTS = "outputs incomplete"


@dataclass(frozen=True)
class Wrong:
    """Something that the contract does not allow."""

    kind: Kind
    what: str

    def __str__(self) -> str:
        """It in a line."""
        return f"{self.kind}: {self.what}"


def check(evidence: Evidence) -> list[Wrong]:
    """Find all that is wrong with a gate's run."""
    if evidence.crash:
        return [Wrong(Kind.TRACEBACK, evidence.crash)]
    return [
        *check_text(evidence.transcript, evidence.outputs, evidence.summary, evidence.results),
        *_check_requests(evidence),
        *_check_patience(evidence),
        *_check_looks(evidence),
        *_check_ending(evidence),
    ]


# --- what it wrote ---------------------------------------------------------------------------------------------------


def check_text(transcript: str, outputs: str, summary: str, results: str | None) -> Iterator[Wrong]:
    """Check that nothing in what was written is the key, a command, live Markdown, or a sign of a crash."""
    mask = f"::add-mask::{KEY}\n"
    if not transcript.startswith(mask):
        yield Wrong(Kind.KEY, "the key is not masked first")
    places = {"transcript": transcript.replace(mask, "", 1), "outputs": outputs, "summary": summary}
    for place, text in {**places, "results file": results or ""}.items():
        if KEY in text:
            yield Wrong(Kind.KEY, f"the key is in the {place}")
        elif KEY[:16] in text.replace("\\", ""):
            yield Wrong(Kind.KEY, f"the beginning of the key is in the {place}")
        if "Traceback" in text or "fini-gate itself failed" in text:
            found = re.search(r"fini-gate itself failed: [^.]*\.py[^.]*", text)
            yield Wrong(Kind.TRACEBACK, found[0] if found else f"in the {place}")
    for line in transcript.replace(mask, "", 1).split("\n"):
        yield from _check_line(line)
    # What is fenced as code is no Markdown; a fence ends with a line that is as long.
    summary = re.sub(r"^(`{3,})[a-z]*\n.*?^\1\n", "", summary, flags=re.MULTILINE | re.DOTALL)
    live = re.search(r"<(img|b)\b|@octocat|(?<!\\)\]\(http|^::|[\x00-\x09\x0b-\x1f]", summary)
    if live:
        yield Wrong(Kind.TEXT, f"live in the summary: {live[0]!r}")


def _check_line(line: str) -> Iterator[Wrong]:
    commands = r"::(error|warning|notice) title=[^:,]*::\S|::group::Jobs that did not complete$|::endgroup::$"
    if line.lstrip().startswith("::") and not re.match(commands, line):
        yield Wrong(Kind.TEXT, f"a command: {line[:80]!r}")
    if "##[" in line:
        yield Wrong(Kind.TEXT, f"a command of old: {line[:80]!r}")
    if not line.isprintable():
        yield Wrong(Kind.TEXT, f"a control character: {line[:80]!r}")


def read_outputs(text: str) -> dict[str, str]:
    """Read the outputs as GitHub's runner does; of one written twice the later one counts.

    Raises:
        ValueError: the runner would not take it.
    """
    values: dict[str, str] = {}
    lines = iter(text.split("\n")[:-1])
    for line in lines:
        name, arrows, delimiter = line.partition("<<")
        if not arrows or not delimiter:
            raise ValueError(f"no name and delimiter: {line[:80]!r}")
        value = []
        for part in lines:
            if part == delimiter:
                break
            value.append(part)
        else:
            raise ValueError(f"no end of {name}")
        values[name] = "\n".join(value)
    return values


@dataclass
class Reported:
    """What a gate's outputs say."""

    values: Mapping[str, str]
    lists: dict[str, list[str]] = field(default_factory=dict)
    """State → job IDs."""
    state_of: dict[str, str] = field(default_factory=dict)


def check_outputs(text: str, expected_ids: Sequence[str], results: str | None) -> tuple[list[Wrong], Reported | None]:
    """Check that the outputs are whole and agree with themselves and with the results file."""
    wrongs: list[Wrong] = []

    def claim(holds: object, what: str) -> None:
        if not holds:
            wrongs.append(Wrong(Kind.OUTPUTS, what))

    try:
        values = read_outputs(text)
        reported = Reported(values, {state: json.loads(values[f"{state}-job-ids"]) for state in STATES})
        articles, by_job = json.loads(values["article-ids"]), json.loads(values["articles-by-job"])
    except (ValueError, KeyError) as error:
        return [Wrong(Kind.OUTPUTS, f"not to be read: {error!r}")], None
    claim(set(values) == OUTPUTS, f"not all outputs: {sorted(set(values) ^ OUTPUTS)}")
    claim(sum(len(value.encode("utf-16-le")) // 2 for value in values.values()) < MOST_OUTPUT_UNITS, "too large")
    for state, ids in reported.lists.items():
        claim(values[f"{state}-count"] == str(len(ids)), f"{state}-count")
        claim(ids == [job_id for job_id in expected_ids if job_id in set(ids)], f"the order of {state}-job-ids")
        reported.state_of.update(dict.fromkeys(ids, state))
    listed = Counter(job_id for ids in reported.lists.values() for job_id in ids)
    if listed != Counter(expected_ids):
        wrongs.append(
            Wrong(
                Kind.VERDICT,
                f"lost or doubled: {sorted((listed - Counter(expected_ids)) + (Counter(expected_ids) - listed))[:3]}",
            )
        )
    claim(values["job-count"] == str(len(expected_ids)), "job-count")
    claim(list(by_job) == reported.lists["completed"], "articles-by-job holds other jobs than completed")
    claim(articles == list(dict.fromkeys(filter(None, by_job.values()))), "article-ids differ from articles-by-job")
    claim(values["article-count"] == str(len(articles)), "article-count")
    claim(len(values["message"].splitlines()) == 1, "message is not one line")
    claim(re.fullmatch(r"[0-9]+\.[0-9]", values["elapsed-seconds"]), "elapsed-seconds")
    if results is not None:
        document = json.loads(results)
        told = {job["id"]: job["state"] for job in document["jobs"]}
        claim(told == reported.state_of, "the results file differs from the outputs")
        claim(list(told) == list(expected_ids), "the order in the results file")
        claim(document["result"] == values["result"], "the result in the results file")
        found = {job["id"]: job["articleId"] for job in document["jobs"] if job["state"] == "completed"}
        claim(found == by_job, "the articles in the results file")
    return wrongs, reported


def check_annotations(transcript: str, result: str, *, alone: bool) -> Iterator[Wrong]:
    """Check that an ending has its one error, and success none."""
    errors = sum(line.startswith("::error ") for line in transcript.splitlines())
    most = 0 if result == "success" else 1 if alone else MOST_ERRORS
    if not min(1, most) <= errors <= most:
        yield Wrong(Kind.OUTPUTS, f"{errors} errors at the ending {result}")


# --- what it asked for -----------------------------------------------------------------------------------------------


def text_of(value: object) -> str | None:
    """What a field of a row says: a text, or a whole number as one; nothing else, and not the empty text."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number or (isinstance(value, str) and value) else None


def state_of_row(row: Mapping[str, Any], *, require_articles: bool) -> str:
    """The state that a row stands for."""
    status = row.get("jobStatus")
    name = status.upper() if isinstance(status, str) else None
    if name in COMPLETED:
        return "failed" if require_articles and text_of(row.get("hcArticleId")) is None else "completed"
    if name in FAILED:
        return "failed"
    if name in PENDING:
        return "pending"
    return "failed" if text_of(row.get("completedAt")) is not None else "pending"


def state_of_rows(rows: Sequence[Mapping[str, Any]], *, require_articles: bool) -> str:
    """The state that several rows for one job stand for: the worst of them."""
    states = {state_of_row(row, require_articles=require_articles) for row in rows}
    return next(state for state in ("failed", "pending", "completed") if state in states)


def _check_requests(evidence: Evidence) -> Iterator[Wrong]:
    wishes = evidence.scenario.wishes
    finished: set[str] = set()
    for number, exchange in enumerate(evidence.exchanges, start=1):
        asked = exchange.job_ids
        where = f"request {number}"
        yield from _check_request(evidence, exchange, where)
        yield from _check_heeded(evidence, exchange, where)
        if again := finished.intersection(asked):
            yield Wrong(Kind.REQUESTS, f"{where}: {len(again)} finished jobs are asked for again")
        for job_id in asked:
            rows = exchange.rows_of(job_id)
            if rows and state_of_rows(rows, require_articles=wishes.require_articles) != "pending":
                finished.add(job_id)
    for number, poll in enumerate(evidence.polls, start=1):
        yield from _check_number(evidence, poll, number)


def _check_request(evidence: Evidence, exchange: Exchange, where: str) -> Iterator[Wrong]:
    asked = exchange.job_ids
    if not asked or len(set(asked)) < len(asked) or not set(asked) <= set(evidence.scenario.expected_ids):
        yield Wrong(Kind.REQUESTS, f"{where}: none, twice, or other IDs than were given")
    if exchange.timeout_seconds > evidence.scenario.wishes.request_timeout + EPSILON:
        yield Wrong(Kind.OVERRUN, f"{where}: may take {exchange.timeout_seconds}")
    if exchange.began_at + exchange.timeout_seconds > _deadline(evidence) + OVERRUN_SECONDS + EPSILON:
        yield Wrong(Kind.OVERRUN, f"{where}: may go on past the deadline and {OVERRUN_SECONDS} s")


def _check_heeded(evidence: Evidence, exchange: Exchange, where: str) -> Iterator[Wrong]:
    """Check that a request keeps to what the API told before it; one that was under way by then could not know."""
    wishes = evidence.scenario.wishes
    told = evidence.exchanges[: exchange.heard]
    too_large = [each for each in told if each.meaning is Meaning.TOO_LARGE and each.fault is None]
    heeded = [each for each in too_large if len(each.job_ids) > 1 and not _goes_on(evidence, exchange, each)]
    most = min([wishes.batch_size, *(len(each.job_ids) - 1 for each in heeded)])
    if len(exchange.job_ids) > most:
        yield Wrong(Kind.REQUESTS, f"{where}: {len(exchange.job_ids)} IDs, where {most} are the most")
    was_slowed = any(each.status == TOO_MANY_REQUESTS for each in told)
    concurrency = max(1, wishes.max_parallel // 2) if was_slowed else wishes.max_parallel
    if exchange.in_flight > concurrency:
        yield Wrong(Kind.REQUESTS, f"{where}: {exchange.in_flight} in flight, where {concurrency} are the most")
    if any(map(_is_refusal, told)):
        yield Wrong(Kind.REQUESTS, f"{where}: after the API refused to be asked")


def _goes_on(evidence: Evidence, exchange: Exchange, too_large: Exchange) -> bool:
    """Whether it is of a group that the look had asked for before another was too large: it is gone into as it is."""
    poll = next((each.exchanges for each in evidence.polls if exchange in each.exchanges), evidence.cut_look)
    heard = evidence.exchanges.index(too_large) + 1
    earlier = [set(each.job_ids) for each in poll if each.heard < heard]
    return any(group >= set(exchange.job_ids) and group.isdisjoint(too_large.job_ids) for group in earlier)


def _check_number(evidence: Evidence, poll: Poll, number: int) -> Iterator[Wrong]:
    """Check the number of requests of a look: the batches, and for each thing that was wrong about twice log2 n."""
    scenario = evidence.scenario
    asked = {job_id for exchange in poll.exchanges for job_id in exchange.job_ids}
    if not asked:
        return
    largest = min(scenario.wishes.batch_size, len(asked))
    shrunk = sum(_met_too_many(exchange) for exchange in _before(evidence, poll))
    taken = max(1.0, min(largest, scenario.limits.most_ids) // 2**shrunk)
    depth = math.ceil(math.log2(largest)) + 1
    bad = [exchange for exchange in poll.exchanges if exchange.meaning is not Meaning.OK]
    retries = sum(exchange.meaning in {Meaning.RETRYABLE, Meaning.NEVER_CAME} for exchange in bad)
    alone = {exchange.job_ids for exchange in bad if len(exchange.job_ids) == 1}
    changing = sum(_changes_presence(evidence, job_id, poll) for job_id in asked)
    trouble = len(alone) + changing + sum(exchange.fault is not None for exchange in poll.exchanges)
    # That a batch is too large is found out by halves, and so is the next size; each may be tried four times.
    halvings = (math.ceil(math.log2(largest / taken)) + 1) * (2 * depth + 8) if taken < largest else 0
    batches = math.ceil(len(asked) / taken)
    most = 2 * batches + halvings + retries + (trouble + shrunk) * (2 * depth + 6) + depth
    # Where groups grow with each answer, those that are asked for beside the first are as small as it.
    growing = depth + scenario.wishes.max_parallel - 1
    what = f"look {number}: {len(poll.exchanges)} requests for {len(asked)} jobs"
    if len(poll.exchanges) > most:
        yield Wrong(Kind.REQUESTS, f"{what}, {most} are plenty")
    elif not bad and not shrunk and taken == largest and len(poll.exchanges) > batches + growing:
        yield Wrong(Kind.REQUESTS, f"{what} in quiet")


def _changes_presence(evidence: Evidence, job_id: str, poll: Poll) -> bool:
    """Whether a job is bad for only a part of a look."""
    course = evidence.scenario.courses[job_id.casefold()]
    times = [evidence.started_at + since for since, _ in course.phases]
    times = [poll.began_at, *(time for time in times if poll.began_at < time <= poll.ended_at)]
    return len({course.at(time - evidence.started_at + EPSILON).presence for time in times}) > 1


def _before(evidence: Evidence, poll: Poll) -> list[Exchange]:
    return [exchange for exchange in evidence.exchanges if exchange.began_at <= poll.ended_at]


def _met_too_many(exchange: Exchange) -> bool:
    """Whether a fault told the gate that it may not ask for as many, as it may take to heart."""
    is_told = exchange.meaning in {Meaning.TOO_LARGE, Meaning.BAD_REQUEST} and len(exchange.job_ids) > 1
    return is_told and exchange.fault is not None


def _is_refusal(exchange: Exchange) -> bool:
    return exchange.meaning is Meaning.FATAL or (exchange.meaning is Meaning.TOO_LARGE and len(exchange.job_ids) == 1)


# --- when it asked ---------------------------------------------------------------------------------------------------


def _deadline(evidence: Evidence) -> float:
    """When the gate has to be at its end, or, where the clock jumped over that, where it landed."""
    deadline = evidence.started_at + evidence.scenario.wishes.timeout
    return max([deadline, *evidence.landings])


def _is_usable(exchange: Exchange) -> bool:
    return exchange.meaning in {Meaning.OK, Meaning.NOT_FOUND, Meaning.BAD_REQUEST}


def _outage_started_at(evidence: Evidence, number: int, *, surely: bool) -> float:
    """Since when the API, asked in the look of this number too, has given no usable answer.

    It may be counted from the last one, where something was amiss in that very look; surely so from the next look on.
    """
    polls = evidence.polls[:number]
    answered = [index for index, poll in enumerate(polls) if any(map(_is_usable, poll.exchanges))]
    last = polls[answered[-1]] if answered else None
    if surely or last is None or all(map(_is_usable, last.exchanges)):
        return polls[answered[-1] + 1 if answered else 0].began_at
    return max(exchange.ended_at for exchange in last.exchanges if _is_usable(exchange))


def _changes_at(polls: Sequence[Poll], start: float) -> list[float]:
    """For each look when, by its end, a job had last changed its state, status, start or end, as the gate saw it."""
    before: list[tuple[object, ...]] = [("pending", None, None, None)] * len(polls[0].jobs) if polls else []
    changed_at, found = start, []
    for poll in polls:
        stages: list[tuple[object, ...]] = [
            (str(job.state), job.status, job.started_at, job.completed_at) for job in poll.jobs
        ]
        if stages != before:
            changed_at, before = poll.ended_at, stages
        found.append(changed_at)
    return found


def _check_patience(evidence: Evidence) -> Iterator[Wrong]:
    """Check that `Retry-After` and the pauses are kept, but for the deadline that cuts them short."""
    wishes = evidence.scenario.wishes
    deadline = evidence.started_at + wishes.timeout
    for number, exchange in enumerate(evidence.exchanges, start=1):
        earliest = min(exchange.ended_at + exchange.retry_after_seconds, max(exchange.ended_at, deadline))
        following = (each.began_at for each in evidence.exchanges if each.heard >= number)
        if (began_at := min(following, default=math.inf)) < earliest - EPSILON:
            yield Wrong(Kind.REQUESTS, f"after request {number}: {earliest - began_at:.1f} s before Retry-After")
    for number, (poll, later) in enumerate(pairwise(evidence.polls), start=2):
        pause = later.began_at - poll.ended_at
        if pause < wishes.poll_interval - EPSILON and later.began_at < deadline - EPSILON:
            yield Wrong(Kind.REQUESTS, f"look {number}: after a pause of {pause:.3f}")
        asked = max((exchange.retry_after_seconds for exchange in poll.exchanges), default=0)
        if pause > max(wishes.max_poll_interval, asked) + EPSILON and not evidence.landings:
            yield Wrong(Kind.REQUESTS, f"look {number}: after a pause of {pause:.3f}, longer than the longest")


# --- what it made of the answers -------------------------------------------------------------------------------------


@dataclass
class _Known:
    """What the API has told of a job so far, in whole looks."""

    state: str = "pending"
    was_seen: bool = False
    absent_from: float | None = None
    absent_by: float | None = None
    omission_count: int = 0
    was_unknown: bool = False
    failing_from: float | None = None
    """When the first look began of those in which it failed alone: at the earliest that the gate may count from."""
    failing_by: float | None = None
    """… at the latest: the first in which the API did not say itself that time heals it."""


def _told(poll: Poll, job_id: str) -> tuple[str | None, Exchange | None]:
    """What a look told of a job: the last answer that says anything of it alone."""
    found: tuple[str | None, Exchange | None] = (None, None)
    for exchange in poll.exchanges:
        if job_id not in exchange.job_ids:
            continue
        if exchange.meaning is Meaning.OK:
            found = ("row" if exchange.rows_of(job_id) else "left out", exchange)
        elif len(exchange.job_ids) == 1:
            name = {Meaning.NOT_FOUND: "unknown", Meaning.BAD_REQUEST: "malformed", Meaning.SERVER_ERROR: "failing"}
            if exchange.meaning in name:
                found = (name[exchange.meaning], exchange)
    return found


def _allowed(evidence: Evidence, known: _Known, poll: Poll, job_id: str, *, is_last: bool) -> set[str]:
    """The states that a job may have after a look; takes what it told into what is known."""
    told, exchange = _told(poll, job_id)
    if told is None or exchange is None:
        return {"missing"} if is_last and known.was_unknown else {"pending", *_perhaps_missing(known, is_last=is_last)}
    if told == "failing":
        return _allowed_failing(evidence, known, poll, job_id, is_last=is_last)
    known.failing_from = known.failing_by = None
    if told == "row":
        known.was_seen, known.absent_from, known.absent_by = True, None, None
        known.omission_count, known.was_unknown = 0, False
        require_articles = evidence.scenario.wishes.require_articles
        return {state_of_rows(exchange.rows_of(job_id), require_articles=require_articles)}
    known.was_unknown = told == "unknown"
    known.omission_count += told == "left out"
    if told == "malformed" or (is_last and known.was_unknown):
        return {"missing"}
    return _allowed_absent(evidence, known, poll, exchange) | _perhaps_missing(known, is_last=is_last)


def _perhaps_missing(known: _Known, *, is_last: bool) -> set[str]:
    """At the deadline a job that the API has only ever left out may count as unknown."""
    is_told = known.omission_count >= MIN_OMISSIONS and not known.was_seen
    return {"missing"} if is_last and is_told else set()


def _allowed_absent(evidence: Evidence, known: _Known, poll: Poll, exchange: Exchange) -> set[str]:
    grace = evidence.scenario.wishes.not_found_grace
    if known.absent_from is None or known.absent_by is None:
        known.absent_from, known.absent_by = exchange.began_at, poll.ended_at
    if not known.was_unknown and known.omission_count < MIN_OMISSIONS:
        return {"pending"}
    if poll.began_at - known.absent_by >= grace + EPSILON:
        return {"missing"}
    return {"pending", "missing"} if poll.ended_at - known.absent_from >= grace - EPSILON else {"pending"}


def _allowed_failing(evidence: Evidence, known: _Known, poll: Poll, job_id: str, *, is_last: bool) -> set[str]:
    tolerance = evidence.scenario.wishes.outage_tolerance
    # At the earliest it may count from the look's own beginning.
    known.failing_from = poll.began_at if known.failing_from is None else known.failing_from
    also = {"missing"} if is_last and known.was_unknown else _perhaps_missing(known, is_last=is_last)
    asked_for = [other for other in poll.exchanges if job_id in other.job_ids]
    is_plain = asked_for[-1].meaning is Meaning.SERVER_ERROR and not asked_for[-1].retry_after_seconds
    # Where the clock jumped over the retry, the one failure is not yet the job's.
    is_plain = is_plain and not any(asked_for[-1].ended_at < landing <= poll.ended_at for landing in evidence.landings)
    if is_plain and known.failing_by is None:
        known.failing_by = poll.began_at
    is_too_long = known.failing_by is not None and poll.began_at - known.failing_by >= tolerance + EPSILON
    if is_plain and is_too_long and any(map(_is_usable, poll.exchanges)):
        return {"unreadable"} | also
    others = [other for other in _before(evidence, poll) if _is_usable(other) and other.ended_at >= known.failing_from]
    may = others and poll.ended_at - known.failing_from >= tolerance - EPSILON
    return {"pending", "unreadable"} | also if may else {"pending"} | also


def _check_looks(evidence: Evidence) -> Iterator[Wrong]:
    """Check each job's state after each look, and that the gate looked on as long as it had to, and no longer."""
    wishes, ids = evidence.scenario.wishes, evidence.scenario.expected_ids
    deadline = evidence.started_at + wishes.timeout
    known = {job_id: _Known() for job_id in ids}
    for number, poll in enumerate(evidence.polls, start=1):
        is_last = poll.began_at >= deadline
        states = {job.id: str(job.state) for job in poll.jobs}
        if list(states) != list(ids):
            yield Wrong(Kind.VERDICT, f"look {number}: lost or doubled jobs")
            return
        for job_id in ids:
            allowed = {known[job_id].state}
            if known[job_id].state == "pending":
                allowed = _allowed(evidence, known[job_id], poll, job_id, is_last=is_last)
            if states[job_id] not in allowed:
                what = f"look {number}: {job_id!r} is {states[job_id]}, not {' or '.join(sorted(allowed))}"
                yield Wrong(Kind.VERDICT, what)
            known[job_id].state = states[job_id]
        is_final = poll is evidence.polls[-1] and not evidence.cut_look
        reasons = _reasons_to_end(evidence, number, surely=True)
        if reasons and not is_final:
            yield Wrong(Kind.OVERRUN, f"look {number}: goes on after {' and '.join(sorted(reasons))}")
        if is_final and not _reasons_to_end(evidence, number, surely=False) and evidence.signal_heard_at is None:
            yield Wrong(Kind.VERDICT, f"look {number}: ends without a reason")


def _reasons_to_end(evidence: Evidence, number: int, *, surely: bool) -> set[str]:
    """Why a gate has to end after a look (surely), or why it may."""
    if not 0 < number <= len(evidence.polls):
        return set()
    wishes, poll = evidence.scenario.wishes, evidence.polls[number - 1]
    states = {str(job.state) for job in poll.jobs}
    reasons = {"refusal"} if any(map(_is_refusal, poll.exchanges)) else set()
    if "pending" not in states:
        reasons.add("all settled")
    if wishes.fail_fast and states & {"failed", "missing"}:
        reasons.add("fail-fast")
    if poll.began_at >= evidence.started_at + wishes.timeout:
        reasons.add("timeout")
    now = poll.ended_at
    if number == len(evidence.polls) and _is_to_be_left_alone(evidence):
        # With no further look allowed a limit may pass in a pause.
        now = evidence.ended_at
    changed_at = _changes_at(evidence.polls[:number], evidence.started_at)[-1]
    if wishes.stall_timeout is not None and now >= changed_at + wishes.stall_timeout - EPSILON:
        reasons.add("stall-timeout")
    is_out = not any(map(_is_usable, poll.exchanges))
    if is_out and now >= _outage_started_at(evidence, number, surely=surely) + wishes.outage_tolerance - EPSILON:
        reasons.add("outage")
    return reasons


def _is_to_be_left_alone(evidence: Evidence) -> bool:
    """Whether the API still asks not to be asked when the gate ends."""
    ends = (exchange.ended_at + exchange.retry_after_seconds for exchange in evidence.exchanges)
    return any(end > evidence.ended_at for end in ends)


# --- how it ended ----------------------------------------------------------------------------------------------------


def _check_ending(evidence: Evidence) -> Iterator[Wrong]:
    wishes = evidence.scenario.wishes
    wrongs, reported = check_outputs(evidence.outputs, evidence.scenario.expected_ids, evidence.results)
    yield from wrongs
    if wishes.results_file and evidence.results is None:
        yield Wrong(Kind.OUTPUTS, "no results file")
    if reported is None:
        return
    result = reported.values["result"]
    yield from check_annotations(evidence.transcript, result, alone=any(map(_is_refusal, evidence.exchanges[-1:])))
    states = [reported.state_of.get(job_id) for job_id in evidence.scenario.expected_ids]
    expected = _expected_endings(evidence, set(map(str, states)))
    if (result, evidence.exit_code) not in expected:
        yield Wrong(Kind.VERDICT, f"{result} with exit code {evidence.exit_code}, not {sorted(map(str, expected))}")
    if result == "timed_out":
        yield from _check_limit(evidence, reported.values["message"])
    yield from _check_lists(evidence, reported)
    yield from _check_truth(evidence, reported)
    if evidence.ended_at > _deadline(evidence) + OVERRUN_SECONDS:
        yield Wrong(Kind.OVERRUN, f"ended {evidence.ended_at - _deadline(evidence):.1f} s after the deadline")
    if evidence.signal_heard_at is not None and evidence.ended_at > evidence.signal_heard_at + OVERRUN_SECONDS:
        yield Wrong(Kind.OVERRUN, "ended too long after the signal")
    elapsed = evidence.ended_at - evidence.started_at
    if abs(float(reported.values["elapsed-seconds"]) - elapsed) > 0.06:
        yield Wrong(Kind.OUTPUTS, f"elapsed-seconds {reported.values['elapsed-seconds']}, not {elapsed:.1f}")


def _expected_endings(evidence: Evidence, states: set[str]) -> set[tuple[str, int]]:
    """The endings that the contract's table allows, the first row that applies."""
    signal = evidence.scenario.signal
    reasons = _reasons_to_end(evidence, len(evidence.polls), surely=False)
    if evidence.signal_heard_at is not None and signal is not None:
        return {("cancelled", 128 + signal[1])}
    should_stop = bool(reasons & {"all settled", "fail-fast"})
    if any(map(_is_refusal, evidence.exchanges)):
        return {("error", 4)}
    if "outage" in reasons and not should_stop:
        is_sure = "outage" in _reasons_to_end(evidence, len(evidence.polls), surely=True)
        others = reasons - {"outage"}
        return {("error", 4)} | (set() if is_sure else _endings_of(states, others))
    return _endings_of(states, reasons)


def _endings_of(states: set[str], reasons: set[str]) -> set[tuple[str, int]]:
    """The endings that the jobs' states allow, where there is a reason to end."""
    if states & {"failed", "missing"}:
        return {("failure", 1)} if reasons else set()
    if "unreadable" in states:
        return {("error", 4)} if reasons else set()
    if "pending" in states:
        return {("timed_out", 3)} if reasons & {"timeout", "stall-timeout"} else set()
    return {("success", 0)}


def _check_limit(evidence: Evidence, message: str) -> Iterator[Wrong]:
    """Check that the message says which limit it was, and that a last look was had."""
    reasons = _reasons_to_end(evidence, len(evidence.polls), surely=False)
    named = "stall-timeout" if "(stall-timeout)" in message else "timeout" if "(timeout" in message else ""
    if named not in reasons:
        yield Wrong(Kind.OUTPUTS, f"the message names the limit {named!r}, it was {sorted(reasons)}")
    if named == "timeout" and not (evidence.polls and evidence.polls[-1].exchanges):
        yield Wrong(Kind.VERDICT, "no last look at the deadline")


def _check_lists(evidence: Evidence, reported: Reported) -> Iterator[Wrong]:
    """Check that the lists are as last seen, what came in a look that was cut short included."""
    last = {job.id: str(job.state) for job in evidence.polls[-1].jobs} if evidence.polls else {}
    for job_id in evidence.scenario.expected_ids:
        state = reported.state_of.get(job_id)
        allowed = {last.get(job_id, "pending")}
        for exchange in evidence.cut_look:
            if job_id in exchange.job_ids and exchange.meaning is Meaning.OK and (rows := exchange.rows_of(job_id)):
                allowed = {state_of_rows(rows, require_articles=evidence.scenario.wishes.require_articles)}
        if evidence.cut_look and state not in allowed and state in {"missing", "unreadable"}:
            continue
        if state not in allowed:
            yield Wrong(Kind.VERDICT, f"{job_id!r} is listed as {state}, last seen as {' or '.join(allowed)}")


def _check_truth(evidence: Evidence, reported: Reported) -> Iterator[Wrong]:
    """Check once more, without regard to looks: no job has completed that no good row said so of, with its article."""
    articles = json.loads(reported.values["articles-by-job"])
    require_articles = evidence.scenario.wishes.require_articles
    for job_id in reported.lists["completed"]:
        rows = [exchange.rows_of(job_id) for exchange in evidence.exchanges if job_id in exchange.job_ids]
        good = [
            found for found in rows if found and state_of_rows(found, require_articles=require_articles) == "completed"
        ]
        if not good:
            yield Wrong(Kind.VERDICT, f"{job_id!r} is listed as completed, and no row says so")
        elif articles.get(job_id) not in {_article(row) for row in good[-1]}:
            yield Wrong(Kind.VERDICT, f"{job_id!r} has an article that no row tells")
    if evidence.exit_code == 0 and len(reported.lists["completed"]) < len(evidence.scenario.expected_ids):
        yield Wrong(Kind.VERDICT, "a pass with a job that did not complete")


def _article(row: Mapping[str, Any]) -> str | None:
    article = text_of(row.get("hcArticleId"))
    return article and article.replace(KEY, "***").encode("utf-8", "replace").decode()
