"""The routes of Fini's API that the stand-in serves: `ROUTES` lists them.

A request passes these checks in order: route, key (401), scope (403), body size (413), JSON (400), fields (400).
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from fake_fini.jobs import Workspace
from fake_fini.messages import RefusalError, Request, Response, error_response, json_response

READ: Final = "read"
WRITE: Final = "write"

# Express's limit for JSON bodies, `100kb`.
_MAX_BODY_BYTES: Final = 100 * 1024
_BEARER: Final = "Bearer "


class Route(NamedTuple):
    """A documented route. `ids_field` is the field of the body that lists IDs; scenarios use `name`."""

    name: str
    method: str
    path: str
    scope: str
    ids_field: str | None
    respond: Callable[[Workspace, tuple[str, ...]], object]


def _check_jobs(workspace: Workspace, job_ids: tuple[str, ...]) -> object:
    # An ID that is given twice has one row.
    found = [workspace.find(job_id) for job_id in dict.fromkeys(job_ids)]
    jobs = [job for job in found if job]
    if any(job.malformed for job in jobs):
        raise RefusalError(HTTPStatus.BAD_REQUEST, ["each value in jobIds must be a UUID"])
    if len(jobs) < len(found):
        raise RefusalError(HTTPStatus.NOT_FOUND, "One or more knowledge jobs were not found")
    for job in jobs:
        if status := workspace.broken_status(job):
            raise RefusalError(status)
    return {"jobs": [workspace.row(job) for job in jobs if not job.omitted]}


def _get_articles(workspace: Workspace, article_ids: tuple[str, ...]) -> object:
    titles = workspace.titles_by_article()
    return [{"id": wanted, "title": titles[wanted]} for wanted in dict.fromkeys(article_ids) if wanted in titles]


def _generate(workspace: Workspace, _: tuple[str, ...]) -> object:
    return {"backgroundJobId": workspace.queue_job()}


def _generate_in_bulk(workspace: Workspace, source_ids: tuple[str, ...]) -> object:
    return {"jobs": [{"documentId": source, "backgroundJobId": workspace.queue_job(source)} for source in source_ids]}


ROUTES: Final = (
    Route("status", "POST", "/v2/knowledge/public/jobs/status", READ, "jobIds", _check_jobs),
    Route("articles", "POST", "/v2/hc-articles/ids/public", READ, "articleIds", _get_articles),
    Route("generate", "POST", "/v2/knowledge/public", WRITE, None, _generate),
    Route("bulk", "POST", "/v2/knowledge/public/bulk", WRITE, "documentIds", _generate_in_bulk),
)


def respond(request: Request, scopes_by_key: Mapping[str, frozenset[str]], workspace: Workspace) -> Response:
    """Respond to a request, and record its route and its IDs in it."""
    route = next((known for known in ROUTES if (known.method, known.path) == (request.method, request.path)), None)
    if route is None:
        return error_response(HTTPStatus.NOT_FOUND, f"Cannot {request.method} {request.path}")
    request.route = route.name
    try:
        _authorize(request, route.scope, scopes_by_key)
        if route.name == "status":
            workspace.start_clock()
        fields = _json_fields(request)
        if route.ids_field:
            request.ids = _ids(fields.get(route.ids_field), route.ids_field)
        return json_response(route.respond(workspace, request.ids))
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


def _ids(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise RefusalError(HTTPStatus.BAD_REQUEST, [f"{field} must be an array"])
    if not value:
        raise RefusalError(HTTPStatus.BAD_REQUEST, [f"{field} should not be empty"])
    if not all(isinstance(item, str) and item for item in value):
        raise RefusalError(HTTPStatus.BAD_REQUEST, [f"each value in {field} must be a string that is not empty"])
    return tuple(value)
