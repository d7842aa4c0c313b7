import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
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
from fini_gate.poller import Progress, wait_for_jobs
from fini_gate.verdict import Verdict

from . import simulation
from .faults import ERROR_FIELDS, FAULTS, OUTAGES, TEXTS
from .model import OVERRUN_SECONDS, Api, Clock, Course, Presence, Standing, UnderWay, Weather
from .oracle import COMPLETED, FAILED, check
from .scenario import Scenario, Wishes
from .simulation import STARTED_AT, Evidence, SimulatedWaiter, simulate

# How long the gate may compute between two sleeps, in real time: only one that is stuck does.
STUCK_SECONDS = 30.0
MOST_JOBS = 6

SETTINGS = settings(max_examples=100, stateful_step_count=50, deadline=None, print_blob=True)

WISHES = st.builds(
    Wishes,
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
WHICH = st.integers(0, MOST_JOBS - 1)
# Most of those that turn bad do so later.
PRESENCES = st.sampled_from((*[Presence.ROW] * 16, *Presence))
KINDS = st.sampled_from((*sorted(FAULTS), *["retry-after-429", "retry-after-503"] * 10))


class _Api(Api):
    """The model, with faults as ordered: for the next requests one each, then an outage, if there is one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.coming = deque[str]()
        self.outage: str | None = None

    def submit(self, job_ids: Sequence[str], *, timeout_seconds: float) -> UnderWay:
        """Take a request, under the fault that is due."""
        kind = self.coming.popleft() if self.coming else self.outage
        self.weather = Weather(chance=1.0, kinds=(kind,)) if kind else Weather()
        return super().submit(job_ids, timeout_seconds=timeout_seconds)


class _Gate:
    """The whole gate in a thread of its own, which stands still wherever it would sleep.

    One of the two threads runs at a time, so that what happens is the same each time.
    """

    api: _Api

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.evidence: Evidence | None = None
        self.polls: list[tuple[int, tuple[Job, ...]]] = []
        """After each look: how many requests there had been, and the jobs."""
        self._goes, self._stands = SimpleQueue[None](), SimpleQueue[None]()
        with patch.object(simulation, "Api", self._make_api), patch.object(simulation, "SimulatedWaiter", self._waiter):
            Thread(target=self._work, daemon=True).start()
            self._stands.get(timeout=STUCK_SECONDS)

    def go_on(self) -> None:
        """Let it sleep and work until it would sleep again, or ends."""
        self._goes.put(None)
        self._stands.get(timeout=STUCK_SECONDS)

    def _work(self) -> None:
        try:
            self.evidence = simulate(self.scenario, self._wait)
        finally:
            self._stands.put(None)

    def _make_api(self, **parts: Any) -> Api:  # noqa: ANN401 - the model's
        self.api = _Api(**parts)
        return self.api

    def _waiter(self, clock: Clock) -> SimulatedWaiter:
        def stand_still() -> None:
            self._stands.put(None)
            self._goes.get()

        class InterruptibleExecutor(SimulatedWaiter):
            def sleep(self, seconds: float) -> None:
                stand_still()
                super().sleep(seconds)

        return InterruptibleExecutor(clock)

    def _wait(self, *arguments: Any, on_poll: Callable[[Progress], None], **parts: Any) -> Verdict:  # noqa: ANN401 - the loop's
        def tell(progress: Progress) -> None:
            self.polls.append((len(self.api.exchanges), progress.jobs))
            on_poll(progress)

        return wait_for_jobs(*arguments, on_poll=tell, **parts)


def _row(status: str, **others: object) -> Standing:
    return Standing(fields={"jobStatus": status, "startedAt": "2026-06-11T12:00:01.000Z", **others})


class GateMachine(RuleBasedStateMachine):
    """Gates one after the other, and an API that does as it is told while they wait."""

    gate: _Gate | None = None

    @property
    def _runs(self) -> bool:
        return self.gate is not None and self.gate.evidence is None

    @property
    def _api(self) -> _Api:
        assert self.gate is not None
        return self.gate.api

    def _turn(self, which: int, change: Callable[[Standing], Standing]) -> None:
        """Let a job stand otherwise from now on."""
        courses = list(self._api.courses.values())
        phases = courses[which % len(courses)].phases
        phases.append((self._api.clock.now - STARTED_AT, change(phases[-1][1])))

    def _check_end(self) -> None:
        assert self.gate is not None
        if (evidence := self.gate.evidence) is not None:
            # What a rule did is part of the scenario, as if it had been foreseen.
            evidence.scenario = replace(self.gate.scenario, signal=self.gate.api.clock.signal)
            assert [str(wrong) for wrong in check(evidence)] == []
            if evidence.exit_code == 0:
                assert all(map(_ever_completed, evidence.scenario.courses.values()))

    @precondition(lambda self: not self._runs)
    @rule(wishes=WISHES, presences=st.lists(PRESENCES, min_size=1, max_size=MOST_JOBS))
    def gate_starts(self, wishes: Wishes, presences: list[Presence]) -> None:
        """Start a gate on new jobs; the last one has ended."""
        names = [f"job-{number}" for number in range(len(presences))]
        fields = _row("PENDING").fields
        courses = {
            name: Course(name, [(0.0, Standing(presence, fields))])
            for name, presence in zip(names, presences, strict=True)
        }
        environ = {"INPUT_JOB-IDS": json.dumps(names)}
        self.gate = _Gate(Scenario(seed=1, wishes=wishes, job_ids=tuple(names), courses=courses, environ=environ))
        self._check_end()

    @precondition(lambda self: self._runs)
    @rule(times=st.integers(1, 4))
    def gate_goes_on(self, times: int) -> None:
        """Let the gate's sleep pass, and what it does next."""
        for _ in range(times):
            if self.gate is not None and self._runs:
                self.gate.go_on()
        self._check_end()

    @precondition(lambda self: self._runs)
    @rule(which=WHICH, status=st.sampled_from(("PENDING", "IN_PROGRESS", "in_progress", "PONDERING", "")))
    def job_advances(self, which: int, status: str) -> None:
        """Let a job be at another stage."""
        self._turn(which, lambda _: _row(status))

    @precondition(lambda self: self._runs)
    @rule(which=WHICH, status=st.sampled_from(sorted(COMPLETED)), article=st.sampled_from(("an article", None, 7)))
    def job_finishes(self, which: int, status: str, article: object) -> None:
        """Let a job complete."""
        self._turn(which, lambda _: _row(status, hcArticleId=article))

    @precondition(lambda self: self._runs)
    @rule(
        which=WHICH,
        status=st.sampled_from(sorted(FAILED)),
        say=st.sampled_from(ERROR_FIELDS),
        text=st.sampled_from(TEXTS),
    )
    def job_fails(self, which: int, status: str, say: Callable[[str], dict[str, Any]], text: str) -> None:
        """Let a job fail, with words that may mean harm."""
        self._turn(which, lambda _: _row(status, **say(text)))

    @precondition(lambda self: self._runs)
    @rule()
    def all_jobs_complete(self) -> None:
        """Let those complete that have not ended, or had turned bad."""
        for which, course in enumerate(self._api.courses.values()):
            _, standing = course.phases[-1]
            if standing.presence is not Presence.ROW or standing.fields["jobStatus"] not in COMPLETED | FAILED:
                self._turn(which, lambda _: _row("COMPLETED", hcArticleId="an article"))

    @precondition(lambda self: self._runs)
    @rule(which=WHICH, presence=st.sampled_from(Presence), status=st.sampled_from((500, 503)))
    def job_turns_good_or_bad(self, which: int, presence: Presence, status: int) -> None:
        """Let a job go missing, or be poison to each request that names it, or be as it was."""
        self._turn(which, lambda standing: Standing(presence, standing.fields, status))

    @precondition(lambda self: self._runs)
    @rule(kind=KINDS, count=st.integers(1, 10))
    def requests_meet_a_fault(self, kind: str, count: int) -> None:
        """Let the next requests go wrong."""
        self._api.coming.extend([kind] * count)

    @precondition(lambda self: self._runs)
    @rule(kind=st.none() | st.sampled_from(OUTAGES))
    def outage_begins_or_ends(self, kind: str | None) -> None:
        """Let all requests go wrong from now on, or none any more."""
        self._api.coming.clear()
        self._api.outage = kind

    @precondition(lambda self: self._runs)
    @rule(seconds=st.floats(0.1, 400))
    def machine_is_suspended(self, seconds: float) -> None:
        """Let the clock jump."""
        self._api.clock.jumps.append((self._api.clock.now, seconds))

    @precondition(lambda self: self._runs and self._api.clock.signal is None)
    @rule(number=st.sampled_from((2, 15)), seconds=st.floats(0, 100))
    def signal_strikes(self, number: int, seconds: float) -> None:
        """Send a signal, amid a sleep or a request."""
        self._api.clock.signal = (self._api.clock.now + seconds, number)

    @invariant()
    def each_job_has_one_state_and_a_settled_one_keeps_it(self) -> None:
        """No look loses or doubles a job, or takes back what it was."""
        polls = [] if self.gate is None else [jobs for _, jobs in self.gate.polls]
        for jobs in polls:
            assert self.gate is not None
            assert [job.id for job in jobs] == list(self.gate.scenario.expected_ids)
        for earlier, later in pairwise(polls):
            assert [job for was, job in zip(earlier, later, strict=True) if was.is_finished and job != was] == []

    @invariant()
    def settled_jobs_are_never_asked_for_again(self) -> None:
        """What has ended is left alone, in the look that is under way too."""
        for seen, jobs in [] if self.gate is None else self.gate.polls:
            settled = {job.id for job in jobs if job.is_finished}
            assert [one for one in self._api.exchanges[seen:] if settled.intersection(one.job_ids)] == []

    @invariant()
    def jobs_complete_only_where_the_model_says_so(self) -> None:
        """A job is never completed that was not so in truth."""
        if self.gate is not None and self.gate.polls:
            completed = [job.id for job in self.gate.polls[-1][1] if job.state is JobState.COMPLETED]
            assert [job_id for job_id in completed if not _ever_completed(self._api.courses[job_id])] == []

    @invariant()
    def the_deadline_holds(self) -> None:
        """The gate neither runs nor sleeps for longer than it may; a jump of the clock it cannot help."""
        if self.gate is not None:
            clock = self.gate.api.clock
            deadline = max([STARTED_AT + self.gate.scenario.wishes.timeout, *clock.landings])
            assert clock.now <= deadline + OVERRUN_SECONDS

    def teardown(self) -> None:
        """Let the gate come to its end, with the API as it is."""
        while self._runs:
            self.gate_goes_on(1)


def _ever_completed(course: Course) -> bool:
    return any(standing.fields["jobStatus"] in COMPLETED for _, standing in course.phases)


@pytest.mark.timeout(400)  # where it fails, it takes a while to find a short example
def test_gate__does_as_the_contract_says_whatever_happens_while_it_waits() -> None:
    """Step by step the invariants hold, and the oracle finds nothing wrong with how each gate ends."""
    run_state_machine_as_test(GateMachine, settings=SETTINGS)
