"""What a gate wrote, and what the contract demands of it whatever happened."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from .replies import KEY, OTHER_JOB

STATES = ("completed", "failed", "pending", "missing", "unreadable")
LISTS = (
    *(f"{state}-job-ids" for state in STATES),
    *("article-ids", "articles-by-job", "draft-article-ids", "failed-document-ids"),
)
COUNTS = tuple(f"{name}-count" for name in ("job", "article", *STATES))
FILES = {"results-file", "junit-file", "dotenv-file", "summary-file"}
OUTPUTS = {"result", "message", "elapsed-seconds", "article-ids-lines", *FILES, *LISTS, *COUNTS}
MAX_OUTPUT_UNITS = 450_000
MAX_ERRORS = 10
MASK = f"::add-mask::{KEY}\n"
COMMAND = r"::(error|warning|notice) title=[^:,]*::\S|::group::Jobs that did not complete$|::endgroup::$"
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

    transcript: str = ""
    outputs: str = ""
    summary: str = ""
    results: str | None = None

    @classmethod
    def read(cls, transcript: str, *files: Path) -> "Written":
        """Read the outputs, the summary and the results file, as far as they exist."""
        # Not `is_file`, which raises an error for an impossible path.
        texts = [path.read_bytes().decode() if os.path.isfile(path) else None for path in files]  # noqa: PTH113 - see above
        return cls(transcript, texts[0] or "", texts[1] or "", texts[2])

    def check_text(self) -> Iterator[Finding]:
        """Find the key, signs of a crash, commands and live Markdown in foreign text."""
        if not self.transcript.startswith(MASK):
            yield Finding(Kind.KEY, "the key is not masked first")
        transcript = self.transcript.replace(MASK, "", 1)
        if OTHER_JOB in "".join((self.transcript, self.outputs, self.summary, self.results or "")):
            yield Finding(Kind.VERDICT, "a reason of another job")
        places = {"log": transcript, "outputs": self.outputs, "summary": self.summary, "results": self.results or ""}
        for place, text in places.items():
            if KEY[:16] in text.replace("\\", ""):  # Markdown's escapes do not show
                yield Finding(Kind.KEY, f"the key, or its beginning, is in the {place}")
            if crash := re.search(r"Traceback|fini-gate itself failed: [^.]*\.py[^.]*", text):
                yield Finding(Kind.TRACEBACK, f"in the {place}: {crash[0]}")
        for line in transcript.split("\n"):
            is_command = line.lstrip().startswith("::") and not re.match(COMMAND, line)
            if is_command or "##[" in line or not line.isprintable():
                yield Finding(Kind.TEXT, f"a command or a control character: {line[:80]!r}")
        # Text in a code fence is not Markdown; a line as long as its opening ends the fence.
        markdown = re.sub(r"^(`{3,})[a-z]*\n.*?^\1\n", "", self.summary, flags=re.MULTILINE | re.DOTALL)
        if live := re.search(LIVE_MARKDOWN, markdown):
            yield Finding(Kind.TEXT, f"live in the summary: {live[0]!r}")

    def check_annotations(self, result: str, *, is_usage_or_refusal: bool) -> Iterator[Finding]:
        """Find too many error annotations, or none at all."""
        errors = sum(line.startswith("::error ") for line in self.transcript.splitlines())
        most = 0 if result == "success" else 1 if is_usage_or_refusal else MAX_ERRORS
        if not min(1, most) <= errors <= most:
            yield Finding(Kind.OUTPUTS, f"{errors} error annotations for the result {result}")

    def check_outputs(self, unique_ids: Sequence[str]) -> tuple[dict[str, Any], list[Finding]]:
        """Read the outputs, and find what is missing or contradicts itself, the job IDs or the results file.

        Returns:
            The outputs by name, JSON decoded, and `states` by job ID; empty if they cannot be read.
        """
        try:
            texts = _read_outputs(self.outputs)
            values = texts | {name: json.loads(texts[name]) for name in LISTS}
            values["states"] = {job_id: state for state in STATES for job_id in values[f"{state}-job-ids"]}
            rules = dict(_rules(texts, values, unique_ids))
            if self.results is not None:
                rules |= dict(_rules_of_results(json.loads(self.results), values, unique_ids))
        except (ValueError, KeyError) as error:
            return {}, [Finding(Kind.OUTPUTS, f"unreadable: {error!r}")]
        findings = [Finding(Kind.OUTPUTS, rule) for rule, holds in rules.items() if not holds]
        if sorted(job_id for state in STATES for job_id in values[f"{state}-job-ids"]) != sorted(unique_ids):
            findings.append(Finding(Kind.VERDICT, "a job is lost or doubled"))
        return values, findings


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


def _unique(ids: Iterable[str | None]) -> list[str]:
    """Return each ID once, as first given; those that differ only in case are one."""
    first: dict[str, str] = {}
    for each in filter(None, ids):
        first.setdefault(each.lower(), each)
    return list(first.values())


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
    yield "article-ids", articles == _unique(by_job.values())
    yield "message is one line", len(texts["message"].splitlines()) == 1
    yield "elapsed-seconds", bool(re.fullmatch(r"[0-9]+\.[0-9]", texts["elapsed-seconds"]))


def _rules_of_results(
    document: Mapping[str, Any], values: Mapping[str, Any], unique_ids: Sequence[str]
) -> Iterator[tuple[str, bool]]:
    """Yield what has to hold of the results file, and whether it does."""
    jobs = {job["id"]: job for job in document["jobs"]}
    articles = {job_id: job["articleId"] for job_id, job in jobs.items() if job["state"] == "completed"}
    yield "results file: jobs", list(jobs) == list(unique_ids)
    yield "results file: states", {job_id: job["state"] for job_id, job in jobs.items()} == values["states"]
    yield "results file: articles", articles == values["articles-by-job"]
    yield "results file: result", document["result"] == values["result"]
