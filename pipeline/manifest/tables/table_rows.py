"""A row as templates see it: its columns by name or slug, and the lines it was made of.

A row is a map of its columns and nothing else: what `row.items` gives in a template is the column
of that name, since templates look into maps and never at attributes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pipeline.findings import Span
from pipeline.manifest.tables.csv_reader import CellPlaces
from pipeline.manifest.templates.filters import TOLD, ValueFault

ROWS = "rows"
"""The one name under a row that is no column: the lines that were grouped into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnNames:
    """The columns of a table's rows, and what else they may be called; shared by all rows."""

    columns: tuple[str, ...]
    positions: Mapping[str, int]

    @classmethod
    def of(cls, columns: Sequence[str]) -> ColumnNames:
        """Return the columns, reachable by slug where only one has it; a column's own name wins.

        `Body (HTML)` can also be written after a dot, as `body_html`.
        """
        slugs = [re.sub(r"\W+", "_", name.lower()).strip("_") for name in columns]
        count = Counter(slugs)
        positions = {
            slug: position
            for position, slug in enumerate(slugs)
            if slug and slug != ROWS and count[slug] == 1
        }
        positions |= {name: position for position, name in enumerate(columns)}
        return cls(columns=tuple(columns), positions=MappingProxyType(positions))


@dataclass(frozen=True, slots=True, kw_only=True)
class CellGrid:
    """The values of all rows, by column; a row is a position in it."""

    names: ColumnNames
    columns: tuple[Sequence[Any], ...]


class RowValues(Mapping[str, Any]):
    """The values of one row; unknown names raise KeyError, or AttributeError after a dot."""

    __slots__ = ("_grid", "_lines", "_row")

    def __init__(self, grid: CellGrid, row: int, lines: tuple[RowValues, ...] = ()) -> None:
        self._grid = grid
        self._row = row
        self._lines = lines

    def __getitem__(self, name: str) -> Any:
        position = self._grid.names.positions.get(name)
        if position is not None:
            return self._grid.columns[position][self._row]
        if name == ROWS:
            # A row that was not grouped is its own only line.
            return self._lines or (self,)
        raise KeyError(name)

    def __getattr__(self, name: str) -> Any:
        # Python and Jinja ask any value for names such as `__html__`; columns that begin so are
        # none of the row's, since they steer.
        if not name.startswith("_"):
            try:
                return self[name]
            except KeyError:
                pass
        raise AttributeError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._grid.names.columns)

    def __len__(self) -> int:
        return len(self._grid.names.columns)

    def __repr__(self) -> str:
        return f"RowValues({dict(self)!r})"


class FaultyValues(RowValues):
    """The values of a row of which some have a finding: to read one of these is told by no other.

    So the row's pictures can be looked at in the same pass.
    """

    __slots__ = ("_bad",)

    def __init__(
        self, grid: CellGrid, row: int, lines: tuple[RowValues, ...], bad: frozenset[str]
    ) -> None:
        super().__init__(grid, row, lines)
        self._bad = frozenset(
            position for name, position in grid.names.positions.items() if name in bad
        )

    def __getitem__(self, name: str) -> Any:
        # Its lines have the bad cell as well.
        if self._grid.names.positions.get(name) in self._bad or name == ROWS:
            raise ValueFault(TOLD, f"'{name}' has a finding of its own")
        return super().__getitem__(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLayout:
    """Where the cells of a table's rows stand; shared by all rows."""

    places: CellPlaces
    names: ColumnNames
    positions: tuple[int, ...]
    """Of the table's own columns, which come first; joined columns stand in another file."""
    lines: Sequence[tuple[int, ...] | int]
    """The line of each row, or its lines where lines are grouped."""
    joined: Sequence[tuple[Mapping[str, Span], ...]]


class RowCells(Mapping[str, Span]):
    """The places of a row's cells, each looked up when it is asked for.

    A row of several lines has its cell where the first line has one that is not blank.
    """

    __slots__ = ("_layout", "_row")

    def __init__(self, layout: RowLayout, row: int) -> None:
        self._layout = layout
        self._row = row

    def __getitem__(self, name: str) -> Span:
        layout = self._layout
        index = layout.names.positions[name]
        if index < len(layout.positions):
            return layout.places.first(layout.lines[self._row], layout.positions[index])
        column = layout.names.columns[index]
        for cells in self._others():
            if column in cells:
                return cells[column]
        raise KeyError(name)

    def _others(self) -> tuple[Mapping[str, Span], ...]:
        return self._layout.joined[self._row] if self._layout.joined else ()

    def __iter__(self) -> Iterator[str]:
        own = len(self._layout.positions)
        for index, name in enumerate(self._layout.names.columns):
            if index < own or any(name in cells for cells in self._others()):
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)
