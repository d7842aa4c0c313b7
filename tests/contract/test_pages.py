"""Check that everything that a Markdown page links to or names exists."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from typing import Final

import pytest

from tests.contract.pages import ROOT, Page
from tests.e2e.machine import call

FILES: Final = call("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
PAGES: Final = [name for name in FILES if name.endswith(".md")]
PATH: Final = re.compile(r"[\w.-]+(/[a-zA-Z._][\w.-]*)+/?")
FOLDERS: Final = {name.partition("/")[0] for name in FILES if "/" in name}
TARGETS: Final = set(re.findall("(?m)^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))

each_page = pytest.mark.parametrize("page", [Page(name) for name in PAGES], ids=PAGES)


@each_page
def test_page__links_to_what_exists(page: Page) -> None:
    """Each relative link leads to a file or a folder, and each anchor to a heading."""
    for link in page.links:
        path, _, anchor = link.partition("#")
        if not re.match("https?:|mailto:", link):
            target = page.path.parent / path if path else page.path
            assert target.exists(), link
            assert not anchor or anchor in Page(str(target)).anchors, link


@each_page
def test_page__names_what_exists(page: Page) -> None:
    """The files and tests of this repository, make targets and Python modules in a page's code exist."""
    for line in (line for code in page.code for line in code.splitlines()):
        path, _, test = line.partition("::")
        if PATH.fullmatch(path) and path.partition("/")[0] in FOLDERS:
            assert (ROOT / path).exists(), line
            assert not test or f"\ndef {test}(" in (ROOT / path).read_text(encoding="utf-8"), line
        assert set(make_targets(line)) <= TARGETS, line
        for module in re.findall(r"\bpython3? -m ([\w.]+)", line):
            assert importlib.util.find_spec(module), line


def make_targets(line: str) -> Iterator[str]:
    """Yield the targets of a line of shell that runs make."""
    command = re.match("([A-Z_]+=[^ ]* )*make (.*)", line)
    if command is not None:
        words = shlex.split(command[2], comments=True)
        yield from (word for word in words if re.fullmatch("[a-z][a-z0-9-]*", word))
