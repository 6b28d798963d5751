"""An unfinished download on disk: its bytes, their hash so far, and what may continue them.

Beside `<name>.part` lies `<name>.json`. First it holds the validator (a strong ETag, else
Last-Modified) and length that the server gave, and the boot in which the bytes were written: after
a loss of power a part may have holes, so only a part of the same boot is continued. Once the bytes
are whole and verified it is the receipt: digest and extension of the clip in the store.

Another process that had it before may hang, and wake with the file open: what is continued is a
copy, and what is begun anew a new file.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from pipeline.clock import boot
from pipeline.storage.fs import CHUNK, write_small, writing

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_PARTIAL = 206


class PartialDownload:
    """One unfinished download; used by one task at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.validator = ""
        self.length: int | None = None
        """How many bytes there will be, if the server said so."""
        self.coding = ""
        """The Content-Encoding that the bytes came with: they are kept as they are."""
        self._seen = hashlib.sha256()
        self._notes = path.with_suffix(".json")
        self._copy = path.with_suffix(".copy")
        self._is_own = False
        """Whether nobody else has the file open."""

    @property
    def sha256(self) -> str:
        """Return the digest of the bytes so far."""
        return self._seen.hexdigest()

    @property
    def begun(self) -> bool:
        """Tell whether an earlier try left something of it."""
        return self._notes.exists()

    @property
    def whole(self) -> bool:
        """Tell whether nothing is missing of a stated length."""
        return self.length is not None and self.size == self.length

    def resume(self) -> int:
        """Return how many bytes need not be asked for again, after reading and hashing them."""
        notes = self._read()
        self._begin("", None)
        if not notes.get("validator") or notes.get("boot") != boot():
            return 0
        try:
            if not self._is_own:
                shutil.copyfile(self.path, self._copy)
                self._copy.replace(self.path)
                self._is_own = True
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    self._count(chunk)
        except OSError:
            self._begin("", None)
            return 0
        self.validator, self.length = notes["validator"], notes["length"]
        return self.size

    def continues(self, status: int, headers: Mapping[str, str]) -> bool:
        """Tell whether a reply's bytes fit here: the whole of it, or exactly the rest of ours."""
        if status != _PARTIAL:
            return True
        found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if found is None or int(found[1]) != self.size:
            return False
        return found[2] == "*" or self.length in {None, int(found[2])}

    @contextmanager
    def filling(self, status: int, headers: Mapping[str, str]) -> Iterator[Callable[[bytes], None]]:
        """Give the function that appends bytes, after beginning anew where a reply is the whole."""
        self.coding, anew = headers.get("content-encoding", ""), status != _PARTIAL
        if anew:
            stated = headers.get("content-length", "")
            self._begin(_validator(headers), int(stated) if stated.isdecimal() else None)
        # The old bytes go before the new notes come: the other way round, a crash in between would
        # leave the new validator beside bytes of an earlier version.
        with writing(self.path), self._open(anew=anew) as file:
            if anew:
                self._write({"validator": self.validator, "length": self.length, "boot": boot()})

            def write(chunk: bytes) -> None:
                file.write(chunk)
                self._count(chunk)

            yield write

    def _open(self, *, anew: bool) -> BinaryIO:
        if self._is_own:
            return self.path.open("wb" if anew else "ab", buffering=CHUNK)
        try:
            file = self.path.open("xb", buffering=CHUNK)
        except FileExistsError:
            self.path.unlink(missing_ok=True)
            file = self.path.open("xb", buffering=CHUNK)
        self._is_own = True
        return file

    def receipt(self) -> tuple[str, str] | None:
        """Return digest and extension of the clip this became, if it did."""
        notes = self._read()
        return (notes["sha256"], notes["ext"]) if "sha256" in notes else None

    def sign(self, sha256: str, ext: str) -> None:
        """Write the receipt, durably: a clip in the store without one looks like another ledger's.

        Its name is carried along by the syncs that follow, of the clip and its folder.
        """
        with writing(self._notes):
            self._write({"sha256": sha256, "ext": ext}, durable=True)

    def drop(self) -> None:
        """Remove the bytes and what is known of them."""
        with writing(self.path):
            for file in (self.path, self._notes, self._copy):
                file.unlink(missing_ok=True)

    def _begin(self, validator: str, length: int | None) -> None:
        self.validator, self.length, self.size = validator, length, 0
        self._seen = hashlib.sha256()

    def _count(self, chunk: bytes) -> None:
        self._seen.update(chunk)
        self.size += len(chunk)

    def _read(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            notes = orjson.loads(self._notes.read_bytes())
            return notes if isinstance(notes, dict) else {}
        return {}

    def _write(self, notes: dict[str, Any], *, durable: bool = False) -> None:
        # Notes that were cut off are none: the download begins anew, and buys nothing.
        write_small(self._notes, orjson.dumps(notes), durable=durable)


def _validator(headers: Mapping[str, str]) -> str:
    """Return what `If-Range` may hold: a weak ETag says nothing about bytes (RFC 9110, 13.1.5)."""
    etag = headers.get("etag", "")
    return etag if etag.startswith('"') else headers.get("last-modified", "")
