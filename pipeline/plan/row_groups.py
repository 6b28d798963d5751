"""Which rows of a table are likely to be alike: groups that a forecast pools over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pipeline.domain import Table

MOST_GROUPS = 30
ROWS_PER_GROUP = 3
"""On average: of a column with fewer, each value says more of its row than of a group."""


def row_groups(table: Table) -> Mapping[str, str]:
    """Return the group of each row, by its key: its value in the first column that repeats itself.

    That is one with two to 30 values, such as a category or a collection; without one all rows are
    one group.
    """
    for column in table.columns:
        if column in table.key or column.startswith("_"):
            continue
        found = {row.key: str(row.values.get(column, "")).strip() for row in table.rows}
        values = len(Counter(found.values()))
        if 1 < values <= MOST_GROUPS and values * ROWS_PER_GROUP <= len(found):
            return found
    return {}
