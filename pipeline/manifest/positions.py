"""A character of a YAML value → its place in the file, also inside quotes and folded blocks.

YAML changes only white space and escapes between the file and the value, so the n-th visible
character of the one is the n-th visible character of the other.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pipeline.findings import Span

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_SPACE = frozenset(" \t\r\n\x85\u2028\u2029")
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r\n|.)|.", re.DOTALL)
_SINGLE = re.compile("''|.", re.DOTALL)
# Escapes that stand for white space, or for nothing: no visible character belongs to them.
_SPACE_ESCAPES = frozenset("nrtNLP \t\n\r\x85\u2028\u2029")
_HEX_ESCAPES = frozenset("xuU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text that findings point into: its shown name, its folder, and where its lines begin."""

    shown: str
    text: str = field(repr=False)
    folder: Path
    inserted: tuple[int, ...] = ()
    """Where `text` has a quote that the file lacks; places are those of the file."""
    starts: tuple[int, ...] = field(repr=False)

    def span(self, start: int, end: int) -> Span:
        """Return the place of a piece of the text, cut at the end of its first line."""
        line = bisect_right(self.starts, start)
        first = self.starts[line - 1]
        last = min(max(end, start), first + len(self.line(line)))
        column = start - first + 1 - self._added(first, start)
        width = last - start - self._added(start, last)
        return Span(file=self.shown, line=line, column=column, end_column=column + max(width, 0))

    def line(self, line: int) -> str:
        """Return a line's text without its end; lines count from 1."""
        start = self.starts[line - 1]
        end = self.starts[line] if line < len(self.starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n\x85\u2028\u2029")

    def _added(self, start: int, end: int) -> int:
        if not self.inserted:
            return 0
        return bisect_left(self.inserted, end) - bisect_left(self.inserted, start)


def source(text: str, *, shown: str, folder: Path, inserted: tuple[int, ...] = ()) -> Source:
    """Return a text as something that findings can point into."""
    starts = (0, *(found.end() for found in _BREAK.finditer(text)))
    return Source(shown=shown, text=text, folder=folder, inserted=inserted, starts=starts)


@lru_cache(maxsize=8)
def offsets(text: str, extent: tuple[int, int], style: str, value: str) -> tuple[int, ...]:
    """Return where each character of a scalar's value stands in the file's text.

    Kept for a while: a text that has one fault may have a thousand.
    """
    start, end = extent
    visible = iter(_visible(text, extent, style))
    places: list[int] = []
    place = start
    for character in value:
        if character in _SPACE:
            # White space may be folded: it stands right after what is before it.
            places.append(min(place, max(end - 1, start)))
            place += 1
        else:
            found = next(visible, (place, place + 1))
            places.append(found[0])
            place = found[1]
    return tuple(places)


def _visible(text: str, extent: tuple[int, int], style: str) -> list[tuple[int, int]]:
    """Begin and end of every piece of the source that stands for one visible character."""
    start, end = extent
    match style:
        case '"':
            pieces = _ESCAPE.finditer(text, start + 1, end - 1)
            return [piece.span() for piece in pieces if not _is_space(piece[0])]
        case "'":
            pieces = _SINGLE.finditer(text, start + 1, end - 1)
            return [piece.span() for piece in pieces if piece[0] not in _SPACE]
        case "|" | ">":
            header = _BREAK.search(text, start, end)
            start = header.end() if header else end
    return [(index, index + 1) for index in range(start, end) if text[index] not in _SPACE]


def _is_space(piece: str) -> bool:
    if not piece.startswith("\\"):
        return piece in _SPACE
    if piece[1] in _HEX_ESCAPES and len(piece) > 2:  # noqa: PLR2004 - more than the letter
        digits = piece[2:]
        return chr(int(digits, 16)) in _SPACE
    return piece[1] in _SPACE_ESCAPES
