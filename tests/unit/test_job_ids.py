import codecs
import json
import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from fini_gate.errors import UsageError
from fini_gate.inputs import Inputs
from fini_gate.job_ids import load as job_ids
from fini_gate.job_ids.load import JobIds, read_job_ids

Pair: TypeAlias = tuple[str, str | None]
Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

KEY = "fini_0123456789abcdef"
UUID = "4cfcf2cc-7a06-4de2-b460-5b991fe6236a"
DEEP = 100_000
FILE_NAMES = ("ids.txt", "ids", "ids.json", "ids.JSON", "ids.jsonl", "ids.ndjson", "ids.yaml", "IDS.YML")
JSON_NAMES = ("job-ids", "ids.json", "ids.JSON", "ids.txt", "ids")
TEXT_NAMES = ("job-ids", "ids.txt", "ids", "ids.csv")


class ReadIds(Protocol):
    """Reads job IDs from the input and from files."""

    def __call__(self, text: str = "", files: Mapping[str, bytes | str] | None = None, *, paths: str = "") -> JobIds:
        """Write the files into the workspace and read, the files by their names or else by `paths`."""


def _reader(workspace: Path) -> ReadIds:
    def read(text: str = "", files: Mapping[str, bytes | str] | None = None, *, paths: str = "") -> JobIds:
        for name, content in (files or {}).items():
            path = workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        given_inputs = {"API-KEY": KEY, "JOB-IDS": text, "JOB-IDS-FILE": paths or "\n".join(files or ())}
        environ = {f"INPUT_{name}": value for name, value in given_inputs.items()}
        return read_job_ids(Inputs.from_environ({**environ, "GITHUB_WORKSPACE": str(workspace)}))

    return read


@pytest.fixture
def read_ids(tmp_path: Path) -> ReadIds:
    """Read job IDs in a workspace of the test's own."""
    return _reader(tmp_path)


@pytest.fixture(scope="module")
def read_ids_again_and_again(tmp_path_factory: pytest.TempPathFactory) -> ReadIds:
    """Read job IDs in a workspace that many examples share."""
    return _reader(tmp_path_factory.mktemp("workspace"))


# --- What is accepted


@pytest.mark.parametrize(
    "text",
    [
        *("a b c", "a,b,c", "a\nb\nc", "a\r\nb\rc", "a, b,\n\t c", ",a,,b , c,", "a\u00a0b\u3000c", "a\x0bb\x0cc"),
        *("# first\na # b\nb c#", "a b\n  # x\nc", "#a\n#\n\na\tb #c #d\nc"),
    ],
)
def test_text__is_ids_between_separators_and_comments(read_ids: ReadIds, text: str) -> None:
    """IDs stand between white space or commas; `#` at a line's start or after white space starts a comment."""
    expected = ["a", "b", "c#" if "c#" in text else "c"]
    assert list(read_ids(text)) == list(read_ids(files={"ids.txt": text})) == expected


@pytest.mark.parametrize("text", ["", " \n", ",", "# nothing yet", "[]", '{"jobIds": []}', '{"jobs": []}', "[[], []]"])
def test_text__may_hold_no_ids(read_ids: ReadIds, text: str) -> None:
    """No IDs in the input or a file is no error here."""
    assert read_ids(text, {"ids.txt": text}) == {}


@pytest.mark.parametrize("name", ["ids.yaml", "ids.jsonl"])
def test_file__may_be_empty(read_ids: ReadIds, name: str) -> None:
    """A YAML or JSON Lines file without a value holds no IDs."""
    assert read_ids(files={name: "\n"}) == {}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("a", {"a": None}),
        (["a", "b c", "d,e"], {"a": None, "b c": None, "d,e": None}),
        ({"jobIds": ["a", "b"]}, {"a": None, "b": None}),
        ({"backgroundJobId": UUID}, {UUID: None}),
        ({"backgroundJobId": "a", "documentId": "doc"}, {"a": "doc"}),
        (
            {"jobs": [{"documentId": "d1", "backgroundJobId": "a"}, {"documentId": "d2", "backgroundJobId": "b"}]},
            {"a": "d1", "b": "d2"},
        ),
        ({"jobs": [{"id": "a", "jobStatus": "COMPLETED", "hcArticleId": None}, {"id": "b"}]}, {"a": None, "b": None}),
        ({"jobs": [{"id": "row", "backgroundJobId": "a"}]}, {"a": None}),
        (
            {"jobs": [{"id": "a"}], "jobIds": ["b"], "backgroundJobId": "c", "more": 5},
            {"b": None, "c": None, "a": None},
        ),
        (["a", ["b", [{"jobIds": ["c"]}]], {"jobs": [{"id": "d"}]}], {"a": None, "b": None, "c": None, "d": None}),
        ([{"backgroundJobId": "a"}, {"backgroundJobId": "b"}], {"a": None, "b": None}),
        ({"backgroundJobId": "a", "documentId": ""}, {"a": None}),
    ],
)
@pytest.mark.parametrize("name", ["job-ids", "ids.json", "ids.jsonl", "ids.yaml"])
def test_document__of_every_shape_is_read(read_ids: ReadIds, name: str, document: object, expected: JobIds) -> None:
    """Each accepted shape gives its IDs in order, and the documents that it names."""
    text = json.dumps(document)
    found = read_ids(text) if name == "job-ids" else read_ids(files={name: text})
    assert list(found.items()) == list(expected.items())


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("012", ["012"]),
        ("- 012\n- 1e3\n- 0x1F\n- 1_000\n- 12:30:45", ["012", "1e3", "0x1F", "1_000", "12:30:45"]),
        ("- yes\n- No\n- null\n- ~\n- true\n- 2026-06-11", ["yes", "No", "null", "~", "true", "2026-06-11"]),
        ("- !!int 7\n- !!python/name:os.system x\n- !mine b", ["7", "x", "b"]),
        ("jobIds: # all\n  - 'a'\n  - \"b\"\n", ["a", "b"]),
        ("backgroundJobId: 007", ["007"]),
        ("jobs:\n- {id: 1}\n- backgroundJobId: 2", ["1", "2"]),
        ("a\n---\n- b\n--- {jobIds: [c]}\n...\n", ["a", "b", "c"]),
        ("- &x [a, b]\n- *x\n- c", ["a", "b", "c"]),
        ("- &x a\n- *x", ["a"]),
    ],
)
def test_yaml__scalars_are_text_as_written(read_ids: ReadIds, text: str, ids: list[str]) -> None:
    """YAML is read without types, in one document or several, aliases followed."""
    assert list(read_ids(files={"ids.yaml": text})) == ids


@pytest.mark.parametrize("text", ['["a"]', '\ufeff["a"]', '\ufeff \n["a"]', ' {"jobIds": ["a"]}', '"a"'])
def test_input__is_json_where_it_starts_so(read_ids: ReadIds, text: str) -> None:
    """The input is JSON where it starts with a bracket, a brace or a quote, after a byte-order mark too."""
    assert list(read_ids(text)) == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "ids"),
    [
        ("ids.txt", b'\xef\xbb\xbf ["a"]', ["a"]),
        ("ids", b'\n{"jobIds":\r\n["a"]}', ["a"]),
        ("ids.txt", b'"a"', ['"a"']),
        ("ids.json", b'"a"', ["a"]),
        ("ids.log", b"# no [json]\na", ["a"]),
        ("ids.txt", b"\xef\xbb\xbfa", ["a"]),
        ("ids.yaml", b"\xef\xbb\xbf- a\r\n- b\r\n", ["a", "b"]),
        ("ids.jsonl", b'\xef\xbb\xbf"a"\r\n\r\n["b"]\n', ["a", "b"]),
        ("ids.ndjson", '"a\u2028b"\n"c"'.encode(), ["a\u2028b", "c"]),
    ],
)
def test_file__is_read_by_its_name_and_start(read_ids: ReadIds, name: str, content: bytes, ids: list[str]) -> None:
    """A file is what its ending says, or JSON where its text starts with a bracket or brace, else plain text."""
    assert list(read_ids(files={name: content})) == ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["Ab", "c", "aB", "AB", "C"]', {"Ab": None, "c": None}),
        ('[{"jobIds": ["A"]}, {"backgroundJobId": "a", "documentId": "late"}]', {"A": "late"}),
        (
            '[{"backgroundJobId": "a", "documentId": "first"}, {"backgroundJobId": "A", "documentId": "second"}]',
            {"a": "first"},
        ),
        ('[{"backgroundJobId": "a", "documentId": "first"}, "a"]', {"a": "first"}),
        ('["ß", "ss", "SS"]', {"ß": None, "ss": None}),
    ],
)
def test_ids__given_twice_count_once(read_ids: ReadIds, text: str, expected: JobIds) -> None:
    """The first appearance sets the order and the letters; a document given later fills in, and replaces nothing."""
    assert read_ids(text) == expected


def test_ids__of_input_and_files_add_up_in_order(read_ids: ReadIds) -> None:
    """First comes the input, then the files as given, the matches of a glob sorted."""
    files = {"z.txt": "z b", "out/2.txt": "two", "out/1.txt": "one", "out/deep/3.txt": "three", "a.txt": "a"}
    assert list(read_ids("b", files, paths="z.txt\nout/**/*.txt\na.txt")) == ["b", "z", "one", "two", "three", "a"]


# --- Any list of IDs, in any accepted form, comes back the same

# Both cases of few letters, so that repetitions are many; marks of every format; what JSON and YAML have to quote.
_TEXT_ID_CHARACTERS = "aAbBzéÉ09-_.:/~'\"[]{}#&*!|>%@`?=…界😀\u202e"
_text_ids = st.text(_TEXT_ID_CHARACTERS, min_size=1, max_size=8).filter(lambda job_id: job_id[0] not in '#[{"')
_ids = st.text(f"{_TEXT_ID_CHARACTERS} ,\\", min_size=1, max_size=8).filter(str.strip) | st.sampled_from(
    ["null", "~", "yes", "012", "1e3", "---", "- a", "a: b", "jobIds", "x" * 200, "<<", "=", " a "]
)
_separators = st.sampled_from(["\n", ",", " ", "\t", ", ", "\n\n", " # b, [c]\n", "\n#\n", "\u00a0", "\n \n,\n"])
_document_ids = st.none() | st.sampled_from(["doc-1", "doc-2", "D:3 #x"])


def _unique(pairs: list[Pair]) -> list[Pair]:
    """What is to come back: each ID as first given, with the first document that was named for it."""
    spellings = [job_id.lower() for job_id, _ in pairs]
    return [
        (job_id, next((doc for key, (_, doc) in zip(spellings, pairs, strict=True) if key == spelling and doc), None))
        for index, ((job_id, _), spelling) in enumerate(zip(pairs, spellings, strict=True))
        if spelling not in spellings[:index]
    ]


@st.composite
def _trees(draw: Draw) -> tuple[list[object], list[Pair]]:
    """Documents of accepted shapes, nested or not, and the pairs that they hold."""
    tree: list[object] = []
    pairs: list[Pair] = []
    for _ in range(draw(st.integers(0, 5))):
        shape = draw(st.sampled_from(["id", "jobIds", "generate", "bulk", "status", "nested"]))
        if shape == "nested":
            inner, inner_pairs = draw(_trees())
            tree.append(inner)
            pairs += inner_pairs
            continue
        has_one = shape in {"id", "generate"}
        ids = draw(st.lists(_ids, min_size=int(has_one), max_size=1 if has_one else 4))
        documents = [draw(_document_ids) if shape in {"generate", "bulk"} else None for _ in ids]
        saved = [{"backgroundJobId": job_id, "documentId": doc} for job_id, doc in zip(ids, documents, strict=True)]
        if draw(st.booleans()):
            saved = [{key: value for key, value in job.items() if value is not None} for job in saved]
        tree.append(
            {
                "id": ids[0] if has_one else None,
                "jobIds": {"jobIds": ids},
                "generate": saved[0] if has_one else None,
                "bulk": {"jobs": saved},
                "status": {"jobs": [{"id": job_id, "jobStatus": "PENDING", "hcArticleId": None} for job_id in ids]},
            }[shape]
        )
        pairs += zip(ids, documents, strict=True)
    return tree, pairs


def _without_nulls(value: object) -> object:
    """The same without fields that are null, which YAML without types would read as text."""
    match value:
        case list():
            return [_without_nulls(item) for item in value]
        case dict():
            return {key: _without_nulls(item) for key, item in value.items() if item is not None}
        case _:
            return value


@st.composite
def _renderings(draw: Draw) -> tuple[str, str, list[Pair]]:
    """Where a list of IDs stands, its text, and the pairs that it holds."""
    form = draw(st.sampled_from(["text", "json", "json lines", "yaml", "yaml documents"]))
    if form == "text":
        ids = draw(st.lists(_text_ids, max_size=12))
        before, after = draw(st.sampled_from(["", "\n", "# [a]\n", ","])), draw(st.sampled_from(["", "\n", " # a"]))
        text = "".join(part for job_id in ids for part in (job_id, draw(_separators)))
        return draw(st.sampled_from(TEXT_NAMES)), f"{before}{text}{after}", [(job_id, None) for job_id in ids]
    tree, pairs = draw(_trees())
    if form in {"yaml", "yaml documents"}:
        documents = [_without_nulls(item) for item in (tree if form == "yaml documents" else [tree])]
        text = yaml.safe_dump_all(
            documents,
            allow_unicode=draw(st.booleans()),
            default_flow_style=draw(st.booleans()),
            explicit_start=True,
        )
        return draw(st.sampled_from(["ids.yaml", "IDS.YML"])), text, pairs
    ensure_ascii = draw(st.booleans())
    if form == "json lines":
        lines = [json.dumps(item, ensure_ascii=ensure_ascii) for item in tree]
        return (
            draw(st.sampled_from(["ids.jsonl", "ids.NDJSON"])),
            draw(st.sampled_from(["\n", "\n\n"])).join(lines),
            pairs,
        )
    document = tree[0] if len(tree) == 1 and not isinstance(tree[0], str) else tree
    indent = draw(st.sampled_from([None, 2, "\t"]))
    return draw(st.sampled_from(JSON_NAMES)), json.dumps(document, ensure_ascii=ensure_ascii, indent=indent), pairs


@given(rendering=_renderings(), has_mark=st.booleans(), has_crlf=st.booleans())
def test_ids__come_back_the_same_from_any_form(
    read_ids_again_and_again: ReadIds, rendering: tuple[str, str, list[Pair]], *, has_mark: bool, has_crlf: bool
) -> None:
    """Any list of IDs in any accepted form, with any line ends and a byte-order mark or none, comes back in order."""
    name, text, pairs = rendering
    text = "\ufeff" * has_mark + (text.replace("\n", "\r\n") if has_crlf else text)
    found = read_ids_again_and_again(text) if name == "job-ids" else read_ids_again_and_again(files={name: text})
    assert list(found.items()) == _unique(pairs)


# --- What is refused


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ('["a",\n ""]', "line 2, at [1]", ": a job ID is empty."),
        ('[" \\t"]', "line 1, at [0]", ": a job ID is empty."),
        ("a\nb\n" + "x" * 201, "line 3", "is longer than 200 characters"),
        (json.dumps({"jobIds": ["x" * 201]}), "line 1, at jobIds[0]", "is longer than 200 characters"),
        ("a\r\nb\x00", "line 2", r"job ID 'b\x00' holds a control character"),
        ("a\rb\x1b[0m", "line 2", "holds a control character"),
        ("a\x85b", "line 1", "holds a control character"),
        ('["a\\nb"]', "line 1, at [0]", r"job ID 'a\nb' holds a control character"),
        ("a \udcff", "line 1", r"job ID '\udcff' holds a control character"),
        ("[1]", "line 1, at [0]", "found a number; expected an ID, a list of IDs"),
        ("[1.5]", "line 1, at [0]", "found a number"),
        ("[null]", "line 1, at [0]", "found null"),
        ("[true, false]", "line 1, at [0]", "found true"),
        ("[[false]]", "line 1, at [0][0]", "found false"),
        ("{}", "line 1", "found an empty object"),
        ('{"ids": ["a"], "x": 1}', "line 1", "found an object with 'ids, x'"),
        ('{"jobIds": "a"}', "line 1, at jobIds", "found text; expected a list"),
        ('{"jobIds": null}', "line 1, at jobIds", "found null; expected a list"),
        ('{"jobIds": [["a"]]}', "line 1, at jobIds[0]", "found a list; a job ID must be text, in quotes"),
        ('{"jobIds": [12]}', "line 1, at jobIds[0]", "found a number; a job ID must be text, in quotes"),
        ('{"backgroundJobId": null}', "line 1, at backgroundJobId", "found null"),
        ('{"backgroundJobId":\n""}', "line 2, at backgroundJobId", ": a job ID is empty."),
        ('{"jobs": {"id": "a"}}', "line 1, at jobs", "found an object with 'id'; expected a list"),
        ('{"jobs": ["a"]}', "line 1, at jobs[0]", "expected an object with a backgroundJobId or an id"),
        ('[{"jobs": [\n{"id": "a"},\n{"x": 1}]}]', "line 3, at [0].jobs[1]", "found an object with 'x'; expected"),
        ('{"jobs": [{"id": 5}]}', "line 1, at jobs[0].id", "found a number"),
        ('{"x":1,\n"jobs":[{"id":5}]}', "line 2, at jobs[0].id", "found a number"),
        (
            '{"statusCode": 401, "message": "no"}',
            "line 1",
            (
                ": this is an error answer of the API, not job IDs: the step that queued the jobs failed (let it use"
                " curl --fail-with-body)."
            ),
        ),
        ('["a"', "line 1", "no valid JSON"),
        ('["a"]\nb', "line 2", "it must be one JSON value"),
        ('["a",\n"b"\n"c"]', "line 3", "no valid JSON"),
    ],
)
def test_input__is_refused_with_its_place(read_ids: ReadIds, text: str, place: str, problem: str) -> None:
    """What is no list of job IDs is an error that says what was found, and where."""
    with pytest.raises(UsageError) as refusal:
        read_ids(text)
    assert str(refusal.value).startswith(f"Input job-ids, {place}: ")
    assert problem in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "content", "line", "problem"),
    [
        ("ids.txt", b"a\n\nb\x00c", 3, r"job ID 'b\x00c' holds a control character"),
        ("ids.txt", b"a\nb\xff", 2, ": byte 0xff is not UTF-8: store the file as UTF-8."),
        ("ids.txt", b"a\n\nb\xe2\n\nc", 3, ": byte 0xe2 is not UTF-8: store the file as UTF-8."),
        ("ids.txt", b"\na\n\xff", 3, ": byte 0xff is not UTF-8: store the file as UTF-8."),
        ("ids.txt", codecs.BOM_UTF8 + b"a\n\xe9t\xe9", 2, ": byte 0xe9 is not UTF-8: store the file as UTF-8."),
        ("ids.txt", "a\nb".encode("utf-16"), 1, ": byte 0xff is not UTF-8: store the file as UTF-8."),
        ("ids.yaml", b"- a\n- \xed\xa0\x80", 2, ": byte 0xed is not UTF-8: store the file as UTF-8."),
        ("ids.json", b"", 1, "no valid JSON"),
        ("ids.json", b'["a",\r\n5]', 2, "found a number"),
        ("ids.json", '["a\u2028b",\n5]'.encode(), 2, "found a number"),
        ("ids.json", b'["a",\n"\\u0000"]', 2, "holds a control character"),
        ("ids.json", b'["a",\n' + b"1" * 5000 + b"]", 2, "number"),
        ("ids.json", b'"a"\n"b"', 2, "it must be one JSON value"),
        ("ids.json", b'["a",\n"\\ud800"]', 2, "holds a control character"),
        ("ids.json", b' {"x": {"y": "]},"},\n"jobs" :\n[ {"id": "a"} , {"id":\n5 } ] }', 4, "found a number"),
        ("ids.json", b'{"jobIds": [1],\n"jobIds": ["a",\n2]}', 3, "found a number"),
        ("ids.json", b"\n[[], {}, [],\n{}]", 2, "found an empty object"),
        ("ids.jsonl", b'"a"\n\n{"x": 1}', 3, "found an object with 'x'"),
        ("ids.jsonl", b'"a"\n["b", {"jobIds": [5]}]', 2, ", at [1].jobIds[0]: found a number"),
        ("ids.jsonl", b'"a"\r\nb', 2, "no valid JSON"),
        ("ids.jsonl", b'"a"\n["b",\n"c"]', 2, "each line must be one JSON value"),
        ("ids.jsonl", b'"a"\n' + b"[" * DEEP, 2, "nested too deeply"),
        ("ids.jsonl", b'"a"\n' + b"1" * 5000, 2, "number"),
        ("ids.yaml", b"- a\n-\n", 2, ": a job ID is empty."),
        ("ids.yaml", b"- a\n- b: c\n", 2, "found an object with 'b'"),
        ("ids.yaml", b"\n- a\n- b: c\n", 3, "found an object with 'b'"),
        ("ids.yaml", b"jobs:\n- id: a\n- id:\n  - b\n", 4, ", at jobs[1].id: found a list; a job ID must be text"),
        ("ids.yaml", b"jobIds: [a]\njobs: [{id: b}]\njobIds: ['']\n", 3, ": a job ID is empty."),
        ("ids.yaml", b"a\n---\n- b\n- {}\n", 4, "found an empty object"),
        ("ids.yaml", b"- {}\n---\n- *b\n", 1, "found an empty object"),
        ("ids.yaml", b"- a\n- b: c: d\n", 2, "no valid YAML (mapping values are not allowed"),
        ("ids.yaml", b"- a\n- *b\n", 2, "no valid YAML (found undefined alias)"),
        ("ids.yaml", b"- a\n- ? [b]\n  : c\n", 2, "no valid YAML"),
        ("ids.yaml", b"&a [b, *a]\n", 1, "no valid YAML"),
        ("ids.yaml", b"- a\n- b\x00\n", 2, "control characters are not allowed"),
        ("ids.yaml", ("- " + "é" * 9 + "\n- b\x00" + "\n- c" * 9).encode(), 2, "control characters are not allowed"),
        ("ids.yaml", b'- a\n- "b\\x07"\n', 2, "holds a control character"),
    ],
)
def test_file__is_refused_with_its_line(read_ids: ReadIds, name: str, content: bytes, line: int, problem: str) -> None:
    """An error in a file names the file, the one line that it is on, and what is wrong there."""
    with pytest.raises(UsageError) as refusal:
        read_ids(files={f"out/{name}": content})
    text = str(refusal.value)
    assert text.startswith(f"File 'out/{name}' of job-ids-file, line {line}")
    assert text.count("line ") == 1 + text.count("each line ")
    assert problem in text


@pytest.mark.parametrize("close", [b"", b"]" * DEEP])
@pytest.mark.parametrize("name", ["ids.json", "ids.txt", "ids.jsonl", "ids.yaml"])
def test_file__nested_without_end_is_refused(read_ids: ReadIds, name: str, close: bytes) -> None:
    """Lists in lists in lists are an error, and end neither the process nor in a traceback."""
    with pytest.raises(UsageError, match=f"File '{name}' of job-ids-file.*: nested too deeply"):
        read_ids(files={name: b"[" * DEEP + close})


def test_json__of_lists_without_number_is_refused(read_ids: ReadIds) -> None:
    """Millions of empty lists hold no job ID, and would fill the memory."""
    with pytest.raises(UsageError, match="holds more than 2000000 lists and objects; hand over the job IDs alone"):
        read_ids(files={"ids.json": b"[" + b"[]," * 2_000_000 + b'"a"]'})


def test_json__has_a_most_number_of_lists_and_objects(read_ids: ReadIds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document of as many lists and objects as may be is read, and one with one more is an error."""
    monkeypatch.setattr(job_ids, "MAX_CONTAINERS", 5)
    assert read_ids('[{"jobIds": ["a"]}, {"jobIds": ["b"]}]') == {"a": None, "b": None}
    with pytest.raises(UsageError, match="Input job-ids: it holds more than 5 lists and objects"):
        read_ids('[{"jobIds": ["a"]}, {"jobIds": ["b"]}, []]')


@pytest.mark.parametrize("name", ["ids.json", "ids.jsonl", "ids.yaml"])
def test_file__may_be_nested_a_hundred_levels_deep(read_ids: ReadIds, name: str) -> None:
    """An ID in a hundred lists is read, and in one more it is an error that shows where they begin, and no more."""
    assert read_ids(files={name: "[" * 100 + '"a"' + "]" * 100}) == {"a": None}
    with pytest.raises(UsageError) as refusal:
        read_ids(files={name: "[" * 101 + '"a"' + "]" * 101})
    place = {"ids.json": ", line 1, at [0]", "ids.jsonl": ", line 1, at [0]", "ids.yaml": ""}[name]
    assert str(refusal.value) == f"File '{name}' of job-ids-file{place}: nested too deeply."


@pytest.mark.parametrize("kind", ["object/apply:os.mkdir", "object/new:os.mkdir", "name:os.mkdir", "module:os", "str"])
def test_yaml__tags_make_no_objects(read_ids: ReadIds, tmp_path: Path, kind: str) -> None:
    """Whatever a tag asks for, what comes of it is text and lists, and nothing is called."""
    made = tmp_path / "made"
    assert read_ids(files={"ids.yaml": f"- !!python/{kind} [{made}]\n- !!python/{kind} a"}) == {
        str(made): None,
        "a": None,
    }
    assert not made.exists()


def test_yaml__aliases_do_not_multiply(read_ids: ReadIds) -> None:
    """A few lines that stand for billions of IDs are read at once, each list of them counted once."""
    levels = "".join(f"- &x{level} [{', '.join([f'*x{level - 1}'] * 10)}]\n" for level in range(1, 40))
    assert read_ids(files={"ids.yaml": f"- &x0 [a, b]\n{levels}"}) == {"a": None, "b": None}


def test_yaml__aliases_nested_without_end_are_refused(read_ids: ReadIds) -> None:
    """A chain of aliases that makes a nest of thousands of lists is an error too."""
    chain = "".join(f", &x{level} [*x{level - 1}]" for level in range(1, 5000))
    with pytest.raises(UsageError, match=r"File 'ids.yaml' of job-ids-file.*: nested too deeply"):
        read_ids(files={"ids.yaml": f"- {{backgroundJobId: a, more: [&x0 [b]{chain}]}}\n- *x4999\n"})


def test_error__never_shows_the_key_however_it_is_spelled(read_ids: ReadIds) -> None:
    """An error that quotes what it found does not hold the key that a text spells with an escape."""
    with pytest.raises(UsageError, match=r"found an object with '\*\*\*x'"):
        read_ids(f'{{"\\u{ord(KEY[0]):04x}{KEY[1:]}x": []}}')


def test_paths__of_hundreds_of_folders_are_refused(read_ids: ReadIds) -> None:
    """A path deeper than any is no path."""
    with pytest.raises(UsageError, match=r"^Input job-ids-file names 'x/"):
        read_ids(paths="x/" * 300)


@pytest.mark.parametrize(
    ("text", "files", "place"),
    [
        (KEY, {}, "Input job-ids"),
        (f"a\n{KEY}", {}, "Input job-ids"),
        (f'["{KEY}"]', {}, "Input job-ids"),
        ("", {"ids.txt": KEY}, "File 'ids.txt' of job-ids-file"),
        ("", {".env": f"FINI_API_KEY={KEY}"}, "File '.env' of job-ids-file"),
        ("", {"a.txt": "a", f"out/{KEY}.txt": "b"}, "Input job-ids-file"),
        (f'["Bearer {KEY}"]', {}, "Input job-ids"),
        (f"{KEY}{'x' * 200}", {}, "Input job-ids"),
        (f'["\\u{ord(KEY[0]):04x}{KEY[1:]}"]', {}, "Input job-ids"),
        (
            "",
            {"a.json": f'{{"jobs": [{{"id": "a", "documentId": "\\u{ord(KEY[0]):04x}{KEY[1:]}"}}]}}'},
            "File 'a.json' of job-ids-file",
        ),
    ],
)
def test_ids__that_hold_the_key_are_refused_unseen(
    read_ids: ReadIds, text: str, files: dict[str, str], place: str
) -> None:
    """The API key among the job IDs is an error that says where, and does not show it: nothing may come to hold it."""
    with pytest.raises(UsageError) as refusal:
        read_ids(text, files)
    assert str(refusal.value) == (
        f"{place}: the API key stands in there, where job IDs should; hand it over as api-key alone."
    )


@pytest.mark.parametrize("count", [3, 4])
def test_ids__have_a_limit(read_ids: ReadIds, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """More different IDs than one gate can take are an error that names the source and the limit."""
    monkeypatch.setattr(job_ids, "MAX_JOBS", 3)
    ids = " ".join(f"job-{number}" for number in range(count))
    if count == 3:
        assert len(read_ids(f"{ids} JOB-1", {"ids.txt": ids})) == 3
    else:
        with pytest.raises(UsageError, match=r"File 'ids.txt' of job-ids-file: .* more than 3 job IDs"):
            read_ids("job-0", {"ids.txt": ids})


_JSON_PIECES = st.sampled_from(
    ['"a"', "[", "]", "{", "}", ",", ":", "\n", " ", "1", "null", '"jobs"', '"jobIds"', '"backgroundJobId"', '"id"']
)
_YAML_PIECES = st.sampled_from(
    ["- ", "a", ": ", "\n", "  ", "&a ", "*a", "!!x ", "? ", "--- ", "| ", '"', "%", "{", "]"]
)


@given(
    name=st.sampled_from(FILE_NAMES),
    content=st.binary()
    | st.text().map(str.encode)
    | st.lists(_JSON_PIECES).map(lambda pieces: "".join(pieces).encode())
    | st.lists(_YAML_PIECES).map(lambda pieces: "".join(pieces).encode()),
)
@example(name="ids.yaml", content=b"%YAML 9.9\n--- a")
@example(name="ids.yaml", content=b"- !!binary x\n- !!set {a, b}")
@example(name="ids.json", content=b'{"jobs": [], "jobs": [{"id": 5}]}')
def test_file__of_any_bytes_is_ids_or_refused(read_ids_again_and_again: ReadIds, name: str, content: bytes) -> None:
    """Whatever a file holds, it gives proper IDs or an error that names the file."""
    try:
        found = read_ids_again_and_again(files={name: content})
    except UsageError as refusal:
        assert str(refusal).startswith(f"File '{name}' of job-ids-file")  # noqa: PT017 - both ends are fine
    else:
        assert all(job_id.strip() and len(job_id) <= 200 for job_id in found)
        assert not any(unicodedata.category(character) == "Cc" for job_id in found for character in job_id)


@pytest.mark.parametrize("first", ["&ids [{}]", "jobIds: &ids [{}]"])
def test_yaml__with_many_aliases_of_a_list_is_read_once(read_ids: ReadIds, first: str) -> None:
    """A list that thousands of objects name is walked once, not thousands of times, wherever it was met first."""
    items = ", ".join(f"id-{number}" for number in range(20_000))
    text = f"- {first.format(items)}\n" + "- {jobIds: *ids}\n" * 20_000
    assert len(read_ids(files={"ids.yaml": text}, paths="ids.yaml")) == 20_000


# --- Paths and globs


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("top.txt", ["top"]),
        ("out/one.txt", ["one"]),
        ("./out/../top.txt", ["top"]),
        ("*.txt", ["top"]),
        ("*/*.txt", ["one", "two"]),
        ("out/*", ["one", "two"]),
        ("out/t?o.txt", ["two"]),
        ("out/[on-t]*.txt", ["one", "two"]),
        ("**/*.txt", ["one", "deep", "two", "top"]),
        ("out/**", ["one", "deep", "two"]),
        ("out/**/*.txt", ["one", "deep", "two"]),
        ("a [1].txt", ["brackets"]),
        ("{workspace}/top.txt", ["top"]),
        ("{workspace}/out/*.txt", ["one", "two"]),
    ],
)
def test_paths__stand_for_files(read_ids: ReadIds, tmp_path: Path, pattern: str, ids: list[str]) -> None:
    """A path stands for its file, marks and all; a glob for the files that match it, sorted, and never for folders."""
    files = {"out/two.txt": "two", "out/one.txt": "one", "out/sub/deep.txt": "deep", "top.txt": "top"}
    files |= {"a [1].txt": "brackets"} if "[1]" in pattern else {}
    assert list(read_ids(files=files, paths=pattern.format(workspace=tmp_path))) == ids


@pytest.mark.parametrize(
    "pattern",
    ["nope.txt", "*.nope", "no/*/where", "**/nope", "out*", "/nope", "//nope", "///nope", "///*/nope", "a\0b"],
)
def test_paths__that_match_nothing_are_refused(read_ids: ReadIds, pattern: str) -> None:
    """A path or glob without a file, or with nothing but a folder, is an error that names it."""
    with pytest.raises(UsageError) as refusal:
        read_ids(files={"out/ids.txt": "a"}, paths=pattern)
    assert str(refusal.value).startswith(f"Input job-ids-file names {pattern!r}, which ")


def test_paths__that_match_nothing_are_refused_with_what_to_do(read_ids: ReadIds) -> None:
    """The error for a file that is not there says what to check."""
    with pytest.raises(UsageError) as refusal:
        read_ids(paths="out/ids.txt")
    assert str(refusal.value) == (
        "Input job-ids-file names 'out/ids.txt', which matches no file in the workspace: check the path, and that an"
        " earlier step of this job wrote it there."
    )


@pytest.mark.parametrize("pattern", ["x" * 5000, "*" + "x" * 5000, "\x7f" * 100_000, "x/" * 5000])
def test_paths__too_long_are_refused_in_short(read_ids: ReadIds, pattern: str) -> None:
    """The error for a path that no file system can hold does not repeat it in full."""
    problems = r"is no path or glob: File name too long\.|matches no file "
    with pytest.raises(UsageError, match=f"Input job-ids-file names .*, which ({problems})") as refusal:
        read_ids(paths=pattern)
    assert len(str(refusal.value)) < 1000


def test_paths__of_a_malformed_glob_are_refused(read_ids: ReadIds) -> None:
    """A glob that cannot be understood, or on newer Pythons matches nothing, is an error that names it."""
    with pytest.raises(UsageError, match=r"Input job-ids-file names 'a\*\*b', which "):
        read_ids(paths="a**b")


def test_glob__does_not_follow_links_round_and_round(read_ids: ReadIds, tmp_path: Path) -> None:
    """A folder that links to itself neither hangs a glob nor doubles its files."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "again").symlink_to(tmp_path / "out")
    assert read_ids(files={"out/ids.txt": "a"}, paths="**/*.txt") == {"a": None}


def test_glob__passes_over_what_is_no_file(read_ids: ReadIds, tmp_path: Path) -> None:
    """Pipes, folders and dangling links among a glob's matches are left out."""
    os.mkfifo(tmp_path / "1.txt")
    (tmp_path / "2.txt").mkdir()
    (tmp_path / "3.txt").symlink_to("nowhere")
    assert read_ids(files={"ids.txt": "a"}, paths="*.txt") == {"a": None}


def test_file__may_be_a_link(read_ids: ReadIds, tmp_path: Path) -> None:
    """A link to a file is read as that file, by the link's own name."""
    (tmp_path / "link.yaml").symlink_to("ids.txt")
    assert read_ids(files={"ids.txt": "- a"}, paths="link.yaml") == {"a": None}


@pytest.mark.parametrize("path", ["link.txt", "*.txt", "folder/ids.txt", "folder/*", "{w}/link.txt"])
def test_file__that_leads_out_of_the_workspace_is_refused(tmp_path: Path, path: str) -> None:
    """No link in the checkout shows what else lies on the disk."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (tmp_path / "ids.txt").write_text("secret")
    (workspace / "link.txt").symlink_to("../ids.txt")
    (workspace / "folder").symlink_to("..")
    with pytest.raises(UsageError) as refusal:
        _reader(workspace)(paths=path.format(w=workspace))
    assert re.fullmatch(
        r"Input job-ids-file names '(link|folder/ids)\.txt', which leads out of the workspace: name a file in"
        r" there, or one elsewhere by its full path\.",
        str(refusal.value),
    )


@pytest.mark.parametrize("path", ["{w}/../ids.txt", "../ids.txt", "/{w}/../*.txt"])
def test_file__outside_the_workspace_is_read_where_the_workflow_itself_says_so(tmp_path: Path, path: str) -> None:
    """A path out of the workspace, in full or through its parent, is the workflow's own words, and no link's."""
    (tmp_path / "ids.txt").write_text("a")
    (tmp_path / "workspace").mkdir()
    assert _reader(tmp_path / "workspace")(paths=path.format(w=tmp_path / "workspace")) == {"a": None}


def test_file__in_a_workspace_that_is_a_link_is_read(tmp_path: Path) -> None:
    """A workspace reached over a link is the folder that the link leads to."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "ids.txt").write_text("a")
    (tmp_path / "link").symlink_to("real")
    assert _reader(tmp_path / "link")(paths="ids.txt") == {"a": None}


def test_file__that_links_to_itself_is_refused(read_ids: ReadIds, tmp_path: Path) -> None:
    """A link that leads in a circle is an error."""
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    with pytest.raises(UsageError, match=r"Input job-ids-file names 'loop.txt'"):
        read_ids(paths="loop.txt")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_file__must_be_a_file(read_ids: ReadIds, tmp_path: Path, kind: str) -> None:
    """A pipe that nobody writes to, a folder and an endless device are errors, and nothing waits for them."""
    path = tmp_path / "ids.txt"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=r"'ids.txt', which is a folder or a device: name a file"):
        read_ids(paths="ids.txt")


def test_file__that_cannot_be_read_is_refused(read_ids: ReadIds) -> None:
    """A file that gives an error on reading is an error with the system's reason."""
    with pytest.raises(UsageError, match=r"File '/proc/self/mem' of job-ids-file cannot be read: Input/output error"):
        read_ids(paths="/proc/self/mem")


@pytest.mark.parametrize(
    ("name", "limit"), [("ids.txt", "MAX_FILE_BYTES"), ("ids.json", "MAX_FILE_BYTES"), ("i.yml", "MAX_YAML_BYTES")]
)
def test_file__has_a_largest_size(read_ids: ReadIds, monkeypatch: pytest.MonkeyPatch, name: str, limit: str) -> None:
    """A file of the largest size is read, and one byte more is an error."""
    monkeypatch.setattr(job_ids, limit, 8)
    assert read_ids(files={name: '["abcd"]'}) == {"abcd": None}
    with pytest.raises(UsageError, match=f"File '{name}' of job-ids-file is larger than"):
        read_ids(files={name: '["abcde"]'})


@pytest.mark.parametrize(("name", "mebibytes"), [("ids.txt", 32), ("ids.yaml", 4)])
def test_file__that_is_huge_is_refused(read_ids: ReadIds, tmp_path: Path, name: str, mebibytes: int) -> None:
    """A file of gigabytes is an error that names the limit, and is not read to its end."""
    with (tmp_path / name).open("wb") as file:
        file.truncate(8 * 1024**3)
    with pytest.raises(UsageError, match=f"File '{name}' of job-ids-file is larger than {mebibytes} MiB: split it"):
        read_ids(paths=name)
