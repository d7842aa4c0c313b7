"""The stand-in's scenarios: what they may say, and how a wrong one is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_fini import Scenario, ScenarioError

EVERY_KEY = """
api-keys:
  fini_reader: [read]
  fini_writer: [read, write]
latency: 20ms
clock-starts: at-start
jobs:
  - id: "012"
    document-id: doc-1
    appears-after: 1
    queued-for: 1.5s
    runs-for: 1m30s
    statuses: {pending: WAITING, running: RUNNING}
    ends-as: FAILED
    article-id: null
    title: A title
    error: {message: no text}
    row: {createdAt: 2026-06-11, more: [1, null]}
    omitted: true
    malformed: true
    broken: 503
    broken-until: 2h
generate: {count: 3, prefix: job-, queued-for: 1s, runs-for: [1s, 2s], failing: 1, without-article: 1, seed: 7}
queued: {queued-for: never}
faults:
  - route: bulk
    requests: every 3
    between: [0, 5s]
    more-ids-than: 0
    at-most: 1
    do: {status: 429, headers: {Retry-After: "2"}, body: slow down, content-type: text/plain, retry-after-date: 2s}
"""


def test_scenario__holds_what_the_file_says(tmp_path: Path) -> None:
    """Every key of the format is read."""
    path = tmp_path / "scenario.yaml"
    path.write_text(EVERY_KEY)
    scenario = Scenario.load(path)
    job = scenario.jobs[0]
    assert scenario.api_keys == {"fini_reader": {"read"}, "fini_writer": {"read", "write"}}
    assert (scenario.latency_seconds, scenario.clock_starts_at_first_request) == (0.02, False)
    assert (job.id, job.document_id, job.title) == ("012", "doc-1", "A title")
    assert (job.appears_after_seconds, job.queued_for_seconds, job.runs_for_seconds) == (1, 1.5, 90)
    assert (job.pending_status, job.running_status, job.ends_as) == ("WAITING", "RUNNING", "FAILED")
    assert (job.article_id, job.error) == (None, {"message": "no text"})
    assert job.row == {"createdAt": "2026-06-11", "more": [1, None]}
    assert (job.is_omitted, job.is_malformed) == (True, True)
    assert (job.broken_status, job.broken_until_seconds) == (503, 7200)
    assert len(scenario.jobs) == 4
    assert scenario.queued.queued_for_seconds == float("inf")
    assert scenario.queued.runs_for_seconds == 2
    (rule,) = scenario.faults
    assert (rule.route, rule.from_seconds, rule.until_seconds) == ("bulk", 0, 5)
    assert (rule.more_ids_than, rule.at_most, 6 in rule.requests, 7 in rule.requests) == (0, 1, True, False)


def test_scenario__shows_no_key() -> None:
    """A scenario may be printed: its keys are left out."""
    assert "fini_secret" not in repr(Scenario.from_mapping({"api-keys": {"fini_secret": ["read"]}}))


def test_scenario__may_be_empty() -> None:
    """Without anything there is a key to try with, and no job."""
    scenario = Scenario.from_mapping({})
    assert scenario.api_keys == {"fini_demo_key": {"read", "write"}}
    assert scenario.jobs == ()


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0),
        (2, 2),
        (0.5, 0.5),
        ("3", 3),
        ("1.5s", 1.5),
        ("500ms", 0.5),
        ("2m", 120),
        ("1h30m", 5400),
        ("1m1s1ms", 61.001),
    ],
)
def test_duration__may_be_written_in_many_ways(written: object, seconds: float) -> None:
    """A number with a unit, several of them in a row, or a bare number of seconds."""
    assert Scenario.from_mapping({"latency": written}).latency_seconds == seconds


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"jobz": []}, "the scenario, key: expected one of api-keys, latency, "),
        ({"latency": "soon"}, "latency: expected a duration such as 500ms, "),
        ({"latency": -1}, "latency: expected a duration"),
        ({"latency": True}, "latency: expected a duration"),
        ({"latency": float("inf")}, "latency: expected a duration"),
        ({"latency": float("nan")}, "latency: expected a duration"),
        ({"latency": 10**400}, "latency: expected a duration"),
        ({"latency": "9" * 400 + "h"}, "latency: expected a duration"),
        ({"latency": "1 s"}, "latency: expected a duration"),
        ({"latency": "never"}, "latency: expected a duration"),
        ({"clock-starts": "now"}, "clock-starts: expected at-first-request or at-start, not 'now'"),
        ({"jobs": {"id": "a"}}, "jobs: expected a list, not "),
        ({"jobs": ["a"]}, "jobs[0]: expected a mapping, not 'a'"),
        ({"jobs": [{}]}, "jobs[0]: expected a mapping with the key id, not {}"),
        ({"jobs": [{"id": 12}]}, "jobs[0].id: expected a text (put a number or a word such as yes in quotes), not 12"),
        ({"jobs": [{"id": ""}]}, "jobs[0].id: expected a text"),
        ({"jobs": [{"id": "a"}, {"id": "a"}]}, "jobs: the ID 'a' is given twice"),
        ({"jobs": [{"id": "x1"}], "generate": {"count": 1, "prefix": "x"}}, "jobs: the ID 'x1' is given twice"),
        ({"jobs": [{"id": "a", "run-for": 1}]}, "jobs[0], key: expected one of id, queued-for, "),
        ({"jobs": [{"id": "a", "runs-for": "ever"}]}, ", or never, not 'ever'"),
        ({"jobs": [{"id": "a", "broken": 404}]}, "expected true, false or a status from 500 to 599, not 404"),
        ({"jobs": [{"id": "a", "omitted": "yes"}]}, "jobs[0].omitted: expected true or false, not 'yes'"),
        ({"jobs": [{"id": "a", "row": {"x": {1}}}]}, "jobs[0].row.x: expected a value that JSON can hold, not {1}"),
        ({"jobs": [{"id": "a", "row": {1: "x"}}]}, "jobs[0].row: expected a mapping from texts"),
        ({"jobs": [{"id": "a", "statuses": {"done": "X"}}]}, "jobs[0].statuses, key: expected one of pending, running"),
        ({"queued": {"id": "a"}}, "queued, key: expected one of "),
        ({"generate": {"count": 0}}, "generate.count: expected a whole number from 1 to 200000, not 0"),
        ({"generate": {"count": True}}, "generate.count: expected a whole number"),
        ({"generate": {"count": 2, "failing": 3}}, "generate.failing: expected a whole number from 0 to 2, not 3"),
        ({"generate": {"count": 2, "failing": 1, "without-article": 2}}, "generate.without-article: expected a whole"),
        ({"generate": {"count": 2, "runs-for": [2, 1]}}, "generate.runs-for: expected a duration or a list of two"),
        ({"faults": [{"requests": 1}]}, "faults[0]: expected a mapping with the key do"),
        ({"faults": [{"do": "bang"}]}, "faults[0].do: expected one of status, redirect, reset, "),
        ({"faults": [{"do": ["reset"]}]}, "faults[0].do: expected one of status, redirect, reset, "),
        ({"faults": [{"do": "drip"}]}, "faults[0].do: expected a value too, such as {drip: 50ms, endless: true}"),
        ({"faults": [{"do": {"reset": 1}}]}, "faults[0].do.reset: expected no value, not 1"),
        ({"faults": [{"do": {"status": 429, "reset": None}}]}, "faults[0].do, key: expected one of status, headers, "),
        (
            {"faults": [{"do": {"status": 100}}]},
            "faults[0].do.status: expected a whole number from 200 to 599, not 100",
        ),
        ({"faults": [{"do": {"encode": "x"}}]}, "faults[0].do.encode: expected a character encoding"),
        ({"faults": [{"do": {"encode": "undefined"}}]}, "faults[0].do.encode: expected a character encoding"),
        ({"faults": [{"do": {"drop-rows": "some"}}]}, "faults[0].do.drop-rows: expected a whole number"),
        ({"faults": [{"do": "reset", "route": "x"}]}, "expected status or articles or generate or bulk, not 'x'"),
        ({"faults": [{"do": "reset", "requests": 0}]}, "faults[0].requests: expected a whole number from 1 "),
        ({"faults": [{"do": "reset", "requests": [0]}]}, "faults[0].requests[0]: expected a whole number from 1 "),
        ({"faults": [{"do": "reset", "requests": "9-2"}]}, "faults[0].requests: expected a number, a list of numbers"),
        ({"faults": [{"do": "reset", "requests": "every 0"}]}, "faults[0].requests: expected a number, a list"),
        ({"faults": [{"do": "reset", "requests": "9" * 5000}]}, "faults[0].requests: expected a number, a list"),
        ({"faults": [{"do": "reset", "between": ["2s", "1s"]}]}, "faults[0].between: expected a list of two"),
    ],
)
def test_scenario__is_refused_with_place_value_and_what_is_allowed(mapping: dict[str, Any], message: str) -> None:
    """One line says where the mistake is and what may stand there."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_mapping(mapping)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "api_keys",
    [
        "fini_secret",
        ["fini_secret"],
        {"secret": ["read"]},
        {"fini_secret x": ["read"]},
        {"fini_secretä": ["read"]},
        {"fini_secret": "read"},
        {"fini_secret": ["admin"]},
        {"fini_": ["read"]},
    ],
)
def test_api_keys__are_never_shown(api_keys: object) -> None:
    """A wrong key is named by its number."""
    with pytest.raises(ScenarioError, match=r"^api-keys") as caught:
        Scenario.from_mapping({"api-keys": api_keys})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the scenario: expected a mapping, not None"),
        (b"jobs: {", "line 1: is not YAML"),
        (b"latency: 1\njobs: []\nlatency: 2\n", "line 3: is not YAML: the key latency is given twice"),
        (b"? [a]\n: 1\n", "line 1: is not YAML"),
        (b"latency: \xff", "is not YAML"),
        (b"latency: " + b"9" * 5000, "is not YAML"),
        (b"[" * 1500, "is nested too deeply"),
        (b"jobs: &a [{id: x, row: {x: *a}}]", "jobs[0].row.x: expected a value that JSON can hold"),
        (b"latency: !!python/name:os.system", "is not YAML"),
        (b"jobs: [{id: 012}]", "jobs[0].id: expected a text"),
    ],
)
def test_file__is_refused_by_its_name(tmp_path: Path, content: bytes, message: str) -> None:
    """The line begins with the file, whatever is wrong with it."""
    path = tmp_path / "scenario.yaml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError, match=rf"^{re.escape(str(path))}[:,] .*{re.escape(message)}") as caught:
        Scenario.load(path)
    assert "\n" not in str(caught.value)


def test_file__is_refused_where_it_cannot_be_read(tmp_path: Path) -> None:
    """A file that is missing, or is none, is named."""
    for path in (tmp_path, tmp_path / "missing.yaml"):
        with pytest.raises(ScenarioError, match=rf"^{re.escape(str(path))}: cannot be read: "):
            Scenario.load(path)


def test_generate__makes_the_jobs_asked_for() -> None:
    """So many jobs, so many of them failing or without an article, all within the times given."""
    jobs = Scenario.from_mapping(
        {"generate": {"count": 20, "failing": 3, "without-article": 2, "queued-for": "1s", "runs-for": ["2s", "4s"]}}
    ).jobs
    assert len({job.id for job in jobs}) == 20
    assert sum(job.ends_as == "FAILED" for job in jobs) == 3
    assert sum(job.ends_as == "COMPLETED" and job.article_id is None for job in jobs) == 2
    assert {job.queued_for_seconds for job in jobs} == {1}
    assert all(2 <= job.runs_for_seconds <= 4 for job in jobs)
    assert [job.document_id for job in jobs][:2] == ["source-1", "source-2"]


def test_generate__is_the_same_for_the_same_seed() -> None:
    """A run can be repeated, articles included; another seed makes another run."""

    def made(seed: int) -> list[tuple[str, float, str | None]]:
        jobs = Scenario.from_mapping({"generate": {"count": 9, "failing": 2, "seed": seed}}).jobs
        return [(job.id, job.runs_for_seconds, job.article_id) for job in jobs]

    assert made(1) == made(1) != made(2)


def test_generate__numbers_ids_after_a_prefix() -> None:
    """With a prefix, IDs can be told by heart."""
    jobs = Scenario.from_mapping({"generate": {"count": 2, "prefix": "job-"}}).jobs
    assert [job.id for job in jobs] == ["job-1", "job-2"]


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
KEYS = {
    "": ["api-keys", "latency", "clock-starts", "jobs", "generate", "queued", "faults"],
    "jobs": ["id", "queued-for", "ends-as", "article-id", "error", "statuses", "row", "broken", "broken-until"],
    "faults": ["do", "route", "requests", "between", "more-ids-than", "at-most"],
    "do": ["status", "headers", "redirect", "hang", "drip", "endless", "huge", "encode", "drop-rows", "garbage"],
}


@given(
    st.dictionaries(st.sampled_from(KEYS[""]), JSON_LIKE, max_size=3)
    | st.builds(lambda job: {"jobs": [job]}, st.dictionaries(st.sampled_from(KEYS["jobs"]), JSON_LIKE))
    | st.builds(lambda rule: {"faults": [rule]}, st.dictionaries(st.sampled_from(KEYS["faults"]), JSON_LIKE))
    | st.builds(lambda do: {"faults": [{"do": do}]}, st.dictionaries(st.sampled_from(KEYS["do"]), JSON_LIKE))
)
def test_scenario__is_read_or_refused(mapping: dict[str, Any]) -> None:
    """Whatever a scenario holds, it is valid or a `ScenarioError` says why not."""
    try:
        assert isinstance(Scenario.from_mapping(mapping), Scenario)
    except ScenarioError as error:
        assert str(error)  # noqa: PT017 - either way is fine, another exception is not
