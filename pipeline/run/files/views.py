"""Output paths and the store against the disk: what stands there, what may be replaced."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pipeline.run.files.disk import digest, signature
from pipeline.run.files.store import clip_path
from pipeline.run.ledger import outputs
from pipeline.run.ledger.outputs import Clip, View
from pipeline.run.ledger.writer import Operation

Read = Callable[[Operation[Any]], Any]
_PAGE = 1000
_NO_FILE = ""


class Standing(StrEnum):
    """What is found at an output path that is not as it should be."""

    MISSING = "missing"
    """The clip exists, but not here: it is put back from the store."""
    UNRECORDED = "unrecorded"
    """The right clip, but the ledger does not know this file: another place, or touched."""
    LINKED = "linked"
    """The right clip as a hard link into the store: a copy replaces it."""
    OUTDATED = "outdated"
    """Another clip of this ledger: the new one replaces it, its bytes stay in the store."""
    CHANGED = "changed"
    """We put a clip here, and somebody changed or replaced it since: left alone, and named."""
    CHANGED_MODE = "changed_mode"
    """The right clip, whose permissions somebody changed: left alone, and named."""
    FOREIGN = "foreign"
    """Somebody else's file: never touched."""


RESTORED = frozenset({Standing.MISSING, Standing.LINKED, Standing.OUTDATED})
"""What a run puts right from the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """What the file system tells of a path without reading it."""

    regular: bool
    """Whether it is a file of its own: no folder, no symbolic link, no file in a folder's place."""
    signature: str = ""
    mode: int = 0
    """Its permissions."""
    links: int = 1


class Files(Protocol):
    """The files below a root, as far as looking goes; paths are relative to the root."""

    def stat(self, path: str) -> FileStat | None:
        """Return what is known of a path without reading it; None if nothing is there."""
        ...

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a regular file's bytes; empty where they cannot be read."""
        ...

    def same_file(self, path: str, other: str) -> bool:
        """Tell whether two paths are hard links to one file."""
        ...

    def shown(self, path: str) -> str:
        """Return a path relative to the root as a person finds it."""
        ...


class RealFiles:
    """The files below a real root."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)

    def stat(self, path: str) -> FileStat | None:
        """Return what is known of a path without reading it; None if nothing is there."""
        try:
            found = os.lstat(f"{self._root}/{path}")
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            return FileStat(regular=False)
        return FileStat(
            regular=stat.S_ISREG(found.st_mode),
            signature=signature(found),
            mode=stat.S_IMODE(found.st_mode),
            links=found.st_nlink,
        )

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a regular file's bytes; empty where they cannot be read."""
        try:
            return digest(Path(self._root, path))
        except (FileNotFoundError, IsADirectoryError, PermissionError):
            return _NO_FILE

    def same_file(self, path: str, other: str) -> bool:
        """Tell whether two paths are hard links to one file."""
        try:
            return Path(self._root, path).samefile(Path(self._root, other))
        except OSError:
            return False

    def shown(self, path: str) -> str:
        """Return a path relative to the root as a person finds it."""
        return f"{self._root}/{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An output path that is not as it should be."""

    view: View
    standing: Standing
    stat: FileStat | None = None
    """What stands there; None where nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedClip:
    """A clip of the store whose file is gone, or holds other bytes than were received."""

    clip: Clip
    path: str
    """Relative to the root, like `intact`."""
    gone: bool
    intact: str = ""
    """An output path where its bytes still are; empty if there is none."""


def inspect(
    read: Read, known: Callable[[str], bool], *, campaign: str, files: Files
) -> Iterator[Found]:
    """Yield the plan's output paths that are not as they should be, in plan order.

    `read` runs an operation on the ledger; `known` tells whether a digest is one of its clips.
    A file we placed, and that was not touched since, is not read again.
    """
    landed = files.stat(campaign) is None
    after: int | None = -1
    while after is not None:
        page = read(
            partial(outputs.views, campaign=campaign, after=after, limit=_PAGE, landed=landed)
        )
        for view in page:
            found = look(view, files, known)
            if found is not None:
                yield found
        after = page[-1].position if len(page) == _PAGE else None


def look(view: View, files: Files, known: Callable[[str], bool]) -> Found | None:
    """Return how what stands at a path differs from what should; None if it does not."""
    there = files.stat(view.path)
    standing = _standing(view, there, files, known)
    return Found(view=view, standing=standing, stat=there) if standing else None


def _standing(
    view: View, there: FileStat | None, files: Files, known: Callable[[str], bool]
) -> Standing | None:
    clip = view.clip
    if there is None:
        return Standing.MISSING if clip else None
    ours = clip is not None and view.placed == clip.sha256
    mode_kept = not ours or view.mode in {None, there.mode}
    if ours and there.regular and view.signature == there.signature:
        return None if mode_kept else Standing.CHANGED_MODE
    found = files.digest(view.path) if there.regular else _NO_FILE
    if clip and found == clip.sha256:
        stored = clip_path(clip.sha256, clip.extension)
        if there.links > 1 and files.same_file(view.path, stored):
            return Standing.LINKED
        return Standing.UNRECORDED if mode_kept else Standing.CHANGED_MODE
    if known(found):
        return Standing.OUTDATED if clip else None
    return Standing.CHANGED if clip and view.placed else Standing.FOREIGN


def inspect_store(read: Read, *, campaign: str, files: Files) -> Iterator[Clip | DamagedClip]:
    """Yield the plan's clips whose file in the store was touched since it was known to be right.

    A Clip holds its bytes all the same, and has the signature it has now; a DamagedClip does not.
    """
    after: str | None = ""
    while after is not None:
        page: list[Clip] = read(
            partial(outputs.finished_clips, campaign=campaign, after=after, limit=_PAGE)
        )
        wrong = []
        for clip in page:
            path = clip_path(clip.sha256, clip.extension)
            there = files.stat(path)
            if there is not None and there.regular and there.signature == clip.signature:
                continue
            if there is not None and there.regular and files.digest(path) == clip.sha256:
                yield replace(clip, signature=there.signature)
            else:
                wrong.append(DamagedClip(clip=clip, path=path, gone=there is None))
        placed = read(partial(outputs.places, digests=[each.clip.sha256 for each in wrong]))
        for damaged in wrong:
            yield replace(damaged, intact=_intact(damaged, placed, files))
        after = page[-1].sha256 if len(page) == _PAGE else None


def _intact(damaged: DamagedClip, placed: Mapping[str, Sequence[str]], files: Files) -> str:
    digest = damaged.clip.sha256
    every = placed.get(digest, ())
    return next((path for path in every if files.digest(path) == digest), "")
