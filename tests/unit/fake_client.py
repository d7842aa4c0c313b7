"""A fake clock and a fake client: gates that wait for jobs without waiting, and without a network."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, TypeAlias

from fini_gate.deadlines import Deadlines
from fini_gate.errors import GateError
from fini_gate.inputs import Inputs
from fini_gate.models import Job, PollLimits, PollResult, StatusRow
from fini_gate.poller import Progress, Timing, wait_for_jobs
from fini_gate.settings import Settings
from fini_gate.verdict import Verdict

# A monotonic clock may start anywhere. All other times here are seconds since the start.
STARTED_AT: Final = 5000.0

Timeline: TypeAlias = Mapping[float, str]
"""What the API says about a job from each second on: rows joined by `+`, a status code, `omitted` or `silent`."""

ROWS: Final = {
    "done": StatusRow(id="any", status="COMPLETED"),
    "article": StatusRow(id="any", status="COMPLETED", article_id="article"),
    "failed": StatusRow(id="any", status="FAILED"),
    "pending": StatusRow(id="any", status="PENDING"),
    "running": StatusRow(id="any", status="IN_PROGRESS"),
    "odd": StatusRow(id="any", status="ODD"),
    "odd-end": StatusRow(id="any", status="ODD", completed_at="2026-06-11T12:00:05Z"),
}


def parse_timeline(text: str) -> Timeline:
    """Read a timeline such as `404 9:pending 30:done`."""
    steps = [step.rpartition(":") for step in text.split()]
    return {float(at or 0): said for at, _, said in steps}


class FakeClock:
    """Time that passes only while the gate sleeps or a poll takes time."""

    def __init__(self) -> None:
        self.now = STARTED_AT
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now - STARTED_AT

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        assert 0 <= seconds < math.inf
        assert len(self.sleeps) < 20_000, "the gate does not end"
        self.sleeps.append(seconds)
        self.now += seconds


class Poll(NamedTuple):
    """A poll that the gate made. Times are seconds since the start."""

    at: float
    job_ids: tuple[str, ...]
    limits: PollLimits
    should_stop: Callable[[PollResult], bool]


@dataclass
class FakeClient:
    """A client of an API that says about each job what its timeline holds when the poll begins."""

    clock: FakeClock
    timelines: Mapping[str, Timeline]
    poll_seconds: float = 0
    """How long a poll takes."""
    down: Sequence[tuple[float, float]] = ()
    """From when until when the API sends no usable response."""
    retry_after: float = 0
    """The seconds that the API asks to wait while it is down or silent."""
    errors: Mapping[int, GateError] = field(default_factory=dict)
    """Number of a poll, from 0 → the error that ends it."""
    polls: list[Poll] = field(default_factory=list)
    last_said: dict[str, str] = field(default_factory=dict)
    """What the API said last about each job."""

    def poll(
        self, job_ids: Sequence[str], limits: PollLimits, *, should_stop: Callable[[PollResult], bool]
    ) -> PollResult:
        """Answer for all jobs, whatever `should_stop` says: heeding that is the real client's part."""
        at = self.clock.elapsed
        since_start = PollLimits(limits.retry_until - STARTED_AT, limits.end_at - STARTED_AT, limits.is_final)
        self.polls.append(Poll(at, tuple(job_ids), since_start, should_stop))
        self.clock.now = max(self.clock.now, min(self.clock.now + self.poll_seconds, limits.end_at))
        result = PollResult(error=self.errors.get(len(self.polls) - 1))
        for job_id in job_ids:
            said = "silent" if self.is_down(at) else self.says(job_id, at)
            self._record(job_id, said, result)
        return result

    def is_down(self, at: float) -> bool:
        """Whether the API sends no usable response."""
        return any(begin <= at < end for begin, end in self.down)

    def says(self, job_id: str, at: float) -> str:
        """Return what the API says about a job when it is not down."""
        timeline = self.timelines[job_id]
        return timeline[max(begin for begin in timeline if begin <= at)]

    def _record(self, job_id: str, said: str, result: PollResult) -> None:
        if said == "silent":
            result.incomplete_reason = "HTTP 429"
            if self.retry_after:
                result.retry_not_before = self.clock.now + self.retry_after
            return
        self.last_said[job_id] = said
        if said == "500":
            result.server_errors[job_id] = "HTTP 500"
            return
        result.last_response_at = self.clock.now
        if said == "omitted":
            result.omitted.add(job_id)
        elif said in {"400", "404"}:
            problems = result.malformed if said == "400" else result.not_found
            problems[job_id] = f"HTTP {said}"
        else:
            result.rows[job_id] = [ROWS[row] for row in said.split("+")]


@dataclass(frozen=True)
class Run:
    """A gate that has ended."""

    verdict: Verdict
    client: FakeClient
    progress: Sequence[Progress]

    @property
    def states(self) -> str:
        """The jobs' states, in order."""
        return " ".join(job.state for job in self.verdict.jobs)

    @property
    def end(self) -> str:
        """How the gate ended, as in `timed_out by timeout at 60: pending completed`."""
        limit = f" by {self.verdict.limit.input_name}" if self.verdict.limit else ""
        return f"{self.verdict.result}{limit} at {self.verdict.elapsed_seconds:g}: {self.states}"

    @property
    def poll_times(self) -> list[float]:
        """When the gate polled."""
        return [poll.at for poll in self.client.polls]


def make_inputs(**fields: Any) -> Inputs:  # noqa: ANN401 - each field has its own type
    """Make the default inputs, with some fields replaced."""
    return replace(Inputs.parse(Settings(environ={}), "fini_0123456789abcdef"), **fields)


def run_gate(client: FakeClient, inputs: Inputs, *, random: Callable[[], float] = lambda: 0.0) -> Run:
    """Run a gate on the client's jobs to its end."""
    clock, progress = client.clock, list[Progress]()
    verdict = wait_for_jobs(
        [Job(id=job_id) for job_id in client.timelines],
        client,
        inputs,
        timing=Timing(
            started_at=STARTED_AT,
            deadlines=Deadlines(inputs, started_at=STARTED_AT, job_count=len(client.timelines)),
            clock=clock,
            sleep=clock.sleep,
            random=random,
        ),
        on_poll=progress.append,
    )
    assert verdict.elapsed_seconds == clock.elapsed
    return Run(verdict, client, progress)
