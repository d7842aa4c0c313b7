"""Runs the whole gate, except its sockets and its clock, against the model, and keeps all that it left behind."""

import contextlib
import io
import os
import random
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
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
from .replies import KEY
from .scenario import Scenario
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
        lines = (self.scenario.options, self.scenario.behaviour, *requests, self.written.transcript)
        return "\n".join(map(str, lines))

    def add_poll(self, jobs: tuple[Job, ...]) -> None:
        """Record a poll that has just ended."""
        began = sum(len(poll.requests) for poll in self.polls)
        ended = sum(len(poll.responses) for poll in self.polls)
        self.polls.append(Poll(self.requests[began:], self.responses[ended:], self.ended_at, jobs))


def run_gate(
    environ: Mapping[str, str], transport: Transport, workspace: Path, wait: WaitForJobs = wait_for_jobs
) -> tuple[Verdict, Written]:
    """Run the gate in simulated time; `wait` stands in for its loop."""
    with tempfile.TemporaryDirectory(prefix="fini-gate-") as folder, contextlib.ExitStack() as stack:
        outputs, summary = Path(folder, "outputs"), Path(folder, "summary")
        outputs.touch()
        files = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": str(workspace)}
        stack.enter_context(patch.dict(os.environ, files))
        stdout = stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        clock: Any = transport.clock
        parts: dict[str, Any] = {"make_transport": lambda **_: transport, "wait": wait}
        settings = Settings(environ={"INPUT_API-KEY": KEY, "GITHUB_ACTIONS": "true", **environ, **files})
        gate = main.GateRun(settings, executor=clock, clock=clock, **parts)
        verdict = gate.run()
        # As a path: a folder before a `..` may not exist.
        results = os.path.realpath(workspace / environ.get("INPUT_RESULTS-FILE", "").strip())
        written = Written.read(stdout.getvalue(), outputs, summary, Path(results))
    return verdict, written


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
            verdict, evidence.written = run_gate(scenario.environ(), api, Path(workspace), observed_wait)
            evidence.exit_code = verdict.exit_code
        except Exception:  # noqa: BLE001 - a traceback is a finding
            evidence.crash = traceback.format_exc()
    return evidence
