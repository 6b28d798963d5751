"""The folder `.callsheet` below an output root: its modes, its notice, and its one owner.

One process works in a root at a time: a lock the kernel drops when the process ends, so that a
crash leaves nothing to clean up.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import LedgerInUse, Unusable
from pipeline.storage.fs import STATE_FOLDER, sync

LEDGER = "ledger.db"
_LOCK = "lock"
README = "README"
_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600
_SUFFIXES = ("-wal", "-shm", "")
_LOCKING = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_NOTICE = """\
This folder is Callsheet's memory of what was paid for.

  ledger.db   every item, every purchase, what was charged, what is in doubt
  store/      every clip that was made, by content
  assets/     the references they were made from

Deleting it loses no file in the folders beside it, but it loses the proof that they were
paid for: the next run stops before it buys anything again, and asks what to do. What is still
being made could not be collected, and a doubt not settled. Back it up with the clips.
"""


def prepare(root: Path) -> Path:
    """Return the folder `.callsheet` of a root, made and private."""
    folder = root / STATE_FOLDER
    with _making(folder):
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        folder.chmod(_PRIVATE_FOLDER)
    return folder


def touch(ledger: Path) -> None:
    """Make the ledger's file, empty, if there is none; nobody else may read it."""
    with _making(ledger.parent):
        ledger.touch(mode=_PRIVATE_FILE)
        # Rights that a copy or a person widened are taken back; -wal and -shm get the same.
        ledger.chmod(_PRIVATE_FILE)


def keep_strays(ledger: Path, now: datetime) -> None:
    """Give a -wal whose ledger is gone or empty a name of its own: SQLite would delete it."""
    if not ledger.exists() or not ledger.stat().st_size:
        keep_replaced(ledger, now)


def keep_replaced(ledger: Path, now: datetime) -> Path | None:
    """Rename a ledger with its -wal and -shm, together; return its new name, None if none is there.

    What belongs to one ledger is never played onto another.
    """
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    kept, there = ledger.with_name(f"{ledger.name}.{stamp}"), False
    with _making(ledger.parent):
        for number in count(2):
            if not any(Path(f"{kept}{suffix}").exists() for suffix in _SUFFIXES):
                break
            kept = ledger.with_name(f"{ledger.name}.{stamp}-{number}")
        # The ledger goes last: whenever this ends, no -wal stays for the one that comes next.
        for suffix in _SUFFIXES:
            with suppress(FileNotFoundError):
                Path(f"{ledger}{suffix}").rename(f"{kept}{suffix}")
                there = True
        sync(ledger.parent)
    return kept if there else None


def explain(folder: Path) -> None:
    """Write what the folder is for, once there is a ledger in it: it shows that there was one."""
    notice = folder / README
    if not notice.exists():
        with _making(folder):
            notice.write_text(_NOTICE, "utf-8")


@contextmanager
def _making(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise Unusable(
            f"cannot write to {folder}: {failure.strerror};"
            " make it writable, or choose another --root"
        ) from failure


class RootLock:
    """The right to work in a root, held until released or until the process ends.

    `shared` with others who ask for it so: those whose ledger tells them apart.
    """

    def __init__(self, root: Path, *, since: datetime, shared: bool = False) -> None:
        path = root / STATE_FOLDER / _LOCK
        self._path, self._shared = path, shared
        try:
            # Not emptied before the lock is ours: what it says names who holds it.
            self._file: BinaryIO = os.fdopen(os.open(path, _LOCKING, _PRIVATE_FILE), "r+b")
        except OSError as failure:
            raise Unusable(f"cannot lock {path}: {failure.strerror}; see to it") from failure
        try:
            how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(self._file, how | fcntl.LOCK_NB)
        except BlockingIOError as failure:
            holder = _holder(path)
            self._file.close()
            raise LedgerInUse(f"{root} is in use by {holder}; wait for it, or stop it") from failure
        except OSError as failure:
            self._file.close()
            raise Unusable(
                f"the file system of {root} has no locks ({failure.strerror}): have it mounted"
                " with them (Lustre: -o flock), or choose another --root"
            ) from failure
        self._held = _identity(os.fstat(self._file.fileno()))
        self._sign(since)

    def check(self) -> None:
        """Raise Unusable if the root is not where it was: moved, deleted, or another's by now.

        What is open of it still works, but what is written by its path would begin a second one.
        """
        try:
            same = _identity(self._path.stat()) == self._held
        except OSError:
            same = False
        if not same:
            root = self._path.parent.parent
            raise Unusable(
                f"{root} was moved or deleted while this run works in it: put it back, then run"
                " again; nothing more was sent"
            )

    def release(self) -> None:
        """Let the next process in."""
        # Emptied and never deleted: two processes could each lock a file of that name then.
        # Where others may be left in it, it goes on to say who came last.
        with suppress(OSError):
            if not self._shared:
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


def find_occupant(root: Path) -> str:
    """Return which process works in a root, in words; empty where none does. Nothing is written."""
    path = root / STATE_FOLDER / _LOCK
    with suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as file:
        # One that was released is empty: it is not even tried, so that nobody is turned away.
        if os.fstat(file.fileno()).st_size:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _holder(path)
    return ""


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _holder(path: Path) -> str:
    try:
        claim = json.loads(path.read_bytes())
        return f"process {claim['pid']} on {claim['host']} since {claim['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        # The holder is between taking the lock and signing it.
        return "another process"
