"""Clips and references by content, below `<root>/.callsheet`, and the output paths that show them.

    store/<2>/<sha256>.<ext>    clips, read-only; nothing here is ever changed or deleted
    assets/<sha256>             local references, as they were when they were used
    parts/<name>.part, .json    downloads that are not whole yet, and what is known of them

An output path is only a view of the store. All calls block; those on large files belong in a
thread. A disk that does not allow something raises `Unusable`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import MediaFault
from pipeline.model import Media
from pipeline.run.files.disk import CHUNK, READ_ONLY, beside, clone, digest, sync, writing
from pipeline.run.ledger.root import FOLDER

_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,120}")
_PRIVATE = 0o700


class Store:
    """The files of one output root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / FOLDER

    def path(self, sha256: str, ext: str) -> Path:
        """Return where a clip is, or would be."""
        return self._folder / "store" / sha256[:2] / f"{sha256}.{ext}"

    def has(self, sha256: str, ext: str) -> bool:
        """Tell whether a clip is in the store (its bytes are not looked at)."""
        return self.path(sha256, ext).is_file()

    def part(self, name: str) -> Path:
        """Return the path of an unfinished download, its folder made.

        Any name will do: one that is not safe as a file name is replaced by its digest.
        """
        safe = name if _SAFE_NAME.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()
        return self._made(self._folder / "parts") / f"{safe}.part"

    def adopt(self, part: Path, sha256: str, ext: str) -> Path:
        """Move a whole, verified download into the store, durably, and return its place."""
        place = self.path(sha256, ext)
        with writing(place):
            new_folder = not place.parent.is_dir()
            self._made(place.parent)
            part.chmod(READ_ONLY)
            sync(part)
            part.replace(place)
            sync(place.parent)
            if new_folder:
                sync(place.parent.parent)
                sync(self._folder)
        return place

    def link(
        self, sha256: str, ext: str, target: Path, *, known: Callable[[str], bool] | None = None
    ) -> None:
        """Show a clip at an output path, at once and whole; what stood there is not lost.

        A clip of the store that stood there is replaced. So is one that `known` (the ledger) knows
        by its digest, after it was put back into the store. Any other file raises MediaFault
        `foreign-file` and stays. Not made durable: the next run shows the clip again.
        """
        source = self.path(sha256, ext)
        with writing(target):
            if _same_file(source, target):
                return
            if target.is_symlink() or target.exists():
                self._rescue(target, known or _nobody)
            target.parent.mkdir(parents=True, exist_ok=True)
            new = beside(target)
            try:
                clone(source, new)
                new.replace(target)
            finally:
                new.unlink(missing_ok=True)

    def matches(self, target: Path, sha256: str, size: int, *, thorough: bool = False) -> bool:
        """Tell whether a clip stands at an output path, from size, inode and time where they say.

        `thorough` reads the bytes in any case: a program that changed them in place and kept
        their number and time is found only so.
        """
        try:
            found = target.stat()
            if found.st_size != size:
                return False
            if not thorough and self._is_view(found, sha256, target.suffix.lstrip(".")):
                return True
            return digest(target) == sha256
        except OSError:
            return False

    def asset(self, sha256: str) -> Path:
        """Return where a local reference is kept, or would be."""
        return self._folder / "assets" / sha256

    def keep_asset(self, media: Media) -> Path:
        """Keep a copy of a local reference, verified while it is copied, and return its place.

        One at a time for each digest (`staging` sees to it).
        Raises MediaFault `media-changed` if its bytes are no longer those that were planned, and
        `missing-file` if it cannot be read.
        """
        place = self.asset(media.digest)
        if place.is_file():
            return place
        with writing(place):
            self._made(place.parent)
            new = beside(place)
            try:
                if _copied(Path(media.source), new) != media.digest:
                    raise MediaFault(
                        "media-changed",
                        f"{media.source} changed after it was checked",
                        "run again to plan with the file as it is now",
                    )
                new.chmod(READ_ONLY)
                sync(new)
                new.replace(place)
                sync(place.parent)
            finally:
                new.unlink(missing_ok=True)
        return place

    def _is_view(self, found: os.stat_result, sha256: str, ext: str) -> bool:
        try:
            stored = self.path(sha256, ext).stat()
        except OSError:
            return False
        same = (found.st_dev, found.st_ino) == (stored.st_dev, stored.st_ino)
        return same or (found.st_size, found.st_mtime_ns) == (stored.st_size, stored.st_mtime_ns)

    def _rescue(self, target: Path, known: Callable[[str], bool]) -> None:
        """Make sure that what stands at an output path can be replaced without loss."""
        if target.is_symlink() or not target.is_file():
            raise _foreign(target)
        there = digest(target)
        ext = target.suffix.lstrip(".")
        if self.has(there, ext):
            return
        if not known(there):
            raise _foreign(target)
        new = beside(target)
        try:
            clone(target, new)
            self.adopt(new, there, ext)
        finally:
            new.unlink(missing_ok=True)

    def _made(self, folder: Path) -> Path:
        with writing(folder):
            if not self._folder.is_dir():
                self.root.mkdir(parents=True, exist_ok=True)
                # References may be confidential, like the ledger beside them.
                self._folder.mkdir(mode=_PRIVATE, exist_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
        return folder


def _same_file(one: Path, other: Path) -> bool:
    # rename(2) onto another link of the same file does nothing, and leaves the old name behind.
    try:
        return one.samefile(other) and not other.is_symlink()
    except OSError:
        return False


def _copied(source: Path, target: Path) -> str:
    """Copy a file and return the digest of the bytes that were copied."""
    seen = hashlib.sha256()
    try:
        reading = source.open("rb")
    except OSError as exc:
        raise MediaFault(
            "missing-file",
            f"{source} cannot be read: {exc.strerror}",
            "put it back, then run again",
        ) from exc
    with reading, target.open("xb") as writing_to:
        while chunk := reading.read(CHUNK):
            seen.update(chunk)
            writing_to.write(chunk)
    return seen.hexdigest()


def _foreign(target: Path) -> MediaFault:
    return MediaFault(
        "foreign-file",
        f"{target} is not a clip of this folder's ledger, and is not overwritten",
        "move it away, or choose another output path",
    )


def _nobody(_: str) -> bool:
    return False
