import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest

from fini_gate.client import FiniClient
from fini_gate.models import STATE_BY_STATUS, Job, JobState, PollResult
from fini_gate.poller import wait_for_jobs
from fini_gate.verdict import Result, Verdict, decide

from . import command
from .faults import KEY
from .model import Course, Presence, Standing, Weather
from .oracle import Kind, Wrong, check
from .scenario import Scenario, Wishes, scenario
from .simulation import Evidence, SimulatedWaiter, WaitForJobs, simulate
from .sockets import SocketRun

CAMPAIGN = Path(__file__).with_name("campaign.py")
CHUNK = 30
FIRST_SEEDS = range(1, 1 + 8 * CHUNK, CHUNK)
# A pass, a refusal, a failure and a signal, none of which takes long.
SOCKET_SEEDS = (1, 4, 5, 20)


@cache
def _tally(first_seed: int) -> command.Tally:
    return command.simulated(range(first_seed, first_seed + CHUNK))


def _told(server_errors: Mapping[int, list[str]], option: str = "") -> str:
    alone = (f".venv/bin/python tests/chaos/campaign.py --only {seed}{option}" for seed in server_errors)
    return "\n".join(f"{line}\n  {wrongs}" for line, wrongs in zip(alone, server_errors.values(), strict=True))


@pytest.mark.parametrize("first_seed", FIRST_SEEDS)
def test_gates__in_simulated_time_do_nothing_wrong(first_seed: int) -> None:
    """Whatever goes wrong in a seed's world, the gate does what the contract says."""
    tally = _tally(first_seed)
    assert not tally.server_errors, _told(tally.server_errors)
    assert tally.gates == CHUNK


def test_gates__in_simulated_time_meet_every_ending() -> None:
    """The slice would tell little if its gates all ended alike, or met few faults."""
    total = command.Tally()
    for first_seed in FIRST_SEEDS:
        total.add(_tally(first_seed))
    assert set(total.endings) == {f"exit {code}" for code in (0, 1, 3, 4, 130, 143)}
    assert len(total.faults) > 50


def test_gates__over_sockets_do_nothing_wrong() -> None:
    """A gate as a process against the stand-in API ends as its jobs do, or its signal says."""
    total = command.Tally()
    with ThreadPoolExecutor(len(SOCKET_SEEDS)) as threads:
        for tally in threads.map(command.over_sockets, SOCKET_SEEDS):
            total.add(tally)
    assert not total.server_errors, _told(total.server_errors, " --sockets 1")
    assert set(total.endings) == {"exit 0", "exit 1", "exit 4", "exit 130"}


# --- The oracle: gates that are broken on purpose ---------------------------------------------------------------------

RUNNING = Standing(fields={"jobStatus": "IN_PROGRESS"})
DONE = Standing(fields={"jobStatus": "COMPLETED", "hcArticleId": "an article"})
UNKNOWN, POISON = Standing(Presence.UNKNOWN), Standing(Presence.POISON)


def _failed(error: str) -> Standing:
    return Standing(fields={"jobStatus": "FAILED", "error": error})


def _world(
    jobs: Mapping[str, Mapping[float, Standing]],
    *,
    weather: Weather | None = None,
    signal: tuple[float, int] | None = None,
    **wishes: Any,  # noqa: ANN401 - each has its own type
) -> Scenario:
    """Make a scenario: job ID → from how many seconds after the start on it stands how."""
    return Scenario(
        seed=1,
        wishes=Wishes(**{"timeout": 60.0, "max_poll_interval": 5.0, **wishes}),
        job_ids=tuple(jobs),
        courses={job_id: Course(job_id, list(phases.items())) for job_id, phases in jobs.items()},
        weather=weather or Weather(),
        signal=signal,
        environ={"INPUT_JOB-IDS": json.dumps(list(jobs))},
    )


PASSES = _world({"early": {0: DONE}, "late": {0: RUNNING, 9: DONE}})
FAILS_FAST = _world({"failed": {0: _failed("a reason")}, "late": {0: RUNNING, 9: DONE}}, fail_fast=True)
NEVER_ENDS = _world({"early": {0: DONE}, "never": {0: RUNNING}})
STALLS = _world({"never": {0: RUNNING}}, stall_timeout=10.0)
MANY = _world({f"job-{number}": {0: DONE} for number in range(5)}, batch_size=2)
POISONED = _world({"poison": {0: POISON}, "late": {0: RUNNING, 20: DONE}}, outage_tolerance=5.0)
KNOWN_LATE = _world({"a": {0: UNKNOWN, 5: DONE}})
IS_DOWN = _world({"a": {0: DONE}}, weather=Weather(outages=((0, math.inf, "reset"),)), outage_tolerance=20.0)
ASKS_FOR_PATIENCE = _world({"a": {0: DONE}}, weather=Weather(outages=((0, 40, "retry-after-429"),)))
TELLS_THE_KEY = _world({"a": {0: _failed(f"Bearer {KEY}")}})
TELLS_A_COMMAND = _world({"a": {0: _failed("bad\n::error::pwned")}})
HEARS_A_SIGNAL = _world({"never": {0: RUNNING}}, signal=(7.5, 15))

Sabotage: TypeAlias = Callable[[pytest.MonkeyPatch], WaitForJobs]


def _loop(wait: WaitForJobs) -> Sabotage:
    return lambda _: wait


def _patched(value: object, *names: str) -> Sabotage:
    def sabotage(monkeypatch: pytest.MonkeyPatch) -> WaitForJobs:
        for name in names:
            monkeypatch.setattr(f"fini_gate.{name}", value)
        return wait_for_jobs

    return sabotage


def _same(text: object, *_: object) -> object:
    return text


def _wishing(**others: float) -> Sabotage:
    """Take the workflow at other words than its own."""
    return _loop(lambda jobs, client, inputs, **parts: wait_for_jobs(jobs, client, replace(inputs, **others), **parts))


def _saying(**others: Any) -> Sabotage:  # noqa: ANN401 - each has its own type
    """Report another verdict than was found."""
    return _loop(lambda *arguments, **parts: replace(wait_for_jobs(*arguments, **parts), **others))


def _asking_for_all(jobs: Iterable[Job], client: Any, *others: Any, **parts: Any) -> Verdict:  # noqa: ANN401 - the loop's
    jobs = tuple(jobs)
    job_ids = [job.id for job in jobs]
    asking: Any = SimpleNamespace(poll=lambda _, **limits: client.poll(job_ids, **limits))
    return wait_for_jobs(jobs, asking, *others, **parts)


def _without_last_look(jobs: Iterable[Job], client: Any, inputs: Any, **parts: Any) -> Verdict:  # noqa: ANN401 - the loop's
    def poll(job_ids: Sequence[str], **limits: Any) -> PollResult:  # noqa: ANN401 - the loop's
        is_last = parts["clock"]() >= parts["started_at"] + inputs.timeout_seconds
        return PollResult() if is_last else client.poll(job_ids, **limits)

    asking: Any = SimpleNamespace(poll=poll)
    return wait_for_jobs(jobs, asking, inputs, **parts)


def _inventing(*arguments: Any, **parts: Any) -> Verdict:  # noqa: ANN401 - the loop's
    verdict = wait_for_jobs(*arguments, **parts)
    return replace(verdict, jobs=tuple(job._replace(article_id="another") for job in verdict.jobs))


def _hasty(*others: Any, sleep: Callable[[float], None], **parts: Any) -> Verdict:  # noqa: ANN401 - the loop's
    return wait_for_jobs(*others, sleep=lambda seconds: sleep(seconds / 9), **parts)


def _deaf(monkeypatch: pytest.MonkeyPatch) -> WaitForJobs:
    def wait(*arguments: Any, **parts: Any) -> Verdict:  # noqa: ANN401 - the loop's
        verdict = wait_for_jobs(*arguments, **parts)
        return decide(verdict.jobs, elapsed_seconds=verdict.elapsed_seconds)

    monkeypatch.setattr(SimulatedWaiter, "signal_number", None)
    return wait


BROKEN: Mapping[Kind, Mapping[str, tuple[Scenario, Sabotage]]] = {
    Kind.VERDICT: {
        "takes a running job for a completed one": (
            NEVER_ENDS,
            _patched({**STATE_BY_STATUS, "IN_PROGRESS": JobState.COMPLETED}, "models.STATE_BY_STATUS"),
        ),
        "loses a job": (PASSES, _loop(lambda jobs, *others, **parts: wait_for_jobs([*jobs][1:], *others, **parts))),
        "passes with an unreadable job": (POISONED, _saying(outcome=Result.SUCCESS, exit_code=0)),
        "fails with the exit code of a pass": (FAILS_FAST, _saying(exit_code=0)),
        "makes an article up": (PASSES, _loop(_inventing)),
        "has no last look": (NEVER_ENDS, _loop(_without_last_look)),
        "gives up before outage-tolerance": (IS_DOWN, _wishing(outage_tolerance_seconds=5)),
        "knows no not-found-grace": (KNOWN_LATE, _wishing(not_found_grace_seconds=0)),
        "never gives up on a job that always fails": (POISONED, _wishing(outage_tolerance_seconds=100)),
        "takes no notice of a signal": (HEARS_A_SIGNAL, _deaf),
    },
    Kind.OVERRUN: {
        "waits past timeout": (NEVER_ENDS, _wishing(timeout_seconds=70)),
        "waits past stall-timeout": (STALLS, _wishing(stall_timeout_seconds=30)),
        "waits past outage-tolerance": (IS_DOWN, _wishing(outage_tolerance_seconds=50)),
        "goes on after a failure under fail-fast": (FAILS_FAST, _wishing(fail_fast=False)),
    },
    Kind.REQUESTS: {
        "asks again for finished jobs": (PASSES, _loop(_asking_for_all)),
        "asks too often": (PASSES, _loop(_hasty)),
        "asks for too many at once": (
            MANY,
            _patched(lambda **parts: FiniClient(**{**parts, "batch_size": 100}), "main.FiniClient"),
        ),
        "does not heed Retry-After": (
            ASKS_FOR_PATIENCE,
            _patched(lambda _: 0, "client.responses._retry_after_seconds"),
        ),
    },
    Kind.KEY: {
        # Either would do: what comes of the API is freed of the key, and so is what goes to the runner.
        "prints the key": (TELLS_THE_KEY, _patched(_same, "client.responses.redact", "platforms.github.redact")),
        "does not mask the key": (PASSES, _patched(_same, "platforms.github.core.set_secret")),
    },
    Kind.TEXT: {
        "prints a job's error as it came": (TELLS_A_COMMAND, _patched(_same, "platforms.github.escape_control")),
    },
    Kind.OUTPUTS: {
        "writes no outputs": (PASSES, _patched(_same, "platforms.github.Runner.set_outputs")),
        "reports the jobs in another order": (
            PASSES,
            _loop(lambda jobs, *others, **parts: wait_for_jobs([*jobs][::-1], *others, **parts)),
        ),
        "ends without an error's annotation": (NEVER_ENDS, _patched(_same, "platforms.github.Runner.error")),
    },
    Kind.TRACEBACK: {"crashes": (PASSES, _patched(None, "poller.decide"))},
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, broken in BROKEN.items() for name in broken])
def test_oracle__finds_what_is_broken(monkeypatch: pytest.MonkeyPatch, kind: Kind, name: str) -> None:
    """In a world in which the gate does nothing wrong, one that is broken does, and in the way expected of it."""
    world, sabotage = BROKEN[kind][name]
    assert check(simulate(world)) == []
    wrongs = check(simulate(world, sabotage(monkeypatch)))
    assert kind in {wrong.kind for wrong in wrongs}, wrongs


def test_oracle__is_tried_for_every_kind_of_wrong() -> None:
    """There is a broken gate for each kind."""
    assert set(BROKEN) == set(Kind)


# --- The command ------------------------------------------------------------------------------------------------------


def _loses_all(scenario: Scenario) -> Evidence:
    return simulate(scenario, lambda _, *others, **parts: wait_for_jobs((), *others, **parts))


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Run the command with options, and return its exit code."""
    # In this process, for what a test puts in the place of others to be seen.
    monkeypatch.setattr(command, "ProcessPoolExecutor", ThreadPoolExecutor)

    def run(options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["campaign.py", "--processes", "1", *options.split()])
        return command.main()

    return run


def after_time_of_day(evidence: Evidence) -> str:
    """Give what was printed after the first line's time of day, in which two runs of one gate differ."""
    _, rest = evidence.transcript.split(" UTC (")
    return rest


def test_command__prints_what_one_seed_did(campaign: Callable[[str], int], capsys: pytest.CaptureFixture[str]) -> None:
    """`--only` prints the seed's world, each request, and all that the gate printed."""
    evidence = simulate(scenario(3))
    assert campaign("--only 3") == 0
    printed = capsys.readouterr().out
    assert printed.startswith(repr(evidence.scenario.wishes))
    assert len(re.findall(r" IDs from '", printed)) == len(evidence.exchanges) > 0
    assert after_time_of_day(evidence) in printed


def test_command__says_what_is_wrong_with_one_seed(
    monkeypatch: pytest.MonkeyPatch, campaign: Callable[[str], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """`--only` ends with all that is wrong with the seed, and the exit code 1."""
    monkeypatch.setattr(command, "simulate", _loses_all)
    assert campaign("--only 3") == 1
    assert capsys.readouterr().out.endswith("".join(f"{wrong}\n" for wrong in check(_loses_all(scenario(3)))))


def test_command__names_the_seeds_that_fail(
    monkeypatch: pytest.MonkeyPatch, campaign: Callable[[str], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """A failing seed is printed with the command that runs it alone, and the exit code is 1."""
    wrong = Wrong(Kind.KEY, "the key is in the summary")
    monkeypatch.setattr(command, "simulate", lambda given: (_loses_all if given.seed == 9 else simulate)(given))
    monkeypatch.setattr(command, "run_over_sockets", lambda seed: SocketRun(wrongs=[wrong] * (seed == 8)))
    assert campaign("--gates 5 --sockets 5 --seed 7") == 1
    printed = capsys.readouterr().out
    told = re.findall(r"seed (\d+): \.venv/bin/python (\S+) (--only .*)", printed)
    path = str(CAMPAIGN.relative_to(CAMPAIGN.parents[2]))
    assert told == [("9", path, "--only 9"), ("8", path, "--only 8 --sockets 1")]
    assert str(wrong) in printed


def test_command__passes_where_nothing_is_wrong(
    campaign: Callable[[str], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing wrong is the exit code 0, and a table that counts none."""
    assert campaign("--gates 5 --seed 7") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("gates in simulated time: 5 in ")
    assert [int(re.findall(rf"{kind} +(\d+)", printed)[0]) for kind in Kind] == [0] * len(Kind)


def test_campaign__starts_from_anywhere(tmp_path: Path) -> None:
    """The script finds its modules and the gate by its own place."""
    run = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, str(CAMPAIGN), "--only", "3"], cwd=tmp_path, capture_output=True, check=True
    )
    assert after_time_of_day(simulate(scenario(3))) in run.stdout.decode()
