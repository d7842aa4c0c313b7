"""Check the page that the package index shows."""

import re
from typing import Final

from tests.contract.pages import ROOT, Page

PAGE: Final = Page("docs/package.md")
PREFIX: Final = "https://github.com/OWNER/fini-gate/blob/main/"


def test_page__has_links_that_work_elsewhere() -> None:
    """Every link is absolute, and those into this repository lead to a page that exists."""
    assert [link for link in PAGE.links if not link.startswith("https://")] == []
    pages = [link.removeprefix(PREFIX) for link in PAGE.links if link.startswith(PREFIX)]
    assert pages
    assert [page for page in pages if not (ROOT / page).is_file()] == []


def test_page__lists_every_exit_code() -> None:
    """The page has the exit codes of the reference."""
    codes = [
        {code for row in page.table(heading) for code in re.findall(r"\d+", row[column])}
        for page, heading, column in ((PAGE, "exit code", 0), (Page("docs/reference.md"), "result", 1))
    ]
    assert codes[0] == codes[1]
