"""Merge a manifest's `extra` into a request: fields may be added there, never replaced.

A field that our request has, or that the offer reserves (count, size, media, cost, callbacks …),
is refused: 20 results quoted as one would empty a budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.domain import Offer
from pipeline.domain.offer_rules import reserved_field


def task(body: Any) -> Any:
    """Return the object that holds a request's fields: the body, or the only task in it."""
    return body[0] if isinstance(body, list) else body


def extra_faults(offer: Offer, body: Any, extra: Any) -> Iterator[tuple[str, str]]:
    """Yield, as slug and message, each field of `extra` that must not be there."""
    if not isinstance(extra, Mapping):
        yield ("extra-form", f"extra for {offer.provider} is a map of request fields")
        return
    for field, value in _leaves(extra):
        reserved = reserved_field(offer, field)
        if reserved:
            yield ("extra-reserved", reserved)
        elif _is_taken(task(body), field.split("."), value):
            yield ("extra-taken", f"{offer.title}'s field {field!r} is set by the shot already")


def merge(body: Any, extra: Mapping[str, Any]) -> Any:
    """Return the body with the fields of `extra` added; `extra_faults` has found none."""
    if isinstance(body, list):
        return [_join(body[0], extra)]
    return _join(body, extra)


def _join(ours: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        name: _join(ours[name], value)
        for name, value in extra.items()
        if isinstance(ours.get(name), Mapping)
    }
    return {**ours, **extra, **nested}


def _leaves(extra: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in extra.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _is_taken(ours: Any, path: list[str], value: Any) -> bool:
    for name in path:
        if not isinstance(ours, Mapping):
            return True
        if name not in ours:
            return False
        ours = ours[name]
    return not (isinstance(ours, Mapping) and isinstance(value, Mapping))
