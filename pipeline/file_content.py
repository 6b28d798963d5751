"""What a file is by its bytes: its format, whatever its name, and its SHA-256.

A name proves nothing: a table cell may call a text file `hero.png`. Nothing is decoded here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

VIDEO_FORMATS = frozenset({"mp4", "mov", "webm", "mkv"})
_HEAD = 64
_EBML = b"\x1a\x45\xdf\xa3"
# Signature, offset, format. WebP is a RIFF file that says so at byte 8.
_FORMATS = (
    (b"\x89PNG\r\n\x1a\n", 0, "png"),
    (b"\xff\xd8\xff", 0, "jpeg"),
    (b"WEBP", 8, "webp"),
    (b"GIF8", 0, "gif"),
    # Before TIFF, which it is as well: this camera's raw image is a TIFF with a mark of its own.
    (b"II*\x00\x10\x00\x00\x00CR", 0, "a camera's raw image"),
    (b"II*\x00", 0, "tiff"),
    (b"MM\x00*", 0, "tiff"),
    # Formats nobody takes, named so that the finding can say what the file is.
    (b"\x00\x00\x00\x0cJXL ", 0, "a JPEG XL image"),
    (b"\xff\x0a", 0, "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  ", 0, "a JPEG 2000 image"),
    (b"8BPS", 0, "a Photoshop image"),
    (b"<svg", 0, "an SVG image"),
    (b"%PDF", 0, "a PDF"),
    (b"PK\x03\x04", 0, "a ZIP archive"),
    (b"AVI ", 8, "an AVI video"),
    (b"\x30\x26\xb2\x75", 0, "a Windows Media video"),
    (b"FLV\x01", 0, "a Flash video"),
    (b"\x00\x00\x01\xba", 0, "an MPEG video"),
    (b"\x00\x00\x01\xb3", 0, "an MPEG video"),
    (b"OggS", 0, "an Ogg file"),
)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_PAGES = ("<!doctype html", "<html")
_TITLES: Mapping[str, str] = MappingProxyType({"webp": "WebP", "mkv": "Matroska", "webm": "WebM"})


def format_title(name: str) -> str:
    """Return a format as people write it: "WebP", "Matroska", "PNG"."""
    return _TITLES.get(name, name.upper())


def file_format(path: Path) -> str:
    """Return what the file is by its content, as `format_of` does."""
    return format_of(_read_head(path))


def format_of(content: bytes) -> str:
    """Return a format by its name, such as "png" or "mov"; a phrase such as "a PDF" for others.

    The names: png, jpeg, webp, gif, bmp, tiff, avif, heic; mp4, mov, webm, mkv.
    """
    head = content[:_HEAD]
    for signature, offset, name in _FORMATS:
        if head[offset : offset + len(signature)] == signature:
            return name
    # Two letters prove little: the bytes that are kept free say that it is no text.
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "bmp"
    if head[4:8] == b"ftyp":
        return _format_of_brands(head)
    if head[:4] == _EBML:
        # Both begin alike: the header names which of the two it is.
        return "mkv" if b"matroska" in head else "webm"
    return _text_format(head)


def _format_of_brands(head: bytes) -> str:
    """Return what a file of boxes is: its main brand decides, a general one asks the others."""
    # ISO/IEC 14496-12, 4.3: the main brand, its version, then all that it can be read as.
    end = min(int.from_bytes(head[:4], "big"), len(head))
    main, others = head[8:12], {head[at : at + 4] for at in range(16, end - 3, 4)}
    if main in _AVIF_BRANDS or (main in _HEIF_BRANDS and others & _AVIF_BRANDS):
        return "avif"
    if main in _HEIF_BRANDS:
        return "heic"
    return "mov" if main[:2] == b"qt" else "mp4"


def _text_format(head: bytes) -> str:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The head may end in the middle of a character.
        if error.start < len(head) - 3 or len(head) < _HEAD:
            return "something unknown"
        text = head[: error.start].decode("utf-8")
    if not all(character.isprintable() or character in "\ufeff\r\n\t" for character in text):
        return "something unknown"
    if "<svg" in text:
        return "an SVG image"
    return "a web page" if text.strip("\ufeff \r\n\t").lower().startswith(_PAGES) else "a text file"


def clip_extension(path: Path) -> str:
    """Return the extension that a clip's first bytes call for; `bin` for none we know."""
    head = _read_head(path)
    found = format_of(head)
    if found == "webm" and b"webm" not in head:
        return "mkv"  # Matroska, of which WebM is a part
    return found if found in VIDEO_FORMATS else "bin"


def _read_head(path: Path) -> bytes:
    # Without a buffer: half of the calls to the system, which are done for every clip.
    with path.open("rb", buffering=0) as file:
        return file.read(_HEAD)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
