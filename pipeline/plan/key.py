"""What makes two items the same work → named parts, their digests, and one digest over all.

Not in it: names, paths, tags, prices, a ratio that nobody wrote, and the provider unless the item
is pinned to it (product.md, Keys): whoever makes an item, its key is the same. Any change to what
is written here must raise RECIPE and keep the older recipe beside it, as `Key.alternatives`: what
was bought under the older key must not be bought again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import orjson

from pipeline.domain import MODEL, Alternative, Key, Kind, Media, Reference, Settings, Token
from pipeline.plan.rules import AUTO

RECIPE = 2
"""Recipe 1 had the ratio a provider was told, written or not, and the digest of what `fit` made."""
_PART_DIGITS = 12
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The parts that an item shares with others, each as canonical JSON and as digest."""

    contents: Mapping[str, orjson.Fragment]
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """The same parts of another key that will do, by its recipe; see `Alternative`."""

    base: Base
    recipe: int
    ratio: float | None = None
    exclusive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all items of one kind and settings share: the parts of the key, and of its others."""

    base: Base
    others: tuple[Other, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios:
    """The ratio of an item as keys see it, whoever makes it."""

    written: str | None
    """None where nobody wrote one, or `auto`, which leaves it open."""
    measures: float | None
    """What is written, as width divided by height."""
    unwritten: tuple[str, ...]
    """What a provider may be told where nobody wrote one: "16:9", or the first frame's; "auto"."""


def common(
    kind: Kind,
    settings: Settings,
    ratios: Ratios,
    *,
    provider: str = "",
    extra: Mapping[str, Any] | None = None,
) -> Common:
    """Return what all items of one kind and settings share; `provider` only of a pinned one.

    `settings` are those that the item's own provider gets.
    """

    def base(recipe: int, ratio: str | None) -> Base:
        contents = {
            "recipe": recipe,
            "model": MODEL,
            "kind": kind.value,
            **_settings(replace(settings, aspect_ratio=ratio)),
            **({"provider": provider} if provider else {}),
            **({"extra": extra} if extra else {}),
        }
        return _written(contents)

    return Common(
        base=base(RECIPE, ratios.written),
        others=(
            # By the first recipe, two items that now differ may have been one work with one clip.
            Other(base=base(1, settings.aspect_ratio), recipe=1, exclusive=False),
            *(
                Other(base=base(recipe, told), recipe=recipe, ratio=ratios.measures)
                for recipe, told in _others(ratios, settings.aspect_ratio)
            ),
        ),
    )


def _others(ratios: Ratios, sent: str | None) -> Iterator[tuple[int, str | None]]:
    """Yield recipe and ratio of other keys that will do, but for the first recipe's own.

    Of a written ratio: made while nobody had written one, if the clip has it. Where nobody wrote
    one: whatever any provider is told then.
    """
    if ratios.written:
        yield RECIPE, None
        yield from ((1, told) for told in ratios.unwritten if told == AUTO)
        return
    yield from ((RECIPE, told) for told in ratios.unwritten if told != AUTO)
    yield from ((1, told) for told in ratios.unwritten if told != sent)


def described(references: Iterable[Reference]) -> Mapping[int, Base]:
    """Return the references' part by recipe: role, ordinal and content of each, what is said of it.

    What was made fit to send counts by its source and by what was done to it: its own bytes depend
    on the version of a library.
    """
    listed = list(references)
    return {
        recipe: _written({"references": [_reference(each, medium) for each in listed]})
        for recipe, medium in ((RECIPE, _by_source), (1, _by_bytes))
    }


def key(
    shared: Common, references: Mapping[int, Base], prompt: Sequence[str | Token], take: int
) -> Key:
    """Return an item's key from what it shares, its references, its prompt and its take."""
    said = _canonical(
        [part if isinstance(part, str) else [part.role.value, part.ordinal] for part in prompt]
    )
    own = {"prompt": orjson.Fragment(said), "take": take}

    def digest(base: Base, recipe: int) -> str:
        whole = _canonical({**base.contents, **references[recipe].contents, **own})
        return hashlib.sha256(whole).hexdigest()

    return Key(
        digest=digest(shared.base, RECIPE),
        parts={
            **shared.base.parts,
            **references[RECIPE].parts,
            "prompt": _digest(said),
            "take": _digest(b"%d" % take),
        },
        alternatives=tuple(
            [
                Alternative(
                    digest=digest(other.base, other.recipe),
                    earlier_rule=other.recipe < RECIPE,
                    ratio=other.ratio,
                    exclusive=other.exclusive,
                )
                for other in shared.others
            ]
        ),
    )


def _written(contents: Mapping[str, Any]) -> Base:
    texts = {name: _canonical(content) for name, content in contents.items()}
    return Base(
        contents={name: orjson.Fragment(text) for name, text in texts.items()},
        parts={name: _digest(text) for name, text in texts.items()},
    )


def _reference(reference: Reference, medium: Any) -> list[Any]:
    # What is said about a reference goes into the prompt where a provider has no tokens, and is an
    # element's description: other words, another request.
    media = [medium(each) for each in reference.media]
    return [reference.role.value, reference.ordinal, media, reference.say]


def _by_source(media: Media) -> Any:
    if not media.operations:
        return media.digest
    return [media.source_digest, [asdict(operation) for operation in media.operations]]


def _by_bytes(media: Media) -> Any:
    return media.digest


def _settings(settings: Settings) -> dict[str, Any]:
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {f"settings.{name}": value for name, value in values.items() if value is not None}


def _canonical(content: Any) -> bytes:
    return orjson.dumps(content, default=str, option=_CANONICAL)


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:_PART_DIGITS]
