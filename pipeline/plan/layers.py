"""Which value of a setting wins: row's `_` column > axis > shot > defaults > built-in.

`overrides` win over all of them (manifest.md §8). A value that renders to nothing is absent, so
the next layer speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pipeline.domain import Manifest, Shot, Value
from pipeline.errors import TemplateFault
from pipeline.findings import Diagnostic, Span
from pipeline.plan.looking import in_cell
from pipeline.plan.scope import CELL, ROW, TAKE, Scope, as_finding
from pipeline.plan.variants import SETTABLE, Cell

OWN = frozenset({"shot", "axis"})
"""Layers in which a setting without a meaning is a mistake; elsewhere it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A setting somebody wrote: its value, and where."""

    layer: str
    data: Any
    span: Span
    row: str = ""
    column: str = ""


Wanted = Mapping[str, Written]


class Layers:
    """One shot's settings, read for a row and a cell at a time."""

    def __init__(self, manifest: Manifest, shot: Shot, scope: Scope) -> None:
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
        wanted = self._scope.once("takes", level & ~TAKE, lambda: self._written("takes", level))
        if wanted is None:
            return 1
        return wanted.data if isinstance(wanted, Written) else None

    def wanted(self, level: int) -> Wanted | None:
        """Return the settings that somebody wrote; None if one has a finding."""
        return self._scope.once("settings", level, lambda: self._all(level))

    def _all(self, level: int) -> Wanted | None:
        found: dict[str, Written] = {}
        for name in _ORDER:
            written = self._written(name, level)
            if isinstance(written, Diagnostic):
                return None
            if written is not None:
                found[name] = written
        return found

    def _written(self, name: str, level: int) -> Written | Diagnostic | None:
        """Return the value that wins, the finding against it, or None where none is written."""
        for layer, value in self._candidates(name):
            try:
                data = self._scope.value(value)
            except TemplateFault as fault:
                finding = in_cell(as_finding(fault), value, self._scope)
                self._scope.tell(finding, level)
                return finding
            if data is None or data == "":
                continue
            return self._read(name, layer, Value(data=data, span=value.span), level)
        return None

    def _read(self, name: str, layer: str, value: Value, level: int) -> Written | Diagnostic:
        what, reader = _READERS[name]
        row = self._scope.row.key if self._scope.row and layer == "row" else ""
        column = f"_{name}" if row else ""
        data = reader(value.data)
        if data is not None:
            return Written(layer=layer, data=data, span=value.span, row=row, column=column)
        finding = Diagnostic(
            slug="bad-setting",
            message=f"'{name}' is {what}, not {value.data!r}",
            span=value.span,
            row=row,
            column=column,
        )
        self._scope.tell(finding, level)
        return finding

    def _candidates(self, name: str) -> Iterator[tuple[str, Value]]:
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
            if value is not None:
                yield layer, value


def _whole(data: Any) -> int | None:
    if isinstance(data, bool):
        return None
    text = str(data).strip().removesuffix(".0")
    return int(text) if text.isascii() and text.isdecimal() else None


def _several(data: Any) -> int | None:
    return _whole(data) or None


def _switch(data: Any) -> bool | None:
    if isinstance(data, bool):
        return data
    return {"true": True, "false": False}.get(str(data).strip().lower())


def _text(data: Any) -> str | None:
    return data.strip() if isinstance(data, str) else None


def _names(data: Any) -> tuple[str, ...] | None:
    listed = [data] if isinstance(data, str) else data
    if not isinstance(listed, list | tuple) or not listed:
        return None
    return tuple(map(str, listed))


_ORDER = tuple(sorted(SETTABLE - {"takes"}))
_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "provider": ("a provider's name, or a list of names", _names),
        "mode": ("std or pro", _text),
        "duration": ("a whole number of seconds", _whole),
        "aspect_ratio": ("a ratio such as 9:16, or auto", _text),
        "takes": ("a whole number from 1", _several),
        "keep_audio": ("true or false", _switch),
        "format": ("mp4, webm or mov", {"mp4": "mp4", "webm": "webm", "mov": "mov"}.get),
        "safety": ("a word", _text),
        "watermark": ("true or false", _switch),
        "pin_provider": ("true or false", _switch),
    }
)
