"""A table file's bytes → its text, and in what encoding it was stored.

UTF-8, or UTF-16 where a byte order mark says so. Windows-1252 accepts nearly any bytes, so it is
never guessed: it would turn a damaged file into wrong words in a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.findings import Finding, Span

MAX_BYTES = 40_000_000

_MARKS: Mapping[bytes, tuple[str, str]] = {
    b"\xef\xbb\xbf": ("utf-8", "UTF-8 with a byte order mark"),
    b"\xff\xfe": ("utf-16-le", "UTF-16"),
    b"\xfe\xff": ("utf-16-be", "UTF-16"),
}
_LABELS: Mapping[str, str] = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
}
# What spreadsheet programs write when asked for anything but CSV.
_OTHER_FORMATS: Mapping[bytes, str] = {
    b"PK\x03\x04": "an Excel or OpenDocument workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a compressed file",
    b"%PDF": "a PDF",
}
_PAGES = (b"<!doctype html", b"<html")
_BEGINNING = 100
_PAGE_HINT = "open its address in a browser: perhaps it asks to log in, or shows a preview"
_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableText:
    """A table file as text, and how it was stored."""

    text: str = field(repr=False)
    encoding: str


def decoded(data: bytes, *, shown: str, encoding: str | None) -> TableText | Finding:
    """Return a table file's text, or the finding that says why it has none."""
    if len(data) > MAX_BYTES:
        message = f"the file has {len(data):,} bytes; at most {MAX_BYTES:,} are read"
        return Finding(slug="too-large", message=message, span=Span(file=shown))
    foreign = _foreign(data)
    if foreign:
        return _not_text(shown, *foreign)
    codec, label, skipped = _codec(data, encoding)
    written = data[skipped:]
    if not codec.startswith("utf-16") and b"\0" in written:
        # Before decoding: UTF-16 that bears no mark has other bytes, too, that are not UTF-8.
        return _null(written[: written.index(b"\0")].decode(codec, "replace"), codec, shown)
    try:
        text = written.decode(codec)
    except UnicodeDecodeError as error:
        return _undecodable(written, error, codec, shown)
    if "\0" in text:
        return _null(text[: text.index("\0")], codec, shown)
    return TableText(text=text, encoding=label)


def _foreign(data: bytes) -> tuple[str, str] | None:
    """Return what a file is instead of a table, and what to do."""
    if data[:_BEGINNING].strip().lower().startswith(_PAGES):
        return "a web page", _PAGE_HINT
    found = (what for start, what in _OTHER_FORMATS.items() if data.startswith(start))
    return next(((what, "save it as 'CSV UTF-8'") for what in found), None)


def _codec(data: bytes, encoding: str | None) -> tuple[str, str, int]:
    """Return the codec, its name for people, and the length of the byte order mark."""
    for mark, (codec, label) in _MARKS.items():
        # A mark proves what it says, also against what the manifest says.
        if data.startswith(mark):
            return codec, label, len(mark)
    if encoding == "utf-16":
        codec = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    else:
        codec = "cp1252" if encoding == "windows-1252" else "utf-8"
    return codec, _LABELS[codec], 0


def _not_text(shown: str, what: str, hint: str) -> Finding:
    return Finding(
        slug="bad-encoding",
        message=f"this is {what}, not CSV",
        span=Span(file=shown),
        hint=hint,
    )


def _undecodable(data: bytes, error: UnicodeDecodeError, codec: str, shown: str) -> Finding:
    hint = "save it as UTF-8"
    if codec == "utf-8":
        hint += ", or write encoding: windows-1252 if it comes from an old Excel"
    return Finding(
        slug="bad-encoding",
        message=f"byte 0x{data[error.start]:02X} is not {_LABELS[codec]}",
        span=_end_of(data[: error.start].decode(codec, "replace"), shown),
        hint=hint,
    )


def _null(before: str, codec: str, shown: str) -> Finding:
    hint = "write encoding: utf-16 if it is UTF-16" if codec == "utf-8" else "save it as UTF-8"
    return Finding(
        slug="bad-encoding",
        message="a NUL character is not text",
        span=_end_of(before, shown),
        hint=hint,
    )


def _end_of(text: str, shown: str) -> Span:
    """Return the place right after a text."""
    lines = 1
    start = 0
    for found in _BREAK.finditer(text):
        lines, start = lines + 1, found.end()
    column = len(text) - start + 1
    return Span(file=shown, line=lines, column=column, end_column=column + 1)
