"""Whether a video or JPEG is all there, by what the file says of itself; nothing is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from pipeline.errors import MediaFault

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_EBML_KINDS = frozenset({"webm", "mkv"})
_EBML_HEAD = 256
_AGAIN = "copy or export it again"
_MIN_BOX = 8
_LARGE_BOX = 16
_MOST_BOXES = 100_000
"""Top-level boxes of an MP4: a fragmented one has two for each second or so."""
_TOP_LEVEL = frozenset(
    b"ftyp styp moov mdat moof mfra sidx ssix free skip wide uuid meta udta emsg prft pdin".split()
)
"""What may stand at the top of an MP4 or MOV; a name that is none of these is no box there."""
_LARGEST_INDEX = 16_000_000
_ELEMENT_HEAD = 12
_LONGEST_ID = 4
# Depth maps and previews may stand before a JPEG's picture; Pillow looks for it byte by byte.
_LONGEST_HEAD = 10_000_000
_BARE_MARKERS = frozenset({0x00, 0x01, 0xFF, *range(0xD0, 0xDA)})
"""Second bytes after 0xFF that no length follows (ITU-T T.81, B.1.1.3)."""
_START_OF_SCAN = 0xDA


def require_whole(path: Path, kind: str) -> None:
    """Raise MediaFault `damaged` unless a video file is as long as it says itself.

    FFmpeg opens a file whose last bytes are missing without a word (measured with PyAV 18.1),
    so a download that ends early has to be noticed here. What a container says: an MP4 the size of
    each box, and where it has one the index of its fragments (`sidx`); a WebM the size of its
    segment, or where that was unknown when it was begun, of each element. It says nothing where a
    fragmented MP4 without `mfra` or `sidx`, or a WebM of unknown size and duration, ends exactly
    between two fragments or blocks: such a file cannot be told from a shorter clip.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        stated = _segment_end(file, size) if kind in _EBML_KINDS else _boxes_end(file, size)
    if stated is None:
        raise MediaFault("damaged", f"{path.name} has no complete video in it", _AGAIN)
    require_bytes(path, stated, size)


def require_bytes(path: Path, stated: int, size: int) -> None:
    """Raise MediaFault `damaged` if a file has fewer bytes than something in it states."""
    if stated > size:
        message = f"{path.name} ends early: it has {size:,} of {stated:,} bytes"
        raise MediaFault("damaged", message, _AGAIN)


def declared_s(path: Path) -> float:
    """Return how long an MP4 declares all its fragments to be, in seconds; 0 where it does not.

    FFmpeg does not look at it (8.1, measured): it takes the length of the fragments that are there.
    """
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at < size:
            length, name = _box(file, at, size)
            if length < _MIN_BOX:
                break
            if name != b"moov":
                at += length
                continue
            # `mehd` in the time scale of `mvhd` (ISO/IEC 14496-12, 8.2.2 and 8.8.2).
            moov = _read(file, at, length, size)
            header, declared = moov.find(b"mvhd") + 4, moov.find(b"mehd") + 4
            # Where a box is missing `find` gave -1, and so 3: less than the head of any box.
            if min(header, declared) < _MIN_BOX:
                return 0.0
            # In version 1 the two times in front of it have 64 bits.
            scale_at = header + (20 if moov[header] else 12)
            scale = int.from_bytes(moov[scale_at : scale_at + 4], "big")
            width = 8 if moov[declared] else 4
            units = int.from_bytes(moov[declared + 4 : declared + 4 + width], "big")
            return units / scale if scale else 0.0
    return 0.0


def _boxes_end(file: BinaryIO, size: int) -> int | None:
    """Return how long an MP4 says that it is; None without index or frames.

    What follows a whole clip and is no box, such as a server's error page, is not part of it.
    """
    end, stated = 0, 0
    names: set[bytes] = set()
    for _ in range(_MOST_BOXES):
        if end >= size:
            break
        length, name = _box(file, end, size)
        # Nothing more need come after these boxes: fragments may, until their index.
        last = b"mfra" if b"mvex" in names else b"mdat"
        whole = b"moov" in names and last in names
        if whole and (length < _MIN_BOX or name not in _TOP_LEVEL):
            return stated
        if length < _MIN_BOX:
            return None
        names.add(name)
        if name == b"moov" and b"mvex" in _read(file, end, length, size):
            names.add(b"mvex")
        if name == b"sidx":
            # The last fragment of a segment index ends there (ISO/IEC 14496-12, 8.16.3); the first
            # bit of a size tells whether what is indexed is another index.
            sidx = _read(file, end, length, size)
            wide = 8 if sidx[8:9] != b"\0" else 4
            at = 20 + 2 * wide
            first = int.from_bytes(sidx[at - wide : at], "big")
            count = int.from_bytes(sidx[at + 2 : at + 4], "big")
            sizes = (sidx[n : n + 4] for n in range(at + 4, at + 4 + 12 * count, 12))
            indexed = sum(int.from_bytes(each, "big") & 0x7FFFFFFF for each in sizes)
            stated = max(stated, end + length + first + indexed)
        end += length
        stated = max(stated, end)
    return stated if {b"moov", b"mdat"} <= names or stated > size else None


def _box(file: BinaryIO, start: int, size: int) -> tuple[int, bytes]:
    file.seek(start)
    head = file.read(_LARGE_BOX)
    length, name = int.from_bytes(head[:4], "big"), head[4:8]
    if length == 0:  # ISO/IEC 14496-12, 4.2: 0 means "to the end of the file"
        return size - start, name
    if length == 1:
        return int.from_bytes(head[8:16], "big"), name
    return length, name


def _read(file: BinaryIO, start: int, length: int, size: int) -> bytes:
    file.seek(start)
    return file.read(min(length, size - start, _LARGEST_INDEX))


def _segment_end(file: BinaryIO, size: int) -> int | None:
    """Return how long a WebM says that it is; None if there is no whole segment in it."""
    head = file.read(_EBML_HEAD)
    length, at = _varint(head, len(_EBML))
    segment = at + length
    if head[segment : segment + len(_SEGMENT)] != _SEGMENT:
        return None
    length, at = _varint(head, segment + len(_SEGMENT))
    if not _is_unknown(length, at - segment - len(_SEGMENT)):
        return at + length
    # Of unknown size: it ends with its last element. A cluster of unknown size is entered: its
    # blocks stand in a row with what follows it.
    end = at
    while end < size:
        file.seek(end)
        head = file.read(_ELEMENT_HEAD)
        name_width = 9 - head[0].bit_length()
        if name_width > _LONGEST_ID:
            return None
        length, at = _varint(head, name_width)
        if at > len(head):
            return end + at
        end += at if _is_unknown(length, at - name_width) else at + length
    return end


def _is_unknown(length: int, width: int) -> bool:
    """Tell whether a length is all ones: not known when the file was begun (RFC 8794, 6.2)."""
    return length == (1 << 7 * width) - 1


def _varint(head: bytes, at: int) -> tuple[int, int]:
    """Return an EBML length and where it ends (RFC 8794, 4)."""
    first = head[at] if at < len(head) else 0
    width = 9 - first.bit_length()
    return int.from_bytes(head[at : at + width], "big") & ((1 << 7 * width) - 1), at + width


def has_scan(content: bytes) -> bool:
    """Tell whether a JPEG's picture begins where it should, going from marker to marker."""
    at = content.find(b"\xff", 2, _LONGEST_HEAD)
    while 0 <= at < len(content) - 1:
        marker = content[at + 1]
        if marker == _START_OF_SCAN:
            return True
        bare = marker in _BARE_MARKERS
        at += 1 if bare else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        at = content.find(b"\xff", at, _LONGEST_HEAD)
    return False
