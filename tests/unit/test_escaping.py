import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.escaping import escape_control, escape_markdown, redact

KEY = "fini_0123456789abcdef"
ANY_TEXT = st.text() | st.text("a \r\n\t\x1b\x00#[]:@<>&|\\`*_{}()!~$\u2028\u200b\ud800é😀")
# The one way in which CommonMark reads a backslash: punctuation after it stands for itself.
ESCAPED_PUNCTUATION = re.compile(r"\\([!-/:-@\[-`{-~])")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, ünïcode 😀", "plain text, ünïcode 😀"),
        ("a\r\nb\rc", r"a\r\nb\rc"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\x00\t\x7f\x85", r"a\x00\t\x7f\x85"),
        ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
        ("right\u202eleft\u200b\ufeff", r"right\u202eleft\u200b\ufeff"),
        ("\ud800", r"\ud800"),
        ("a ##[error]b", "a ## [error]b"),
        ("###[[group]##[x", "### [[group]## [x"),
        ("##\x00[error]", r"##\x00[error]"),
    ],
)
def test_visible__spells_out_what_does_not_print(text: str, expected: str) -> None:
    """Line ends, control characters and invisible ones are spelled out, and commands within a line broken up."""
    assert escape_control(text) == expected


@given(ANY_TEXT)
def test_visible__is_one_printable_line_without_a_command(text: str) -> None:
    """Whatever the text, it becomes one printable line that holds no command, and stays so when done again."""
    quote = escape_control(text)
    assert quote.isprintable()
    assert "##[" not in quote
    assert escape_control(quote) == quote


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](https://evil.example)", r"\[a\]\(https\://evil\.example\)"),
        ("![a](b)", r"\!\[a\]\(b\)"),
        ("<img src=x>&amp;", "&lt;img src=x&gt;&amp;amp;"),
        ("`code` **bold** _it_ ~~no~~", r"\`code\` \*\*bold\*\* \_it\_ \~\~no\~\~"),
        ("a | b \\", r"a \| b \\"),
        ("# 1. - + > $x$ :smile:", r"\# 1\. - \+ &gt; \$x\$ \:smile\:"),
        ("ask @fini-team", "ask @\u200bfini-team"),
        ("a\n\nb", r"a\\n\\nb"),
        ("www.evil.example a@b.example", "www\\.evil\\.example a@\u200bb\\.example"),
    ],
)
def test_markdown__takes_the_meaning_from_marks(text: str, expected: str) -> None:
    """Links, pictures, HTML, code, emphasis, cells, lists, formulas, emoji and mentions are all plain text."""
    assert escape_markdown(text) == expected


@given(ANY_TEXT)
def test_markdown__reads_as_the_visible_text(text: str) -> None:
    """What a reader sees of the summary is the visible text, whatever marks it holds."""
    assert html.unescape(
        ESCAPED_PUNCTUATION.sub(r"\1", escape_markdown(text)).replace("@\u200b", "@")
    ) == escape_control(text)


@given(ANY_TEXT)
def test_markdown__leaves_no_mark_alive(text: str) -> None:
    """Whatever the text, it is one line without HTML, mention, or mark that no backslash stands before."""
    escaped = escape_markdown(text)
    alive = ESCAPED_PUNCTUATION.sub("", escaped)
    assert escaped.replace("\u200b", "").isprintable()
    assert not re.search(r"[<>|`*_\[\]\\#$~]", alive)
    assert not re.search(r"&(?!(amp|lt|gt);)", alive)
    assert not re.search("@(?!\u200b)", alive)


@given(ANY_TEXT, ANY_TEXT)
def test_redacted__does_not_hold_the_key(before: str, after: str) -> None:
    """The key is replaced wherever it stands, and nothing else is."""
    assert redact(f"{before}{KEY}{after}{KEY}", KEY) == f"{before}***{after}***"


@pytest.mark.parametrize("secret", ["", "a", "warning"])
def test_redacted__leaves_words_alone(secret: str) -> None:
    """What is too short to be a key is not taken out of words that hold it."""
    assert redact("a warning", secret) == "a warning"
