"""What makes two items the same work → named parts, their digests, and one digest over all.

Not in it: names, paths, tags, prices, a ratio that nobody wrote, and the provider unless the item
is pinned to it (docs/design/keys.md §1): whoever makes an item, its key is the same. Any change to
what is written here must raise RECIPE and keep the older recipe beside it, as `Key.alternatives`:
what was bought under the older key must not be bought again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from pipeline.domain import (
    Alternative,
    Key,
    Kind,
    Media,
    Reference,
    Settings,
    Token,
    plain_settings,
)
from pipeline.models import AUTO

RECIPE = 2
"""Recipe 1 had the ratio a provider was told, written or not, and the digest of what `fit` made."""
_PART_DIGITS = 12
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyParts:
    """The parts that an item shares with others, each as canonical JSON and as digest."""

    contents: Mapping[str, bytes]
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativeKey:
    """The same parts of another key that will do, by its recipe; see `Alternative`."""

    parts: KeyParts
    recipe: int
    ratio: float | None = None
    exclusive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedKey:
    """What all items of one kind and settings share: the parts of the key, and of its others."""

    parts: KeyParts
    alternatives: tuple[AlternativeKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRatios:
    """The ratio of an item as keys see it, whoever makes it."""

    written: str | None
    """None where nobody wrote one, or `auto`, which leaves it open."""
    measures: float | None
    """What is written, as width divided by height."""
    unwritten: tuple[str, ...]
    """What a provider may be told where nobody wrote one: "16:9", or the first frame's; "auto"."""


def share_key(
    model: str,
    kind: Kind,
    settings: Settings,
    ratios: KeyRatios,
    *,
    provider: str = "",
    extra: Mapping[str, Any] | None = None,
) -> SharedKey:
    """Return what items of one model, kind and settings share; `provider` only of a pinned one.

    `settings` are those that the item's own provider gets.
    """

    def parts(recipe: int, ratio: str | None) -> KeyParts:
        values = plain_settings(replace(settings, aspect_ratio=ratio))
        return _parts_of(
            {
                "recipe": recipe,
                "model": model,
                "kind": kind.value,
                **{f"settings.{name}": v for name, v in values.items() if v is not None},
                **({"provider": provider} if provider else {}),
                **({"extra": extra} if extra else {}),
            }
        )

    sent = settings.aspect_ratio
    further: list[tuple[int, str | None]]
    if ratios.written:
        # Made while nobody had written a ratio, if the clip has the one that is written now.
        further = [(RECIPE, None), *((1, ratio) for ratio in ratios.unwritten if ratio == AUTO)]
    else:
        # Whatever any provider is sent where nobody wrote one, but for the first recipe's own.
        further = [(RECIPE, ratio) for ratio in ratios.unwritten if ratio != AUTO]
        further += [(1, ratio) for ratio in ratios.unwritten if ratio != sent]
    return SharedKey(
        parts=parts(RECIPE, ratios.written),
        alternatives=(
            # By the first recipe, two items that now differ may have been one work with one clip.
            AlternativeKey(parts=parts(1, sent), recipe=1, exclusive=False),
            *(
                AlternativeKey(parts=parts(recipe, ratio), recipe=recipe, ratio=ratios.measures)
                for recipe, ratio in further
            ),
        ),
    )


def describe_references(references: Iterable[Reference]) -> Mapping[int, KeyParts]:
    """Return the references' part by recipe: role, ordinal and content of each, what is said of it.

    What was made fit to send counts by its source and by what was done to it: its own bytes depend
    on the version of a library. By the first recipe it counted by its bytes.
    """
    listed = list(references)

    def by_source(media: Media) -> Any:
        if not media.operations:
            return media.digest
        return [media.source_digest, [asdict(operation) for operation in media.operations]]

    def parts(content: Callable[[Media], Any]) -> KeyParts:
        # What is said about a reference goes into the prompt where a provider has no tokens, and
        # is an element's description: other words, another request.
        return _parts_of(
            {
                "references": [
                    [each.role.value, each.ordinal, [content(m) for m in each.media], each.say]
                    for each in listed
                ]
            }
        )

    return {RECIPE: parts(by_source), 1: parts(lambda media: media.digest)}


def item_key(
    shared: SharedKey,
    references: Mapping[int, KeyParts],
    prompt: Sequence[str | Token],
    take: int,
) -> Key:
    """Return an item's key from what it shares, its references, its prompt and its take."""
    said = _canonical(
        [part if isinstance(part, str) else [part.role.value, part.ordinal] for part in prompt]
    )
    own = {"prompt": said, "take": b"%d" % take}

    def digest(parts: KeyParts, recipe: int) -> str:
        # The parts are canonical JSON already, and so is an object of them by sorted names.
        whole = {**parts.contents, **references[recipe].contents, **own}
        members = [b'"%s":%s' % (name.encode(), whole[name]) for name in sorted(whole)]
        return hashlib.sha256(b"{%s}" % b",".join(members)).hexdigest()

    return Key(
        digest=digest(shared.parts, RECIPE),
        parts={
            **shared.parts.digests,
            **references[RECIPE].digests,
            "prompt": part_digest(said),
            "take": part_digest(b"%d" % take),
        },
        alternatives=tuple(
            [
                Alternative(
                    digest=digest(other.parts, other.recipe),
                    earlier_rule=other.recipe < RECIPE,
                    ratio=other.ratio,
                    exclusive=other.exclusive,
                )
                for other in shared.alternatives
            ]
        ),
    )


def _parts_of(contents: Mapping[str, Any]) -> KeyParts:
    texts = {name: _canonical(content) for name, content in contents.items()}
    return KeyParts(
        contents=texts,
        digests={name: part_digest(text) for name, text in texts.items()},
    )


def _canonical(content: Any) -> bytes:
    return orjson.dumps(content, default=str, option=_CANONICAL)


def part_digest(text: bytes) -> str:
    """Return the digest of a part of a key, from its canonical JSON."""
    return hashlib.sha256(text).hexdigest()[:_PART_DIGITS]
