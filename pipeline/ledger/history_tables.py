"""The tables of what runs learn of providers, and the change that brings them into a ledger.

They are a memory and no account: a run that does not find them only has to learn again.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Float, Integer, MetaData, Table, Text

TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Texts in the order of their code points, as SQLite has them, whatever a server's language is."""
_DURATIONS = """
CREATE TABLE task_durations (provider TEXT NOT NULL, model TEXT NOT NULL, kind TEXT NOT NULL,
  mode TEXT NOT NULL, seconds FLOAT NOT NULL, samples TEXT NOT NULL, at FLOAT NOT NULL,
  PRIMARY KEY (provider, model, kind, mode, seconds))
"""
_WIDTHS = """
CREATE TABLE lane_widths (provider TEXT NOT NULL, account TEXT NOT NULL, width INTEGER NOT NULL,
  refused INTEGER NOT NULL, at FLOAT NOT NULL, PRIMARY KEY (provider, account))
"""


def history_tables(metadata: MetaData) -> tuple[Table, Table]:
    """Return the durations of tasks and the widths of lanes, as tables of a schema.

    `samples` is a JSON array of seconds from acceptance to the end, oldest first. `width` is how
    many at once a lane had, `refused` whether its provider had said no to more.
    """
    names = ("provider", "model", "kind", "mode")
    durations = Table(
        "task_durations",
        metadata,
        *(Column(name, TEXT, primary_key=True) for name in names),
        Column("seconds", Float, primary_key=True),
        Column("samples", TEXT, nullable=False),
        Column("at", Float, nullable=False),
    )
    widths = Table(
        "lane_widths",
        metadata,
        *(Column(name, TEXT, primary_key=True) for name in ("provider", "account")),
        Column("width", Integer, nullable=False),
        Column("refused", Integer, nullable=False),
        Column("at", Float, nullable=False),
    )
    return durations, widths


def add_history_tables(connection: Connection) -> None:
    """Bring the tables into a ledger of an earlier version."""
    for statement in (_DURATIONS, _WIDTHS):
        connection.exec_driver_sql(statement)
