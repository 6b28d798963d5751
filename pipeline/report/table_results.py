"""A product table and its records become results.<table>.csv: the table, and what came of each row.

The table's own columns come first and unchanged, one line per row and with its own delimiter, so
that it can be joined back; then status, path, cost and cause for each shot and cell, in the order
of the manifest. What turns the direction of writing is written out in our own columns' titles; a
path stays the file's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import Any

from pipeline.domain import Record, Table
from pipeline.foreign_text import without_direction
from pipeline.report.formats import UNKNOWN, csv_line

_FACTS = ("status", "path", "cost_usd", "cause")


def to_results(table: Table, records: Iterable[Record], shots: Collection[str]) -> Iterator[str]:
    """Yield results.<table>.csv line by line, for the shots that are made for this table."""
    columns: dict[str, None] = {}
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for record in records:
        if record.shot in shots:
            cell = f"[{record.cell}]" if record.cell else ""
            name = f"{record.shot}{cell}" + (f"#{record.take}" if record.take > 1 else "")
            columns[name] = None
            known = UNKNOWN if record.charge_source == UNKNOWN else str(record.charged_usd)
            cost = "shared" if record.shared_with else known
            facts = (record.state, record.path or "", cost, record.cause)
            found.setdefault(record.row_key, {})[name] = facts
    titles = (f"{without_direction(name)} {fact}" for name in columns for fact in _FACTS)
    yield csv_line([*table.columns, *titles], table.delimiter)
    for row in table.rows:
        own = [cell_text(row.values.get(name)) for name in table.columns]
        results = found.get(row.key, {})
        facts_of = [fact for name in columns for fact in results.get(name, ("",) * len(_FACTS))]
        yield csv_line([*own, *facts_of], table.delimiter)


def cell_text(value: Any) -> str:
    """Return a typed table value as text: lists with bars between, nothing for None."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case date():
            return value.isoformat()
        case list() | tuple():
            return " | ".join(cell_text(inner) for inner in value)
        case _:
            return str(value)
