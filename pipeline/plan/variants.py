"""A shot's variants → its cells: matrix × pairs, less `exclude`, with `add`, filled by `extend`.

A cell is named after its values, so two that would share a name are an error here. What is wrong
with the axes themselves is the manifest's to say; a cell that is incomplete is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, product
from math import prod
from typing import Any

from pipeline.domain import Axis, Match, Value, Variants
from pipeline.domain.item import EMPTY
from pipeline.findings import Diagnostic, Span
from pipeline.plan.address import cell_name, shown

SETTABLE = frozenset(
    {
        *("provider", "mode", "duration", "aspect_ratio", "takes"),
        *("keep_audio", "format", "safety", "watermark", "pin_provider"),
    }
)
"""Names that set something; any other axis is a value for templates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One variant: its name, what templates see of it, and the settings it makes."""

    name: str = ""
    axes: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Axis to value as text: what selections and reports name."""
    values: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    """What templates see as `variant`."""
    sets: Mapping[str, Value] = field(default_factory=lambda: EMPTY)
    span: Span | None = None


_MOST_CELLS = 100_000
"""What `max_cells` may be, by the manifest's schema."""
_COUNTED = 10**12
WHOLE = Cell()
"""The only cell of a shot without variants."""
_Axes = dict[str, Value]


def cells(variants: Variants | None) -> tuple[tuple[Cell, ...], tuple[Diagnostic, ...]]:
    """Return a shot's cells in order, and what is wrong; too many cells are none."""
    if variants is None:
        return (WHOLE,), ()
    count = prod(len(axis.values) for axis in variants.matrix) * _pairs_length(variants)
    if count > variants.max_cells:
        return (), (_too_many(variants, count),)
    kept, findings = _kept(variants)
    known = set(_names(variants))
    added = (_added(match, variants) for match in variants.add if set(match.axes) == known)
    found = [_cell(axes, variants) for axes in chain(kept, added)]
    if len(found) > variants.max_cells:
        return (), (_too_many(variants, len(found)),)
    unique, twice = _unique(found, variants)
    return unique, (*findings, *twice)


def _pairs_length(variants: Variants) -> int:
    return min((len(axis.values) for axis in variants.pairs), default=1)


def _combinations(variants: Variants) -> Iterator[_Axes]:
    """Yield every cell of the matrix and the pairs, the last axis fastest."""
    if not variants.matrix and not variants.pairs:
        return
    names = _names(variants)
    columns = (axis.values for axis in variants.pairs)
    paired = list(zip(*columns, strict=False)) if variants.pairs else [()]
    for single in product(*(axis.values for axis in variants.matrix)):
        for together in paired:
            yield dict(zip(names, (*single, *together), strict=True))


def _names(variants: Variants) -> list[str]:
    return [axis.name for axis in (*variants.matrix, *variants.pairs)]


def _kept(variants: Variants) -> tuple[list[_Axes], list[Diagnostic]]:
    kept: list[_Axes] = []
    used: set[int] = set()
    for axes in _combinations(variants):
        hits = {index for index, match in enumerate(variants.exclude) if _matches(match, axes)}
        used |= hits
        if not hits:
            kept.append(axes)
    known = set(_names(variants))
    findings = [
        Diagnostic(
            slug="empty-exclude",
            message="this excludes nothing: no cell matches it",
            span=match.span,
            hint=_near_miss(match, (*variants.matrix, *variants.pairs)),
        )
        for index, match in enumerate(variants.exclude)
        if index not in used and set(match.axes) <= known
    ]
    return kept, findings


def _matches(match: Match, axes: _Axes) -> bool:
    return all(
        name in axes and shown(axes[name].data) == shown(value)
        for name, value in match.axes.items()
    )


def _near_miss(match: Match, axes: Iterable[Axis]) -> str:
    """Say which value of the match no axis has, and which it has."""
    for axis in axes:
        has = [shown(value.data) for value in axis.values]
        if axis.name in match.axes and shown(match.axes[axis.name]) not in has:
            return f"'{axis.name}' is {' or '.join(has)}"
    return ""


def _added(match: Match, variants: Variants) -> _Axes:
    """Return a further cell; a value that an axis has already, map and all, is named by its id."""
    known = {
        (axis.name, shown(value.data)): value.data
        for axis in (*variants.matrix, *variants.pairs)
        for value in axis.values
    }
    return {
        name: Value(
            data=known.get((name, shown(data)), data), span=match.spans.get(name, match.span)
        )
        for name, data in match.axes.items()
    }


def _cell(axes: _Axes, variants: Variants) -> Cell:
    # `add` may give the axes in any order; names follow the order of the axes.
    ordered = {name: axes[name] for name in _names(variants)}
    given = dict(ordered)
    for match in variants.extend:
        if _matches(match, ordered):
            given |= {name: value for name, value in match.set.items() if name not in ordered}
    texts = {name: shown(value.data) for name, value in ordered.items()}
    return Cell(
        name=cell_name(texts.values()),
        axes=texts,
        values={name: value.data for name, value in given.items()},
        sets={name: _set(value) for name, value in given.items() if name in SETTABLE},
        span=next(iter(ordered.values())).span,
    )


def _set(value: Value) -> Value:
    """Return an axis value as the setting it makes: of a map, its `id`."""
    if not isinstance(value.data, Mapping):
        return value
    return Value(data=value.data.get("id"), span=value.span, folder=value.folder)


def _unique(found: list[Cell], variants: Variants) -> tuple[tuple[Cell, ...], list[Diagnostic]]:
    by_name: dict[str, Cell] = {}
    findings: list[Diagnostic] = []
    for cell in found:
        first = by_name.setdefault(cell.name, cell)
        if first is not cell:
            findings.append(_same(first, cell, variants))
    return tuple(by_name.values()), findings


def _same(first: Cell, second: Cell, variants: Variants) -> Diagnostic:
    told = [
        ", ".join(f"{name} {text}" for name, text in cell.axes.items()) for cell in (first, second)
    ]
    return Diagnostic(
        slug="same-cell",
        message=f"two cells are named '{first.name}': {told[0]}; and {told[1]}",
        span=second.span or variants.span,
        hint="give one of the values another `id`",
        related=(first.span,) if first.span and first.span != second.span else (),
    )


def _too_many(variants: Variants, count: int) -> Diagnostic:
    # Thousands of axes make a number with thousands of digits, which Python does not print.
    many = f"{count:,}" if count <= _COUNTED else f"more than {_COUNTED:,}"
    fewer = "put what multiplies into a table, a row each"
    return Diagnostic(
        slug="too-many-cells",
        message=f"{many} cells; a shot has at most {variants.max_cells:,}",
        span=variants.span,
        hint=f"write max_cells: {count} if you mean it" if count <= _MOST_CELLS else fewer,
    )
