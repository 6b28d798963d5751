"""Files that arrive whole or not at all, and what to do when the disk does not allow it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import chain, count
from pathlib import Path
from types import MappingProxyType
from typing import IO, BinaryIO

from pipeline.errors import Unusable
from pipeline.file_content import file_sha256

READ_ONLY = 0o444
CHUNK = 1 << 20
STATE_FOLDER = ".callsheet"
"""Where a root keeps its ledger, its clips and its uploads."""
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


def sync(path: Path, *, mode: int | None = None) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk; give it a mode before."""
    handle = os.open(path, os.O_RDONLY)
    try:
        if mode is not None:
            os.fchmod(handle, mode)
        os.fsync(handle)
    finally:
        os.close(handle)


def write_small(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Make a file of so few bytes, in place and by few calls; cut off midway, it may hold none.

    `durable` waits until the bytes are on the disk; the file's name may not be.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        written = os.write(handle, content)
        if written != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)


def replace_file(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Put a file in the place of another, if there is one: whole, and durable with its name.

    Others may do so at the same time: the last one counts.
    """
    with beside(path) as new:
        new.write_bytes(content)
        sync(new, mode=mode)
        new.replace(path)
        sync(path.parent)


def beside(target: Path, *, keep: bool = False) -> AbstractContextManager[Path]:
    """Give the file as which `target` is made, to be renamed once it is whole (`making`).

    `keep` leaves it there where the block fails, as a sign of that.
    """
    return making(name_beside(target), keep=keep)


def name_beside(target: Path) -> Path:
    """Return the name under which `target` is made, or was until a crash."""
    return target.with_name(f".{target.name}.part")


@contextlib.contextmanager
def making(new: Path, *, keep: bool = False) -> Iterator[Path]:
    """Yield a new, empty file that nobody else writes; at the end it is gone, unless renamed.

    It has the same name each time, so that crashes leave one file, which the next one replaces.
    Only while somebody else holds that, a number stands for the last letter. `keep` removes none.
    """
    names = chain([new], (new.with_name(f"{new.name[:-1]}{n}") for n in count(1)))
    own, lock = next((name, lock) for name in names if (lock := _hold(name)) is not None)
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, lock)
        if not keep:
            undo.callback(_unlink_held, own, lock)
        yield own


def _hold(new: Path) -> int | None:
    """Make a file that is held until it is closed; None if there is one that cannot be removed."""
    while True:
        try:
            lock = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            if not _remove_left(new):
                return None
            continue
        # Without locks what a crash leaves is never taken for left, and stays.
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if _leads_to(new, lock):
            return lock
        # Another process took it for one that was left, before it was held.
        os.close(lock)


def _remove_left(new: Path) -> bool:
    """Remove what a process that has ended was making; False if it stays."""
    try:
        # NFS locks for one alone only what is open for writing; a clip is read-only at the end.
        how = os.O_RDWR if os.access(new, os.W_OK) else os.O_RDONLY
        lock = os.open(new, how | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        return isinstance(fault, FileNotFoundError)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _unlink_held(new, lock)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _unlink_held(file: Path, lock: int) -> None:
    # By now the name may lead to what another process makes.
    if _leads_to(file, lock):
        file.unlink(missing_ok=True)


def _leads_to(file: Path, lock: int) -> bool:
    try:
        return os.path.samestat(file.lstat(), os.fstat(lock))
    except OSError:
        return False


def remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder, and those above it up to `top`, which stays, as long as they are empty."""
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def signature(found: os.stat_result) -> str:
    """Return what tells that a file was not touched since: size, times and inode, as text.

    The time of change (ctime) cannot be set by a program, so one that keeps size and modification
    time is noticed too. The device is not in it: its number changes when a disk is mounted anew.
    """
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_ino}"


def copy_clip(source: Path, target: Path, sha256: str) -> bool:
    """Make `target` an independent read-only file of a clip's bytes.

    A reflink where the file system has it. False, and no target, where the bytes are not those of
    this digest. Durable, for a file that a loss of power emptied would look like one that a person
    changed; its name is not.
    """
    # Of such sizes that nothing is asked of the system but to read and to write.
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=CHUNK) as copy:
        # No byte passes here by a reflink: a damaged clip would be cloned unseen, so it is read.
        reflink = _reflink(reading, copy)
        copied = file_sha256(target) if reflink else _copy(reading, copy)
        if copied != sha256:
            target.unlink()
            return False
        copy.flush()
        os.fchmod(copy.fileno(), READ_ONLY)
        os.fsync(copy.fileno())
    return True


def copy_bytes(reading: BinaryIO, target: Path) -> str:
    """Copy an open file to `target`, and return the SHA-256 of its bytes."""
    with target.open("wb") as copy:
        return _copy(reading, copy)


def _copy(reading: IO[bytes], copy: IO[bytes]) -> str:
    seen = hashlib.sha256()
    while chunk := reading.read(CHUNK):
        seen.update(chunk)
        copy.write(chunk)
    return seen.hexdigest()


def _reflink(old: IO[bytes], new: IO[bytes]) -> bool:
    try:
        fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
    except OSError:
        return False
    return True
