"""What a ledger knows, copied into a private one: a plan is tried there, and nothing is written."""

from __future__ import annotations

from sqlalchemy import Connection, Table, insert, select

from pipeline.run.ledger.tables import (
    budgets,
    campaigns,
    clips,
    items,
    jobs,
    outputs,
    payloads,
    purchases,
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
)
_ROWS_AT_ONCE = 5000


def copy(source: Connection, target: Connection) -> None:
    """Copy everything that decides what a plan comes to."""
    for table in _COPIED:
        rows = source.execution_options(yield_per=_ROWS_AT_ONCE).execute(select(table))
        for part in rows.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in part])
