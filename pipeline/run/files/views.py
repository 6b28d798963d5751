"""Output paths against the disk: what stands there, and whether it may be replaced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.run.files.disk import digest
from pipeline.run.ledger import outputs
from pipeline.run.ledger.outputs import View
from pipeline.run.ledger.writer import Operation

T = TypeVar("T")
Read = Callable[[Operation[list[View]]], list[View]]
_PAGE = 1000
_NO_FILE = ""


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


class RealFiles:
    """The files below a real root."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)

    def size(self, path: str) -> int | None:
        """Return the size of the file at a path relative to the root; None if there is none."""
        try:
            return os.stat(f"{self._root}/{path}").st_size  # noqa: PTH116 - once per item, so quick
        except (FileNotFoundError, NotADirectoryError):
            return None

    def digest(self, path: str) -> str:
        """Return the SHA-256 of the file's bytes; empty for what is no regular file."""
        found = Path(self._root, path)
        return digest(found) if found.is_file() else _NO_FILE

    def shown(self, path: str) -> str:
        """Return a path relative to the root as a person finds it."""
        return f"{self._root}/{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An output path that is not as it should be."""

    view: View
    standing: Standing


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
            if standing is not None:
                yield Found(view=view, standing=standing)
        after = page[-1].position if len(page) == _PAGE else None


def look(view: View, files: Files, known: Callable[[str], bool]) -> Standing | None:
    """Return how what stands at a path differs from what should; None if it does not."""
    clip = view.clip
    size = files.size(view.path)
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
