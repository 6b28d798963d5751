"""What a ledger knows, copied into a private one: a plan is tried there, and nothing is written."""

from __future__ import annotations

from sqlalchemy import Connection, Table, insert, inspect, select

from pipeline.ledger.sql_schema import (
    budgets,
    campaigns,
    clips,
    items,
    jobs,
    losses,
    outputs,
    payloads,
    price_confirmations,
    purchases,
    set_aside,
    sum_up_budgets,
)

_COPIED: tuple[Table, ...] = (
    campaigns,
    items,
    payloads,
    jobs,
    purchases,
    budgets,
    clips,
    outputs,
    losses,
    set_aside,
    price_confirmations,
)
_ROWS_AT_ONCE = 5000


def copy(source: Connection, target: Connection) -> None:
    """Copy everything that decides what a plan comes to; the source may be of an older version."""
    known = inspect(source)
    names = known.get_table_names()
    for table in (each for each in _COPIED if each.name in names):
        there = {column["name"] for column in known.get_columns(table.name)}
        columns = [column for column in table.c if column.name in there]
        rows = source.execution_options(yield_per=_ROWS_AT_ONCE).execute(select(*columns))
        for part in rows.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in part])
    if "manifest" not in {column["name"] for column in known.get_columns(campaigns.name)}:
        sum_up_budgets(target)
