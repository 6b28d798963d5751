"""What the ledger asks of its database: all in which SQLite and PostgreSQL differ.

Statements are SQLAlchemy Core, written once for both; what is only one's own is in the module of
that dialect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.sqlite import insert as upsert

from pipeline.ledger import postgresql, sqlite
from pipeline.ledger.sqlite import READONLY

__all__ = ["LedgerDatabase", "begin_deferred", "dialect", "upsert"]


class LedgerDatabase(Protocol):
    """Where a ledger is; as a text it is what a person knows it by."""

    @property
    def is_remote(self) -> bool:
        """Tell whether it is a server's: several may work with it, and it may be away."""
        ...

    def connect(self, *, readonly: bool = False) -> Connection:
        """Open one connection."""
        ...

    def connect_beside(self) -> Connection:
        """Open a connection that writes without waiting for the one who writes."""
        ...

    def is_empty(self) -> bool:
        """Tell whether there is no ledger, or nothing in it."""
        ...

    def make(self, now: datetime, *, anew: bool) -> None:
        """Make room for a ledger, if there is none; what a lost one has left is kept (`anew`)."""
        ...

    def claim(self, connection: Connection) -> None:
        """Let nobody else work with the ledger while the connection is open; else LedgerInUse."""
        ...

    def join(self, connection: Connection) -> None:
        """Work with the ledger beside others while the connection is open; else LedgerInUse."""
        ...

    def find_owner(self) -> str:
        """Return who works with the ledger, in words; empty where nobody does."""
        ...

    def translate_errors(self) -> AbstractContextManager[None]:
        """Turn the driver's errors about the database into ours; those about a statement pass."""
        ...


class SqlDialect(Protocol):
    """What is done on an open connection, and differs."""

    def allow_temporary(self, connection: Connection) -> None:
        """Let a read-only connection write to temporary tables, and to nothing else."""
        ...

    def be_patient(self, connection: Connection) -> None:
        """Wait longer for others from now on: what is under way is worth it."""
        ...

    def checkpoint(self, connection: Connection) -> None:
        """Leave the database whole, before the connection is closed for good."""
        ...

    def quickly_checked(self, connection: Connection) -> None:
        """Raise LedgerDamaged if the database is not what it should be, before it is written to."""
        ...

    def broken_pages(self, connection: Connection) -> list[str]:
        """Return what the database finds wrong with itself, a line each."""
        ...

    def begin_planning(self, connection: Connection) -> None:
        """Wait until nobody else plans, and keep others from it until `end_planning`."""
        ...

    def end_planning(self, connection: Connection) -> None:
        """Let others plan."""
        ...

    def count_on(self, connection: Connection, table: Table) -> None:
        """Let new rows of a table be numbered after those that were copied into it."""
        ...

    def is_lost(self, connection: Connection) -> bool:
        """Tell whether there is nobody at the other end any more."""
        ...

    def shadow(self, connection: Connection, name: str) -> None:
        """Put an empty temporary table, with its indexes, before a table of that name."""
        ...

    def is_shadowed(self, connection: Connection, name: str) -> bool:
        """Tell whether a temporary table stands before the one of that name."""
        ...

    def gather_statistics(self, connection: Connection, name: str) -> None:
        """Let queries be planned by what is in a temporary table by now."""
        ...

    def name_schemas(self, connection: Connection, sql: str) -> str:
        """Return a statement in which `main.` and `temp.` tell which of two tables is meant."""
        ...


_DIALECTS: Mapping[str, SqlDialect] = MappingProxyType({"sqlite": sqlite, "postgresql": postgresql})


def dialect(connection: Connection) -> SqlDialect:
    """Return what is done otherwise on a connection's kind of database."""
    return _DIALECTS[connection.dialect.name]


@contextmanager
def begin_deferred(connection: Connection) -> Iterator[None]:
    """Let transactions take no lock before they write: for what writes to temporary tables only."""
    before = connection.get_execution_options().get(READONLY, False)
    connection.execution_options(**{READONLY: True})
    try:
        yield
    finally:
        connection.execution_options(**{READONLY: before})
