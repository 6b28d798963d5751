"""Which files a manifest may name: those in its own folder, and in the folders that it allows.

A path is judged before it is opened, after symbolic links: a manifest that came from elsewhere,
or a cell of a table, must not be able to show or upload a private file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PureWindowsPath

from pipeline.errors import MediaFault
from pipeline.findings import nearest
from pipeline.web_addresses import BEGINNING

# A folder may hold a shop's whole stock of photos, and this is for a hint alone.
_NAMES_COMPARED = 2000
_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".mp4", ".mov", ".webm"})
_LIST_SIGNS = re.compile(r"[,;|]")
_OF_ONE_COMPUTER = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_LIKE_A_FILE = re.compile(
    r"\.(?:jpe?g|png|webp|gif|tiff?|bmp|avif|heic|mp4|mov|webm)$", re.IGNORECASE
)
END_OF_ADDRESS = (
    "if it is the end of an address, put its beginning before it: {{ … | prefix('https://…') }}"
)


class AllowedPaths:
    """The folders whose files may be read."""

    def __init__(self, folder: Path, allow: Iterable[Path]) -> None:
        """`folder` is the manifest's own; `allow` are those of its `files: {allow: [...]}`."""
        places = (_resolve(root) for root in (folder, *allow))
        self._roots = tuple(place for place in places if place is not None)

    def resolve(self, file: str, folder: Path) -> Path:
        """Return where `file` is, relative to `folder`; MediaFault if it may not be read."""
        path = self._judge(folder / file, file)
        # Judged before its folders are looked through, and again as it is stored.
        stored = stored_path(path)
        return path if stored == path else self._judge(stored, file)

    def _judge(self, named: Path, file: str) -> Path:
        path = _resolve(named)
        if path is None:
            raise MediaFault("missing-file", f"{file!r} names no file")
        # Of the resolved path: a link within the folder may lead to any file of the machine.
        if not any(path.is_relative_to(root) for root in self._roots):
            hint = "move it there, or name its folder in the manifest's own `files: {allow: [...]}`"
            if file.startswith("/") and path.suffix.lower() in _ENDINGS:
                # Shops export the path of an address without its host.
                hint += f"; {END_OF_ADDRESS}"
            raise MediaFault("path-escape", f"{file!r} lies outside the manifest's folder", hint)
        return path


def stored_path(path: Path) -> Path:
    """Return a path as its names are stored, where exactly one is equal but for how it is coded.

    A Mac stores `ü` as two characters, a table has it as one. What is there by its own name, or by
    no other, comes back as it is.
    """
    if str(path).isascii() or _exists(path):
        return path
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        here = found / part
        if not part.isascii() and not _exists(here):
            wanted = unicodedata.normalize("NFC", part)
            # Exactly one: of two that differ in nothing but their coding, nobody knows which was
            # meant.
            same = [n for n in _names(found) if unicodedata.normalize("NFC", n) == wanted]
            here = found / same[0] if len(same) == 1 else here
        found = here
    return found


def nearest_file(path: Path) -> str:
    """Return the name in a path's folder that was probably meant, or an empty text."""
    return nearest(path.name, _names(path.parent))


def nearest_path(file: str, folder: Path) -> str:
    r"""Return the file that was probably meant by a name relative to a folder, else an empty text.

    Of `Photos\New.jpg` it is `photos/new.jpg`: a folder may be written in another case, and with
    the signs of another system.
    """
    # These are parted at both slashes, so a table from Windows is read like one from here.
    parts = PureWindowsPath(file).parts
    here, found = folder, list[str]()
    for part in parts:
        if not _exists(here / part):
            names = _names(here)
            folded = unicodedata.normalize("NFC", part).casefold()
            alike = [n for n in names if unicodedata.normalize("NFC", n).casefold() == folded]
            part = alike[0] if len(alike) == 1 else nearest(part, names)  # noqa: PLW2901
            if not part:
                return ""
        here /= part
        found.append(part)
    return "/".join(found)


def missing_file_advice(file: str, folder: Path) -> str:
    """Return what to do about a file that is not there; empty where nothing is known."""
    several = [part.strip() for part in _LIST_SIGNS.split(file)]
    if file.startswith("www."):
        return BEGINNING
    if len(several) > 1 and all(_LIKE_A_FILE.search(part) for part in several):
        sign = next(sign for sign in ",;|" if sign in file)
        return (
            f"these are {len(several)} files: give the column {{list: image, separator: '{sign}'}}"
        )
    if _OF_ONE_COMPUTER.match(file):
        return "put the file beside the table, and write its name as it is from there"
    if file.startswith("/"):
        return END_OF_ADDRESS
    near = nearest_path(file, folder)
    return f"did you mean {near!r}?" if near else ""


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in islice(folder.iterdir(), _NAMES_COMPARED)]
    except (OSError, ValueError):
        return []


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a NUL, too long a name
        return False


def _resolve(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a NUL, a loop of links, too long a name
        return None
