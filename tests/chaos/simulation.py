"""Runs the whole gate, except its sockets and its clock, against the model, and keeps all that it left behind."""

import contextlib
import io
import os
import random
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fini_gate import main
from fini_gate.models import Job
from fini_gate.poller import Progress, wait_for_jobs
from fini_gate.settings import Settings
from fini_gate.verdict import Verdict

from .model import Api, Clock, Request, Transport
from .scenario import Scenario
from .start import Start
from .written import Written

# A monotonic clock starts anywhere.
STARTED_AT = 5000.0

WaitForJobs = Callable[..., Verdict]


@dataclass(frozen=True)
class Poll:
    """A poll, and what the gate made of it."""

    requests: Sequence[Request]
    responses: Sequence[Request]
    ended_at: float
    jobs: tuple[Job, ...]

    @property
    def began_at(self) -> float:
        """When the first request began."""
        return min((request.began_at for request in self.requests), default=self.ended_at)


@dataclass
class Evidence:
    """All that a gate did and left behind. Times are on the simulated clock."""

    scenario: Scenario
    api: Api
    polls: list[Poll] = field(default_factory=list)
    polling_ended_at: float = 0.0
    exit_code: int | None = None
    written: Written = field(default_factory=Written)
    crash: str = ""

    def __post_init__(self) -> None:
        """Shorten the names that the oracle reads."""
        self.requests, self.responses = self.api.requests, self.api.responses
        self.started_at = self.api.started_at
        self.timeout_at = self.started_at + self.scenario.options.timeout

    @property
    def ended_at(self) -> float:
        """When the gate ended."""
        return self.api.clock.now

    @property
    def is_refused(self) -> bool:
        """Whether a poll was refused. What arrives after the last poll decides nothing any more."""
        return any(response.is_refusal for poll in self.polls for response in poll.responses)

    @property
    def deadline(self) -> float:
        """When the gate should end: at the timeout, or where the clock jumped past that."""
        return max([self.timeout_at, *self.api.clock.jumped_to])

    def story(self) -> str:
        """Return the scenario, each request, and all that the gate printed."""
        requests = (f"{len(each.job_ids):4} IDs {each.route} {each}" for each in [*self.requests, *self.api.lookups])
        lines = (
            self.scenario.options,
            self.scenario.behaviour,
            *requests,
            self.written.start,
            self.written.stdout,
            self.written.stderr,
        )
        return "\n".join(map(str, lines))

    def add_poll(self, jobs: tuple[Job, ...]) -> None:
        """Record a poll that has just ended."""
        began = sum(len(poll.requests) for poll in self.polls)
        ended = sum(len(poll.responses) for poll in self.polls)
        self.polls.append(Poll(self.requests[began:], self.responses[ended:], self.ended_at, jobs))


def run_gate(
    start: Start, transport: Transport, workspace: Path, wait: WaitForJobs = wait_for_jobs
) -> tuple[int, Verdict | None, Written]:
    """Run the whole program in simulated time, with `wait` in place of its loop.

    Returns:
        The exit code, the verdict unless the gate did not run, and all that was written.
    """
    clock: Any = transport.clock
    verdicts: list[Verdict] = []

    class SimulatedRun(main.GateRun):
        def __init__(self, settings: Settings, executor: Any) -> None:  # noqa: ANN401 - the clock is one
            super().__init__(settings, executor, clock=clock, make_transport=lambda **_: transport, wait=wait)  # type: ignore[arg-type]

        def run(self) -> Verdict:
            verdicts.append(super().run())
            return verdicts[-1]

    with tempfile.TemporaryDirectory(prefix="fini-gate-") as folder, contextlib.ExitStack() as stack:
        outputs, summary = Path(folder, "outputs"), Path(folder, "summary")
        outputs.touch()
        files = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary)}
        streams = [io.TextIOWrapper(io.BytesIO(content)) for content in (b"", b"", start.stdin)]
        for name, stream in zip(("stdout", "stderr", "stdin"), streams, strict=True):
            stack.enter_context(patch.object(sys, name, stream))
        stack.enter_context(patch.dict(os.environ, files))
        stack.enter_context(patch.object(main, "GateRun", SimulatedRun))
        stack.enter_context(contextlib.chdir(workspace))
        exit_code = main.main({**start.environ, **files}, clock, start.arguments)
        printed = [stream.buffer.getvalue().decode() for stream in streams[:2]]
        written = Written.read(start, (printed[0], printed[1]), (outputs, summary), workspace)
    return exit_code, verdicts[-1] if verdicts else None, written


def simulate(scenario: Scenario, wait: WaitForJobs = wait_for_jobs) -> Evidence:
    """Run the gate in a scenario; `wait` stands in for its loop."""
    signal = scenario.signal and (STARTED_AT + scenario.signal[0], scenario.signal[1])
    clock = Clock(STARTED_AT, jumps=[(STARTED_AT + after, by) for after, by in scenario.jumps], signal=signal)
    rng = random.Random(scenario.seed)  # noqa: S311 - not a secret
    api = Api(clock, timelines=scenario.timelines, behaviour=scenario.behaviour, rng=rng, sources=scenario.sources)
    evidence = Evidence(scenario, api)

    def observed_wait(*arguments: Any, on_poll: Callable[[Progress], None], **parts: Any) -> Verdict:  # noqa: ANN401 - the loop's
        def record_poll(progress: Progress) -> None:
            evidence.add_poll(progress.jobs)
            on_poll(progress)

        try:
            return wait(*arguments, on_poll=record_poll, **parts)
        finally:
            evidence.polling_ended_at = clock.now

    random.seed(scenario.seed)  # the client's jitter
    with tempfile.TemporaryDirectory(prefix="fini-gate-") as workspace:
        try:
            start = scenario.start(Path(workspace))
            evidence.exit_code, _, evidence.written = run_gate(start, api, Path(workspace), observed_wait)
        except Exception:  # noqa: BLE001 - a traceback is a finding
            evidence.crash = traceback.format_exc()
    return evidence
