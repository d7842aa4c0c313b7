"""What a gate wrote, and what the contract demands of it whatever happened."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from . import reports
from .replies import KEY, OTHER_JOB
from .reports import COUNTS, STATES
from .start import OUTPUT_FILES, Start

LISTS = (
    *(f"{state}-job-ids" for state in STATES),
    *("article-ids", "articles-by-job", "draft-article-ids", "failed-document-ids"),
)
OUTPUTS = {"result", "message", "elapsed-seconds", "article-ids-lines", *OUTPUT_FILES, *LISTS, *COUNTS}
MAX_OUTPUT_UNITS = 450_000
MAX_ERRORS = 10
# A key in a file is read after the first line.
MASK = rf"\A(fini-gate [0-9.]+\n)?::add-mask::{KEY}\n"
COMMAND = r"::(error|warning|notice) title=[^:,]*::\S|::group::Jobs that did not complete$|::endgroup::$"
# What GitHub, Azure and TeamCity obey, in whatever case, and what no screen shows in between.
FOREIGN_COMMAND = re.compile(r"^\s*::|##(vso|teamcity)?\[", re.IGNORECASE)
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
LIVE_MARKDOWN = r"<(img|b)\b|@octocat|(?<!\\)\]\(http|^::|[\x00-\x09\x0b-\x1f]"


class Kind(StrEnum):
    """What sort of rule a finding breaks."""

    VERDICT = "verdicts wrong"
    KEY = "keys leaked"
    TRACEBACK = "tracebacks"
    OVERRUN = "overruns of a limit"
    REQUESTS = "requests out of bounds"
    TEXT = "commands or live text"
    OUTPUTS = "outputs incomplete"


@dataclass(frozen=True)
class Finding:
    """Something that the contract does not allow."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True)
class Written:
    """All that a gate wrote."""

    start: Start = field(default_factory=Start)
    stdout: str = ""
    stderr: str = ""
    outputs: str = ""
    summary: str = ""
    files: Mapping[str, str | None] = field(default_factory=dict)
    """Input → the content of the file that it asks for; None if there is none."""

    @classmethod
    def read(cls, start: Start, streams: tuple[str, str], runner_files: Iterable[Path], workspace: Path) -> "Written":
        """Read the runner's files for outputs and summary, and the output files, as far as they exist."""
        # As a path: a folder before a `..` may not exist.
        paths = {name: Path(os.path.realpath(workspace / path)) for name, path in start.files.items()}
        outputs, summary = (_read(path) or "" for path in runner_files)
        return cls(start, *streams, outputs, summary, {name: _read(path) for name, path in paths.items()})

    @property
    def log(self) -> str:
        """What people see: with --json, standard output is the document."""
        return self.stderr if self.start.is_json else self.stdout + self.stderr

    def check_text(self) -> Iterator[Finding]:
        """Find the key, signs of a crash, commands and live Markdown in foreign text."""
        log = re.sub(MASK, "", self.log, count=1) if self.start.is_on_github else self.log
        if self.start.is_on_github and log == self.log:
            yield Finding(Kind.KEY, "the key is not masked first")
        if not self.start.is_on_github and self.outputs + self.summary:
            yield Finding(Kind.OUTPUTS, "written to files of GitHub's runner")
        document = self.stdout if self.start.is_json else ""
        places = {"log": log, "document": document, "outputs": self.outputs, "summary": self.summary, **self.files}
        for place, text in ((place, text or "") for place, text in places.items()):
            if OTHER_JOB in text:
                yield Finding(Kind.VERDICT, "a reason of another job")
            if KEY[:16] in text.replace("\\", ""):  # Markdown's escapes do not show
                yield Finding(Kind.KEY, f"the key, or its beginning, is in the {place}")
            if crash := re.search(r"Traceback|fini-gate itself failed: [^.]*\.py[^.]*", text):
                yield Finding(Kind.TRACEBACK, f"in the {place}: {crash[0]}")
        for line in filter(self._is_alive, [*log.split("\n"), *document.split("\n")]):
            yield Finding(Kind.TEXT, f"a command or a control character: {line[:80]!r}")
        for text in (self.summary, self.files.get("summary-file") or ""):
            # Text in a code fence is not Markdown; a line as long as its opening ends the fence.
            markdown = re.sub(r"^(`{3,})[a-z]*\n.*?^\1\n", "", text, flags=re.MULTILINE | re.DOTALL)
            if live := re.search(LIVE_MARKDOWN, markdown):
                yield Finding(Kind.TEXT, f"live in the summary: {live[0]!r}")

    def _is_alive(self, line: str) -> bool:
        """Return whether a CI would obey a line, or a terminal."""
        is_ours = self.start.is_on_github and re.match(COMMAND, line)
        is_command = line.lstrip().startswith("::") or FOREIGN_COMMAND.search(INVISIBLE.sub("", line))
        return (is_command and not is_ours) or "##[" in line or not line.isprintable()

    def check_closing(
        self, values: Mapping[str, Any], *, is_usage: bool = False, is_refusal: bool = False
    ) -> Iterator[Finding]:
        """Find too many error annotations, or none at all; elsewhere than on GitHub, too many last lines."""
        result, log = values["result"], self.log.splitlines()
        if self.start.is_on_github:
            errors = sum(line.startswith("::error ") for line in log)
            most = 0 if result == "success" else 1 if is_usage or is_refusal else MAX_ERRORS
            if not min(1, most) <= errors <= most:
                yield Finding(Kind.OUTPUTS, f"{errors} error annotations for the result {result}")
            return
        if [values["message"] in line for line in log].count(True) != 1 or values["message"] not in log[-1]:
            yield Finding(Kind.OUTPUTS, f"not one last line that says {values['message']!r}")
        if not self.start.is_json and len(self.stderr.splitlines()) != int(is_usage):
            yield Finding(Kind.OUTPUTS, f"on standard error: {self.stderr[:80]!r}")

    def check_outputs(
        self, unique_ids: Sequence[str], *, expected_files: Iterable[str] = OUTPUT_FILES
    ) -> tuple[dict[str, Any], list[Finding]]:
        """Read the outputs, and find what is missing or contradicts itself, the job IDs or a file.

        Args:
            unique_ids: each job's ID once, in order.
            expected_files: the files that must be there if they are asked for.

        Returns:
            The outputs by name, JSON decoded, and `states` by job ID; empty if they cannot be read.
        """
        missing = [Finding(Kind.OUTPUTS, f"no {name}") for name in expected_files if self.files.get(name, "") is None]
        try:
            if self.start.is_on_github:
                texts = _read_outputs(self.outputs)
                values = texts | {name: json.loads(texts[name]) for name in LISTS}
                rules = dict(_rules(texts, values, unique_ids))
            else:
                values, rules = reports.values_of(json.loads(self._documents[0])), {}
            values["states"] = {job_id: state for state in STATES for job_id in values[f"{state}-job-ids"]}
            rules |= dict(self._rules_of_files(values, unique_ids))
        except (ValueError, LookupError, TypeError, AssertionError, SyntaxError) as error:
            return {}, [*missing, Finding(Kind.OUTPUTS, f"unreadable: {error!r}")]
        findings = missing + [
            Finding(Kind.VERDICT if "JUnit" in rule else Kind.OUTPUTS, rule)
            for rule, holds in rules.items()
            if not holds
        ]
        if sorted(job_id for state in STATES for job_id in values[f"{state}-job-ids"]) != sorted(unique_ids):
            findings.append(Finding(Kind.VERDICT, "a job is lost or doubled"))
        return values, findings

    @property
    def _documents(self) -> list[str]:
        """What is printed with --json, and the results file."""
        return [*([self.stdout] if self.start.is_json else []), *filter(None, [self.files.get("results-file")])]

    def _rules_of_files(self, values: Mapping[str, Any], unique_ids: Sequence[str]) -> Iterator[tuple[str, bool]]:
        """Yield what has to hold of the files that were written, and whether it does."""
        written = {name: text for name, text in self.files.items() if text is not None}
        paths = {name: path for name, path in self.start.files.items() if name in written}
        documents = [json.loads(text) for text in self._documents]
        yield "one document", all(document == documents[0] for document in documents)
        for document in documents[:1]:
            yield from reports.rules_of_document(document, values, unique_ids)
        if "junit-file" in written:
            yield from reports.rules_of_junit(written["junit-file"], values, unique_ids)
        if "dotenv-file" in written:
            yield from reports.rules_of_dotenv(written["dotenv-file"], values, paths)
        if "summary-file" in written:
            yield "summary file", written["summary-file"] == (self.summary or written["summary-file"]) != ""
        if self.start.is_on_github:
            yield "paths", paths == {name: values[name] for name in OUTPUT_FILES if values[name]}


def _read(path: Path) -> str | None:
    # Not `is_file`, which raises an error for an impossible path.
    return path.read_bytes().decode() if os.path.isfile(path) else None  # noqa: PTH113 - see above


def _read_outputs(text: str) -> dict[str, Any]:
    """Read the outputs as GitHub's runner does: of two with one name the later counts."""
    values: dict[str, Any] = {}
    lines = iter(text.split("\n")[:-1])
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value = []
        while (part := next(lines, None)) != delimiter:
            if part is None or not delimiter:
                raise ValueError(f"no output: {line[:80]!r}")
            value.append(part)
        values[name] = "\n".join(value)
    return values


def _rules(
    texts: Mapping[str, str], values: Mapping[str, Any], unique_ids: Sequence[str]
) -> Iterator[tuple[str, bool]]:
    """Yield what has to hold of the outputs, and whether it does."""
    by_job, articles = values["articles-by-job"], values["article-ids"]
    counts = {"job-count": len(unique_ids), "article-count": len(articles)}
    for state in STATES:
        ids = values[f"{state}-job-ids"]
        counts[f"{state}-count"] = len(ids)
        yield f"order of {state}-job-ids", ids == [job_id for job_id in unique_ids if job_id in set(ids)]
    yield "names", set(texts) == OUTPUTS
    yield "counts", counts == {name: int(texts[name]) for name in COUNTS}
    yield "size", sum(len(text.encode("utf-16-le")) // 2 for text in texts.values()) < MAX_OUTPUT_UNITS
    yield "articles-by-job holds completed jobs", list(by_job) == values["completed-job-ids"]
    yield "article-ids", articles == reports.unique(by_job.values())
    yield "message is one line", len(texts["message"].splitlines()) == 1
    yield "elapsed-seconds", bool(re.fullmatch(r"[0-9]+\.[0-9]", texts["elapsed-seconds"]))
