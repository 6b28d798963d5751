"""A folder of a process's own below the temporary folder, which ends with it.

A process that was killed leaves its folder, with references that may be confidential: the next one
of this user on this machine removes it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from pipeline.storage.fs import writing

_PREFIX = "callsheet-node-"


@contextmanager
def work_folder() -> Iterator[Path]:
    """Yield a new folder that nobody else may read, and remove it; Unusable where none can be."""
    place = Path(tempfile.gettempdir())
    _remove_left(place)
    with writing(place):
        folder, lock = _make_locked()
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)
        os.close(lock)


def _make_locked() -> tuple[Path, int]:
    """Make a folder whose lock the kernel drops when this process ends; return both."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        # Another process took it for one that was left, before it was locked.
        os.close(lock)


def _remove_left(place: Path) -> None:
    """Remove folders that nobody holds any more; others' cannot be opened, and stay."""
    for left in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)
