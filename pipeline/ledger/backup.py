"""A ledger copied while it is in use, and such a copy put in a ledger's place again.

A copy is one moment of the ledger, whole, in a single SQLite file, wherever the ledger is: a
server's needs no program beside this one, and can be gone on with in a root.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import insert

from pipeline.errors import LedgerDamaged, RootRefused, Unusable
from pipeline.ledger.connection import LedgerDatabase
from pipeline.ledger.location import LedgerLocation, Where
from pipeline.ledger.loss_detection import is_missing
from pipeline.ledger.migrations import VERSION, migrate, read_version
from pipeline.ledger.postgresql import PostgresqlSchema
from pipeline.ledger.root_identity import find_kind, kind_of
from pipeline.ledger.root_lock import LEDGER, RootLock, explain, keep_replaced, prepare
from pipeline.ledger.sql_schema import versions
from pipeline.ledger.sqlite import SqliteFile, copy, fold
from pipeline.ledger.table_copy import CopyEnd, copy_tables, read_digests, require_same
from pipeline.storage.fs import STATE_FOLDER, sync, writing

_RESTORED = f".{LEDGER}.restored"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_PRIVATE = 0o600


def back_up(root: Where, file: Path) -> bool:
    """Copy a root's ledger to a new file, durably; False if there is none.

    A run that writes meanwhile neither waits nor notices. Raises FileExistsError if there is such
    a file, Unusable if it cannot be written, LedgerDamaged if what was copied is damaged: none of
    these leaves a file behind.
    """
    where = LedgerLocation.of(root)
    if is_missing(where):
        return False
    remote = isinstance(where.database, PostgresqlSchema)
    write = partial(_copy_server, where.database) if remote else partial(copy, _file_of(where.root))
    _claim(file)
    try:
        _write_copy(write, file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return True


def restore_ledger(where: LedgerLocation, file: Path, *, now: datetime) -> Path | str | None:
    """Put a backup in the place of a root's ledger; return what the replaced one is called now.

    None if there was none; of a server it is the name of a schema. The -wal of a replaced file goes
    with it. Raises LedgerInUse if a process works in the root or with the ledger, LedgerDamaged if
    the file is no whole ledger, Unusable if it cannot be read or written: none of these changes the
    ledger.
    """
    root, database = where.root, where.database
    ledger, new = prepare(root) / LEDGER, root / STATE_FOLDER / _RESTORED
    occupancy = RootLock(root, since=now)
    try:
        # Checked as a copy before anything is renamed: what is no ledger must not replace one.
        _copy_backup(file, new, root)
        if isinstance(database, PostgresqlSchema):
            kept: Path | str | None = _replace_schema(database, new, now=now)
            where.remember()
        else:
            kept = keep_replaced(ledger, now)
            with writing(ledger):
                new.replace(ledger)
                sync(ledger.parent)
        explain(ledger.parent)
    finally:
        for suffix in ("", "-wal", "-shm"):
            new.with_name(f"{new.name}{suffix}").unlink(missing_ok=True)
        occupancy.release()
    return kept


def _replace_schema(database: PostgresqlSchema, backup: Path, *, now: datetime) -> str | None:
    """Let a schema hold what a file has, in one transaction; return the old one's name now."""
    source = SqliteFile(backup)
    with database.translate_errors(), closing(database.connect()) as connection:
        database.claim(connection)
        with closing(source.connect()) as reading:
            with reading.begin():
                migrate(reading)
            with reading.begin(), connection.begin():
                kept = database.set_aside(connection, now)
                digests = copy_tables(CopyEnd(source, reading), CopyEnd(database, connection))
                connection.execute(insert(versions).values(version=VERSION))
                require_same(database, digests, read_digests(connection))
    return kept


def _copy_server(database: LedgerDatabase, file: Path) -> None:
    """Copy one moment of a server's ledger to an empty file, read again after it was written."""
    copied = SqliteFile(file)
    with closing(copied.connect()) as connection:
        with (
            database.translate_errors(),
            closing(database.connect(readonly=True)) as source,
            source.begin(),
            connection.begin(),
        ):
            if read_version(database, source) != VERSION:
                raise Unusable(
                    f"{database}: it is of an earlier version: a run brings it up to date"
                )
            digests = copy_tables(CopyEnd(database, source), CopyEnd(copied, connection))
            connection.execute(insert(versions).values(version=VERSION))
        with connection.begin():
            require_same(copied, digests, read_digests(connection))
    fold(file)


def _file_of(root: Path) -> Path:
    return root / STATE_FOLDER / LEDGER


def _copy_backup(file: Path, new: Path, root: Path) -> None:
    """Copy what is to be restored, durably, and refuse what is no whole ledger for this root."""
    with writing(new):
        new.unlink(missing_ok=True)
        # Made here, for SQLite would make it with whatever rights the umask leaves to others.
        os.close(os.open(new, _NEW, _PRIVATE))
    try:
        copy(file, new)
        with (
            SqliteFile(file).translate_errors(),
            closing(SqliteFile(new).connect(readonly=True)) as copied,
            copied.begin(),
        ):
            known = read_version(SqliteFile(file), copied)
            kind = find_kind(copied, root) if known else None
    except LedgerDamaged as fault:
        raise LedgerDamaged(f"not restored: {fault}") from fault
    if not known:
        raise LedgerDamaged(f"not restored: {file}: it is empty, and no ledger")
    if kind is not None and kind is not kind_of(root):
        raise RootRefused(
            f"not restored: {file} is the ledger of a {kind} root, and {root} is none"
        )
    with writing(new):
        sync(new)


def _claim(file: Path) -> None:
    """Make the file, empty, so that nobody else's is overwritten later on."""
    try:
        os.close(os.open(file, _NEW, _PRIVATE))
    except FileExistsError:
        raise
    except OSError:
        with writing(file):
            raise


def _write_copy(write: Callable[[Path], None], file: Path) -> None:
    # `file` was claimed, so this name is nobody else's. SQLite locks it, so it is not held.
    new = file.with_name(f".{file.name}.part")
    try:
        with writing(file):
            new.unlink(missing_ok=True)
            os.close(os.open(new, _NEW, _PRIVATE))
        write(new)
        with writing(file):
            sync(new)
            new.replace(file)
            sync(file.absolute().parent)
    finally:
        new.unlink(missing_ok=True)
