import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fini_gate.models import JobState

from . import simulation
from .faults import ERROR_FIELDS, FAULTS, OUTAGES, TEXTS
from .model import Api, Clock, Course, Presence, Standing, UnderWay, Weather
from .oracle import COMPLETED, FAILED, check
from .scenario import Scenario, Wishes
from .simulation import STARTED_AT, Evidence, simulate


@dataclass
class EventfulApi(Api):
    """The model of the API, with events that change it while a gate waits."""

    coming_faults: deque[str] = field(default_factory=deque)
    """One fault for each of the next requests."""
    outage: str | None = None
    """The fault of all later requests."""

    def submit(self, job_ids: Sequence[str], *, timeout_seconds: float) -> UnderWay:
        """Take a request under the fault that is next."""
        kind = self.coming_faults.popleft() if self.coming_faults else self.outage
        self.weather = Weather(chance=1.0, kinds=(kind,)) if kind else Weather()
        return super().submit(job_ids, timeout_seconds=timeout_seconds)

    def change_row(self, number: int, standing: Standing) -> None:
        """Let a job advance, complete, or fail with an error text that may be hostile."""
        phases = [*self.courses.values()][number % len(self.courses)].phases
        phases.append((self.clock.now - STARTED_AT, standing))

    def change_presence(self, number: int, presence: Presence, status: int) -> None:
        """Let a job go missing, or fail each request that names it, or come back."""
        _, standing = [*self.courses.values()][number % len(self.courses)].phases[-1]
        self.change_row(number, Standing(presence, standing.fields, status))

    def complete_all_jobs(self) -> None:
        """Let every job complete that has no final row."""
        for number, course in enumerate(self.courses.values()):
            _, standing = course.phases[-1]
            if standing.presence is not Presence.ROW or standing.fields["jobStatus"] not in COMPLETED | FAILED:
                self.change_row(number, has_row("COMPLETED", hcArticleId="an article"))

    def fail_requests(self, kind: str, count: int) -> None:
        """Let the next requests fail."""
        self.coming_faults.extend([kind] * count)

    def begin_or_end_an_outage(self, kind: str | None) -> None:
        """Let every request fail from now on, or none."""
        self.coming_faults.clear()
        self.outage = kind

    def suspend_the_machine(self, seconds: float) -> None:
        """Let the clock jump."""
        self.clock.jumps.append((self.clock.now, seconds))

    def send_a_signal(self, number: int, seconds: float) -> None:
        """Send a signal soon, unless there was one."""
        self.clock.signal = self.clock.signal or (self.clock.now + seconds, number)


def has_row(status: str, **others: object) -> Standing:
    """Make the standing of a job whose row has this status."""
    return Standing(fields={"jobStatus": status, "startedAt": "2026-06-11T12:00:01.000Z", **others})


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
NUMBERS = st.integers(0, 5)
# Most jobs start with a row; they can lose it later.
PRESENCES = st.lists(st.sampled_from((*[Presence.ROW] * 16, *Presence)), min_size=1, max_size=6)
KINDS = st.sampled_from((*sorted(FAULTS), *["retry-after-429", "retry-after-503"] * 10))
ROWS = st.one_of(
    st.builds(has_row, st.sampled_from(("PENDING", "IN_PROGRESS", "in_progress", "PONDERING", ""))),
    st.builds(has_row, st.sampled_from(sorted(COMPLETED)), hcArticleId=st.sampled_from(("an article", None, 7))),
    st.builds(
        lambda status, make_fields, text: has_row(status, **make_fields(text)),
        st.sampled_from(sorted(FAILED)),
        st.sampled_from(ERROR_FIELDS),
        st.sampled_from(TEXTS),
    ),
)
EVENTS = st.one_of(
    st.tuples(st.just(EventfulApi.change_row), NUMBERS, ROWS),
    st.tuples(st.just(EventfulApi.change_row), NUMBERS, ROWS),
    st.tuples(st.just(EventfulApi.change_presence), NUMBERS, st.sampled_from(Presence), st.sampled_from((500, 503))),
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

    def make_api(**arguments: Any) -> Api:  # noqa: ANN401 - the model's arguments
        apis.append(EventfulApi(**arguments))
        return apis[0]

    class EventfulClock(Clock):
        def pass_time(self, seconds: float) -> None:
            event = events.popleft() if events else None
            if event is not None:
                happen, *arguments = event
                happen(apis[0], *arguments)
            super().pass_time(seconds)

    with patch.object(simulation, "Api", make_api), patch.object(simulation, "Clock", EventfulClock):
        evidence = simulate(scenario)
    # The oracle reads what the events did as if the scenario had planned it.
    evidence.scenario = replace(scenario, signal=apis[0].clock.signal)
    return evidence


@pytest.mark.timeout(400)  # when it fails, finding a short example takes a while
@settings(max_examples=500, deadline=None, print_blob=True)
@given(wishes=WISHES, presences=PRESENCES, plan=PLANS)
def test_gate__keeps_the_contract_whatever_happens_while_it_waits(
    wishes: Wishes, presences: list[Presence], plan: list[tuple[int, tuple[Any, ...]]]
) -> None:
    """The oracle finds nothing wrong, no finished job changes or is asked for, and none completes that never did."""
    fields = has_row("PENDING").fields
    ids = [f"job-{number}" for number in range(len(presences))]
    courses = {
        id_: Course(id_, [(0.0, Standing(presence, fields))]) for id_, presence in zip(ids, presences, strict=True)
    }
    environ = {"INPUT_JOB-IDS": json.dumps(ids)}
    evidence = run(Scenario(seed=1, wishes=wishes, job_ids=(*ids,), courses=courses, environ=environ), plan)
    assert [str(wrong) for wrong in check(evidence)] == []
    for poll, following in pairwise(evidence.polls):
        assert [job.id for job in poll.jobs] == ids
        finished = {job.id: job for job in poll.jobs if job.is_finished}
        assert all(job == finished.get(job.id, job) for job in following.jobs)
        assert not any(finished.keys() & exchange.job_ids for exchange in following.exchanges)
    completed = [job.id for poll in evidence.polls for job in poll.jobs if job.state is JobState.COMPLETED]
    for job_id in completed:
        assert any(standing.fields["jobStatus"] in COMPLETED for _, standing in courses[job_id].phases)
