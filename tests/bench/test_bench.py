"""The bench's own arithmetic and tools. What it measures is no matter for a test: no test asserts a time."""

import io
import json
import sys
import tarfile
from http.client import HTTPConnection
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import api, child, gate, image, machine
from bench.figures import quote, ratios
from bench.results import escape_markdown, results, table
from bench.section import Goal, Section
from fini_gate.inputs import Inputs
from fini_gate.job_ids import read_job_ids

MET = Goal("CPU", 2.0, 2.0)
MISSED = Goal("memory of a job, bytes", 2326.4, 2000)


def section(*goals: Goal) -> Section:
    """Give a section with these goals."""
    return Section("Growth", "What was done.", ("jobs", "CPU, s"), (("1", "0.15"), ("100,000", "5.65")), goals)


@pytest.mark.parametrize(
    ("values", "form", "text"),
    [
        ([0.3, 0.1, 0.2], ".1f", "0.2 (0.1 to 0.3)"),
        ([1.001, 1.002], ".2f", "1.00"),
        ([1000.0], ",.0f", "1,000"),
    ],
)
def test_shown__is_the_median_and_the_spread(values: list[float], form: str, text: str) -> None:
    """The median comes first; where the figures do not differ there is nothing else to say."""
    assert quote(values, form) == text


def test_ratios__are_of_the_same_round() -> None:
    """Each value is divided by the floor of its own round."""
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


def test_goal__is_met_by_just_as_much() -> None:
    """A figure that is as high as it may be meets its goal, and one above it does not."""
    assert MET.is_met
    assert not MISSED.is_met


def test_table__has_columns_of_one_width() -> None:
    """Cells are filled up, so that the table is readable where Markdown is not drawn."""
    assert table(("a", "long"), [("wider", "b")]) == "| a     | long |\n| ----- | ---- |\n| wider | b    |"


def test_markdown__says_of_each_goal_whether_it_is_met() -> None:
    """A section has its table, and its goals with what was measured."""
    lines = escape_markdown(section(MET, MISSED)).splitlines()
    assert lines[:3] == ["## Growth", "", "What was done."]
    assert "| 100,000 | 5.65   |" in lines
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[-2:]] == [
        ["CPU", "2", "2", "yes"],
        ["memory of a job, bytes", "2,000", "2,326", "**no**"],
    ]


def test_markdown__of_a_section_that_was_left_out() -> None:
    """There is its title, and why."""
    assert escape_markdown(Section("Image", "Left out: no engine.", (), (), ())) == "## Image\n\nLeft out: no engine."


def test_results__have_the_day_the_machine_and_the_count() -> None:
    """The page begins with when, where and how many goals were met, and ends with a line's end."""
    page = results([section(MET), section(MISSED)], day="2026-01-02", machine="a CPU")
    assert "By `make bench`, on 2026-01-02: a CPU." in page
    assert "1 of 2 goals are met." in page
    assert page.count("## Growth\n") == 2
    assert page.endswith("|\n")


def test_machine__tells_nothing_of_whose_it_is() -> None:
    """It names CPU, Python and Docker, and neither the host nor a folder."""
    described = machine.described()
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in described
    assert "Docker" in described
    assert "/" not in described


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the command two sections that take no time, and a page of its own."""
    page = tmp_path / "RESULTS.md"
    monkeypatch.setattr(command, "SECTIONS", {"met": lambda: section(MET), "missed": lambda: section(MISSED)})
    monkeypatch.setattr(command, "RESULTS", page)
    return page


@pytest.mark.parametrize(
    ("arguments", "exit_code", "writes"), [([], 1, True), (["met"], 0, False), (["met", "missed"], 1, False)]
)
def test_command__fails_where_a_goal_is_missed(
    page: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], exit_code: int, *, writes: bool
) -> None:
    """The exit code tells whether all goals are met; the page is written where all sections were measured."""
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    assert command.main() == exit_code
    assert page.exists() == writes


def test_command__refuses_an_unknown_section(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A section that there is not is told, and nothing measured."""
    monkeypatch.setattr(sys, "argv", ["bench", "nothing"])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert "nothing" in capsys.readouterr().err
    assert not page.exists()


def test_in_turn__runs_the_peers_round_by_round() -> None:
    """The peers take turns; the round that warms up is not counted."""
    order: list[str] = []

    def peer(name: str) -> int:
        order.append(name)
        return len(order)

    taken = child.in_turn({"a": lambda: peer("a"), "b": lambda: peer("b")}, rounds=2)
    assert order == ["a", "b"] * 3
    assert taken == {"a": [3, 5], "b": [4, 6]}


def test_run__measures_the_child_alone(tmp_path: Path) -> None:
    """A process that holds little is measured as little, however much its grandparent holds."""
    held = b"x" * 200_000_000
    taken = child.run([sys.executable, "-I", "-c", "pass"], environ={}, folder=tmp_path)
    assert 0 < taken.peak_bytes < len(held)
    assert taken.cpu_seconds > 0
    assert taken.wall_seconds > 0


def test_run__tells_what_a_failing_child_printed(tmp_path: Path) -> None:
    """A command that fails is no figure but an error, with what it printed on either stream."""
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    with pytest.raises(RuntimeError, match=r"exited with 3(.|\n)*out(.|\n)*") as raised:
        child.run([sys.executable, "-I", "-u", "-c", code], environ={}, folder=tmp_path)
    assert "err" in str(raised.value)


def test_gate__is_given_what_a_workflow_gives(tmp_path: Path) -> None:
    """The environment has valid inputs, and they lead to the file with the job IDs."""
    workspace = gate.workspace(tmp_path, job_count=3)
    inputs = Inputs.from_environ(gate.environ(workspace, "http://127.0.0.1:1", batch_size="2"))
    assert inputs.batch_size == 2
    assert list(read_job_ids(inputs)) == api.job_ids(3)


def test_api__tells_what_it_was_asked() -> None:
    """It answers for each job that was asked for, and the tally has the requests and looks since the one before."""
    asked = api.job_ids(3)
    with api.serve() as served:
        connection = HTTPConnection(served.url.removeprefix("http://"))
        for _ in range(2):
            connection.request("POST", "/v2/knowledge/public/jobs/status", json.dumps({"jobIds": asked}))
            rows = json.load(connection.getresponse())["jobs"]
        connection.close()
        first_byte_at, *counts = served.tally()
        assert served.tally() == (0, 0, 0)
    assert [(row["id"], row["jobStatus"]) for row in rows] == [(job_id, "COMPLETED") for job_id in asked]
    assert first_byte_at > 0
    assert counts == [2, 2]


def test_api__lets_jobs_end_over_some_time() -> None:
    """Where the jobs end over very long, all but the first are still in progress."""
    with api.serve(spread_seconds=1e9) as served:
        connection = HTTPConnection(served.url.removeprefix("http://"))
        connection.request("POST", "/", json.dumps({"jobIds": api.job_ids(3)}))
        rows = json.load(connection.getresponse())["jobs"]
        connection.close()
    assert [row["jobStatus"] for row in rows] == ["COMPLETED", "IN_PROGRESS", "IN_PROGRESS"]


def test_image__without_an_engine_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no Docker engine can be had there is a word about it, and no goal that is met or missed."""

    def refuse() -> str:
        raise machine.NoEngineError

    monkeypatch.setattr(machine, "base_image", refuse)
    section = image.measure()
    assert section.prose.startswith("Left out: no Docker engine")
    assert not section.rows
    assert not section.goals


def test_layer__finds_what_nobody_wants_in_an_image() -> None:
    """Pip, caches and tests are found by the folders that they are in; a file of such a name is no matter."""
    layer = image.Layer(
        "sha256:0", {"lib/pip/main.py": 3, "fini-gate/tests": 4, "root/.cache/http/a": 5, "lib/requests/api.py": 6}
    )
    assert layer.unwanted == ["lib/pip/main.py", "root/.cache/http/a"]
    assert layer.size == 18


def test_layers__are_read_from_a_saved_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each layer has its digest, and the size of each file; folders take nothing."""
    layer = archive(lib=b"", **{"lib/a.py": b"12345"})
    config = json.dumps({"rootfs": {"diff_ids": ["sha256:1"]}}).encode()
    manifest = json.dumps([{"Config": "config.json", "Layers": ["1/layer.tar"]}]).encode()

    def save(*arguments: str | Path) -> str:
        saved = archive(**{"manifest.json": manifest, "config.json": config, "1/layer.tar": layer})
        Path(arguments[2]).write_bytes(saved)
        return ""

    monkeypatch.setattr(machine, "docker", save)
    assert image.read_layers("any", tmp_path) == [image.Layer("sha256:1", {"lib/a.py": 5})]


def archive(**content: bytes) -> bytes:
    """Pack files; one without content is a folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as files:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size, member.type = len(data), tarfile.REGTYPE if data else tarfile.DIRTYPE
            files.addfile(member, io.BytesIO(data))
    return packed.getvalue()
