"""Write into an MP4 which task it was made for, without touching a frame.

Only the `udta` box inside `moov` is replaced. `moov` must be the last box, as FFmpeg's muxer
leaves it, so that no sample moves and one rendering can serve many tasks.
"""

from __future__ import annotations

from collections.abc import Iterator

_HEADER = 8
_TEXT = b"\0\0\0\x01\0\0\0\0"
"""A `data` box's type (UTF-8) and locale."""
_HANDLER = b"\0\0\0\0\0\0\0\0mdirappl" + b"\0" * 9


def stamped(clip: bytes, *, comment: str, title: str, size: int = 0) -> bytes:
    """Return the clip with this comment and title, padded with a `free` box up to `size` bytes."""
    *_, (name, start, end) = boxes(clip, 0, len(clip))
    if name != b"moov":
        raise ValueError("the clip's moov box must be its last")
    kept = b"".join(
        clip[first:last]
        for name, first, last in boxes(clip, start + _HEADER, end)
        if name != b"udta"
    )
    told = clip[:start] + _box(b"moov", kept, _user_data(comment, title))
    room = size - len(told) - _HEADER
    return told + _box(b"free", b"\0" * room) if room >= 0 else told


def boxes(clip: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of each box between two offsets."""
    while start + _HEADER <= end:
        size = int.from_bytes(clip[start : start + 4])
        if size == 1:  # a 64-bit size follows the name
            size = int.from_bytes(clip[start + 8 : start + 16])
        if size < _HEADER or start + size > end:
            raise ValueError("a box ends outside its parent")
        yield clip[start + 4 : start + 8], start, start + size
        start += size


def _user_data(comment: str, title: str) -> bytes:
    items = _text(b"\xa9nam", title) + _text(b"\xa9cmt", comment)
    return _box(b"udta", _box(b"meta", b"\0\0\0\0", _box(b"hdlr", _HANDLER), _box(b"ilst", items)))


def _text(name: bytes, value: str) -> bytes:
    return _box(name, _box(b"data", _TEXT, value.encode()))


def _box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return (len(content) + _HEADER).to_bytes(4) + name + content
