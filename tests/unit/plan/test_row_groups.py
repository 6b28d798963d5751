"""Rows are grouped by what repeats itself in their table."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.domain import Row, Table
from pipeline.findings import Span
from pipeline.plan.row_groups import row_groups

AT = Span(file="cups.csv", line=1, column=1)


def _table(**columns: list[str]) -> Table:
    """Return a table with these columns beside its key."""
    number = len(next(iter(columns.values())))
    rows = [
        Row(
            key=f"C{at}",
            values={"sku": f"C{at}", **{name: cells[at] for name, cells in columns.items()}},
            span=AT,
        )
        for at in range(number)
    ]
    return Table(
        name="cups",
        alias="cup",
        key=("sku",),
        columns=("sku", *columns),
        rows=tuple(rows),
        path=Path("cups.csv"),
        span=AT,
    )


def test_the_first_column_that_repeats_itself_makes_the_groups() -> None:
    """Names differ from row to row, and one maker is no group: the colour is."""
    table = _table(
        name=[f"Cup {at}" for at in range(8)], maker=["Alba"] * 8, colour=["red", "blue"] * 4
    )

    found = row_groups(table)

    assert ("red", "blue", 8) == (found["C0"], found["C1"], len(found))


@pytest.mark.parametrize("cells", [["red", "blue", "red"], [f"shade {at // 2}" for at in range(8)]])
def test_values_that_hardly_repeat_make_none(cells: list[str]) -> None:
    """With fewer than three rows for each value on average, all rows are one group."""
    assert {} == row_groups(_table(colour=cells))
