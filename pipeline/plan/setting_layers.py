"""Which value of a setting wins: row's `_` column > axis > shot > defaults > built-in.

`overrides` win over all of them (docs/design/language.md §6). A value that renders to nothing is
absent, so the next layer speaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from pipeline.domain import DEFAULT_MODEL, Manifest, Shot, Value
from pipeline.errors import TemplateFault
from pipeline.findings import Finding, Span
from pipeline.models import known_models
from pipeline.plan.cells import Cell
from pipeline.plan.template_scope import CELL, ROW, TAKE, TemplateScope, as_finding

_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
OWN = frozenset({"shot", "axis"})
"""Layers in which a setting without a meaning is a mistake; elsewhere it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSetting:
    """A setting somebody wrote: its value, and where."""

    layer: str
    data: Any
    span: Span
    row: str = ""
    column: str = ""


WrittenSettings = Mapping[str, WrittenSetting]


class SettingLayers:
    """One shot's settings, read for a row and a cell at a time."""

    def __init__(self, manifest: Manifest, shot: Shot, scope: TemplateScope) -> None:
        self._manifest = manifest
        self._shot = shot
        self._scope = scope

    def level(self, cells: tuple[Cell, ...], *, steered: bool) -> int:
        """Return what the settings depend on; `steered` if any row has steering columns."""
        sources = (self._manifest.overrides, self._shot.settings, self._manifest.defaults)
        found = ROW if steered else 0
        for values in sources:
            found |= self._scope.level_of(values.values())
        for cell in cells:
            found |= self._scope.level_of(cell.sets.values()) | (CELL if cell.sets else 0)
        return found

    def takes(self, level: int) -> int | None:
        """Return how many takes are wanted; None if that has a finding."""
        # How many takes there are cannot depend on the take that is being made.
        setting = self._scope.memoize("takes", level & ~TAKE, lambda: self._setting("takes", level))
        if setting is None:
            return 1
        return setting.data if isinstance(setting, WrittenSetting) else None

    def settings(self, level: int) -> WrittenSettings | None:
        """Return the settings that somebody wrote; None if one has a finding."""

        def read() -> WrittenSettings | None:
            found: dict[str, WrittenSetting] = {}
            for name in _names_read():
                setting = self._setting(name, level)
                if isinstance(setting, Finding):
                    return None
                if setting is not None:
                    found[name] = setting
            return found

        return self._scope.memoize("settings", level, read)

    def _setting(self, name: str, level: int) -> WrittenSetting | Finding | None:
        """Return the value that wins, the finding against it, or None where none is written."""
        row = self._scope.row
        layers: tuple[tuple[str, Mapping[str, Value]], ...] = (
            ("overrides", self._manifest.overrides),
            *((("row", row.steering),) if row is not None else ()),
            ("axis", self._scope.cell.sets),
            ("shot", self._shot.settings),
            ("defaults", self._manifest.defaults),
        )
        for layer, values in layers:
            value = values.get(name)
            if value is None:
                continue
            try:
                data = self._scope.value(value)
            except TemplateFault as fault:
                finding = self._scope.in_cell(as_finding(fault), value)
                self._scope.report(finding, level)
                return finding
            # A blank cell says nothing: the layer below it applies.
            if data is None or data == "":
                continue
            what, reader = _readers()[name]
            in_row = row is not None and layer == "row"
            setting = WrittenSetting(
                layer=layer,
                data=reader(data),
                span=value.span,
                row=row.key if row and in_row else "",
                column=f"_{name}" if in_row else "",
            )
            if setting.data is not None:
                return setting
            finding = Finding(
                slug="bad-setting",
                message=f"'{name}' is {what}, not {data!r}",
                span=value.span,
                row=setting.row,
                column=setting.column,
            )
            self._scope.report(finding, level)
            return finding
        return None


def _whole(data: Any) -> int | None:
    if isinstance(data, bool):
        return None
    text = str(data).strip().removesuffix(".0")
    return int(text) if text.isascii() and text.isdecimal() else None


def _switch(data: Any) -> bool | None:
    if isinstance(data, bool):
        return data
    return {"true": True, "false": False}.get(str(data).strip().lower())


def _number(data: Any) -> float | None:
    if isinstance(data, bool) or not _NUMBER.fullmatch(str(data).strip()):
        return None
    return float(data)


def _text(data: Any) -> str | None:
    return data.strip() if isinstance(data, str) else None


def _names(data: Any) -> tuple[str, ...] | None:
    listed = [data] if isinstance(data, str) else data
    if not isinstance(listed, list | tuple) or not listed:
        return None
    return tuple(map(str, listed))


USUAL: Mapping[str, Any] = MappingProxyType(
    {"provider": ("runware",), "model": DEFAULT_MODEL, "takes": 1, "pin_provider": False}
)
"""Settings of an item nobody wrote; those of its model stand in the model's parameters."""
_Reader = tuple[str, Callable[[Any], Any]]
_ITEM_READERS: Mapping[str, _Reader] = MappingProxyType(
    {
        "provider": ("a provider's name, or a list of names", _names),
        "model": ("a model's name", _text),
        "takes": ("a whole number from 1", lambda data: _whole(data) or None),
        "pin_provider": ("true or false", _switch),
    }
)
_TYPE_READERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {"integer": _whole, "number": _number, "boolean": _switch, "string": _text}
)


@cache
def _readers() -> Mapping[str, _Reader]:
    """Return how each setting is read, with its value in words; a model's by its parameters."""
    found: dict[str, _Reader] = dict(_ITEM_READERS)
    for model in known_models().values():
        for name, parameter in model.parameters.items():
            kind = str(parameter.rule.get("type", "string"))
            found.setdefault(name, (parameter.says, _TYPE_READERS[kind]))
    return found


@cache
def _names_read() -> Sequence[str]:
    # Sorted, since a set has another order in each process, and findings come in this one.
    return sorted(_readers().keys() - {"takes"})
