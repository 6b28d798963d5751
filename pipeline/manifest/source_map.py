"""A value of a YAML document and its place in the file, also inside quotes and folded blocks.

YAML changes only white space and escapes between the file and the value, so the n-th visible
character of the one is the n-th visible character of the other.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from pipeline.domain import Value
from pipeline.domain.item import EMPTY
from pipeline.findings import Span

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_SPACE = frozenset(" \t\r\n\x85\u2028\u2029")
_ESCAPE = re.compile(
    # Two escapes for one character beyond U+FFFF, as JSON writes it.
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r\n|.)|.",
    re.DOTALL,
)
_SINGLE = re.compile("''|.", re.DOTALL)
# Escapes that stand for white space, or for nothing: no visible character belongs to them.
_SPACE_ESCAPES = frozenset("nrtNLP \t\n\r\x85\u2028\u2029")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text that findings point into: its shown name, its folder, and where its lines begin."""

    shown: str
    text: str = field(repr=False)
    folder: Path
    inserted: tuple[int, ...] = ()
    """Where `text` has a quote that the file lacks; places are those of the file."""
    starts: tuple[int, ...] = field(repr=False)

    @classmethod
    def of(
        cls, text: str, *, shown: str, folder: Path = Path(), inserted: tuple[int, ...] = ()
    ) -> Source:
        """Return a text as something that findings can point into."""
        starts = (0, *(found.end() for found in _BREAK.finditer(text)))
        return cls(shown=shown, text=text, folder=folder, inserted=inserted, starts=starts)

    def span(self, start: int, end: int) -> Span:
        """Return the place of a piece of the text, cut at the end of its first line."""
        line = bisect_right(self.starts, start)
        first = self.starts[line - 1]
        # A caret line shows one line; the rest of a longer piece is left to the reader.
        last = min(max(end, start), first + len(self.line(line)))
        # Quotes that were put in for the parser are no columns of the file.
        added = [bisect_left(self.inserted, place) for place in (first, start, last)]
        column = start - first + 1 - (added[1] - added[0])
        width = last - start - (added[2] - added[1])
        return Span(file=self.shown, line=line, column=column, end_column=column + max(width, 0))

    def line(self, line: int) -> str:
        """Return a line's text without its end; lines count from 1."""
        start = self.starts[line - 1]
        end = self.starts[line] if line < len(self.starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n\x85\u2028\u2029")


# Two escapes for one character beyond U+FFFF, as JSON has it and YAML does not.
_PAIR = re.compile(
    r"(?<!\\)(?P<odd>(?:\\\\)*)\\u(?P<high>[dD][89abAB][0-9a-fA-F]{2})"
    r"\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
)
# Private characters behind those by which mentions travel through templates (U+E000 to U+E00F).
_HIGH, _LOW, _PRIVATE = 0xD800, 0xDC00, 0xE100
_PAIRED = re.compile("[\ue100-\ue4ff][\ue500-\ue8ff]")


def mask_pairs(text: str) -> tuple[str, bool]:
    r"""Return a text in which such a pair is two escapes that the parser reads, and whether it has.

    They are as long, so that every place stays: `\\ud83e\\uded6` becomes `\\ue13e\\ue7d6`.
    """
    if "\\u" not in text:
        return text, False

    changed, count = _PAIR.subn(_mask_pair, text)
    return changed, count > 0


def _mask_pair(pair: re.Match[str]) -> str:
    high, low = int(pair["high"], 16) - _HIGH, int(pair["low"], 16) - _LOW
    return f"{pair['odd']}\\u{_PRIVATE + high:04x}\\u{_PRIVATE + 0x400 + low:04x}"


def join_pairs(text: str) -> str:
    """Return a text in double quotes with the character that each pair stands for."""

    def join(pair: re.Match[str]) -> str:
        high, low = (ord(sign) - _PRIVATE for sign in pair[0])
        return chr(0x10000 + (high << 10) + low - 0x400)

    return _PAIRED.sub(join, text)


def restore_pairs(text: str, source: str, start: int, end: int) -> str:
    """Return a text without double quotes as it is written: there a pair is no escape."""
    place = 0
    for pair in _PAIR.finditer(source, start, end):
        masked = _mask_pair(pair)
        found = text.find(masked, place)
        text = f"{text[:found]}{pair[0]}{text[found + len(masked) :]}"
        place = found + len(pair[0])
    return text


class WrittenNumber(float):
    """A number that is text as somebody wrote it: `49.90` is sent as that, not as 49.9."""

    __slots__ = ("_written",)
    _written: str

    def __new__(cls, written: str | float) -> Self:
        """Return the number of a text."""
        number = super().__new__(cls, written)
        number._written = str(written)
        return number

    def __str__(self) -> str:
        return self._written


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value of a document: a scalar, a tuple of nodes, or a map of nodes; and its place.

    For `shots: [{id: spin}]` at the top, `root.get("shots").items()[0].get("id").value` is `spin`,
    and the `span` of that last node is where the word stands.
    """

    value: Any
    span: Span
    source: Source
    keys: Mapping[str, Span] = field(default_factory=lambda: EMPTY)
    """Places of a map's keys."""
    extent: tuple[int, int] = (0, 0)
    """Where a scalar's text begins and ends in the source, quotes included."""
    style: str = ""
    """How a scalar is written: plain is "", else its quote, `|` or `>`."""
    size: int = 1
    """Nodes in it, counted as often as aliases repeat them."""
    broken: bool = False
    """Something in it had a finding and was taken out, so it may not be complete."""
    lost: frozenset[str] = frozenset()
    """Keys of a map that were taken out."""

    @property
    def folder(self) -> Path:
        """Tell the folder of the file it is written in."""
        return self.source.folder

    def get(self, key: str) -> Node | None:
        """Return the value of a map's key; None where there is none or this is no map."""
        return self.value.get(key) if isinstance(self.value, Mapping) else None

    def entries(self, key: str = "") -> tuple[tuple[str, Node], ...]:
        """Return a map's keys with their values, or those of the map under a key; else nothing."""
        node = self.get(key) if key else self
        return tuple(node.value.items()) if node and isinstance(node.value, Mapping) else ()

    def items(self, key: str = "") -> tuple[Node, ...]:
        """Return a list's values, or those of the list under a key; nothing for anything else."""
        node = self.get(key) if key else self
        return node.value if node and isinstance(node.value, tuple) else ()

    def children(self) -> tuple[Node, ...]:
        """Return the values in a map or a list."""
        return tuple(item for _, item in self.entries()) or self.items()

    def follow(self, path: Iterable[str | int]) -> Node:
        """Return what is at the end of a path of keys and positions."""
        node = self
        for step in path:
            node = node.value[step]
        return node

    def key_span(self, key: str) -> Span:
        """Tell where a map's key is written, or where the map begins."""
        return self.keys.get(key, self.span)

    def plain(self) -> Any:
        """Return the value as plain data, without places."""
        match self.value:
            case tuple():
                return [item.plain() for item in self.value]
            case Mapping():
                return {key: item.plain() for key, item in self.value.items()}
        return self.value

    def as_written(self) -> Any:
        """Return the value as plain data, in which a number is text as it was written: 49.90."""
        match self.value:
            case tuple():
                return [item.as_written() for item in self.value]
            case Mapping():
                return {key: item.as_written() for key, item in self.value.items()}
            case float() if self.extent[1]:
                return WrittenNumber(self.source.text[slice(*self.extent)])
        return self.value

    def as_value(self) -> Value:
        """Return plain data with the place it is written at."""
        return Value(data=self.plain(), span=self.span, folder=self.folder)

    def at(self, offset: int, length: int = 1) -> Span:
        """Return the place of a piece of a text value, counted from the value's first character."""
        if not isinstance(self.value, str) or not self.value:
            return self.span
        places = _offsets(self.source.text, self.extent, self.style, self.value)
        last = len(places) - 1
        end = min(max(offset + length - 1, offset), last)
        return self.source.span(places[min(offset, last)], places[end] + 1)


@lru_cache(maxsize=8)
def _offsets(text: str, extent: tuple[int, int], style: str, value: str) -> tuple[int, ...]:
    """Return where each character of a scalar's value stands in the file's text.

    Kept for a while: a text that has one fault may have a thousand.
    """
    start, end = extent
    # Pairs of begin and end in the file, one for each visible character of the value.
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

    def is_space(piece: str) -> bool:
        if not piece.startswith("\\"):
            return piece in _SPACE
        if piece[1] in "xuU" and len(piece) > 2:  # noqa: PLR2004 - more than the letter
            digits = piece[2:]
            if "\\" in digits:
                return False
            return chr(int(digits, 16)) in _SPACE
        return piece[1] in _SPACE_ESCAPES

    start, end = extent
    match style:
        case '"':
            pieces = _ESCAPE.finditer(text, start + 1, end - 1)
            return [piece.span() for piece in pieces if not is_space(piece[0])]
        case "'":
            pieces = _SINGLE.finditer(text, start + 1, end - 1)
            return [piece.span() for piece in pieces if piece[0] not in _SPACE]
        case "|" | ">":
            # What stands behind the `|` or `>` is no part of the text.
            header = _BREAK.search(text, start, end)
            start = header.end() if header else end
    return [(index, index + 1) for index in range(start, end) if text[index] not in _SPACE]
