from collections.abc import Mapping
from pathlib import Path

import pytest

from fini_gate.settings import CommandLine, Settings


def _settings(environ: Mapping[str, str], **options: str) -> Settings:
    given = {name.replace("_", "-"): text for name, text in options.items()}
    return Settings(environ=environ, command_line=CommandLine(options=given, is_used=bool(options)))


@pytest.mark.parametrize(
    ("environ", "option", "text", "name"),
    [
        ({}, "", "", "--timeout"),
        ({"FINI_GATE_TIMEOUT": " 3s\n"}, "", "3s", "FINI_GATE_TIMEOUT"),
        ({"FINI_GATE_TIMEOUT": "3s", "INPUT_TIMEOUT": "2s"}, "", "2s", "INPUT_TIMEOUT"),
        ({"INPUT_TIMEOUT": "2s", "FINI_GATE_TIMEOUT": "3s"}, "1s", "1s", "--timeout"),
        ({"INPUT_TIMEOUT": " ", "FINI_GATE_TIMEOUT": "3s"}, "\n", "3s", "FINI_GATE_TIMEOUT"),
        ({"INPUT_TIMEOUT": "2s", "GITHUB_ACTIONS": "true"}, "", "2s", "timeout"),
        ({"INPUT_TIMEOUT": "2s", "GITHUB_ACTIONS": "TRUE"}, "", "2s", "INPUT_TIMEOUT"),
        ({"input_timeout": "2s", "fini_gate_timeout": "3s"}, "", "", "--timeout"),
        ({"GITHUB_ACTIONS": "true"}, "", "", "timeout"),
    ],
)
def test_setting__comes_from_the_strongest_source(
    environ: Mapping[str, str], option: str, text: str, name: str
) -> None:
    """An option comes first, then the input, then the variable; what is empty falls through."""
    settings = _settings(environ, **({"timeout": option} if option else {}))
    assert (settings.text("timeout"), settings.names.name_of("timeout")) == (text, name)


def test_settings__have_hyphens_and_underscores() -> None:
    """In an input's variable hyphens stay hyphens; a shell could not set such a variable."""
    environ = {"INPUT_POLL-INTERVAL": "1s", "FINI_GATE_JOB_IDS_FILE": "ids"}
    settings = _settings(environ)
    assert [settings.text(name) for name in ("poll-interval", "job-ids-file", "poll_interval")] == ["1s", "ids", ""]


@pytest.mark.parametrize(
    ("environ", "options", "key", "path", "name"),
    [
        ({"FINI_API_KEY": "a"}, {}, "a", "", "FINI_API_KEY"),
        ({"FINI_API_KEY": "a", "INPUT_API-KEY": "b"}, {}, "b", "", "INPUT_API-KEY"),
        ({"FINI_API_KEY": "a", "FINI_GATE_API_KEY_FILE": "f"}, {}, "", "f", "FINI_GATE_API_KEY_FILE"),
        ({"INPUT_API-KEY": "b", "FINI_GATE_API_KEY_FILE": "f"}, {}, "b", "", "INPUT_API-KEY"),
        ({"INPUT_API-KEY": "b"}, {"api_key_file": "g"}, "", "g", "--api-key-file"),
        ({"FINI_GATE_API_KEY_FILE": "f", "FINI_GATE_API_KEY": "c"}, {}, "", "f", "FINI_GATE_API_KEY_FILE"),
    ],
)
def test_api_key__comes_from_one_place(
    environ: Mapping[str, str], options: Mapping[str, str], key: str, path: str, name: str
) -> None:
    """A file is a source of its own, as strong as what names it; messages name the one that counts."""
    settings = _settings(environ, **options)
    assert (settings.text("api-key"), settings.text("api-key-file")) == (key, path)
    assert settings.names.name_of("api-key") == name


@pytest.mark.parametrize(
    ("environ", "has_used_options", "has_options", "has_outputs"),
    [
        ({"GITHUB_ACTIONS": "true"}, False, False, True),
        ({"GITHUB_ACTIONS": "true"}, True, True, True),
        ({"GITHUB_ACTIONS": "false"}, False, True, False),
        ({}, True, True, False),
    ],
)
def test_names__are_options_unless_a_workflow_set_inputs(
    environ: Mapping[str, str], *, has_used_options: bool, has_options: bool, has_outputs: bool
) -> None:
    """On GitHub without arguments, what can be set are the inputs of a step."""
    names = _settings(environ, **({"json": "true"} if has_used_options else {})).names
    assert (names.has_options, names.has_outputs) == (has_options, has_outputs)


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("TRUE", True), ("false", False), ("", False)])
def test_json__is_a_setting_like_others(text: str, *, expected: bool) -> None:
    """A variable can switch it on."""
    assert _settings({"FINI_GATE_JSON": text}).is_json is expected


def test_workspace__defaults_to_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without GITHUB_WORKSPACE, paths are relative to the current folder."""
    monkeypatch.chdir(tmp_path)
    assert _settings({"GITHUB_WORKSPACE": ""}).workspace == tmp_path
    assert _settings({"GITHUB_WORKSPACE": "/w"}).workspace == Path("/w")


def test_workspace__may_have_been_deleted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Then there is no file to read or write, and paths are usage errors."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert _settings({}).workspace == Path("/dev/null")


def test_settings__do_not_show_the_key() -> None:
    """The text of all settings does not contain any."""
    assert "fini_" not in repr(_settings({"FINI_API_KEY": "fini_0123456789"}))
