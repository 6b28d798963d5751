"""How findings name things: the nearest known name, a value in short, a list of choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.findings import did_you_mean, nearest
from pipeline.foreign_text import redact

__all__ = ["did_you_mean", "either", "kind_of", "nearest", "shown"]

_SHOWN = 40


def either(words: Sequence[str]) -> str:
    """Return choices as in `std or pro`."""
    if len(words) < 2:  # noqa: PLR2004 - one word needs no "or"
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"


def shown(value: Any) -> str:
    """Return a value as findings quote it: short, on one line, and without secrets."""
    if isinstance(value, tuple | list | Mapping) or value is None:
        return kind_of(value)
    if isinstance(value, bool | int | float):
        return str(value).lower()
    text = redact(" ".join(str(value).split()))
    return f"'{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}'"


def kind_of(value: Any) -> str:
    """Return what sort of thing a value is, in a word or two; short scalars as they are."""
    match value:
        case str():
            return f"the text {shown(value)}" if value else "an empty text"
        case None | bool():
            return {None: "nothing", True: "true", False: "false"}[value]
        case int() | float():
            return f"the number {value}"
    return "a map" if isinstance(value, Mapping) else "a list"
