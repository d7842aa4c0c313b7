"""What the API answers: a status, headers and a body, not yet on its way."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, Self

JSON_TYPE: Final = "application/json; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Response:
    """An HTTP answer. `Content-Length` is not among the headers: it is a matter of how the answer is sent."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def but(self, *, headers: Mapping[str, str] | None = None, **changes: Any) -> Self:  # noqa: ANN401 - of any field
        """The same answer with some fields changed; headers are added, or replaced whatever their letters' case."""
        added = headers or {}
        replaced = {name.lower() for name in added}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in replaced}
        return replace(self, headers={**kept, **added}, **changes)

    def head(self, *, content_length: int | None) -> bytes:
        """The status line and all headers; without a length, the body lasts until the connection ends."""
        length = {"Connection": "close"} if content_length is None else {"Content-Length": str(content_length)}
        lines = [f"HTTP/1.1 {self.status} {reason(self.status)}"]
        lines += [f"{name}: {value}" for name, value in {**self.headers, **length}.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def whole(self) -> bytes:
        """The answer as it goes over the wire when nothing is wrong."""
        return self.head(content_length=len(self.body)) + self.body


def reason(status: int) -> str:
    """The words that belong to a status, `Unknown` where there are none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def json_response(payload: object, status: int = HTTPStatus.OK) -> Response:
    """Response with JSON."""
    return Response(status=int(status), body=json.dumps(payload).encode(), headers={"Content-Type": JSON_TYPE})


def error_response(status: int, message: str | list[str] | None = None) -> Response:
    """Response with the error body that Fini documents; validation gives a list of messages."""
    words = reason(status)
    return json_response({"statusCode": int(status), "message": message or words, "error": words}, status)
