"""Addresses: from names, unambiguous, the same everywhere."""

from __future__ import annotations

import pytest

from pipeline.plan import address, encode_row_key


@pytest.mark.parametrize(
    ("row", "cell", "text"),
    [
        ("SKU-1042", "9x16-calm", "spin[SKU-1042,9x16-calm]#2"),
        ("SKU-1042", "", "spin[SKU-1042]#2"),
        ("", "9x16-calm", "spin[9x16-calm]#2"),
        ("", "", "spin#2"),
    ],
)
def test_what_a_shot_does_not_have_is_left_out(row: str, cell: str, text: str) -> None:
    """No table or no variants: no part of the address."""
    assert text == address("spin", row, cell, 2)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("SKU-1042/b", "SKU-1042/b"),
        ("50%", "50%25"),
        ("a,b", "a%2Cb"),
        ("[x]#1*?", "%5Bx%5D%231%2A%3F"),
        ('"', "%22"),
        ("a b\tc\n", "a%20b%09c%0A"),
        ("a\u00a0b", "a%C2%A0b"),
        ("\x7f\x85", "%7F%C2%85"),
        ("Größe", "Größe"),
    ],
)
def test_a_row_key_is_percent_encoded_where_it_would_be_misread(key: str, text: str) -> None:
    """Reserved characters, white space and control characters; nothing else."""
    assert text == encode_row_key(key)
