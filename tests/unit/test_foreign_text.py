"""Text from outside is shown, never obeyed, and never shows a key."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.foreign_text import printable, printable_line, redact, storable

HIDDEN = "\x00\r\t\x1b\x7f\x85\x9b\u00ad\u200b\u200f\u202e\u2028\u2066\ud800\ufeff\U000e0041"


@given(st.text())
def test_what_is_printed_controls_nothing(text: str) -> None:
    """Of all characters without a glyph only the line break is left, and in a line not even it."""
    shown = printable(text)

    assert not set(shown) & set(HIDDEN)
    assert {"\n"} >= {each for each in shown if unicodedata.category(each) in {"Cc", "Cs", "Zl"}}
    assert "\n" not in printable_line(text)
    assert shown == printable(shown)


@given(st.dictionaries(st.text(), st.text()))
def test_json_stays_the_same_json(data: dict[str, str]) -> None:
    """What is escaped for the terminal is read back as it was."""
    assert data == json.loads(printable(json.dumps(data, ensure_ascii=False, indent=1)))


def test_what_stands_in_a_table_keeps_its_marks_of_direction() -> None:
    """A spreadsheet's cell is data: only what no table can hold is escaped."""
    assert "a\u200fb\\u0000\n\t" == storable("a\u200fb\0\n\t")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("RUNWARE_API_KEY=abc123", "RUNWARE_API_KEY=******"),
        ("known: EVOLINK_API_KEY=a, PASSWORD='b'", "known: EVOLINK_API_KEY=*, PASSWORD='*'"),
        ("SERVICE=3f9a1c77e0b24d58", "SERVICE=" + "*" * 16),
        ('{"api_key": "hunter2hunter2"}', '{"api_key": "' + "*" * 14 + '"}'),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "********** ******* ********\n****"),
        ("the token: is what", "the token: is what"),
        ("mode=standard-and-nothing-else", "mode=standard-and-nothing-else"),
        ("api_key: {{ row.key_of_row }}", "api_key: {{ row.key_of_row }}"),
    ],
)
def test_what_looks_like_a_key_is_starred(text: str, shown: str) -> None:
    """By the name before it, by its look, or since a private key begins."""
    assert shown == redact(text)
