"""A shot's `variants` → axes and matches, and what is wrong with them before any row is seen."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.domain import Axis, Match, Value, Variants
from pipeline.findings import Finding
from pipeline.manifest.nodes import Node
from pipeline.manifest.values import not_templatable
from pipeline.manifest.wording import did_you_mean


def variants(node: Node) -> Variants:
    """Return the axes as written; `plan` makes the cells of them."""
    most = node.get("max_cells")
    return Variants(
        matrix=_axes(node.get("matrix")),
        pairs=_axes(node.get("pairs")),
        exclude=_cells(node, "exclude"),
        add=_cells(node, "add"),
        extend=tuple(_extension(item) for item in _listed(node, "extend")),
        max_cells=most.value if most else 2000,
        span=node.span,
    )


def variant_names(node: Node | None) -> frozenset[str] | None:
    """Return the names under `variant` in some cell; None where they cannot be known."""
    if node is None:
        return frozenset()
    if node.broken:
        return None
    names = set(_axis_names(node))
    for item in _listed(node, "extend"):
        added = item.get("set")
        names |= {key for key, _ in added.entries()} if added else set()
    return frozenset(names)


def variant_faults(node: Node) -> Iterator[Finding]:
    """Yield what is wrong with a shot's variants."""
    yield from not_templatable(node, "variants")
    axes = _axis_names(node)
    yield from _twice(node)
    yield from _unequal(node.get("pairs"))
    for item in (*_listed(node, "exclude"), *_listed(node, "add")):
        yield from _unknown_axes(item, axes)
    for item in _listed(node, "add"):
        yield from _incomplete(item, axes)
    for item in _listed(node, "extend"):
        yield from _unknown_axes(item.get("match"), axes)
        yield from _overwrites(item.get("set"), axes)


def _listed(node: Node, key: str) -> tuple[Node, ...]:
    found = node.get(key)
    return found.items() if found else ()


def _axis_names(node: Node) -> tuple[str, ...]:
    parts = (node.get("matrix"), node.get("pairs"))
    return tuple(key for part in parts if part for key, _ in part.entries())


def _axes(node: Node | None) -> tuple[Axis, ...]:
    return tuple(
        Axis(
            name=name,
            values=tuple(_value(value) for value in item.items()),
            span=node.key_span(name),
        )
        for name, item in (node.entries() if node else ())
        if node
    )


def _value(node: Node) -> Value:
    return Value(data=node.plain(), span=node.span, folder=node.folder)


def _cells(node: Node, key: str) -> tuple[Match, ...]:
    return tuple(
        Match(
            axes=item.plain(),
            spans={axis: value.span for axis, value in item.entries()},
            span=item.span,
        )
        for item in _listed(node, key)
    )


def _extension(node: Node) -> Match:
    match, added = node.get("match"), node.get("set")
    return Match(
        axes=match.plain() if match else {},
        set={key: _value(item) for key, item in added.entries()} if added else {},
        span=node.span,
    )


def _twice(node: Node) -> Iterator[Finding]:
    matrix, pairs = node.get("matrix"), node.get("pairs")
    for key, _ in pairs.entries() if pairs else ():
        if matrix and pairs and matrix.get(key):
            yield Finding(
                slug="duplicate-axis",
                message=f"the axis '{key}' is in 'matrix' and in 'pairs'",
                span=pairs.key_span(key),
                hint="keep one of them",
                related=(matrix.key_span(key),),
            )


def _unequal(pairs: Node | None) -> Iterator[Finding]:
    entries = pairs.entries() if pairs else ()
    if pairs is None or not entries:
        return
    first, shape = entries[0]
    for key, item in entries[1:]:
        if len(item.items()) != len(shape.items()):
            counts = f"{len(item.items())} and {len(shape.items())}"
            yield Finding(
                slug="unequal-pairs",
                message=f"'{key}' and '{first}' go together, but have {counts} values",
                span=pairs.key_span(key),
                hint="give them as many values, or put one of them under 'matrix'",
                related=(pairs.key_span(first),),
            )


def _unknown_axes(node: Node | None, axes: tuple[str, ...]) -> Iterator[Finding]:
    for key, _ in node.entries() if node else ():
        if node and key not in axes:
            yield Finding(
                slug="unknown-axis",
                message=f"the shot has no axis '{key}'",
                span=node.key_span(key),
                hint=did_you_mean(key, axes),
            )


def _incomplete(node: Node, axes: tuple[str, ...]) -> Iterator[Finding]:
    lacking = [axis for axis in axes if node.get(axis) is None]
    if lacking:
        named = " and ".join(lacking) + (" is" if len(lacking) == 1 else " are")
        yield Finding(
            slug="incomplete-cell",
            message=f"a cell that is added gives every axis; {named} missing",
            span=node.span,
            hint=f"add {', '.join(f'{axis}: …' for axis in lacking)}",
        )


def _overwrites(node: Node | None, axes: tuple[str, ...]) -> Iterator[Finding]:
    for key, _ in node.entries() if node else ():
        if node and key in axes:
            yield Finding(
                slug="overwrites-axis",
                message=f"'{key}' is an axis, so 'extend' cannot set it",
                span=node.key_span(key),
                hint="use 'exclude' and 'add' to change which cells there are",
            )
