"""Files that arrive whole or not at all, and what to do when the disk does not allow it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from pipeline.errors import Unusable

READ_ONLY = 0o444
CHUNK = 1 << 20
_FICLONE = 0x40049409
"""ioctl_ficlone(2): share the blocks until either file is written (btrfs, XFS, bcachefs)."""
_NO_ROOM = "make room, then run again: what was fetched is kept"
_NO_RIGHT = "make it writable for this user, or choose another --root"
_ADVICE: Mapping[int, str] = MappingProxyType(
    {
        errno.ENOSPC: _NO_ROOM,
        errno.EDQUOT: _NO_ROOM,
        errno.EFBIG: _NO_ROOM,
        errno.EROFS: _NO_RIGHT,
        errno.EACCES: _NO_RIGHT,
        errno.EPERM: _NO_RIGHT,
        errno.EIO: "the disk reports an error: check it, then run again",
        errno.EMFILE: "raise the limit of open files (ulimit -n), or lower the concurrency",
        errno.ENAMETOOLONG: "shorten the output path",
        errno.ENFILE: "the machine has too many files open: close some programs, then run again",
        errno.ENOENT: "it is not there (any more): was the root moved, or deleted? Put it back",
        errno.ENOTDIR: "a file is where a folder should be: move it away",
        errno.EISDIR: "a folder is where a file should be: move it away",
        errno.EAGAIN: "no process can be started: raise the limit of processes (ulimit -u)",
        errno.ENOMEM: "there is not enough memory: close some programs, then run again",
        errno.EXDEV: "let everything below .callsheet be on one disk",
    }
)

_OF_ONE_PATH = frozenset(
    {
        *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP),
        *(errno.EILSEQ, errno.EINVAL),
    }
)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write below `path` into Unusable, which says what to do."""
    try:
        yield
    except OSError as exc:
        raise Unusable(unwritten(exc, path)) from exc


def unwritten(fault: OSError, path: Path | str = "") -> str:
    """Return what a failure to write means and what to do."""
    advice = _ADVICE.get(fault.errno or 0, "see to it, then run again")
    place = path or fault.filename or "a file"
    return f"cannot write {place}: {fault.strerror or type(fault).__name__}; {advice}"


def machine_fault(fault: BaseException) -> str:
    """Return what the machine does not allow and what to do; empty if it is no such fault.

    Every error of the system is one: nothing here opens a file that must be there.
    """
    match fault:
        case BaseExceptionGroup():
            return next(filter(None, map(machine_fault, fault.exceptions)), "")
        case OSError(errno=int()):
            return unwritten(fault)
        case OSError():
            return str(fault)
        case MemoryError():
            return "there is not enough memory: close some programs, then run again"
        case RuntimeError() if "start new thread" in str(fault):
            return "no thread can be started: raise the limit of processes (ulimit -u)"
    return ""


def is_the_path(fault: OSError) -> bool:
    """Tell whether an error is about one path only: the next file may be written all the same."""
    return fault.errno in _OF_ONE_PATH


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def beside(target: Path) -> Path:
    """Return the unused name under which `target` is made: one name, so that a crash leaves one."""
    new = target.with_name(f".{target.name}.part")
    new.unlink(missing_ok=True)
    return new


def clone(source: Path, target: Path) -> None:
    """Make `target`, which must not exist, the same read-only bytes by the cheapest way there is.

    A reflink costs nothing and is independent. A hard link costs nothing too, but is the same
    file: mode 0444 keeps a program from changing the store through it, an editor that replaces the
    file leaves the store alone, and `verify` finds what gets past both. A copy doubles the space,
    which for thousands of clips is worse than that; it is left for where a link cannot be made.
    """
    if _reflinked(source, target):
        return
    try:
        os.link(source, target)
    except OSError:
        # Another file system, one without links, or too many links to one clip.
        shutil.copyfile(source, target)
        _like(source, target)


def _reflinked(source: Path, target: Path) -> bool:
    try:
        with source.open("rb") as old, target.open("xb") as new:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
    except OSError:
        target.unlink(missing_ok=True)
        return False
    _like(source, target)
    return True


def _like(source: Path, target: Path) -> None:
    """Give a copy the time and mode of its source: `Store.matches` knows it by them."""
    known = source.stat()
    os.utime(target, ns=(known.st_atime_ns, known.st_mtime_ns))
    target.chmod(READ_ONLY)
