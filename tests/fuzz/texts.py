"""Texts for the fuzz: hostile ones, job IDs in every accepted form, and changes that spoil a text."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from hypothesis import strategies as st

from tests.chaos.replies import KEY, TEXTS

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]
Pair: TypeAlias = tuple[str, str | None]
"""A job ID and its document ID."""
Change: TypeAlias = tuple[list[tuple[int, int, bytes | str]], Callable[[bytes], bytes]]

# The key as JSON and YAML may spell it.
ESCAPED_KEY = f"\\u{ord(KEY[0]):04x}{KEY[1:]}"
TOKENS = (
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xa8", b"\r", b"\x0c", b"\x1e"),
    *("[", "]", "{", "}", '"', "'", ",", ":", ": ", "\n", "\n\n", "\n  ", "\t", "- ", "\n- ", "#", " # ", "\\"),
    *("null", "NaN", "-0", "1e999", "9" * 5000, "-" + "1" * 50, "true", '""', "[]", "{}", "[[[]]]", '"\\ud800"'),
    *('"id":', '"jobIds":', '"jobs":', '"backgroundJobId":', '"statusCode":', '"documentId":', '"jobs":[],'),
    *("&a ", "*a", "*a ", "<<: *a\n", "!!str ", "!!binary ", "!!python/object/apply:os.abort []", "!<x> ", "? "),
    *("---\n", "\n...\n", "%YAML 9.9\n---\n", "%TAG ! x\n", "|\n", ">-\n", "jobIds: ", "a" * 201, "[" * 101),
    *("[" * 3000, "- " * 3000, '{"a":' * 3000, "{? " * 200, KEY, ESCAPED_KEY, f'["{ESCAPED_KEY}"]', *TEXTS),
)
_LAUGHS = "\n".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" if n else "a0: &a0 [x, y]" for n in range(20))
ODD_DOCUMENTS = (
    *(f"{_LAUGHS}\njobIds: [*a19]", "&a [x, *a]", "a: &a {jobIds: [x]}\n<<: *a\n", "jobIds: &a [x]\njobs: *a\n"),
    *("jobs: [&j {id: x}, *j]", "!!set {x, y}", "? [a, b]\n: c\n", "- |\n  x\n  y\n", "a\n---\nb\n...\n--- [c]\n"),
    *('{"jobIds": ["a"], "jobIds": ["b"]}', '{"jobs": [{"id": "a", "id": 7}]}', '{"statusCode": 401}', '"\\ud800"'),
    *("[" * 100_000, '{"jobs":' * 50_000, "- " * 50_000, "[" * 100 + "]" * 100, "\ufeff\ufeff[]", '["\\u0000"]'),
)


def one_in(draw: Draw, count: int) -> bool:
    """Return True once in so many times, and False for the smallest example."""
    return bool(draw(st.integers(0, count - 1)) == count - 1)


def mostly(good: st.SearchStrategy[Any], bad: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Make something good nine times out of ten."""
    return st.integers(0, 9).flatmap(lambda number: bad if number == 9 else good)


# What becomes of a whole text.
_REWRITES: tuple[Callable[[bytes], bytes], ...] = (
    lambda content: content,
    lambda content: content * 2,
    lambda content: b"[" * 9 + content + b"]" * 9,
    lambda content: content.replace(b"\n", b"\r\n"),
    lambda content: content.decode("utf-8", "replace").encode("utf-16"),
    lambda content: bytes(byte ^ 4 for byte in content),
)
# Where to splice a token in, and how many bytes after it are lost, or, if negative, repeated.
_splices = st.tuples(st.integers(0, 2000), st.integers(-30, 30), st.sampled_from(("", "", *TOKENS)))
changes = st.tuples(st.lists(_splices, max_size=3), mostly(st.just(_REWRITES[0]), st.sampled_from(_REWRITES)))


def spoil(content: bytes, change: Change) -> bytes:
    """Apply a change."""
    splices, rewrite = change
    for where, lost, token in splices:
        start = where % (len(content) + 1)
        piece = token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
        content = content[:start] + piece + content[max(0, start + lost) :]
    return rewrite(content)


texts = st.sampled_from(TEXTS) | st.text(max_size=8)

# --- Job IDs ----------------------------------------------------------------------------------------------------------

_PLAIN = st.characters(exclude_categories=("Cc", "Cs", "Z"), exclude_characters=',#[{"\ufeff', codec="utf-8")
plain_ids = (
    st.from_regex(r"[0-9a-f]{8}-[0-9a-f]{4}", fullmatch=True)
    | st.sampled_from(("012", "yes", "null", "~", "1e3", "0x1F", "2026-06-11", "<<", "=", "*a", "&a", "!x", "%41", "'"))
    | st.sampled_from(("---", "...", "é", "\u202e", "😀", "x" * 200, "a:b", "ID", "id", "İ", "ß", "::error::x"))
    | st.text(_PLAIN, min_size=1, max_size=6)
)
_odd_ids = st.sampled_from(
    ("a: b", "##[x]", "- a", " a ", "a #b", '"', "[]", "{}", "#", ",", "\ufeff", "a\u2028b", "| a |")
)
any_ids = plain_ids | _odd_ids
_document_id = {"documentId": st.sampled_from(("doc", "", "| a |", "<img src=x>", "\r\n::error::x", "\x1b[31m"))}
_queued = st.fixed_dictionaries({"backgroundJobId": any_ids}, optional=_document_id)
_jobs = st.lists(_queued | st.fixed_dictionaries({"id": any_ids}, optional=_document_id), max_size=4)
_lists = st.lists(any_ids, max_size=4)
_shapes = st.fixed_dictionaries({"jobIds": _lists}) | st.fixed_dictionaries({"jobs": _jobs, "message": st.just("x")})
documents = st.recursive(any_ids | _lists | _queued | _shapes, lambda parts: st.lists(parts, max_size=3), max_leaves=4)
_gaps = st.sampled_from(("\n", " ", ",", "\r\n", ", ", "\t", "\u3000", " # x, y\n", "\r", "\n# [z]\n\n"))
plain_texts = st.lists(st.tuples(plain_ids, _gaps), max_size=5)


def pairs_of(document: Any) -> list[Pair]:  # noqa: ANN401 - of any accepted shape
    """Return what a well-formed document holds."""
    match document:
        case str():
            return [(document, None)]
        case {"jobIds": parts} | {"jobs": parts} | list(parts):
            return [pair for part in parts for pair in pairs_of(part)]
        case _:
            job_id = document.get("backgroundJobId") or document["id"]
            return [(job_id, document.get("documentId") or None)]


@dataclass(frozen=True)
class IdsCase:
    """Job IDs, in the input and in files."""

    given: bytes
    files: dict[str, bytes]
    paths: str
    pairs: list[Pair] | None  # all that is in there; None if something was spoiled

    def write(self, workspace: Path) -> dict[str, str]:
        """Write the files, and return the inputs that name them."""
        for name, content in self.files.items():
            (workspace / name).write_bytes(content)
        # An environment holds no NUL, and escapes what is not UTF-8.
        given = self.given.replace(b"\x00", b"").decode("utf-8", "surrogateescape")
        return {"job-ids": given, "job-ids-file": self.paths}


def _well_formed(draw: Draw, ending: str) -> tuple[str, list[Pair]]:
    """Make a text of the form that the ending of a name says, and what it holds."""
    is_text, is_lines, is_yaml = ending in {"", "ids", "txt"}, ending in {"jsonl", "ndjson"}, ending in {"yaml", "yml"}
    if is_text and draw(st.booleans()):
        pieces = draw(plain_texts)
        return "".join(job_id + gap for job_id, gap in pieces), [(job_id, None) for job_id, _ in pieces]
    found = draw(st.lists(documents, max_size=3) if is_lines else st.lists(documents, min_size=1, max_size=1))
    if is_text and isinstance(found[0], str):
        found = [found]
    if is_yaml and draw(st.booleans()):
        is_flow = draw(st.booleans())
        text = yaml.dump(found[0], Dumper=yaml.CSafeDumper, allow_unicode=is_flow, default_flow_style=is_flow)
        return text, pairs_of(found[0])
    # YAML does not join two halves of a character that are escaped one by one.
    is_ascii, indent = draw(st.booleans()) and not is_yaml, None if is_lines else draw(st.sampled_from((None, 1)))
    lines = [json.dumps(document, ensure_ascii=is_ascii, indent=indent) for document in found]
    return draw(st.sampled_from(("\n", "\r\n", "\n\n"))).join(lines) + "\n", pairs_of(found)


@st.composite
def sources(draw: Draw, names: Sequence[str], *, may_spoil: bool) -> tuple[str, bytes, list[Pair] | None]:
    """Make a name, a text of that form that holds job IDs, and what it holds."""
    name = draw(st.sampled_from(names))
    text, pairs = _well_formed(draw, name.rpartition(".")[2].lower())
    content = (b"\xef\xbb\xbf" if one_in(draw, 4) else b"") + text.encode()
    if not may_spoil or one_in(draw, 3):
        return name, content, pairs
    if one_in(draw, 10):
        content = draw(st.sampled_from(ODD_DOCUMENTS)).encode()
    return name, spoil(content, draw(changes)), None


NAMES = ("ids", "ids.txt", "ids.json", "ids.JSON", "ids.jsonl", "ids.ndjson", "ids.yaml", "ids.YML")
PATHS = (
    *("", ".", "..", "*", "**", "**/*", "*.json*", "ids.*", "ids*\nids*", "[", "[!]", "ids[.]json", "?ds", "~", "***"),
    *("/", "/dev/null", "/dev/zero", "/proc/self/mem", "/nowhere/.", "x" * 300, "x/" * 2000, "\udcff", "ids/x"),
    *("./ids", "ids.json/..", "**ids", "a\tb", "-", "é", KEY, f"../{KEY}", "::error::x", "##[error]x", "<b>x</b>"),
)


@st.composite
def ids_cases(draw: Draw, *, may_spoil: bool = True) -> IdsCase:
    """Make job IDs for a gate."""
    given = draw(st.just(("", b"", [])) | sources(("",), may_spoil=may_spoil))
    files = draw(st.lists(sources(NAMES, may_spoil=may_spoil), max_size=2, unique_by=itemgetter(0)))
    has_odd_paths = may_spoil and one_in(draw, 10)
    paths = draw(st.sampled_from(PATHS)) if has_odd_paths else "\n".join(name for name, _, _ in files)
    pairs = [found for _, _, found in (given, *files)]
    is_known = None not in pairs and not has_odd_paths
    contents = {name: content for name, content, _ in files}
    return IdsCase(given[1], contents, paths, [pair for found in pairs for pair in found or ()] if is_known else None)
