"""What the document and the output files have to say, whatever happened."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from tests.formats import read_dotenv, read_junit

# The element that the JUnit file holds for a job in each state.
ELEMENTS = {"completed": None, "failed": "failure", "pending": "error", "missing": "failure", "unreadable": "error"}
STATES = tuple(ELEMENTS)
COUNTS = tuple(f"{name}-count" for name in ("job", "article", *STATES))
SCALARS = {"result", "elapsed-seconds", *COUNTS}
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "results.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
# A longer message may leave no room for paths in the dotenv file.
SHORT_MESSAGE_CHARACTERS = 1000


def unique(ids: Iterable[str | None]) -> list[str]:
    """Return each ID once, as first given; those that differ only in case are one."""
    first: dict[str, str] = {}
    for each in filter(None, ids):
        first.setdefault(each.lower(), each)
    return list(first.values())


def values_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs that follow from a document, by name."""
    jobs = document["jobs"]
    ids = {state: [job["id"] for job in jobs if job["state"] == state] for state in STATES}
    by_job = {job["id"]: job["articleId"] for job in jobs if job["state"] == "completed"}
    articles = unique(by_job.values())
    counts = {"job": jobs, "article": articles, **ids}
    return {
        **{name: document[name] for name in ("result", "message")},
        "elapsed-seconds": f"{document['elapsedSeconds']:.1f}",
        "articles-by-job": by_job,
        "article-ids": articles,
        "draft-article-ids": unique(job["articleId"] for job in jobs if job["articleIsDraft"]),
        **{f"{state}-job-ids": found for state, found in ids.items()},
        **{f"{name}-count": str(len(found)) for name, found in counts.items()},
    }


def rules_of_document(
    document: Mapping[str, Any], values: Mapping[str, Any], unique_ids: Sequence[str]
) -> Iterator[tuple[str, bool]]:
    """Yield what has to hold of the results file, or the document that is printed, and whether it does."""
    jobs = {job["id"]: job for job in document["jobs"]}
    articles = {job_id: job["articleId"] for job_id, job in jobs.items() if job["state"] == "completed"}
    yield "document: schema", VALIDATOR.is_valid(document)
    yield "document: jobs", list(jobs) == list(unique_ids)
    yield "document: states", {job_id: job["state"] for job_id, job in jobs.items()} == values["states"]
    yield "document: articles", articles == values["articles-by-job"]
    yield "document: result", document["result"] == values["result"]


def rules_of_junit(text: str, values: Mapping[str, Any], unique_ids: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield what has to hold of the JUnit file, and whether it does."""
    cases = read_junit(text.encode())
    jobs, others = cases[: len(unique_ids)], cases[len(unique_ids) :]
    names = [re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", each) for each in unique_ids]
    is_red = any(case.kind for case in jobs)
    yield (
        "JUnit file: jobs",
        [case.name.startswith(name) for case, name in zip(jobs, names, strict=True)] == [True] * len(jobs),
    )
    yield (
        "JUnit file: colours",
        [case.kind for case in jobs] == [ELEMENTS[values["states"][each]] for each in unique_ids],
    )
    # If no job is to blame, one case more is red.
    yield (
        "JUnit file: result",
        [case.kind for case in others] == ([] if is_red or values["result"] == "success" else ["error"]),
    )


def rules_of_dotenv(text: str, values: Mapping[str, Any], paths: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """Yield what has to hold of the dotenv file, and whether it does.

    Args:
        text: its content.
        values: the outputs by name.
        paths: the files that were written, by the input that names them.
    """
    found = read_dotenv(text.encode())
    expected = {**{name: values[name] for name in SCALARS}, **paths}
    variables = {f"FINI_GATE_{name.upper().replace('-', '_')}": value for name, value in expected.items()}
    said, message = (
        re.sub("(?<=[$%]) ", "", each).strip(" '\"") for each in (found.pop("FINI_GATE_MESSAGE", ""), values["message"])
    )
    is_long = len(message) > SHORT_MESSAGE_CHARACTERS
    yield "dotenv file: message", said.removesuffix("…") in message and (is_long or said == message)
    yield "dotenv file: variables", found == variables or (is_long and found.items() <= variables.items())
