from __future__ import annotations

import re

import pytest

from release.changelog import notes
from release.errors import ReleaseError
from release.version import Version
from tests.release.conftest import CHANGELOG, ROOT

VERSION = Version.parse("1.2.3")
HEAD = "# Changelog\n\n## [Unreleased]\n\n"


def test_notes__are_the_versions_section() -> None:
    """The section is given as it is written, without its heading and without the older ones."""
    text = f"{HEAD}## [1.2.3] - 2026-11-24\n\n### [Added]\n\n- This.\n\n## [1.2.2] - 2026-11-23\n\n- That.\n"
    assert notes(text, VERSION) == "### [Added]\n\n- This.\n"


def test_notes__need_no_section_for_what_is_not_released() -> None:
    """A changelog without [Unreleased] will do, and the last section reaches to the end."""
    assert notes("# Changelog\n\n## [1.2.3] - 2026-11-24\n- This.", VERSION) == "- This.\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "CHANGELOG.md's newest section must be [1.2.3], and is none"),
        (HEAD, "CHANGELOG.md's newest section must be [1.2.3], and is none"),
        (
            f"{HEAD}## [1.2.2] - 2026-11-23\n\n- That.\n",
            "CHANGELOG.md's newest section must be [1.2.3], and is [1.2.2]",
        ),
        (
            f"{HEAD}## [1.2.4] - 2026-11-25\n\n- Later.\n\n## [1.2.3] - 2026-11-24\n\n- This.\n",
            "CHANGELOG.md's newest section must be [1.2.3], and is [1.2.4]",
        ),
        (
            f"{HEAD}### Added\n\n- Forgotten.\n\n## [1.2.3] - 2026-11-24\n\n- This.\n",
            "CHANGELOG.md has entries under [Unreleased]; move them under [1.2.3]",
        ),
        (
            f"{HEAD}## [1.2.3]\n\n- This.\n",
            "CHANGELOG.md's section must start with a date: ## [1.2.3] - YYYY-MM-DD",
        ),
        (
            f"{HEAD}## [1.2.3] - 2026-13-24\n\n- This.\n",
            "CHANGELOG.md's section must start with a date: ## [1.2.3] - YYYY-MM-DD",
        ),
        (
            f"{HEAD}## [1.2.3] - 2026-11-24\n\n### Added\n\n[1.2.3]: https://example.com\n",
            "CHANGELOG.md's section [1.2.3] is empty",
        ),
    ],
)
def test_notes__are_refused(text: str, problem: str) -> None:
    """A section that is missing, not the newest, without a date or empty is told in one line, and so is a leftover."""
    with pytest.raises(ReleaseError, match=f"^{re.escape(problem)}$"):
        notes(text, VERSION)


def test_notes__are_found_in_the_real_changelog() -> None:
    """The project's own changelog is read: what it holds now becomes a release by giving its section a number."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = text.replace("## [Unreleased]", "## [1.2.3] - 2026-11-24", 1)
    assert notes(released, VERSION).startswith("### ")
    assert notes(CHANGELOG.format(version="1.2.3"), VERSION).startswith("### Added\n\n- What 1.2.3 adds.\n")
