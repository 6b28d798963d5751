"""A text file that several processes change: read, changed and replaced under a file lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.storage.fs import replace_file, writing

_OPENING = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


def change_file(path: Path, change: Callable[[str], str]) -> bool:
    """Replace a file's text by what `change` makes of it, at once and durably; tell if it differs.

    Whoever else calls this waits. A file that is not there begins empty; one that stays as it is
    is not touched. `change` may be called more than once.

        change_file(path, lambda text: f"{text}another line{os.linesep}")
    """
    # Renaming onto a symbolic link would replace the link, not the file that it leads to.
    place = path.resolve()
    # What stays as it is may lie on a disk that cannot be written to.
    text = _read(place)
    if change(text) == text:
        return False
    with writing(place), _alone(place):
        # Somebody may have changed it after the look above, before the lock was ours.
        text = _read(place)
        changed = change(text)
        if changed == text:
            return False
        # The file that takes its place must not change who may read it.
        mode = place.stat().st_mode & 0o777
        replace_file(place, changed.encode("utf-8", "surrogateescape"), mode=mode)
    return True


def _read(place: Path) -> str:
    try:
        return place.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Hold the lock of a file for as long as the block lasts.

    Whoever waited for it may have got that of a file which was replaced meanwhile.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(place, _OPENING, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            there = place.stat() if place.exists() else None
            if there is not None and os.path.samestat(os.fstat(handle), there):
                yield
                return
        finally:
            os.close(handle)
