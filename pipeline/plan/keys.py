"""What makes two items the same work → named parts, their digests, and one digest over all.

Not in it: names, paths, tags, prices, a ratio that nobody wrote, and the provider unless the item
is pinned to it (docs/design/keys.md §1): whoever makes an item, its key is the same. Any change to
what is written here must raise RECIPE and keep the older recipe beside it, as `Key.alternatives`:
what was bought under the older key must not be bought again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import Any, overload

import orjson

from pipeline.domain import (
    EMPTY,
    Alternative,
    Key,
    Kind,
    Media,
    Operation,
    Reference,
    Role,
    Settings,
    Template,
    Token,
    plain_settings,
)
from pipeline.models import AUTO
from pipeline.plan.template_scope import TemplateScope

RECIPE = 2
"""By which all keys are made; what the recipes before it gave the same work stays beside its key.

Recipe 1 had the ratio a provider was told, written or not, and the digest of what `fit` made."""
TEMPLATE = "template"
"""The name under which a prompt's own text stands among its inputs."""
# Enough to tell that a part has changed; whether a clip satisfies goes by the whole SHA-256.
_PART_DIGITS = 12
# Sorted: the order in which somebody wrote a map is no part of the work.
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyParts:
    """The parts that an item shares with others, each as canonical JSON and as digest."""

    contents: Mapping[str, bytes]
    digests: Mapping[str, str]
    values: Mapping[str, Any]
    """What a person reads of each."""


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
class ReferenceParts:
    """The references' part of a key, and what else it has been."""

    by_recipe: Mapping[int, KeyParts]
    as_stored: KeyParts | None = None
    """As it was while pictures were sent as they are stored; None where nothing is different."""
    frame_turned: bool = False
    """A frame was sent lying on its side: a clip that lies as well is not what is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRatios:
    """The ratio of an item as keys see it, whoever makes it."""

    written: str | None
    """None where nobody wrote one, or `auto`, which leaves it open."""
    measures: float | None
    """What is written, as width divided by height."""
    unwritten: tuple[str, ...]
    """What a provider may be told where nobody wrote one: "16:9", or the first frame's; "auto"."""
    first_recipe: str | None
    """What the item's own provider was told while the first recipe was in use."""


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
                # What nobody wrote is not there, so a setting that is added to a model changes no
                # older key.
                **{f"settings.{name}": v for name, v in values.items() if v is not None},
                **({"provider": provider} if provider else {}),
                **({"extra": extra} if extra else {}),
            }
        )

    sent = ratios.first_recipe
    later = range(RECIPE, 1, -1)  # all but the first recipe have no ratio that nobody wrote
    further: list[tuple[int, str | None]]
    if ratios.written:
        # Made while nobody had written a ratio, if the clip has the one that is written now.
        further = [(recipe, None) for recipe in later]
        further += [(1, ratio) for ratio in ratios.unwritten if ratio == AUTO]
    else:
        # Whatever any provider is sent where nobody wrote one, but for the first recipe's own.
        usual = [ratio for ratio in ratios.unwritten if ratio != AUTO]
        further = [(recipe, ratio) for recipe in later for ratio in usual]
        further += [(1, ratio) for ratio in ratios.unwritten if ratio != sent]
    return SharedKey(
        parts=parts(RECIPE, ratios.written),
        # In this order: an item takes the first of them that was ever paid for.
        alternatives=(
            # What is the same work by this recipe may have been another by an earlier one, and the
            # other way round: whatever one of them made does, for all items it ever stood for.
            *(
                AlternativeKey(parts=parts(recipe, ratios.written), recipe=recipe, exclusive=False)
                for recipe in later[1:]
            ),
            AlternativeKey(parts=parts(1, sent), recipe=1, exclusive=False),
            *(
                AlternativeKey(parts=parts(recipe, ratio), recipe=recipe, ratio=ratios.measures)
                for recipe, ratio in further
            ),
        ),
    )


def describe_references(references: Iterable[Reference]) -> ReferenceParts:
    """Return the references' part: role, ordinal and content of each, and what is said of it.

    What was made fit to send counts by its source and by what was done to it: its own bytes depend
    on the version of a library. By the first recipe it counted by its bytes.
    """
    listed = list(references)

    def parts(content: Callable[[Media], Any]) -> KeyParts:
        # What is said about a reference goes into the prompt where a provider has no tokens, and
        # is an element's description: other words, another request.
        return _parts_of(
            {
                "references": [
                    [each.role.value, each.ordinal, [content(m) for m in each.media], each.say]
                    for each in listed
                ]
            },
            values={"references": [_reference_value(each) for each in listed]},
        )

    by_recipe = {
        **dict.fromkeys(
            range(2, RECIPE + 1), parts(lambda media: _by_source(media, media.operations))
        ),
        # A picture that is only converted was sent by its own bytes.
        1: parts(
            lambda media: (
                media.source_digest
                if media.operations and not _without_convert(media)
                else media.digest
            )
        ),
    }
    converted = [
        (each.role, media)
        for each in listed
        for media in each.media
        if media.operations and _without_convert(media) != media.operations
    ]
    # Sixteen bits of grey were sent as well, or as white: a clip of that is no alternative.
    if not converted or any("16-bit grey" in media.unfit for _, media in converted):
        return ReferenceParts(by_recipe=by_recipe)
    return ReferenceParts(
        by_recipe=by_recipe,
        as_stored=parts(lambda media: _by_source(media, _without_convert(media))),
        frame_turned=any(
            role in {Role.FIRST, Role.LAST} and "sideways" in media.unfit
            for role, media in converted
        ),
    )


def _by_source(media: Media, operations: Sequence[Operation]) -> Any:
    if not operations:
        return media.source_digest or media.digest
    return [media.source_digest, [asdict(operation) for operation in operations]]


def _without_convert(media: Media) -> tuple[Operation, ...]:
    """Return what would have been done to a medium before there was `convert`."""
    return tuple(each for each in media.operations if each.name != "convert")


def digest_inputs(template: Template, scope: TemplateScope) -> Mapping[str, str]:
    """Return what a prompt is made of: digests of its text and of each value it reads, by name.

    Of the values only those that somebody wrote: columns, variables, axes. They are in no key; they
    tell which cell it was when a prompt is another one.
    """

    def read_names() -> tuple[Mapping[int, Sequence[str]], Sequence[str]]:
        roots = {"vars", "variant", *scope.row_names}
        order = [name for name in sorted(template.names) if name.partition(".")[0] in roots]
        by_level: dict[int, list[str]] = {}
        for name in order:
            by_level.setdefault(scope.level_of_name(name), []).append(name)
        return by_level, order

    by_level, order = scope.memoize(("inputs", id(template)), 0, read_names)
    found: dict[str, str] = {}
    # A row's values are digested once for all its cells, and a cell's once for all rows.
    for level, names in by_level.items():
        digest = partial(_digest_values, names, scope)
        found |= scope.memoize(("inputs", id(template), level), level, digest)
    return {TEMPLATE: scope.memoize(TEMPLATE, 0, lambda: _text_digest(template.source))} | {
        name: found[name] for name in order
    }


def _digest_values(names: Iterable[str], scope: TemplateScope) -> Mapping[str, str]:
    found = {}
    for name in names:
        root, _, key = name.partition(".")
        values = scope.context.get(root, EMPTY)
        found[name] = _text_digest(repr(values.get(key) if key else dict(values)))
    return found


def _text_digest(text: str) -> str:
    return part_digest(text.encode("utf-8", "surrogatepass"))


class KeyWriter:
    """Makes the keys of items that differ in prompt and take alone.

    `ratio` is what their clips shall measure. What they share is written and hashed once.
    """

    def __init__(
        self, shared: SharedKey, references: ReferenceParts, *, ratio: float | None = None
    ) -> None:
        ours = references.by_recipe
        self._own = _KeyForm(shared.parts, ours[RECIPE])
        self._digests = {**shared.parts.digests, **ours[RECIPE].digests}
        self._values = {**shared.parts.values, **ours[RECIPE].values}
        self._others = tuple(_other_forms(shared, references, ratio))

    def key(self, prompt: Sequence[str | Token], take: int) -> Key:
        """Return the key of the item with this prompt and take."""
        # The prompt with tokens in place of names: to rename a reference is no other work.
        said = _canonical(
            [part if isinstance(part, str) else [part.role.value, part.ordinal] for part in prompt]
        )
        number = b"%d" % take
        return Key(
            digest=self._own.digest(said, number),
            parts={**self._digests, "prompt": part_digest(said), "take": part_digest(number)},
            values={**self._values, "take": take},
            alternatives=_OtherKeys(self._others, said, number),
        )


class _OtherKeys(Sequence[Alternative]):
    """The other keys of one item, written when they are asked for: of what is new nobody asks."""

    __slots__ = ("_found", "_of")

    def __init__(
        self, forms: Sequence[tuple[_KeyForm, Alternative]], prompt: bytes, take: bytes
    ) -> None:
        self._of = (forms, prompt, take)
        self._found: tuple[Alternative, ...] | None = None

    def _keys(self) -> tuple[Alternative, ...]:
        if self._found is None:
            forms, prompt, take = self._of
            self._found = tuple(
                [
                    Alternative(
                        digest=form.digest(prompt, take),
                        earlier_rule=other.earlier_rule,
                        ratio=other.ratio,
                        exclusive=other.exclusive,
                    )
                    for form, other in forms
                ]
            )
        return self._found

    @overload
    def __getitem__(self, at: int) -> Alternative: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Alternative]: ...
    def __getitem__(self, at: int | slice) -> Alternative | Sequence[Alternative]:
        return self._keys()[at]

    def __len__(self) -> int:
        return len(self._of[0])

    def __iter__(self) -> Iterator[Alternative]:
        return iter(self._keys())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._keys() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._keys())


class _KeyForm:
    """A key as canonical JSON but for prompt and take, with what stands before them hashed."""

    def __init__(self, parts: KeyParts, of_references: KeyParts) -> None:
        # The parts are canonical JSON already, and so is an object of them by sorted names.
        whole = {**parts.contents, **of_references.contents, "prompt": b"\0", "take": b"\0"}
        members = [b'"%s":%s' % (name.encode(), whole[name]) for name in sorted(whole)]
        # No sign of JSON is a zero byte.
        before, self._between, self._after = (b"{%s}" % b",".join(members)).split(b"\0")
        self._begun = hashlib.sha256(before)

    def digest(self, prompt: bytes, take: bytes) -> str:
        """Return the digest with this prompt and take, both canonical JSON."""
        whole = self._begun.copy()
        whole.update(prompt + self._between + take + self._after)
        return whole.hexdigest()


def _other_forms(
    shared: SharedKey, references: ReferenceParts, ratio: float | None
) -> Iterator[tuple[_KeyForm, Alternative]]:
    """Yield the other keys that will do, with alternatives whose digests are still open."""
    ours, stored = references.by_recipe, references.as_stored
    # What it was before pictures were converted is first: it was this very item.
    if stored is not None:
        # A clip of a frame that was sent lying on its side is taken only if it has the right
        # shape.
        upright = ratio if references.frame_turned else None
        same = AlternativeKey(parts=shared.parts, recipe=RECIPE, ratio=upright)
        for each in (same, *shared.alternatives):
            if each.recipe == RECIPE:
                yield (
                    _KeyForm(each.parts, stored),
                    Alternative(digest="", earlier_rule=True, ratio=each.ratio or upright),
                )
    for each in shared.alternatives:
        yield (
            _KeyForm(each.parts, ours[each.recipe]),
            Alternative(
                digest="",
                earlier_rule=each.recipe < RECIPE,
                ratio=each.ratio,
                exclusive=each.exclusive,
            ),
        )


def _parts_of(contents: Mapping[str, Any], values: Mapping[str, Any] = EMPTY) -> KeyParts:
    texts = {name: _canonical(content) for name, content in contents.items()}
    return KeyParts(
        contents=texts,
        digests={name: part_digest(text) for name, text in texts.items()},
        values=values or contents,
    )


def _reference_value(reference: Reference) -> Mapping[str, Any]:
    """Return a reference as a person knows it: the names that no key has, and its content."""
    media = []
    for each in reference.media:
        # A folder is this machine's own; what follows `?` in an address may let somebody in.
        file = each.source.partition("?")[0] if not each.local else PurePath(each.source).name
        done = [f"{done.name} {' '.join(done.parameters.values())}" for done in each.operations]
        source = each.source_digest or each.digest
        known = {"file": "" if done else file, "digest": source[:_PART_DIGITS], "done": done}
        media.append({name: value for name, value in known.items() if value})
    said = {"say": reference.say} if reference.say else {}
    own = {"role": reference.role.value, "ordinal": reference.ordinal, "name": reference.name}
    return {**own, "media": media, **said}


def _canonical(content: Any) -> bytes:
    return orjson.dumps(content, default=str, option=_CANONICAL)


def part_digest(text: bytes) -> str:
    """Return the digest of a part of a key, from its canonical JSON."""
    return hashlib.sha256(text).hexdigest()[:_PART_DIGITS]
