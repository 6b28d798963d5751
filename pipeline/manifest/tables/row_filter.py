"""A table's rows as texts, and its `where` → the rows that pass.

`where` comes before types and keys: a line that it leaves out needs neither a price that is a
number nor a key. So a cell is typed when the condition reads it, and only then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from pipeline.domain import Template
from pipeline.errors import TemplateFault
from pipeline.findings import Finding, Severity, Span
from pipeline.manifest.tables.column_types import CellProblem, ColumnType, TableSpec
from pipeline.manifest.tables.table_rows import CellGrid, ColumnNames, RowValues
from pipeline.manifest.tables.transform import BLANK, CellFault, JoinedColumns, RowLines, TextRows


@dataclass(slots=True)
class _Reading:
    """What is wrong with the cells that a condition reads of one row."""

    unreadable: dict[tuple[str, RowLines], CellProblem] = field(default_factory=dict)
    blank: dict[tuple[str, RowLines], CellProblem] = field(default_factory=dict)
    """Cells that may not be blank, but are: only of a row that stays is that a fault."""
    unmatched: bool = False
    """A joined column was read of a row that has no match."""


@dataclass(slots=True, kw_only=True)
class _ReadCells(Sequence[Any]):
    """A column of texts as values; each is typed when it is read, equal ones once."""

    name: str
    texts: Sequence[str]
    lines: Sequence[RowLines]
    kind: ColumnType
    reading: _Reading
    known: dict[str, Any] = field(default_factory=dict)

    @overload
    def __getitem__(self, position: int) -> Any: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Any]: ...
    def __getitem__(self, position: int | slice) -> Any:
        assert isinstance(position, int)  # noqa: S101 - a row is read at a time
        text = self.texts[position].strip()
        if not text:
            if not self.kind.optional:
                self.reading.blank[self.name, self.lines[position]] = BLANK
            return self.kind.blank
        if text not in self.known:
            self.known[text] = self.kind.read(text)
        value = self.known[text]
        if isinstance(value, CellProblem):
            # The row is told and does not stay, so what the condition makes of the blank counts for
            # nothing.
            self.reading.unreadable[self.name, self.lines[position]] = value
            return self.kind.blank
        return value

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(slots=True, kw_only=True)
class _JoinedCells(Sequence[Any]):
    """A joined column; to read it of a row without a match is noted."""

    values: Sequence[Any]
    missing: frozenset[int]
    reading: _Reading

    @overload
    def __getitem__(self, position: int) -> Any: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Any]: ...
    def __getitem__(self, position: int | slice) -> Any:
        self.reading.unmatched |= position in self.missing
        return self.values[position]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(slots=True, kw_only=True)
class WhereFilter:
    """Asks a table's `where` of each row, and keeps what stood in its way."""

    rows: TextRows
    spec: TableSpec
    keys: Sequence[str]
    names: ColumnNames
    joined: JoinedColumns
    positions: Mapping[str, int]
    """Where each column stands in the file."""
    faults: list[CellFault] = field(default_factory=list)
    """Cells that the condition reads and nobody can."""
    causes: dict[tuple[str, str, Span, str], list[str]] = field(default_factory=dict)
    """Ways in which the condition cannot be worked out, with the keys of the rows."""
    unmatched: set[int] = field(default_factory=set)
    """Rows of which the condition reads a joined column, and that have no match."""
    left_out_rows: list[int] = field(default_factory=list)

    @property
    def left_out(self) -> dict[str, str]:
        """Return the keys of the rows that do not pass."""
        return {self.keys[row]: "where" for row in self.left_out_rows if self.keys[row]}

    def passing(
        self, where: Template | None, row_names: Sequence[str], context: Mapping[str, Any]
    ) -> Sequence[int]:
        """Return the rows that pass; all of them where there is no condition."""
        if where is None:
            return range(len(self.rows))
        staying: list[int] = []
        reading = _Reading()
        values = self._values(reading)
        for row in range(len(self.rows)):
            reading.unreadable.clear()
            reading.blank.clear()
            reading.unmatched = False
            fault: TemplateFault | None = None
            passes = False
            try:
                passes = where.render({**context, **dict.fromkeys(row_names, values(row))})
            except TemplateFault as found:
                fault = found
            # A condition that has failed at a blank cell fails for want of that cell.
            problems = reading.unreadable or (reading.blank if fault else {})
            # One reason for a row, the first that there is: the others may only follow from it.
            if reading.unmatched:
                self.unmatched.add(row)
            elif problems:
                self.faults += [
                    CellFault(
                        key=self.keys[row],
                        column=column,
                        position=self.positions[column],
                        lines=lines,
                        problem=problem,
                    )
                    for (column, lines), problem in problems.items()
                ]
            elif fault:
                cause = (fault.slug, fault.message, fault.span, fault.hint)
                self.causes.setdefault(cause, []).append(self.keys[row])
            else:
                (staying if passes else self.left_out_rows).append(row)
        return staying

    def findings(self, span: Span, hint: str) -> Iterator[Finding]:
        """Yield one finding for each way in which `where` fails, and one where no row passes."""
        for (slug, message, place, advice), rows in self.causes.items():
            yield Finding(slug=slug, message=message, span=place, hint=advice, rows=tuple(rows))
        if self.left_out_rows and len(self.rows) == len(self.left_out_rows):
            yield Finding(
                slug="no-rows",
                message="no row passes 'where'",
                span=span,
                hint=hint,
                severity=Severity.WARNING,
            )

    def _values(self, reading: _Reading) -> Any:
        """Return what gives the values of a row, which are worked out as they are read."""

        def cells(texts: Mapping[str, Sequence[str]], lines: Sequence[RowLines]) -> list[Any]:
            return [
                texts[name]
                # A text that may be blank cannot be wrong: it is read as it stands.
                if self.spec.type_of(name).read is str and self.spec.type_of(name).optional
                else _ReadCells(
                    name=name,
                    texts=texts[name],
                    lines=lines,
                    kind=self.spec.type_of(name),
                    reading=reading,
                )
                for name in self.spec.columns
            ]

        joined = [
            _JoinedCells(values=column, missing=self.joined.missing, reading=reading)
            for column in self.joined.columns.values()
        ]
        own = cells(self.rows.texts, self.rows.lines())
        grid = CellGrid(names=self.names, columns=(*own, *joined))
        groups = self.rows.groups
        if groups is None:
            return lambda row: RowValues(grid, row)
        of_line = CellGrid(
            names=ColumnNames.of(self.spec.columns),
            columns=tuple(cells(self.rows.own, self.rows.numbers)),
        )
        return lambda row: RowValues(
            grid, row, tuple(RowValues(of_line, line) for line in groups[row])
        )
