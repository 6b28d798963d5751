"""A sheet's lines → rows of typed values: filled, without the skipped, grouped, in this order.

A row keeps the lines it is made of; its columns hold the first value that is not blank. What is
wrong in any of its lines is wrong with the row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.manifest.table_findings import CellFault, Keyed
from pipeline.manifest.table_reading import Sheet
from pipeline.manifest.table_rows import Grid, RowValues, names_of
from pipeline.manifest.table_shape import (
    Cells,
    Column,
    Groups,
    Mask,
    Positions,
    filled_down,
    groups,
    keyed,
    typed,
)
from pipeline.manifest.table_spec import Wish
from pipeline.manifest.table_types import Misfit

MAX_KEY = 200
_BLANK = Misfit(message="the cell is blank", hint="make the column optional if it may be")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A table's rows before they are joined, filtered and sorted; a value per row everywhere."""

    keys: Sequence[str]
    columns: Mapping[str, Column]
    lines: Sequence[tuple[int, ...] | int]
    """The physical line on which each row's record begins, or those of all its records."""
    parts: Sequence[tuple[RowValues, ...]]
    """The values of each row's own lines, where lines are grouped."""
    faults: tuple[CellFault, ...]
    bad: Mask

    def keyed(self, sheet: Sheet, name: str) -> Keyed:
        """Return the rows' keys with their places."""
        return Keyed(
            column=name,
            position=sheet.positions[name],
            keys=self.keys,
            lines=self.lines,
            places=sheet.places,
        )


def rows_of(sheet: Sheet, wish: Wish) -> Rows:
    """Return a sheet's rows, and what is wrong with their cells."""
    texts = _filled(sheet, wish)
    lines = np.asarray(sheet.lines, dtype=np.intp)
    faults: list[CellFault] = []
    if "_skip" in wish.steering:
        kept, faults = _unskipped(sheet, texts, wish)
        texts = {name: column.take(kept) for name, column in texts.items()}
        lines = lines.take(kept)
    shaping = _Shaping(sheet=sheet, wish=wish, texts=texts, lines=lines, faults=faults)
    return shaping.rows()


def _filled(sheet: Sheet, wish: Wish) -> dict[str, Cells]:
    texts = {name: sheet.columns[name] for name in (*wish.columns, *wish.steering)}
    if wish.group_by is not None:
        texts[wish.group_by] = filled_down(texts[wish.group_by])
    within = wish.group_by or wish.key
    if within is not None:
        for name in wish.fill_down:
            texts[name] = filled_down(texts[name], texts[within])
    return texts


def _unskipped(
    sheet: Sheet, texts: Mapping[str, Cells], wish: Wish
) -> tuple[Positions, list[CellFault]]:
    """Return the positions of the lines that stay; one with an unreadable `_skip` does not."""
    column = typed(texts["_skip"], wish.type_of("_skip"))
    faults = [
        CellFault(
            key=str(texts[wish.key][position]).strip() if wish.key else "",
            column="_skip",
            position=sheet.positions["_skip"],
            lines=sheet.lines[position],
            misfit=misfit,
        )
        for position, misfit in column.misfits.items()
    ]
    skipped = np.fromiter(map(bool, column.values), dtype=np.bool_, count=len(column.values))
    return np.flatnonzero(~skipped), faults


@dataclass(slots=True, kw_only=True)
class _Shaping:
    """Makes rows of the lines that were not skipped."""

    sheet: Sheet
    wish: Wish
    texts: Mapping[str, Cells]
    lines: Positions
    faults: list[CellFault]
    columns: dict[str, Column] = field(default_factory=dict)

    def rows(self) -> Rows:
        wish = self.wish
        self.columns = {
            name: typed(texts, wish.type_of(name)) for name, texts in self.texts.items()
        }
        grouping = groups(keyed(self.texts[wish.group_by])) if wish.group_by else None
        columns = {name: _first(column, grouping) for name, column in self.columns.items()}
        keys = self._keys(grouping)
        bad = np.zeros(len(keys), dtype=np.bool_)
        lines = self._row_lines(grouping)
        for row, fault in self._wrong(grouping, columns, keys, lines):
            bad[row] = True
            self.faults.append(fault)
        return Rows(
            keys=keys,
            columns=columns,
            lines=lines,
            parts=self._parts(grouping) if grouping else (),
            faults=tuple(self.faults),
            bad=bad,
        )

    def _keys(self, grouping: Groups | None) -> list[str]:
        if self.wish.key is None:
            return [""] * (len(grouping.lines) if grouping else len(self.lines))
        texts = self.texts[self.wish.key]
        if grouping:
            texts = texts.take(grouping.first(self.columns[self.wish.key].filled))
        return [text.strip() for text in texts]

    def _row_lines(self, grouping: Groups | None) -> Sequence[tuple[int, ...] | int]:
        numbers: list[int] = self.lines.tolist()
        if grouping is None:
            return numbers
        return [tuple(numbers[line] for line in lines) for lines in grouping.lines]

    def _parts(self, grouping: Groups) -> list[tuple[RowValues, ...]]:
        names = names_of(self.wish.columns)
        columns = tuple(self.columns[name].values for name in names.columns)
        grid = Grid(names=names, columns=columns)
        parts = [RowValues(grid, line) for line in range(len(self.lines))]
        return [tuple(parts[line] for line in lines) for lines in grouping.lines]

    def _wrong(
        self,
        grouping: Groups | None,
        columns: Mapping[str, Column],
        keys: Sequence[str],
        lines: Sequence[tuple[int, ...] | int],
    ) -> Iterator[tuple[int, CellFault]]:
        """Yield every cell that cannot be used, with the row it is in."""
        for name, column in self.columns.items():
            found: list[tuple[int, tuple[int, ...] | int, Misfit]] = [
                (int(grouping.codes[line]) if grouping else line, int(self.lines[line]), misfit)
                for line, misfit in column.misfits.items()
            ]
            if not self.wish.type_of(name).optional and name != self.wish.key:
                blank = np.flatnonzero(~columns[name].filled)
                found += [(int(row), lines[int(row)], _BLANK) for row in blank]
            if name == self.wish.key:
                found += [
                    (row, lines[row], _long(key))
                    for row, key in enumerate(keys)
                    if len(key) > MAX_KEY
                ]
            for row, places, misfit in sorted(found, key=lambda fault: fault[0]):
                yield (
                    row,
                    CellFault(
                        key=keys[row][:MAX_KEY],
                        column=name,
                        position=self.sheet.positions[name],
                        lines=places,
                        misfit=misfit,
                    ),
                )


def _first(column: Column, grouping: Groups | None) -> Column:
    return column if grouping is None else column.take(grouping.first(column.filled))


def _long(key: str) -> Misfit:
    return Misfit(message=f"a key has at most {MAX_KEY} characters, not {len(key):,}")
