"""What a shot's templates read of its table, and the cells among that which nobody can mean.

A spreadsheet exports `#REF!` where a formula has failed. As text it is no fault, and the clip of
it would be paid for; so the cells that a template reads are looked at, and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.domain import Manifest, Row, Shot, Table, Template, Value
from pipeline.findings import MAX_CAUSES, Finding, Span
from pipeline.manifest.tables.column_types import FORMULA_HINT, is_formula_error
from pipeline.manifest.tables.table_rows import ROWS


def formula_errors(manifest: Manifest) -> Iterator[Finding]:
    """Yield a finding for each column in which a cell that is used is a spreadsheet's error."""
    used: dict[str, set[str]] = {}
    # The settings of all shots may read a row as well.
    common = (*manifest.defaults.values(), *manifest.overrides.values())
    tables = manifest.tables
    for shot in manifest.shots:
        table = tables.get(shot.table or "")
        # Most files have no such text anywhere: their cells are not gone through.
        if table is not None and table.suspect:
            used.setdefault(table.name, {*table.key}).update(used_columns(shot, table, common))
    for name, columns in used.items():
        yield from _faults(tables[name], columns)


def used_columns(shot: Shot, table: Table, settings: Iterable[Value] = ()) -> set[str]:
    """Return the columns that a shot's templates read; an empty name is the row as a whole.

    `settings` are values of all shots that are looked at as well.
    """
    values = [*shot.settings.values(), *settings]
    for bundle in shot.bundles:
        values += bundle.values()
    templates = [value.data for value in values if isinstance(value.data, Template)]
    return {
        column
        for template in (shot.prompt, shot.output, *templates)
        for root, _, column in (name.partition(".") for name in template.names)
        if root in {"row", table.alias}
    }


def _faults(table: Table, columns: set[str]) -> Iterator[Finding]:
    whole = "" in columns or ROWS in columns
    asked = [n for n in table.columns if whole] or sorted(columns)
    found: dict[tuple[str, str], list[tuple[Row, Span]]] = {}
    for row in table.rows:
        for column in asked:
            values: Iterable[Any] = (row.values.get(column),)
            if whole:
                values = (line.get(column) for line in row.values[ROWS])
            error = next(filter(None, map(_error_in, values)), "")
            if error:
                place = row.cells.get(column, row.span)
                found.setdefault((column, error), []).append((row, place))
    for (column, error), rows in list(found.items())[:MAX_CAUSES]:
        (first, place), single = rows[0], len(rows) == 1
        yield Finding(
            slug="formula-error",
            message=f"the cell holds {error}, and the clip would be made with it",
            span=place,
            hint=FORMULA_HINT,
            row=first.key if single else "",
            column=column,
            rows=() if single else tuple(row.key for row, _ in rows),
        )


def _error_in(value: Any) -> str:
    """Return the spreadsheet's error that a value is or has among its entries; else nothing."""
    for each in value if isinstance(value, tuple | list) else (value,):
        if isinstance(each, str) and is_formula_error(each.strip()):
            return each.strip()
    return ""
