"""Where the parts of an item's key were written.

A part's digest tells that it changed. This tells where to look for it: the line of the manifest,
the cell of the table, the value that the prompt reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.domain import Manifest, Place, Places, Row, Shot, Template, Value
from pipeline.findings import Span
from pipeline.plan import keys
from pipeline.plan.addresses import axis_text
from pipeline.plan.attachments import Attachments
from pipeline.plan.cells import Cell
from pipeline.plan.setting_layers import WrittenSettings

_WRITTEN_AS: Mapping[str, str] = {"model": "model", "provider": "pin_provider", "take": "takes"}
"""Parts of a key that a setting of another name decides, or that is a setting's itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPlaces:
    """The places of one item's parts, worked out when it is called; most items are never asked.

    places = PartPlaces(manifest=manifest, shot=shot, row=row, …)()
    print(places["settings.duration"].span.line)
    """

    manifest: Manifest
    shot: Shot
    row: Row | None
    cell: Cell
    row_names: frozenset[str]
    written: WrittenSettings
    attachments: Attachments

    def __call__(self) -> Places:
        """Return the place of each part, of each reference, and of all that the prompt reads."""
        prompt, variants, attachments = self.shot.prompt, self.shot.variants, self.attachments
        attached = self._field("use", "references")
        places = {
            "prompt": Place(span=prompt.span),
            keys.TEMPLATE: Place(span=prompt.span),
            "kind": attached,
            "references": attached,
            "extra": self._field("extra"),
            **{part: self._setting(name) for part, name in _WRITTEN_AS.items()},
            **{f"settings.{name}": self._setting(name) for name in self.written},
            "settings": self._field(),
        }
        for each in attachments.references:
            value = attachments.values.get(each.span)
            place = Place(span=each.span) if value is None else self._value(value)
            places[f"{each.role.value} {each.ordinal}"] = place
        axes = (*variants.matrix, *variants.pairs) if variants else ()
        for name in prompt.names:
            root, _, key = name.partition(".")
            if root in self.row_names:
                places[name] = self._column(key, prompt.span)
            elif root == "vars" and key in self.manifest.var_spans:
                places[name] = Place(span=self.manifest.var_spans[key])
            elif root == "variant":
                for axis in (axis for axis in axes if axis.name == key):
                    text = self.cell.axes.get(key)
                    spans = [each.span for each in axis.values if axis_text(each.data) == text]
                    places[name] = Place(span=spans[0] if spans else axis.span)
        return places

    def _field(self, *names: str) -> Place:
        """Return where the shot writes the first of these keys that it has, else the shot."""
        spans = self.shot.field_spans
        return Place(span=next((spans[n] for n in names if n in spans), self.shot.span))

    def _setting(self, name: str) -> Place:
        setting = self.written.get(name)
        if setting is None:
            return self._field(name)
        if setting.column:
            return Place(span=setting.span, cell=setting.column)
        # Several layers may have the name: the place that was kept tells which of them has won.
        for values in (self.manifest.overrides, self.cell.sets, self.shot.settings):
            value = values.get(name)
            if value is not None and value.span == setting.span:
                return self._value(value)
        return Place(span=setting.span)

    def _value(self, value: Value) -> Place:
        """Return the cell that a value is taken from as it is, else where it is written."""
        template = value.data
        if isinstance(template, Template) and template.from_row:
            for name in template.names:
                root, _, column = name.partition(".")
                if root in self.row_names and column:
                    return self._column(column, value.span)
        return Place(span=value.span)

    def _column(self, column: str, otherwise: Span) -> Place:
        span = self.row.cells.get(column) if self.row else None
        # A joined column has a place only where the row has a match.
        if span is None and self.row is not None:
            span = self.row.span
        return Place(span=span or otherwise, cell=column)
