"""What a file is by its first bytes, and whether a video is all there.

A name proves nothing: a table cell may call a text file `hero.png`. Nothing is decoded here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import MediaFault

_HEAD = 64
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_EBML_HEAD = 256
# Signature, offset, format. WebP is a RIFF file that says so at byte 8.
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", 0, "png"),
    (b"\xff\xd8\xff", 0, "jpeg"),
    (b"WEBP", 8, "webp"),
    (b"GIF8", 0, "gif"),
)
# Formats nobody takes, named so that the finding can say what the file is.
_OTHERS = (
    (b"BM", 0, "a BMP image"),
    (b"II*\x00", 0, "a TIFF image"),
    (b"MM\x00*", 0, "a TIFF image"),
    (b"ftypavif", 4, "an AVIF image"),
    (b"ftypheic", 4, "a HEIC image"),
    (b"ftypmif1", 4, "a HEIC image"),
    (b"%PDF", 0, "a PDF"),
    (b"PK\x03\x04", 0, "a ZIP archive"),
    (b"AVI ", 8, "an AVI video"),
)
_PAGES = (b"<!doctype html", b"<html")
_AGAIN = "copy or export it again"
_MIN_BOX = 8
_LARGE_BOX = 16
_MOST_BOXES = 100_000
"""Top-level boxes of an MP4: a fragmented one has two for each second or so."""


def file_format(path: Path) -> str:
    """Return what the file is by its content, as `format_of` does."""
    with path.open("rb") as file:
        return format_of(file.read(_HEAD))


def format_of(content: bytes) -> str:
    """Return png, jpeg, webp, gif, mp4, mov or webm; a phrase such as "a PDF" for all else."""
    head = content[:_HEAD]
    for signature, offset, name in (*_IMAGES, *_OTHERS):
        if head[offset : offset + len(signature)] == signature:
            return name
    if head[4:8] == b"ftyp":
        return "mov" if head[8:10] == b"qt" else "mp4"
    if head[:4] == _EBML:
        return "webm"
    if not _reads_as_text(head):
        return "something unknown"
    return "a web page" if head.lstrip().lower().startswith(_PAGES) else "a text file"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_whole(path: Path, kind: str) -> None:
    """Raise MediaFault `damaged` unless a video file is as long as it says itself.

    FFmpeg opens a file whose last bytes are missing without a word (measured with PyAV 18.1),
    so a download that ends early has to be noticed here.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        stated = _segment_end(file) if kind == "webm" else _boxes_end(file, size)
    if stated is None:
        raise MediaFault("damaged", f"{path.name} has no complete video in it", _AGAIN)
    if stated > size:
        message = f"{path.name} ends early: it has {size:,} of {stated:,} bytes"
        raise MediaFault("damaged", message, _AGAIN)


def _boxes_end(file: BinaryIO, size: int) -> int | None:
    """Return where the last top-level box of an MP4 ends; None without index or frames."""
    end, names = 0, set()
    for _ in range(_MOST_BOXES):
        if end >= size:
            break
        length, name = _box(file, end, size)
        if length < _MIN_BOX:
            return None
        names.add(name)
        end += length
    return end if {b"moov", b"mdat"} <= names or end > size else None


def _box(file: BinaryIO, start: int, size: int) -> tuple[int, bytes]:
    file.seek(start)
    head = file.read(_LARGE_BOX)
    length, name = int.from_bytes(head[:4], "big"), head[4:8]
    if length == 0:  # ISO/IEC 14496-12, 4.2: 0 means "to the end of the file"
        return size - start, name
    if length == 1:
        return int.from_bytes(head[8:16], "big"), name
    return length, name


def _segment_end(file: BinaryIO) -> int | None:
    """Return where a WebM's segment ends, 0 if it does not say; None if there is none."""
    head = file.read(_EBML_HEAD)
    length, at = _varint(head, len(_EBML))
    segment = at + length
    if head[segment : segment + len(_SEGMENT)] != _SEGMENT:
        return None
    length, at = _varint(head, segment + len(_SEGMENT))
    # All ones: the length was unknown when the file was begun (RFC 8794, 6.2).
    known = length != (1 << 7 * (at - segment - len(_SEGMENT))) - 1
    return at + length if known else 0


def _varint(head: bytes, at: int) -> tuple[int, int]:
    """Return an EBML length and where it ends (RFC 8794, 4)."""
    first = head[at] if at < len(head) else 0
    width = 9 - first.bit_length()
    return int.from_bytes(head[at : at + width], "big") & ((1 << 7 * width) - 1), at + width


def _reads_as_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\r\n\t" for character in text)
