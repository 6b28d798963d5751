"""Whether an item can be said: the same checks against the model's terms and an offer's.

A check is a function from a wish and terms to a message or None; CHECKS is the table of them. A
misfit names the part of the item it is about, so that the finding can point at its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pipeline.domain import Kind, Offer, Terms
from pipeline.plan.rules import (
    AUTO,
    COMBINATIONS,
    KIND_WORDS,
    MODEL_TERMS,
    MODEL_TITLE,
    USUAL_RATIO,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What of an item decides whether it can be said; hashable, so that each is judged once."""

    kind: Kind
    mode: str
    duration: int | None
    ratio: str | None
    """As written; None where nobody wrote one."""
    frame_ratio: str | None
    """The model's ratio that the first frame has, if it has one of them."""
    parts: frozenset[str]
    images: int
    elements: int
    keep_audio: bool
    options: frozenset[str]
    """Which of format, safety and watermark are set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Why something cannot be said: `part` is the setting's or the reference's name."""

    slug: str
    message: str
    part: str


def kind_of(parts: frozenset[str]) -> Kind:
    """Return the kind that follows from what is attached (manifest.md §5)."""
    if "edit" in parts:
        return Kind.FAST_EDIT if "fast" in parts else Kind.EDIT
    return next((kind for part, kind in _KINDS if part in parts), Kind.TEXT)


_KINDS = (
    ("guide", Kind.GUIDE),
    ("last", Kind.FRAMES),
    ("first", Kind.FIRST_FRAME),
    ("images", Kind.REFERENCES),
    ("elements", Kind.REFERENCES),
)


def ratio_for(wish: Wish, terms: Terms) -> str | None:
    """Return the ratio that is asked for under these terms; None where the clip decides.

    Nobody's ratio is 16:9 where one can be stated, and `auto` beside frames and where not.
    """
    rule = _ratio_rule(wish, terms)
    if rule == "clip":
        return None
    if wish.ratio not in {None, AUTO}:
        return wish.ratio
    if rule == "stated" and "first" in wish.parts:
        return wish.frame_ratio or AUTO
    return USUAL_RATIO if rule == "stated" and wish.ratio is None else AUTO


def forbidden(wish: Wish) -> Iterator[Misfit]:
    """Yield what the model itself does not do, whoever sells it."""
    for rule in COMBINATIONS:
        if rule.present <= wish.parts and not rule.absent & wish.parts:
            part = next((name for name in ("last", "first") if name in rule.present), "video")
            yield Misfit(slug=rule.slug, message=rule.message, part=part)
    yield from _misfits(wish, MODEL_TERMS[wish.kind], MODEL_TITLE)


def inexpressible(wish: Wish, offer: Offer) -> Iterator[Misfit]:
    """Yield what cannot be said to a provider."""
    terms = offer.kinds.get(wish.kind)
    if terms is None:
        message = f"{offer.title} makes no clips from {KIND_WORDS[wish.kind]}"
        yield Misfit(slug="kind", message=message, part="provider")
        return
    yield from _misfits(wish, terms, offer.title)
    for name in sorted(wish.options - offer.settings):
        message = f"{offer.title} has no setting '{name}'"
        yield Misfit(slug="unsupported-setting", message=message, part=name)


def wrong_length(length: int, terms: Terms, who: str) -> Misfit | None:
    """Return what is wrong with a prompt's length, if anything."""
    if length < terms.prompt_min:
        message = f"{who} needs a prompt of at least {terms.prompt_min} characters"
        return Misfit(slug="prompt-short", message=message, part="prompt")
    if length > terms.prompt_max:
        message = f"{who} takes a prompt of at most {terms.prompt_max:,} characters"
        return Misfit(slug="prompt-long", message=message, part="prompt")
    return None


def _misfits(wish: Wish, terms: Terms, who: str) -> Iterator[Misfit]:
    for check in CHECKS:
        message = check.says(wish, terms)
        if message:
            yield Misfit(slug=check.slug, message=f"{who} {message}", part=check.part)


def _mode(wish: Wish, terms: Terms) -> str | None:
    return None if wish.mode in terms.modes else f"has mode {_either(terms.modes)}, not {wish.mode}"


def _duration(wish: Wish, terms: Terms) -> str | None:
    if wish.duration is None or not terms.durations or wish.duration in terms.durations:
        return None
    made = f"makes clips of {_seconds(terms.durations)} seconds from {KIND_WORDS[wish.kind]}"
    return f"{made}, not of {wish.duration}"


def _ratio(wish: Wish, terms: Terms) -> str | None:
    if wish.ratio in {None, AUTO} or _ratio_rule(wish, terms) == "clip":
        return None
    if wish.ratio in terms.ratios:
        return None
    return f"makes {_either(terms.ratios)}, not {wish.ratio!r}"


def _ratio_stated(wish: Wish, terms: Terms) -> str | None:
    if _ratio_rule(wish, terms) != "provider" or wish.ratio in {None, AUTO}:
        return None
    return f"cannot be told an aspect ratio for {_words(wish)}"


def _ratio_needed(wish: Wish, terms: Terms) -> str | None:
    if _ratio_rule(wish, terms) != "stated" or ratio_for(wish, terms) != AUTO:
        return None
    return f"has to be told an aspect ratio for {_words(wish)}"


def _ratio_rule(wish: Wish, terms: Terms) -> str:
    with_images = terms.ratio_with_images if wish.images or wish.elements else ""
    return with_images or terms.ratio


def _words(wish: Wish) -> str:
    words = KIND_WORDS[wish.kind]
    beside = wish.kind is Kind.GUIDE and (wish.images or wish.elements)
    return f"{words} with reference images" if beside else words


def _first_frame(wish: Wish, terms: Terms) -> str | None:
    beside = wish.kind is Kind.GUIDE and "first" in wish.parts
    return "takes no first frame beside a guide video" if beside and not terms.first_frame else None


def _references(wish: Wish, terms: Terms) -> str | None:
    count = wish.images + wish.elements
    # What a last frame excludes is told by its own rule.
    if count <= terms.max_images or "last" in wish.parts:
        return None
    beside = "" if wish.kind is Kind.REFERENCES else f" beside {KIND_WORDS[wish.kind]}"
    if not terms.max_images:
        return f"takes no reference images{beside}"
    return f"takes at most {terms.max_images} reference images{beside}, not {count}"


def _elements(wish: Wish, terms: Terms) -> str | None:
    if wish.elements <= terms.max_elements or "last" in wish.parts:
        return None
    most = f"at most {terms.max_elements}" if terms.max_elements else "no"
    return f"takes {most} elements"


def _keep_audio(wish: Wish, terms: Terms) -> str | None:
    lost = wish.keep_audio and not terms.keep_audio
    return "cannot keep the sound of the clip" if lost else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is read against the model's terms and an offer's, and the part it is about."""

    slug: str
    part: str
    says: Callable[[Wish, Terms], str | None]


CHECKS: tuple[Check, ...] = (
    Check(slug="mode", part="mode", says=_mode),
    Check(slug="duration", part="duration", says=_duration),
    Check(slug="aspect-ratio", part="aspect_ratio", says=_ratio),
    Check(slug="ratio-not-stated", part="aspect_ratio", says=_ratio_stated),
    Check(slug="ratio-needed", part="aspect_ratio", says=_ratio_needed),
    Check(slug="first-frame", part="first", says=_first_frame),
    Check(slug="too-many-references", part="images", says=_references),
    Check(slug="too-many-elements", part="elements", says=_elements),
    Check(slug="keep-audio", part="keep_audio", says=_keep_audio),
)


def _either(words: Iterable[str]) -> str:
    *rest, last = sorted(words)
    return f"{', '.join(rest)} or {last}" if rest else last


def _seconds(lengths: frozenset[int]) -> str:
    low, high = min(lengths), max(lengths)
    if len(lengths) > 2 and len(lengths) == high - low + 1:  # noqa: PLR2004 - 5 or 6, but 3 to 10
        return f"{low} to {high}"
    *rest, last = map(str, sorted(lengths))
    return f"{', '.join(rest)} or {last}" if rest else last
