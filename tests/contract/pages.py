"""The repository's Markdown pages: their tables, links, headings and code."""

import re
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

ROOT: Final = Path(__file__).resolve().parents[2]
PARSER: Final = MarkdownIt("commonmark").enable("table")


class Page:
    """A parsed page."""

    def __init__(self, name: str) -> None:
        self.path = ROOT / name
        self.text = self.path.read_text(encoding="utf-8")
        self._nodes = list(SyntaxTreeNode(PARSER.parse(self.text)).walk())
        self.code = [node.content for node in self._all({"code_inline", "fence"})]
        self.links = [str(node.attrs.get("href", node.attrs.get("src"))) for node in self._all({"link", "image"})]
        # For each table its rows, for each row its cells. The first row has the headings.
        self.tables = [
            [[cell.children[0].content for cell in row.children] for part in table.children for row in part.children]
            for table in self._all({"table"})
        ]

    @property
    def anchors(self) -> set[str]:
        """The anchors that GitHub gives the headings."""
        anchors: list[str] = []
        for heading in self._all({"heading"}):
            text = "".join(node.content for node in heading.walk() if node.type in {"text", "code_inline"})
            slug = re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")
            repeated = sum(re.fullmatch(rf"{slug}(-\d+)?", anchor) is not None for anchor in anchors)
            anchors.append(f"{slug}-{repeated}" if repeated else slug)
        return set(anchors)

    def table(self, first_heading: str) -> list[list[str]]:
        """Return the rows of the table with this first heading."""
        (rows,) = (rows for (heading, *_), *rows in self.tables if heading == first_heading)
        return rows

    def _all(self, types: set[str]) -> list[SyntaxTreeNode]:
        return [node for node in self._nodes if node.type in types]


def code_spans(cell: str) -> list[str]:
    """Return the code spans in a cell of a table."""
    return re.findall("`([^`]+)`", cell)
