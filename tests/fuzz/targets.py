"""What must hold of everything that is fuzzed. A check takes a case, and returns a word for its ending and findings."""

import contextlib
import ipaddress
import re
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import requests
from hypothesis import strategies as st
from urllib3.util import parse_url

from fini_gate import job_ids
from fini_gate.api_key import read_api_key
from fini_gate.client import Transport, responses
from fini_gate.client.routes import STATUS
from fini_gate.errors import UsageError
from fini_gate.escaping import redact
from fini_gate.executor import InterruptibleExecutor
from fini_gate.inputs import Inputs
from fini_gate.models import Job, worse_of
from fini_gate.settings import Settings
from tests.chaos import model
from tests.chaos.contract import read_rows, state_of
from tests.chaos.replies import KEY, Meaning, Reply
from tests.chaos.simulation import run_gate
from tests.chaos.written import Finding, Kind

from .strategies import DURATIONS, SWITCHES, ReplyCase, RunCase, api_keys, environments, response_cases, run_cases
from .texts import IdsCase, Pair, ids_cases

Outcome: TypeAlias = tuple[str, list[Finding]]
MAX_REQUESTS = 40
MAX_SECONDS = 100_000 * 3600
ENDINGS = {("success", 0), ("failure", 1), ("timed_out", 3), ("error", 2), ("error", 4), ("cancelled", 143)}


class Target(NamedTuple):
    """Something that is fuzzed, and its share of all cases."""

    cases: st.SearchStrategy[Any]
    check: Callable[[Any], Outcome]
    share: float


def _leaks(*texts: object) -> list[Finding]:
    # Markdown's escapes do not show.
    leaking = [type(text).__name__ for text in texts if KEY in str(text).replace("\\", "")]
    return [Finding(Kind.KEY, f"the key is in a {name}") for name in leaking]


def _broken(rules: Mapping[str, bool]) -> list[Finding]:
    return [Finding(Kind.VERDICT, rule) for rule, holds in rules.items() if not holds]


def _variables(inputs: Mapping[str, str], workspace: Path) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        **{f"INPUT_{name.upper()}": text for name, text in inputs.items()},
    }


# --- Job IDs ----------------------------------------------------------------------------------------------------------


def check_ids(case: IdsCase) -> Outcome:
    """The IDs that were put in come back, or a usage error says why not."""
    with tempfile.TemporaryDirectory(prefix="fini-gate-fuzz-") as folder:
        variables = _variables({**case.write(Path(folder)), "api-key": KEY}, Path(folder))
        try:
            found = job_ids.read_job_ids(Inputs.parse(Settings(environ=variables), KEY), lambda _: b"")
        except UsageError as error:
            message = redact(str(error), KEY)  # as the gate does
            return "refused", [*_leaks(message), *_broken({f"refused: {message}": case.pairs is None})]
    rules = {
        f"no ID in {list(found)}": all(map(_is_id, found)),
        f"an ID twice in {list(found)}": len({job_id.lower() for job_id in found}) == len(found),
        f"{found}, not {case.pairs}": case.pairs is None or list(found.items()) == _merged(case.pairs),
    }
    return "IDs" if found else "no IDs", [*_leaks(found), *_broken(rules)]


def _merged(pairs: Iterable[Pair]) -> list[Pair]:
    """Return each ID once, as first given, with its first document."""
    merged: dict[str, Pair] = {}
    for job_id, document_id in pairs:
        first_id, first_document_id = merged.get(job_id.lower(), (job_id, None))
        merged[job_id.lower()] = first_id, first_document_id or document_id
    return list(merged.values())


def _is_id(text: object) -> bool:
    is_text = isinstance(text, str) and bool(text.strip()) and len(text) <= 200
    return is_text and not any(unicodedata.category(character) in {"Cc", "Cs"} for character in str(text))


# --- Inputs -----------------------------------------------------------------------------------------------------------


def check_inputs(case: tuple[tuple[dict[str, str], frozenset[str]], str, str]) -> Outcome:
    """What is accepted is within its bounds and means what was written, and nothing good is refused."""
    (given, hostile), api_key, fallback = case
    secret = api_key.strip() or fallback.strip()
    variables = {**_variables({**given, "api-key": api_key}, Path("/")), "FINI_API_KEY": fallback}
    try:
        settings = Settings(environ=variables)
        inputs = Inputs.parse(settings, read_api_key(settings))
    except UsageError as error:
        name = str(error).removeprefix("Input ").partition(" ")[0]
        intervals = {"poll-interval", "max-poll-interval"}
        blamed = intervals if name in intervals else {name}
        rules = {f"refused: {error}": bool(blamed & (hostile | {"api-key"}))}
        return "refused", [*(_leaks(error) if secret == KEY else []), *_broken(rules)]
    return "accepted", [Finding(Kind.VERDICT, f"accepted {text}") for text in _misread(inputs, given, secret)]


def _misread(inputs: Inputs, given: Mapping[str, str], secret: str) -> Iterator[str]:
    """Find what was accepted and should not have been, or not as that."""
    for name, text in ((name, text.strip()) for name, text in given.items() if text.strip()):
        if name in DURATIONS:
            found, expected = getattr(inputs, f"{name.replace('-', '_')}_seconds"), _seconds(text)
            if not abs(found - expected) <= 1e-6 * max(1, expected) or not 0 <= found <= MAX_SECONDS:
                yield f"{name} {text!r} as {found}"
        if name in SWITCHES and getattr(inputs, name.replace("-", "_")) is not {"true": True, "false": False}.get(
            text.lower()
        ):
            yield f"{name} {text!r}"
    if not re.fullmatch(r"[\x21-\x7e]+", secret) or inputs.api_key != secret:
        yield "the key"
    if not 0.1 <= inputs.poll_interval_seconds <= inputs.max_poll_interval_seconds:
        yield "an interval out of bounds"
    if inputs.batch_size not in range(1, 1001) or inputs.batch_size != int(given.get("batch-size", "").strip() or 100):
        yield f"a batch size of {inputs.batch_size}"
    yield from _misread_url(inputs.api_url)


def _seconds(text: str) -> float:
    spans = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|[smh]|)", text, re.ASCII)
    is_whole = "".join(number + unit for number, unit in spans) == text
    if not is_whole or (len(spans) > 1 and not all(unit for _, unit in spans)):
        return float("nan")
    return sum(float(number) * {"ms": 0.001, "m": 60, "h": 3600}.get(unit, 1) for number, unit in spans)


def _misread_url(url: str) -> Iterator[str]:
    """Read an accepted address as the library does that will send the key there."""
    try:
        Transport(api_url=url, api_key=KEY, executor=InterruptibleExecutor(), clock=time.monotonic)
        target = requests.Request("POST", url + STATUS.path, json={}).prepare().url or ""
        parts = parse_url(target)
    except Exception as error:  # noqa: BLE001 - whatever it is, the gate would find out too late
        yield f"api-url {url!r}, which requests refuses ({error!r})"
        return
    host = (parts.host or "").strip("[]")
    with contextlib.suppress(ValueError):
        host = "localhost" if ipaddress.ip_address(host).is_loopback else host
    if (parts.scheme, host) != ("http", "localhost") and parts.scheme != "https":
        yield f"api-url {url!r}: the key would leave the machine"
    if parts.auth or parts.query is not None or parts.fragment is not None or not target.endswith(STATUS.path):
        yield f"api-url {url!r}, requested as {target!r}"


# --- Responses --------------------------------------------------------------------------------------------------------


def check_response(case: tuple[list[str], ReplyCase]) -> Outcome:
    """A response means what its status and rows say, and nothing of it passes the key on."""
    ids, reply = case[0], case[1].reply(case[0])
    rows = read_rows("status", reply.body or b"", ids, KEY) if reply.status == 200 else {}
    reply.is_readable = rows is not None
    expected = {reply.meaning.name}
    parsed = responses.classify(reply.response(), ids, route=STATUS, secret=KEY)
    if reply.meaning is Meaning.SERVER_ERROR and parsed.retry_after_seconds:
        expected = {"RETRYABLE"}
    rules = {
        f"{parsed.kind.name}, not {expected}": parsed.kind.name in expected,
        f"Retry-After {parsed.retry_after_seconds}": parsed.retry_after_seconds >= 0,
        "the rows of other jobs": parsed.rows.keys() == ((rows or {}).keys() if parsed.kind.name == "OK" else set()),
    }
    findings = [*_leaks(parsed), *_broken(rules)]
    for job_id, found in parsed.rows.items():
        for require in (False, True):
            jobs = [Job(id=job_id).updated_from(row, require_article=require) for row in found]
            state = str(reduce(worse_of, jobs).state)
            true_state = state_of((rows or {}).get(job_id, [{}]), require_articles=require)
            findings += [*_leaks(*jobs), *_broken({f"{job_id!r} is {state}, not {true_state}": state == true_state})]
    return parsed.kind.name.lower(), findings


# --- Whole runs -------------------------------------------------------------------------------------------------------


@dataclass
class _Api(model.Transport):
    """Responds as the case says, and remembers which jobs it said have completed."""

    case: RunCase | None = None
    completed: set[str] = field(default_factory=set)

    def reply(self, ids: Sequence[str]) -> tuple[Reply, str | None]:
        """Make the next reply."""
        assert self.case is not None
        done = ReplyCase(200, {}, ({"jobStatus": self.case.last_status, "hcArticleId": "art-1"},))
        number = len(self.requests)
        reply_case = self.case.replies[number] if number < len(self.case.replies) else done
        reply = reply_case.reply(ids)
        if number > MAX_REQUESTS:
            reply = Reply(401)
        rows = read_rows("status", reply.body or b"", ids, KEY) if reply.status == 200 else {}
        requires_articles = self.case.environ.get("require-articles", "").lower().strip() == "true"
        states = {job_id: state_of(found, require_articles=requires_articles) for job_id, found in (rows or {}).items()}
        self.completed |= {job_id for job_id, state in states.items() if state == "completed"}
        return reply, None

    def lookup_reply(self, route: str, ids: Sequence[str]) -> tuple[Reply, str | None]:
        """Make the next reply to a request for articles or a source."""
        assert self.case is not None
        number = len(self.requests) + len(self.lookups)
        if number > MAX_REQUESTS:
            return Reply(401, route=route), None
        live = ReplyCase(200, {}, ({"isDraftPublished": True},))
        return (self.case.replies[number] if number < len(self.case.replies) else live).reply(ids, route), None


def check_run(case: RunCase) -> Outcome:
    """Whatever it is given, a run ends as the contract says, and all that it writes is whole and harmless."""
    api = _Api(model.Clock(signal=None if case.signal_at is None else (case.signal_at, 15)), case=case)
    with tempfile.TemporaryDirectory(prefix="fini-gate-fuzz-") as folder:
        variables = _variables({**case.ids.write(Path(folder)), **case.environ, "api-key": KEY}, Path(folder))
        verdict, written = run_gate(variables, api, Path(folder))
    result, code, ids = str(verdict.result), verdict.exit_code, [job.id for job in verdict.jobs]
    was_refused = any(response.is_refusal for response in api.responses)
    values, findings = written.check_outputs(ids)
    states = set(values.get("states", {}).values())
    if case.environ.get("require-published", "").lower().strip() == "true" and "pending" not in states:
        was_refused |= any(request.is_refusal for request in api.lookups if request.route == "articles")
    merged = None if case.ids.pairs is None else [job_id for job_id, _ in _merged(case.ids.pairs)]
    rules = {
        f"{result} with exit code {code}": (result, code) in ENDINGS and result == values.get("result"),
        f"jobs {ids}, not {merged}": merged is None or code == 2 or ids in (merged, []),
        "a pass with other jobs than completed ones": code != 0 or states <= {"completed"},
        f"a failure with {states}": code != 1 or not states.isdisjoint({"failed", "missing"}),
        f"a timeout with {states}": code != 3 or ("pending" in states and states <= {"pending", "completed"}),
        "a usage error after a request": code != 2 or not api.requests,
        "cancelled without a signal": code != 143 or api.clock.signalled_at is not None,
        "refused, and another ending": not was_refused or code in {4, 143},
        "completed without a row": api.completed >= set(values.get("completed-job-ids", ())),
    }
    annotations = written.check_annotations(result, is_usage_or_refusal=code == 2 or was_refused)
    return f"{result} {code}", [*findings, *written.check_text(), *annotations, *_broken(rules)]


TARGETS = {
    "runs": Target(run_cases(), check_run, 0.1),
    "ids": Target(ids_cases(), check_ids, 0.3),
    "inputs": Target(st.tuples(environments(), api_keys, st.sampled_from(("", KEY, "bad key"))), check_inputs, 0.2),
    "responses": Target(response_cases, check_response, 0.4),
}
