"""The manifest's `tables` → read tables, and the names that templates may use of their rows.

A table is read after those it joins. What a table's own map, file or cells have wrong is told by
`tables`; here it is decided in which order, with which names, and what happens when one fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.allowed_paths import AllowedPaths
from pipeline.domain import Table, Template
from pipeline.errors import MediaFault
from pipeline.findings import Finding, Span
from pipeline.manifest.layers import SET, shown_path
from pipeline.manifest.nodes import Node
from pipeline.manifest.scope import SCALAR, Scope
from pipeline.manifest.table_rows import ROWS, names_of
from pipeline.manifest.tables import joined_tables, read_table
from pipeline.manifest.templates import compile_condition

_NAMES = ("campaign", "vars", "row", "shot", "variant", "take", "refs", "row_key", "cell", "ext")
_BEFORE = "a table is read before there are shots"


@dataclass(slots=True, kw_only=True)
class Tables:
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
    _open: set[str] = field(default_factory=set)
    """Tables that wait for one they join."""

    @property
    def aliases(self) -> dict[str, str]:
        """Return what templates call a row, by table."""
        found = {name: spec.get("as") for name, spec in self.specs.items()}
        return {name: str(alias.value) for name, alias in found.items() if alias is not None}

    def read_all(self) -> None:
        """Read every table."""
        for name in self.specs:
            self._need(name)

    def _need(self, name: str) -> None:
        if name in self.tables or name not in self.specs:
            return
        spec = self.specs[name]
        # Until it is read it counts as one that cannot be: so a table that joins it says nothing.
        self.tables[name], self.columns[name] = None, None
        self.findings += _taken(spec.get("as"))
        where, faults = self._condition(spec)
        self.findings += faults
        if spec.broken:
            return
        data = spec.plain()
        self._open.add(name)
        for other in joined_tables(data):
            self._join(name, other, spec)
        self._open.remove(name)
        table = self._table(name, spec, data, where)
        if table is not None:
            self.columns[name] = frozenset({*names_of(table.columns).positions, ROWS})
        # Without its `where` a table has rows that nobody asked for.
        self.tables[name] = None if faults else table

    def _join(self, name: str, other: str, spec: Node) -> None:
        if other not in self._open:
            self._need(other)
            return
        itself = "itself" if other == name else f"'{other}', which waits for it"
        message = f"the table '{name}' joins {itself}"
        place = spec.key_span("join")
        hint = "take out one of the joins"
        self.findings.append(Finding(slug="join-loop", message=message, span=place, hint=hint))

    def _condition(self, spec: Node) -> tuple[Template | None, tuple[Finding, ...]]:
        node = spec.get("where")
        return compile_condition(node, self._scope(spec)) if node else (None, ())

    def _scope(self, spec: Node) -> Scope:
        """Return the names of a `where`; the columns are only known once the table is read."""
        alias = spec.get("as")
        rows = frozenset({"row", *([str(alias.value)] if alias else [])})
        names = {"campaign": SCALAR, "vars": frozenset(self.context["vars"])}
        return Scope(
            names={**names, **dict.fromkeys(rows)},
            elsewhere=dict.fromkeys(("shot", "variant", "take"), _BEFORE),
            rows=rows,
        )

    def _table(
        self, name: str, spec: Node, data: Mapping[str, Any], where: Template | None
    ) -> Table | None:
        file = spec.value["file"]
        try:
            # A file that the person at the command line names is theirs to name.
            if file.source.shown != SET:
                self.allowed.resolve(str(file.value), spec.folder)
        except MediaFault as fault:
            self.findings.append(
                Finding(slug=fault.slug, message=fault.message, span=file.span, hint=fault.hint)
            )
            return None

        def span_of(*steps: str) -> Span:
            return _place(spec, steps)

        table, findings = read_table(
            data,
            name=name,
            path=spec.folder / str(file.value),
            shown=shown_path(file),
            span_of=span_of,
            read=self.read,
            where=where,
            other_tables=self.tables,
            context=self.context,
        )
        self.findings += findings
        return table


def _taken(alias: Node | None) -> Iterator[Finding]:
    if alias is not None and alias.value in _NAMES:
        message = f"templates already have a name '{alias.value}'"
        hint = "call the row something else"
        yield Finding(slug="reserved-name", message=message, span=alias.span, hint=hint)


def _place(node: Node, steps: tuple[str, ...]) -> Span:
    """Return where a key of a table is written, or the deepest place on the way to it."""
    place = node.span
    for step in steps:
        place = node.key_span(step) if step in node.keys else place
        items = node.items()
        inner = items[int(step)] if items and step.isdecimal() else node.get(step)
        if inner is None:
            return place
        node, place = inner, inner.span
    return place
