from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from release.errors import ReleaseError
from release.repository import Repository
from release.version import Version

if TYPE_CHECKING:
    from pathlib import Path

    from tests.release.conftest import Clone


def released(clone: Clone, version: str) -> str:
    """Commit something, release it, and give its commit."""
    clone.git("commit", "--quiet", "--allow-empty", "--message", f"chore: release {version} from {clone.folder.name}")
    Repository(clone.folder).publish(Version.parse(version))
    clone.git("fetch", "--quiet", "--tags", "--force")
    return clone.git("rev-parse", "HEAD")


def test_publish__tags_the_commit_twice(maintainer: Clone) -> None:
    """A release's commit is at the remote under its version and under its major version, both of them plain tags."""
    first = released(maintainer, "1.2.3")
    assert maintainer.remote_tags() == {"v1.2.3": first, "v1": first}


def test_publish__moves_the_floating_tag_alone(maintainer: Clone) -> None:
    """The next release takes the floating tag along; the older release's tag stays where it is."""
    first, second, third = (released(maintainer, version) for version in ("1.2.3", "1.3.0", "2.0.0"))
    expected = {"v1.2.3": first, "v1.3.0": second, "v1": second, "v2.0.0": third, "v2": third}
    assert maintainer.remote_tags() == expected


def test_publish__leaves_the_floating_tag_to_releases(maintainer: Clone) -> None:
    """Neither a candidate nor a repair of an older version is what `v1` means."""
    newest = released(maintainer, "1.3.0")
    candidate = released(maintainer, "1.4.0-rc.1")
    repair = released(maintainer, "1.2.4")
    expected = {"v1.3.0": newest, "v1": newest, "v1.4.0-rc.1": candidate, "v1.2.4": repair}
    assert maintainer.remote_tags() == expected


def test_publish__never_moves_a_release(maintainer: Clone, tmp_path: Path) -> None:
    """A version that is at the remote already stays what it is, and the floating tag with it, even unseen."""
    late = maintainer.clone(tmp_path / "late")
    first = released(maintainer, "1.2.3")
    with pytest.raises(ReleaseError, match=r"^git push: .*v1\.2\.3.*$"):
        released(late, "1.2.3")
    assert maintainer.remote_tags() == {"v1.2.3": first, "v1": first}


def test_publish__never_undoes_a_quicker_release(maintainer: Clone, tmp_path: Path) -> None:
    """Where the floating tag is no longer where it was seen, nothing at all is tagged."""
    released(maintainer, "1.2.3")
    late = maintainer.clone(tmp_path / "late")
    quicker = released(maintainer, "1.3.0")
    before = maintainer.remote_tags()
    with pytest.raises(ReleaseError, match=r"^git push: .*stale info.*$"):
        released(late, "1.2.4")
    assert maintainer.remote_tags() == before
    assert before["v1"] == quicker


def test_main__is_what_the_remote_says(maintainer: Clone) -> None:
    """A commit is on main once it is pushed there; one of another branch is not, nor one that is nowhere."""
    repository = Repository(maintainer.folder)
    assert repository.is_on_main()
    maintainer.git("commit", "--quiet", "--allow-empty", "--message", "feat: more")
    assert not repository.is_on_main()
    maintainer.git("push", "--quiet", "origin", "HEAD:refs/heads/main-not")
    assert not repository.is_on_main()
    maintainer.git("push", "--quiet", "origin", "HEAD:main")
    assert repository.is_on_main()
    maintainer.git("checkout", "--quiet", "--detach", "HEAD^")
    assert repository.is_on_main()


def test_commit__holds_one_file(maintainer: Clone) -> None:
    """What else has changed is left out of the commit."""
    (maintainer.folder / "action.yml").write_text("name: changed\n", encoding="utf-8")
    (maintainer.folder / ".gitignore").write_text("changed\n", encoding="utf-8")
    maintainer.git("add", ".gitignore")
    Repository(maintainer.folder).commit("action.yml", "chore: release 1.2.3")
    assert maintainer.git("show", "--name-only", "--format=%s", "HEAD").split("\n") == [
        "chore: release 1.2.3",
        "",
        "action.yml",
    ]


def test_git__tells_why_it_failed(tmp_path: Path) -> None:
    """An error of git's is told in one line."""
    with pytest.raises(ReleaseError, match=re.escape("git rev-parse: fatal: not a git repository")) as raised:
        Repository(tmp_path).head()
    assert "\n" not in str(raised.value)
