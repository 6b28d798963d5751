"""Manifest text → the places that look like an API key; what is found is never repeated.

A key in a manifest ends up in Git, so it is an error even where it would do nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from pipeline.diagnostics import Diagnostic, Span
from pipeline.manifest.nodes import Node

# Prefixes in common use (Bearer headers and the `sk-` family); certain enough by themselves.
_PREFIXED = r"(?:sk|pk|rk|key|inf|rw|uni|ghp|xox[abp])[-_][A-Za-z0-9_-]{16,}"
_BEARER = r"[Bb]earer\s+[A-Za-z0-9._~+/-]{12,}=*"
# A random-looking word: long, with capitals, small letters and digits mixed. A SHA-256 is not,
# since it has no capitals; a path or an address is not, since it has separators.
_RANDOM = (
    r"(?<![\w./%&+-])(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Z])(?=[A-Za-z0-9]*[a-z])"
    r"[A-Za-z0-9]{28,200}(?![\w./%-])"
)
_SECRET = re.compile(f"{_BEARER}|(?<![\\w-]){_PREFIXED}|{_RANDOM}")
_KEY_NAME = re.compile(
    r"(?:.*[_-])?(?:api[_-]?key|apikey|secret|password|passwd|auth(?:orization)?|(?:access|api|auth)"
    r"[_-]?token|token)",
    re.IGNORECASE,
)


def secrets(root: Node) -> tuple[Diagnostic, ...]:
    """Return a finding for every value in a document that looks like an API key."""
    return tuple(
        Diagnostic(
            slug="secret-in-manifest",
            message="this looks like an API key",
            span=place,
            hint="keep keys in the environment or in --env-file; this one is spent, replace it",
        )
        for place in _suspects(root, "")
    )


def masked(text: str) -> str:
    """Return a text with whatever looks like a key replaced by as many stars."""
    return _SECRET.sub(_stars, text)


def hidden(source_text: str, places: tuple[Span, ...]) -> str:
    """Return a file's text with keys starred out: those found by look and those by place."""
    lines = masked(source_text).splitlines(keepends=True)
    for place in places:
        if place.line <= len(lines):
            line = lines[place.line - 1]
            start, end = place.column - 1, max(place.end_column - 1, place.column)
            lines[place.line - 1] = line[:start] + "*" * (end - start) + line[end:]
    return "".join(lines)


def _stars(found: re.Match[str]) -> str:
    text = found[0]
    return "*" * len(text) if _is_random(text) else text


def _is_random(text: str) -> bool:
    """Tell a key from a long name: its letters and digits change sort at every second place."""
    if re.match(f"{_BEARER}|{_PREFIXED}", text):
        return True
    changes = sum(_sort(one) != _sort(next_one) for one, next_one in pairwise(text))
    return changes > len(text) / 3


def _sort(character: str) -> int:
    return 0 if character.isdigit() else 1 if character.isupper() else 2


def _suspects(node: Node, key: str) -> Iterator[Span]:
    for name, item in node.entries():
        yield from _suspects(item, name)
    for item in node.items():
        yield from _suspects(item, key)
    if not isinstance(node.value, str) or not node.value:
        return
    if _KEY_NAME.fullmatch(key) and "{{" not in node.value:
        yield node.span
        return
    for found in _SECRET.finditer(node.value):
        if _is_random(found[0]):
            yield node.at(found.start(), len(found[0]))
