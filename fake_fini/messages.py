"""Requests and responses."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal, TypeAlias

JSON_TYPE: Final = "application/json; charset=utf-8"

_REASONS: Final[Mapping[int | None, str]] = {int(status): status.phrase for status in HTTPStatus}


@dataclass(kw_only=True)
class Request:
    """A request and what became of it. Header names are in lower case."""

    at_seconds: float
    """When all of it had arrived, in seconds since the start of the stand-in."""
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    route: str | None = None
    ids: tuple[str, ...] = ()
    """The IDs in the body or the path; empty if the request was refused before they were read."""
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


class RefusalError(Exception):
    """Ends a request with an error."""

    def __init__(self, status: int, message: str | list[str] | None = None) -> None:
        super().__init__(status, message)
        self.response = error_response(status, message)
