"""Releases from the first job to the last, on a repository of the test's own: the workflow's lines, fakes around."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.release.workflow import JOBS, REPOSITORY, USAGE_ERROR, Run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.release.conftest import Clone

IMAGE = "ghcr.io/owner/fini-gate"


def released(maintainer: Clone, folder: Path, version: str) -> Run:
    """Ask for a release, run the workflow to its end, and see that every job succeeded."""
    maintainer.request(version)
    run = Run(folder, maintainer, f"release/{version}")
    run.complete()
    assert run.failed == {}
    assert list(run.outputs) == list(JOBS)
    return run


def test_release__is_what_users_pin(maintainer: Clone, tmp_path: Path) -> None:
    """The tag's commit is the one that was asked for, with the image named by the digest that was attested."""
    run = released(maintainer, tmp_path / "run", "1.2.3")
    digest = run.outputs["publish"]["digest"]
    commit = run.outputs["tag"]["commit"]
    requested = maintainer.git("rev-parse", "release/1.2.3")
    assert maintainer.remote_tags() == {"release/1.2.3": requested, "v1.2.3": commit, "v1": commit}
    maintainer.git("fetch", "--quiet", "--tags")
    assert maintainer.git("diff", "--unified=0", requested, commit).splitlines()[-2:] == [
        "-  image: Dockerfile",
        f"+  image: docker://{IMAGE}@{digest}",
    ]
    assert maintainer.git("log", "--format=%an <%ae> %cn %s", "-1", commit) == (
        "github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com> github-actions[bot]"
        " chore: release 1.2.3"
    )


def test_release__does_its_work_in_order(maintainer: Clone, tmp_path: Path) -> None:
    """It tests, builds, runs what it built, pushes, attests and verifies it, and only then tags and releases it."""
    run = released(maintainer, tmp_path / "run", "1.2.3")
    pinned = f"{IMAGE}@{run.outputs['publish']['digest']}"
    order = [
        "make lint",
        "make test",
        "docker run .*--platform linux/amd64 fini-gate:amd64",
        "docker run .*--platform linux/arm64 fini-gate:arm64",
        "docker/login-action ghcr.io .*",
        f"skopeo copy --all --preserve-digests oci:layout docker://{IMAGE}:1.2.3",
        f"actions/attest-build-provenance {IMAGE} {pinned.partition('@')[2]} true false",
        f"gh attestation verify oci://{pinned} --repo {REPOSITORY} .*--source-ref refs/tags/release/1.2.3 .*",
        f"skopeo inspect --raw docker://{pinned}",
        "gh auth setup-git",
        "gh release create v1.2.3 --verify-tag .*--prerelease=false",
    ]
    remaining = iter(run.calls)
    for expected in order:
        assert any(re.fullmatch(expected, call) for call in remaining), expected
    notes = (tmp_path / "run" / "release-temp" / "notes.md").read_text(encoding="utf-8")
    assert f"- uses: {REPOSITORY}@{run.outputs['tag']['commit']} # v1.2.3\n" in notes


def test_release__follows_another(maintainer: Clone, tmp_path: Path) -> None:
    """The next release moves the floating tag; a candidate after it does not, and is marked as one."""
    first = released(maintainer, tmp_path / "first", "1.2.3").outputs["tag"]["commit"]
    maintainer.git("fetch", "--quiet", "--tags")
    second = released(maintainer, tmp_path / "second", "1.3.0").outputs["tag"]["commit"]
    maintainer.git("fetch", "--quiet", "--tags", "--force")
    candidate = released(maintainer, tmp_path / "third", "1.4.0-rc.1")
    tags = maintainer.remote_tags()
    expected = {"v1.2.3": first, "v1.3.0": second, "v1": second, "v1.4.0-rc.1": candidate.outputs["tag"]["commit"]}
    assert {name: commit for name, commit in tags.items() if name.startswith("v")} == expected
    assert candidate.calls[-1].endswith("--prerelease=true")


@pytest.mark.parametrize(
    "gate",
    [
        'echo "output result = error"; exit 0',
        'echo "no such file" >&2; exit 2',
        "exit 125",
        f'case "$*" in *linux/arm64*) exit 1 ;; esac; {USAGE_ERROR}',
    ],
)
def test_release__stops_at_an_image_that_does_not_run(maintainer: Clone, tmp_path: Path, gate: str) -> None:
    """An image that ends in another way than by the gate's usage error is not published."""
    requested = maintainer.request("1.2.3")
    run = Run(tmp_path / "run", maintainer, "release/1.2.3")
    (run.fakes / "gate").write_text(gate, encoding="utf-8")
    run.complete()
    assert run.failed["build"].startswith("Run both architectures: ")
    assert list(run.outputs) == ["check", "test"]
    assert maintainer.remote_tags() == {"release/1.2.3": requested}


def test_release__stops_at_an_image_that_is_private(maintainer: Clone, tmp_path: Path) -> None:
    """An image that not everybody can pull is not tagged, and so nobody pins it."""
    requested = maintainer.request("1.2.3")
    run = Run(tmp_path / "run", maintainer, "release/1.2.3")
    (run.fakes / "private").touch()
    run.complete()
    assert run.failed == {"tag": "See that anybody can pull the image: "}
    assert list(run.outputs) == ["check", "test", "build", "publish"]
    assert maintainer.remote_tags() == {"release/1.2.3": requested}


def test_release__is_refused_at_once(maintainer: Clone, tmp_path: Path) -> None:
    """Where the repository is not ready, the first job says so, and no other runs."""
    maintainer.request("1.2.3")
    maintainer.git("tag", "release/1.2.4")
    run = Run(tmp_path / "run", maintainer, "release/1.2.4")
    maintainer.git("push", "--quiet", "--tags")
    run.complete()
    problem = "release: pyproject.toml has the version 1.2.3, and not 1.2.4\n"
    assert run.failed == {"check": f"Check the version, the changelog and the commit: {problem}"}
    assert run.outputs == {}
    assert run.calls == []
