"""What was looked at stays known over runs: a file by its content, a derived image by its making.

The quick question is whether path, size, both times and the inode are what they were. A file that
was edited in place, at its old size and with its old mtime put back, has another ctime, which no
program can set. Where the quick answer is no, its SHA-256 decides: then it is read, not decoded.
It is a cache: it may be deleted at any time, and where it cannot be written nothing is remembered.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from pipeline.domain import Media
from pipeline.file_content import file_sha256

RECIPE = 1
"""Of derived images; raised when the pixels would change: an older file is then made anew."""
_RULES = 2
"""Raised when looking at a file would tell something else of it than before."""
_FILE = "media.jsonl"
_MOST_BYTES = 64_000_000
"""A cache that has grown larger is begun anew."""
_SETTLED_NS = 2_000_000_000
"""A file changed so lately could change again within one tick of its clock (FAT: two seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedImage:
    """What is known of an image made from another without its pixels."""

    digest: str
    bytes: int
    width: int
    height: int
    format: str = "png"


def note_path(assets: Path, media: Media, ratio: str, how: str) -> Path:
    """Return where it is noted what a picture became, beside the result itself."""
    shape = f"-{ratio.replace(':', 'x')}" if ratio else ""
    return assets / f"{media.digest}.{how}{shape}.json"


def read_derived(assets: Path, media: Media, ratio: str, how: str) -> DerivedImage | None:
    """Return what a derived image measures that lies among the assets, or None.

    It goes before all that is remembered elsewhere: clips may have been bought with its bytes.
    """
    note = note_path(assets, media, ratio, how)
    try:
        known = orjson.loads(note.read_bytes())
        recipe = known.pop("recipe")
        image = DerivedImage(**known)
        size = (assets / image.digest).stat().st_size
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return image if (recipe, size) == (RECIPE, image.bytes) else None


class InspectionCache:
    """Remembers in a file of JSON lines, each of which is whole or ignored."""

    def __init__(self, file: Path | None, now_ns: Callable[[], int] = time.time_ns) -> None:
        """`file` is read at the first question; None remembers nothing from run to run."""
        self._file = file
        self._now_ns = now_ns
        self._by_stat: dict[tuple[str, str], tuple[list[int], Media]] = {}
        self._by_content: dict[tuple[str, str], Media] = {}
        self._derived: dict[tuple[str, ...], DerivedImage] = {}
        self._unread = True

    @classmethod
    def below(cls, root: Path, variables: Mapping[str, str] = os.environ) -> InspectionCache:
        """Return the cache of a root; where it has no ledger yet, the user's own.

        A dry run leaves nothing where nothing was before.
        """
        home = root / ".callsheet"
        if os.access(home, os.W_OK):
            return cls(home / "cache" / _FILE)
        fallback = Path(variables.get("HOME", "/")) / ".cache"
        return cls(Path(variables.get("XDG_CACHE_HOME") or fallback) / "callsheet" / _FILE)

    def look(
        self,
        path: Path,
        status: os.stat_result,
        media_type: str,
        measure: Callable[[Path], Media],
    ) -> Media:
        """Return what is in a file: as remembered, else as `measure` finds it.

        `status` is the file's from just before.
        """
        self._read()
        known = self._by_stat.get((str(path), media_type))
        if known is not None and known[0] == _identity(status):
            return known[1]
        same = self._by_content.get((file_sha256(path), media_type))
        media = measure(path) if same is None else replace(same, source=str(path))
        with suppress(OSError):
            after = _identity(path.stat())
            lately = self._now_ns() - status.st_ctime_ns < _SETTLED_NS
            # Changed while it was looked at, or so lately that another change would not show: it is
            # known by its content alone, and hashed again at the next look.
            stat = [] if lately or after != _identity(status) else after
            self._keep({"path": str(path), "stat": stat, "media": asdict(media)})
        return media

    def derive(
        self, media: Media, ratio: str, how: str, make: Callable[[], DerivedImage], *, anew: bool
    ) -> DerivedImage:
        """Return what an image made of `media` measures: as remembered, else as `make` finds it.

        `anew` asks `make` in any case: a run needs the file itself.
        """
        self._read()
        # Another version of the library may write other bytes for the same pixels.
        making = (media.digest, ratio, how, str(RECIPE), version("pillow"))
        known = self._derived.get(making)
        image = make() if known is None or anew else known
        if image != known:
            self._keep({"made": making, "frame": asdict(image)})
        return image

    def _read(self) -> None:
        if not self._unread:
            return
        self._unread = False
        try:
            lines = self._file.read_bytes().splitlines() if self._file else []
        except OSError:
            return
        for line in lines:
            # A line may be cut, or of another version.
            with suppress(ValueError, KeyError, TypeError):
                self._take(orjson.loads(line))

    def _take(self, entry: Mapping[str, Any]) -> None:
        if entry["rules"] != _RULES:
            return
        if "made" in entry:
            self._derived[tuple(entry["made"])] = DerivedImage(**entry["frame"])
            return
        media = Media(
            **{**entry["media"], "operations": (), "unfit": tuple(entry["media"]["unfit"])}
        )
        self._by_content[media.digest, media.media_type] = media
        if entry["stat"]:
            self._by_stat[entry["path"], media.media_type] = (entry["stat"], media)

    def _keep(self, entry: Mapping[str, Any]) -> None:
        # Taken in by way of JSON: this process is to answer as one that reads the file would.
        line = orjson.dumps({"rules": _RULES, **entry}, option=orjson.OPT_APPEND_NEWLINE)
        self._take(orjson.loads(line))
        if self._file is None:
            return
        try:
            # What a person's pictures are called is for their eyes alone.
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._file.exists() and self._file.stat().st_size > _MOST_BYTES:
                self._file.unlink()
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            with os.fdopen(os.open(self._file, flags, 0o600), "ab", buffering=0) as file:
                # One write of one line: two processes never mix theirs.
                file.write(line)
        except OSError:
            # What cannot be written stops nothing: until the run ends it is kept in memory.
            self._file = None


def _identity(status: os.stat_result) -> list[int]:
    return [
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    ]
