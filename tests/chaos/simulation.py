"""Runs the whole gate, all but its sockets and its clock, against the model, and keeps all that it left behind."""

import contextlib
import io
import os
import random
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from fini_gate import main
from fini_gate.models import Job
from fini_gate.poller import Progress, wait_for_jobs
from fini_gate.verdict import Verdict

from .faults import FAULTS, KEY, say
from .model import Api, Clock, Exchange
from .scenario import Scenario

# What a monotonic clock shows at the start means nothing.
STARTED_AT = 5000.0


@dataclass(frozen=True)
class Poll:
    """One look of the gate at the jobs, as it told of it."""

    exchanges: tuple[Exchange, ...]
    ended_at: float
    jobs: tuple[Job, ...]

    @property
    def began_at(self) -> float:
        """When it began."""
        return min((exchange.began_at for exchange in self.exchanges), default=self.ended_at)


@dataclass
class Evidence:
    """All that a gate did and left behind. Times are on the simulated clock."""

    scenario: Scenario
    started_at: float
    ended_at: float = 0.0
    exchanges: list[Exchange] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    cut_look: tuple[Exchange, ...] = ()
    """The requests of the look that did not come to its end."""
    injected: Counter[str] = field(default_factory=Counter)
    landings: list[float] = field(default_factory=list)
    signal_heard_at: float | None = None
    exit_code: int | None = None
    transcript: str = ""
    outputs: str = ""
    summary: str = ""
    results: str | None = None
    crash: str = ""


class SimulatedWaiter:
    """Waits in simulated time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def signal_number(self) -> int | None:
        """The signal that was heard, if any was."""
        return self._clock.signal[1] if self._clock.fired_at is not None and self._clock.signal else None

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.pass_time(seconds)


WaitForJobs = Callable[..., Verdict]


def simulate(scenario: Scenario, wait: WaitForJobs = wait_for_jobs) -> Evidence:
    """Run the gate in a scenario; `wait` stands in for its loop."""
    clock = Clock(
        STARTED_AT,
        jumps=[(STARTED_AT + after, seconds) for after, seconds in scenario.jumps],
        signal=None if scenario.signal is None else (STARTED_AT + scenario.signal[0], scenario.signal[1]),
    )
    api = Api(
        courses=scenario.courses,
        clock=clock,
        chance=random.Random(scenario.seed),  # noqa: S311 - chance to play with, no secrets
        faults=FAULTS,
        weather=scenario.weather,
        limits=scenario.limits,
        say=say,
    )
    evidence = Evidence(scenario, STARTED_AT, exchanges=api.exchanges, injected=api.injected, landings=clock.landings)

    def observed(
        *arguments: Any,  # noqa: ANN401 - whatever the gate takes
        on_poll: Callable[[Progress], None],
        **parts: Any,  # noqa: ANN401 - whatever the gate takes
    ) -> Verdict:
        def tell(progress: Progress) -> None:
            seen = sum(len(poll.exchanges) for poll in evidence.polls)
            evidence.polls.append(Poll(tuple(api.exchanges[seen:]), clock.now, progress.jobs))
            on_poll(progress)

        return wait(*arguments, on_poll=tell, **parts)

    # The client's jitter.
    random.seed(scenario.seed)
    with tempfile.TemporaryDirectory(prefix="fini-gate-chaos-") as folder, contextlib.ExitStack() as stack:
        files = {name: Path(folder, name) for name in ("output", "summary")}
        files["output"].touch()
        environ = {
            "INPUT_API-KEY": KEY,
            "GITHUB_WORKSPACE": folder,
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            **{f"INPUT_{name.upper()}": value for name, value in scenario.wishes.inputs().items()},
            **scenario.environ,
        }
        stack.enter_context(patch.dict(os.environ, {"GITHUB_OUTPUT": str(files["output"])}))
        stack.enter_context(patch.object(main, "time", SimpleNamespace(monotonic=clock)))
        stack.enter_context(patch.object(main, "Transport", lambda **_: api))
        stack.enter_context(patch.object(main, "wait_for_jobs", observed))
        stdout = stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        try:
            executor: Any = SimulatedWaiter(clock)
            gate_run = main.GateRun(environ, executor)
            evidence.exit_code = gate_run.publish(gate_run.decide()).exit_code
        except Exception:  # noqa: BLE001 - a traceback is a finding
            evidence.crash = traceback.format_exc()
        evidence.ended_at, evidence.signal_heard_at = clock.now, clock.fired_at
        evidence.cut_look = tuple(api.exchanges[sum(len(poll.exchanges) for poll in evidence.polls) :])
        evidence.transcript = stdout.getvalue()
        evidence.outputs = _read(files["output"]) or ""
        evidence.summary = _read(files["summary"]) or ""
        evidence.results = _read(Path(folder, scenario.wishes.results_file)) if scenario.wishes.results_file else None
    return evidence


def _read(path: Path) -> str | None:
    return path.read_bytes().decode() if path.exists() else None
