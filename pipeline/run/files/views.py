"""Output paths against the disk: what stands there, and whether it may be replaced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.run.files.disk import digest, is_the_path
from pipeline.run.ledger import outputs
from pipeline.run.ledger.outputs import View
from pipeline.run.ledger.writer import Operation

T = TypeVar("T")
Read = Callable[[Operation[list[View]]], list[View]]
_PAGE = 1000
_NO_FILE = ""
_BESIDE_BYTES = len("..part")
"""What the name under which a file is made has more than its own (`disk.beside`)."""
_USUAL_NAME_BYTES, _USUAL_PATH_BYTES = 255, 4096


class Standing(StrEnum):
    """What is found at an output path that is not as it should be."""

    MISSING = "missing"
    """The clip exists, but not here: it is put back from the store."""
    UNRECORDED = "unrecorded"
    """The right clip, but the ledger does not know that it is here."""
    OUTDATED = "outdated"
    """Another clip of this ledger: the new one replaces it, its bytes stay in the store."""
    FOREIGN = "foreign"
    """Somebody else's file: never touched."""
    BLOCKED = "blocked"
    """Nothing can stand here: a file is where a folder is needed."""


class Files(Protocol):
    """The files below a root, as far as looking goes."""

    def size(self, path: str) -> int | None:
        """Return the size of the file at a path relative to the root; None if there is none."""
        ...

    def digest(self, path: str) -> str:
        """Return the SHA-256 of the file's bytes."""
        ...

    def shown(self, path: str) -> str:
        """Return a path relative to the root as a person finds it."""
        ...

    def too_long(self, path: str) -> str:
        """Return in words how a path relative to the root is longer than the disk takes."""
        ...

    def in_the_way(self, path: str) -> str:
        """Return the file, relative to the root, that stands where a path needs a folder."""
        ...


class RealFiles:
    """The files below a real root."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        whole = os.path.abspath(self._root)  # noqa: PTH100 - a link stays the path it is
        self._root_bytes = len(os.fsencode(whole))
        self._name_most, self._path_most = _limits(Path(whole))
        self._folder_in_the_way = cache(self._blocked)

    def size(self, path: str) -> int | None:
        """Return the size of the file at a path relative to the root; None if there is none."""
        try:
            return os.stat(f"{self._root}/{path}").st_size  # noqa: PTH116 - once per item, so quick
        except FileNotFoundError:
            return None
        except OSError as fault:
            if is_the_path(fault):
                return None
            raise

    def digest(self, path: str) -> str:
        """Return the SHA-256 of the file's bytes; empty for what is no regular file."""
        found = Path(self._root, path)
        return digest(found) if found.is_file() else _NO_FILE

    def shown(self, path: str) -> str:
        """Return a path relative to the root as a person finds it."""
        return f"{self._root}/{path}"

    def too_long(self, path: str) -> str:
        """Return in words how a path relative to the root is longer than the disk takes.

        Counted in bytes, as file systems do, with what is needed while the file is made.
        """
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

    def _blocked(self, folder: str) -> str:
        parts = folder.split("/")
        above = ("/".join(parts[:n]) for n in range(1, len(parts) + 1))
        return next((each for each in above if self._is_a_file(each)), "")

    def _is_a_file(self, path: str) -> bool:
        found = Path(self._root, path)
        return os.path.lexists(found) and not found.is_dir()


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
    standing: Standing
    place: str
    """What is meant: the output path, or a file that stands where it needs a folder."""


def inspect(
    read: Read, known: Callable[[str], bool], *, campaign: str, files: Files
) -> Iterator[Found]:
    """Yield the plan's output paths that are not as they should be, in plan order.

    `read` runs an operation on the ledger; `known` tells whether a digest is one of its clips.
    A file we placed, and that has its clip's size still, is not read again.
    """
    landed = files.size(campaign) is None
    after: int | None = -1
    while after is not None:
        page = read(
            partial(outputs.views, campaign=campaign, after=after, limit=_PAGE, landed=landed)
        )
        for view in page:
            standing = look(view, files, known)
            if standing is None:
                continue
            place = view.path
            if standing is Standing.BLOCKED:
                place = files.in_the_way(view.path)
            yield Found(view=view, standing=standing, place=place)
        after = page[-1].position if len(page) == _PAGE else None


def look(view: View, files: Files, known: Callable[[str], bool]) -> Standing | None:
    """Return how what stands at a path differs from what should; None if it does not."""
    clip = view.clip
    size = files.size(view.path)
    if size is None and files.in_the_way(view.path):
        return Standing.BLOCKED
    if size is None:
        return Standing.MISSING if clip else None
    if clip and view.placed == clip.sha256 and size == clip.bytes:
        return None
    found = files.digest(view.path)
    if clip and found == clip.sha256:
        return Standing.UNRECORDED
    if not known(found):
        return Standing.FOREIGN
    return Standing.OUTDATED if clip else None
