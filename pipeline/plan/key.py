"""What makes two items the same work → named parts, their digests, and one digest over all.

Not in it: names, paths, tags, prices, and the provider unless the item is pinned to it
(product.md, Keys). Any change to what is written here must raise RECIPE: it makes every clip anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import orjson

from pipeline.model import MODEL, Key, Kind, Reference, Settings, Token

RECIPE = 1
_PART_DIGITS = 12
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The parts that an item shares with others, each as canonical JSON and as digest."""

    contents: Mapping[str, orjson.Fragment]
    parts: Mapping[str, str]


def base(
    kind: Kind, settings: Settings, *, provider: str = "", extra: Mapping[str, Any] | None = None
) -> Base:
    """Return what all items of one kind and settings share; `provider` only of a pinned one."""
    contents = {
        "recipe": RECIPE,
        "model": MODEL,
        "kind": kind.value,
        **_settings(settings),
        **({"provider": provider} if provider else {}),
        **({"extra": extra} if extra else {}),
    }
    return _written(contents)


def described(references: Iterable[Reference]) -> Base:
    """Return the references' part: role, ordinal and content of each, and what is said of it."""
    return _written({"references": [_reference(reference) for reference in references]})


def key(common: Base, references: Base, prompt: Sequence[str | Token], take: int) -> Key:
    """Return an item's key from what it shares, its references, its prompt and its take."""
    said = _canonical(
        [part if isinstance(part, str) else [part.role.value, part.ordinal] for part in prompt]
    )
    own = {"prompt": orjson.Fragment(said), "take": take}
    whole = _canonical({**common.contents, **references.contents, **own})
    return Key(
        digest=hashlib.sha256(whole).hexdigest(),
        parts={
            **common.parts,
            **references.parts,
            "prompt": _digest(said),
            "take": _digest(b"%d" % take),
        },
    )


def _written(contents: Mapping[str, Any]) -> Base:
    texts = {name: _canonical(content) for name, content in contents.items()}
    return Base(
        contents={name: orjson.Fragment(text) for name, text in texts.items()},
        parts={name: _digest(text) for name, text in texts.items()},
    )


def _reference(reference: Reference) -> list[Any]:
    # What is said about a reference goes into the prompt where a provider has no tokens, and is an
    # element's description: other words, another request.
    media = [medium.digest for medium in reference.media]
    return [reference.role.value, reference.ordinal, media, reference.say]


def _settings(settings: Settings) -> dict[str, Any]:
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {f"settings.{name}": value for name, value in values.items() if value is not None}


def _canonical(content: Any) -> bytes:
    return orjson.dumps(content, default=str, option=_CANONICAL)


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:_PART_DIGITS]
