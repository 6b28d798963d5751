"""SQLite as the ledger wants it: durable before it says so, one writer, faults in our words.

All that is SQLite's own lives here: pragmas, transactions, upserts, and what its errors mean.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from pipeline.errors import LedgerDamaged, LedgerInUse, Unusable

__all__ = ["connect", "told", "upsert"]

_SCRATCH = ""
"""SQLite's name for a private database that spills to a temporary file and dies with its owner."""
_PRAGMAS = (
    # Before anything is written, a commit is on the disk: an intent may never be lost.
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=30000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-65536",
)
_REMEDIES = (
    ("disk is full", Unusable, "the disk is full: free some space, then run again"),
    ("readonly", Unusable, "it is read-only: make it writable, or choose another --root"),
    ("unable to open", Unusable, "it cannot be opened: check that it exists and is yours"),
    ("disk i/o error", Unusable, "the disk reports an error: check it, then run again"),
    ("locked", LedgerInUse, "another program holds it: close that, then run again"),
    ("malformed", LedgerDamaged, "it is damaged: put a backup in its place"),
    ("not a database", LedgerDamaged, "it is not a ledger: put a backup in its place"),
    ("corrupt", LedgerDamaged, "it is damaged: put a backup in its place"),
)


def connect(path: Path | None, *, readonly: bool = False) -> Connection:
    """Open one connection to the database at `path`; None means a private one that is dropped."""
    wanted = _WANTED.set((path, readonly))
    try:
        return _engine().connect().execution_options(callsheet_readonly=readonly)
    finally:
        _WANTED.reset(wanted)


@contextmanager
def told(path: Path | None) -> Iterator[None]:
    """Turn SQLite's errors about the file into ours; those about a statement pass."""
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as failure:
        text = str(getattr(failure, "orig", None) or failure)
        for words, kind, remedy in _REMEDIES:
            if words in text.lower():
                raise kind(f"{path or 'the scratch ledger'}: {remedy}") from failure
        raise


@cache
def _engine() -> Engine:
    """Return the one engine of this process: what it compiled for one ledger serves the next."""
    engine = create_engine("sqlite://", creator=_opened, poolclass=NullPool)

    # The driver's own way is to start a transaction only before the first write.
    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        readonly = connection.get_execution_options().get("callsheet_readonly")
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return engine


def _opened() -> sqlite3.Connection:
    path, readonly = _WANTED.get()
    # The writer's thread and the caller's take turns (writer.Writer holds the lock).
    raw = sqlite3.connect(
        str(path) if path else _SCRATCH, check_same_thread=False, isolation_level=None
    )
    # In WAL, readers never wait for the writer.
    pragmas = ("PRAGMA journal_mode=WAL", *_PRAGMAS) if path and not readonly else _PRAGMAS
    for pragma in pragmas:
        raw.execute(pragma)
    if readonly:
        raw.execute("PRAGMA query_only=ON")
    return raw


_WANTED: ContextVar[tuple[Path | None, bool]] = ContextVar("wanted", default=(None, False))
"""What the connection that is being opened is for: a pool's creator is told nothing."""
