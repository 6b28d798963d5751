"""Column types: what a cell may say, what it stands for, and how a bad one is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.manifest.tabular import read


def _value(kind: Any, cell: str) -> Any:
    """Return what a cell stands for in a column of a type; it must be right."""
    found = read(f"sku|a\nA|{cell}\n", delimiter="|", columns={"a": kind})
    assert [] == found.told
    return found.rows[0].values["a"]


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("text", "00123", "00123"),
        ("text", " x ", " x "),
        ("number", "79.90", Decimal("79.90")),
        ("number", " -5 ", Decimal(-5)),
        ("number", "1,299.00", Decimal("1299.00")),
        ({"type": "number", "decimal": ","}, "79,90", Decimal("79.90")),
        ({"type": "number", "decimal": ","}, "1.299,00", Decimal("1299.00")),
        ("integer", "007", 7),
        ("integer", "5.0", 5),
        ("boolean", "TRUE", True),
        ("boolean", "0", False),
        ("boolean", "Falsch", False),
        ("date", "2026-02-28", "2026-02-28"),
        ("date", "1.12.2026", "2026-12-01"),
        ("url", "https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("image", "refs/Größe 1.png", "refs/Größe 1.png"),
        ("image", "https://example.com/a.png", "https://example.com/a.png"),
        ("image", "C:\\a.png", "C:\\a.png"),
        ("video", " clip.mp4 ", "clip.mp4"),
        ({"enum": ["de", "fr"]}, "fr", "fr"),
        ({"list": "text"}, "a, b,,c", ("a", "b", "c")),
        ({"list": "integer", "separator": "/"}, "1/2", (1, 2)),
        ("number?", "", None),
        ("text?", "", ""),
        ("image?", "  ", ""),
        ({"type": "date", "optional": True}, "", None),
        ({"enum": ["de"], "optional": True}, "", ""),
        ({"list": "number", "optional": True}, "", ()),
    ],
)
def test_what_a_cell_stands_for(kind: Any, cell: str, value: Any) -> None:
    """A cell is read as its column's type."""
    read_value = _value(kind, cell)

    assert (type(value), value) == (type(read_value), read_value)


def test_a_number_prints_as_it_is_written() -> None:
    """A price keeps its two digits."""
    assert "79.90" == str(_value("number", "79.90"))


@pytest.mark.parametrize(
    ("kind", "cell", "finding"),
    [
        (
            "number",
            "n/a",
            "'n/a' is not a number\n      leave the cell blank, and make the column optional",
        ),
        (
            "number",
            "nan",
            "'nan' is not a number\n      leave the cell blank, and make the column optional",
        ),
        ("number", "1e5", "'1e5' is not a number"),
        ("number", "9" * 5_000, f"'{'9' * 39}…' is not a number"),
        (
            "number",
            "1,299",
            (
                "'1,299' is not a number\n"
                "      write {type: number, decimal: ','} if that is its decimal sign"
            ),
        ),
        ("integer", "1.5", "'1.5' is not a whole number"),
        ("boolean", "maybe", "'maybe' is not true or false"),
        ("date", "2026-02-30", "'2026-02-30' is not a date\n      write it as 2026-12-31"),
        ("date", "02/03/2026", "'02/03/2026' is not a date\n      write it as 2026-12-31"),
        (
            "url",
            "example.com",
            "'example.com' is not a web address\n      a web address begins with https://",
        ),
        ("image", "ftp://a/b.png", "'ftp://a/b.png' is not an image file or a web address"),
        ("image", "https:/a.png", "'https:/a.png' is not an image file or a web address"),
        ("video", "data:,", "'data:,' is not a video file or a web address"),
        (
            {"enum": ["red", "blue"]},
            "bleu",
            "'bleu' is not red or blue\n      did you mean 'blue'?",
        ),
        ({"list": "number"}, "1, x, y", "'x' is not a number"),
        ("text", " ", "the cell is blank\n      make the column optional if it may be"),
        ("number", "", "the cell is blank\n      make the column optional if it may be"),
    ],
)
def test_what_a_cell_may_not_say(kind: Any, cell: str, finding: str) -> None:
    """A bad cell is a finding at its place, with its row and column; its row is left out."""
    found = read(f"sku|a\nA|{cell}\nB|{cell}x|y\n", delimiter="|", columns={"a": kind})

    assert f"t.csv:2:3 (row A, column a): bad-cell: {finding}" == found.told[-1]
    assert [] == found.keys


def test_a_bad_cell_after_a_quoted_newline() -> None:
    """Line and column are those where the cell begins in the file."""
    found = read('sku,text,price\nA,"one\ntwo",n/a\nB,x,1\n', columns={"price": "number"})

    assert [
        (
            "t.csv:3:6 (row A, column price): bad-cell: 'n/a' is not a number\n"
            "      leave the cell blank, and make the column optional"
        )
    ] == found.told
    assert ["B"] == found.keys


def test_one_fault_in_many_rows_is_one_finding() -> None:
    """The same bad cell in 300 rows is told once, with the rows."""
    rows = "".join(f"S{number},n/a\n" for number in range(300))
    found = read(f"sku,price\n{rows}", columns={"price": "number"})

    assert [
        (
            "t.csv:2:4 (column price): bad-cell: 'n/a' is not a number"
            " (rows S0, S1, S2 and 297 more)\n"
            "      leave the cell blank, and make the column optional"
        )
    ] == found.told


def test_different_faults_are_told_one_by_one_up_to_a_bound() -> None:
    """Twenty different bad cells of a column are told; then how many more there are."""
    rows = "".join(f"S{number},x{number}\n" for number in range(100))
    found = read(f"sku,price\n{rows}", columns={"price": "number"})

    assert 21 == len(found.told)
    assert "t.csv:2:4 (row S0, column price): bad-cell: 'x0' is not a number" == found.told[0]
    assert (
        "t.csv:22:5 (column price): bad-cell: 80 more cells are not as they should be"
        " (rows S20, S21, S22 and 77 more)"
    ) == found.told[-1]


def test_many_cells_with_one_remedy_are_one_finding() -> None:
    """A column of prices with their currency is one mistake, not one a row; few are told apart."""
    rows = "".join(f"S{number};{number},50 €\n" for number in range(40))
    found = read(f"sku;price\n{rows}", columns={"price": {"type": "number", "decimal": ","}})

    assert [
        (
            "t.csv:2:4 (column price): bad-cell: '0,50 €' is not a number,"
            " and 39 more cells are like it (rows S0, S1, S2 and 37 more)\n"
            "      a number has no unit: take it out of the cells, or let the column be text"
        )
    ] == found.told
    few = read("sku;price\nA;1 USD\nB;2 USD\n", columns={"price": "number"})
    assert ["A", "B"] == [finding.row for finding in few.findings]


def test_every_column_is_checked() -> None:
    """A bad cell hides no other, in its row or elsewhere."""
    found = read("sku,a,b\nA,x,z\nB,1,z?\n", columns={"a": "number", "b": "boolean"})

    assert [("A", "a"), ("A", "b"), ("B", "b")] == [(f.row, f.column) for f in found.findings]


def test_a_key_in_a_cell_is_not_shown() -> None:
    """A finding quotes a cell, but not what looks like a provider's key."""
    secret = "sk-evo-4f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c"
    found = read(f"sku,a\nA,{secret}\n", columns={"a": "number"})

    assert secret not in "".join(found.told)


def test_steering_columns_are_typed() -> None:
    """`_` columns steer their row, know their place, and are no columns of the row."""
    found = read(
        "sku,_takes,_duration,_tags,_mode,_provider\n"
        'A,2,10,"hero, paid-social hero",pro,runware unifically\nB,,,,,runware\n'
    )
    steering = found.rows[0].steering

    assert [] == found.told
    assert {
        "takes": 2,
        "duration": 10,
        "tags": ("hero", "paid-social"),
        "mode": "pro",
        "provider": ("runware", "unifically"),
    } == {name: value.data for name, value in steering.items()}
    assert ("t.csv", 2, 5) == (
        steering["duration"].span.file,
        steering["duration"].span.line,
        steering["duration"].span.column,
    )
    assert {"provider": "runware"} == {n: v.data for n, v in found.rows[1].steering.items()}
    assert ["sku"] == list(found.rows[0].values)


@pytest.mark.parametrize(
    ("column", "cell", "finding"),
    [
        ("_takes", "0", "'takes' must be at least 1, not 0"),
        ("_takes", "two", "'takes' must be a whole number, not 'two'"),
        ("_duration", "11", "'duration' must be at most 10, not 11"),
        ("_mode", "prp", "'mode' must be std or pro, not 'prp'\n      did you mean 'pro'?"),
        ("_skip", "perhaps", "'perhaps' is not true or false"),
        ("_tags", "a[b]", "'a[b]' is not a tag\n      a tag is a word without brackets and quotes"),
    ],
)
def test_what_steers_must_be_right(column: str, cell: str, finding: str) -> None:
    """A steering cell obeys the rule of the setting it overrides."""
    found = read(f"sku,{column}\nA,{cell}\nB,\n")

    assert [f"t.csv:2:3 (row A, column {column}): bad-cell: {finding}"] == found.told
    assert ["B"] == found.keys


def test_other_columns_with_an_underscore_are_refused() -> None:
    """What looks like steering and steers nothing is an error at its header."""
    found = read("sku,_take,_x\nA,1,\n")

    assert [
        (
            "t.csv:1:5: unknown-steering: no column named '_take' steers anything\n"
            "      did you mean '_takes'?"
        ),
        (
            "t.csv:1:11: unknown-steering: no column named '_x' steers anything\n"
            "      known here: _duration, _mode, _provider, _skip, _tags, _takes"
        ),
    ] == found.told
