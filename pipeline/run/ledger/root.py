"""The folder `.callsheet` below an output root: its modes, its notice, and its one owner.

One process works in a root at a time: a lock the kernel drops when the process ends, so that a
crash leaves nothing to clean up.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import LedgerDamaged, LedgerInUse, Unusable

FOLDER = ".callsheet"
LEDGER = "ledger.db"
_LOCK = "lock"
_STORE = "store"
_README = "README"
_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600
_LOCKING = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_NOTICE = """\
This folder is Callsheet's memory of what was paid for.

  ledger.db   every item, every purchase, what was charged, what is in doubt
  store/      every clip that was made, by content
  assets/     the references they were made from

Deleting it loses no file in the folders beside it, but it loses the proof that they were
paid for: the next run would buy every clip again, could not collect the ones that are still
being made, and could not settle a doubt. Back it up with the clips.
"""


def prepare(root: Path, *, anew: bool = False) -> Path:
    """Return the ledger's path below the root, with its folder made, private and explained.

    Raises LedgerDamaged where clips are there without one, unless it is to be begun `anew`.
    """
    folder = root / FOLDER
    if not anew:
        missing(folder / LEDGER)
    try:
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        folder.chmod(_PRIVATE_FOLDER)
        notice = folder / _README
        if not notice.exists():
            notice.write_text(_NOTICE, "utf-8")
        ledger = folder / LEDGER
        ledger.touch(mode=_PRIVATE_FILE)
        ledger.chmod(_PRIVATE_FILE)
    except OSError as failure:
        raise Unusable(
            f"cannot write to {folder}: {failure.strerror};"
            " make it writable, or choose another --root"
        ) from failure
    return ledger


def missing(ledger: Path) -> bool:
    """Tell whether nothing was bought here yet: there is no ledger, nor any clip.

    Raises LedgerDamaged where there are clips without one: all of them would be bought again.
    """
    if ledger.is_file() and ledger.stat().st_size:
        return False
    store = ledger.parent / _STORE
    if not any(store.glob("*/*")):
        return True
    raise LedgerDamaged(
        f"{ledger}: it is gone or empty, but {store} has clips that were paid for: put a backup in"
        f" its place; to buy every clip again, move {ledger.parent} away"
    )


class Occupancy:
    """The right to work in a root, held until released or until the process ends."""

    def __init__(self, root: Path, *, since: datetime) -> None:
        path = root / FOLDER / _LOCK
        self._file: BinaryIO = os.fdopen(os.open(path, _LOCKING, _PRIVATE_FILE), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as failure:
            holder = _holder(path)
            self._file.close()
            raise LedgerInUse(f"{root} is in use by {holder}; wait for it, or stop it") from failure
        self._sign(since)

    def release(self) -> None:
        """Let the next process in."""
        with suppress(OSError):
            self._file.truncate(0)
        self._file.close()

    def _sign(self, since: datetime) -> None:
        claim = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": since.isoformat(timespec="seconds"),
        }
        self._file.truncate(0)
        self._file.write(json.dumps(claim).encode())
        self._file.flush()


def _holder(path: Path) -> str:
    try:
        claim = json.loads(path.read_bytes())
        return f"process {claim['pid']} on {claim['host']} since {claim['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        # The holder is between taking the lock and signing it.
        return "another process"
