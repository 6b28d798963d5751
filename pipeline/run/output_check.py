"""Output paths and the store against the disk: what stands there, what may be replaced."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Protocol

from pipeline.file_content import file_sha256
from pipeline.ledger.outputs import Clip, View
from pipeline.storage.blobs import clip_path
from pipeline.storage.fs import is_the_path, signature

_PAGE = 1000
_NO_FILE = ""
_BESIDE_BYTES = len("..part")
"""What the name under which a file is made has more than its own (`fs.beside`)."""
_USUAL_NAME_BYTES, _USUAL_PATH_BYTES = 255, 4096


class KnownOutputs(Protocol):
    """What is known of output paths and clips: a ledger, or a plan that is being drafted."""

    def views(self, *, campaign: str, after: int, limit: int, landed: bool) -> list[View]:
        """Return the plan's output paths in order from after a position on."""
        ...

    def places(self, digests: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the output paths where these clips were put, whichever campaign they are of."""
        ...

    def is_known_clip(self, sha256: str) -> bool:
        """Tell whether a digest is a clip's of this ledger."""
        ...


class OutputStatus(StrEnum):
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
    SURPLUS = "surplus"
    """Our clip, and it is not to be shown any more: a run removes it, the store keeps it."""
    BLOCKED = "blocked"
    """Nothing can stand here: a file is where a folder is needed."""


Hides = Callable[[View], bool]
"""Tells whether what belongs at an output path is to be in the store alone."""


def hide_nothing(_: View) -> bool:
    """Lay out every clip."""
    return False


def hide_all(_: View) -> bool:
    """Lay out no clip: somebody else does."""
    return True


RESTORED = frozenset({OutputStatus.MISSING, OutputStatus.LINKED, OutputStatus.OUTDATED})
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

    def display_path(self, path: str) -> str:
        """Return a path relative to the root as a person finds it."""
        ...

    def too_long(self, path: str) -> str:
        """Return in words how a path relative to the root is longer than the disk takes."""
        ...

    def in_the_way(self, path: str) -> str:
        """Return the file, relative to the root, that stands where a path needs a folder."""
        ...


def stat_of(path: str) -> FileStat | None:
    """Return what is known of a file without reading it; None if nothing is there."""
    try:
        found = os.lstat(path)
    except NotADirectoryError:
        return FileStat(regular=False)
    except OSError as fault:
        if isinstance(fault, FileNotFoundError) or is_the_path(fault):
            return None
        raise
    return FileStat(
        regular=stat.S_ISREG(found.st_mode),
        signature=signature(found),
        mode=stat.S_IMODE(found.st_mode),
        links=found.st_nlink,
    )


class RealFiles:
    """The files below a real root."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        whole = os.path.abspath(self._root)  # noqa: PTH100 - a link stays the path it is
        self._root_bytes = len(os.fsencode(whole))
        self._name_most, self._path_most = _limits(Path(whole))
        # Thousands of output paths share a few folders.
        self._folder_in_the_way = cache(self._find_blocking_file)

    def stat(self, path: str) -> FileStat | None:
        """Return what is known of a path without reading it; None if nothing is there."""
        return stat_of(f"{self._root}/{path}")

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a regular file's bytes; empty where they cannot be read."""
        try:
            return file_sha256(Path(self._root, path))
        except (FileNotFoundError, IsADirectoryError, PermissionError):
            return _NO_FILE

    def same_file(self, path: str, other: str) -> bool:
        """Tell whether two paths are hard links to one file."""
        try:
            return Path(self._root, path).samefile(Path(self._root, other))
        except OSError:
            return False

    def display_path(self, path: str) -> str:
        """Return a path relative to the root as a person finds it."""
        return f"{self._root}/{path}"

    def too_long(self, path: str) -> str:
        """Return in words how a path relative to the root is longer than the disk takes.

        Counted in bytes, as file systems do, with what is needed while the file is made.
        """
        size = len(path) + _BESIDE_BYTES
        # Most paths are shorter than a single name may be: nothing in them has to be measured.
        if path.isascii() and size <= self._name_most <= self._path_most - self._root_bytes - 1:
            return ""
        *folders, name = path.split("/")
        sizes = {part: len(os.fsencode(part)) for part in folders}
        sizes[name] = len(os.fsencode(name)) + _BESIDE_BYTES
        part, size = max(sizes.items(), key=lambda pair: pair[1])
        if size > self._name_most:
            return f"'{part}' takes {size:,} bytes; a name on this disk {self._name_most:,}"
        whole = self._root_bytes + 1 + len(os.fsencode(path)) + _BESIDE_BYTES
        if whole > self._path_most:
            return f"with its root it takes more than the {self._path_most:,} bytes of this disk"
        return ""

    def in_the_way(self, path: str) -> str:
        """Return the file, relative to the root, that stands where a path needs a folder."""
        return self._folder_in_the_way(path.rpartition("/")[0])

    def _find_blocking_file(self, folder: str) -> str:
        parts = folder.split("/")
        above = ("/".join(parts[:n]) for n in range(1, len(parts) + 1))
        found = ((each, Path(self._root, each)) for each in above)
        return next((e for e, p in found if os.path.lexists(p) and not p.is_dir()), "")


def _limits(root: Path) -> tuple[int, int]:
    """Return how many bytes a name and a path may take on the disk where a root is, or will be."""
    there = next(each for each in (root, *root.parents) if each.exists())
    try:
        name, path = os.pathconf(there, "PC_NAME_MAX"), os.pathconf(there, "PC_PATH_MAX")
    except (OSError, ValueError):
        name, path = _USUAL_NAME_BYTES, _USUAL_PATH_BYTES
    # The longest path is told with the nought at its end (limits.h(0p)).
    return name, path - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An output path that is not as it should be."""

    view: View
    standing: OutputStatus
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
    known: KnownOutputs,
    *,
    campaign: str,
    files: Files,
    is_known: Callable[[str], bool] | None = None,
    hides: Hides = hide_nothing,
) -> Iterator[Found]:
    """Yield the plan's output paths that are not as they should be, in plan order.

    `is_known` tells whether a digest is a clip's, where that is not what the ledger says.
    A file we placed, and that was not touched since, is not read again.
    """
    for view in _iter_views(known, campaign=campaign, landed=_shows_nothing(files, campaign)):
        found = judge_view(view, files, is_known or known.is_known_clip, hides)
        if found is not None:
            yield found


def _shows_nothing(files: Files, campaign: str) -> bool:
    """Tell whether a campaign has no folder: then only finished clips can be missing."""
    return files.stat(campaign) is None


def _iter_views(known: KnownOutputs, *, campaign: str, landed: bool) -> Iterator[View]:
    """Yield the plan's output paths in plan order, whose pages are found by an index."""
    after: int | None = -1
    while after is not None:
        page = known.views(campaign=campaign, after=after, limit=_PAGE, landed=landed)
        yield from page
        after = page[-1].position if len(page) == _PAGE else None


def judge_view(
    view: View, files: Files, known: Callable[[str], bool], hides: Hides
) -> Found | None:
    """Return how what stands at a path differs from what should; None if it does not."""
    judge = look_hidden if hides(view) else look
    return judge(view, files, known)


def look(view: View, files: Files, known: Callable[[str], bool]) -> Found | None:
    """Return how what stands at a path differs from what should; None if it does not."""
    there = files.stat(view.path)
    whole = there is not None and there.regular
    # Where our clip stood, a file in its folder's place is somebody's change: told, no obstacle.
    if not (whole or view.placed) and files.in_the_way(view.path):
        return Found(view=view, standing=OutputStatus.BLOCKED, stat=there)
    standing = _standing(view, there, files, known)
    return Found(view=view, standing=standing, stat=there) if standing else None


def look_hidden(view: View, files: Files, known: Callable[[str], bool]) -> Found | None:
    """Return what is wrong with a path at which no clip is to be laid out for now.

    Only the very clip that was put there is surplus; what a person made of it is theirs. What is in
    the way is told all the same: once the clip is approved, it is to stand there.
    """
    if not view.placed:
        return look(replace(view, clip=None), files, known)
    there = files.stat(view.path)
    untouched = there is None or (there.regular and view.signature == there.signature)
    if untouched or (there and there.regular and files.digest(view.path) == view.placed):
        return Found(view=view, standing=OutputStatus.SURPLUS, stat=there)
    return Found(view=view, standing=OutputStatus.CHANGED, stat=there)


def _standing(
    view: View, there: FileStat | None, files: Files, known: Callable[[str], bool]
) -> OutputStatus | None:
    clip = view.clip
    if there is None:
        return OutputStatus.MISSING if clip else None
    ours = clip is not None and view.placed == clip.sha256
    mode_kept = not ours or view.mode in {None, there.mode}
    if ours and there.regular and view.signature == there.signature:
        return None if mode_kept else OutputStatus.CHANGED_MODE
    found = files.digest(view.path) if there.regular else _NO_FILE
    if clip and found == clip.sha256:
        stored = clip_path(clip.sha256, clip.extension)
        if there.links > 1 and files.same_file(view.path, stored):
            return OutputStatus.LINKED
        return OutputStatus.UNRECORDED if mode_kept else OutputStatus.CHANGED_MODE
    if known(found):
        return OutputStatus.OUTDATED if clip else None
    return OutputStatus.CHANGED if clip and view.placed else OutputStatus.FOREIGN


def inspect_store(
    known: KnownOutputs, *, campaign: str, files: Files
) -> Iterator[Clip | DamagedClip]:
    """Yield the plan's clips whose file in the store was touched since it was known to be right.

    A Clip holds its bytes all the same, and has the signature it has now; a DamagedClip does not.
    """
    store = _StoreCheck(files)
    views = _iter_views(known, campaign=campaign, landed=True)
    yield from store.find_intact(known, map(store.look, views))


def inspect_both(
    known: KnownOutputs, *, campaign: str, files: Files, hides: Hides
) -> tuple[list[Found], list[Clip | DamagedClip]]:
    """Return what `inspect` and `inspect_store` would yield, by reading the plan once."""
    store, found, clips = _StoreCheck(files), list[Found](), list[Clip | DamagedClip | None]()
    for view in _iter_views(known, campaign=campaign, landed=_shows_nothing(files, campaign)):
        # The store first: what may be a copy of it is only compared with what it should be.
        clip = store.look(view)
        if clip is not None:
            clips.append(clip)
        wrong = judge_view(view, files, known.is_known_clip, hides)
        if wrong is not None:
            found.append(wrong)
    return found, list(store.find_intact(known, clips))


class _StoreCheck:
    """Looks at each clip's file in the store once, whichever items share it."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._looked_at: set[bytes] = set()

    def look(self, view: View) -> Clip | DamagedClip | None:
        """Return the clip of an item if its file was touched; it may be damaged."""
        clip = view.clip
        if clip is None or (digest := bytes.fromhex(clip.sha256)) in self._looked_at:
            return None
        self._looked_at.add(digest)
        path = clip_path(clip.sha256, clip.extension)
        there = self._files.stat(path)
        whole = there is not None and there.regular
        if there is not None and whole and there.signature == clip.signature:
            return None
        if there is not None and whole and self._files.digest(path) == clip.sha256:
            return replace(clip, signature=there.signature)
        return DamagedClip(clip=clip, path=path, gone=there is None)

    def find_intact(
        self, known: KnownOutputs, clips: Iterable[Clip | DamagedClip | None]
    ) -> Iterator[Clip | DamagedClip]:
        """Yield the clips, each damaged one with an output path where its bytes still are."""
        touched = (each for each in clips if each is not None)
        while some := list(islice(touched, _PAGE)):
            wrong = [each.clip.sha256 for each in some if isinstance(each, DamagedClip)]
            placed = known.places(wrong) if wrong else {}
            for each in some:
                if isinstance(each, DamagedClip):
                    yield replace(each, intact=_intact(each, placed, self._files))
                else:
                    yield each


def _intact(damaged: DamagedClip, placed: Mapping[str, Sequence[str]], files: Files) -> str:
    digest = damaged.clip.sha256
    every = placed.get(digest, ())
    return next((path for path in every if files.digest(path) == digest), "")
