import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fini_gate.escaping import escape_control, escape_line, escape_markdown, redact

KEY = "fini_0123456789abcdef"
ANY_TEXT = st.text() | st.text("a \r\n\t\x1b\x00#[]:@<>&|\\`*_{}()!~$\u2028\u200b\ud800é😀")
# What CommonMark does with a backslash: the punctuation after it stands for itself.
ESCAPED_PUNCTUATION = re.compile(r"\\([!-/:-@\[-`{-~])")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, ünïcode 😀", "plain text, ünïcode 😀"),
        ("a\r\nb\x00\t\x1b[31mred\x07\x7f\x85", r"a\r\nb\x00\t\x1b[31mred\x07\x7f\x85"),
        ("\u2028\u2029right\u202eleft\u200b\ufeff\ud800", r"\u2028\u2029right\u202eleft\u200b\ufeff\ud800"),
        (
            "a ##[error]b ###[[group] ##vso[x ##TeamCity[y] # [z]",
            "a # #[error]b # # #[[group] # #vso[x # #TeamCity[y] # [z]",
        ),
        ("#\u200b#vso[x #\ufe0f\u3164#vso[y", "#\\u200b#vso[x # \ufe0f\u3164#vso[y"),
    ],
)
def test_escape_control__spells_out_what_does_not_print(text: str, expected: str) -> None:
    """Line ends, control characters and invisible characters are spelled out, and commands are broken up."""
    assert escape_control(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("::error::x", "\\::error::x"),
        ("\u00a0 ::x", "\\xa0 ::x"),
        (" \ufe0f:\u034f:x", "\\ \ufe0f:\u034f:x"),
        ("a ::x ##[y]", "a ::x # #[y]"),
        (": :x", ": :x"),
    ],
)
def test_escape_line__begins_with_no_command(text: str, expected: str) -> None:
    """Colons at the start get a backslash; anywhere else they mean nothing."""
    assert escape_line(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("![a](https://evil.example)", r"\!\[a\]\(https\://evil\.example\)"),
        ("<img src=x>&amp; | \\", r"&lt;img src=x&gt;&amp;amp; \| \\"),
        ("`code` **bold** _it_ ~~no~~", r"\`code\` \*\*bold\*\* \_it\_ \~\~no\~\~"),
        ("# 1. - + $x$ :smile: {}\n", r"\# 1\. - \+ \$x\$ \:smile\: \{\}\\n"),
        ("ask @fini-team", "ask @\u200bfini-team"),
    ],
)
def test_escape_markdown__leaves_plain_text(text: str, expected: str) -> None:
    """Links, pictures, HTML, code, emphasis, cells, formulas, emoji and mentions lose their meaning."""
    assert escape_markdown(text) == expected


@given(ANY_TEXT)
def test_escaping__of_any_text_is_harmless_and_loses_nothing(text: str) -> None:
    """Whatever the text, it is one printable line without a command, and its Markdown reads the same."""
    line, markdown = escape_control(text), escape_markdown(text)
    assert line.isprintable()
    assert "##" not in line
    assert escape_control(line) == line
    assert html.unescape(ESCAPED_PUNCTUATION.sub(r"\1", markdown).replace("@\u200b", "@")) == line
    unescaped = ESCAPED_PUNCTUATION.sub("", markdown)
    assert not re.search(r"[<>|`*_\[\]\\#$~]|&(?!(amp|lt|gt);)|@(?!\u200b)", unescaped)


@given(ANY_TEXT, ANY_TEXT)
def test_redact__removes_the_key(before: str, after: str) -> None:
    """The key is replaced wherever it appears, and nothing else is."""
    assert redact(f"{before}{KEY}{after}{KEY}", KEY) == f"{before}***{after}***"


@pytest.mark.parametrize(("secret", "expected"), [("", "a warnings"), ("warning", "a warnings"), ("warnings", "a ***")])
def test_redact__leaves_words_alone(secret: str, expected: str) -> None:
    """What is too short to be a key is not removed from words that contain it."""
    assert redact("a warnings", secret) == expected
