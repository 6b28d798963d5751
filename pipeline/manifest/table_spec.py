"""A table's map in the manifest → what is to be done, with every column it names checked.

A name that no column has is reported at its place and left out of what is to be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.domain import EMPTY
from pipeline.findings import Finding, Span
from pipeline.manifest.table_reading import Sheet
from pipeline.manifest.table_rows import ROWS
from pipeline.manifest.table_types import (
    STEERING,
    UNTYPED,
    ColumnType,
    column_type,
    steering_type,
)
from pipeline.manifest.wording import did_you_mean, shown

SpanOf = Callable[..., Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Another table whose columns are added where its rows match."""

    table: str
    on: str
    keep: bool
    """Rows without a match stay, with blank columns."""
    steps: tuple[str, ...]
    """Way to the join in the table's map, for places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the manifest wants of a table, as far as the table has the columns for it."""

    key: str | None
    group_by: str | None
    columns: tuple[str, ...]
    """The table's own columns, without those that steer."""
    types: Mapping[str, ColumnType] = field(default_factory=lambda: EMPTY)
    steering: Mapping[str, ColumnType] = field(default_factory=lambda: EMPTY)
    fill_down: tuple[str, ...] = ()
    limit: int | None = None

    def type_of(self, name: str) -> ColumnType:
        """Return how a column is read."""
        return self.steering.get(name) or self.types.get(name) or UNTYPED


def wished(
    spec: Mapping[str, Any], sheet: Sheet, span_of: SpanOf
) -> tuple[Wish, tuple[Finding, ...]]:
    """Return what a table's map wants, and a finding for each column it names in vain."""
    names = tuple(name for name in sheet.columns if not name.startswith("_") and name != ROWS)
    known = {*names, *(name for name in sheet.columns if name in STEERING)}
    findings = list(_reserved(sheet))

    def has(name: str, *steps: str) -> bool:
        if name not in known:
            findings.append(unknown_column(name, names, span_of(*steps)))
        return name in known

    types = spec.get("columns", {})
    wish = Wish(
        key=spec["key"] if has(spec["key"], "key") else None,
        group_by=_group(spec, has),
        columns=names,
        types={n: column_type(kind) for n, kind in types.items() if has(n, "columns", n)},
        steering={name: steering_type(name) for name in STEERING if name in sheet.columns},
        fill_down=tuple(
            name
            for number, name in enumerate(spec.get("fill_down", ()))
            if has(name, "fill_down", str(number))
        ),
        limit=spec.get("limit"),
    )
    return wish, tuple(findings)


def _group(spec: Mapping[str, Any], has: Callable[..., bool]) -> str | None:
    name = spec.get("group_by")
    return name if name is None or has(name, "group_by") else None


def joins(spec: Mapping[str, Any]) -> tuple[Join, ...]:
    """Return a table's joins in the order in which they are written."""
    written: Any = spec.get("join", ())
    listed = [written] if isinstance(written, Mapping) else list(written)
    return tuple(
        Join(
            table=join["table"],
            on=join["on"],
            keep=join.get("missing") == "keep",
            steps=("join",) if isinstance(written, Mapping) else ("join", str(number)),
        )
        for number, join in enumerate(listed)
    )


def sorting(
    spec: Mapping[str, Any], columns: Sequence[str], span_of: SpanOf
) -> tuple[tuple[tuple[str, bool], ...], tuple[Finding, ...]]:
    """Return the columns to sort by, each with whether downwards, and unknown ones' findings."""
    written: Any = spec.get("order_by", ())
    found: list[tuple[str, bool]] = []
    findings: list[Finding] = []
    for number, name in enumerate([written] if isinstance(written, str) else written):
        down = name.startswith("-") and name not in columns
        column = name[1:].strip() if down else name
        if column in columns:
            found.append((column, down))
        else:
            findings.append(unknown_column(column, columns, span_of("order_by", str(number))))
    return tuple(found), tuple(findings)


def unknown_column(name: str, columns: Sequence[str], place: Span, *, table: str = "") -> Finding:
    """Return the finding for a column that a table, this or a named one, does not have."""
    return Finding(
        slug="unknown-column",
        message=f"the table{table and f' {shown(table)}'} has no column {shown(name)}",
        span=place,
        hint=did_you_mean(name, columns),
    )


def _reserved(sheet: Sheet) -> Iterator[Finding]:
    """Yield a finding for each column whose name means something else, or might one day."""
    for name in sheet.columns:
        if name == ROWS:
            yield Finding(
                slug="reserved-column",
                message="a column cannot be named 'rows': that is a row's own lines",
                span=sheet.header(name),
                hint="rename it",
            )
        elif name.startswith("_") and name not in STEERING:
            yield Finding(
                slug="unknown-steering",
                message=f"no column named {shown(name)} steers anything",
                span=sheet.header(name),
                hint=did_you_mean(name, STEERING),
            )
