"""A sheet's lines → rows of typed values: filled, without the skipped, grouped, and joined.

pandas fills, groups, joins and sorts, and is asked for positions alone; the cells themselves stay
the objects they are, so that it never turns 00123 into 123, a blank into NaN, or 79.90 into 79.9.
It takes longer to load than most tables to read, so only what needs it imports it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
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
from pipeline.manifest.tables.csv_reader import MAX_FINDINGS, CellPlaces, Sheet
from pipeline.manifest.tables.table_rows import CellGrid, ColumnNames, RowValues

MAX_KEY = 200
BLANK = CellProblem(message="the cell is blank", hint="make the column optional if it may be")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRows:
    """A table's rows as texts: filled, without the skipped, grouped; nothing is typed yet."""

    own: Mapping[str, Sequence[str]]
    """The texts of each column by line."""
    numbers: Sequence[int]
    """The physical line on which each record begins."""
    texts: Mapping[str, Sequence[str]]
    """By row: of each column the first that is not blank."""
    groups: Sequence[tuple[int, ...]] | None = None
    """The lines of each row; None where each line is a row."""

    def __len__(self) -> int:
        return len(self.numbers if self.groups is None else self.groups)

    def lines(self) -> Sequence[RowLines]:
        """Return the physical lines of each row."""
        if self.groups is None:
            return self.numbers
        return [tuple(self.numbers[line] for line in group) for group in self.groups]

    def take(self, rows: Sequence[int]) -> TextRows:
        """Return these rows alone, in their order."""
        if len(rows) == len(self):
            return self
        texts = {name: take(column, rows) for name, column in self.texts.items()}
        if self.groups is None:
            return TextRows(own=texts, numbers=take(self.numbers, rows), texts=texts)
        lines = [line for row in rows for line in self.groups[row]]
        ends = list(accumulate((len(self.groups[row]) for row in rows), initial=0))
        return TextRows(
            own={name: take(column, lines) for name, column in self.own.items()},
            numbers=take(self.numbers, lines),
            texts=texts,
            groups=[tuple(range(start, end)) for start, end in pairwise(ends)],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """The rows that stay, with every cell typed; a value per row everywhere."""

    columns: Mapping[str, TypedColumn]
    parts: Sequence[tuple[RowValues, ...]]
    """The values of each row's own lines, where lines are grouped."""
    faults: tuple[CellFault, ...]
    bad: Mapping[int, frozenset[str]]
    """Rows in which a cell cannot be used, with the columns of these cells."""


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


def join_columns(columns: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return one text for each line out of several columns, equal where all of them are."""
    if len(columns) == 1:
        return columns[0]
    # With a separator between: `a` and `bc` are not `ab` and `c`.
    return ["\x1f".join(map(str.strip, parts)) for parts in zip(*columns, strict=True)]


def row_keys(texts: Mapping[str, Sequence[str]], key: Sequence[str]) -> list[str]:
    """Return the key of each row; blank where it has none.

    Several columns are joined by `+`: `apron+Sand+S`. Blank ones at the end are left out, one
    before another leaves its place: no two rows get the same key by it. The first names the
    product, and without it there is no key.
    """
    if len(key) == 1:
        return [text.strip() for text in texts[key[0]]]
    keys = []
    for parts in zip(*(texts[name] for name in key), strict=True):
        joined = "+".join(part.strip().replace("+", "%2B") for part in parts)
        keys.append("" if joined.startswith("+") else joined.rstrip("+"))
    return keys


_SHOP_OPTIONS = ("Handle", "Option1 Value", "Option2 Value", "Option3 Value")
_LONGEST_SUGGESTED = 40


def suggest_key(texts: Mapping[str, Sequence[str]], key: Sequence[str]) -> tuple[str, ...]:
    """Return columns that tell these rows apart together; none where no two do.

    Of a shop export it is the product with its options; else the key with the first column that
    makes it unique.
    """
    shop = tuple(name for name in _SHOP_OPTIONS if any(map(str.strip, texts.get(name, ()))))
    if len(shop) > 1 and shop[0] == _SHOP_OPTIONS[0] and shop != tuple(key):
        return shop
    for name, column in texts.items():
        short = all(0 < len(text.strip()) <= _LONGEST_SUGGESTED for text in column)
        if name in key or not short or name.startswith("_"):
            continue
        found = row_keys(texts, (*key, name))
        if all(found) and len(set(found)) == len(found):
            return (*key, name)
    return ()


def shape_rows(sheet: Sheet, spec: TableSpec) -> tuple[TextRows, list[CellFault], list[str]]:
    """Return a sheet's rows as texts, faults in `_skip`, and the keys of those it leaves out."""
    texts: dict[str, Sequence[str]] = {
        name: sheet.columns[name] for name in (*spec.columns, *spec.steering)
    }
    # A blank cell of one product must never take the text of the product above it.
    for number, name in enumerate(spec.group_by):
        above = [texts[other] for other in spec.group_by[:number]]
        texts[name] = fill_down(texts[name], join_columns(above) if above else None)
    known = spec.group_by or spec.key
    within = join_columns([texts[name] for name in known]) if known else None
    if spec.within:
        # Where the product's own cell is blank as well, the line belongs to the one above.
        within = join_columns([fill_down(texts[name]) for name in spec.within])
    for name in spec.fill_down if within is not None else ():
        texts[name] = fill_down(texts[name], within)
    lines: Sequence[int] = sheet.lines
    faults: list[CellFault] = []
    skipped: list[str] = []
    # After filling, for which such a line counts, and before types: a line that is skipped may be
    # wrong.
    if "_skip" in texts:
        skip = type_column(texts["_skip"], spec.type_of("_skip"))
        keys = row_keys(texts, spec.key) if spec.key else [""] * len(lines)
        # A line with an unreadable `_skip` does not stay.
        faults = [
            CellFault(
                key=keys[position],
                column="_skip",
                position=sheet.positions["_skip"],
                lines=lines[position],
                problem=problem,
            )
            for position, problem in skip.problems.items()
        ]
        left = [position for position, value in enumerate(skip.cells) if not value]
        skipped = [keys[position] for position, value in enumerate(skip.cells) if value is True]
        texts = {name: take(column, left) for name, column in texts.items()}
        lines = take(lines, left)
    if not spec.group_by:
        return TextRows(own=texts, numbers=lines, texts=texts), faults, skipped
    groups = group_lines(join_columns([texts[name] for name in spec.group_by]))
    # Of each column, a row has the first line that is not blank, else its first.
    firsts = {
        name: [next((n for n in group if column[n].strip()), group[0]) for group in groups]
        for name, column in texts.items()
    }
    rows = {name: take(column, firsts[name]) for name, column in texts.items()}
    return TextRows(own=texts, numbers=lines, texts=rows, groups=groups), faults, skipped


def type_rows(
    rows: TextRows, spec: TableSpec, keys: Sequence[str], positions: Mapping[str, int]
) -> TableRows:
    """Return the rows' cells as values, and what is wrong with them.

    What is wrong in any of a row's lines is wrong with the row. `positions` are those of the
    columns in the file.
    """
    own = {name: type_column(texts, spec.type_of(name)) for name, texts in rows.own.items()}
    if rows.groups is None:
        columns = own
        row_of: Sequence[int] = range(len(rows))
        parts: Sequence[tuple[RowValues, ...]] = ()
    else:
        columns = {
            name: type_column(texts, spec.type_of(name)) for name, texts in rows.texts.items()
        }
        row_of = [row for row, group in enumerate(rows.groups) for _ in group]
        names = ColumnNames.of(spec.columns)
        grid = CellGrid(names=names, columns=tuple(own[name].cells for name in names.columns))
        order = [line for group in rows.groups for line in group]
        # By line: a row's lines need not stand together in the file.
        row_of = [row for _, row in sorted(zip(order, row_of, strict=True))]
        parts = [tuple(RowValues(grid, line) for line in group) for group in rows.groups]
    lines = rows.lines()
    bad: dict[int, set[str]] = {}
    faults: list[CellFault] = []
    for name, column in own.items():
        found: list[tuple[int, RowLines, CellProblem]] = [
            (row_of[line], rows.numbers[line], problem) for line, problem in column.problems.items()
        ]
        # That it is blank is told once, with all its rows (`empty-key`), and not cell by cell.
        if name in spec.key[:1]:
            found += [
                (row, lines[row], CellProblem(message=_TOO_LONG.format(len(key))))
                for row, key in enumerate(keys)
                if len(key) > MAX_KEY
            ]
        elif not spec.type_of(name).optional:
            blank = (row for row, filled in enumerate(columns[name].filled) if not filled)
            found += [(row, lines[row], BLANK) for row in blank]
        for row, place, problem in sorted(found, key=lambda fault: fault[0]):
            bad.setdefault(row, set()).add(name)
            faults.append(
                CellFault(
                    key=keys[row][:MAX_KEY],
                    column=name,
                    position=positions[name],
                    lines=place,
                    problem=problem,
                )
            )
    return TableRows(
        columns=columns,
        parts=parts,
        faults=tuple(faults),
        bad={row: frozenset(names) for row, names in bad.items()},
    )


_TOO_LONG = f"a key has at most {MAX_KEY} characters, not {{:,}}"


@dataclass(slots=True, kw_only=True)
class JoinedColumns:
    """What the joins add to a table's rows, a value per row.

    A row without a match is reported unless the manifest keeps it: a clip whose price or picture
    is missing must not be bought because a table was one line short.
    """

    rows: TextRows
    spec: TableSpec
    keys: Sequence[str]
    span_of: SpanOf
    path: Path
    """The table's own file."""
    columns: dict[str, Sequence[Any]] = field(default_factory=dict)
    cells: list[tuple[Mapping[str, Span], ...]] = field(default_factory=list)
    unmatched: list[tuple[Join, Table, frozenset[int]]] = field(default_factory=list)
    """Rows that have no match and may not do without, by join."""
    known: bool = True
    """Whether all tables could be joined; if not, there are columns nobody knows."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def missing(self) -> frozenset[int]:
        """Rows that lack a match in any table."""
        return frozenset().union(*(rows for *_, rows in self.unmatched))

    def add(self, join: Join, tables: Mapping[str, Table | None]) -> None:
        """Add another table's columns."""
        other = tables.get(join.table)
        fault = self._fault(join, other, tables)
        if other is None or fault is not None:
            self.known = False
            self.findings += [fault] if fault is not None else []
            return
        own = type_column(self.rows.texts[join.on], self.spec.type_of(join.on)).cells
        keys = self.keys if (join.on,) == self.spec.key else list(map(_text, own))
        positions = match_keys(keys, _keys_of(other, join.on))
        if not join.keep:
            lacking = frozenset(row for row, position in enumerate(positions) if position < 0)
            self.unmatched.append((join, other, lacking))
        again = [name for name in other.columns if name in self.rows.texts or name in self.columns]
        shared = [name for name in again if name != join.on]
        if shared:
            self.findings.append(self._shared_columns(join, other, shared))
        for name in other.columns:
            if name in again or name == join.on:
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

    def _shared_columns(self, join: Join, other: Table, names: Sequence[str]) -> Finding:
        """Return the finding for the columns that both tables have, one for all of them."""
        message = f"both tables have a column {quote(names[0])}"
        if len(names) > 1:
            message = (
                f"both tables have {len(names)} columns of the same name, as {quote(names[0])}"
            )
        hint = f"take {'it' if len(names) == 1 else 'them'} out of one of the two files"
        if other.path == self.path:
            hint = (
                "one table does for both: name the columns that tell its rows apart (key: [A, B]),"
                f" and fill_down: {{columns: [...], within: {join.on}}}"
            )
        return Finding(
            slug="duplicate-header",
            message=message,
            span=self.span_of(*join.steps, "table"),
            hint=hint,
        )

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
        if join.on not in self.rows.texts:
            return unknown_column(join.on, tuple(self.rows.texts), place)
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

    def missing_matches(self, rows: Iterable[int]) -> Iterator[Finding]:
        """Yield a finding for each join in which some of these rows have no match."""
        for join, other, lacking in self.unmatched:
            # A table with faults of its own lacks rows that are written in it.
            missed = sorted(lacking.intersection(rows)) if other.complete else []
            if missed:
                yield Finding(
                    slug="unmatched-key",
                    message=f"the table '{other.name}' has no row with this {quote(join.on)}",
                    span=self.span_of(*join.steps),
                    hint="add the rows there, or write missing: keep",
                    rows=tuple(self.keys[row] for row in missed),
                )


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _keys_of(table: Table, column: str) -> list[str]:
    if (column,) == table.key:
        return [row.key for row in table.rows]
    return [_text(row.values[column]) for row in table.rows]  # noqa: PD011 - no frame


_SINGLY = 5
"""How many different cells are told one by one though one remedy is for all of them."""


def cell_findings(faults: Iterable[CellFault], places: CellPlaces) -> Iterator[Finding]:
    """Yield the findings for faulty cells: by column, then in the order of the lines.

    Equal faults of one column, and many with one remedy, are one finding that names the rows; of
    different ones the first twenty are told, and how many more there are.
    """
    columns: dict[str, dict[CellProblem, list[CellFault]]] = {}
    for fault in faults:
        columns.setdefault(fault.column, {}).setdefault(fault.problem, []).append(fault)
    for causes in columns.values():
        remedies = Counter(problem.hint for problem in causes if problem.hint)
        # Where one remedy is for many cells, that is the cause.
        alike: dict[CellProblem | str, list[CellFault]] = {}
        for problem, found in causes.items():
            cause = problem.hint if remedies[problem.hint] > _SINGLY else problem
            alike.setdefault(cause, []).extend(found)
        listed = list(alike.values())
        for same in listed[:MAX_FINDINGS]:
            first = same[0].problem
            others = sum(fault.problem != first for fault in same)
            more = f"{first.message}, and {others} more cells are like it"
            yield _cell_finding(same, replace(first, message=more) if others else first, places)
        rest = [fault for same in listed[MAX_FINDINGS:] for fault in same]
        if rest:
            are = "cell is" if len(rest) == 1 else "cells are"
            message = f"{len(rest)} more {are} not as they should be"
            yield _cell_finding(rest, CellProblem(message=message), places)


def _cell_finding(equal: Sequence[CellFault], problem: CellProblem, places: CellPlaces) -> Finding:
    first = equal[0]
    single = len(equal) == 1
    return Finding(
        slug="bad-cell",
        message=problem.message,
        span=places.first(first.lines, first.position),
        hint=problem.hint,
        row=first.key if single else "",
        column=first.column,
        rows=() if single else tuple(dict.fromkeys(fault.key for fault in equal if fault.key)),
    )
