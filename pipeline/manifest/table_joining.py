"""Rows and another table → the other's columns for each row, by the value of one column.

A row without a match is reported unless the manifest keeps it: a clip whose price or picture is
missing must not be bought because a table was one line short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.domain import Table
from pipeline.findings import Finding, Span
from pipeline.manifest.table_lines import Rows
from pipeline.manifest.table_shape import Cells, Mask, cells, matched, repeated
from pipeline.manifest.table_spec import Join, SpanOf, unknown_column
from pipeline.manifest.wording import did_you_mean, shown


@dataclass(slots=True, kw_only=True)
class Joined:
    """What the joins added, a value per row."""

    rows: Rows
    key: str
    span_of: SpanOf
    columns: dict[str, Cells] = field(default_factory=dict)
    cells: list[tuple[Mapping[str, Span], ...]] = field(default_factory=list)
    missing: Mask
    """Rows that have no match and may not do without."""
    known: bool = True
    """Whether all tables could be joined; if not, there are columns nobody knows."""
    findings: list[Finding] = field(default_factory=list)

    def add(self, join: Join, tables: Mapping[str, Table | None], good: Mask) -> None:
        """Add another table's columns; only rows that are `good` are missed there."""
        other = tables.get(join.table)
        if other is None:
            self.known = False
            if join.table not in tables:
                self._unknown_table(join, tables)
            return
        if join.on in self.rows.columns and join.on in other.columns:
            self._match(join, other, good)
            return
        self.known = False
        place = self.span_of(*join.steps, "on")
        if join.on not in self.rows.columns:
            self.findings.append(unknown_column(join.on, tuple(self.rows.columns), place))
        else:
            found = unknown_column(join.on, other.columns, place, table=join.table)
            self.findings.append(found)

    def _match(self, join: Join, other: Table, good: Mask) -> None:
        others = [
            row.key if join.on == other.key else _text(row.values[join.on]) for row in other.rows
        ]
        again = repeated(others)
        if again:
            self._ambiguous(join, other, again)
            return
        positions = matched(self._own(join.on), others)
        unmatched = positions < 0
        self._unmatched(join, other, unmatched & good)
        if not join.keep:
            self.missing |= unmatched
        for name in other.columns:
            if name == join.on:
                continue
            if name in self.rows.columns or name in self.columns:
                self._twice(join, name)
                continue
            values = [row.values[name] for row in other.rows]
            self.columns[name] = cells([*values, _blank(values)]).take(positions)
        places: list[Mapping[str, Span]] = [row.cells for row in other.rows]
        before = self.cells or [()] * len(positions)
        self.cells = [
            (*own, places[position]) if position >= 0 else own
            for own, position in zip(before, positions.tolist(), strict=True)
        ]

    def _own(self, on: str) -> Sequence[str]:
        if on == self.key:
            return self.rows.keys
        return [_text(value) for value in self.rows.columns[on].values]

    def _unmatched(self, join: Join, other: Table, rows: Mask) -> None:
        if join.keep or not rows.any() or not other.complete:
            return
        self.findings.append(
            Finding(
                slug="unmatched-key",
                message=f"the table '{other.name}' has no row with this {shown(join.on)}",
                span=self.span_of(*join.steps),
                hint="add the rows there, or write missing: keep",
                rows=tuple(self.rows.keys[int(row)] for row in np.flatnonzero(rows)),
            )
        )

    def _twice(self, join: Join, name: str) -> None:
        message = f"both tables have a column {shown(name)}"
        hint = f"rename it in '{join.table}'"
        place = self.span_of(*join.steps, "table")
        self.findings.append(
            Finding(slug="duplicate-header", message=message, span=place, hint=hint)
        )

    def _ambiguous(self, join: Join, other: Table, again: Mapping[str, list[int]]) -> None:
        self.known = False
        value, rows = next(iter(again.items()))
        count = f", and {len(again) - 1} more are repeated" if len(again) > 1 else ""
        self.findings.append(
            Finding(
                slug="ambiguous-join",
                message=f"several rows of '{other.name}' have the {join.on} {shown(value)}{count}",
                span=self.span_of(*join.steps, "on"),
                hint="join on a column that is different in every row there",
                related=tuple(other.rows[row].span for row in rows[:2]),
            )
        )

    def _unknown_table(self, join: Join, tables: Mapping[str, Table | None]) -> None:
        self.findings.append(
            Finding(
                slug="unknown-table",
                message=f"there is no table {shown(join.table)}",
                span=self.span_of(*join.steps, "table"),
                hint=did_you_mean(join.table, tables),
            )
        )


def joined(rows: Rows, key: str, span_of: SpanOf) -> Joined:
    """Return rows to which tables can be joined."""
    missing = np.zeros(len(rows.keys), dtype=np.bool_)
    return Joined(rows=rows, key=key, span_of=span_of, missing=missing)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _blank(values: Sequence[Any]) -> Any:
    """Return what stands for a blank cell in a column of such values."""
    match next((value for value in values if value is not None), None):
        case str():
            return ""
        case tuple():
            return ()
    return None
