import codecs
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fini_gate.errors import UsageError
from fini_gate.inputs import Inputs
from fini_gate.job_ids import JobIds, load, parsers, read_job_ids, sources
from fini_gate.settings import CommandLine, Settings

KEY = "fini_0123456789abcdef"
ESCAPED_KEY = f"\\u{ord(KEY[0]):04x}{KEY[1:]}"
DEEP = 100_000
NO_MATCH = "matches no file in the workspace: check the path, and that an earlier step of this job created the file."
TOO_LONG = r"is not a valid path or glob: File name too long\."
ERROR_RESPONSE = (
    "this is an error response of the API, not job IDs; check the step that queued the jobs, and let it use"
    " curl --fail-with-body."
)
NOT_UTF8 = "is not UTF-8; use UTF-8 only."


def read(
    workspace: Path, text: str = "", files: Mapping[str, bytes | str] | None = None, *, paths: str | None = None
) -> JobIds:
    """Write the files into the workspace, and read the job IDs of the text and of the files, or else of `paths`."""
    for name, content in (files or {}).items():
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    environ = {
        "INPUT_JOB-IDS": text,
        "INPUT_JOB-IDS-FILE": "\n".join(files or ()) if paths is None else paths,
        "GITHUB_WORKSPACE": str(workspace),
    }
    return read_job_ids(Inputs.parse(Settings(environ=environ), KEY), lambda _: b"")


def message_of(*given: Any, **named: Any) -> str:  # noqa: ANN401 - the arguments of `read`
    """Return the message with which job IDs are rejected."""
    with pytest.raises(UsageError) as error:
        read(*given, **named)
    return str(error.value)


# --- What is accepted


@pytest.mark.parametrize(
    ("name", "content", "ids"),
    [
        *((None, text, "a") for text in ('["a"]', '\ufeff \n["a"]', ' {"jobIds": ["a"]}', '"a"')),
        *((None, "a #b\nc", "ac"), (None, "", ""), (None, "\ufeffa", "a")),
        *(
            ("ids.txt", text, "abc")
            for text in ("a b c", "a,b,c", "a\r\nb\rc", "a, b,\n\t c", ",a,,b , c,", "a\x0bb c")
        ),
        *(("ids.csv", text, "abc") for text in ("\ufeffa\u00a0b\u3000c", "a b\n  # x\nc", "#a\n#\n\na\tb #c #d\nc")),
        *(("ids", text, ["a", "b", "c#"]) for text in ("# first\na # b\nb c#", "# no [json]\na b c#")),
        *(("ids", text, ["a"]) for text in ('["a"]', '\ufeff["a"]', '\n{"jobIds":\r\n["a"]}')),
        *(("ids.txt", '"a"', ['"a"']), ("ids.JSON", '"a"', ["a"]), ("ids.json", '\ufeff"a"', ["a"])),
        *((name, text, []) for name in ("ids.txt", "ids.jsonl", "ids.yaml") for text in ("", " \n")),
        *(("ids.json", text, []) for text in ("[]", '{"jobIds": []}', '{"jobs": []}', "[[], []]")),
        ("ids.jsonl", '\ufeff"a"\r\n\r\n["b"]\n', "ab"),
        ("ids.ndjson", '"a\u2028b"\n"c"', ["a\u2028b", "c"]),
        ("ids.yaml", "012", ["012"]),
        ("IDS.YML", "- 012\n- 1e3\n- 1_000\n- 12:30:45", ["012", "1e3", "1_000", "12:30:45"]),
        ("ids.yaml", "- yes\n- null\n- ~\n- 2026-06-11", ["yes", "null", "~", "2026-06-11"]),
        ("ids.yaml", "- !!int 7\n- !!python/name:os.system x\n- !mine b", ["7", "x", "b"]),
        ("ids.yaml", "jobIds: # all\n  - 'a'\n  - \"b\"\n", "ab"),
        ("ids.yaml", "jobs:\n- {id: 1}\n- backgroundJobId: 2", "12"),
        ("ids.yaml", "\ufeffa\r\n---\n- b\n--- {jobIds: [c]}\n...\n", "abc"),
        *(("ids.yaml", text, "abc") for text in ("- &x [a, b]\n- *x\n- c", "[&x a, *x, b, c]")),
    ],
)
def test_input_and_file__are_parsed(tmp_path: Path, name: str | None, content: str, ids: str | list[str]) -> None:
    """A file is parsed by its suffix. Without one, and in the input, JSON is recognized; other text has comments."""
    found = read(tmp_path, content) if name is None else read(tmp_path, files={name: content})
    assert list(found) == list(ids)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("a", {"a": None}),
        (["a", "b c", "d,e"], {"a": None, "b c": None, "d,e": None}),
        ({"backgroundJobId": "a", "documentId": "d"}, {"a": "d"}),
        ({"backgroundJobId": "a", "documentId": ""}, {"a": None}),
        ({"jobs": [{"id": "a", "jobStatus": "COMPLETED", "hcArticleId": None}, {"id": "b"}]}, {"a": None, "b": None}),
        ({"jobs": [{"id": "row", "backgroundJobId": "a", "documentId": "d"}]}, {"a": "d"}),
        ({"jobs": [{"id": "a"}], "jobIds": ["b"], "backgroundJobId": "c", "x": 5}, {"b": None, "c": None, "a": None}),
        (["a", ["b", [{"jobIds": ["c"]}]], {"jobs": [{"id": "d"}]}], {"a": None, "b": None, "c": None, "d": None}),
    ],
)
@pytest.mark.parametrize("name", ["ids.json", "ids.jsonl", "ids.yaml"])
def test_document__may_have_any_shape(tmp_path: Path, name: str, document: object, expected: JobIds) -> None:
    """Each accepted shape gives its job IDs in order, with the documents that it names."""
    assert list(read(tmp_path, files={name: json.dumps(document)}).items()) == list(expected.items())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["Ab", "c", "aB", "AB", "C"]', {"Ab": None, "c": None}),
        ('["ß", "ss", "SS"]', {"ß": None, "ss": None}),
        ('[{"jobIds": ["A"]}, {"backgroundJobId": "a", "documentId": "late"}]', {"A": "late"}),
        ('[{"backgroundJobId": "a", "documentId": "1"}, {"backgroundJobId": "A", "documentId": "2"}, "a"]', {"a": "1"}),
    ],
)
def test_ids__count_once(tmp_path: Path, text: str, expected: JobIds) -> None:
    """The first spelling counts. A document that is named later fills a gap, and replaces nothing."""
    assert read(tmp_path, text) == expected


def test_ids__of_input_and_files_add_up_in_order(tmp_path: Path) -> None:
    """The input comes first, then the files as given, with the matches of a glob sorted."""
    files = {"z.txt": "z b", "out/2.txt": "two", "out/1.txt": "one", "out/deep/3.txt": "three", "a.txt": "a"}
    ids = list(read(tmp_path, "b", files, paths="z.txt\nout/**/*.txt\na.txt"))
    assert ids == ["b", "z", "one", "two", "three", "a"]


# --- What is rejected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["a",\n ""]', "2, at [1]: a job ID is empty; remove it."),
        ('[" \\t"]', "1, at [0]: a job ID is empty"),
        ("a\nb\n" + "x" * 201, f"3: job ID '{'x' * 99}…' is longer than 200 characters."),
        (json.dumps({"jobIds": ["x" * 200, "x" * 201]}), "1, at jobIds[1]: job ID "),
        ("a\r\nb\x00", r"2: job ID 'b\x00' contains a control character."),
        *(("a\rb\x1b[0m", "2: job ID "), ("a\x85b", "1: job ID "), ("a\x1cb", "1: job ID ")),
        ('["a\\nb"]', r"1, at [0]: job ID 'a\nb' contains a control character."),
        ("a \udcff", r"1: job ID '\udcff' contains a control character."),
        *((text, "1, at [0]: found a number; expected a job ID, a list of job IDs, ") for text in ("[1]", "[1.5]")),
        *(("[null]", "1, at [0]: found null"), ("[[true]]", "1, at [0][0]: found true")),
        *(("[false]", "1, at [0]: found false"), ("{}", "1: found an empty object")),
        ('{"ids": ["a"], "x": 1}', "1: found an object with 'ids, x'; expected a job ID,"),
        ('{"jobIds": "a"}', "1, at jobIds: found text; expected a list."),
        ('{"jobIds": null}', "1, at jobIds: found null; expected a list."),
        ('{"jobIds": [["a"]]}', "1, at jobIds[0]: found a list; expected a job ID in quotes."),
        ('{"backgroundJobId": null}', "1, at backgroundJobId: found null; expected a job ID in quotes."),
        ('{"backgroundJobId":\n""}', "2, at backgroundJobId: a job ID is empty"),
        ('{"jobs": {"id": "a"}}', "1, at jobs: found an object with 'id'; expected a list."),
        ('{"jobs": ["a"]}', "1, at jobs[0]: found text; expected an object with a backgroundJobId or an id."),
        ('[{"jobs": [\n{"id": "a"},\n{"x": 1}]}]', "3, at [0].jobs[1]: found an object with 'x'; expected an object"),
        ('{"x":1,\n"jobs":[{"id":5}]}', "2, at jobs[0].id: found a number"),
        ('{"jobs": [{"backgroundJobId": 5, "id": "a"}]}', "1, at jobs[0].backgroundJobId: found a number"),
        ('[{"statusCode": 401}]', f"1, at [0]: {ERROR_RESPONSE}"),
        ('["a",{\n"x": 1}]', "1, at [1]: found an object with 'x'"),
        ('["a"', "1: this is not valid JSON (Expecting ',' delimiter, column 5); expected one JSON value."),
        *(('["a"]\nb', "2: this is not valid JSON"), ('["a",\n"b"\n"c"]', "3: this is not valid JSON")),
    ],
)
def test_input__is_rejected_with_the_place(tmp_path: Path, text: str, expected: str) -> None:
    """An error in the input says the line, the place in the document, what was found and what was expected."""
    assert message_of(tmp_path, text).startswith(f"Input job-ids, line {expected}")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("ids.txt", b"a\nb\xff", f"2: byte 0xff {NOT_UTF8}"),
        ("ids.txt", b"\na\n\xff", f"3: byte 0xff {NOT_UTF8}"),
        ("ids.txt", b"a\n\nb\xe2\n\nc", f"3: byte 0xe2 {NOT_UTF8}"),
        ("ids.txt", codecs.BOM_UTF8 + b"a\n\xe9t\xe9", f"2: byte 0xe9 {NOT_UTF8}"),
        ("ids.yaml", b"- a\n- \xed\xa0\x80", f"2: byte 0xed {NOT_UTF8}"),
        ("ids.json", b"", "1: this is not valid JSON"),
        ("ids.json", '["a\u2028b",\r\n5]', "2, at [1]: found a number"),
        ("ids.json", b'["a",\n' + b"1" * 5000 + b"]", "2, at [1]: found a number"),
        ("ids.json", b'["a",\n"\\ud800"]', r"2, at [1]: job ID '\ud800' contains a control character."),
        ("ids.json", b' {"x": {"y": "]},"},\n"jobs" :\n[ {"id": "a"} , {"id":\n5 } ] }', "4, at jobs[1].id: found"),
        ("ids.json", b'{"jobIds": [1],\n"jobIds": ["a",\n2]}', "3, at jobIds[1]: found a number"),
        ("ids.json", b"\n[[], {}, [],\n{}]", "2, at [1]: found an empty object"),
        ("ids.jsonl", b'"a"\n["b", {"jobIds": [5]}]', "2, at [1].jobIds[0]: found a number"),
        (
            "ids.jsonl",
            b'"a"\n["b",\n"c"]',
            "2: this is not valid JSON (Expecting value, column 6); expected one JSON value per line.",
        ),
        ("ids.jsonl", b'"a"\n' + b"1" * 5000, "2: found a number"),
        ("ids.yaml", b"- a\n-\n", "2, at [1]: a job ID is empty"),
        ("ids.yaml", b"jobs:\n- id: a\n- id:\n  - b\n", "4, at jobs[1].id: found a list"),
        ("ids.yaml", b"jobIds: [a]\njobs: [{id: b}]\njobIds: ['']\n", "3, at jobIds[0]: a job ID is empty"),
        ("ids.yaml", b"a\n---\n- b\n- {}\n", "4, at [1]: found an empty object"),
        ("ids.yaml", b"- {}\n---\n- *b\n", "1, at [0]: found an empty object"),
        ("ids.yaml", b"- a\n- b: c: d\n", "2: this is not valid YAML (mapping values are not allowed"),
        ("ids.yaml", b"- a\n- ? [b]\n  : c\n", "2: this is not valid YAML (found unhashable key)."),
        ("ids.yaml", b"&a [b, *a]\n", "1: this is not valid YAML (found unconstructable recursive node)."),
        ("ids.yaml", "- é\n- b\x00\n- c", "2: this is not valid YAML (control characters are not allowed)."),
        ("ids.yaml", b'- a\n- "b\\x07"\n', r"2, at [1]: job ID 'b\x07' contains a control character."),
    ],
)
def test_file__is_rejected_with_the_line(tmp_path: Path, name: str, content: bytes | str, expected: str) -> None:
    """An error in a file says the file and the line, as an editor counts lines."""
    message = message_of(tmp_path, files={f"out/{name}": content})
    assert message.startswith(f"File 'out/{name}' (input job-ids-file), line {expected}")


@pytest.mark.parametrize(
    ("name", "place"), [*((f"a.{suffix}", ", line 1, at [0]") for suffix in ("json", "txt", "jsonl")), ("a.yaml", "")]
)
def test_file__may_be_nested_a_hundred_levels_deep(tmp_path: Path, name: str, place: str) -> None:
    """Deeper nesting is an error, even where it would crash a parser."""
    assert read(tmp_path, files={name: "[" * 100 + '"a"' + "]" * 100}) == {"a": None}
    problem = "it is nested more than 100 levels deep; pass only the job IDs."
    one_more = message_of(tmp_path, files={name: "[" * 60 + '["a"],' * 30 + "[" * 41 + '"a"' + "]" * 101})
    assert one_more == f"File '{name}' (input job-ids-file){place}: {problem}"
    for content in ("[" * DEEP, "[" * DEEP + "]" * DEEP):
        assert "nest" in message_of(tmp_path, files={name: content})  # some versions of libyaml have a limit too


def test_json__has_a_limit_of_lists_and_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists and objects take memory, so their number is limited."""
    monkeypatch.setattr(parsers, "MAX_CONTAINERS", 5)
    assert read(tmp_path, '[{"jobIds": ["a"]}, {"jobIds": ["b"]}]') == {"a": None, "b": None}
    assert message_of(tmp_path, '[{"jobIds": ["a"]}, {"jobIds": ["b"]}, []]') == (
        "Input job-ids: it contains more than 5 lists and objects; pass only the job IDs."
    )


@pytest.mark.parametrize("kind", ["object/apply:os.mkdir", "object/new:os.mkdir", "name:os.mkdir", "module:os", "str"])
def test_yaml__tags_make_no_objects(tmp_path: Path, kind: str) -> None:
    """Whatever a tag asks for, the result is text and lists, and nothing is called."""
    made = tmp_path / "made"
    content = f"- !!python/{kind} [{made}]\n- !!python/{kind} a"
    assert read(tmp_path, files={"ids.yaml": content}) == {str(made): None, "a": None}
    assert not made.exists()


@pytest.mark.parametrize("first", ["&ids [{}]", "jobIds: &ids [{}]"])
def test_yaml__aliases_are_followed_once(tmp_path: Path, first: str) -> None:
    """A list that thousands of objects or a few nested aliases name is read once, and at once."""
    items = ", ".join(f"id-{number}" for number in range(10_000))
    objects = f"- {first.format(items)}\n" + "- {jobIds: *ids}\n" * 10_000
    nested = "".join(f"- &x{level} [{', '.join([f'*x{level - 1}'] * 10)}]\n" for level in range(1, 40))
    assert len(read(tmp_path, files={"a.yaml": objects, "b.yaml": f"- &x0 [a, b]\n{nested}"})) == 10_002


def test_yaml__nested_aliases_count_as_levels(tmp_path: Path) -> None:
    """A chain of aliases that makes thousands of nested lists is rejected."""
    chain = "".join(f", &x{level} [*x{level - 1}]" for level in range(1, 5000))
    files = {"ids.yaml": f"- {{backgroundJobId: a, more: [&x0 [b]{chain}]}}\n- *x4999\n"}
    assert "it is nested more than 100 levels deep" in message_of(tmp_path, files=files)


@pytest.mark.parametrize(
    ("text", "files", "place"),
    [
        (f'["{ESCAPED_KEY}"]', {}, "Input job-ids"),
        ("", {".env": f"FINI_API_KEY={KEY}"}, "File '.env' (input job-ids-file)"),
        (
            "",
            {"a.json": f'[{{"backgroundJobId": "a", "documentId": "{ESCAPED_KEY}"}}]'},
            "File 'a.json' (input job-ids-file)",
        ),
    ],
)
def test_ids__with_the_key_are_rejected_unseen(tmp_path: Path, text: str, files: dict[str, str], place: str) -> None:
    """The API key among the job IDs is an error that does not show it, however it is spelled."""
    assert message_of(tmp_path, text, files) == (
        f"{place}: it contains the API key (not shown here); pass the key as api-key only."
    )


def test_ids__have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More different IDs than one gate takes are an error that names the source and the limit."""
    monkeypatch.setattr(load, "MAX_JOBS", 3)
    assert len(read(tmp_path, "a b c A", {"ids.txt": "B C"})) == 3
    assert message_of(tmp_path, "a b c", {"ids.txt": "d"}) == (
        "File 'ids.txt' (input job-ids-file): there are more than 3 job IDs, the maximum for one gate: use several."
    )


# --- Paths and globs


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        *((path, ["top"]) for path in ("top.txt", "./out/../top.txt", "*.txt", "{workspace}/top.txt", "top.link")),
        *((path, ["one", "two"]) for path in ("*/*.txt", "out/*", "out/[on-t]*.txt", "{workspace}/out/*.txt")),
        *(("out/t?o.txt", ["two"]), ("**/*.txt", ["one", "deep", "two", "top"]), ("a [1].csv", ["brackets"])),
        *((path, ["one", "deep", "two"]) for path in ("out/**", "out/**/*.txt")),
        *((path, ["beside"]) for path in ("{workspace}/../beside.csv", "../beside.csv", "/{workspace}/../*.csv")),
    ],
)
@pytest.mark.parametrize("is_linked", [False, True])
def test_paths__name_files(tmp_path: Path, pattern: str, ids: list[str], *, is_linked: bool) -> None:
    """A path is its file, even if it looks like a glob. A glob is its files, without folders, pipes and link loops."""
    files = {"out/two.txt": "two", "out/one.txt": "one", "out/sub/deep.txt": "deep", "top.txt": "top"}
    workspace = tmp_path / "workspace"
    read(workspace, files={**files, "a [1].csv": "brackets", "../beside.csv": "beside"}, paths="")
    (workspace / "out" / "loop").symlink_to(workspace)
    (workspace / "out" / "dangling.txt").symlink_to("nowhere")
    (workspace / "top.link").symlink_to("top.txt")
    os.mkfifo(workspace / "out" / "pipe.txt")
    if is_linked:
        (tmp_path / "link").symlink_to(workspace)
        workspace = tmp_path / "link"
    assert list(read(workspace, paths=pattern.format(workspace=workspace))) == ids


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        *((pattern, NO_MATCH) for pattern in ("nope.txt", "*.nope", "no/*/x", "**/nope", "out*", "loop.txt")),
        *((pattern, NO_MATCH) for pattern in ("/nope", "///nope", "///*/nope")),
        *(
            (pattern, rf"(is not a valid path or glob: .+\.|{NO_MATCH})")
            for pattern in ("a\0b", "**b", "nope/.", "x/" * 300)
        ),
        *((pattern, rf"({TOO_LONG}|{NO_MATCH})") for pattern in ("x" * 5000, "*" + "x" * 5000, "x/" * 5000)),
        *(("out", "is not a file"), ("/dev/zero", "is not a file")),
    ],
    ids=lambda text: ascii(text[:30]).replace("\\", "/"),
)
def test_paths__without_a_file_are_rejected(tmp_path: Path, pattern: str, problem: str) -> None:
    """A path or glob without a file is an error that names it, shortened."""
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    message = message_of(tmp_path, files={"out/ids.txt": "a"}, paths=pattern)
    shown = repr(pattern if len(pattern) <= 100 else f"{pattern[:99]}…")
    assert re.match(rf"Input job-ids-file names {re.escape(shown)}, which {problem}", message)


@pytest.mark.parametrize("path", ["link.txt", "*.txt", "folder/ids.txt", "folder/*", "{workspace}/link.txt"])
def test_file__outside_the_workspace_is_rejected_if_a_link_leads_there(tmp_path: Path, path: str) -> None:
    """No link in a checkout can show other files of the machine."""
    workspace = tmp_path / "workspace"
    read(workspace, files={"../ids.txt": "secret"}, paths="")
    (workspace / "link.txt").symlink_to("../ids.txt")
    (workspace / "folder").symlink_to("..")
    assert re.fullmatch(
        r"Input job-ids-file names '(link|folder/ids)\.txt', which leads outside the workspace through a link: use a"
        r" file inside it, or an absolute path\.",
        message_of(workspace, paths=path.format(workspace=workspace)),
    )


@pytest.mark.parametrize(
    ("name", "limit"), [("a.txt", "MAX_FILE_BYTES"), ("a.json", "MAX_FILE_BYTES"), ("a.yml", "MAX_YAML_BYTES")]
)
def test_file__has_a_maximum_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: str) -> None:
    """A file of the maximum size is read, and one byte more is an error."""
    monkeypatch.setattr(sources, limit, 8)
    assert read(tmp_path, files={name: '["abcd"]'}) == {"abcd": None}
    message = message_of(tmp_path, files={name: '["abcde"]'})
    assert message.startswith(f"File '{name}' (input job-ids-file) is larger than ")


# --- Arguments and standard input


def read_arguments(*arguments: str, stdin: bytes = b"", text: str = "") -> list[str]:
    """Return the job IDs of the arguments and of `job-ids`."""
    settings = Settings(environ={"INPUT_JOB-IDS": text}, command_line=CommandLine(job_ids=arguments))
    return list(read_job_ids(Inputs.parse(settings, KEY), lambda _: stdin))


@pytest.mark.parametrize(
    ("stdin", "ids"),
    [
        (b"", []),
        (b" \n", []),
        (b"a b # c\nd", ["a", "b", "d"]),
        (b'["a", "b"]', ["a", "b"]),
        (b'[\n"a",\n"b"]\n', ["a", "b"]),
        (b'{"jobs": [{"documentId": "d", "backgroundJobId": "a"}]}\n', ["a"]),
        (b'{"backgroundJobId": "a"}\n{"backgroundJobId": "b"}\n', ["a", "b"]),
        (b'"a"\n"b"\n', ["a", "b"]),
        (b'"a"\r"b"\r', ["a", "b"]),
        (b'["a"]\n["b"]', ["a", "b"]),
        (b'\n"a"\n', ["a"]),
        ('\ufeff["a"]'.encode(), ["a"]),
    ],
)
def test_stdin__is_what_its_content_says(stdin: bytes, ids: list[str]) -> None:
    """Plain text, JSON, or JSON Lines if the first of several lines is a JSON value."""
    assert read_arguments("-", stdin=stdin) == ids


def test_arguments__come_first_and_stand_as_they_are() -> None:
    """Each is one job ID, with standard input at its place and `job-ids` at the end."""
    assert read_arguments("a b", "-", "[c]", stdin=b"x", text="d,a") == ["a b", "x", "[c]", "d", "a"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "expected"),
    [
        (("a", ""), b"", "Argument 2: a job ID is empty; remove it."),
        (("a\nb",), b"", "Argument 1: job ID 'a\\nb' contains a control character."),
        (("-",), b"a\n\xff", "Standard input, line 2: byte 0xff is not UTF-8; use UTF-8 only."),
        (("-",), b'{"a": 1}', "Standard input, line 1: found an object"),
        (("-",), b'"a"\n{', "Standard input, line 2: this is not valid JSON"),
        ((KEY,), b"", "Argument 1: it contains the API key (not shown here)"),
        (("-",), KEY.encode(), "Standard input: it contains the API key (not shown here)"),
    ],
)
def test_arguments__that_are_not_job_ids_are_errors(arguments: tuple[str, ...], stdin: bytes, expected: str) -> None:
    """The error says which argument, or where in standard input."""
    with pytest.raises(UsageError) as error:
        read_arguments(*arguments, stdin=stdin)
    assert str(error.value).startswith(expected)
