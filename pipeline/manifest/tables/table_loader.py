"""The manifest's `tables` → read tables, everything that is wrong with them, and their names.

A table is read after those it joins, in this order: read, fill_down, _skip, group_by, join, where,
types of the rows that stay, keys, order_by, limit. A row with a fault is no row of the table
(`Table.faulty`), and `Table.complete` is False; no bytes of a file raise anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipeline.allowed_paths import AllowedPaths
from pipeline.collector import collector_paused
from pipeline.domain import EMPTY, Row, Table, Template, Value
from pipeline.errors import MediaFault
from pipeline.findings import Finding, Severity, Span, has_errors
from pipeline.manifest.layers import SET, display_path, unreadable_file
from pipeline.manifest.schema_errors import quote
from pipeline.manifest.source_map import Node
from pipeline.manifest.tables.column_types import (
    SpanOf,
    TableSpec,
    has_formula_error,
    read_joins,
    read_sorting,
    read_spec,
)
from pipeline.manifest.tables.csv_reader import (
    CODEC_OF,
    HEADER_LINES,
    MAX_FINDINGS,
    MAX_RELATED,
    Sheet,
    decode_table,
    find_header,
    other_delimiter,
    read_sheet,
)
from pipeline.manifest.tables.row_filter import WhereFilter
from pipeline.manifest.tables.table_rows import (
    ROWS,
    CellGrid,
    ColumnNames,
    FaultyValues,
    RowCells,
    RowLayout,
    RowValues,
)
from pipeline.manifest.tables.transform import (
    JoinedColumns,
    TableRows,
    TextRows,
    cell_findings,
    find_repeats,
    row_keys,
    shape_rows,
    sort_rows,
    suggest_key,
    take,
    type_rows,
)
from pipeline.manifest.templates.compile import compile_condition
from pipeline.manifest.templates.lint import SCALAR, Scope
from pipeline.manifest.yaml_loader import CONFLICT_HINT, CONFLICT_MESSAGE, MERGE_CONFLICT

_NAMES = ("campaign", "vars", "row", "shot", "variant", "take", "refs", "row_key", "cell", "ext")
_BEFORE = "a table is read before there are shots"
_NO_ROWS = "a shot for this table makes nothing"
_ABSENT: Mapping[type, str] = {
    FileNotFoundError: "there is no file",
    IsADirectoryError: "a folder is no table:",
    PermissionError: "this may not be read:",
}


@dataclass(slots=True, kw_only=True)
class TableLoader:
    """Reads tables as they are needed, and keeps what came of each by its name."""

    specs: Mapping[str, Node]
    read: Callable[[Path], bytes]
    allowed: AllowedPaths
    context: Mapping[str, Any]
    """What a `where` sees besides its row: campaign and vars."""
    tables: dict[str, Table | None] = field(default_factory=dict)
    """None where a table could not be read."""
    columns: dict[str, frozenset[str] | None] = field(default_factory=dict)
    """Names under `row`; None where they are not known."""
    findings: list[Finding] = field(default_factory=list)
    _waiting: set[str] = field(default_factory=set)
    """Tables that wait for one they join."""

    @property
    def aliases(self) -> dict[str, str]:
        """Return what templates call a row, by table."""
        found = {name: spec.get("as") for name, spec in self.specs.items()}
        return {name: str(alias.value) for name, alias in found.items() if alias is not None}

    def read_all(self) -> None:
        """Read every table."""
        for name in self.specs:
            self._load(name)

    def _load(self, name: str) -> None:
        if name in self.tables or name not in self.specs:
            return
        spec = self.specs[name]
        # Until it is read it counts as one that cannot be: so a table that joins it says nothing.
        self.tables[name], self.columns[name] = None, None
        alias = spec.get("as")
        if alias is not None and alias.value in _NAMES:
            message = f"templates already have a name '{alias.value}'"
            self._say("reserved-name", message, alias.span, "call the row something else")
        condition, faults = self._condition(spec, alias)
        self.findings += faults
        if spec.broken:
            return
        data = spec.plain()
        # A table that is met again while it waits is a loop of joins.
        self._waiting.add(name)
        for join in read_joins(data):
            if join.table in self._waiting:
                other = f"'{join.table}', which waits for it"
                message = f"the table '{name}' joins {'itself' if join.table == name else other}"
                self._say("join-loop", message, spec.key_span("join"), "take out one of the joins")
            else:
                self._load(join.table)
        self._waiting.remove(name)
        table = self._read(name, spec, data, condition)
        if table is not None:
            # Also where the rows are of no use: so a misspelt column is told in the same pass.
            self.columns[name] = frozenset({*ColumnNames.of(table.columns).positions, ROWS})
        # Without its `where` a table has rows that nobody asked for.
        self.tables[name] = None if faults else table

    def _say(self, slug: str, message: str, span: Span, hint: str = "") -> None:
        self.findings.append(Finding(slug=slug, message=message, span=span, hint=hint))

    def _condition(
        self, spec: Node, alias: Node | None
    ) -> tuple[Template | None, tuple[Finding, ...]]:
        """Return a compiled `where`; its columns are only known once the table is read."""
        node = spec.get("where")
        if node is None:
            return None, ()
        rows = frozenset({"row", *([str(alias.value)] if alias else [])})
        names = {"campaign": SCALAR, "vars": frozenset(self.context["vars"])}
        scope = Scope(
            names={**names, **dict.fromkeys(rows)},
            elsewhere=dict.fromkeys(("shot", "variant", "take"), _BEFORE),
            rows=rows,
        )
        return compile_condition(node, scope)

    def _read(
        self, name: str, spec: Node, data: Mapping[str, Any], where: Template | None
    ) -> Table | None:
        file = spec.value["file"]
        try:
            # A file that the person at the command line names is theirs to name.
            if file.source.shown != SET:
                self.allowed.resolve(str(file.value), spec.folder)
        except MediaFault as fault:
            self._say(fault.slug, fault.message, file.span, fault.hint)
            return None

        def span_of(*steps: str) -> Span:
            """Return where a key of the table is written, or the deepest place on the way."""
            node, place = spec, spec.span
            for step in steps:
                place = node.key_span(step) if step in node.keys else place
                items = node.items()
                inner = items[int(step)] if items and step.isdecimal() else node.get(step)
                if inner is None:
                    return place
                node, place = inner, inner.span
            return place

        table, findings = read_table(
            data,
            name=name,
            path=spec.folder / str(file.value),
            shown=display_path(file),
            span_of=span_of,
            read=self.read,
            where=where,
            other_tables=self.tables,
            context=self.context,
        )
        self.findings += findings
        return table


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
    the schema, such as `{"file": "t.csv", "key": "sku"}`; `span_of("columns", "price")` tells where
    a key of it is written; `shown` names the file in findings. `where` is rendered with `context`
    (campaign, vars), `row` and the alias. `other_tables` are those it joins, None for one that
    could not be read.
    """
    try:
        data = read(path)
    except (OSError, ValueError) as error:
        file = quote(spec["file"])
        absent = _ABSENT.get(type(error))
        message = f"{absent} {file}" if absent else f"{file} cannot be read: …"
        return None, (unreadable_file(error, path, span_of("file"), message),)
    text = decode_table(data, shown=shown, encoding=spec.get("encoding"))
    # Both at once would be twice the memory of the largest table.
    del data
    refused = text if isinstance(text, Finding) else _refusal(text[0], spec, shown, span_of)
    if isinstance(text, Finding) or refused is not None:
        return None, (refused,) if refused else ()
    with collector_paused():
        header = _header_line(text[0], spec.get("header", 1), span_of)
        if isinstance(header, Finding):
            return None, (header,)
        sheet = read_sheet(text[0], shown_as=shown, written=spec.get("delimiter"), header=header)
        if isinstance(sheet, Finding):
            return None, (sheet,)
        maker = _TableMaker(spec=spec, span_of=span_of, sheet=sheet, path=path)
        made = maker.make(where, other_tables, context)
        if made is None:
            return None, tuple(maker.findings)
        columns, rows = made
        key = spec["key"]
        table = Table(
            name=name,
            alias=spec.get("as", ""),
            key=(key,) if isinstance(key, str) else tuple(key),
            columns=columns,
            rows=tuple(rows),
            faulty=tuple(maker.faulty),
            left_out=maker.left_out,
            suspect=has_formula_error(text[0])
            or any(each.suspect for join in read_joins(spec) if (each := other_tables[join.table])),
            path=path,
            span=span_of(),
            decided=f"{text[1]}, {sheet.separated}, {len(sheet.lines)} lines",
            delimiter=sheet.places.delimiter,
            encoding=CODEC_OF.get(text[1], "utf-8"),
            complete=not has_errors(maker.findings),
        )
        return table, tuple(maker.findings)


def _header_line(text: str, written: int | str | Sequence[str], span_of: SpanOf) -> int | Finding:
    """Return the line in which a table's names stand, given it or what stands in it."""
    if isinstance(written, int):
        return written
    names = [written] if isinstance(written, str) else list(written)
    line = find_header(text, names)
    if line is not None:
        return line
    listed = " and ".join(map(quote, names))
    return Finding(
        slug="unknown-column",
        message=f"none of the first {HEADER_LINES} lines has {listed} as a cell",
        span=span_of("header"),
        hint="write the number of the line in which the names stand, such as header: 3",
    )


def _refusal(text: str, spec: Mapping[str, Any], shown: str, span_of: SpanOf) -> Finding | None:
    """Return why a table's text is not worth reading: every line of it would be told as a fault."""
    conflict = MERGE_CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        return Finding(
            slug="bad-csv",
            message=CONFLICT_MESSAGE,
            span=Span(file=shown, line=line, end_column=len(conflict[0]) + 1),
            hint=CONFLICT_HINT,
        )
    written = spec.get("delimiter")
    other = other_delimiter(text, written) if written else ""
    if other:
        sign = "tabs" if other == "tab" else quote(other)
        return Finding(
            slug="bad-csv",
            message=f"the cells of {quote(spec['file'])} stand apart by {sign}",
            span=span_of("delimiter"),
            hint=f"write delimiter: '{other}', or leave it out: it is found out",
        )
    return None


@dataclass(slots=True, kw_only=True)
class _TableMaker:
    """Makes the rows of one table of a sheet and keeps what is wrong with it."""

    spec: Mapping[str, Any]
    span_of: SpanOf
    sheet: Sheet
    path: Path
    findings: list[Finding] = field(default_factory=list)
    faulty: list[Row] = field(default_factory=list)
    """Rows with a fault of their own, for those who look at what is right in them."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Keys of rows that are none of the table's, with the key of its map that says so."""

    def make(
        self,
        where: Template | None,
        others: Mapping[str, Table | None],
        context: Mapping[str, Any],
    ) -> tuple[tuple[str, ...], Iterator[Row]] | None:
        """Return the columns and rows; None where there are columns that nobody knows.

        Where the names stand in another line, what is wrong under the wrong names is not told.
        Rows are made of those alone that stay: the others are positions until the end.
        """
        sheet = self.sheet
        spec, findings = read_spec(self.spec, sheet, self.span_of)
        elsewhere = None if spec.complete else self._header_elsewhere(spec)
        if elsewhere is not None:
            self.findings.append(elsewhere)
            return None
        self.findings += [*sheet.findings, *findings]
        whole = sheet if spec.complete else sheet.without_lines()
        texts, skip_faults, skipped = shape_rows(whole, spec)
        keys = row_keys(texts.texts, spec.key) if spec.key else [""] * len(texts)
        joined = JoinedColumns(
            rows=texts, spec=spec, keys=keys, span_of=self.span_of, path=self.path
        )
        for join in read_joins(self.spec):
            joined.add(join, others)
        if not joined.known:
            self.findings += [*cell_findings(skip_faults, sheet.places), *joined.findings]
            return None
        names = ColumnNames.of((*spec.columns, *joined.columns))
        filtered = WhereFilter(
            rows=texts, spec=spec, keys=keys, names=names, joined=joined, positions=sheet.positions
        )
        row_names = ("row", *([self.spec["as"]] if "as" in self.spec else []))
        staying = filtered.passing(where, row_names, context)
        rows = texts.take(staying)
        keys_left = take(keys, staying) if len(staying) < len(keys) else keys
        typed = type_rows(rows, spec, keys_left, sheet.positions)
        told = cell_findings((*skip_faults, *filtered.faults, *typed.faults), sheet.places)
        self.findings += told
        good = self._good_rows(rows, typed, spec, keys_left)
        missing = joined.missing
        lacking = [staying[row] for row in good if staying[row] in missing]
        self.findings += [
            *joined.findings,
            *joined.missing_matches({*lacking, *filtered.unmatched}),
        ]
        good = [row for row in good if staying[row] not in missing]
        columns = {name: typed.columns[name].cells for name in spec.columns} | {
            name: take(column, staying) for name, column in joined.columns.items()
        }
        sorting, unknown = read_sorting(self.spec, names.columns, self.span_of)
        self.findings += [*unknown, *filtered.findings(self.span_of("where"), _NO_ROWS)]
        if sorting and good:
            by = [(take(columns[name], good), down) for name, down in sorting]
            good = take(good, sort_rows(by))
        grid = CellGrid(names=names, columns=tuple(columns[name] for name in names.columns))
        layout = RowLayout(
            places=sheet.places,
            names=names,
            positions=tuple(sheet.positions[name] for name in spec.columns),
            lines=rows.lines(),
            joined=take(joined.cells, staying) if joined.cells else (),
        )
        drafts = _RowDrafts(rows=rows, typed=typed, keys=keys_left, grid=grid, layout=layout)
        self.left_out |= dict.fromkeys(skipped, "_skip") | filtered.left_out
        whole_rows = [row for row, before in enumerate(staying) if before not in missing]
        self._note_others(whole_rows, good, drafts, spec)
        chosen = good[: self.spec.get("limit")]
        return names.columns, (self._row(row, drafts, spec) for row in chosen)

    def _note_others(
        self, rows: Sequence[int], good: Sequence[int], drafts: _RowDrafts, spec: TableSpec
    ) -> None:
        """Keep the rows beyond `limit` by key, and those that have a fault where there is none."""
        limit = self.spec.get("limit")
        if limit is None:
            faulty = set(rows).difference(good)
            self.faulty += [self._row(row, drafts, spec) for row in sorted(faulty)]
        else:
            self.left_out |= dict.fromkeys(take(drafts.keys, good[limit:]), "limit")

    def _header_elsewhere(self, spec: TableSpec) -> Finding | None:
        """Return the finding for a key that is no column, but stands in a line near the top."""
        written = self.spec["key"]
        names = [written] if isinstance(written, str) else list(written)
        line = find_header(self.sheet.places.text, names)
        if len(spec.key) == len(names) or line in {None, self.sheet.header_line}:
            return None
        stand = "stands" if len(names) == 1 else "stand"
        return Finding(
            slug="unknown-column",
            message=f"{' and '.join(map(quote, names))} {stand} in line {line} of the file, and"
            f" its names are read from line {self.sheet.header_line}",
            span=self.span_of("key"),
            hint=f"is that the line with the names? write header: {line}",
            related=(Span(file=self.sheet.places.shown, line=line or 1),),
        )

    def _row(self, row: int, drafts: _RowDrafts, spec: TableSpec) -> Row:
        lines, places = drafts.layout.lines[row], self.sheet.places
        steering: dict[str, Value] = {}
        for name in spec.steering:
            column = drafts.typed.columns[name]
            faulty = name in drafts.typed.bad.get(row, ())
            if name != "_skip" and column.filled[row] and not faulty:
                steering[name.removeprefix("_")] = Value(
                    data=column.cells[row],
                    span=places.first(lines, self.sheet.positions[name]),
                    folder=self.path.parent,
                )
        return Row(
            key=drafts.keys[row],
            values=drafts.values(row),
            span=places.line(lines if isinstance(lines, int) else lines[0]),
            steering=MappingProxyType(steering) if steering else EMPTY,
            cells=RowCells(drafts.layout, row),
            folder=self.path.parent,
        )

    def _good_rows(
        self, rows: TextRows, typed: TableRows, spec: TableSpec, keys: Sequence[str]
    ) -> list[int]:
        """Return which rows may be used: right in every cell, and with a key of their own."""
        if not spec.key:
            return [row for row in range(len(rows)) if row not in typed.bad]
        again = find_repeats(keys)
        self.findings += self._key_findings(rows, spec, keys, again)
        within = isinstance(self.spec.get("fill_down"), Mapping)
        if spec.fill_down and not (spec.group_by or within):
            self._warn(
                "useless-fill",
                "nothing is filled: without 'group_by' no two rows have the same key",
                "fill_down",
                f"write fill_down: {{columns: [{', '.join(spec.fill_down)}], within: …}}, with the"
                " column that the lines of one product share, or group_by: with that column",
            )
        if not self.sheet.lines and not has_errors(self.findings):
            self._warn("no-rows", "the table has no rows", "file", _NO_ROWS)
        repeated = {row for _, *others in again.values() for row in others}
        return [
            row
            for row, key in enumerate(keys)
            if key and row not in typed.bad and row not in repeated
        ]

    def _warn(self, slug: str, message: str, key: str, hint: str) -> None:
        self.findings.append(
            Finding(
                slug=slug,
                message=message,
                span=self.span_of(key),
                hint=hint,
                severity=Severity.WARNING,
            )
        )

    def _key_findings(
        self,
        rows: TextRows,
        spec: TableSpec,
        keys: Sequence[str],
        again: Mapping[str, Sequence[int]],
    ) -> Iterator[Finding]:
        """Yield a finding for all rows without a key, and one for each key given twice."""
        column, lines = spec.key[0], rows.lines()

        def place(row: int) -> Span:
            return self.sheet.places.first(lines[row], self.sheet.positions[column])

        blank = [row for row, key in enumerate(keys) if not key]
        apart = suggest_key(rows.texts, spec.key)
        if blank:
            many = f" in {len(blank)} rows" if len(blank) > 1 else ""
            way = "let several columns be the key"
            if apart:
                way = f"name those that tell the rows apart: key: [{', '.join(apart)}]"
            yield Finding(
                slug="empty-key",
                message=f"the key {quote(column)} is blank{many}",
                span=place(blank[0]),
                hint="every row needs a key: leave the lines out that are no row, with 'where',"
                f" or {way}",
                column=column,
                related=tuple(place(row) for row in blank[1:MAX_RELATED]),
            )
        listed = list(again.items())
        several = f"[{', '.join(spec.key)}]" if len(spec.key) > 1 else column
        ways = f"if they are one product, write group_by: {several}"
        if apart:
            ways += f"; if they are its variants, key: [{', '.join(apart)}]"
        for key, (first, second, *others) in listed[:MAX_FINDINGS]:
            count = "two" if not others else str(2 + len(others))
            yield Finding(
                slug="duplicate-key",
                message=f"{count} rows have the key {quote(key)}",
                span=place(second),
                hint=ways,
                row=key,
                column=column,
                related=tuple(place(row) for row in (first, *others[:MAX_RELATED])),
            )
        rest = listed[MAX_FINDINGS:]
        if rest:
            yield Finding(
                slug="duplicate-key",
                message=f"{len(rest)} more keys are given more than once",
                span=place(rest[0][1][1]),
                column=column,
                rows=tuple(key for key, _ in rest),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _RowDrafts:
    """What rows are made of, each of its position."""

    rows: TextRows
    typed: TableRows
    keys: Sequence[str]
    grid: CellGrid
    layout: RowLayout

    def values(self, row: int) -> RowValues:
        """Return a row's values; a cell that has a finding already gives none."""
        parts = self.typed.parts[row] if self.typed.parts else ()
        bad = self.typed.bad.get(row)
        return FaultyValues(self.grid, row, parts, bad) if bad else RowValues(self.grid, row, parts)
