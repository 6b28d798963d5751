"""A table's map in the manifest, and its file → a Table, and everything that is wrong with it.

In this order: read, fill_down, _skip, group_by, types, key, join, where, order_by, limit. A row
with a fault is left out and `Table.complete` is False; no bytes of a file raise anything.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from pipeline.domain import EMPTY, Row, Table, Template, Value
from pipeline.errors import TemplateFault
from pipeline.findings import Finding, Severity, has_errors
from pipeline.manifest.files import hint_for, reason_of, slug_of
from pipeline.manifest.table_findings import (
    cell_findings,
    condition_findings,
    empty_keys,
    repeated_keys,
)
from pipeline.manifest.table_joining import Joined, joined
from pipeline.manifest.table_lines import Rows, rows_of
from pipeline.manifest.table_reading import Sheet, read_sheet
from pipeline.manifest.table_rows import Grid, Layout, RowCells, RowValues, names_of
from pipeline.manifest.table_shape import Cells, Mask, Positions, ordered, repeated
from pipeline.manifest.table_spec import SpanOf, Wish, joins, sorting, wished
from pipeline.manifest.table_text import decoded
from pipeline.manifest.wording import shown as quoted

__all__ = ["joined_tables", "read_table"]

_NO_ROWS = "a shot for this table makes nothing"
_ABSENT: Mapping[type, str] = {
    FileNotFoundError: "there is no file",
    IsADirectoryError: "a folder is no table:",
    PermissionError: "this may not be read:",
}


def joined_tables(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the tables that a table's map joins, which must be read before it."""
    return tuple(join.table for join in joins(spec))


def read_table(  # noqa: PLR0913 - all by name, each one thing that only the manifest knows
    spec: Mapping[str, Any],
    *,
    name: str,
    path: Path,
    shown: str,
    span_of: SpanOf,
    read: Callable[[Path], bytes],
    where: Template | None = None,
    other_tables: Mapping[str, Table | None] = EMPTY,
    context: Mapping[str, Any] = EMPTY,
) -> tuple[Table | None, tuple[Finding, ...]]:
    """Return a table as far as it can be read, and every finding.

    None where nothing is known of its columns. `spec` is its map as plain data, checked against
    the schema; `span_of("columns", "price")` tells where a key of it is written; `shown` names the
    file in findings. `where` is rendered with `context` (campaign, vars), `row` and the alias.
    `other_tables` are those it joins, None for one that could not be read.
    """
    try:
        data = read(path)
    except (OSError, ValueError) as error:
        return None, (_missing(error, path, spec["file"], span_of),)
    text = decoded(data, shown=shown, encoding=spec.get("encoding"))
    del data
    if isinstance(text, Finding):
        return None, (text,)
    with _uncollected():
        sheet = read_sheet(text.text, shown_as=shown, written=spec.get("delimiter"))
        if isinstance(sheet, Finding):
            return None, (sheet,)
        reading = _Reading(spec=spec, name=name, path=path, span_of=span_of, sheet=sheet)
        return reading.table(f"{text.encoding}, {sheet.separated}", where, other_tables, context)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the collector of cycles from going through a growing table again and again.

    Nothing here makes cycles; measured with 100,000 rows, half of the time was the collector's.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _missing(error: Exception, path: Path, file: str, span_of: SpanOf) -> Finding:
    said = _ABSENT.get(type(error))
    message = (
        f"{said} {quoted(file)}" if said else f"{quoted(file)} cannot be read: {reason_of(error)}"
    )
    return Finding(slug=slug_of(error), message=message, span=span_of("file"), hint=hint_for(path))


@dataclass(slots=True, kw_only=True)
class _Reading:
    """Makes one table of a sheet and keeps what is wrong with it."""

    spec: Mapping[str, Any]
    name: str
    path: Path
    span_of: SpanOf
    sheet: Sheet
    findings: list[Finding] = field(default_factory=list)

    def table(
        self,
        decided: str,
        where: Template | None,
        others: Mapping[str, Table | None],
        context: Mapping[str, Any],
    ) -> tuple[Table | None, tuple[Finding, ...]]:
        wish, findings = wished(self.spec, self.sheet, self.span_of)
        self.findings += [*self.sheet.findings, *findings]
        rows = rows_of(self.sheet if self._settled(wish) else self.sheet.without_lines(), wish)
        good = self._good(rows, wish)
        link = joined(rows, wish.key or "", self.span_of)
        for join in joins(self.spec):
            link.add(join, others, good)
        self.findings += link.findings
        if not link.known:
            return None, tuple(self.findings)
        making = _Making(rows=rows, wish=wish, link=link, sheet=self.sheet)
        chosen = self._chosen(making, np.flatnonzero(good & ~link.missing), where, context)
        made = making.rows_at(chosen, self.path.parent)
        table = Table(
            name=self.name,
            alias=self.spec.get("as", ""),
            key=self.spec["key"],
            columns=making.names.columns,
            rows=tuple(made),
            path=self.path,
            span=self.span_of(),
            decided=f"{decided}, {len(self.sheet.lines)} lines",
            complete=not has_errors(self.findings),
        )
        return table, tuple(self.findings)

    def _settled(self, wish: Wish) -> bool:
        """Whether it is known what a row is; if not, its columns still are."""
        return wish.key is not None and (wish.group_by is not None or "group_by" not in self.spec)

    def _good(self, rows: Rows, wish: Wish) -> Mask:
        """Return which rows may be used: right in every cell, and with a key of their own."""
        good = ~rows.bad
        self.findings += cell_findings(rows.faults, self.sheet.places)
        if wish.key is None:
            return good
        keyed = rows.keyed(self.sheet, wish.key)
        again = repeated(rows.keys)
        self.findings += [*empty_keys(keyed), *repeated_keys(keyed, again)]
        good &= np.fromiter(map(bool, rows.keys), dtype=np.bool_, count=len(rows.keys))
        for _, *others in again.values():
            good[others] = False
        self.findings += self._useless(wish)
        return good

    def _useless(self, wish: Wish) -> Iterator[Finding]:
        if wish.fill_down and not wish.group_by:
            yield self._warning(
                "useless-fill",
                "nothing is filled: without 'group_by' no two rows have the same key",
                "fill_down",
                hint="write group_by: with the column that the lines of one product share",
            )
        if not self.sheet.lines and not has_errors(self.findings):
            yield self._warning("no-rows", "the table has no rows", "file", hint=_NO_ROWS)

    def _chosen(
        self,
        making: _Making,
        rows: Positions,
        where: Template | None,
        context: Mapping[str, Any],
    ) -> Positions:
        """Return the rows that pass `where`, sorted, no more than `limit`."""
        columns, unknown = sorting(self.spec, making.names.columns, self.span_of)
        self.findings += unknown
        passing = rows if where is None else self._passing(making, rows, where, context)
        if columns and len(passing):
            by = [(making.column(name).take(passing), down) for name, down in columns]
            passing = passing.take(ordered(by))
        return passing[: self.spec.get("limit")]

    def _passing(
        self, making: _Making, rows: Positions, where: Template, context: Mapping[str, Any]
    ) -> Positions:
        names = ("row", *([self.spec["as"]] if "as" in self.spec else []))
        passing: list[int] = []
        faults: list[tuple[str, TemplateFault]] = []
        for row in rows.tolist():
            try:
                if where.render({**context, **dict.fromkeys(names, making.values(row))}):
                    passing.append(row)
            except TemplateFault as fault:
                faults.append((making.rows.keys[row], fault))
        self.findings += condition_findings(faults)
        if len(rows) and not passing and not faults:
            found = self._warning("no-rows", "no row passes 'where'", "where", hint=_NO_ROWS)
            self.findings.append(found)
        return np.array(passing, dtype=np.intp)

    def _warning(self, slug: str, message: str, key: str, *, hint: str = "") -> Finding:
        return Finding(
            slug=slug,
            message=message,
            span=self.span_of(key),
            hint=hint,
            severity=Severity.WARNING,
        )


class _Making:
    """Makes the rows that templates and the plan see."""

    def __init__(self, *, rows: Rows, wish: Wish, link: Joined, sheet: Sheet) -> None:
        self.rows = rows
        self.names = names_of((*wish.columns, *link.columns))
        self._link = link
        self._sheet = sheet
        self._steering = tuple(name for name in wish.steering if name != "_skip")
        self._grid = Grid(names=self.names, columns=tuple(map(self.column, self.names.columns)))
        self._layout = Layout(
            places=sheet.places,
            names=self.names,
            positions=tuple(sheet.positions[name] for name in wish.columns),
            lines=rows.lines,
            joined=link.cells,
        )

    def values(self, row: int) -> RowValues:
        """Return a row as templates see it."""
        return RowValues(self._grid, row, self.rows.parts[row] if self.rows.parts else ())

    def column(self, name: str) -> Cells:
        """Return a column's values, its own or joined."""
        own = self.rows.columns.get(name)
        return own.values if own else self._link.columns[name]

    def rows_at(self, chosen: Positions, folder: Path) -> Iterator[Row]:
        """Yield the rows at these positions."""
        for row in chosen.tolist():
            lines = self.rows.lines[row]
            yield Row(
                key=self.rows.keys[row],
                values=self.values(row),
                span=self._sheet.places.line(lines if isinstance(lines, int) else lines[0]),
                steering=self._steered(row, folder) if self._steering else EMPTY,
                cells=RowCells(self._layout, row),
                folder=folder,
            )

    def _steered(self, row: int, folder: Path) -> Mapping[str, Value]:
        found: dict[str, Value] = {}
        for name in self._steering:
            column = self.rows.columns[name]
            if column.filled[row]:
                place = self._sheet.places.first(self.rows.lines[row], self._sheet.positions[name])
                value = Value(data=column.values[row], span=place, folder=folder)
                found[name.removeprefix("_")] = value
        return MappingProxyType(found)
