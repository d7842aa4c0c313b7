"""The stand-in's sources: their records, what their jobs and refreshes do to them, and lists of them."""

from typing import Any
from uuid import UUID

import pytest

from fake_fini import FakeFini
from tests.integration.clients import PATHS, Received, ask, get, request, send, serving
from tests.unit.fake_transport import Clock

SOURCES = PATHS["sources"]
DOC = {"id": "doc"}
JOB = {"id": "a", "document-id": "doc"}
FAILED = {**JOB, "ends-as": "FAILED"}
TIMES = {"queued-for": "1s", "runs-for": "2s"}
UNKNOWN = "4cfcf2cc-7a06-4de2-b460-5b991fe6236a"


def record(api: FakeFini, source_id: str = "doc") -> dict[str, Any]:
    """Get a source."""
    found: dict[str, Any] = get(api, f"{SOURCES}/{source_id}").payload
    return found


def refresh(api: FakeFini, *source_ids: str) -> Received:
    """Refresh sources."""
    return send(api, request({"documentIds": source_ids}, "refresh"))


def generate(api: FakeFini) -> str:
    """Queue a job for the source, and return its ID."""
    jobs = send(api, request({"documentIds": ["doc"]}, "bulk")).payload["jobs"]
    return str(jobs[0]["backgroundJobId"])


def test_source__has_every_documented_field() -> None:
    """A source that no job has run for yet has a record; its ID in the path may be percent-encoded."""
    with serving(sources=[{"id": "doc 1/a"}]) as api:
        found = record(api, "doc%201%2Fa")
        assert (api.requests[0].route, api.requests[0].ids) == ("source", ("doc 1/a",))
    assert found.pop("createdAt") == found.pop("updatedAt") != ""
    assert found == {
        "id": "doc 1/a",
        "title": "doc 1/a",
        "originalUrl": "https://example.com/doc%201/a",
        "source": "web",
        "success": True,
        "error": "",
        **dict.fromkeys(["linkedJobId", "linkedJobStatus", "linkedKnowledgeId", "linkedOperation", "linkedReason"]),
        "changed": False,
    }


@pytest.mark.parametrize(
    ("scenario", "field", "value"),
    [
        ({"sources": [{**DOC, "title": "Refunds"}]}, "title", "Refunds"),
        ({"sources": [{**DOC, "source": "zendesk"}]}, "source", "zendesk"),
        ({"sources": [{**DOC, "error": "Gone."}]}, "error", "Gone."),
        ({"sources": [{**DOC, "error": "Gone."}]}, "success", False),
        ({"sources": [{**DOC, "success": False}]}, "success", False),
        ({"sources": [{**DOC, "success": True, "error": "Gone."}]}, "success", True),
        ({"jobs": [JOB]}, "linkedJobId", "a"),
        ({"jobs": [JOB, {**JOB, "id": "b"}]}, "linkedJobId", "b"),
        ({"jobs": [{**JOB, "appears-after": "1s"}]}, "linkedJobId", None),
        ({"jobs": [{**JOB, "article-id": "x"}]}, "linkedKnowledgeId", "x"),
        ({"jobs": [JOB]}, "linkedOperation", "UPDATE_ARTICLE"),
        ({"jobs": [{**JOB, "article-id": None}]}, "linkedOperation", "DO_NOTHING"),
        ({"jobs": [{**JOB, "operation": "ADD_ARTICLE_TO_FOLDER"}]}, "linkedOperation", "ADD_ARTICLE_TO_FOLDER"),
        ({"jobs": [JOB]}, "linkedReason", None),
        ({"jobs": [{**JOB, "reason": "Nothing new."}]}, "linkedReason", "Nothing new."),
        ({"jobs": [{**JOB, "reason": "Nothing new.", "runs-for": "1s"}]}, "linkedReason", None),
        ({"jobs": [{**JOB, "row": {"jobStatus": "x"}}]}, "linkedJobStatus", "COMPLETED"),
        ({"jobs": [FAILED]}, "error", ""),
        ({"jobs": [FAILED], "sources": [{**DOC, "error": "Gone."}]}, "error", "Gone."),
        ({"jobs": [{**FAILED, "source-error": "No text."}], "sources": [{**DOC, "error": "x"}]}, "error", "No text."),
        ({"jobs": [{**FAILED, "source-error": "No text."}]}, "success", False),
        ({"jobs": [{**FAILED, "source-error": "No text.", "runs-for": "1s"}]}, "error", ""),
        ({"jobs": [{**JOB, "source-error": "No text."}]}, "error", ""),
    ],
)
def test_source__is_as_the_scenario_describes_it(scenario: dict[str, Any], field: str, value: object) -> None:
    """Each key of a source, and of its latest job, shows in the record."""
    with serving(**{"jobs": [], **scenario}) as api:
        assert record(api)[field] == value


def test_source__follows_its_latest_run() -> None:
    """Refreshes and queued jobs have their own time, whether or not the scenario's clock runs."""
    clock, seen = Clock(), []
    with serving(queued={**TIMES, "article-id": "x"}, sources=[DOC], clock=clock) as api:
        assert refresh(api, "doc", "doc").payload == ["doc"]
        for step in range(7):
            found = record(api)
            seen.append((found["linkedJobStatus"], found["linkedKnowledgeId"], found["changed"]))
            if step == 3:
                queued = generate(api)
                assert UUID(found["linkedJobId"])
                assert found["updatedAt"] > found["createdAt"]
            clock.now += 1
        assert ask(api, str(found["linkedJobId"])).status == 200
        assert found["linkedJobId"] == queued
    assert seen == [
        ("PENDING", None, False),
        ("IN_PROGRESS", None, False),
        ("IN_PROGRESS", None, False),
        ("COMPLETED", None, True),
        ("IN_PROGRESS", None, True),
        ("IN_PROGRESS", None, True),
        ("COMPLETED", "x", False),
    ]


@pytest.mark.parametrize(
    ("source", "status", "error", "changed"),
    [
        ({}, "COMPLETED", "", True),
        ({"changed": False}, "COMPLETED", "", False),
        ({"refresh-ends-as": "FAILED"}, "FAILED", "The source could not be fetched.", False),
        ({"refresh-ends-as": "FAILED", "error": "Gone."}, "FAILED", "Gone.", False),
        ({"refresh-queued-for": "never"}, "PENDING", "", False),
        ({"refresh-runs-for": "1h"}, "IN_PROGRESS", "", False),
    ],
)
def test_refresh__ends_as_the_source_says(source: dict[str, Any], status: str, error: str, *, changed: bool) -> None:
    """A refresh is no knowledge job, and makes no article."""
    clock = Clock()
    with serving(JOB, sources=[{**DOC, **source}], clock=clock) as api:
        clock.now += 1
        refresh(api, "doc")
        clock.now += 3
        found = record(api)
        assert ask(api, found["linkedJobId"]).status == 404
    assert (found["linkedJobStatus"], found["error"], found["changed"]) == (status, error, changed)
    assert (found["linkedKnowledgeId"], found["linkedReason"]) == (None, None)


def test_refresh__may_appear_late() -> None:
    """Until then, the record shows the previous run."""
    clock, seen = Clock(), []
    with serving(JOB, sources=[{**DOC, "refresh-appears-after": "1s"}], clock=clock) as api:
        refresh(api, "doc")
        for seconds in (0.5, 0.5, 3):
            clock.now += seconds
            found = record(api)
            seen.append((found["linkedJobId"] == "a", found["linkedJobStatus"], found["changed"]))
    assert seen == [(True, "COMPLETED", False), (False, "PENDING", False), (False, "COMPLETED", True)]


@pytest.mark.parametrize(("job", "changed"), [(JOB, False), (FAILED, True), ({**JOB, "runs-for": "1s"}, True)])
def test_changed__lasts_until_a_job_completes(job: dict[str, Any], *, changed: bool) -> None:
    """A job of the scenario counts as queued when it is queued over the API, whatever its own times."""
    clock = Clock()
    with serving(job, clock=clock) as api:
        refresh(api, "doc")
        clock.now += 4
        assert record(api)["changed"] is True
        assert record(api)["linkedJobId"] != generate(api) == "a" == record(api)["linkedJobId"]
        assert record(api)["changed"] is changed


ALL = ["doc-1", "doc-2", "doc-3", "doc-4"]


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ("", ALL, False),
        ("?limit=4", ALL, False),
        ("?limit=3", ALL[:3], True),
        ("?limit=2&cursor=doc-1&direction=next", ALL[1:3], True),
        ("?cursor=doc-2", ALL[2:], False),
        ("?cursor=doc-4", [], False),
        ("?limit=2&cursor=doc-4&direction=prev", ALL[1:3], True),
        ("?limit=2&cursor=doc-3&direction=prev", ALL[:2], False),
        ("?limit=2&direction=prev", ALL[2:], True),
        ("?changed=true", ["doc-2", "doc-4"], False),
        ("?changed=true&limit=1", ["doc-2"], True),
        ("?changed=false", ["doc-1", "doc-3"], False),
        # The cursor need not be in the list.
        ("?changed=true&cursor=doc-3", ["doc-4"], False),
        ("?source=files", ["doc-1"], False),
        ("?source=web&changed=false", ["doc-3"], False),
        ("?source=notion", [], False),
    ],
)
def test_sources__are_listed(query: str, ids: list[str], *, has_more: bool) -> None:
    """The sources that the scenario describes come first, then those of other jobs, in the scenario's order."""
    jobs = [{"id": name, "document-id": name} for name in ("doc-4", "doc-2")]
    sources = [{"id": "doc-1", "source": "files"}, {"id": "doc-2"}, {"id": "doc-3"}]
    clock = Clock()
    with serving(*jobs, sources=sources, clock=clock) as api:
        refresh(api, "doc-2", "doc-4")
        clock.now += 3
        found = get(api, SOURCES + query).payload
        assert [row["id"] for row in found["documents"]] == ids
        assert found == {"documents": [record(api, name) for name in ids], "hasMore": has_more}
        assert api.requests[1].path == SOURCES
        assert "".join(f"&{name}={value}" for name, value in api.requests[1].query.items())[1:] == query[1:]


def test_sources__are_listed_in_pages() -> None:
    """A page has up to 50 sources, unless the query says otherwise."""
    with serving(generate={"count": 60}) as api:
        assert [len(get(api, SOURCES + query).payload["documents"]) for query in ("", "?limit=100")] == [50, 60]


NO_LIMIT = "limit must be a whole number from 1 to 100"
NO_CURSOR = "cursor must be the ID of a source"


@pytest.mark.parametrize(
    ("path", "source_ids", "status", "message"),
    [
        *((f"?limit={limit}", None, 400, [NO_LIMIT]) for limit in ("", "0", "101", "ten", "-1")),
        *((f"?cursor={cursor}", None, 400, [NO_CURSOR]) for cursor in ("", "lost")),
        ("?direction=up", None, 400, ["direction must be next or prev"]),
        ("?changed=yes", None, 400, ["changed must be true or false"]),
        *((f"/{source_id}", None, 400, ["id must be a UUID"]) for source_id in ("lost", "refresh", f"{UNKNOWN}0")),
        (f"/{UNKNOWN}", None, 404, "The source was not found"),
        ("/refresh", ["doc", "lost"], 404, "One or more sources were not found"),
        ("/refresh", ["upload", UNKNOWN], 404, "One or more sources were not found"),
        ("/refresh", ["doc", "upload"], 400, ["Uploaded files cannot be refreshed"]),
        ("/refresh", [], 400, ["documentIds should not be empty"]),
    ],
)
def test_sources__refuse_a_request(path: str, source_ids: list[str] | None, status: int, message: object) -> None:
    """The error says what is wrong, but not with which source; nothing is refreshed then."""
    with serving(sources=[DOC, {"id": "upload", "source": "files"}]) as api:
        received = get(api, SOURCES + path) if source_ids is None else refresh(api, *source_ids)
        assert record(api)["linkedJobId"] is None
    assert (received.status, received.payload["message"]) == (status, message)
