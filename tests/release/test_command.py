from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from release.__main__ import main
from tests.release.layouts import build

if TYPE_CHECKING:
    from tests.release.conftest import Clone

REPOSITORY = "OWNER/fini-gate"
IMAGE = "ghcr.io/owner/fini-gate"
DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.fixture
def at(maintainer: Clone, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """Stand in the maintainer's clone, as the workflow stands in its checkout."""
    monkeypatch.chdir(maintainer.folder)
    return maintainer


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a step that has to refuse, and give the one line that it says."""
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("release: ").rstrip("\n")


@pytest.mark.parametrize(("version", "prerelease"), [("1.2.3", "false"), ("1.2.3-rc.1", "true")])
def test_check__gives_what_the_later_steps_go_by(
    at: Clone, capsys: pytest.CaptureFixture[str], version: str, prerelease: str
) -> None:
    """A repository that is ready gives the version, the image in lower case, and whether it is a candidate."""
    at.request(version)
    assert main(["check", f"release/{version}", REPOSITORY]) == 0
    assert capsys.readouterr().out == f"version={version}\nimage={IMAGE}\nprerelease={prerelease}\n"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "pyproject.toml",
            '[project]\nversion = "1.2.2"\n',
            "pyproject.toml has the version 1.2.2, and not 1.2.3",
        ),
        ("CHANGELOG.md", "# Changelog\n", "CHANGELOG.md's newest section must be [1.2.3], and is none"),
        (
            "action.yml",
            "runs:\n  image: docker://other\n",
            "action.yml must have exactly one line `  image: Dockerfile`",
        ),
    ],
)
def test_check__refuses_files_that_are_not_ready(
    at: Clone, capsys: pytest.CaptureFixture[str], name: str, text: str, problem: str
) -> None:
    """A version, a changelog or an action that is not the release's is told in one line."""
    at.request("1.2.3")
    (at.folder / name).write_text(text, encoding="utf-8")
    assert refused(capsys, "check", "release/1.2.3", REPOSITORY) == problem


def test_check__refuses_a_folder_without_the_files(at: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is told in one line, too."""
    at.request("1.2.3")
    (at.folder / "CHANGELOG.md").unlink()
    assert "CHANGELOG.md" in refused(capsys, "check", "release/1.2.3", REPOSITORY)


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("commit --quiet --allow-empty --message unseen", "release/1.2.3 is on no commit of main"),
        ("tag v1.2.3", "1.2.3 does not come after 1.2.3, the newest release"),
        ("tag v2.0.0-rc.1", "1.2.3 does not come after 2.0.0-rc.1, the newest release"),
    ],
)
def test_check__refuses_a_commit_that_is_not_next(
    at: Clone, capsys: pytest.CaptureFixture[str], command: str, problem: str
) -> None:
    """A commit that main does not have, and a version that is not newer than every release, are told in one line."""
    at.request("1.2.3")
    at.git(*command.split())
    assert refused(capsys, "check", "release/1.2.3", REPOSITORY) == problem


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("v1.2.3", "a release starts from a tag such as release/1.2.3, and not 'v1.2.3'"),
        ("release/v1.2.3", "'v1.2.3' is no version such as 1.2.3 or 1.2.3-rc.1"),
        ("release/1.2.3\nimage=x", r"'1.2.3\nimage=x' is no version such as 1.2.3 or 1.2.3-rc.1"),
    ],
)
def test_check__refuses_another_tag(at: Clone, capsys: pytest.CaptureFixture[str], tag: str, problem: str) -> None:
    """A tag that asks for no version is refused, whatever it would add to the outputs."""
    at.request("1.2.3")
    assert refused(capsys, "check", tag, REPOSITORY) == problem


def test_index__gives_the_digest(at: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    """The digest of what was built, in a folder of the checkout."""
    digest = build(at.folder / "layout", "1.2.3", "the-commit")
    assert main(["index", "layout", "1.2.3", "the-commit"]) == 0
    assert capsys.readouterr().out == f"digest={digest}\n"


def test_index__refuses_another_commits_image(at: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    """An image that was built from another commit is no part of the release."""
    build(at.folder / "layout", "1.2.3", "another")
    problem = "the image for linux/amd64 must have the revision the-commit, and has another"
    assert refused(capsys, "index", "layout", "1.2.3", "the-commit") == problem


def test_tag__makes_the_commit_that_users_pin(at: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    """On top of the commit that asked for it stands one whose change is the image's line, and the tags are on it."""
    requested = at.request("1.2.3")
    assert main(["tag", "1.2.3", IMAGE, DIGEST]) == 0
    commit = at.git("rev-parse", "HEAD")
    assert capsys.readouterr().out == f"commit={commit}\ntags=v1.2.3 v1\n"
    assert at.remote_tags() == {"release/1.2.3": requested, "v1.2.3": commit, "v1": commit}
    assert at.git("rev-parse", "HEAD^") == requested
    changed = at.git("diff", "--unified=0", "HEAD^", "HEAD").splitlines()
    assert [line for line in changed if came_or_went(line)] == [
        "-  image: Dockerfile",
        f"+  image: docker://{IMAGE}@{DIGEST}",
    ]
    assert at.git("ls-remote", "--heads", "origin").split() == [requested, "refs/heads/main"]


def came_or_went(line: str) -> bool:
    """Tell whether a line of a diff is one that came or went."""
    return line.startswith(("-", "+")) and not line.startswith(("---", "+++"))


def test_tag__leaves_a_refused_release_untouched(at: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a digest there is no commit, and no tag."""
    requested = at.request("1.2.3")
    assert refused(capsys, "tag", "1.2.3", IMAGE, "latest").startswith("'latest' is no digest")
    assert at.git("rev-parse", "HEAD") == requested
    assert at.git("status", "--porcelain") == ""
    assert at.remote_tags() == {"release/1.2.3": requested}


def test_notes__say_what_is_new_and_what_to_pin(at: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    """The notes are the changelog's section, the line to put into a workflow, and the image that it runs."""
    at.request("1.2.3")
    main(["tag", "1.2.3", IMAGE, DIGEST])
    capsys.readouterr()
    assert main(["notes", "1.2.3", REPOSITORY]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("### Added\n\n- What 1.2.3 adds.\n")
    assert f"\n- uses: {REPOSITORY}@{at.git('rev-parse', 'HEAD')} # v1.2.3\n" in printed
    assert f"`{IMAGE}@{DIGEST}`" in printed
    assert f"https://github.com/{REPOSITORY}/blob/v1.2.3/docs/releasing.md#verify-a-release" in printed


def test_notes__are_of_a_release(at: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    """On a commit that names no image there is nothing to pin."""
    at.request("1.2.3")
    assert refused(capsys, "notes", "1.2.3", REPOSITORY).startswith("action.yml names no image by digest")


def test_command__needs_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a step it says which ones there are."""
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "usage: python3 -m release" in capsys.readouterr().err
