"""Holds the README's table of messages and the code together."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Who is handed the text of a message.
SPEAKERS = {
    *("UsageError", "OutageError", "RequestRefusedError", "InternalError", "CancelledError"),
    *("_ShapeError", "_NotJsonError", "warning"),
}
# Whose texts are messages, or the ends of one.
FUNCTIONS = {
    *(
        "_describe",
        "_fatal_message",
        "_which_limit",
        "dropped_outputs_warning",
        "no_titles_text",
        "unknown_status_text",
    ),
    *("_parse_json", "_parse_json_lines", "_parse_yaml", "_merged", "_reject_key"),
}


def pattern(node: ast.AST) -> str | None:
    """Give a text of the code, … in the place of each value; None where it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(pattern(part) or "…" for part in node.values)
    return None


def spoken(tree: ast.AST) -> Iterator[ast.AST]:
    """Give the nodes whose texts people may meet."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in SPEAKERS:
            yield from node.args
        if isinstance(node, ast.FunctionDef) and node.name in FUNCTIONS:
            for statement in ast.walk(node):
                if isinstance(statement, ast.Return) and statement.value is not None:
                    yield from [statement.value]
                elif isinstance(statement, ast.Raise) and isinstance(statement.exc, ast.Call):
                    yield from statement.exc.args


def messages() -> set[str]:
    """Give the texts that the code holds for people, of some words each."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "fini_gate").rglob("*.py"))
    texts = (pattern(node) for tree in trees for node in spoken(tree))
    return {text for text in texts if text is not None and len(re.findall(r"[a-z]{2,}", text)) > 1}


def rows() -> dict[str, str]:
    """Give the README's table: message → what to do."""
    _, _, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Messages and what to do\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")][2:]
    cells = ([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines)
    return {message.strip("`").replace("\\|", "|"): hint for message, hint in cells}


def test_messages__all_stand_in_the_readme() -> None:
    """Each message that a user can meet has a row, and there is no row of another."""
    assert sorted(rows()) == sorted(messages())


@pytest.mark.parametrize("message", sorted(messages()))
def test_messages__come_with_what_to_do(message: str) -> None:
    """Each row says what to do next."""
    assert len(rows()[message].split()) > 1
