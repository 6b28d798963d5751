"""Manifest text → the places that look like an API key; what is found is never repeated.

A key in a manifest ends up in Git, so it is an error even where it would do nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.findings import Finding, Span
from pipeline.foreign_text import keys_in, names_a_key, redact
from pipeline.manifest.nodes import Node


def secrets(root: Node) -> tuple[Finding, ...]:
    """Return a finding for every value in a document that looks like an API key."""
    return tuple(
        Finding(
            slug="secret-in-manifest",
            message="this looks like an API key",
            span=place,
            hint="keep keys in the environment or in --env-file; this one is spent, replace it",
        )
        for place in _suspects(root, "")
    )


def hidden(source_text: str, places: tuple[Span, ...]) -> str:
    """Return a file's text with keys starred out: those found by look and those by place."""
    lines = redact(source_text).splitlines(keepends=True)
    for place in places:
        if place.line <= len(lines):
            line = lines[place.line - 1]
            start, end = place.column - 1, max(place.end_column - 1, place.column)
            lines[place.line - 1] = line[:start] + "*" * (end - start) + line[end:]
    return "".join(lines)


def _suspects(node: Node, key: str) -> Iterator[Span]:
    for name, item in node.entries():
        yield from _suspects(item, name)
    for item in node.items():
        yield from _suspects(item, key)
    if not isinstance(node.value, str) or not node.value:
        return
    if names_a_key(key) and "{{" not in node.value:
        yield node.span
        return
    for start, length in keys_in(node.value):
        yield node.at(start, length)
