from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from queue import SimpleQueue
from threading import Thread
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from fini_gate.models import Job, JobState
from fini_gate.poller import Progress, Timing, wait_for_jobs
from fini_gate.verdict import Verdict

from . import simulation
from .contract import COMPLETED, FAILED
from .model import Api, Behaviour, Clock, Request, Timeline, Word
from .oracle import check
from .replies import FAULTS, OUTAGES, TEXTS
from .request_rules import MAX_OVERRUN_SECONDS
from .scenario import ERROR_FIELDS, Options, Scenario
from .simulation import STARTED_AT, Evidence, simulate

# The gate computes for longer than this between two sleeps, in real time, only if it is stuck.
MAX_COMPUTING_SECONDS = 30.0
MAX_JOBS = 6

SETTINGS = settings(max_examples=100, stateful_step_count=50, deadline=None, print_blob=True)

OPTIONS = st.builds(
    Options,
    timeout=st.sampled_from((60.0, 300.0, 20.0, 60.0, 300.0, 0.0)),
    stall_timeout=st.sampled_from((None, 15.0)),
    poll_interval=st.sampled_from((1.0, 5.0)),
    max_poll_interval=st.sampled_from((5.0, 30.0)),
    fail_fast=st.booleans(),
    require_articles=st.booleans(),
    not_found_grace=st.sampled_from((10.0, 0.0)),
    outage_tolerance=st.sampled_from((300.0, 20.0, 0.0)),
    request_timeout=st.sampled_from((30.0, 1.0)),
    batch_size=st.sampled_from((100, 2, 1)),
    max_parallel=st.sampled_from((4, 1, 2)),
    results_file=st.sampled_from(("", "out/results.json")),
)
JOB_NUMBERS = st.integers(0, MAX_JOBS - 1)
# Most jobs start with a row; they can lose it later.
WORDS = st.sampled_from((*[{"jobStatus": "PENDING"}] * 16, None, 400, 404, 500))
KINDS = st.sampled_from((*sorted(FAULTS), *["retry-after-429", "retry-after-503"] * 10))


def row(status: str, **others: object) -> Mapping[str, Any]:
    """Make the fields of a row with this status."""
    return {"jobStatus": status, "startedAt": "2026-06-11T12:00:01.000Z", **others}


def is_finished(word: Word) -> bool:
    """Whether what the API says of a job is final."""
    return isinstance(word, Mapping) and word["jobStatus"] in {*COMPLETED, *FAILED}


def has_ever_completed(timeline: Timeline) -> bool:
    """Whether the API has ever said that the job completed."""
    return any(isinstance(word, Mapping) and word["jobStatus"] in COMPLETED for _, word in timeline.words)


PENDING_ROWS = st.builds(row, st.sampled_from(("PENDING", "IN_PROGRESS", "in_progress", "PONDERING", "")))
COMPLETED_ROWS = st.builds(row, st.sampled_from(COMPLETED), hcArticleId=st.sampled_from(("an article", None, 7)))
FAILED_ROWS = st.builds(
    lambda status, make_fields, text: row(status, **make_fields(text)),
    st.sampled_from(FAILED),
    st.sampled_from(ERROR_FIELDS),
    st.sampled_from(TEXTS),
)
BAD_WORDS = st.sampled_from((None, 404, 400, 500, 503))


@dataclass
class FaultyApi(Api):
    """The model of the API, with one fault for each of the next requests, and then an outage if there is one."""

    coming_faults: deque[str] = field(default_factory=deque)
    outage: str | None = None
    before_wait: Callable[[], None] = lambda: None

    def submit(self, route: str, document: Mapping[str, Any], *, timeout_seconds: float) -> Request:
        """Take a request under the fault that is next."""
        fault = self.coming_faults.popleft() if self.coming_faults else self.outage
        self.behaviour = Behaviour(faults=(fault,) if fault else ())
        return super().submit(route, document, timeout_seconds=timeout_seconds)

    def wait_any(self, requests: Sequence[Request], until: float) -> Request | None:
        """Stop before a wait between requests."""
        if not requests:
            self.before_wait()
        return super().wait_any(requests, until)


class SteppedGate:
    """A whole gate in its own thread, which stops wherever it would sleep.

    Only one of the two threads runs at a time, so that every run is the same.
    """

    api: FaultyApi

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.evidence: Evidence | None = None
        self.polls: list[tuple[int, tuple[Job, ...]]] = []
        """After each poll: the number of requests so far, and the jobs."""
        self._resumed, self._stopped = SimpleQueue[None](), SimpleQueue[None]()
        with patch.object(simulation, "Api", self._make_api):
            Thread(target=self._run, daemon=True).start()
            self._stopped.get(timeout=MAX_COMPUTING_SECONDS)

    def step(self) -> None:
        """Let the gate sleep and work until it would sleep again, or ends."""
        self._resumed.put(None)
        self._stopped.get(timeout=MAX_COMPUTING_SECONDS)

    def _run(self) -> None:
        try:
            self.evidence = simulate(self.scenario, self._wait)
        finally:
            self._stopped.put(None)

    def _make_api(self, clock: Clock, **others: Any) -> Api:  # noqa: ANN401 - the model's arguments
        self.api = FaultyApi(clock, before_wait=self._stop, **others)
        return self.api

    def _stop(self) -> None:
        self._stopped.put(None)
        self._resumed.get()

    def _wait(
        self,
        *arguments: Any,  # noqa: ANN401 - those of wait_for_jobs
        timing: Timing,
        on_poll: Callable[[Progress], None],
    ) -> Verdict:
        def sleep(seconds: float) -> None:
            self._stop()
            timing.sleep(seconds)

        def record(progress: Progress) -> None:
            self.polls.append((len(self.api.requests), progress.jobs))
            on_poll(progress)

        return wait_for_jobs(*arguments, timing=replace(timing, sleep=sleep), on_poll=record)


while_waiting = precondition(lambda self: self.is_waiting)


class GateMachine(RuleBasedStateMachine):
    """Gates one after another, and an API that changes while they wait."""

    gate: SteppedGate | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether a gate is waiting for jobs."""
        return self.gate is not None and self.gate.evidence is None

    @property
    def api(self) -> FaultyApi:
        """The API of the last gate."""
        assert self.gate is not None
        return self.gate.api

    @precondition(lambda self: not self.is_waiting)
    @rule(options=OPTIONS, words=st.lists(WORDS, min_size=1, max_size=MAX_JOBS))
    def start_a_gate(self, options: Options, words: list[Word]) -> None:
        """Start a gate on new jobs once the last one has ended."""
        timelines = {f"job-{number}": Timeline(f"job-{number}", [(0.0, word)]) for number, word in enumerate(words)}
        self.gate = SteppedGate(Scenario(seed=1, options=options, job_ids=(*timelines,), timelines=timelines))

    @while_waiting
    @rule(steps=st.integers(1, 4))
    def let_time_pass(self, steps: int) -> None:
        """Let the gate sleep and work, a few times."""
        for _ in range(steps):
            if self.gate is not None and self.is_waiting:
                self.gate.step()

    @while_waiting
    @rule(number=JOB_NUMBERS, word=PENDING_ROWS | COMPLETED_ROWS | FAILED_ROWS)
    def change_a_row(self, number: int, word: Word) -> None:
        """Let a job advance, complete, or fail with an error text that may be hostile."""
        self._say(number, word)

    @while_waiting
    @rule(number=JOB_NUMBERS, word=BAD_WORDS)
    def turn_a_job_bad(self, number: int, word: Word) -> None:
        """Let a job go missing, or fail each request that names it."""
        self._say(number, word)

    @while_waiting
    @rule(number=JOB_NUMBERS)
    def restore_a_job(self, number: int) -> None:
        """Let a job have its last row again."""
        timeline = list(self.api.timelines.values())[number % len(self.api.timelines)]
        rows = [word for _, word in timeline.words if isinstance(word, Mapping)]
        self._say(number, rows[-1] if rows else row("PENDING"))

    @while_waiting
    @rule()
    def complete_all_jobs(self) -> None:
        """Let every job complete that has no final row."""
        for number, timeline in enumerate(self.api.timelines.values()):
            if not is_finished(timeline.words[-1][1]):
                self._say(number, row("COMPLETED", hcArticleId="an article"))

    @while_waiting
    @rule(kind=KINDS, count=st.integers(1, 10))
    def fail_requests(self, kind: str, count: int) -> None:
        """Let the next requests fail."""
        self.api.coming_faults.extend([kind] * count)

    @while_waiting
    @rule(kind=st.none() | st.sampled_from(OUTAGES))
    def begin_or_end_an_outage(self, kind: str | None) -> None:
        """Let every request fail from now on, or none."""
        self.api.coming_faults.clear()
        self.api.outage = kind

    @while_waiting
    @rule(seconds=st.floats(0.1, 400))
    def suspend_the_machine(self, seconds: float) -> None:
        """Let the clock jump."""
        self.api.clock.jumps.append((self.api.clock.now, seconds))

    @precondition(lambda self: self.is_waiting and self.api.clock.signal is None)
    @rule(signal_number=st.sampled_from((2, 15)), seconds=st.floats(0, 100))
    def send_a_signal(self, signal_number: int, seconds: float) -> None:
        """Send a signal, now or later, in a sleep or a request."""
        self.api.clock.signal = (self.api.clock.now + seconds, signal_number)

    @precondition(lambda self: self.gate is not None)
    @invariant()
    def every_poll_is_true(self) -> None:
        """Each has every job; finished jobs keep their state, are not asked for, and completed only if the API said so.

        The gate outlasts its deadline only if the clock jumps.
        """
        assert self.gate is not None
        for request_count, jobs in self.gate.polls:
            assert [job.id for job in jobs] == list(self.gate.scenario.unique_ids)
            finished = {job.id for job in jobs if job.is_finished}
            assert not any(finished.intersection(request.job_ids) for request in self.api.requests[request_count:])
            completed = [self.api.timelines[job.id] for job in jobs if job.state is JobState.COMPLETED]
            assert all(map(has_ever_completed, completed))
        for (_, before), (_, after) in pairwise(self.gate.polls):
            assert all(new == old for old, new in zip(before, after, strict=True) if old.is_finished)
        deadline = max([STARTED_AT + self.gate.scenario.options.timeout, *self.api.clock.jumped_to])
        assert self.api.clock.now <= deadline + MAX_OVERRUN_SECONDS

    @precondition(lambda self: self.gate is not None and not self.is_waiting)
    @invariant()
    def the_end_is_right(self) -> None:
        """The oracle finds nothing wrong with a gate that has ended."""
        assert self.gate is not None
        assert self.gate.evidence is not None
        # The oracle reads what the rules did as if the scenario had planned it.
        self.gate.evidence.scenario = replace(self.gate.scenario, signal=self.api.clock.signal)
        assert [str(finding) for finding in check(self.gate.evidence)] == []

    def teardown(self) -> None:
        """Let the gate end."""
        while self.is_waiting:
            self.let_time_pass(1)
        if self.gate is not None:
            self.the_end_is_right()

    def _say(self, number: int, word: Word) -> None:
        """Change what the API says of a job from now on."""
        timelines = list(self.api.timelines.values())
        timelines[number % len(timelines)].words.append((self.api.clock.now - STARTED_AT, word))


@pytest.mark.timeout(400)  # when it fails, finding a short example takes a while
def test_gate__keeps_the_contract_whatever_happens_while_it_waits() -> None:
    """The invariants hold at every step, and the oracle finds nothing wrong with any end."""
    run_state_machine_as_test(GateMachine, settings=SETTINGS)
