"""A product table for tests."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.domain import Row, Table
from pipeline.findings import Span

_SPAN = Span(file="products.csv", line=2)


def table(*rows: dict[str, Any]) -> Table:
    """Return a table named products with the columns sku, name, price and tags."""
    given = rows or (
        {"sku": "SKU-1", "name": "Runner", "price": Decimal("9.5"), "tags": ("a", "b")},
    )
    return Table(
        name="products",
        alias="product",
        key=("sku",),
        columns=("sku", "name", "price", "tags"),
        rows=tuple(Row(key=row["sku"], values=row, span=_SPAN) for row in given),
        path=Path("products.csv"),
        span=_SPAN,
    )
