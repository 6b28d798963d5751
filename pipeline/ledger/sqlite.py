"""A ledger in a SQLite file: durable before it says so, one writer, faults in our words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from pipeline.errors import LedgerDamaged, LedgerInUse, Unusable
from pipeline.ledger.root_lock import find_occupant, keep_strays, touch

READONLY = "callsheet_readonly"
"""The option of a connection whose transactions take no lock before they write."""
_AT_MOST = 100
_DEFINITIONS = text(
    "SELECT type, name, sql FROM main.sqlite_master WHERE tbl_name = :name"
    " AND sql IS NOT NULL ORDER BY type DESC"
)
_SCRATCH = ""
"""SQLite's name for a private database that spills to a temporary file and dies with its owner."""
_PRAGMAS = (
    # Before anything is written, a commit is on the disk: an intent may never be lost.
    "PRAGMA synchronous=FULL",
    # Somebody waits for the answer: `be_patient` is for when work is under way.
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-65536",
    # Drafts die with their file: to overwrite them before was a fifteenth of a plan.
    "PRAGMA temp.secure_delete=OFF",
)
RESTORE = (
    "`callsheet ledger restore FILE` puts a backup in its place; without one, rename it: the next"
    " run then tells what is lost, and how to go on (`callsheet store adopt`, `run --buy-again`)"
)
_DAMAGED = f"it is damaged, and is left as it is: {RESTORE}"
_REMEDIES = (
    ("disk is full", Unusable, "the disk is full: free some space, then run again"),
    ("readonly", Unusable, "it is read-only: make it writable, or choose another --root"),
    ("unable to open", Unusable, "it cannot be opened: check that it exists and is yours"),
    (
        "disk i/o error",
        Unusable,
        "the disk reports an error: check it, its space, and `ulimit -f`, then run again",
    ),
    (
        "locked",
        LedgerInUse,
        "another program holds it (a database browser, a backup): close that, then run again",
    ),
    ("malformed", LedgerDamaged, _DAMAGED),
    (
        "not a database",
        LedgerDamaged,
        f"it is not a ledger, and is left as it is: {RESTORE}",
    ),
    ("corrupt", LedgerDamaged, _DAMAGED),
)


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A ledger in a file; without a path it is a private one that dies with its connection."""

    path: Path | None = None

    def __str__(self) -> str:
        return str(self.path or "the scratch ledger")

    @property
    def is_remote(self) -> bool:
        """Tell that a file is no server's."""
        return False

    def connect(self, *, readonly: bool = False) -> Connection:
        """Open one connection."""
        wanted = _WANTED.set((self.path, readonly))
        try:
            return _engine().connect().execution_options(**{READONLY: readonly})
        finally:
            _WANTED.reset(wanted)

    def connect_beside(self) -> Connection:
        """Open one connection: a file has one who writes."""
        return self.connect()

    def is_empty(self) -> bool:
        """Tell whether the file is not there, or has nothing in it."""
        path = self.path
        return path is None or not path.is_file() or not path.stat().st_size

    def make(self, now: datetime, *, anew: bool) -> None:
        """Make the file, empty, if there is none; a -wal without one is kept (`anew`)."""
        if self.path is not None:
            if anew:
                keep_strays(self.path, now)
            touch(self.path)

    def claim(self, connection: Connection) -> None:
        """Do nothing: the root's lock keeps everybody else out of its file."""

    def join(self, connection: Connection) -> None:
        """Do nothing, as `claim`: there is nobody else."""

    def find_owner(self) -> str:
        """Return which process works in the root that the file is in; empty where none does."""
        return "" if self.path is None else find_occupant(self.path.parent.parent)

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn SQLite's errors about the file into ours; those about a statement pass."""
        try:
            yield
        except (DatabaseError, sqlite3.DatabaseError) as failure:
            text = str(getattr(failure, "orig", None) or failure)
            for words, kind, remedy in _REMEDIES:
                if words in text.lower():
                    raise kind(f"{self}: {remedy}") from failure
            raise


def copy(path: Path, target: Path) -> None:
    """Copy one moment of a database to an empty file, and check the copy.

    Who writes to the database meanwhile does not wait for it, and is not waited for.
    """
    asked, made = SqliteFile(path), SqliteFile(target)
    with closing(sqlite3.connect(_address(path, readonly=True), uri=True)) as source:
        with asked.translate_errors():
            # Read here first: what is wrong with the source would else be told of the target.
            source.execute("SELECT count(*) FROM sqlite_master")
        with made.translate_errors(), closing(sqlite3.connect(target)) as copied:
            source.backup(copied)
            # A single file, that can be read where nothing can be written.
            copied.execute("PRAGMA journal_mode=DELETE")
            with asked.translate_errors():
                _refuse_unless_ok(copied.execute("PRAGMA integrity_check(1)").fetchone()[0])


def fold(path: Path) -> None:
    """Make one file of a database, which can be read where nothing can be written."""
    with SqliteFile(path).translate_errors(), closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA journal_mode=DELETE")


def allow_temporary(connection: Connection) -> None:
    """Let a read-only connection write to temporary tables, and to nothing else."""
    raw: Any = connection.connection.driver_connection
    raw.execute("PRAGMA query_only=OFF")


def be_patient(connection: Connection) -> None:
    """Wait longer for others from now on: what is under way is worth it."""
    connection.exec_driver_sql("PRAGMA busy_timeout=30000")


def checkpoint(connection: Connection) -> None:
    """Fold the -wal into the database and empty it, so that the one file is whole.

    As far as readers allow: what stays in the -wal is as safe there.
    """
    raw: Any = connection.connection.driver_connection
    with suppress(sqlite3.Error):
        raw.execute("PRAGMA busy_timeout=0")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def quickly_checked(connection: Connection) -> None:
    """Raise LedgerDamaged if a page is not what it should be, before anything is written.

    Measured: 0.2 s for 50,000 items; reading the plan of as many takes forty times as long.
    """
    _refuse_unless_ok(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())


def _refuse_unless_ok(found: str | None) -> None:
    if found != "ok":
        # SQLite's own word for it, by which `translate_errors` knows damage.
        raise sqlite3.DatabaseError(f"malformed: {found}")


def broken_pages(connection: Connection) -> list[str]:
    """Return what SQLite finds: damaged pages, indexes that disagree, rows that lead nowhere."""
    found = connection.exec_driver_sql(f"PRAGMA integrity_check({_AT_MOST})").scalars().all()
    wrong = [f"the file: {line}" for text in found if text != "ok" for line in text.splitlines()]
    if wrong:
        return wrong
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return [f"{row[0]}, row {row[1]}: what it belongs to in {row[2]} is gone" for row in orphans]


def begin_planning(connection: Connection) -> None:
    """Do nothing: there is nobody else."""


def end_planning(connection: Connection) -> None:
    """Do nothing, as `begin_planning`."""


def count_on(connection: Connection, table: Table) -> None:
    """Do nothing: a number is one more than the highest that is there."""


def is_lost(connection: Connection) -> bool:  # noqa: ARG001 - of the dialects
    """Tell that a file stays."""
    return False


def shadow(connection: Connection, name: str) -> None:
    """Put an empty temporary table, with its indexes, before a table of that name."""
    # By the file's own words, not by `sql_schema`: ALTER TABLE has put a migrated column last, and
    # `SELECT *` is by position. In descending order tables come before their indexes.
    found = connection.execute(_DEFINITIONS, {"name": name})
    for kind, own_name, sql in found.all():
        own = {
            "table": ("CREATE TABLE", "CREATE TEMP TABLE"),
            "index": (own_name, f"temp.{own_name}"),
        }
        connection.exec_driver_sql(sql.replace(*own[kind], 1))


def gather_statistics(connection: Connection, name: str) -> None:
    """Do nothing: what a query of ours is planned by are the indexes."""


def is_shadowed(connection: Connection, name: str) -> bool:
    """Tell whether a temporary table stands before the one of that name."""
    known = "SELECT 1 FROM sqlite_temp_master WHERE type = 'table' AND name = ?"
    return connection.exec_driver_sql(known, (name,)).first() is not None


def name_schemas(connection: Connection, sql: str) -> str:  # noqa: ARG001 - of the dialects
    """Return a statement in which `main.` and `temp.` tell which of two tables is meant."""
    return sql


@cache
def _engine() -> Engine:
    """Return the one engine of this process: what it compiled for one ledger serves the next."""
    engine = create_engine("sqlite://", creator=_open_raw, poolclass=NullPool)

    # The driver's own way is to start a transaction only before the first write.
    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        readonly = connection.get_execution_options().get(READONLY)
        # Other processes write too (`commands.send_command`). A transaction that has read first
        # and wants to write after one of theirs fails at once, whatever the timeout.
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return engine


def _open_raw() -> sqlite3.Connection:
    path, readonly = _WANTED.get()
    # The writer's thread and the caller's take turns (writer.Writer holds the lock).
    raw = sqlite3.connect(
        _address(path, readonly=readonly) if path else _SCRATCH,
        check_same_thread=False,
        isolation_level=None,
        uri=path is not None,
    )
    # In WAL, readers never wait for the writer.
    pragmas = ("PRAGMA journal_mode=WAL", *_PRAGMAS) if path and not readonly else _PRAGMAS
    for pragma in pragmas:
        raw.execute(pragma)
    if readonly:
        raw.execute("PRAGMA query_only=ON")
    return raw


def _address(path: Path, *, readonly: bool) -> str:
    """Return the database's URI; who only reads leaves the files as they are.

    Where a crash left a -wal, a reader that may write would fold it into the database when it
    closes. Without one, SQLite makes it and removes it again; on a read-only disk it must be told
    that nothing changes.
    """
    address = f"file:{quote(os.fsencode(path.absolute()))}"
    if not readonly:
        return address
    if path.with_name(f"{path.name}-wal").exists():
        return f"{address}?mode=ro"
    return address if os.access(path.parent, os.W_OK) else f"{address}?immutable=1"


_WANTED: ContextVar[tuple[Path | None, bool]] = ContextVar("wanted", default=(None, False))
"""What the connection that is being opened is for: a pool's creator is told nothing."""
