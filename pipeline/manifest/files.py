"""A path → a file's bytes, or an OSError that says why not; nothing here waits or fills the memory.

A manifest names its tables and bases, and may have come from anywhere: a pipe, a device or a file
of any size under such a name is refused before a byte of it is read.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from pipeline.allowed_paths import nearest_file
from pipeline.manifest.table_text import MAX_BYTES


def contents(path: Path) -> bytes:
    """Return the bytes of a file that is no larger than a table may be; OSError for all else."""
    # Opening a pipe waits for its other end, unless it is told not to.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
        if found.st_size > MAX_BYTES:
            message = f"it has {found.st_size:,} bytes; at most {MAX_BYTES:,} are read"
            raise OSError(errno.EFBIG, message, str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(handle)


def slug_of(error: Exception) -> str:
    """Return the slug of the finding for a file that could not be read."""
    large = isinstance(error, OSError) and error.errno == errno.EFBIG
    return "too-large" if large else "missing-file"


def hint_for(path: Path) -> str:
    """Return a hint at the file that was probably meant, of those in its folder."""
    near = "" if path.exists() else nearest_file(path)
    return f"did you mean '{near}'?" if near else ""


def reason_of(error: Exception) -> str:
    """Return why a file could not be read, in the system's words or ours."""
    return (isinstance(error, OSError) and error.strerror) or "that is no name of a file"
