"""What must hold of whole runs, whatever they are given."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from fini_gate.cli import parse_arguments
from fini_gate.verdict import Verdict
from tests.chaos import model
from tests.chaos.contract import read_rows, state_of
from tests.chaos.replies import KEY, Reply
from tests.chaos.simulation import run_gate
from tests.chaos.start import Start, start
from tests.chaos.written import Finding, Kind, Written

from .arguments import ArgumentsCase
from .strategies import FILES, ReplyCase, RunCase
from .texts import Pair

Outcome: TypeAlias = tuple[str, list[Finding]]
MAX_REQUESTS = 40
ENDINGS = {("success", 0), ("failure", 1), ("timed_out", 3), ("error", 2), ("error", 4), ("cancelled", 143)}


def leaks(*texts: object) -> list[Finding]:
    """Find the key in texts."""
    # Markdown's escapes do not show.
    leaking = [type(text).__name__ for text in texts if KEY in str(text).replace("\\", "")]
    return [Finding(Kind.KEY, f"the key is in a {name}") for name in leaking]


def broken(rules: Mapping[str, bool]) -> list[Finding]:
    """Find the rules that do not hold."""
    return [Finding(Kind.VERDICT, rule) for rule, holds in rules.items() if not holds]


def merged(pairs: Iterable[Pair]) -> list[Pair]:
    """Return each ID once, as first given, with its first document."""
    found: dict[str, Pair] = {}
    for job_id, document_id in pairs:
        first_id, first_document_id = found.get(job_id.lower(), (job_id, None))
        found[job_id.lower()] = first_id, first_document_id or document_id
    return list(found.values())


@dataclass
class _Api(model.Transport):
    """Responds as the case says, and remembers which jobs it said have completed."""

    replies: Sequence[ReplyCase] = ()
    last_status: str = "COMPLETED"
    requires_articles: bool = False
    requires_published: bool = False
    completed: set[str] = field(default_factory=set)

    def reply(self, ids: Sequence[str]) -> tuple[Reply, str | None]:
        """Make the next reply."""
        done = ReplyCase(200, {}, ({"jobStatus": self.last_status, "hcArticleId": "art-1"},))
        number = len(self.requests)
        reply = (self.replies[number] if number < len(self.replies) else done).reply(ids)
        if number > MAX_REQUESTS:
            reply = Reply(401)
        rows = read_rows("status", reply.body or b"", ids, KEY) if reply.status == 200 else {}
        states = {
            each: state_of(found, require_articles=self.requires_articles) for each, found in (rows or {}).items()
        }
        self.completed |= {job_id for job_id, state in states.items() if state == "completed"}
        return reply, None

    def lookup_reply(self, route: str, ids: Sequence[str]) -> tuple[Reply, str | None]:
        """Make the next reply to a request for articles or a source."""
        number = len(self.requests) + len(self.lookups)
        if number > MAX_REQUESTS:
            return Reply(401, route=route), None
        live = ReplyCase(200, {}, ({"isDraftPublished": True},))
        return (self.replies[number] if number < len(self.replies) else live).reply(ids, route), None


def check_run(case: RunCase) -> Outcome:
    """Whatever it is given, a run ends as the contract says, and all that it writes is whole and harmless."""
    articles, published = (
        case.environ.get(name, "").lower().strip() == "true" for name in ("require-articles", "require-published")
    )
    clock = model.Clock(signal=None if case.signal_at is None else (case.signal_at, 15))
    api = _Api(clock, replies=case.replies, last_status=case.last_status)
    api.requires_articles, api.requires_published = articles, published
    pairs = None if case.ids.pairs is None else merged(case.ids.pairs)
    known = [job_id for job_id, _ in pairs or ()]
    with tempfile.TemporaryDirectory(prefix="fini-gate-fuzz-") as folder:
        inputs = {**case.ids.write(Path(folder)), **case.environ}
        code, verdict, written = run_gate(start(case.seed, inputs, known, Path(folder)), api, Path(folder))
    assert verdict is not None
    ids = [job.id for job in verdict.jobs]
    files = [name for name, path in FILES.items() if case.environ.get(name) == path]
    rules = {f"jobs {ids}, not {known}": pairs is None or code == 2 or ids in (known, [])}
    return f"{verdict.result} {code}", [*_check_end(verdict, code, written, api, files), *broken(rules)]


def check_arguments(case: ArgumentsCase) -> Outcome:
    """Whatever else is on a command line, what can be understood counts, and known files are written."""
    found, api = parse_arguments(case.arguments), _Api(model.Clock(), last_status=case.last_status)
    rest = iter(found.job_ids)
    rules = {
        f"{dict(found.options)}, not {case.options}": case.options.items() <= found.options.items(),
        f"{found.job_ids}, not {case.job_ids}": all(job_id in rest for job_id in case.job_ids),
    }
    environ = {"FINI_API_KEY": KEY, "FINI_GATE_RESULTS_FILE": FILES["results-file"]}
    files = {name: path for name, path in FILES.items() if name == "results-file" or name in case.options}
    is_json = found.options.get("json") == "true"
    how = Start(environ, case.arguments, case.stdin, files, is_on_github=False, is_json=is_json)
    with tempfile.TemporaryDirectory(prefix="fini-gate-fuzz-") as folder:
        code, verdict, written = run_gate(how, api, Path(folder))
    if verdict is None:
        rules["no help"] = code == 0 and bool(found.help_text) and written.stdout == f"{found.help_text}\n"
        return "help", [*leaks(written.stdout, written.stderr), *broken(rules)]
    rules["a problem, and another exit code"] = found.problem is None or code == 2
    return f"{verdict.result} {code}", [*broken(rules), *_check_end(verdict, code, written, api, files)]


def _check_end(verdict: Verdict, code: int, written: Written, api: _Api, files: Iterable[str]) -> Iterator[Finding]:
    """Check the result, and all that was written; `files` are those that must be there."""
    result, was_refused = str(verdict.result), any(response.is_refusal for response in api.responses)
    values, findings = written.check_outputs([job.id for job in verdict.jobs], expected_files=files)
    states = set(values.get("states", {}).values())
    if api.requires_published and "pending" not in states:
        was_refused |= any(request.is_refusal for request in api.lookups if request.route == "articles")
    rules = {
        f"{result} with exit code {code}": (result, code) in ENDINGS and result == values.get("result"),
        "a pass with other jobs than completed ones": code != 0 or states <= {"completed"},
        f"a failure with {states}": code != 1 or not states.isdisjoint({"failed", "missing"}),
        f"a timeout with {states}": code != 3 or ("pending" in states and states <= {"pending", "completed"}),
        "a usage error after a request": code != 2 or not api.requests,
        "cancelled without a signal": code != 143 or api.clock.signalled_at is not None,
        "refused, and another ending": not was_refused or code in {4, 143},
        "completed without a row": api.completed >= set(values.get("completed-job-ids", ())),
    }
    yield from (*findings, *written.check_text(), *broken(rules))
    if values:
        yield from written.check_closing(values, is_usage=code == 2, is_refusal=was_refused)
