"""The routes of Fini's API that a gate and the steps before it use: a request in, an answer out. No sockets here.

The checks come in this order: the route, the key (401), its scope (403), the body's size (413), its JSON (400), its
fields (400), and then what it asks for.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fake_fini.responses import Response, error_response, json_response
from fake_fini.scenario import READ_SCOPE, WRITE_SCOPE, Scenario
from fake_fini.workspace import Workspace

# Express's limit for JSON bodies, `100kb`.
BODY_BYTES: Final = 100 * 1024

_BEARER: Final = "Bearer "


@dataclass(frozen=True, kw_only=True)
class Request:
    """An HTTP request; header names in lower case, the path without its query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer, and what is known of the request by then."""

    response: Response
    route_name: str | None = None
    ids: tuple[str, ...] = ()


class _RefusedError(Exception):
    """A request that gets an error."""

    def __init__(self, status: int, message: str | list[str] | None = None) -> None:
        super().__init__(status, message)
        self.response = error_response(status, message)


@dataclass(frozen=True, kw_only=True)
class _Route:
    """A documented route: its name in a scenario, the scope that it needs, the list of IDs that its body holds."""

    name: str
    scope: str
    ids_field: str | None
    respond: Callable[[tuple[str, ...]], object]


class Api:
    """The API of one workspace."""

    def __init__(self, scenario: Scenario, workspace: Workspace) -> None:
        self._scopes_by_key = scenario.api_keys
        self._workspace = workspace
        self._routes: Final = {
            "/v2/knowledge/public/jobs/status": _Route(
                name="status", scope=READ_SCOPE, ids_field="jobIds", respond=self._job_rows
            ),
            "/v2/hc-articles/ids/public": _Route(
                name="articles", scope=READ_SCOPE, ids_field="articleIds", respond=self._articles
            ),
            "/v2/knowledge/public": _Route(name="generate", scope=WRITE_SCOPE, ids_field=None, respond=self._generate),
            "/v2/knowledge/public/bulk": _Route(
                name="bulk", scope=WRITE_SCOPE, ids_field="documentIds", respond=self._generate_bulk
            ),
        }

    def reply(self, request: Request) -> Reply:
        """Response a request."""
        route = self._routes.get(request.path) if request.method == "POST" else None
        if route is None:
            return Reply(error_response(HTTPStatus.NOT_FOUND, f"Cannot {request.method} {request.path}"))
        ids: tuple[str, ...] = ()
        try:
            self._authorize(request, route.scope)
            if route.name == "status":
                self._workspace.start_clock()
            fields = _json_fields(request)
            if route.ids_field is not None:
                ids = _ids(fields.get(route.ids_field), route.ids_field)
            response = json_response(route.respond(ids))
        except _RefusedError as error:
            response = error.response
        return Reply(response, route.name, ids)

    def _authorize(self, request: Request, scope: str) -> None:
        authorization = request.headers.get("authorization", "")
        key = authorization.removeprefix(_BEARER)
        if not authorization.startswith(_BEARER) or key not in self._scopes_by_key:
            raise _RefusedError(HTTPStatus.UNAUTHORIZED)
        if scope not in self._scopes_by_key[key]:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "API key does not have the required scope for this operation")

    def _job_rows(self, job_ids: tuple[str, ...]) -> object:
        # The database is asked for a set: an ID given twice has one row.
        jobs = {job_id: self._workspace.existing_job(job_id) for job_id in job_ids}
        if any(job is not None and job.is_malformed for job in jobs.values()):
            raise _RefusedError(HTTPStatus.BAD_REQUEST, ["each value in jobIds must be a UUID"])
        if None in jobs.values():
            raise _RefusedError(HTTPStatus.NOT_FOUND, "One or more knowledge jobs were not found")
        for job_id in jobs:
            if status := self._workspace.broken_status(job_id):
                raise _RefusedError(status)
        return {"jobs": [row for job_id in jobs if (row := self._workspace.row(job_id)) is not None]}

    def _articles(self, article_ids: tuple[str, ...]) -> object:
        titles = self._workspace.article_titles(article_ids)
        return [{"id": article_id, "title": title} for article_id, title in titles.items()]

    def _generate(self, _: tuple[str, ...]) -> object:
        return {"backgroundJobId": self._workspace.queue_job()}

    def _generate_bulk(self, document_ids: tuple[str, ...]) -> object:
        return {
            "jobs": [
                {"documentId": document_id, "backgroundJobId": self._workspace.queue_job(document_id)}
                for document_id in document_ids
            ]
        }


def _json_fields(request: Request) -> Mapping[str, Any]:
    """The fields of a JSON body; none where it is empty, is not said to be JSON, or is a list."""
    if len(request.body) > BODY_BYTES:
        raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request entity too large")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json" or not request.body:
        return {}
    try:
        payload = json.loads(request.body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "The body is not valid JSON") from None
    if not isinstance(payload, dict | list):
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "The body is not a JSON object")
    return payload if isinstance(payload, dict) else {}


def _refuse_constant(name: str) -> None:
    # Python reads NaN and Infinity, JSON has neither.
    raise ValueError(name)


def _ids(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _RefusedError(HTTPStatus.BAD_REQUEST, [f"{field} must be an array"])
    if not value:
        raise _RefusedError(HTTPStatus.BAD_REQUEST, [f"{field} should not be empty"])
    if not all(isinstance(item, str) and item for item in value):
        raise _RefusedError(HTTPStatus.BAD_REQUEST, [f"each value in {field} must be a string that is not empty"])
    return tuple(value)
