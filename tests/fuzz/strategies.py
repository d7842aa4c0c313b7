"""What the fuzz feeds the gate: well-formed texts, inputs and answers by their grammar, and then what spoils them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import yaml
from hypothesis import strategies as st

from tests.chaos.faults import HEADER_TEXTS, KEY, RETRY_AFTERS, TEXTS
from tests.chaos.oracle import COMPLETED, FAILED, PENDING

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]
Pair: TypeAlias = tuple[str, str | None]
Change: TypeAlias = tuple[str, int, int, bytes]
"""What to do with bytes, where, with how many of them, and with which others."""

# As JSON and YAML may spell it.
ESCAPED_KEY = f"\\u{ord(KEY[0]):04x}{KEY[1:]}"
TOKENS = tuple(
    token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    for token in (
        *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xa8", b"\r", b"\x0c", b"\x1e"),
        *("[", "]", "{", "}", '"', "'", ",", ":", ": ", "\n", "\n\n", "\n  ", "\t", "- ", "\n- ", "#", " # ", "\\"),
        *("null", "NaN", "-0", "1e999", "9" * 5000, "-" + "1" * 50, "true", '""', "[]", "{}", "[[[]]]", '"\\ud800"'),
        *('"id":', '"jobIds":', '"jobs":', '"backgroundJobId":', '"statusCode":', '"documentId":', '"jobs":[],'),
        *("&a ", "*a", "*a ", "<<: *a\n", "!!str ", "!!binary ", "!!python/object/apply:os.abort []", "!<x> ", "? "),
        *("---\n", "\n...\n", "%YAML 9.9\n---\n", "%TAG ! x\n", "|\n", ">-\n", "jobIds: ", "a" * 201, "[" * 101),
        *("[" * 3000, "- " * 3000, '{"a":' * 3000, "{? " * 200, KEY, ESCAPED_KEY, f'["{ESCAPED_KEY}"]', *TEXTS),
    )
)
_LAUGHS = "\n".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" if n else "a0: &a0 [x, y]" for n in range(20))
ODD_DOCUMENTS = (
    *(f"{_LAUGHS}\njobIds: [*a19]", "&a [x, *a]", "a: &a {jobIds: [x]}\n<<: *a\n", "jobIds: &a [x]\njobs: *a\n"),
    *("jobs: [&j {id: x}, *j]", "!!set {x, y}", "? [a, b]\n: c\n", "- |\n  x\n  y\n", "a\n---\nb\n...\n--- [c]\n"),
    *('{"jobIds": ["a"], "jobIds": ["b"]}', '{"jobs": [{"id": "a", "id": 7}]}', '{"statusCode": 401}', '"\\ud800"'),
    *("[" * 100_000, '{"jobs":' * 50_000, "- " * 50_000, "[" * 100 + "]" * 100, "\ufeff\ufeff[]", '["\\u0000"]'),
)
CHANGES: dict[str, Callable[[bytes, bytes, bytes, bytes], bytes]] = {
    "insert": lambda before, piece, after, token: before + token + piece + after,
    "replace": lambda before, _, after, token: before + token + after,
    "cut": lambda before, _, __, ___: before,
    "repeat": lambda before, piece, after, _: before + piece * 4 + after,
    "turn": lambda before, piece, after, _: before + piece[::-1] + after,
    "flip": lambda before, piece, after, _: before + bytes(byte ^ 1 << len(piece) % 8 for byte in piece) + after,
    "double": lambda *parts: b"".join(parts[:3]) * 2,
    "wrap": lambda before, piece, after, _: b"[" * len(piece) + before + piece + after + b"]" * len(piece),
    "CRLF": lambda *parts: b"".join(parts[:3]).replace(b"\n", b"\r\n"),
    "UTF-16": lambda *parts: b"".join(parts[:3]).decode("utf-8", "replace").encode("utf-16"),
}

words = st.sampled_from(TEXTS) | st.text(max_size=8)
changes = st.lists(
    st.tuples(st.sampled_from(tuple(CHANGES)), st.integers(0, 2000), st.integers(0, 30), st.sampled_from(TOKENS)),
    max_size=3,
)


def changed(content: bytes, what: Sequence[Change]) -> bytes:
    """Spoil bytes."""
    for kind, where, length, token in what:
        start = where % (len(content) + 1)
        before, piece, after = content[:start], content[start : start + length], content[start + length :]
        content = CHANGES[kind](before, piece, after, token)
    return content


def mostly(draw: Draw, good: st.SearchStrategy[Any], bad: st.SearchStrategy[Any]) -> Any:  # noqa: ANN401 - whatever
    """Draw something good, or seldom something bad."""
    return draw(good if draw(st.integers(0, 9)) < 9 else bad)


# --- job IDs ---------------------------------------------------------------------------------------------------------

_PLAIN = st.characters(exclude_categories=("Cc", "Cs", "Z"), exclude_characters=',#[{"\ufeff', codec="utf-8")
plain_ids = (
    st.from_regex(r"[0-9a-f]{8}-[0-9a-f]{4}", fullmatch=True)
    | st.sampled_from(("012", "yes", "null", "~", "1e3", "0x1F", "2026-06-11", "<<", "=", "*a", "&a", "!x", "%41", "'"))
    | st.sampled_from(("---", "...", "é", "\u202e", "😀", "x" * 200, "a:b", "ID", "id", "İ", "ß", "::error::x"))
    | st.text(_PLAIN, min_size=1, max_size=6)
)
_ODD_IDS = (
    "a: b",
    "##[x]",
    "- a",
    " a ",
    "a #b",
    '"',
    "[]",
    "{}",
    "#",
    ",",
    "\ufeff",
    "a\u2028b",
    "| a |",
    "@octocat x",
)
any_ids = plain_ids | st.sampled_from(_ODD_IDS)
_SOURCES = (None, "doc-1", "", "| a |", "<img src=x>", "\r\n::error::x", "\x1b[31m", "@octocat")
jobs = st.builds(
    lambda name, job_id, source: (
        {name: job_id} | ({"documentId": source} if source is not None else {}),
        (job_id, source or None),
    ),
    st.sampled_from(("backgroundJobId", "id")),
    any_ids,
    st.sampled_from(_SOURCES),
)


@st.composite
def documents(draw: Draw, depth: int = 2) -> tuple[Any, list[Pair]]:
    """Make a document of an accepted shape, and what is in it."""
    match draw(st.sampled_from(("ids", "jobIds", "jobs", "backgroundJobId", "id", "list"))):
        case "list" if depth:
            parts = draw(st.lists(documents(depth=depth - 1), max_size=3))
            return [document for document, _ in parts], [pair for _, pairs in parts for pair in pairs]
        case "jobs":
            found = draw(st.lists(jobs, max_size=4))
            return {"jobs": [job for job, _ in found], "message": "x"}, [pair for _, pair in found]
        case "backgroundJobId":
            job, pair = draw(jobs)
            return {"backgroundJobId": pair[0], **{k: v for k, v in job.items() if k == "documentId"}}, [pair]
        case "id":
            job_id = draw(any_ids)
            return job_id, [(job_id, None)]
        case shape:
            ids = draw(st.lists(any_ids, max_size=4))
            return ({"jobIds": ids} if shape == "jobIds" else ids), [(job_id, None) for job_id in ids]


@dataclass(frozen=True)
class Source:
    """A text that holds job IDs."""

    name: str
    """Of the file; empty for the input itself."""
    content: bytes
    pairs: tuple[Pair, ...] | None
    """What must come back; None where it was spoiled."""

    @property
    def text(self) -> str:
        """It as an environment hands it over: without NUL, bytes that are no UTF-8 escaped."""
        return self.content.replace(b"\x00", b"").decode("utf-8", "surrogateescape")


def _plain_text(draw: Draw) -> tuple[str, list[Pair]]:
    ids = draw(st.lists(plain_ids, max_size=5))
    gaps = st.sampled_from(("\n", " ", ",", "\r\n", ", ", "\t", "\u3000", " # x, y\n", "\r", "\n# [z]\n\n"))
    return "".join(job_id + draw(gaps) for job_id in ids), [(job_id, None) for job_id in ids]


def _well_formed(draw: Draw, name: str) -> tuple[str, list[Pair]]:
    ending = name.rpartition(".")[2].lower()
    is_text = ending in {"", "ids", "txt"}
    if is_text and draw(st.booleans()):
        return _plain_text(draw)
    as_yaml = ending in {"yaml", "yml"}
    found = [draw(documents()) for _ in range(draw(st.integers(0, 3)) if ending in {"jsonl", "ndjson"} else 1)]
    pairs = [pair for _, pairs in found for pair in pairs]
    if as_yaml and draw(st.booleans()):
        is_flow = draw(st.booleans())
        return yaml.dump(found[0][0], Dumper=yaml.CSafeDumper, allow_unicode=is_flow, default_flow_style=is_flow), pairs
    if is_text and isinstance(found[0][0], str):
        found = [([found[0][0]], pairs)]
    # Half a character escaped on its own means nothing to YAML.
    is_ascii, indent = draw(st.booleans()) and not as_yaml, draw(st.sampled_from((None, 1)))
    is_lines = ending in {"jsonl", "ndjson"}
    lines = [json.dumps(doc, ensure_ascii=is_ascii, indent=None if is_lines else indent) for doc, _ in found]
    return draw(st.sampled_from(("\n", "\r\n", "\n\n"))).join(lines) + "\n", pairs


@st.composite
def sources(draw: Draw, *, is_file: bool, spoilt: bool = True) -> Source:
    """Make a text that holds job IDs, in the form that its name says."""
    names = ("ids", "ids.txt", "ids.json", "ids.JSON", "ids.jsonl", "ids.ndjson", "ids.yaml", "ids.YML")
    name = draw(st.sampled_from(names)) if is_file else ""
    text, pairs = _well_formed(draw, name)
    content = text.encode()
    if draw(st.integers(0, 3)) == 3:
        content = b"\xef\xbb\xbf" + content
    if not spoilt or draw(st.integers(0, 2)) == 0:
        return Source(name, content, tuple(pairs))
    if draw(st.integers(0, 9)) == 9:
        content = draw(st.sampled_from(ODD_DOCUMENTS)).encode()
    return Source(name, changed(content, draw(changes)), None)


PATHS = (
    *("", ".", "..", "*", "**", "**/*", "*.json*", "ids.*", "ids*\nids*", "[", "[!]", "ids[.]json", "?ds", "~", "***"),
    *(
        "/",
        "/dev/null",
        "/dev/zero",
        "/proc/self/mem",
        "/nowhere/.",
        "x" * 300,
        "x/" * 2000,
        "\udcff",
        "ids/x",
        "./ids",
    ),
    *("ids.json/..", "**ids", "a\tb", "-", "é", KEY, f"../{KEY}", "::error::x", "##[error]x", "<b>x</b>"),
)


@dataclass(frozen=True)
class IdsCase:
    """Job IDs, in the input and in files."""

    given: Source
    files: tuple[Source, ...]
    paths: str | None
    """`job-ids-file`; where it is None, the files' own names."""


@st.composite
def ids_cases(draw: Draw, *, spoilt: bool = True) -> IdsCase:
    """Make job IDs for a gate."""
    given = draw(sources(is_file=False, spoilt=spoilt)) if draw(st.booleans()) else Source("", b"", ())
    files = draw(st.lists(sources(is_file=True, spoilt=spoilt), max_size=2, unique_by=lambda source: source.name))
    paths = draw(st.sampled_from(PATHS)) if spoilt and draw(st.integers(0, 9)) == 9 else None
    return IdsCase(given, tuple(files), paths)


# --- inputs ----------------------------------------------------------------------------------------------------------

_NUMBERS = ("0", "1", "00", "1.5", ".5", "5.", "1_0", "1e3", "-1", "+1", "0x10", "٣", "²", "inf", "nan", "9" * 400)
_UNITS = ("", "s", "ms", "m", "h", "S", " s", "d", "s ", "µs", "\n", "\x85", "99999999h", "100000h", "h1ms", "\udcff")
_URLS = (
    ("https://", "http://", "HTTPS://", "ftp://", "https:", "https:/", "//", "", "file://", "https:///", "http:\\\\"),
    ("", "user@", "user:pass@", "user:p%40ss@", f"{KEY}@", "@", "a@b@", "::error::x@"),
    (
        *("localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1%1]"),
        *("api.example", "API.Example.", "a..b", "-a-", "x" * 64, "[::1", "[::1]x", "[v1.a]", "é.example", "*", "a b"),
        *("127.0.0.1.evil.example", "localhost.", "LOCALHOST", "a_b.example", ".", "%6cocalhost", "127.0.0.1%00", "0"),
    ),
    ("", "", ":443", ":0", ":65535", ":65536", ":", ":8a", ":-1", ":٣", ":08080", ":443:443"),
    ("", "/", "//", "/a/b/", "/..", "?x=1", "#x", "/;x", "/%0d%0a", "\t", " x", "\\@evil.example", "/@x", "\udcff"),
)
SWITCHES = ("fail-fast", "require-articles", "job-summary")
_WAITS = ("timeout", "stall-timeout", "not-found-grace", "outage-tolerance", "request-timeout")
DURATIONS = (*_WAITS, "poll-interval", "max-poll-interval")
_GOOD_INPUTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_WAITS, ("1s", "100ms", "0.5s", "2", "90s", "1h30m", "1.5s", "1s1s", "007s", "0.1", "100000h")),
    **dict.fromkeys(SWITCHES, ("true", "FALSE", "True")),
    "poll-interval": ("100ms", "0.1", "2s"),
    "max-poll-interval": ("2s", "1m", "100000h"),
    "batch-size": ("1", "7"),
    "if-no-jobs": ("error", "warn", "ignore"),
    "results-file": ("out/results.json", "r"),
    "api-url": ("https://api.example/x/", "http://127.0.0.1:8080"),
}
_RESULTS_FILES = ("..", "../x", "/etc/x", "/", ".", f"../{KEY}", "x" * 300, "ids/../r", "a\x01b", "\udcff", "é", "~")
_OTHERS = ("1", "0", "1000", "1001", "1_0", "\uff11", "007", "9" * 5000, "yes", "tRue", "Error", "''", "null", KEY)
_durations = st.builds("".join, st.lists(st.sampled_from((*_NUMBERS, *_UNITS)), min_size=1, max_size=5))
_GOOD_URLS = (("https://", "http://"), ("",), ("api.example", "127.0.0.1", "[::1]"), ("",), ("",))
_odd_parts = st.lists(st.sampled_from(range(len(_URLS))), max_size=2)
_urls = _odd_parts.flatmap(
    lambda odd: st.tuples(*(st.sampled_from((_URLS if n in odd else _GOOD_URLS)[n]) for n in range(len(_URLS))))
).map("".join)
_hostile = st.sampled_from((*_OTHERS, *(text.replace("\x00", "") for text in TEXTS))).map(
    lambda text: text.encode("utf-8", "replace").decode()
)


@st.composite
def environments(draw: Draw, *, most_hostile: int = 2) -> tuple[dict[str, str], frozenset[str]]:
    """Make an environment of inputs, and name those of them that may be wrong."""
    good = draw(st.lists(st.sampled_from(sorted(_GOOD_INPUTS)), max_size=4, unique=True))
    environ = {name: draw(st.sampled_from(_GOOD_INPUTS[name])) for name in good}
    names = st.sampled_from((*sorted(_GOOD_INPUTS), "api-url", "api-url", "nonsense"))
    hostile = draw(st.lists(names, max_size=most_hostile, unique=True))
    for name in hostile:
        own = {"api-url": _urls, "results-file": st.sampled_from(_RESULTS_FILES), "nonsense": _hostile}
        usual = own.get(name, _durations if name in DURATIONS else _hostile)
        environ[name] = mostly(draw, usual, _hostile) + draw(st.sampled_from(("", "", "", " ", "\n", "\t\n")))
    return environ, frozenset(hostile)


_ODD_KEYS = (f" {KEY}\n", "", f"{KEY}\n{KEY}", f"{KEY} x", f"é{KEY}", f"{KEY}\udcff", f"::{KEY}")
api_keys = st.sampled_from((*(KEY,) * 30, *_ODD_KEYS))

# --- answers ---------------------------------------------------------------------------------------------------------

_odd = st.sampled_from(
    (None, True, 0, 7, 10**400, 0.5, float("nan"), "", [], {}, ["DONE"], {"message": KEY}, {KEY: KEY})
)
_scalars = _odd | words
_times = st.sampled_from(("2026-06-11T12:00:05.000Z", "soon", None))
_NAMES = (*sorted(COMPLETED | FAILED | PENDING), "COMPLETED", "completed", " Done\n", "PAUSED", "", "Failed")
_reasons = words | words.map(lambda text: {"message": text})
_fields: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("error", "errorMessage", "message", "failureReason"), _reasons),
    "startedAt": _times,
    "completedAt": _times,
    "hcArticleId": st.sampled_from(("art-1", "art-2", None)),
    "id": st.sampled_from(("nobody's", "", 7, None, KEY)),
}


@st.composite
def rows(draw: Draw) -> Any:  # noqa: ANN401 - a row may be anything
    """Make a row without its ID; None is one that is left out."""
    if draw(st.integers(0, 19)) == 19:
        return draw(_scalars)
    names = draw(st.lists(st.sampled_from(("hcArticleId", "completedAt", "startedAt", *_fields)), max_size=3))
    row = {
        name: mostly(draw, _fields[name], _scalars) for name in names if name != "id" or draw(st.integers(0, 9)) == 9
    }
    return {"jobStatus": mostly(draw, st.sampled_from(_NAMES), _scalars), **row}


_dates = st.builds(
    " ".join,
    st.lists(
        st.sampled_from(("Wed,", "21", "Oct", "9999", "2015", "0000", "-1", "07:28:00", "23:59:60", "7.28", ":", "GMT"))
        | st.sampled_from(
            ("-0000", "+2359", "-9999", "+99999999999", "EST", ",", "Wed", "1" * 30, "Oct,", "٣", "-", "+")
        ),
        max_size=7,
    ),
)
_headers: dict[str, st.SearchStrategy[str]] = {
    "Retry-After": st.sampled_from([text for text, _ in RETRY_AFTERS]) | _dates,
    "Date": _dates | st.just("Wed, 21 Oct 2015 07:28:00 GMT"),
    **dict.fromkeys(
        ("Location", "X-Request-Id", "CF-Ray", "traceparent"), st.sampled_from((*HEADER_TEXTS, "\x85\xa0é"))
    ),
}


@dataclass(frozen=True)
class Reply:
    """An answer in the making: it becomes one for the jobs that are asked for."""

    status: int
    headers: tuple[tuple[str, str], ...]
    rows: tuple[Any, ...]
    """For each job in turn, and from the first one again."""
    document: Any
    """In place of the rows, where it is not None."""
    changes: tuple[Change, ...]
    seconds: float
    problem: str
    """Where nothing came."""

    def body(self, job_ids: Sequence[str]) -> bytes:
        """Make the answer's body."""
        count = max(len(job_ids), len(self.rows)) if job_ids and self.rows else 0
        found = [(job_ids[n % len(job_ids)], self.rows[n % len(self.rows)]) for n in range(count)]
        made = [{"id": job_id, **row} if isinstance(row, dict) else row for job_id, row in found if row is not None]
        document = {"jobs": made} if self.document is None else self.document
        return changed(json.dumps(document).encode(), self.changes)


@st.composite
def replies(draw: Draw) -> Reply:
    """Make an answer, mostly of the documented shape."""
    status = draw(st.sampled_from((*(200,) * 12, *(400, 404, 413, 408, 429, 500, 502, 503, 503, 401, 403, 302)))) or 200
    status = draw(st.integers(100, 999)) if draw(st.integers(0, 19)) == 19 else status
    document = None
    if status != 200:
        message = mostly(draw, words, st.lists(words, max_size=3) | _scalars)
        document = mostly(draw, st.just({"statusCode": status, "message": message}), _scalars)
    elif draw(st.integers(0, 19)) == 19:
        document = draw(_scalars | st.builds(lambda value: {"jobs": value}, _scalars))
    names = draw(st.lists(st.sampled_from(tuple(_headers)), max_size=2 + (status in {429, 503}), unique=True))
    return Reply(
        status,
        tuple((name, draw(_headers[name])) for name in names),
        tuple(draw(st.lists(rows(), min_size=1, max_size=4))) if document is None else (),
        document,
        tuple(draw(changes)) if draw(st.integers(0, 4)) == 4 else (),
        draw(st.sampled_from((0.1, 0.1, 2.0, 40.0))),
        "the connection failed (x)" if draw(st.integers(0, 19)) == 19 else "",
    )


@dataclass(frozen=True)
class AnswerCase:
    """An answer to a request."""

    job_ids: tuple[str, ...]
    reply: Reply


answer_cases = st.builds(
    AnswerCase, st.lists(any_ids, min_size=1, max_size=3, unique_by=str.lower).map(tuple), replies()
)


# --- whole runs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunCase:
    """A whole run of the gate."""

    ids: IdsCase
    environ: dict[str, str]
    replies: tuple[Reply, ...]
    """To each request the next one."""
    then: str
    """The status of all jobs when there are no more."""
    signal_at: float | None


@st.composite
def run_cases(draw: Draw) -> RunCase:
    """Make a whole run, its inputs mostly such that it asks the API."""
    environ, _ = draw(environments(most_hostile=1)) if draw(st.integers(0, 4)) == 4 else ({}, None)
    switches = draw(st.lists(st.sampled_from(("fail-fast", "require-articles")), max_size=1))
    usual = {"results-file": ("", "out/r.json"), "timeout": ("0", "5s", "30m")}
    ids = draw(ids_cases(spoilt=draw(st.integers(0, 4)) == 4))
    if not ids.given.content:  # mostly there should be something to ask for
        ids = replace(ids, given=Source("", b"job-1 job-2", (("job-1", None), ("job-2", None))))
    return RunCase(
        ids=ids,
        environ={
            **{name: draw(st.sampled_from(values)) for name, values in usual.items()},
            **dict.fromkeys(switches, "true"),
            **environ,
        },
        replies=tuple(draw(st.lists(replies(), max_size=5))),
        then=draw(st.sampled_from(("COMPLETED", "PENDING"))),
        signal_at=draw(st.sampled_from((0.05, 3.0))) if draw(st.integers(0, 19)) == 19 else None,
    )
