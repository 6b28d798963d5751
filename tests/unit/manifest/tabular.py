"""Short ways to read a piece of CSV as a table, and to say what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.domain import EMPTY, Row, Table
from pipeline.findings import Finding, Span, render
from pipeline.manifest.tables.table_loader import read_table
from pipeline.manifest.templates.compile import compile_condition
from pipeline.manifest.templates.lint import SCALAR, Scope
from tests.unit.manifest.reading import value

_SCOPE = Scope(
    names={"row": None, "product": None, "vars": frozenset({"market"}), "campaign": SCALAR},
    rows=frozenset({"row", "product"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A table and its findings."""

    table: Table | None
    findings: tuple[Finding, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Return the rows of a table that could be read."""
        assert self.table is not None
        return self.table.rows

    @property
    def keys(self) -> list[str]:
        """Return the keys of the rows in order."""
        return [row.key for row in self.rows]

    @property
    def told(self) -> list[str]:
        """Return the findings as they are shown, without excerpts."""
        return [render(finding, {}) for finding in self.findings]

    def column(self, name: str) -> list[Any]:
        """Return the values of a column."""
        return [row.values[name] for row in self.rows]


def span_of(*steps: str) -> Span:
    """Return a place in a manifest that shows the way to it."""
    return Span(file="/".join(("m.yaml", *steps)))


def read(
    data: str | bytes,
    *,
    where: str = "",
    others: Mapping[str, Table | None] = EMPTY,
    context: Mapping[str, Any] = EMPTY,
    **spec: Any,
) -> Read:
    """Return what reading a CSV file gives; the key is `sku` and the alias `product`."""
    content = data.encode() if isinstance(data, str) else data
    condition = None
    if where:
        condition, faults = compile_condition(value(f"a: {where}"), _SCOPE)
        assert not faults
    table, findings = read_table(
        {"file": "t.csv", "key": "sku", "as": "product", **spec},
        name="products",
        path=Path("/tables/t.csv"),
        shown="t.csv",
        span_of=span_of,
        read=lambda _: content,
        where=condition,
        other_tables=others,
        context=context,
    )
    return Read(table=table, findings=findings)
