"""The bench's arithmetic and tools. No test asserts a measured time, as that depends on the machine."""

import io
import json
import sys
import tarfile
from itertools import count
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import image, processes
from bench.interval import goals, outcomes
from bench.report import Goal, Section, compare, format_page

MET = Goal("CPU", 2.0, 2.0)
MISSED = Goal("memory per job, bytes", 2326.4, 2000)


def test_page__shows_every_figure_and_goal() -> None:
    """The page has the day, the machine, aligned tables, and whether each goal is met."""
    growth = Section("Growth", "", ("jobs", "CPU, s"), [("1", "0.15"), ("100,000", "5.65")], [MET, MISSED])
    page = format_page([growth, Section("Image", "Left out: no engine.")], day="2026-01-02", machine="a CPU")
    assert page.startswith("# Bench results\n\nFrom `make bench` on 2026-01-02: a CPU.\n\n1 of 2 goals are met.")
    assert "| jobs    | CPU, s |\n| ------- | ------ |\n| 1       | 0.15   |\n| 100,000 | 5.65   |\n" in page
    assert "| CPU                   | 2       | 2        | yes    |\n" in page
    assert "| memory per job, bytes | 2,000   | 2,326    | **no** |\n\n## Image\n\nLeft out: no engine.\n" in page


def test_compare__shows_medians_and_ratios_of_the_same_round() -> None:
    """The extremes follow a median where they look different; each round has a ratio of its own."""
    rows = compare("CPU", {"gate": [2.0, 3.0, 9.0], "session": [1.001, 1.002, 1.004]}, "session", ".1f")
    assert rows == [("CPU", "gate", "3.0 (2.0 to 9.0)", "2.99 (2.00 to 8.96)"), ("CPU", "session", "1.0", "1.00")]


def test_machine__is_not_identified() -> None:
    """The description names CPU, Python and Docker, and neither the host nor a folder."""
    description = command.describe_machine()
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in description
    assert "Docker" in description
    assert "/" not in description


@pytest.mark.parametrize(
    ("arguments", "exit_code", "writes"),
    [([], 1, True), (["all"], 1, True), (["met"], 0, False), (["met", "missed"], 1, False), (["nothing"], 2, False)],
)
def test_command__fails_if_a_goal_is_missed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], exit_code: int, *, writes: bool
) -> None:
    """The page is written only if all sections were measured; an unknown section is an error."""
    sections = {"met": lambda: Section("", "", goals=[MET]), "missed": lambda: Section("", "", goals=[MISSED])}
    monkeypatch.setattr(command, "SECTIONS", sections)
    monkeypatch.setattr(command, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    with pytest.raises(SystemExit) as end:
        sys.exit(command.main())
    assert end.value.code == exit_code
    assert (tmp_path / "RESULTS.md").exists() == writes


def test_intervals__meet_the_goals_of_the_bench() -> None:
    """On seeded traces verdicts are much earlier than with fixed intervals, for about as few polls."""
    for goal in goals(outcomes(seed=5, traces_per_class=300)):
        assert goal.measured <= goal.at_most, goal


def test_take_turns__runs_the_peers_round_by_round() -> None:
    """The first round warms up and does not count."""
    turn = count(1)
    peers = {"a": lambda: next(turn), "b": lambda: next(turn)}
    assert processes.take_turns(peers, 2) == {"a": [3, 5], "b": [4, 6]}


def test_run__measures_the_process_alone(tmp_path: Path) -> None:
    """The memory of the bench does not count towards a small process."""
    held = b"x" * 200_000_000
    usage = processes.run([sys.executable, "-I", "-c", "pass"], environ={}, folder=tmp_path)
    assert 0 < usage.peak_bytes < len(held)
    assert min(usage.cpu_seconds, usage.wall_seconds) > 0


def test_run__shows_the_output_of_a_failure(tmp_path: Path) -> None:
    """A command that fails gives an error with what it printed on either stream."""
    code = "import sys; print('out'); sys.exit('err')"
    with pytest.raises(RuntimeError, match=r"exited with 1:\nout\nerr"):
        processes.run([sys.executable, "-I", "-u", "-c", code], environ={}, folder=tmp_path)


def test_setup__runs_whole_gates() -> None:
    """A gate polls the jobs of the saved response, and writes outputs, summary and results file."""
    with processes.prepare(3) as setup:
        usage = setup.run_gate(batch_size="2")
        assert "completed-count" in (setup.workspace / "output").read_text(encoding="utf-8")
        assert (setup.workspace / "summary").read_text(encoding="utf-8")
        assert len(json.loads((setup.workspace / "results.json").read_bytes())["jobs"]) == 3
        assert [request.route for request in setup.api.requests] == ["status", "status", "articles", "articles"]
        asked_at = setup.opened_at + setup.api.requests[0].at_seconds
        assert usage.started_at < asked_at < usage.started_at + usage.wall_seconds


def test_setup__runs_the_command() -> None:
    """The command asks about the same jobs, and writes the results file but nothing of GitHub's."""
    with processes.prepare(3) as setup:
        setup.run_command()
        assert len(json.loads((setup.workspace / "results.json").read_bytes())["jobs"]) == 3
        assert [request.route for request in setup.api.requests] == ["status", "articles"]
        assert (setup.workspace / "output").read_text(encoding="utf-8") == ""


def test_image__without_an_engine_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Docker engine there are no goals to meet or miss."""
    monkeypatch.setattr(image, "base_image", lambda: None)
    assert image.measure() == Section("Image", f"Left out: {image.NO_ENGINE}.")


def test_image__counts_the_layers_above_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only files of added layers count; pip, caches and tests are found by their folders."""
    files = {"base": {"pip/a": 9}, "old": {"lib/pip/b": 3000, "tests": 1000}, "code": {"a/.cache/c": 2000}, "new": {}}
    layers = {"base@1": ["base"], "latest": ["base", "old", "code"], "changed": ["base", "old", "new"]}

    def save(_: str, __: str, path: Path, name: str) -> None:
        parts = {each: archive({path: bytes(size) for path, size in files[each].items()}) for each in layers[name]}
        parts["config"] = json.dumps({"rootfs": {"diff_ids": layers[name]}}).encode()
        parts["manifest.json"] = json.dumps([{"Config": "config", "Layers": layers[name]}]).encode()
        path.write_bytes(archive(parts))

    monkeypatch.setattr(image, "base_image", lambda: "base@1")
    monkeypatch.setattr(image, "build", lambda _, tag: tag)
    monkeypatch.setattr(image, "docker", save)
    section = image.measure()
    assert section.rows == [("1", "2", "4", "no"), ("2", "1", "2", "yes")]
    assert [goal.measured for goal in section.goals] == [0.006, 2, 2]


def archive(files: dict[str, bytes]) -> bytes:
    """Pack files, and a folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(Path(__file__).parent, "folder", recursive=False)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()
