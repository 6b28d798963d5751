"""What changed of a page since it was loaded: each part of it, with the version it changed in.

A ledger keeps no list of changes. So the whole page is looked at again and compared, only after
something was written, and never for more than a tenth of the time: of a large campaign, less often.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

Signature = Sequence[tuple[int, int] | None]
_SHORTEST_PAUSE_S = 1.0
_PAUSE = 10
"""So many times as long as it took, it is not looked at again."""


def signature_of(files: Iterable[Path]) -> Signature:
    """Return what another write to one of these files changes; a file may be missing."""
    return tuple(map(_file_signature, files))


def _file_signature(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@dataclass(slots=True)
class PageChanges:
    """The parts of a page as it was looked at last, and since when each is as it is.

        changes = PageChanges()
        version = changes.take(signature, [("clip spin[A]#1", {"state": "waiting"})], took_s=0.1)
        changes.since(version)

    One thread at a time may use it.
    """

    now: Callable[[], float] = time.monotonic
    version: int = 0
    """Of the page: the next one has something else in it."""
    _parts: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    """By name: what it is as JSON, and the version it came in."""
    _gone: dict[str, int] = field(default_factory=dict)
    _signature: Signature | None = None
    _due_at: float = 0.0

    def is_due(self, signature: Signature) -> bool:
        """Tell whether the page is to be looked at again, as its files are now."""
        return signature != self._signature and self.now() >= self._due_at

    def take(self, signature: Signature, parts: Iterable[tuple[str, Any]], *, took_s: float) -> int:
        """Take how the page is now, and how long it took to look; return its version.

        `signature` is that of its files before they were read.
        """
        following, left = self.version + 1, set(self._parts)
        for name, value in parts:
            left.discard(name)
            encoded = orjson.dumps(value)
            if name not in self._parts or self._parts[name][0] != encoded:
                self._parts[name] = (encoded, following)
                self._gone.pop(name, None)
                self.version = following
        for name in left:
            del self._parts[name]
            self._gone[name] = self.version = following
        self._signature = signature
        self._due_at = self.now() + max(_SHORTEST_PAUSE_S, _PAUSE * took_s)
        return self.version

    def since(self, version: int) -> Mapping[str, Any]:
        """Return what changed after a version, to be written as JSON by orjson."""
        return {
            "version": self.version,
            "parts": {
                name: orjson.Fragment(encoded)
                for name, (encoded, changed) in self._parts.items()
                if changed > version
            },
            "gone": [name for name, changed in self._gone.items() if changed > version],
        }
