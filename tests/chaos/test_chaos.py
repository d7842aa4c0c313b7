import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest

from fini_gate.client import FiniClient
from fini_gate.deadlines import Deadlines
from fini_gate.errors import OutageError
from fini_gate.inputs import Inputs
from fini_gate.models import STATE_BY_STATUS, Job, JobState, PollResult
from fini_gate.output.dotenv import dotenv_text
from fini_gate.output.junit import junit_xml
from fini_gate.output.report import json_document
from fini_gate.output.results import results_json
from fini_gate.platforms.github import GitHubPlatform
from fini_gate.poller import Timing, wait_for_jobs
from fini_gate.publication import require_published
from fini_gate.verdict import Result, Verdict, decide

from . import command, sockets
from .campaign import Tally
from .contract import MIN_OMISSIONS
from .model import Behaviour, Clock, Timeline, Word
from .oracle import check
from .replies import KEY, Reply
from .scenario import Options, Scenario, make_scenario
from .simulation import STARTED_AT, WaitForJobs, simulate
from .written import Finding, Kind

# A refusal of the action, and, of the command, a failure and a pass whose articles are looked up, and a cancellation,
# none of which takes long.
SOCKET_SEEDS = (13, 18, 102, 96)


def _total(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return total


def _exits(tally: Tally) -> set[str]:
    return {name for name in tally.counts if name.startswith("exit ")}


@pytest.mark.parametrize("first_seed", range(1, 241, 80))
def test_gates__in_simulated_time_do_nothing_wrong(first_seed: int) -> None:
    """Whatever goes wrong in a seed's world, the gate does what the contract says."""
    total = _total(map(command.simulated, range(first_seed, first_seed + 80)))
    assert total.findings == {}
    # Gates that all end alike, or meet few faults, would prove little.
    assert _exits(total) == {f"exit {code}" for code in (0, 1, 3, 4, 130, 143)}
    assert sum(name.startswith("fault ") for name in total.counts) > 40
    assert min(total.counts[name] for name in ("action on GitHub", "command on GitHub", "command elsewhere")) > 5


def test_gates__over_sockets_do_nothing_wrong() -> None:
    """A gate as a process against the stand-in API ends as its jobs do, or as its signal says."""
    with ThreadPoolExecutor(len(SOCKET_SEEDS)) as threads:
        total = _total(threads.map(sockets.over_sockets, SOCKET_SEEDS))
    assert total.findings == {}
    assert total.counts["command elsewhere"] == 3
    assert _exits(total) == {"exit 0", "exit 1", "exit 4", "exit 130"}


def test_plan__leaves_no_room_for_another_result() -> None:
    """The faults of a run over sockets neither outlast outage-tolerance nor omit a job often enough to be missing."""
    for seed in range(2000):
        rules = sockets.make_plan(seed).faults
        passing = [rule for rule in rules if rule["do"] not in sockets.REFUSALS]
        assert sum(rule["at-most"] for rule in passing) <= sockets.MAX_FAULTS
        omitting = [rule for rule in passing if "drop-rows" in rule["do"] and "route" not in rule]
        assert sum(rule["at-most"] for rule in omitting) < MIN_OMISSIONS


# --- The oracle finds gates that are broken on purpose ----------------------------------------------------------------

RUNNING: Word = {"jobStatus": "IN_PROGRESS"}
DONE: Word = {"jobStatus": "COMPLETED", "hcArticleId": "an article"}


def _failed(error: str) -> Word:
    return {"jobStatus": "FAILED", "error": error}


def _world(
    jobs: Mapping[str, Mapping[float, Word]],
    signal: tuple[float, int] | None = None,
    outages: tuple[tuple[float, float, str], ...] = (),
    articles: tuple[str, ...] = ("live",),
    seed: int = 1,
    **options: Any,  # noqa: ANN401 - each has its own type
) -> Scenario:
    """Make a scenario; a job is what the API says of it, by seconds after the start."""
    return Scenario(
        seed=seed,
        options=Options(**{"max_poll_interval": 5.0, **options}),
        job_ids=tuple(jobs),
        timelines={job_id: Timeline(job_id, list(words.items())) for job_id, words in jobs.items()},
        sources={f"source of {job_id}": job_id for job_id in jobs},
        behaviour=Behaviour(seconds=(0.05, 0.05), outages=outages, articles=articles),
        signal=signal,
    )


PASSES = _world({"early": {0: DONE}, "late": {0: RUNNING, 9: DONE}})
FAILS_FAST = _world({"failed": {0: _failed("a reason")}, "late": {0: RUNNING, 9: DONE}}, fail_fast=True)
NEVER_ENDS = _world({"early": {0: DONE}, "never": {0: RUNNING}})
STALLS = _world({"never": {0: RUNNING}}, stall_timeout=10.0)
MANY = _world({f"job-{number}": {0: DONE} for number in range(5)}, batch_size=2, max_parallel=1)
POISONED = _world({"poison": {0: 500}, "late": {0: RUNNING, 20: DONE}}, outage_tolerance=5.0)
FOUND_LATE = _world({"a": {0: 404, 5: DONE}})
IS_DOWN = _world({"a": {0: DONE}}, outages=((0, 99, "reset"),), outage_tolerance=20.0)
RATE_LIMITED = _world({"a": {0: DONE}}, outages=((0, 40, "retry-after-429"),))
LEAKS_THE_KEY = _world({"a": {0: _failed(f"Bearer {KEY}")}})
SENDS_A_COMMAND = _world({"a": {0: _failed("bad\n::error::pwned")}})
IS_DRAFT = _world({"a": {0: DONE}}, articles=("draft",), require_published=True)
LOSES_ARTICLES = _world({"a": {0: DONE}}, outages=((0.04, 999, "reset"),), outage_tolerance=9.0, require_published=True)
FAILS_SILENTLY = _world({f"job-{number}": {0: {"jobStatus": "FAILED"}} for number in range(9)})
# Even seeds are those of commands, and without a results file the document is printed.
FILES: Mapping[str, Any] = {"junit_file": "out/junit.xml", "dotenv_file": "fini-gate.env", "summary_file": "summary.md"}
FAILS_ELSEWHERE = _world({"a": {0: _failed(f"bad {KEY} ##VsO[task.complete result=Succeeded;]")}}, seed=2, **FILES)
PASSES_ELSEWHERE = _world({"a": {0: DONE}}, seed=2, **FILES)
GETS_A_SIGNAL = _world({"never": {0: RUNNING}}, signal=(7.5, 15))

Sabotage: TypeAlias = Callable[[pytest.MonkeyPatch], WaitForJobs]


def _patch(value: object, *names: str) -> Sabotage:
    """Replace parts of the gate."""

    def sabotage(monkeypatch: pytest.MonkeyPatch) -> WaitForJobs:
        for name in names:
            monkeypatch.setattr(f"fini_gate.{name}", value)
        return wait_for_jobs

    return sabotage


def _with_client(**fields: object) -> Sabotage:
    """Poll with a client of other limits than given."""
    return _patch(lambda **parts: FiniClient(**parts | fields), "main.FiniClient")


def _with_jobs(change: Callable[[list[Job]], list[Job]]) -> Sabotage:
    """Wait for other jobs than given."""
    return lambda _: lambda jobs, *others, **parts: wait_for_jobs(change(list(jobs)), *others, **parts)


def _with_inputs(**fields: Any) -> Sabotage:  # noqa: ANN401 - each has its own type
    """Wait by other inputs than given."""

    def wait(jobs: Sequence[Job], client: FiniClient, inputs: Inputs, *, timing: Timing, **parts: Any) -> Verdict:  # noqa: ANN401 - the loop's
        inputs = replace(inputs, **fields)
        deadlines = Deadlines(inputs, started_at=timing.started_at, job_count=len(jobs))
        return wait_for_jobs(jobs, client, inputs, timing=timing._replace(deadlines=deadlines), **parts)

    return lambda _: wait


def _with_verdict(change: Callable[[Verdict], Verdict]) -> Sabotage:
    """Report another verdict than found."""
    return lambda _: lambda *arguments, **parts: change(wait_for_jobs(*arguments, **parts))


def _with_poll(make_poll: Callable[[FiniClient, list[str]], Callable[..., PollResult]]) -> Sabotage:
    """Poll in another way, made of the client and all job IDs."""

    def wait(jobs: Iterable[Job], client: FiniClient, *others: Any, **parts: Any) -> Verdict:  # noqa: ANN401 - the loop's
        jobs = list(jobs)
        changed: Any = SimpleNamespace(poll=make_poll(client, [job.id for job in jobs]))
        return wait_for_jobs(jobs, changed, *others, **parts)

    return lambda _: wait


def _ignore_signal(monkeypatch: pytest.MonkeyPatch) -> WaitForJobs:
    monkeypatch.setattr(Clock, "signal_number", None)
    change = _with_verdict(lambda verdict: decide(verdict.jobs, elapsed_seconds=verdict.elapsed_seconds))
    return change(monkeypatch)


def _ignore_retry_after(monkeypatch: pytest.MonkeyPatch) -> WaitForJobs:
    respond = Reply.response
    monkeypatch.setattr(Reply, "response", lambda reply: respond(replace(reply, headers={})))
    return wait_for_jobs


def _give_up_early(*_: object) -> None:
    raise OutageError("Enough.")


def _look_up_twice(*parts: Any, **more: Any) -> Verdict:  # noqa: ANN401 - the function's own
    require_published(*parts, **more)
    return require_published(*parts, **more)


def _write_green(verdict: Verdict, **parts: Any) -> Iterator[str]:  # noqa: ANN401 - the function's own
    return junit_xml(
        decide([job._replace(state=JobState.COMPLETED) for job in verdict.jobs], elapsed_seconds=1), **parts
    )


def _add_a_line(verdict: Verdict) -> Iterator[str]:
    yield from (*json_document(verdict), "{}\n")


def _ignore(text: object, *_: object) -> object:
    return text


BROKEN: Mapping[Kind, Mapping[str, tuple[Scenario, Sabotage]]] = {
    Kind.VERDICT: {
        "takes a running job for a completed one": (
            NEVER_ENDS,
            _patch({**STATE_BY_STATUS, "IN_PROGRESS": JobState.COMPLETED}, "models.STATE_BY_STATUS"),
        ),
        "loses a job": (PASSES, _with_jobs(lambda jobs: jobs[1:])),
        "passes with an unreadable job": (
            POISONED,
            _with_verdict(lambda verdict: replace(verdict, result=Result.SUCCESS, exit_code=0)),
        ),
        "fails with the exit code of a pass": (
            FAILS_FAST,
            _with_verdict(lambda verdict: replace(verdict, exit_code=0)),
        ),
        "makes an article up": (
            PASSES,
            _with_verdict(
                lambda verdict: replace(verdict, jobs=tuple(job._replace(article_id="x") for job in verdict.jobs))
            ),
        ),
        "skips the last poll": (
            NEVER_ENDS,
            _with_poll(
                lambda client, _: (
                    lambda *arguments, **rule: (
                        client.poll(*arguments, **rule) if client.clock() < STARTED_AT + 60 else PollResult()
                    )
                )
            ),
        ),
        "gives up before outage-tolerance": (IS_DOWN, _with_inputs(outage_tolerance_seconds=5)),
        "ignores not-found-grace": (FOUND_LATE, _with_inputs(not_found_grace_seconds=0)),
        "never gives up on a job that always fails": (POISONED, _with_inputs(outage_tolerance_seconds=100)),
        "passes with a draft": (IS_DRAFT, _patch(lambda job, _: job, "publication._check_article")),
        "passes without having looked up an article": (
            LOSES_ARTICLES,
            _patch(lambda verdict, *_, **__: verdict, "main.require_published"),
        ),
        "gives up the articles early": (LOSES_ARTICLES, _patch(_give_up_early, "publication._wait")),
        "gives the reason of another job": (
            FAILS_SILENTLY,
            _patch(lambda job, rows: job._replace(reason=rows[0].error), "details.with_source"),
        ),
        "writes a green JUnit file for a failure": (FAILS_ELSEWHERE, _patch(_write_green, "output.junit.junit_xml")),
        "ignores a signal": (GETS_A_SIGNAL, _ignore_signal),
    },
    Kind.OVERRUN: {
        "waits past timeout": (NEVER_ENDS, _with_inputs(timeout_seconds=70)),
        "waits past stall-timeout": (STALLS, _with_inputs(stall_timeout_seconds=30)),
        "waits past outage-tolerance": (IS_DOWN, _with_inputs(outage_tolerance_seconds=50)),
        "waits past request-timeout": (MANY, _with_client(request_timeout_seconds=60)),
        "spends too long on details": (PASSES, _patch(60, "deadlines.MAX_DETAILS_SECONDS")),
        "goes on after a failure under fail-fast": (FAILS_FAST, _with_inputs(fail_fast=False)),
    },
    Kind.REQUESTS: {
        "polls finished jobs": (
            PASSES,
            _with_poll(lambda client, all_ids: lambda _, *limits, **rule: client.poll(all_ids, *limits, **rule)),
        ),
        "polls too often": (PASSES, _with_inputs(poll_interval_seconds=0.5, max_poll_interval_seconds=0.5)),
        "polls too seldom": (NEVER_ENDS, _with_inputs(poll_interval_seconds=9, max_poll_interval_seconds=9)),
        "sends too many IDs at once": (MANY, _with_client(batch_size=100)),
        "sends too many requests at once": (MANY, _with_client(max_parallel=16)),
        "asks for an article again": (
            IS_DRAFT,
            _patch(_look_up_twice, "main.require_published"),
        ),
        "ignores Retry-After": (RATE_LIMITED, _ignore_retry_after),
    },
    Kind.KEY: {
        # Either would do: the client redacts the key, and so does what prints.
        "prints the key": (LEAKS_THE_KEY, _patch(_ignore, "client.responses.redact", "platforms.plain.redact")),
        "does not mask the key": (PASSES, _patch(_ignore, "platforms.github.core.set_secret")),
        "masks the key elsewhere than on GitHub": (
            PASSES_ELSEWHERE,
            _patch(lambda settings: GitHubPlatform(settings.environ), "main.choose_platform"),
        ),
        "writes the key into a file": (FAILS_ELSEWHERE, _patch(_ignore, "client.responses.redact")),
    },
    Kind.TEXT: {
        "prints a job's error as it is": (SENDS_A_COMMAND, _patch(_ignore, "platforms.plain.escape_line")),
        "prints another CI's command": (FAILS_ELSEWHERE, _patch(_ignore, "platforms.plain.escape_line")),
        "prints a command in the document": (
            FAILS_ELSEWHERE,
            _patch(results_json, "main.json_document"),
        ),
    },
    Kind.OUTPUTS: {
        "writes no outputs": (PASSES, _patch(_ignore, "platforms.github.GitHubPlatform.set_outputs")),
        "reports the jobs in another order": (PASSES, _with_jobs(lambda jobs: jobs[::-1])),
        "ends without a last line": (FAILS_ELSEWHERE, _patch(_ignore, "platforms.plain.PlainPlatform.fail")),
        "adds a line to the document": (PASSES_ELSEWHERE, _patch(_add_a_line, "main.json_document")),
        "writes a wrong count": (
            FAILS_ELSEWHERE,
            _patch(lambda outputs: dotenv_text({**outputs, "failed-count": "0"}), "output.dotenv.dotenv_text"),
        ),
        "writes no file": (PASSES_ELSEWHERE, _patch(_ignore, "output.files.write_whole")),
        "ends without an error annotation": (NEVER_ENDS, _patch(_ignore, "platforms.github.GitHubPlatform.fail")),
    },
    Kind.TRACEBACK: {"crashes": (PASSES, _patch(None, "poller.decide"))},
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in Kind for name in BROKEN[kind]])
def test_oracle__finds_broken_gate(monkeypatch: pytest.MonkeyPatch, kind: Kind, name: str) -> None:
    """In a world in which the gate does nothing wrong, a broken one does, and the oracle says what kind of thing."""
    world, sabotage = BROKEN[kind][name]
    assert check(simulate(world)) == []
    assert kind in {finding.kind for finding in check(simulate(world, sabotage(monkeypatch)))}


# --- The command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def broken_seeds(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Give seeds whose gates are broken; at first there are none."""
    seeds = set[int]()
    finding = Finding(Kind.KEY, "the key is in the summary")
    monkeypatch.setattr(command, "ProcessPoolExecutor", ThreadPoolExecutor)  # in this process, where patches apply
    monkeypatch.setattr(command, "check", lambda evidence: [finding] if evidence.scenario.seed in seeds else [])
    monkeypatch.setattr(
        command, "over_sockets", lambda seed: Tally(findings={f"sockets {seed}": [finding]} if seed in seeds else {})
    )
    return seeds


def test_command__counts_nothing_if_nothing_is_wrong(
    broken_seeds: set[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 0, and the table counts no findings."""
    assert not broken_seeds
    assert command.main(["--gates", "3", "--processes", "1"]) == 0
    printed = capsys.readouterr().out
    assert [int(re.findall(rf"{kind} +(\d+)", printed)[0]) for kind in Kind] == [0] * len(Kind)


def test_command__names_seeds_with_findings(broken_seeds: set[int], capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, and each seed that has findings is printed as a command, which shows all that it did."""
    broken_seeds |= {8, 9}
    assert command.main(["--gates", "3", "--sockets", "2", "--seed", "7", "--processes", "1"]) == 1
    assert re.findall(r"--only \d+|sockets \d+", capsys.readouterr().out) == ["--only 8", "--only 9", "sockets 8"]
    assert command.main(["--only", "9"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("Request(") == len(simulate(make_scenario(9)).requests)
    assert printed.endswith("keys leaked: the key is in the summary\n")
