"""The routes of Fini's API that the stand-in serves: `ROUTES` lists them.

A request passes these checks in order: route, key (401), scope (403), body size (413), JSON (400), fields (400).
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote

from fake_fini.articles import LIST_FIELDS, TEXT_FIELDS, Articles
from fake_fini.jobs import Jobs
from fake_fini.messages import RefusalError, Request, Response, error_response, json_response
from fake_fini.sources import FILES, Sources

READ: Final = "read"
WRITE: Final = "write"

# Express's limit for JSON bodies, `100kb`.
_MAX_BODY_BYTES: Final = 100 * 1024
_PAGE_SIZE: Final = re.compile("[1-9][0-9]?|100")
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BEARER: Final = "Bearer "


class Workspace(NamedTuple):
    """What the routes work on."""

    jobs: Jobs
    articles: Articles
    sources: Sources


_Ids: TypeAlias = tuple[str, ...]
_Fields: TypeAlias = Mapping[str, Any]


class Route(NamedTuple):
    """A documented route. Its IDs come from the path or from the field `ids_field`; scenarios use `name`.

    `respond` takes the IDs and the fields of the body; for GET, those of the query.
    """

    name: str
    method: str
    path: str
    scope: str
    ids_field: str | None
    respond: Callable[[Workspace, _Ids, _Fields], object]

    def ids_in_path(self, request: Request) -> _Ids | None:
        """Return the IDs in the path of a request, or None if the request is to another route."""
        match = re.fullmatch(self.path.format(id="([^/]+)"), request.path)
        return tuple(map(unquote, match.groups())) if match and request.method == self.method else None


def _check_jobs(workspace: Workspace, job_ids: _Ids, _: _Fields) -> object:
    # An ID that is given twice has one row.
    found = [workspace.jobs.find(job_id) for job_id in dict.fromkeys(job_ids)]
    jobs = [job for job in found if job]
    if any(job.malformed for job in jobs):
        raise RefusalError(HTTPStatus.BAD_REQUEST, ["each value in jobIds must be a UUID"])
    if len(jobs) < len(found):
        raise RefusalError(HTTPStatus.NOT_FOUND, "One or more knowledge jobs were not found")
    for job in jobs:
        if status := workspace.jobs.broken_status(job):
            raise RefusalError(status)
    return {"jobs": [workspace.jobs.row(job) for job in jobs if not job.omitted]}


def _get_articles(workspace: Workspace, article_ids: _Ids, _: _Fields) -> object:
    return workspace.articles.find(article_ids)


def _publish(workspace: Workspace, ids: _Ids, fields: _Fields) -> object:
    for name in TEXT_FIELDS:
        if not isinstance(fields.get(name), str):
            raise _bad_request(f"{name} must be a string")
    for name in LIST_FIELDS:
        _texts(fields, name)
    _boolean(fields, "escalation")
    article = workspace.articles.publish(ids[0], fields)
    if article is None:
        raise RefusalError(HTTPStatus.NOT_FOUND, "The article draft was not found")
    return article


def _generate(workspace: Workspace, _: _Ids, fields: _Fields) -> object:
    return {"backgroundJobId": workspace.jobs.queue(is_draft=_boolean(fields, "isDraft", default=True))}


def _generate_in_bulk(workspace: Workspace, source_ids: _Ids, fields: _Fields) -> object:
    queue = partial(workspace.jobs.queue, is_draft=_boolean(fields, "isDraft", default=True))
    return {"jobs": [{"documentId": source, "backgroundJobId": queue(source)} for source in source_ids]}


def _get_source(workspace: Workspace, ids: _Ids, _: _Fields) -> object:
    record = workspace.sources.find(ids[0])
    if record is None and _UUID.fullmatch(ids[0]):
        raise RefusalError(HTTPStatus.NOT_FOUND, "The source was not found")
    if record is None:
        raise _bad_request("id must be a UUID")
    return record


def _list_sources(workspace: Workspace, _: _Ids, query: _Fields) -> object:
    limit, direction, cursor = query.get("limit", "50"), query.get("direction", "next"), query.get("cursor")
    ids = workspace.sources.ids()
    if not _PAGE_SIZE.fullmatch(limit):
        raise _bad_request("limit must be a whole number from 1 to 100")
    if direction not in ("next", "prev"):
        raise _bad_request("direction must be next or prev")
    if query.get("changed", "true") not in ("true", "false"):
        raise _bad_request("changed must be true or false")
    if cursor not in (None, *ids):
        raise _bad_request("cursor must be the ID of a source")
    if direction == "prev":
        ids.reverse()
    records = filter(None, map(workspace.sources.find, ids[ids.index(cursor) + 1 :] if cursor else ids))
    filters = {name: query[name] for name in ("changed", "source") if name in query}
    matching = (row for row in records if all(str(row[name]).lower() == filters[name] for name in filters))
    found = list(islice(matching, int(limit) + 1))
    page = found[: int(limit)]
    return {"documents": page[::-1] if direction == "prev" else page, "hasMore": len(found) > len(page)}


def _refresh(workspace: Workspace, ids: _Ids, _: _Fields) -> object:
    records = [workspace.sources.find(source_id) for source_id in ids]
    if None in records:
        raise RefusalError(HTTPStatus.NOT_FOUND, "One or more sources were not found")
    if any(record and record["source"] == FILES for record in records):
        raise _bad_request("Uploaded files cannot be refreshed")
    accepted = list(dict.fromkeys(ids))
    for source_id in accepted:
        workspace.sources.refresh(source_id)
    return accepted


ROUTES: Final = (
    Route("status", "POST", "/v2/knowledge/public/jobs/status", READ, "jobIds", _check_jobs),
    Route("articles", "POST", "/v2/hc-articles/ids/public", READ, "articleIds", _get_articles),
    Route("publish", "POST", "/v2/hc-articles/{id}/publish/public", WRITE, None, _publish),
    Route("generate", "POST", "/v2/knowledge/public", WRITE, None, _generate),
    Route("bulk", "POST", "/v2/knowledge/public/bulk", WRITE, "documentIds", _generate_in_bulk),
    Route("source", "GET", "/v2/documents/public/{id}", READ, None, _get_source),
    Route("sources", "GET", "/v2/documents/public", READ, None, _list_sources),
    Route("refresh", "POST", "/v2/documents/public/refresh", WRITE, "documentIds", _refresh),
)


def respond(request: Request, scopes_by_key: Mapping[str, frozenset[str]], workspace: Workspace) -> Response:
    """Respond to a request, and record its route and its IDs in it."""
    route = next((known for known in ROUTES if known.ids_in_path(request) is not None), None)
    if route is None:
        return error_response(HTTPStatus.NOT_FOUND, f"Cannot {request.method} {request.path}")
    request.route = route.name
    try:
        _authorize(request, route.scope, scopes_by_key)
        if route.name == "status":
            workspace.jobs.start_clock()
        fields = request.query if request.method == "GET" else _json_fields(request)
        request.ids = _texts(fields, route.ids_field) if route.ids_field else route.ids_in_path(request) or ()
        return json_response(route.respond(workspace, request.ids, fields))
    except RefusalError as refusal:
        return refusal.response


def _authorize(request: Request, scope: str, scopes_by_key: Mapping[str, frozenset[str]]) -> None:
    authorization = request.headers.get("authorization", "")
    key = authorization.removeprefix(_BEARER)
    if not authorization.startswith(_BEARER) or key not in scopes_by_key:
        raise RefusalError(HTTPStatus.UNAUTHORIZED)
    if scope not in scopes_by_key[key]:
        raise RefusalError(HTTPStatus.FORBIDDEN, "API key does not have the required scope for this operation")


def _json_fields(request: Request) -> Mapping[str, Any]:
    """Return the fields of a JSON object; none if the body is empty, is a list, or is not labelled as JSON."""
    if len(request.body) > _MAX_BODY_BYTES:
        raise RefusalError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request entity too large")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json" or not request.body:
        return {}
    try:
        # Python accepts NaN and Infinity, JSON does not; int refuses them.
        payload = json.loads(request.body.decode(), parse_constant=int)
    except (ValueError, RecursionError):
        raise RefusalError(HTTPStatus.BAD_REQUEST, "The body is not valid JSON") from None
    if not isinstance(payload, dict | list):
        raise RefusalError(HTTPStatus.BAD_REQUEST, "The body is not a JSON object")
    return payload if isinstance(payload, dict) else {}


def _texts(fields: _Fields, name: str) -> tuple[str, ...]:
    value = fields.get(name)
    if not isinstance(value, list):
        raise _bad_request(f"{name} must be an array")
    if not value:
        raise _bad_request(f"{name} should not be empty")
    if not all(isinstance(item, str) and item for item in value):
        raise _bad_request(f"each value in {name} must be a string that is not empty")
    return tuple(value)


def _boolean(fields: _Fields, name: str, *, default: bool | None = None) -> bool:
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise _bad_request(f"{name} must be a boolean value")
    return value


def _bad_request(message: str) -> RefusalError:
    return RefusalError(HTTPStatus.BAD_REQUEST, [message])
