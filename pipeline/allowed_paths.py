"""Which files a manifest may name: those in its own folder, and in the folders that it allows.

A path is judged before it is opened, after symbolic links: a manifest that came from elsewhere,
or a cell of a table, must not be able to show or upload a private file.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from pipeline.errors import MediaFault
from pipeline.findings import nearest

_NAMES_COMPARED = 2000


class AllowedPaths:
    """The folders whose files may be read."""

    def __init__(self, folder: Path, allow: Iterable[Path]) -> None:
        """`folder` is the manifest's own; `allow` are those of its `files: {allow: [...]}`."""
        places = (_resolve(root) for root in (folder, *allow))
        self._roots = tuple(place for place in places if place is not None)

    def resolve(self, file: str, folder: Path) -> Path:
        """Return where `file` is, relative to `folder`; MediaFault if it may not be read."""
        path = _resolve(folder / file)
        if path is None:
            raise MediaFault("missing-file", f"{file!r} names no file")
        if not any(path.is_relative_to(root) for root in self._roots):
            raise MediaFault(
                "path-escape",
                f"{file!r} lies outside the manifest's folder",
                "move it there, or name its folder in the manifest's own `files: {allow: [...]}`",
            )
        return path


def nearest_file(path: Path) -> str:
    """Return the name in a path's folder that was probably meant, or an empty text."""
    try:
        names = [entry.name for entry in islice(path.parent.iterdir(), _NAMES_COMPARED)]
    except OSError:
        return ""
    return nearest(path.name, names)


def _resolve(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a NUL, a loop of links, too long a name
        return None
