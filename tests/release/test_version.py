from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.errors import ReleaseError
from release.version import Version, of_tags

NUMBERS = st.integers(0, 999_999)
VERSIONS = st.builds(Version, NUMBERS, NUMBERS, NUMBERS) | st.builds(
    Version, NUMBERS, NUMBERS, NUMBERS, st.integers(1, 999_999)
)


@given(VERSIONS)
def test_version__is_read_as_it_is_written(version: Version) -> None:
    """Whatever the version, its text is read as the same version."""
    assert Version.parse(str(version)) == version


@given(st.from_regex(r"[0-9v.]*(-rc\.)?[0-9]*") | st.text())
def test_version__is_written_as_it_was_read(text: str) -> None:
    """Whatever is read as a version is written the same, so that no two texts are one version."""
    try:
        version = Version.parse(text)
    except ReleaseError:
        return
    assert str(version) == text


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.3-rc.0", "1.2.3-rc1", "1.2.3-beta.1", "1.2.3+1", "1.2.3\n"],
)
def test_version__is_refused(text: str) -> None:
    """Only the two forms are versions: no leading zeros, no `v`, no other kind of pre-release."""
    with pytest.raises(ReleaseError, match=f"^{re.escape(repr(text))} is no version"):
        Version.parse(text)


def test_version__has_an_order() -> None:
    """Numbers are compared as numbers, and a candidate comes before its release."""
    ordered = ["0.9.9", "1.0.0-rc.1", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"]
    assert [str(version) for version in sorted(map(Version.parse, reversed(ordered)))] == ordered


def test_version__names_its_tags() -> None:
    """A version has a tag of its own, and shares one with its major version."""
    version = Version.parse("12.3.4-rc.5")
    assert (version.tag, version.floating_tag) == ("v12.3.4-rc.5", "v12")


@pytest.mark.parametrize(
    ("version", "released", "moves"),
    [
        ("1.0.0", [], True),
        ("1.0.0-rc.1", [], False),
        ("1.0.0", ["1.0.0-rc.1"], True),
        ("1.0.1", ["1.0.0"], True),
        ("1.0.1", ["1.0.0", "2.3.4"], True),
        ("1.0.1", ["1.1.0"], False),
        ("1.0.1", ["1.1.0-rc.1"], False),
        ("1.0.1", ["1.0.1"], False),
        ("2.0.0", ["1.9.9"], True),
    ],
)
def test_floating_tag__never_moves_to_a_candidate_or_backwards(version: str, released: list[str], moves: bool) -> None:  # noqa: FBT001 - a column of the table
    """It follows the newest release of its own major version, and no candidate."""
    assert Version.parse(version).moves_floating_tag(map(Version.parse, released)) is moves


def test_tags__tell_what_is_released() -> None:
    """Of all tags, those that are a version's count, the oldest first."""
    tags = ["v1", "v1.10.0", "v1.9.0", "release/1.10.0", "1.2.3", "v1.10.0-rc.1", "vintage", "v1.2"]
    assert [str(version) for version in of_tags(tags)] == ["1.9.0", "1.10.0-rc.1", "1.10.0"]
