"""Requests, responses, and the routes of Fini's API that the stand-in serves: `ROUTES` lists them.

A request passes these checks in order: route, key (401), scope (403), body size (413), JSON (400), fields (400).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from fake_fini.jobs import Workspace

JSON_TYPE: Final = "application/json; charset=utf-8"
READ: Final = "read"
WRITE: Final = "write"

# Express's limit for JSON bodies, `100kb`.
_MAX_BODY_BYTES: Final = 100 * 1024
_BEARER: Final = "Bearer "
_REASONS: Final[Mapping[int | None, str]] = {int(status): status.phrase for status in HTTPStatus}


@dataclass(kw_only=True)
class Request:
    """A request and what became of it. Header names are in lower case; the path has no query."""

    at_seconds: float
    """When all of it had arrived, in seconds since the start of the stand-in."""
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    route: str | None = None
    ids: tuple[str, ...] = ()
    """The IDs in the body; empty if the request was refused before they were read."""
    status: int | None = None
    """The status of the response; None if none is sent."""

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The job IDs of a status request."""
        return self.ids if self.route == "status" else ()


Step: TypeAlias = bytes | float
"""Bytes to send, or seconds to pause."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """A response. A fault can replace how it is sent (`steps`) and what happens to the connection then (`ending`)."""

    status: int | None
    headers: Mapping[str, str]
    body: bytes
    steps: Iterable[Step] | None = None
    ending: Literal["keep", "close", "reset"] = "keep"

    def head(self, content_length: int | None) -> bytes:
        """Return the status line and the headers; without a length, the body ends with the connection."""
        length = {"Connection": "close"} if content_length is None else {"Content-Length": str(content_length)}
        # Of headers whose names differ only in case, the last one counts.
        headers = {name.lower(): f"{name}: {value}" for name, value in {**self.headers, **length}.items()}
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Unknown')}", *headers.values(), "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace")

    def to_bytes(self) -> bytes:
        """Return the whole response."""
        return self.head(len(self.body)) + self.body


def json_response(payload: object, status: int = HTTPStatus.OK) -> Response:
    """Return a response with a JSON body."""
    return Response(status=int(status), headers={"Content-Type": JSON_TYPE}, body=json.dumps(payload).encode())


def error_response(status: int, message: str | list[str] | None = None) -> Response:
    """Return an error in the documented form; request validation gives a list of messages."""
    error = _REASONS.get(status, "Unknown")
    return json_response({"statusCode": int(status), "message": message or error, "error": error}, status)


class _RefusalError(Exception):
    def __init__(self, status: int, message: str | list[str] | None = None) -> None:
        super().__init__(status, message)
        self.response = error_response(status, message)


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
        raise _RefusalError(HTTPStatus.BAD_REQUEST, ["each value in jobIds must be a UUID"])
    if len(jobs) < len(found):
        raise _RefusalError(HTTPStatus.NOT_FOUND, "One or more knowledge jobs were not found")
    for job in jobs:
        if status := workspace.broken_status(job):
            raise _RefusalError(status)
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
    except _RefusalError as refusal:
        return refusal.response


def _authorize(request: Request, scope: str, scopes_by_key: Mapping[str, frozenset[str]]) -> None:
    authorization = request.headers.get("authorization", "")
    key = authorization.removeprefix(_BEARER)
    if not authorization.startswith(_BEARER) or key not in scopes_by_key:
        raise _RefusalError(HTTPStatus.UNAUTHORIZED)
    if scope not in scopes_by_key[key]:
        raise _RefusalError(HTTPStatus.FORBIDDEN, "API key does not have the required scope for this operation")


def _json_fields(request: Request) -> Mapping[str, Any]:
    """Return the fields of a JSON object; none if the body is empty, is a list, or is not labelled as JSON."""
    if len(request.body) > _MAX_BODY_BYTES:
        raise _RefusalError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request entity too large")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json" or not request.body:
        return {}
    try:
        # Python accepts NaN and Infinity, JSON does not; int refuses them.
        payload = json.loads(request.body.decode(), parse_constant=int)
    except (ValueError, RecursionError):
        raise _RefusalError(HTTPStatus.BAD_REQUEST, "The body is not valid JSON") from None
    if not isinstance(payload, dict | list):
        raise _RefusalError(HTTPStatus.BAD_REQUEST, "The body is not a JSON object")
    return payload if isinstance(payload, dict) else {}


def _ids(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _RefusalError(HTTPStatus.BAD_REQUEST, [f"{field} must be an array"])
    if not value:
        raise _RefusalError(HTTPStatus.BAD_REQUEST, [f"{field} should not be empty"])
    if not all(isinstance(item, str) and item for item in value):
        raise _RefusalError(HTTPStatus.BAD_REQUEST, [f"each value in {field} must be a string that is not empty"])
    return tuple(value)
