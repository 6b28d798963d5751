"""The manifest as it stands once bases, profile and --set are laid over it, value by value."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.domain import Written
from pipeline.foreign_text import redact
from pipeline.manifest.nodes import Node


def resolved(node: Node, steps: tuple[str | int, ...] = ()) -> Iterator[Written]:
    """Yield each value with its steps from the top and the place it comes from; keys are starred.

    Shots are named by their id instead of their number, where they have one.
    """
    children: list[tuple[str | int, Node]] = list(node.entries())
    children += [(_named(child, n), child) for n, child in enumerate(node.items())]
    for step, child in children:
        yield from resolved(child, (*steps, step))
    if not children:
        value = redact(node.value) if isinstance(node.value, str) else node.plain()
        yield Written(steps=steps, value=value, span=node.span)


def _named(node: Node, number: int) -> str | int:
    own = node.get("id")
    return own.value if own is not None and isinstance(own.value, str) else number
