"""A shot's variants → its cells: matrix × pairs, less `exclude`, with `add`, filled by `extend`.

A cell is named after its values, so two that would share a name are an error here. What is wrong
with the axes themselves is the manifest's to say; a cell that is incomplete is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from math import prod
from typing import Any

from pipeline.domain import EMPTY, Match, Value, Variants
from pipeline.findings import Finding, Span
from pipeline.models import known_models
from pipeline.plan.addresses import axis_text, cell_name

ITEM_SETTINGS = frozenset({"provider", "model", "takes", "pin_provider"})
"""Settings that every item has, whatever its model."""


@cache
def settable_names() -> frozenset[str]:
    """Return the names that set something; any other axis is a value for templates."""
    parameters = (name for model in known_models().values() for name in model.parameters)
    return ITEM_SETTINGS.union(parameters)


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


def cells(variants: Variants | None) -> tuple[tuple[Cell, ...], tuple[Finding, ...]]:
    """Return a shot's cells in order, and what is wrong; too many cells are none."""
    if variants is None:
        return (WHOLE,), ()
    pairs = min((len(axis.values) for axis in variants.pairs), default=1)
    # Counted before any is made: ten axes of ten values are ten thousand million cells.
    count = prod(len(axis.values) for axis in variants.matrix) * pairs
    if count > variants.max_cells:
        return (), (_too_many(variants, count),)
    combinations, findings = _without_excluded(variants)
    combinations += _further_cells(variants)
    # Once more, for the cells of `add`.
    if len(combinations) > variants.max_cells:
        return (), (_too_many(variants, len(combinations)),)
    by_name: dict[str, Cell] = {}
    for axes in combinations:
        cell = _cell(axes, variants)
        # The name is part of each address: two cells of one name would be two items of one address.
        first = by_name.setdefault(cell.name, cell)
        if first is cell:
            continue
        said = [
            ", ".join(f"{name} {text}" for name, text in each.axes.items())
            for each in (first, cell)
        ]
        findings.append(
            Finding(
                slug="same-cell",
                message=f"two cells are named '{first.name}': {said[0]}; and {said[1]}",
                span=cell.span or variants.span,
                hint="give one of the values another `id`",
                related=(first.span,) if first.span and first.span != cell.span else (),
            )
        )
    return tuple(by_name.values()), tuple(findings)


def _axis_names(variants: Variants) -> list[str]:
    return [axis.name for axis in (*variants.matrix, *variants.pairs)]


def _without_excluded(variants: Variants) -> tuple[list[_Axes], list[Finding]]:
    """Return the combinations that `exclude` leaves, and the excludes that match none."""
    kept: list[_Axes] = []
    used: set[int] = set()
    names = _axis_names(variants)
    columns = (axis.values for axis in variants.pairs)
    paired = list(zip(*columns, strict=False)) if variants.pairs else [()]
    # The last axis changes fastest; without any axis there is no combination.
    for single in product(*(axis.values for axis in variants.matrix)) if names else ():
        for together in paired:
            axes = dict(zip(names, (*single, *together), strict=True))
            hits = {index for index, match in enumerate(variants.exclude) if _matches(match, axes)}
            # All that match are used, not only the first: one that overlaps another is no typing
            # error.
            used |= hits
            if not hits:
                kept.append(axes)
    known = set(names)
    findings = []
    for index, match in enumerate(variants.exclude):
        if index in used or not set(match.axes) <= known:
            continue
        hint = ""
        for axis in (*variants.matrix, *variants.pairs):
            # Name the value of the match that no axis has, and those it has.
            has = [axis_text(value.data) for value in axis.values]
            if axis.name in match.axes and axis_text(match.axes[axis.name]) not in has:
                hint = f"'{axis.name}' is {' or '.join(has)}"
                break
        # An error, since a misspelt value would let the cell be bought that was to be left out.
        message = "this excludes nothing: no cell matches it"
        findings.append(Finding(slug="empty-exclude", message=message, span=match.span, hint=hint))
    return kept, findings


def _matches(match: Match, axes: _Axes) -> bool:
    return all(
        # As text, which is what names show: the number 5 and the text "5" are one value.
        name in axes and axis_text(axes[name].data) == axis_text(value)
        for name, value in match.axes.items()
    )


def _further_cells(variants: Variants) -> list[_Axes]:
    """Return the cells of `add`; a value that an axis has, map and all, is named by its id."""
    axes = (*variants.matrix, *variants.pairs)
    known = {
        (axis.name, axis_text(value.data)): value.data for axis in axes for value in axis.values
    }
    names = {axis.name for axis in axes}
    return [
        {
            name: Value(
                data=known.get((name, axis_text(data)), data),
                span=match.spans.get(name, match.span),
            )
            for name, data in match.axes.items()
        }
        for match in variants.add
        if set(match.axes) == names
    ]


def _cell(axes: _Axes, variants: Variants) -> Cell:
    # `add` may give the axes in any order; names follow the order of the axes.
    ordered = {name: axes[name] for name in _axis_names(variants)}
    given = dict(ordered)
    for match in variants.extend:
        if _matches(match, ordered):
            # Never an axis: the cell's name would then tell another value than the one that is
            # sent.
            given |= {name: value for name, value in match.set.items() if name not in ordered}
    texts = {name: axis_text(value.data) for name, value in ordered.items()}
    sets, settable = {}, settable_names()
    for name, value in given.items():
        if name in settable and isinstance(value.data, Mapping):
            # A map sets its `id`; the rest of it is for templates.
            sets[name] = Value(data=value.data.get("id"), span=value.span, folder=value.folder)
        elif name in settable:
            sets[name] = value
    return Cell(
        name=cell_name(texts.values()),
        axes=texts,
        values={name: value.data for name, value in given.items()},
        sets=sets,
        span=next(iter(ordered.values())).span,
    )


def _too_many(variants: Variants, count: int) -> Finding:
    # Thousands of axes make a number with thousands of digits, which Python does not print.
    many = f"{count:,}" if count <= _COUNTED else f"more than {_COUNTED:,}"
    fewer = "put what multiplies into a table, a row each"
    return Finding(
        slug="too-many-cells",
        message=f"{many} cells; a shot has at most {variants.max_cells:,}",
        span=variants.span,
        hint=f"write max_cells: {count} if you mean it" if count <= _MOST_CELLS else fewer,
    )
