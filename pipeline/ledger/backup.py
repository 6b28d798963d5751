"""A ledger copied while it is in use, and such a copy put in a ledger's place again.

A copy is one moment of the ledger, whole, in a single file.
"""

from __future__ import annotations

import os
from contextlib import closing
from datetime import datetime
from pathlib import Path

from pipeline.errors import LedgerDamaged, RootRefused
from pipeline.ledger.location import LedgerLocation, Where
from pipeline.ledger.loss_detection import is_missing
from pipeline.ledger.migrations import read_version
from pipeline.ledger.root_identity import find_kind, kind_of
from pipeline.ledger.root_lock import LEDGER, RootLock, explain, keep_replaced, prepare
from pipeline.ledger.sqlite import SqliteFile, copy
from pipeline.storage.fs import STATE_FOLDER, beside, sync, writing

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
    ledger = where.root / STATE_FOLDER / LEDGER
    if is_missing(where):
        return False
    _claim(file)
    try:
        _copy_ledger(ledger, file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return True


def restore_ledger(where: LedgerLocation, file: Path, *, now: datetime) -> Path | None:
    """Put a backup in the place of a root's ledger; return what the replaced one is called now.

    None if there was none. The -wal of the replaced ledger goes with it. Raises LedgerInUse if a
    process works in the root, LedgerDamaged if the file is no whole ledger, Unusable if it cannot
    be read or written: none of these changes the ledger.
    """
    root = where.root
    ledger, new = prepare(root) / LEDGER, root / STATE_FOLDER / _RESTORED
    occupancy = RootLock(root, since=now)
    try:
        # Checked as a copy before anything is renamed: what is no ledger must not replace one.
        _copy_backup(file, new, root)
        kept = keep_replaced(ledger, now)
        with writing(ledger):
            new.replace(ledger)
            sync(ledger.parent)
        explain(ledger.parent)
    finally:
        new.unlink(missing_ok=True)
        occupancy.release()
    return kept


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


def _copy_ledger(ledger: Path, file: Path) -> None:
    new = beside(file)
    try:
        with writing(file):
            os.close(os.open(new, _NEW, _PRIVATE))
        copy(ledger, new)
        with writing(file):
            sync(new)
            new.replace(file)
            sync(file.absolute().parent)
    finally:
        new.unlink(missing_ok=True)
