"""A table of words and figures, for a terminal of any width: no figure is ever cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.foreign_text import printable_line
from pipeline.report.progress_panel import pack_parts

_GAP = 2
"""Columns between two cells."""
_DOT = " · "
_WORDS_LEAST = 12
"""Columns that a cell of words is to have at least, where they are broken over lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureTable:
    """Rows of words, which may be broken over lines, and figures; the first cell names the row."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[str]
    """The titles of the columns of words."""

    def widths(self) -> Sequence[int]:
        """Return how wide each column is where nothing is broken."""
        columns = zip(self.titles, *self.rows, strict=True)
        return [max(cell_len(printable_line(cell)) for cell in column) for column in columns]

    def width(self) -> int:
        """Return how wide the table is where nothing is broken."""
        return sum(self.widths()) + _GAP * len(self.titles)

    def draw(self, width: int) -> RenderableType:
        """Return the table, at most `width` columns wide.

        Where words would get too little room, a row's figures stand below its words, each with its
        title; what is wider than the terminal even so is for the terminal to wrap.
        """
        widths = dict(zip(self.titles, self.widths(), strict=True))
        room = width - _GAP * len(widths)
        for title, most in widths.items():
            room -= min(most, _WORDS_LEAST) if title in self.words else most
        if room < 0:
            return Group(*self._below_each_other(width))
        table = Table(
            box=None,
            padding=(0, _GAP, 0, 0),
            header_style="bold",
            width=min(width, self.width()),
        )
        for place, title in enumerate(self.titles):
            if title in self.words:
                table.add_column(title, overflow="fold")
            else:
                justify: JustifyMethod = "right" if place else "left"
                table.add_column(title, justify=justify, no_wrap=True, min_width=widths[title])
        for row in self.rows:
            table.add_row(*row)
        return table

    def _below_each_other(self, width: int) -> Iterator[RenderableType]:
        names = {self.titles[0], *self.words}
        yield Text(_DOT.join(title for title in self.titles if title in names), "bold")
        for row in self.rows:
            cells = zip(self.titles, map(printable_line, row), strict=True)
            told = [(title, cell) for title, cell in cells if cell]
            yield Text(_DOT.join(cell for title, cell in told if title in names))
            figures = [f"{title} {cell}" for title, cell in told if title not in names]
            room = max(width - _GAP, *map(cell_len, figures), 0)
            for line in pack_parts([(each, "") for each in figures], room):
                yield Text(" " * _GAP, no_wrap=True, overflow="ignore").append_text(line)
