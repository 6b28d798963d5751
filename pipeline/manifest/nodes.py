"""A value of a YAML document and its place: what every other part of this stage reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.domain.item import EMPTY
from pipeline.findings import Span
from pipeline.manifest.positions import Source, offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value of a document: a scalar, a tuple of nodes, or a map of nodes; and its place."""

    value: Any
    span: Span
    source: Source
    keys: Mapping[str, Span] = field(default_factory=lambda: EMPTY)
    """Places of a map's keys."""
    extent: tuple[int, int] = (0, 0)
    """Where a scalar's text begins and ends in the source, quotes included."""
    style: str = ""
    """How a scalar is written: plain is "", else its quote, `|` or `>`."""
    size: int = 1
    """Nodes in it, counted as often as aliases repeat them."""
    broken: bool = False
    """Something in it had a finding and was taken out, so it may not be complete."""
    lost: frozenset[str] = frozenset()
    """Keys of a map that were taken out."""

    @property
    def folder(self) -> Path:
        """Tell the folder of the file it is written in."""
        return self.source.folder

    def get(self, key: str) -> Node | None:
        """Return the value of a map's key; None where there is none or this is no map."""
        return self.value.get(key) if isinstance(self.value, Mapping) else None

    def entries(self) -> tuple[tuple[str, Node], ...]:
        """Return a map's keys with their values; nothing for anything else."""
        return tuple(self.value.items()) if isinstance(self.value, Mapping) else ()

    def items(self) -> tuple[Node, ...]:
        """Return a list's values; nothing for anything else."""
        return self.value if isinstance(self.value, tuple) else ()

    def key_span(self, key: str) -> Span:
        """Tell where a map's key is written, or where the map begins."""
        return self.keys.get(key, self.span)

    def plain(self) -> Any:
        """Return the value as plain data, without places."""
        match self.value:
            case tuple():
                return [item.plain() for item in self.value]
            case Mapping():
                return {key: item.plain() for key, item in self.value.items()}
        return self.value

    def at(self, offset: int, length: int = 1) -> Span:
        """Return the place of a piece of a text value, counted from the value's first character."""
        if not isinstance(self.value, str) or not self.value:
            return self.span
        places = offsets(self.source.text, self.extent, self.style, self.value)
        last = len(places) - 1
        end = min(max(offset + length - 1, offset), last)
        return self.source.span(places[min(offset, last)], places[end] + 1)
