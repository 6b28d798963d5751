"""What templates see at one row, cell and take; each thing is worked out once per what it reads.

A template is a function of the names it reads. One that reads no column is rendered once for all
rows, one that reads no axis once for all cells: with 1,000,000 items that decides the cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from pipeline.domain import Manifest, Row, Shot, Template, Value
from pipeline.errors import TemplateFault
from pipeline.findings import Finding, FindingCollector
from pipeline.plan.cells import WHOLE, Cell

ROW, CELL, TAKE = 1, 2, 4
"""Levels of the expansion, as bits: what a value depends on is a sum of them."""
_BOTH = ROW | CELL
_NOTHING: Any = object()
_T = TypeVar("_T")


class TemplateScope:
    """The names of one shot's templates; rows, cells and takes are entered one after another."""

    def __init__(self, manifest: Manifest, shot: Shot, findings: FindingCollector) -> None:
        table = manifest.tables.get(shot.table or "")
        self._rendering = 0
        self.row: Row | None = None
        self.cell: Cell = WHOLE
        self.take = 1
        self.context: dict[str, Any] = {
            "campaign": manifest.name,
            "vars": manifest.vars,
            "shot": {"id": shot.id, "tags": shot.tags},
            "row_key": "",
            "cell": "",
            "ext": "{ext}",
            "variant": WHOLE.values,
            "take": 1,
            # The manifest's templates hand a warning for each blank value to this name.
            "__warn__": lambda finding: self.report(finding, self._rendering),
        }
        self.row_names = frozenset({"row", table.alias if table else ""} - {""})
        self._findings = findings
        self._depends = {"variant": CELL, "cell": CELL, "take": TAKE, "row_key": ROW}
        self._depends |= dict.fromkeys(self.row_names, ROW)
        # By the template's id, which stays its own: the manifest keeps all templates alive.
        self._levels: dict[int, int] = {}
        # What reads no column lasts for the shot. The rest goes with its row, so that what is kept
        # does not grow with the table.
        self._lasting: dict[Any, Any] = {}
        self._passing: dict[Any, Any] = {}

    def enter_row(self, row: Row | None) -> None:
        """Go on to a row; what depends on the one before is forgotten."""
        self.row = row
        self._passing.clear()
        if row is not None:
            self.context["row_key"] = row.key
            self.context |= dict.fromkeys(self.row_names, row.values)

    def enter_cell(self, cell: Cell) -> None:
        """Go on to a cell."""
        self.cell = cell
        self.context["cell"] = cell.name
        self.context["variant"] = cell.values

    def enter_take(self, take: int) -> None:
        """Go on to a take."""
        self.take = take
        self.context["take"] = take

    def declare(self, name: str, level: int) -> None:
        """Say on which levels a further name of the context depends."""
        self._depends[name] = level

    def level(self, template: Template) -> int:
        """Return the levels that a template depends on."""
        known = self._levels.get(id(template))
        if known is None:
            known = 0
            for name in template.names:
                known |= self.level_of_name(name)
            self._levels[id(template)] = known
        return known

    def level_of_name(self, name: str) -> int:
        """Return the levels that a name of the context depends on, `product.color` for instance."""
        return self._depends.get(name.partition(".")[0], 0)

    def level_of(self, values: Iterable[Value | None]) -> int:
        """Return the levels that any of these values depends on."""
        found = 0
        for value in values:
            if value is not None and isinstance(value.data, Template):
                found |= self.level(value.data)
        return found

    def memoize(self, name: Any, level: int, make: Callable[[], _T]) -> _T:
        """Return what `make` gives, made once for each row, cell or take it depends on.

        What depends on both row and cell is made at each call: nothing would be saved.
        """
        if level & _BOTH == _BOTH:
            return make()
        place = (name, self.cell.name if level & CELL else "", self.take if level & TAKE else 0)
        # None is a value that is kept like any other.
        kept = self._passing if level & ROW else self._lasting
        value: _T = kept.get(place, _NOTHING)
        if value is _NOTHING:
            value = kept[place] = make()
        return value

    def render(self, template: Template) -> Any:
        """Return what a template renders to here; raises TemplateFault."""
        level = self.level(template)
        if level & _BOTH == _BOTH:
            return self._render(template, level)
        return self.memoize(id(template), level, lambda: self._render(template, level))

    def value(self, value: Value) -> Any:
        """Return a value's plain data, rendered where it is a template."""
        return self.render(value.data) if isinstance(value.data, Template) else value.data

    def report_fault(self, fault: TemplateFault, level: int) -> None:
        """Keep a fault as a finding, with the row if it can be the row's."""
        # What reads a faulty cell is no second fault.
        if fault.slug:
            self.report(as_finding(fault), level)

    def report(self, finding: Finding, level: int) -> None:
        """Keep a finding, with the row if it depends on rows."""
        self._findings.add(finding, self.row.key if self.row and level & ROW else "")

    def in_cell(self, finding: Finding, value: Value) -> Finding:
        """Return the finding at the table's cell that a value is taken from as it is, if it is."""
        row, template = self.row, value.data
        if row is None or not isinstance(template, Template) or not template.from_row:
            return finding
        columns = {
            column
            for root, _, column in (name.partition(".") for name in template.names)
            if root in self.row_names
        }
        column = columns.pop() if len(columns) == 1 else ""
        place = row.cells.get(column)
        if place is None:
            return finding
        return replace(
            finding,
            span=place,
            row=row.key,
            column=column,
            related=(finding.span, *finding.related),
        )

    def _render(self, template: Template, level: int) -> Any:
        # A warning comes from within: whether it is the row's is known by the template alone.
        self._rendering = level
        return template.render(self.context)


def as_finding(fault: TemplateFault) -> Finding:
    """Return a fault as a finding, at its place in the manifest."""
    return Finding(slug=fault.slug, message=fault.message, span=fault.span, hint=fault.hint)
