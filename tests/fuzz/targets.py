"""What must hold of each thing that is fuzzed: a case in, a word for its ending and all that is wrong out."""

import contextlib
import io
import ipaddress
import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import reduce
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias
from unittest.mock import patch

import requests
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict
from urllib3.util import parse_url

from fini_gate import inputs as gate_inputs
from fini_gate import main
from fini_gate.client import Transport, responses
from fini_gate.client.transport import STATUS_ROUTE, Failure, Response
from fini_gate.errors import RequestRefusedError, UsageError
from fini_gate.executor import InterruptibleExecutor
from fini_gate.job_ids import load as gate_job_ids
from fini_gate.models import Job, worse_of
from tests.chaos.faults import KEY
from tests.chaos.model import Clock, Meaning, meaning_of
from tests.chaos.oracle import (
    COMPLETED,
    FAILED,
    PENDING,
    Kind,
    Wrong,
    check_annotations,
    check_outputs,
    check_text,
)
from tests.chaos.simulation import SimulatedWaiter

from . import strategies as make

Finding: TypeAlias = tuple[str, list[Wrong]]
REFUSED = "refused"
MOST_REQUESTS = 40
MOST_SECONDS = 100_000 * 3600
EXIT_CODES = {("success", 0), ("failure", 1), ("timed_out", 3), ("error", 2), ("error", 4), ("cancelled", 143)}


@dataclass(frozen=True)
class Target:
    """Something that is fuzzed."""

    cases: st.SearchStrategy[Any]
    check: Callable[[Any], Finding]
    share: float
    """Of all cases."""


def _leaks(place: str, *texts: object) -> Iterator[Wrong]:
    # Markdown's escapes do not show.
    if any(KEY in str(text).replace("\\", "") for text in texts):
        yield Wrong(Kind.KEY, f"the key is in {place}")


# --- job IDs ---------------------------------------------------------------------------------------------------------


def _environ(case: make.IdsCase, workspace: Path) -> dict[str, str]:
    """Write the files, and give the environment that names them."""
    for source in case.files:
        (workspace / source.name).write_bytes(source.content)
    paths = "\n".join(source.name for source in case.files) if case.paths is None else case.paths
    return {"job-ids": case.given.text, "job-ids-file": paths}


def _expected_ids(case: make.IdsCase) -> dict[str, str | None] | None:
    """The IDs that must come back; None where only the gate can tell."""
    first: dict[str, str] = {}
    found: dict[str, str | None] = {}
    for source in (case.given, *case.files):
        if source.pairs is None or case.paths is not None:
            return None
        for job_id, document_id in source.pairs:
            known = first.setdefault(job_id.lower(), job_id)
            found[known] = found.get(known) or document_id
    return found


def check_ids(case: make.IdsCase) -> Finding:
    """Valid IDs come back, those that were put in, or else a UsageError."""
    expected = _expected_ids(case)
    with tempfile.TemporaryDirectory(prefix="fini-gate-fuzz-") as folder:
        environ = {**_environ(case, Path(folder)), "api-key": KEY}
        inputs = gate_inputs.Inputs.from_environ(_variables(environ, Path(folder)))
        try:
            found = gate_job_ids.read_job_ids(inputs)
        except UsageError as error:
            wrongs = [*_leaks("the error", error)]
            return REFUSED, wrongs + [Wrong(Kind.VERDICT, f"refused: {error}")] * (expected is not None)
    wrongs = [*_leaks("the IDs", found)]
    wrongs += [Wrong(Kind.VERDICT, f"no ID: {job_id!r}") for job_id in found if not _is_id(job_id)]
    if len({job_id.lower() for job_id in found}) < len(found):
        wrongs.append(Wrong(Kind.VERDICT, "an ID twice"))
    if expected is not None and list(found.items()) != list(expected.items()):
        wrongs.append(Wrong(Kind.VERDICT, f"{found}, not {expected}"))
    return "IDs" if found else "no IDs", wrongs


def _is_id(text: object) -> bool:
    if not isinstance(text, str) or not text.strip() or len(text) > 200:
        return False
    return not any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)


def _variables(environ: Mapping[str, str], workspace: Path) -> dict[str, str]:
    return {"GITHUB_WORKSPACE": str(workspace), **{f"INPUT_{name.upper()}": text for name, text in environ.items()}}


# --- inputs ----------------------------------------------------------------------------------------------------------


def check_inputs(case: tuple[tuple[dict[str, str], frozenset[str]], str, str]) -> Finding:
    """What is accepted is within its bounds and means what was written, and nothing good is refused."""
    (environ, hostile), api_key, fallback = case
    secret = api_key.strip() or fallback.strip()
    variables = {**_variables({**environ, "api-key": api_key}, Path("/")), "FINI_API_KEY": fallback}
    try:
        inputs = gate_inputs.Inputs.from_environ(variables)
    except UsageError as error:
        wrongs = [*_leaks("the error", error)] if secret == KEY else []
        named = re.match(r"Input ([a-z-]+) (?:is|holds) ", str(error))
        intervals = {"poll-interval", "max-poll-interval"}
        if not named or not ({named[1]} | (intervals if named[1] in intervals else set())) & (hostile | {"api-key"}):
            wrongs.append(Wrong(Kind.VERDICT, f"refused: {error}"))
        return REFUSED, wrongs
    return "accepted", [Wrong(Kind.VERDICT, f"accepted {what}") for what in _misread(inputs, environ, secret)]


def _misread(inputs: gate_inputs.Inputs, environ: Mapping[str, str], secret: str) -> Iterator[str]:
    """Find what was accepted, and should not have been, or not as that."""
    given = {name: text.strip() for name, text in environ.items() if text.strip()}
    read = {
        **{name: _seconds(text) for name, text in given.items() if name in make.DURATIONS},
        **{name: {"true": True, "false": False}.get(given[name].lower()) for name in make.SWITCHES if name in given},
        **({"batch-size": int(given["batch-size"])} if "batch-size" in given else {}),
    }
    for name, value in read.items():
        found = getattr(inputs, name.replace("-", "_") + "_seconds" * (name in make.DURATIONS))
        if value is None or not abs(found - value) <= 1e-6 * max(1, value):
            yield f"{name} {given[name]!r} as {found}"
        if name in make.DURATIONS and not 0 <= found <= MOST_SECONDS:
            yield f"{name} {given[name]!r}, which is out of bounds"
    if not re.fullmatch(r"[\x21-\x7e]+", secret) or inputs.api_key != secret:
        yield "the key"
    if not 0.1 <= inputs.poll_interval_seconds <= inputs.max_poll_interval_seconds or inputs.batch_size not in range(
        1, 1001
    ):
        yield "an interval or a size out of bounds"
    if "api-url" in given:
        yield from _misread_url(inputs.api_url)


def _seconds(text: str) -> float:
    spans = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|[smh]|)", text, re.ASCII)
    is_whole = "".join(number + unit for number, unit in spans) == text and (
        len(spans) == 1 or all(unit for _, unit in spans)
    )
    factors = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "": 1}
    return sum(float(number) * factors[unit] for number, unit in spans) if is_whole else float("nan")


def _misread_url(url: str) -> Iterator[str]:
    """Read an accepted address as the library does that will send the key there."""
    try:
        Transport(api_url=url, api_key=KEY, calls=InterruptibleExecutor())
        asked = requests.Request("POST", url + STATUS_ROUTE, json={}).prepare().url or ""
        parts = parse_url(asked)
    except Exception as error:  # noqa: BLE001 - whatever it is, the gate would learn of it too late
        yield f"api-url {url!r}, which cannot be asked ({type(error).__name__}: {error})"
        return
    host = (parts.host or "").strip("[]")
    with contextlib.suppress(ValueError):
        host = "localhost" if ipaddress.ip_address(host).is_loopback else host
    if parts.scheme != "https" and (parts.scheme != "http" or host != "localhost"):
        yield f"api-url {url!r}: the key would leave the machine"
    if parts.auth or parts.query is not None or parts.fragment is not None or not asked.endswith(STATUS_ROUTE):
        yield f"api-url {url!r}, asked as {asked!r}"


# --- answers ---------------------------------------------------------------------------------------------------------


def _cleaned(text: str) -> str:
    return text.replace(KEY, "***").encode("utf-8", "replace").decode()


def read_rows(body: bytes, job_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]] | None:
    """Read an answer without the gate's help; None where it is no list of rows."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        rows = json.loads(body.decode("utf-8-sig"), parse_int=Decimal, parse_constant=refuse)["jobs"]
        if not isinstance(rows, list):
            return None
        named = [(_cleaned(row["id"]).lower(), row) for row in rows]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return {job_id: [row for name, row in named if name == job_id.lower()] for job_id in job_ids}


def state_of(row: Mapping[str, Any], *, require_articles: bool) -> str:
    """The state that a row stands for by the contract, with white space around its status let pass."""
    status = row.get("jobStatus")
    # Beyond ASCII there are letters whose capitals are those of a known status.
    name = status.strip().upper() if isinstance(status, str) and status.isascii() else None
    has_article, has_ended = (_is_text(row.get(name)) for name in ("hcArticleId", "completedAt"))
    if name in COMPLETED:
        return "completed" if has_article or not require_articles else "failed"
    is_failed = name in FAILED or (name not in PENDING and has_ended)
    return "failed" if is_failed else "pending"


def _is_text(value: object) -> bool:
    return isinstance(value, str | Decimal) and value != ""


def _state_of_all(rows: Sequence[Mapping[str, Any]], *, require_articles: bool) -> str:
    states = {state_of(row, require_articles=require_articles) for row in rows}
    return next(state for state in ("failed", "pending", "completed") if state in states)


def check_answer(case: make.AnswerCase) -> Finding:
    """An answer is judged as its status and rows say, and nothing of it hands on the key."""
    reply, body = case.reply, case.reply.body(case.job_ids)
    meaning = meaning_of(reply.status)
    response = Response(reply.status, CaseInsensitiveDict(reply.headers), body)
    try:
        answer = responses.classify(response, case.job_ids, secret=KEY)
    except RequestRefusedError as error:
        wrong = [Wrong(Kind.VERDICT, f"HTTP {reply.status} refused")] * (meaning is not Meaning.FATAL)
        return REFUSED, [*_leaks("the error", error), *wrong]
    told = read_rows(body, case.job_ids) if meaning is Meaning.OK else {}
    meaning = Meaning.RETRYABLE if told is None else meaning
    wrongs = [*_leaks("the answer", answer, *answer.rows.values())]
    kinds = {meaning.name} | (
        {"RETRYABLE"} if meaning is Meaning.SERVER_ERROR and answer.retry_after_seconds else set()
    )
    if answer.kind.name not in kinds or not answer.retry_after_seconds >= 0:
        wrongs.append(Wrong(Kind.VERDICT, f"{answer.kind}, not {kinds}; Retry-After {answer.retry_after_seconds}"))
    told = {job_id: rows for job_id, rows in (told or {}).items() if rows}
    for job_id in {*told, *answer.rows}:
        for require in (False, True):
            seen = [Job(id=job_id).updated_from(row, require_article=require) for row in answer.rows.get(job_id, [])]
            state = str(reduce(worse_of, seen).state) if seen else None
            expected = _state_of_all(told[job_id], require_articles=require) if job_id in told else None
            if state != expected:
                wrongs.append(Wrong(Kind.VERDICT, f"{job_id!r} is {state}, not {expected}"))
            wrongs += _leaks("a job", *seen)
    return answer.kind.name.lower(), wrongs


# --- whole runs ------------------------------------------------------------------------------------------------------


@dataclass
class _Api:
    """Stands in for the transport, and remembers which jobs it said have completed, or have failed."""

    case: make.RunCase
    clock: Clock
    requests: int = 0
    said: dict[str, set[str]] = field(default_factory=dict)
    was_refused: bool = False

    def submit(self, job_ids: Sequence[str], *, timeout_seconds: float) -> Callable[[], Response | Failure]:
        """Take a request."""
        return lambda: self._answer(job_ids, timeout_seconds)

    def wait_any(self, under_way: Sequence[Callable[[], Response | Failure]]) -> tuple[object, Response | Failure]:
        """Answer the one that was asked first."""
        return under_way[0], under_way[0]()

    def _answer(self, job_ids: Sequence[str], timeout_seconds: float) -> Response | Failure:
        """Answer as the case says."""
        self.requests += 1
        replies = self.case.replies
        done = make.Reply(200, (), ({"jobStatus": self.case.then, "hcArticleId": "art-1"},), None, (), 0.1, "")
        reply = replies[self.requests - 1] if self.requests <= len(replies) else done
        if self.requests > MOST_REQUESTS:
            reply = replace(done, status=401)
        self.clock.pass_time(min(reply.seconds, timeout_seconds))
        if reply.problem or reply.seconds > timeout_seconds:
            return Failure(reply.problem or "no whole answer in time")
        body, require = reply.body(job_ids), self.case.environ.get("require-articles", "").lower() == "true"
        self.was_refused |= meaning_of(reply.status) is Meaning.FATAL
        for job_id, rows in ((read_rows(body, job_ids) or {}) if reply.status == 200 else {}).items():
            states = {state_of(row, require_articles=require) for row in rows}
            self.said.setdefault(job_id, set()).update(states)
        return Response(reply.status, CaseInsensitiveDict(reply.headers), body)


def check_run(case: make.RunCase) -> Finding:
    """Whatever is asked and answered, a run ends as the contract has it, and all that it writes is whole and safe."""
    clock = Clock(signal=None if case.signal_at is None else (case.signal_at, 15))
    api = _Api(case, clock)
    with tempfile.TemporaryDirectory(prefix="fini-gate-fuzz-") as folder, contextlib.ExitStack() as stack:
        workspace, output, summary = (Path(folder, name) for name in ("workspace", "output", "summary"))
        workspace.mkdir()
        output.touch()
        summary.touch()
        variables = _variables({**_environ(case.ids, workspace), **case.environ, "api-key": KEY}, workspace)
        stack.enter_context(patch.dict(os.environ, {"GITHUB_OUTPUT": str(output)}))
        stack.enter_context(patch.object(main, "time", SimpleNamespace(monotonic=clock)))
        stack.enter_context(patch.object(main, "Transport", lambda **_: api))
        stdout = stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        executor: Any = SimulatedWaiter(clock)
        gate_run = main.GateRun(
            {**variables, "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}, executor
        )
        verdict = gate_run.publish(gate_run.decide())
        outputs, quote = (path.read_bytes().decode() for path in (output, summary))
        written = re.search(r"^results-file<<.*\n(.+)\n", outputs, re.MULTILINE)
        is_written = written is not None and case.environ["results-file"].strip() == written[1]
        # Where a path goes up again from a folder that is not there, only its end has been made.
        path = os.path.realpath(workspace / case.environ["results-file"].strip()) if is_written else None
        results = None if path is None else Path(path).read_text("utf-8")
    expected = _expected_ids(case.ids)
    ids = [job.id for job in verdict.jobs]
    wrongs = [*check_text(stdout.getvalue(), outputs, quote, results), *_leaks("the summary", quote)]
    found, reported = check_outputs(outputs, ids, results)
    wrongs += found
    result, code = str(verdict.result), verdict.exit_code
    wrongs += check_annotations(stdout.getvalue(), result, alone=code == 2 or api.was_refused)
    if expected is not None and code != 2 and ids not in (list(expected), []):
        wrongs.append(Wrong(Kind.VERDICT, f"the jobs {ids}, not {list(expected)}"))
    if reported is not None:
        claims = _claims(api, reported.values["result"], code, {s for s, ids in reported.lists.items() if ids})
        wrongs += [Wrong(Kind.VERDICT, what) for what, holds in claims.items() if not holds]
        lies = [job_id for job_id in reported.lists["completed"] if "completed" not in api.said.get(job_id, ())]
        wrongs += [Wrong(Kind.VERDICT, f"{job_id!r} never completed") for job_id in lies]
    return f"{result} {code}", wrongs


def _claims(api: _Api, result: str, code: int, states: set[str]) -> dict[str, bool]:
    return {
        f"{result} with exit code {code}": (result, code) in EXIT_CODES,
        "a pass with other jobs than completed ones": code != 0 or states <= {"completed"},
        f"a failure with {states}": code != 1 or bool(states & {"failed", "missing"}),
        f"a timeout with {states}": code != 3 or ("pending" in states and not states - {"pending", "completed"}),
        "a usage error after a request": code != 2 or not api.requests,
        "cancelled without a signal": code != 143 or api.clock.fired_at is not None,
        "refused, and yet another ending": not api.was_refused or code in {4, 143},
    }


TARGETS = {
    "runs": Target(make.run_cases(), check_run, 0.1),
    "ids": Target(make.ids_cases(), check_ids, 0.3),
    "inputs": Target(
        st.tuples(make.environments(), make.api_keys, st.sampled_from(("", KEY, "bad key"))), check_inputs, 0.2
    ),
    "answers": Target(make.answer_cases, check_answer, 0.4),
}
