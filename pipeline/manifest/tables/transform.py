"""A sheet's lines → rows of typed values: filled, without the skipped, grouped, and joined.

pandas fills, groups, joins and sorts, and is asked for positions alone; the cells themselves stay
the objects they are, so that it never turns 00123 into 123, a blank into NaN, or 79.90 into 79.9.
It takes longer to load than most tables to read, so only what needs it imports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipeline.domain import Table
from pipeline.findings import Finding, Span, did_you_mean
from pipeline.manifest.schema_errors import quote
from pipeline.manifest.tables.column_types import (
    CellProblem,
    ColumnType,
    Join,
    SpanOf,
    TableSpec,
    unknown_column,
)
from pipeline.manifest.tables.csv_reader import MAX_FINDINGS, Sheet
from pipeline.manifest.tables.table_rows import CellGrid, ColumnNames, RowValues

MAX_KEY = 200
_BLANK = CellProblem(message="the cell is blank", hint="make the column optional if it may be")

RowLines = tuple[int, ...] | int
"""The physical line on which a row's record begins, or those of all its records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFault:
    """A cell that cannot be used; `lines` is its line, or those of its row if all are blank."""

    key: str
    column: str
    position: int
    lines: RowLines
    problem: CellProblem


@dataclass(frozen=True, kw_only=True)
class TypedColumn:
    """A column's texts and what they stand for, one per line or row."""

    texts: Sequence[str]
    cells: Sequence[Any]
    problems: Mapping[int, CellProblem] = field(default_factory=dict)
    """Cells that are not what the column wants, by position."""

    @cached_property
    def filled(self) -> list[bool]:
        """Tell where a cell is not blank; most columns are never asked."""
        return [bool(text.strip()) for text in self.texts]

    def take(self, positions: Sequence[int]) -> TypedColumn:
        """Return the column with only the lines at these positions; problems stay behind."""
        return TypedColumn(texts=take(self.texts, positions), cells=take(self.cells, positions))


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """A table's rows before they are joined, filtered and sorted; a value per row everywhere."""

    keys: list[str]
    columns: Mapping[str, TypedColumn]
    lines: Sequence[RowLines]
    parts: Sequence[tuple[RowValues, ...]]
    """The values of each row's own lines, where lines are grouped."""
    faults: tuple[CellFault, ...]
    bad: frozenset[int]
    """Rows in which a cell cannot be used."""


def take(values: Sequence[Any], positions: Sequence[int]) -> list[Any]:
    """Return the values at these positions, in their order."""
    return [values[position] for position in positions]


def type_column(texts: Sequence[str], kind: ColumnType) -> TypedColumn:
    """Return a column of texts as values of a type; each distinct text is read once."""
    if kind.read is str:
        return TypedColumn(texts=texts, cells=texts)
    # A column of a hundred thousand cells has a few dozen different ones, as a rule.
    known: dict[str, Any] = {}
    for text in texts:
        if text not in known:
            trimmed = text.strip()
            known[text] = kind.read(trimmed) if trimmed else kind.blank
    values = [known[text] for text in texts]
    wrong = any(isinstance(value, CellProblem) for value in known.values())
    return TypedColumn(
        texts=texts,
        cells=values,
        problems={
            position: value
            for position, value in enumerate(values if wrong else ())
            if isinstance(value, CellProblem)
        },
    )


def fill_down(texts: Sequence[str], within: Sequence[str] | None = None) -> list[str]:
    """Return a column in which a blank cell takes the text above it, within the same key.

    `fill_down(["a", "", "b", " "])` is `["a", "a", "b", "b"]`.
    """
    import pandas as pd  # noqa: PLC0415 - see the head of the module

    positions = pd.Series(range(len(texts)), dtype="int64")
    own = positions.where(pd.Series([bool(text.strip()) for text in texts], dtype=bool))
    if within is not None:
        keys = pd.factorize(pd.Series([text.strip() for text in within], dtype=object))[0]
        above = own.groupby(keys).ffill()
    else:
        above = own.ffill()
    return take(texts, above.fillna(positions).astype("int64").tolist())


def group_lines(keys: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the lines that make each row: those with the same key, in order of appearance."""
    import pandas as pd  # noqa: PLC0415 - see the head of the module

    codes = pd.factorize(pd.Series([key.strip() for key in keys], dtype=object))[0]
    groups = pd.Series(codes).groupby(codes).indices
    return [tuple(map(int, groups[code])) for code in range(len(groups))]


def match_keys(keys: Sequence[str], others: Sequence[str]) -> list[int]:
    """Return the position of each key among others, which are unique; -1 where there is none."""
    import pandas as pd  # noqa: PLC0415 - see the head of the module

    # As objects: pandas would take a column of digits for numbers.
    index = pd.Index(pd.Series(others, dtype=object))
    positions: list[int] = index.get_indexer(pd.Index(pd.Series(keys, dtype=object))).tolist()
    return positions


def sort_rows(columns: Sequence[tuple[Sequence[Any], bool]]) -> list[int]:
    """Return the order of rows by columns, each with whether downwards; blank cells come last.

    Texts compare without regard to case.
    """
    import pandas as pd  # noqa: PLC0415 - see the head of the module

    def comparable(value: Any) -> tuple[Any, ...]:
        """Return a value as something that sorts; the empty tuple for a blank one."""
        if value is None or value in ("", ()):
            return ()
        if isinstance(value, str):
            return (value.casefold(), value)
        return value if isinstance(value, tuple) else (value,)

    ranks: dict[str, list[int]] = {}
    for number, (values, down) in enumerate(columns):
        found = [comparable(value) for value in values]
        # Ranks and not values are sorted: so each column has its own direction, blanks last.
        order = sorted({value for value in found if value}, reverse=down)
        rank = {value: place for place, value in enumerate(order)}
        ranks[str(number)] = [rank.get(value, len(rank)) for value in found]
    frame = pd.DataFrame(ranks)
    positions: list[int] = frame.sort_values(list(ranks), kind="stable").index.tolist()
    return positions


def find_repeats(keys: Sequence[str]) -> dict[str, list[int]]:
    """Return the keys that several rows have, with those rows; blank keys are not looked at."""
    found: dict[str, list[int]] = {}
    for position, key in enumerate(keys):
        if key:
            found.setdefault(key, []).append(position)
    return {key: positions for key, positions in found.items() if len(positions) > 1}


def make_rows(sheet: Sheet, spec: TableSpec) -> TableRows:
    """Return a sheet's rows, and what is wrong with their cells.

    A row keeps the lines it is made of; its columns hold the first value that is not blank. What
    is wrong in any of its lines is wrong with the row.
    """
    texts = {name: sheet.columns[name] for name in (*spec.columns, *spec.steering)}
    if spec.group_by is not None:
        texts[spec.group_by] = fill_down(texts[spec.group_by])
    # A blank cell of one product must never take the text of the product above it.
    within = spec.group_by or spec.key
    if within is not None:
        for name in spec.fill_down:
            texts[name] = fill_down(texts[name], texts[within])
    lines: Sequence[int] = sheet.lines
    faults: list[CellFault] = []
    if "_skip" in texts:
        skip = type_column(texts["_skip"], spec.type_of("_skip"))
        # A line with an unreadable `_skip` does not stay.
        faults = [
            CellFault(
                key=texts[spec.key][position].strip() if spec.key else "",
                column="_skip",
                position=sheet.positions["_skip"],
                lines=lines[position],
                problem=problem,
            )
            for position, problem in skip.problems.items()
        ]
        left = [position for position, value in enumerate(skip.cells) if not value]
        texts = {name: take(column, left) for name, column in texts.items()}
        lines = take(lines, left)
    return _RowMaker(sheet=sheet, spec=spec, lines=lines, faults=faults).make(texts)


@dataclass(slots=True, kw_only=True)
class _RowMaker:
    """Makes rows of the lines that were not skipped."""

    sheet: Sheet
    spec: TableSpec
    lines: Sequence[int]
    faults: list[CellFault]

    def make(self, texts: Mapping[str, list[str]]) -> TableRows:
        spec, numbers = self.spec, self.lines
        own = {name: type_column(column, spec.type_of(name)) for name, column in texts.items()}
        keys = [""] * len(numbers) if spec.key is None else texts[spec.key]
        if spec.group_by is None:
            row_of: Sequence[int] = range(len(numbers))
            return self._rows(own, own, [key.strip() for key in keys], numbers, row_of, ())
        groups = group_lines(texts[spec.group_by])
        # Of each column, a row has the first line that is not blank, else its first.
        firsts = {
            name: [next((n for n in group if column.filled[n]), group[0]) for group in groups]
            for name, column in own.items()
        }
        columns = {name: column.take(firsts[name]) for name, column in own.items()}
        first_keys = firsts[spec.key] if spec.key is not None else [group[0] for group in groups]
        row_of = [0] * len(numbers)
        for row, group in enumerate(groups):
            for line in group:
                row_of[line] = row
        names = ColumnNames.of(spec.columns)
        grid = CellGrid(names=names, columns=tuple(own[name].cells for name in names.columns))
        return self._rows(
            own,
            columns,
            [keys[line].strip() for line in first_keys],
            [tuple(numbers[line] for line in group) for group in groups],
            row_of,
            [tuple(RowValues(grid, line) for line in group) for group in groups],
        )

    def _rows(  # noqa: PLR0917 - what a row is made of
        self,
        own: Mapping[str, TypedColumn],
        columns: Mapping[str, TypedColumn],
        keys: list[str],
        lines: Sequence[RowLines],
        row_of: Sequence[int],
        parts: Sequence[tuple[RowValues, ...]],
    ) -> TableRows:
        """Return the rows with every cell that cannot be used; `own` is by line, not by row."""
        bad: set[int] = set()
        for name, column in own.items():
            found: list[tuple[int, RowLines, CellProblem]] = [
                (row_of[line], self.lines[line], problem)
                for line, problem in column.problems.items()
            ]
            if name == self.spec.key:
                found += [
                    (row, lines[row], CellProblem(message=_TOO_LONG.format(len(key))))
                    for row, key in enumerate(keys)
                    if len(key) > MAX_KEY
                ]
            elif not self.spec.type_of(name).optional:
                blank = (row for row, filled in enumerate(columns[name].filled) if not filled)
                found += [(row, lines[row], _BLANK) for row in blank]
            for row, place, problem in sorted(found, key=lambda fault: fault[0]):
                bad.add(row)
                self.faults.append(
                    CellFault(
                        key=keys[row][:MAX_KEY],
                        column=name,
                        position=self.sheet.positions[name],
                        lines=place,
                        problem=problem,
                    )
                )
        return TableRows(
            keys=keys,
            columns=columns,
            lines=lines,
            parts=parts,
            faults=tuple(self.faults),
            bad=frozenset(bad),
        )


_TOO_LONG = f"a key has at most {MAX_KEY} characters, not {{:,}}"


@dataclass(slots=True, kw_only=True)
class JoinedColumns:
    """What the joins add to a table's rows, a value per row.

    A row without a match is reported unless the manifest keeps it: a clip whose price or picture
    is missing must not be bought because a table was one line short.
    """

    rows: TableRows
    key: str | None
    span_of: SpanOf
    columns: dict[str, Sequence[Any]] = field(default_factory=dict)
    cells: list[tuple[Mapping[str, Span], ...]] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    """Rows that have no match and may not do without."""
    known: bool = True
    """Whether all tables could be joined; if not, there are columns nobody knows."""
    findings: list[Finding] = field(default_factory=list)

    def add(self, join: Join, tables: Mapping[str, Table | None], good: Sequence[int]) -> None:
        """Add another table's columns; only rows that are `good` are missed there."""
        other = tables.get(join.table)
        fault = self._fault(join, other, tables)
        if other is None or fault is not None:
            self.known = False
            self.findings += [fault] if fault is not None else []
            return
        own = self.rows.columns[join.on].cells
        keys = self.rows.keys if join.on == self.key else list(map(_text, own))
        positions = match_keys(keys, _keys_of(other, join.on))
        unmatched = {row for row, position in enumerate(positions) if position < 0}
        if not join.keep:
            self.missing |= unmatched
            self.findings += self._missing_matches(join, other, unmatched.intersection(good))
        shared = [
            name
            for name in other.columns
            if name != join.on and (name in self.rows.columns or name in self.columns)
        ]
        if shared:
            named = f"a column {quote(shared[0])}"
            if len(shared) > 1:
                named = f"the columns {', '.join(map(quote, shared[:MAX_FINDINGS]))}"
            self.findings.append(
                Finding(
                    slug="duplicate-header",
                    message=f"both tables have {named}",
                    span=self.span_of(*join.steps, "table"),
                    hint=f"a join renames nothing: give other names in the first line of"
                    f" {other.path.name}, or take them out there",
                )
            )
        for name in other.columns:
            if name == join.on or name in shared:
                continue
            values = [row.values[name] for row in other.rows]  # noqa: PD011 - no frame
            # What stands for a blank cell in a column of such values; position -1 is the last.
            some = next((value for value in values if value is not None), None)
            blank = "" if isinstance(some, str) else () if isinstance(some, tuple) else None
            self.columns[name] = take([*values, blank], positions)
        before = self.cells or [()] * len(positions)
        self.cells = [
            (*cells, other.rows[position].cells) if position >= 0 else cells
            for cells, position in zip(before, positions, strict=True)
        ]

    def _fault(
        self, join: Join, other: Table | None, tables: Mapping[str, Table | None]
    ) -> Finding | None:
        """Return why a table cannot be joined; None also where it could not be read itself."""
        if other is None and join.table not in tables:
            return Finding(
                slug="unknown-table",
                message=f"there is no table {quote(join.table)}",
                span=self.span_of(*join.steps, "table"),
                hint=did_you_mean(join.table, tables),
            )
        if other is None:
            return None
        place = self.span_of(*join.steps, "on")
        # Both tables need the column: each is told with its own columns to choose from.
        if join.on not in self.rows.columns:
            return unknown_column(join.on, tuple(self.rows.columns), place)
        if join.on not in other.columns:
            return unknown_column(join.on, other.columns, place, table=join.table)
        again = find_repeats(_keys_of(other, join.on))
        if not again:
            return None
        value, rows = next(iter(again.items()))
        count = f", and {len(again) - 1} more are repeated" if len(again) > 1 else ""
        return Finding(
            slug="ambiguous-join",
            message=f"several rows of '{other.name}' have the {join.on} {quote(value)}{count}",
            span=place,
            hint="join on a column that is different in every row there",
            related=tuple(other.rows[row].span for row in rows[:2]),
        )

    def _missing_matches(self, join: Join, other: Table, rows: set[int]) -> Iterator[Finding]:
        # A table with faults of its own lacks rows that are written in it.
        if rows and other.complete:
            yield Finding(
                slug="unmatched-key",
                message=f"the table '{other.name}' has no row with this {quote(join.on)}",
                span=self.span_of(*join.steps),
                hint="add the rows there, or write missing: keep",
                rows=tuple(self.rows.keys[row] for row in sorted(rows)),
            )


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _keys_of(table: Table, column: str) -> list[str]:
    if column == table.key:
        return [row.key for row in table.rows]
    return [_text(row.values[column]) for row in table.rows]  # noqa: PD011 - no frame
