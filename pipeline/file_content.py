"""What a file is by its bytes: its format, whatever its name, and its SHA-256.

A name proves nothing: a table cell may call a text file `hero.png`. Nothing is decoded here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

VIDEO_FORMATS = frozenset({"mp4", "mov", "webm"})
_HEAD = 64
_EBML = b"\x1a\x45\xdf\xa3"
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
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return "something unknown"
    if not all(character.isprintable() or character in "\r\n\t" for character in text):
        return "something unknown"
    return "a web page" if head.lstrip().lower().startswith(_PAGES) else "a text file"


def clip_extension(path: Path) -> str:
    """Return the extension that a clip's first bytes call for; `bin` for none we know."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    found = format_of(head)
    if found == "webm" and b"webm" not in head:
        return "mkv"  # Matroska, of which WebM is a part
    return found if found in VIDEO_FORMATS else "bin"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
