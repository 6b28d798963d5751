"""Where a table's cells stand in its file: line and column of each, found when it is asked for.

Millions of cells are right, and a place is needed for the few that are not; so a record's text is
gone through again then, by the rules that `csv.reader(strict=True)` has applied to it before.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

from pipeline.findings import Span

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_BREAK = re.compile(r"[\r\n]")
# Possessive, so that a quote which is never closed is found out in one pass.
_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')


@dataclass(frozen=True, kw_only=True)
class Places:
    """A table's text and how its cells are separated."""

    shown: str
    text: str = field(repr=False)
    delimiter: str
    spaced: bool = False
    """Spaces after a delimiter do not belong to the cell."""

    def lines(self) -> Iterator[str]:
        """Yield the physical lines with their ends, as `csv.reader` counts them."""
        return (found[0] for found in _LINE.finditer(self.text))

    @cached_property
    def starts(self) -> array[int]:
        """Tell where each physical line begins in the text."""
        return array("q", (found.start() for found in _LINE.finditer(self.text)))

    def line(self, line: int) -> Span:
        """Return the place of a record that begins on a line."""
        return Span(file=self.shown, line=line)

    def cell(self, line: int, position: int) -> Span:
        """Return the place of the n-th cell, counted from 0, of the record at a line."""
        return self.span(*self.extent(line, position))

    def first(self, lines: tuple[int, ...] | int, position: int) -> Span:
        """Return the place of the first cell that is not blank among those of several records."""
        if isinstance(lines, int):
            return self.cell(lines, position)
        for line in lines:
            start, end = self.extent(line, position)
            if self.value(start, end).strip():
                return self.span(start, end)
        return self.cell(lines[0], position)

    def extent(self, line: int, position: int) -> tuple[int, int]:
        """Return where the n-th cell of the record at a line begins and ends in the text."""
        return next(islice(self.extents(line), position, None))

    def last(self, line: int) -> Span:
        """Return the place of the last cell of the record at a line."""
        *_, (start, end) = self.extents(line)
        return self.span(start, end)

    def extents(self, line: int) -> Iterator[tuple[int, int]]:
        """Yield where each cell of the record at a line begins and ends, quotes included.

        A cell whose quote is never closed, or closed too early, ends there and is the last.
        """
        text, place = self.text, self.starts[line - 1]
        until = re.compile(f"[^{re.escape(self.delimiter)}\r\n]*+")
        while True:
            while self.spaced and text.startswith(" ", place):
                place += 1
            quoted = text.startswith('"', place)
            found = (_QUOTED if quoted else until).match(text, place)
            end = found.end() if found else place + 1
            yield place, end
            if not found or not text.startswith(self.delimiter, end):
                return
            place = end + len(self.delimiter)

    def value(self, start: int, end: int) -> str:
        """Return what the cell of these extents says."""
        raw = self.text[start:end]
        return raw[1:-1].replace('""', '"') if raw.startswith('"') else raw

    def span(self, start: int, end: int) -> Span:
        """Return the place of a piece of the text, cut at the end of its first line."""
        line = bisect_right(self.starts, start) or 1
        first = self.starts[line - 1] if self.starts else 0
        broken = _BREAK.search(self.text, start, end)
        last = broken.start() if broken else end
        return Span(
            file=self.shown, line=line, column=start - first + 1, end_column=last - first + 1
        )
