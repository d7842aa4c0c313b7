"""Find the job IDs in a parsed document, which may be an API response or a list of IDs."""

import unicodedata
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from fini_gate.escaping import quote

MAX_DEPTH: Final = 100
MAX_ID_CHARACTERS: Final = 200

_SHAPES: Final = (
    'a job ID, a list of job IDs, {"jobIds": […]}, {"backgroundJobId": …}, or {"jobs": […]} with a backgroundJobId or'
    " an id in each job"
)

Pair: TypeAlias = tuple[str, str | None]
"""A job ID, and its `documentId` if known."""

ValuePath: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead to a value in a document."""


class DocumentError(ValueError):
    """Something that is not a job ID or an accepted shape, and where it was found."""

    def __init__(self, problem: str, *, path: ValuePath = (), line: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path
        self.line = line

    def on_line(self, line: int) -> "DocumentError":
        """Return the same error, with its line."""
        return DocumentError(self.problem, path=self.path, line=line)


def depth_error(path: ValuePath = ()) -> DocumentError:
    """Return the error for a document that is nested too deeply."""
    return DocumentError(f"it is nested more than {MAX_DEPTH} levels deep; pass only the job IDs", path=path)


def find_job_ids(document: object) -> Iterator[Pair]:
    """Yield the job IDs in a document, in order.

    Raises:
        DocumentError: a part of the document has another shape, or is not a job ID.
    """
    return _walk(document, (), set())


def check_job_id(job_id: object, path: ValuePath = ()) -> str:
    """Return a valid job ID unchanged.

    Raises:
        DocumentError: it cannot be a job ID.
    """
    if not isinstance(job_id, str):
        raise DocumentError(f"found {_kind(job_id)}; expected a job ID in quotes", path=path)
    if not job_id.strip():
        raise DocumentError("a job ID is empty; remove it", path=path)
    if len(job_id) > MAX_ID_CHARACTERS:
        raise DocumentError(f"job ID {quote(job_id)} is longer than {MAX_ID_CHARACTERS} characters", path=path)
    if not job_id.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in job_id):
        raise DocumentError(f"job ID {quote(job_id)} contains a control character", path=path)
    return job_id


def _walk(value: object, path: ValuePath, visited: set[int]) -> Iterator[Pair]:
    """Yield the job IDs in a value.

    `visited` holds the identities of lists and objects. YAML aliases can lead to one of them in billions of ways, and
    it is still read once.
    """
    if len(path) > MAX_DEPTH:
        raise depth_error(path[:1])
    if isinstance(value, list | dict) and not _visit(value, visited):
        return
    match value:
        case str():
            yield check_job_id(value, path), None
        case list():
            for index, item in enumerate(value):
                yield from _walk(item, (*path, index), visited)
        case dict() if not value.keys().isdisjoint({"jobIds", "backgroundJobId", "jobs"}):
            yield from _walk_object(value, path, visited)
        case {"statusCode": _}:
            raise DocumentError(
                "this is an error response of the API, not job IDs; check the step that queued the jobs, and let it use"
                " curl --fail-with-body",
                path=path,
            )
        case _:
            raise DocumentError(f"found {_kind(value)}; expected {_SHAPES}", path=path)


def _walk_object(value: dict[str, Any], path: ValuePath, visited: set[int]) -> Iterator[Pair]:
    for index, job_id in enumerate(_list_in(value, "jobIds", path, visited)):
        yield check_job_id(job_id, (*path, "jobIds", index)), None
    if "backgroundJobId" in value:
        yield _read_job(value, path)
    for index, job in enumerate(_list_in(value, "jobs", path, visited)):
        yield _read_job(job, (*path, "jobs", index))


def _list_in(value: dict[str, Any], key: str, path: ValuePath, visited: set[int]) -> list[object]:
    """Return the list at a key. It is empty if the key is missing or the list was visited before."""
    items = value.get(key, [])
    if not isinstance(items, list):
        raise DocumentError(f"found {_kind(items)}; expected a list", path=(*path, key))
    return items if _visit(items, visited) else []


def _visit(container: object, visited: set[int]) -> bool:
    """Record a visit, and return whether it is the first."""
    if id(container) in visited:
        return False
    visited.add(id(container))
    return True


def _read_job(job: object, path: ValuePath) -> Pair:
    if not isinstance(job, dict) or job.keys().isdisjoint({"backgroundJobId", "id"}):
        raise DocumentError(f"found {_kind(job)}; expected an object with a backgroundJobId or an id", path=path)
    key = "backgroundJobId" if "backgroundJobId" in job else "id"
    document_id = job.get("documentId")
    has_document = isinstance(document_id, str) and document_id != ""
    return check_job_id(job[key], (*path, key)), document_id if has_document else None


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case dict():
            return f"an object with {quote(', '.join(map(str, value)))}" if value else "an empty object"
        case list():
            return "a list"
        case _:
            return "text"
