from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fini_gate.models import JobState

from . import simulation
from .contract import COMPLETED, FAILED
from .model import Api, Behaviour, Clock, Request, Timeline, Word
from .oracle import check
from .replies import FAULTS, OUTAGES, TEXTS
from .scenario import ERROR_FIELDS, Options, Scenario
from .simulation import STARTED_AT, Evidence, simulate


def row(status: str, **others: object) -> Mapping[str, Any]:
    """Make the fields of a row with this status."""
    return {"jobStatus": status, "startedAt": "2026-06-11T12:00:01.000Z", **others}


def is_final(word: Word) -> bool:
    """Whether what the API says of a job is final."""
    return isinstance(word, Mapping) and word["jobStatus"] in {*COMPLETED, *FAILED}


@dataclass
class EventfulApi(Api):
    """The model of the API, with events that change it while a gate waits."""

    coming_faults: deque[str] = field(default_factory=deque)
    """One fault for each of the next requests."""
    outage: str | None = None
    """The fault of all later requests."""

    def submit(self, path: str, document: Mapping[str, Any] | None, *, timeout_seconds: float) -> Request:
        """Take a request under the fault that is next."""
        fault = self.coming_faults.popleft() if self.coming_faults else self.outage
        self.behaviour = Behaviour(faults=(fault,) if fault else (), articles=("live", "live", "draft", "absent"))
        return super().submit(path, document, timeout_seconds=timeout_seconds)

    def change_word(self, number: int, word: Word) -> None:
        """Let a job advance, finish, go missing, fail each request that names it, or come back."""
        words = [*self.timelines.values()][number % len(self.timelines)].words
        # A little later than the word before, which may be of this very instant.
        words.append((self.clock.now - STARTED_AT + 1e-6 * len(words), word))

    def complete_all_jobs(self) -> None:
        """Let every job complete that is not finished."""
        for number, timeline in enumerate(self.timelines.values()):
            if not is_final(timeline.words[-1][1]):
                self.change_word(number, row("COMPLETED", hcArticleId="an article"))

    def fail_requests(self, fault: str, count: int) -> None:
        """Let the next requests fail."""
        self.coming_faults.extend([fault] * count)

    def begin_or_end_an_outage(self, fault: str | None) -> None:
        """Let every request fail from now on, or none."""
        self.coming_faults.clear()
        self.outage = fault

    def suspend_the_machine(self, seconds: float) -> None:
        """Let the clock jump."""
        self.clock.jumps.append((self.clock.now, seconds))

    def send_a_signal(self, number: int, seconds: float) -> None:
        """Send a signal soon, unless there was one."""
        self.clock.signal = self.clock.signal or (self.clock.now + seconds, number)


OPTIONS = st.builds(
    Options,
    timeout=st.sampled_from((60.0, 300.0, 20.0, 60.0, 300.0, 0.0)),
    stall_timeout=st.sampled_from((None, 15.0)),
    poll_interval=st.sampled_from((1.0, 5.0)),
    max_poll_interval=st.sampled_from((5.0, 30.0)),
    fail_fast=st.booleans(),
    require_articles=st.booleans(),
    require_published=st.booleans(),
    not_found_grace=st.sampled_from((10.0, 0.0)),
    outage_tolerance=st.sampled_from((300.0, 20.0, 0.0)),
    request_timeout=st.sampled_from((30.0, 1.0)),
    batch_size=st.sampled_from((100, 2, 1)),
    max_parallel=st.sampled_from((4, 1, 2)),
    results_file=st.sampled_from(("", "out/results.json")),
    junit_file=st.sampled_from(("", "out/junit.xml")),
    dotenv_file=st.sampled_from(("", "fini-gate.env")),
)
NUMBERS = st.integers(0, 5)
# Most jobs start with a row; they can lose it later.
FIRST_WORDS = st.lists(st.sampled_from((*[row("PENDING")] * 16, None, 400, 404, 500)), min_size=1, max_size=6)
KINDS = st.sampled_from((*sorted(FAULTS), *["retry-after-429", "retry-after-503"] * 10))
ROWS = st.one_of(
    st.builds(row, st.sampled_from(("PENDING", "IN_PROGRESS", "in_progress", "PONDERING", ""))),
    st.builds(row, st.sampled_from(sorted(COMPLETED)), hcArticleId=st.sampled_from(("an article", None, 7))),
    st.builds(
        lambda status, make_fields, text: row(status, **make_fields(text)),
        st.sampled_from(sorted(FAILED)),
        st.sampled_from(ERROR_FIELDS),
        st.sampled_from(TEXTS),
    ),
)
EVENTS = st.one_of(
    st.tuples(st.just(EventfulApi.change_word), NUMBERS, ROWS),
    st.tuples(st.just(EventfulApi.change_word), NUMBERS, ROWS),
    st.tuples(st.just(EventfulApi.change_word), NUMBERS, st.sampled_from((row("PENDING"), None, 404, 400, 500, 503))),
    st.tuples(st.just(EventfulApi.complete_all_jobs)),
    st.tuples(st.just(EventfulApi.fail_requests), KINDS, st.integers(1, 10)),
    st.tuples(st.just(EventfulApi.begin_or_end_an_outage), st.none() | st.sampled_from(OUTAGES)),
    st.tuples(st.just(EventfulApi.suspend_the_machine), st.floats(0.1, 400)),
    st.tuples(st.just(EventfulApi.send_a_signal), st.sampled_from((2, 15)), st.floats(0, 30)),
)
# Each event with the number of waits before it.
PLANS = st.lists(st.tuples(st.integers(0, 4), EVENTS), min_size=5, max_size=40)


def run(scenario: Scenario, plan: Sequence[tuple[int, tuple[Any, ...]]]) -> Evidence:
    """Run a gate, and let the planned events happen whenever it begins to wait."""
    events = deque(step for waits, event in plan for step in (*[None] * waits, event))
    apis: list[EventfulApi] = []

    def make_api(*arguments: Any, **parts: Any) -> Api:  # noqa: ANN401 - the model's arguments
        apis.append(EventfulApi(*arguments, **parts))
        return apis[0]

    class EventfulClock(Clock):
        def sleep(self, seconds: float) -> None:
            event = events.popleft() if events else None
            if event is not None:
                happen, *arguments = event
                happen(apis[0], *arguments)
            super().sleep(seconds)

    with patch.object(simulation, "Api", make_api), patch.object(simulation, "Clock", EventfulClock):
        evidence = simulate(scenario)
    # The oracle reads what the events did as if the scenario had planned it.
    evidence.scenario = replace(scenario, signal=apis[0].clock.signal)
    return evidence


@pytest.mark.timeout(400)  # when it fails, finding a short example takes a while
@settings(max_examples=500, deadline=None, print_blob=True)
@given(seed=st.integers(1, 10), options=OPTIONS, words=FIRST_WORDS, plan=PLANS)
def test_gate__keeps_the_contract_whatever_happens_while_it_waits(
    seed: int, options: Options, words: list[Word], plan: list[tuple[int, tuple[Any, ...]]]
) -> None:
    """The oracle finds nothing wrong, no finished job changes or is polled, and none completes that never did."""
    ids = tuple(f"job-{number}" for number in range(len(words)))
    timelines = {job_id: Timeline(job_id, [(0.0, word)]) for job_id, word in zip(ids, words, strict=True)}
    evidence = run(Scenario(seed=seed, options=options, job_ids=ids, timelines=timelines), plan)
    assert [str(finding) for finding in check(evidence)] == []
    for poll, following in pairwise(evidence.polls):
        assert tuple(job.id for job in poll.jobs) == ids
        finished = {job.id: job for job in poll.jobs if job.is_finished}
        assert all(job == finished.get(job.id, job) for job in following.jobs)
        assert not any(finished.keys() & set(request.job_ids) for request in following.requests)
    for job_id in {job.id for poll in evidence.polls for job in poll.jobs if job.state is JobState.COMPLETED}:
        said = [word for _, word in timelines[job_id].words]
        assert any(isinstance(word, Mapping) and word["jobStatus"] in COMPLETED for word in said)
