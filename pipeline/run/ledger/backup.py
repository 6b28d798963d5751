"""A ledger copied while it is in use: one moment of it, whole, in a single file."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.run.files.disk import beside, sync, writing
from pipeline.run.ledger.root import FOLDER, LEDGER, missing
from pipeline.run.ledger.sqlite import copy

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_PRIVATE = 0o600


def back_up(root: Path, file: Path) -> bool:
    """Copy a root's ledger to a new file, durably; False if there is none.

    A run that writes meanwhile neither waits nor notices. Raises FileExistsError if there is such
    a file, Unusable if it cannot be written, LedgerDamaged if what was copied is damaged: none of
    these leaves a file behind.
    """
    ledger = root / FOLDER / LEDGER
    if missing(ledger):
        return False
    _claim(file)
    try:
        _copied(ledger, file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return True


def _claim(file: Path) -> None:
    """Make the file, empty, so that nobody else's is overwritten later on."""
    try:
        os.close(os.open(file, _NEW, _PRIVATE))
    except FileExistsError:
        raise
    except OSError:
        with writing(file):
            raise


def _copied(ledger: Path, file: Path) -> None:
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
