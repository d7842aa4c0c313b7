"""What a scenario may say, and how a wrong one is refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from fake_fini import Scenario, ScenarioError


def test_scenario__can_be_empty() -> None:
    """Without a scenario there is a key to try with, which no `repr` shows, and no job."""
    scenario = Scenario.from_mapping({})
    assert scenario.api_keys == {"fini_demo_key": {"read", "write"}}
    assert scenario.jobs == ()
    assert "fini_demo_key" not in repr(scenario)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(0, 0), (0.5, 0.5), ("3", 3), ("1.5s", 1.5), ("500ms", 0.5), ("2m", 120), ("1h30m", 5400), ("1m1s1ms", 61.001)],
)
def test_duration__has_many_forms(written: object, seconds: float) -> None:
    """A duration is a number with a unit, several of them in a row, or a bare number of seconds."""
    assert Scenario.from_mapping({"latency": written}).latency == seconds


def job(**keys: object) -> dict[str, Any]:
    """Return a scenario with one job; `_` in a key stands for `-`."""
    return {"jobs": [{"id": "a"} | {name.replace("_", "-"): value for name, value in keys.items()}]}


def fault(do: object = "reset", **conditions: object) -> dict[str, Any]:
    """Return a scenario with one fault."""
    return {"faults": [{"do": do, **conditions}]}


def generate(**keys: object) -> dict[str, Any]:
    """Return a scenario with generated jobs."""
    return {"generate": {"count": 2} | {name.replace("_", "-"): value for name, value in keys.items()}}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"jobz": []}, "the scenario, key: expected one of api-keys, latency, "),
        ({"latency": "soon"}, "latency: expected a duration such as 500ms, "),
        *(
            ({"latency": value}, "latency: expected a duration")
            for value in (-1, True, float("inf"), float("nan"), 10**400, "9" * 400 + "h", "1 s", "never", "")
        ),
        ({"clock-starts": "now"}, "clock-starts: expected at-first-request or at-start, not 'now'"),
        ({"jobs": {"id": "a"}}, "jobs: expected a list, not "),
        ({"jobs": ["a"]}, "jobs[0]: expected a mapping from texts"),
        ({"jobs": [{}]}, "jobs[0]: expected a mapping with the key id, not {}"),
        (job(id=12), "jobs[0].id: expected a text (quote numbers and words such as yes), not 12"),
        (job(id=""), "jobs[0].id: expected a text"),
        (generate(count=2, prefix="x") | {"jobs": [{"id": "x1"}]}, "jobs: the ID 'x1' is given twice"),
        ({"sources": [{"id": "x"}, {"id": "x"}]}, "sources: the ID 'x' is given twice"),
        ({"sources": [{"id": "x", "source": "fax"}]}, "sources[0].source: expected web or files or googledrive or "),
        (job(draft="no"), "jobs[0].draft: expected true or false, not 'no'"),
        (job(run_for=1), "jobs[0], key: expected one of appears-after, "),
        (job(runs_for="ever"), ", or never, not 'ever'"),
        (job(broken=404), "jobs[0].broken: expected true, false or a status from 500 to 599, not 404"),
        (job(omitted="yes"), "jobs[0].omitted: expected true or false, not 'yes'"),
        (job(row={"x": {1}}), "jobs[0].row.x: expected a value that JSON can represent, not {1}"),
        ({"queued": {"id": "a"}}, "queued, key: expected one of "),
        (generate(count=0), "generate.count: expected a whole number from 1 to 200000, not 0"),
        (generate(failing=1, without_article=2), "generate: expected failing and without-article to be at most "),
        (generate(runs_for=[2, 1]), "generate.runs-for: expected a list of two durations, the shorter first"),
        (fault("bang"), "faults[0].do: expected one of status, redirect, reset, "),
        (fault(["reset"]), "faults[0].do: expected one of status, redirect, reset, "),
        (fault("drip"), "faults[0].do: expected drip with a value, not 'drip'"),
        (fault({"reset": 1}), "faults[0].do.reset: expected no value, not 1"),
        (fault({"status": 429, "reset": None}), "faults[0].do, key: expected one of headers, "),
        (fault({"redirect": "/", "body": ""}), "faults[0].do, key: expected no options, not 'body'"),
        (fault({"status": 100}), "faults[0].do.status: expected a whole number from 200 to 599, not 100"),
        (fault({"encode": "undefined"}), "faults[0].do.encode: expected a character encoding"),
        (fault({"drop-rows": "some"}), "faults[0].do.drop-rows: expected a whole number"),
        (fault(route="x"), "faults[0].route: expected status or articles or publish or generate or bulk or source or "),
        (fault(requests=0), "faults[0].requests: expected a whole number from 1 "),
        (fault(requests="9-2"), "faults[0].requests: expected a number, a list of numbers"),
        (fault(requests="9" * 5000), "faults[0].requests: expected a number, a list"),
        (fault(between=["2s", "1s"]), "faults[0].between: expected a list of two durations"),
        ({"api-keys": "fini_secret"}, "api-keys: expected a mapping from keys to lists of scopes"),
        *(
            ({"api-keys": {"fini_a": ["read"], key: ["read"]}}, "api-keys, key number 2: expected fini_ and more")
            for key in ("secret", "fini_secret x", "fini_secretä", "fini_", 1)
        ),
        ({"api-keys": {"fini_secret": "read"}}, "api-keys, key number 1, scopes: expected a list, not 'read'"),
        ({"api-keys": {"fini_secret": ["admin"]}}, "api-keys, key number 1, scopes[0]: expected read or write"),
    ],
)
def test_scenario__is_refused(mapping: dict[str, Any], message: str) -> None:
    """One line says where the mistake is and what is allowed there; it never shows an API key."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_mapping(mapping)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: "),
        (b"", "the scenario: expected a mapping from texts"),
        (b"jobs: {", "is not YAML: while parsing"),
        (b"jobs: []\nlatency: 1\nlatency: 2\n", "is not YAML: the key latency is given twice in"),
        (b"? [a]\n: 1\n", "is not YAML: "),
        (b"latency: \xff", "is not YAML: "),
        (b"latency: " + b"9" * 5000, "is not YAML: "),
        (b"[" * 500, "is not YAML: "),
        (b"jobs: &a [{id: x, row: {x: *a}}]", "jobs[0].row.x: expected a value that JSON can represent"),
        (b"latency: !!python/name:os.system", "is not YAML: "),
        (b"jobs: [{id: 012}]", "jobs[0].id: expected a text"),
    ],
)
def test_file__is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    """The message is one line that begins with the file."""
    path = tmp_path / "scenario.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScenarioError, match=rf"^{re.escape(f'{path}: {message}')}[^\n]*$"):
        Scenario.load(path)


def test_generate__makes_jobs() -> None:
    """The numbers of jobs and the limits of the times are as given; the rest depends on the seed alone."""
    keys = {"count": 20, "failing": 3, "without_article": 2, "queued_for": "1s", "runs_for": ["2s", "4s"]}
    jobs, same, other = (Scenario.from_mapping(generate(**keys, seed=seed)).jobs for seed in (1, 1, 2))
    assert jobs == same != other
    assert len({job.id for job in jobs}) == 20
    assert sum(job.ends_as == "FAILED" for job in jobs) == 3
    assert sum(job.ends_as == "COMPLETED" and job.article is None for job in jobs) == 2
    assert all(job.queued_for == 1 and 2 <= job.runs_for <= 4 for job in jobs)
    assert {len(job.document_id or "") for job in jobs} == {36}
    named = Scenario.from_mapping(generate(**keys, prefix="job-")).jobs
    assert [(job.id, job.document_id) for job in named][1] == ("job-2", "source-2")
