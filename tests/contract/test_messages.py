"""Check that the page about messages lists those in the code."""

import ast
import builtins
import re
from collections.abc import Iterator
from typing import Final

from tests.contract.pages import ROOT, Page

PAGE: Final = Page("docs/troubleshooting.md")
# A message is what is raised or what a warning says. These functions also return messages.
FUNCTIONS: Final = {"_fatal_message", "_help_problem", "_unknown_option", "_value_problem", "_when"}
TREES: Final = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "fini_gate").rglob("*.py"))]


def called_name(node: ast.Call) -> str:
    """Return the name of the function or class that is called, without its module or object."""
    return str(getattr(node.func, "attr", getattr(node.func, "id", "")))


def functions_named(name: str, tree: ast.Module) -> list[ast.FunctionDef]:
    """Return a module's function of this name, or else those of all modules."""
    for modules in ([tree], TREES):
        nodes = [node for module in modules for node in ast.walk(module)]
        if found := [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == name]:
            return found
    return []


def texts(node: ast.expr, tree: ast.Module) -> Iterator[str]:
    """Yield the texts that an expression in a module can be, with … for each value in them."""
    match node:
        case ast.Constant(value=str(text)):
            yield re.sub("[«»]", "", text)
        case ast.JoinedStr(values=parts):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
            yield re.sub("[«»]", "", text)
        case ast.Call():
            for function in functions_named(called_name(node), tree):
                yield from returned_texts(function, tree)


def returned_texts(function: ast.FunctionDef, tree: ast.Module) -> Iterator[str]:
    """Yield the texts that a function of a module can return."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from texts(node.value, tree)


def messages_of(tree: ast.Module) -> Iterator[str]:
    """Yield the messages of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in FUNCTIONS:
            yield from returned_texts(node, tree)
        call = node.exc if isinstance(node, ast.Raise) else node
        if not isinstance(call, ast.Call) or hasattr(builtins, called_name(call)):
            continue
        if isinstance(node, ast.Raise) or re.search("(Error|Failure|warning)$", called_name(call)):
            for argument in call.args:
                yield from texts(argument, tree)


def test_messages__are_all_on_the_page() -> None:
    """The table has a row for each message of two words or more, with what to do, and no other row."""
    messages = {text for tree in TREES for text in messages_of(tree) if len(re.findall("[a-z]{2,}", text)) > 1}
    advice = {message.strip("`"): what_to_do for message, what_to_do in PAGE.table("message")}
    assert sorted(advice) == sorted(messages)
    assert all(len(what_to_do.split()) > 1 for what_to_do in advice.values())
    defined = {node.name for tree in TREES for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert defined >= FUNCTIONS
