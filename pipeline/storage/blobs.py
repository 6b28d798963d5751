"""Clips and references by content, below `<root>/.callsheet`, and the output paths that show them.

    store/<2>/<sha256>.<ext>    clips, read-only and never changed; `store gc` deletes some
    posters/<2>/<sha256>.jpg    a still of each clip; may be deleted, and is then missing in reports
    assets/<sha256>             local references, as they were when they were used
    parts/<name>.part, .json    downloads that are not whole yet, and what is known of them
    cleaned/<date>/<path>       clips that no item owned any more, where they stood below the root

What stands at an output path is a copy, never a link into the store: people save over what they
were given. All calls block; those on large files belong in a thread. A disk that does not allow
something raises `Unusable`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path

from pipeline.domain import Media
from pipeline.errors import MediaFault, Unusable
from pipeline.file_content import clip_extension, file_sha256
from pipeline.storage.fs import (
    READ_ONLY,
    STATE_FOLDER,
    beside,
    copy_bytes,
    copy_clip,
    making,
    signature,
    sync,
    writing,
)

_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,120}")
_PRIVATE = 0o700
_NOTES = ".json"
CopyReference = Callable[[Media, Path], str]
"""Writes the bytes of a local reference to a file, and returns their SHA-256."""


class Store:
    """The files of one output root."""

    def __init__(self, root: Path, copy: CopyReference | None = None) -> None:
        """`copy` brings local references here whose files are on another machine."""
        self.root = root
        self._copy = copy or _copy_reference
        self._folder = root / STATE_FOLDER

    def path(self, sha256: str, ext: str) -> Path:
        """Return where a clip is, or would be."""
        return self.root / clip_path(sha256, ext)

    def signature(self, sha256: str, ext: str) -> str:
        """Return the signature of a clip's file; empty where there is none."""
        try:
            return signature(self.path(sha256, ext).stat())
        except OSError:
            return ""

    def poster(self, sha256: str) -> Path:
        """Return where a clip's still is, or would be."""
        return self._folder / "posters" / sha256[:2] / f"{sha256}.jpg"

    def clips(self) -> Iterator[Path]:
        """Yield every file where clips are kept, whoever put it there."""
        found = stored_entries(self._folder / "store")
        yield from (Path(entry.path) for entry in found if entry.is_file())

    def digests(self) -> frozenset[str]:
        """Return the digests by which the files are named where clips are kept."""
        found = stored_entries(self._folder / "store")
        return frozenset(os.path.splitext(entry.name)[0] for entry in found if entry.is_file())  # noqa: PTH122 - no path is made of each

    def has(self, sha256: str, ext: str) -> bool:
        """Tell whether a clip is in the store (its bytes are not looked at)."""
        return self.path(sha256, ext).is_file()

    def part(self, name: str) -> Path:
        """Return the path of an unfinished download, its folder made.

        Any name will do: one that is not safe as a file name is replaced by its digest.
        """
        safe = name if _SAFE_NAME.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()
        return self._make_folder(self._folder / "parts") / f"{safe}.part"

    def downloads(self) -> list[str]:
        """Return the names of which something is known: begun, or a clip by now."""
        with suppress(FileNotFoundError):
            names = os.listdir(self._folder / "parts")  # noqa: PTH208 - no path is made of each
            return [name[: -len(_NOTES)] for name in names if name.endswith(_NOTES)]
        return []

    def adopt(self, part: Path, sha256: str, ext: str) -> Path:
        """Move a whole, verified download into the store, durably, and return its place."""
        place = self.path(sha256, ext)
        with writing(place):
            # Bytes before the name: a loss of power must not leave the name without them.
            sync(part, mode=READ_ONLY)
            try:
                part.replace(place)
                new_folder = False
            except FileNotFoundError:
                self._make_folder(place.parent)
                part.replace(place)
                new_folder = True
            sync(place.parent)
            # A folder's name is durable once its parent is synced, and `store` may be as new.
            if new_folder:
                sync(place.parent.parent)
                sync(self._folder)
        return place

    def keep_clip(self, source: Path, sha256: str, ext: str) -> bool:
        """Put a copy of a file into the store, durably; False if its bytes are not of this digest.

        A damaged clip of the store is replaced by it. OSError if the file cannot be read.
        """
        # A source that cannot be read is no disk that cannot be written.
        source.open("rb").close()
        part = self.part(sha256)
        with writing(part), making(part) as new:
            if not copy_clip(source, new, sha256):
                return False
            self.adopt(new, sha256, ext)
        return True

    def secure(self, file: Path, sha256: str) -> bool:
        """See to it that the store has the whole clip that a file is; False if it is another.

        It may be the last whole copy: what the store has is read. OSError if it cannot be.
        """
        if file.is_symlink() or file_sha256(file) != sha256:
            return False
        ext = clip_extension(file)
        whole = self.has(sha256, ext) and file_sha256(self.path(sha256, ext)) == sha256
        return whole or self.keep_clip(file, sha256, ext)

    def delete(self, clip: Path) -> None:
        """Delete a clip of the store and its still; who calls knows that nobody paid for it.

        Unusable where the store is a link: other roots may keep their clips in it.
        """
        if not clip.parent.resolve().is_relative_to(self._folder.resolve()):
            raise Unusable(
                f"{self._folder / 'store'} leads out of its root, where clips may be"
                " those of other roots: nothing is deleted"
            )
        with writing(clip):
            clip.unlink(missing_ok=True)
            self.poster(clip.stem).unlink(missing_ok=True)

    def make_cleaned_folder(self, now: datetime) -> Path:
        """Make the folder of one cleaning: a second one on the same day overwrites nothing."""
        parent = self._make_folder(self._folder / "cleaned")
        names = (f"{now:%Y-%m-%d}{f'-{n}' if n > 1 else ''}" for n in count(1))
        folder = next(parent / name for name in names if not (parent / name).exists())
        return self._make_folder(folder)

    def copy_out(
        self, sha256: str, ext: str, target: Path, *, known: Callable[[str], bool] | None = None
    ) -> None:
        """Put a copy of a clip at an output path, at once and whole; what stood there is not lost.

        A clip of the store that stood there is replaced. So is one that `known` (the ledger) knows
        by its digest, after it was put back into the store, and a hard link into the store. Any
        other file raises MediaFault `foreign-file` and stays. Raises MediaFault `lost-clip` where
        the store has not got the clip's bytes. Its name is not durable: the next run copies again.
        """
        source = self.path(sha256, ext)
        with writing(target):
            if os.path.lexists(target) and not _same_file(source, target):
                there = _digest_of_file(target)
                if there == sha256:
                    return
                self._keep_replaced(target, there, known or (lambda _: False))
            try:
                # Nearly always it is there, and this is one call to the system instead of two.
                if not target.parent.is_dir():
                    target.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise _foreign(target.parent) from None
            with beside(target) as new:
                if not source.is_file() or not copy_clip(source, new, sha256):
                    raise MediaFault("lost-clip", f"its clip {source} is gone or damaged")
                new.replace(target)

    def take_out(self, target: Path, sha256: str) -> bool:
        """Remove a copy of a clip from an output path; False if another file stands there.

        The store has the whole clip before the copy goes. True also where nothing stands there.
        Unusable where the folder of the copy cannot be written.
        """
        try:
            before = signature(target.lstat())
            ours = self.secure(target, sha256)
            # Who saved over it while it was read keeps what is theirs.
            if not ours or signature(target.lstat()) != before:
                return False
        except FileNotFoundError:
            return True
        except OSError:
            return False
        with writing(target):
            # Another process may have taken it out just now.
            target.unlink(missing_ok=True)
        return True

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
            self._make_folder(place.parent)
            with beside(place) as new:
                if self._copy(media, new) != media.digest:
                    raise MediaFault(
                        "media-changed",
                        f"{media.source} changed after it was checked",
                        "run again to plan with the file as it is now",
                    )
                new.chmod(READ_ONLY)
                sync(new)
                new.replace(place)
                sync(place.parent)
        return place

    def _keep_replaced(self, target: Path, there: str, known: Callable[[str], bool]) -> None:
        """Make sure that what stands at an output path can be replaced without loss."""
        ext = target.suffix.lstrip(".")
        if not there or not (self.has(there, ext) or known(there)):
            raise _foreign(target)
        # It may be the last copy of what was paid for, so it goes into the store first. If its
        # bytes are other ones by now, somebody is changing it: then it is theirs.
        if not self.has(there, ext) and not self.keep_clip(target, there, ext):
            raise _foreign(target)

    def _make_folder(self, folder: Path) -> Path:
        with writing(folder):
            if not self._folder.is_dir():
                self.root.mkdir(parents=True, exist_ok=True)
                # References may be confidential, like the ledger beside them.
                self._folder.mkdir(mode=_PRIVATE, exist_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
        return folder


def clip_path(sha256: str, ext: str) -> str:
    """Return where a clip is in the store, relative to the root."""
    return f"{STATE_FOLDER}/store/{sha256[:2]}/{sha256}.{ext}"


def stored_entries(store: Path) -> Iterator[os.DirEntry[str]]:
    """Yield whatever stands where clips are kept; nothing where there is no store."""
    for folder in _entries(store):
        yield from _entries(folder.path)


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    # No path is made of each, and none is looked at: there may be a hundred thousand.
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError), os.scandir(folder) as it:
        yield from it


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other) and not other.is_symlink()
    except OSError:
        return False


def _digest_of_file(target: Path) -> str:
    """Return the digest of what stands at a path; empty for what is no regular file of its own."""
    return "" if target.is_symlink() or not target.is_file() else file_sha256(target)


def _copy_reference(media: Media, target: Path) -> str:
    """Copy a reference and return the digest of the bytes that were copied."""
    source = Path(media.source)
    try:
        reading = source.open("rb")
    except OSError as exc:
        raise MediaFault(
            "missing-file",
            f"{source} cannot be read: {exc.strerror}",
            "put it back, then run again",
        ) from exc
    with reading:
        return copy_bytes(reading, target)


def _foreign(target: Path) -> MediaFault:
    return MediaFault(
        "foreign-file",
        f"{target} is not a clip of this folder's ledger, and is not overwritten",
        "move it away, or choose another output path",
    )
