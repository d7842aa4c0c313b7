"""Inputs, responses and whole runs for the fuzz."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from fini_gate.client.failures import Failure
from tests.chaos.contract import COMPLETED, FAILED, PENDING
from tests.chaos.replies import HEADER_TEXTS, KEY, RETRY_AFTERS, TEXTS, Reply
from tests.chaos.start import SWITCHES

from .texts import Change, Draw, IdsCase, any_ids, changes, ids_cases, mostly, one_in, spoil, texts

# --- Inputs -----------------------------------------------------------------------------------------------------------

_NUMBERS = ("0", "1", "00", "1.5", ".5", "5.", "1_0", "1e3", "-1", "+1", "0x10", "٣", "²", "inf", "nan", "9" * 400)
_UNITS = ("", "s", "ms", "m", "h", "S", " s", "d", "s ", "µs", "\n", "\x85", "99999999h", "100000h", "h1ms", "\udcff")
_URL_PARTS = (
    ("https://", "http://", "HTTPS://", "ftp://", "https:", "https:/", "//", "", "file://", "https:///", "http:\\\\"),
    ("", "user@", "user:pass@", "user:p%40ss@", f"{KEY}@", "@", "a@b@", "::error::x@"),
    (
        *("api.example", "127.0.0.1", "[::1]", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"),
        *("[fe80::1%1]", "API.Example.", "a..b", "-a-", "x" * 64, "[::1", "[::1]x", "[v1.a]", "é.example", "*", "a b"),
        *("127.0.0.1.evil.example", "localhost.", "LOCALHOST", "a_b.example", ".", "%6cocalhost", "127.0.0.1%00", "0"),
    ),
    ("", "", ":443", ":0", ":65535", ":65536", ":", ":8a", ":-1", ":٣", ":08080", ":443:443"),
    ("", "/", "//", "/a/b/", "/..", "?x=1", "#x", "/;x", "/%0d%0a", "\t", " x", "\\@evil.example", "/@x", "\udcff"),
)
_WAITS = ("timeout", "stall-timeout", "not-found-grace", "outage-tolerance", "request-timeout")
# Where a run may write.
FILES = {
    "results-file": "out/r.json",
    "junit-file": "out/j.xml",
    "dotenv-file": "fini-gate.env",
    "summary-file": "s.md",
}
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
_OTHERS = ("1", "0", "1000", "1001", "1_0", "\uff11", "007", "9" * 5000, "yes", "tRue", "Error", "''", "null", KEY)
_RESULTS_FILES = ("..", "../x", "/etc/x", "/", ".", f"../{KEY}", "x" * 300, "ids/../r", "a\x01b", "\udcff", "é", "~")
_hostile = st.sampled_from((*_OTHERS, *(text.replace("\x00", "").replace("\ud800", "?") for text in TEXTS)))
# Few of the parts are odd: the first two of each are good, or nearly.
_urls = st.tuples(*(mostly(st.sampled_from(part[:2]), st.sampled_from(part)) for part in _URL_PARTS)).map("".join)
_durations = st.lists(st.sampled_from((*_NUMBERS, *_UNITS)), min_size=1, max_size=5).map("".join)
_own = dict.fromkeys(DURATIONS, _durations) | {"api-url": _urls, "results-file": st.sampled_from(_RESULTS_FILES)}
_spaces = st.sampled_from(("", "", " ", "\n"))
hostile_inputs = st.sampled_from((*_GOOD_INPUTS, "api-url", "api-url", "nonsense")).flatmap(
    lambda name: st.tuples(st.just(name), mostly(_own.get(name, _hostile), _hostile), _spaces)
)
good_values = {name: st.sampled_from(values) for name, values in _GOOD_INPUTS.items()}


@st.composite
def environments(draw: Draw, *, max_hostile: int = 2) -> tuple[dict[str, str], frozenset[str]]:
    """Make inputs, and name those of them that may be wrong."""
    hostile = draw(st.lists(hostile_inputs, max_size=max_hostile))
    environ = draw(st.fixed_dictionaries({}, optional=good_values)) | {
        name: value + space for name, value, space in hostile
    }
    return environ, frozenset(name for name, _, _ in hostile)


_ODD_KEYS = (f" {KEY}\n", "", f"{KEY}\n{KEY}", f"{KEY} x", f"é{KEY}", f"{KEY}\udcff", f"::{KEY}")
api_keys = mostly(st.just(KEY), st.sampled_from(_ODD_KEYS))

# --- Responses --------------------------------------------------------------------------------------------------------

_ODD: tuple[object, ...] = (
    None,
    True,
    0,
    7,
    10**400,
    0.5,
    float("nan"),
    "",
    [],
    {},
    ["DONE"],
    {"message": KEY},
    {KEY: KEY},
)
_scalars = st.sampled_from(_ODD) | texts
_STATUSES = (*COMPLETED, *FAILED, *PENDING, "COMPLETED", "completed", " Done\n", "PAUSED", "", "Failed")
_reasons = mostly(texts | texts.map(lambda text: {"message": text}), _scalars)
_times = mostly(st.sampled_from(("2026-06-11T12:00:05.000Z", "soon", None)), _scalars)
_rows = st.fixed_dictionaries(
    {"jobStatus": mostly(st.sampled_from(_STATUSES), _scalars)},
    optional={
        **dict.fromkeys(("startedAt", "completedAt"), _times),
        **dict.fromkeys(("error", "errorMessage", "message", "failureReason"), _reasons),
        "hcArticleId": mostly(st.sampled_from(("art-1", "art-2", None)), _scalars),
    },
)
_odd_ids = st.sampled_from(("x", "", 7, None, KEY))
_odd_rows = _scalars | st.fixed_dictionaries({"jobStatus": st.just("DONE"), "id": _odd_ids})
_DATE_PARTS = (
    *("Wed,", "21", "Oct", "9999", "2015", "0000", "-1", "07:28:00", "23:59:60", "7.28", ":", "GMT", "-0000", "+2359"),
    *("-9999", "+99999999999", "EST", ",", "Wed", "1" * 30, "Oct,", "٣", "-", "+"),
)
_dates = st.lists(st.sampled_from(_DATE_PARTS), max_size=7).map(" ".join)
_header_texts = st.sampled_from((*HEADER_TEXTS, "\x85\xa0é"))
_header_values = {
    **dict.fromkeys(("Location", "X-Request-Id", "CF-Ray", "traceparent"), _header_texts),
    "Retry-After": st.sampled_from([text for text, _ in RETRY_AFTERS]) | _dates,
    "Date": _dates | st.just("Wed, 21 Oct 2015 07:28:00 GMT"),
}
_headers = st.fixed_dictionaries({}, optional=_header_values)


@dataclass(frozen=True)
class ReplyCase:
    """A response in the making, for whatever jobs a request asks for."""

    status: int
    headers: dict[str, str]
    rows: tuple[Any, ...]  # for each job in turn, and from the first one again
    document: object = None  # in place of the rows, where it is not None
    change: Change | None = None
    seconds: float = 0.1
    problem: str = ""  # why no response arrives

    def reply(self, job_ids: Sequence[str], route: str = "status") -> Reply:
        """Make the response to a request."""
        count = max(len(job_ids), len(self.rows)) if job_ids and self.rows else 0
        found = [(job_ids[n % len(job_ids)], self.rows[n % len(self.rows)]) for n in range(count)]
        rows = [{"id": job_id, **row} if isinstance(row, dict) else row for job_id, row in found if row is not None]
        shaped = Reply(self.status, rows, route=route).document
        content = json.dumps(shaped if self.document is None else self.document).encode()
        failure = Failure(self.problem) if self.problem else None
        body = spoil(content, self.change) if self.change else content
        headers = dict(self.headers)
        return Reply(self.status, headers=headers, body=body, failure=failure, seconds=self.seconds, route=route)


@st.composite
def reply_cases(draw: Draw) -> ReplyCase:
    """Make a response, mostly of the documented shape."""
    errors = (400, 404, 413, 408, 429, 500, 502, 503, 503, 401, 403, 302)
    status = draw(mostly(st.just(200) | st.sampled_from(errors), st.integers(100, 999) | st.just(200)))
    document = None
    if status != 200:
        message = mostly(texts, st.lists(texts, max_size=3) | _scalars)
        document = draw(mostly(st.fixed_dictionaries({"statusCode": st.just(status), "message": message}), _scalars))
    elif one_in(draw, 20):
        document = draw(_scalars | st.fixed_dictionaries({"jobs": _scalars}))
    return ReplyCase(
        status,
        draw(_headers),
        tuple(draw(st.lists(mostly(_rows, _odd_rows), min_size=1, max_size=4))),
        document,
        draw(changes) if one_in(draw, 5) else None,
        draw(st.sampled_from((0.1, 0.1, 2.0, 40.0))),
        "the connection failed (x)" if one_in(draw, 20) else "",
    )


response_cases = st.tuples(st.lists(any_ids, min_size=1, max_size=3, unique_by=str.lower), reply_cases())

# --- Whole runs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunCase:
    """A whole run of the gate."""

    seed: int  # decides how it is started
    ids: IdsCase
    environ: dict[str, str]
    replies: list[ReplyCase]  # one for each request, as far as they go
    last_status: str  # of all jobs after that
    signal_at: float | None


@st.composite
def run_cases(draw: Draw) -> RunCase:
    """Make a whole run, its inputs mostly such that it polls."""
    environ, _ = draw(environments(max_hostile=1)) if one_in(draw, 5) else ({}, None)
    ids = draw(ids_cases(may_spoil=one_in(draw, 5)))
    if not ids.given:
        pairs = None if ids.pairs is None else [("job-1", None), ("job-2", None), *ids.pairs]
        ids = replace(ids, given=b"job-1 job-2", pairs=pairs)
    files, timeouts = st.lists(st.sampled_from(list(FILES.items()))).map(dict), st.sampled_from(("0", "5s", "30m"))
    switches = draw(st.sampled_from(({}, *({name: "true"} for name in SWITCHES[:3]))))
    return RunCase(
        seed=draw(st.integers(1, 1000)),
        ids=ids,
        environ=draw(files) | {"timeout": draw(timeouts)} | switches | environ,
        replies=draw(st.lists(reply_cases(), max_size=5)),
        last_status=draw(st.sampled_from(("COMPLETED", "PENDING"))),
        signal_at=draw(st.sampled_from((0.05, 3.0))) if one_in(draw, 20) else None,
    )
