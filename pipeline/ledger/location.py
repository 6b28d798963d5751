"""Where the ledger of a root is."""

from __future__ import annotations

from pathlib import Path

from pipeline.ledger.connection import LedgerDatabase
from pipeline.ledger.root_lock import LEDGER
from pipeline.ledger.sqlite import SqliteFile
from pipeline.storage.fs import STATE_FOLDER


def database_of(root: Path) -> LedgerDatabase:
    """Return the database that the ledger of a root is in, or would be made in."""
    return SqliteFile(root / STATE_FOLDER / LEDGER)
