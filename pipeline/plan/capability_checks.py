"""Whether an item can be said: the same checks against the model's limits and an offer's.

A check is a function from requirements and limits to a message or None; CHECKS is their table.
A violation names the part of the item it is about, so that the finding can point at its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.domain import Constraints, Kind, Offer
from pipeline.domain.offer_rules import limits_beside, wrong_prompt_length, wrong_setting
from pipeline.models import AUTO, VideoModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What of an item decides whether it can be said; hashable, so that each is checked once."""

    model: VideoModel
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
    options: frozenset[tuple[str, Any]]
    """Which further settings of the model are written, with their values: format, watermark, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Why something cannot be said: `part` is the setting's or the reference's name."""

    slug: str
    message: str
    part: str
    hint: str = ""
    """What to do about it; empty where that depends on who makes the item."""


def kind_of(parts: frozenset[str]) -> Kind:
    """Return the kind that follows from what is attached (docs/design/language.md §4)."""
    # Before all others: frames beside an edit are told as a forbidden combination of an edit.
    if "edit" in parts:
        return Kind.FAST_EDIT if "fast" in parts else Kind.EDIT
    return next((kind for part, kind in _KINDS if part in parts), Kind.TEXT)


_KINDS = (
    # In this order: a first frame beside a guide is one of the guide's references, and a last frame
    # always has a first one beside it.
    ("guide", Kind.GUIDE),
    ("last", Kind.FRAMES),
    ("first", Kind.FIRST_FRAME),
    ("images", Kind.REFERENCES),
    ("elements", Kind.REFERENCES),
)


def ratio_for(asked: Requirements, limits: Constraints) -> str | None:
    """Return the ratio that is asked for under these limits; None where the clip decides.

    Nobody's ratio is the model's usual one where one can be stated; `auto` beside frames and where
    not.
    """
    rule = _limits_for(asked, limits).ratio
    if rule == "clip":
        return None
    if asked.ratio not in {None, AUTO}:
        return asked.ratio
    # Where nothing is said the provider takes its default, whatever the frame is, and a clip of
    # another shape would be paid for.
    if rule == "framed" or (rule == "stated" and "first" in asked.parts):
        return asked.frame_ratio or AUTO
    return asked.model.usual_ratio if rule == "stated" and asked.ratio is None else AUTO


def first_recipe_ratio(asked: Requirements, limits: Constraints) -> str | None:
    """Return the ratio that a provider was told in the days of the keys' first recipe.

    A frame's own ratio was not told beside it then, as it is now where the default is another.
    """
    framed = _limits_for(asked, limits).ratio == "framed"
    # The recipe has to stay what it was: else a clip that was bought under it is not found again.
    return AUTO if framed and asked.ratio in {None, AUTO} else ratio_for(asked, limits)


def forbidden(asked: Requirements) -> Iterator[Violation]:
    """Yield what the model itself does not do, whoever sells it."""
    for rule in asked.model.combinations:
        if rule.present <= asked.parts and not rule.absent & asked.parts:
            part = next((name for name in ("last", "first") if name in rule.present), "video")
            yield Violation(slug=rule.slug, message=rule.message, part=part)
    limits = asked.model.kinds.get(asked.kind)
    if limits is None:
        message = f"{asked.model.title} makes no clips from {asked.model.words[asked.kind]}"
        yield Violation(slug="kind", message=message, part="model")
        return
    yield from _violations(asked, limits, asked.model.title)


def inexpressible(asked: Requirements, offer: Offer) -> Iterator[Violation]:
    """Yield what cannot be said to a provider."""
    kinds = offer.models.get(asked.model.name)
    if kinds is None:
        message = f"{offer.title} does not sell {asked.model.title}"
        yield Violation(slug="model-not-sold", message=message, part="provider")
        return
    limits = kinds.get(asked.kind)
    if limits is None:
        message = f"{offer.title} makes no clips from {asked.model.words[asked.kind]}"
        yield Violation(slug="kind", message=message, part="provider")
        return
    yield from _violations(asked, limits, offer.title)
    # Of the model's own rules `resolve` has judged them; a provider may lack one, or take fewer
    # values.
    for name, value in sorted(asked.options):
        wrong = wrong_setting(offer, name, value)
        if wrong is not None:
            slug = "bad-setting" if name in offer.settings else "unsupported-setting"
            yield Violation(slug=slug, message=wrong, part=name)


def wrong_length(length: int, limits: Constraints, who: str) -> Violation | None:
    """Return what is wrong with a prompt's length, if anything."""
    wrong = wrong_prompt_length(length, limits)
    if wrong is None:
        return None
    slug, bound = wrong
    verb = "needs" if slug == "prompt-short" else "takes"
    return Violation(
        slug=slug, message=f"{who} {verb} a prompt of {bound} characters", part="prompt"
    )


def _violations(asked: Requirements, limits: Constraints, who: str) -> Iterator[Violation]:
    limits = _limits_for(asked, limits)
    for check in CHECKS:
        message = check.says(asked, limits)
        if message:
            yield Violation(slug=check.slug, message=f"{who} {message}", part=check.part)


def _mode(asked: Requirements, limits: Constraints) -> str | None:
    return (
        None
        if asked.mode in limits.modes
        else f"has mode {_either(limits.modes)}, not {asked.mode}"
    )


def _duration(asked: Requirements, limits: Constraints) -> str | None:
    if asked.duration is None or not limits.durations or asked.duration in limits.durations:
        return None
    *rest, last = sorted(limits.durations)
    if len(rest) > 1 and len(rest) == last - rest[0]:  # 5 or 6, but 3 to 10
        seconds = f"{rest[0]} to {last}"
    else:
        seconds = f"{', '.join(map(str, rest))} or {last}" if rest else str(last)
    made = f"makes clips of {seconds} seconds from {_words(asked)}"
    return f"{made}, not of {asked.duration}"


def _ratio(asked: Requirements, limits: Constraints) -> str | None:
    if asked.ratio in {None, AUTO} or limits.ratio == "clip":
        return None
    if asked.ratio in limits.ratios:
        return None
    return f"makes {_either(limits.ratios)}, not {asked.ratio!r}"


def _ratio_stated(asked: Requirements, limits: Constraints) -> str | None:
    if limits.ratio != "provider" or asked.ratio in {None, AUTO}:
        return None
    return f"cannot be told an aspect ratio for {_words(asked)}"


def _ratio_needed(asked: Requirements, limits: Constraints) -> str | None:
    if limits.ratio != "stated" or ratio_for(asked, limits) != AUTO:
        return None
    return f"has to be told an aspect ratio for {_words(asked)}"


def _limits_for(asked: Requirements, limits: Constraints) -> Constraints:
    return limits_beside(
        limits, first="first" in asked.parts, images=bool(asked.images or asked.elements)
    )


def _words(asked: Requirements) -> str:
    """Return what a clip is made from, with what stands beside: that changes its limits."""
    beside = {
        "a first frame": asked.kind is Kind.GUIDE and "first" in asked.parts,
        "reference images": asked.kind in {Kind.GUIDE, Kind.FIRST_FRAME}
        and (asked.images or asked.elements),
    }
    named = " and ".join(words for words, stands in beside.items() if stands)
    words = asked.model.words[asked.kind]
    return f"{words} with {named}" if named else words


def _first_frame(asked: Requirements, limits: Constraints) -> str | None:
    beside = asked.kind is Kind.GUIDE and "first" in asked.parts
    return (
        "takes no first frame beside a guide video" if beside and not limits.first_frame else None
    )


def _references(asked: Requirements, limits: Constraints) -> str | None:
    count = asked.images + asked.elements
    # Where images and frame are sent in one list, the frame takes one of its places.
    most = limits.max_images - (limits.frame_is_image and "first" in asked.parts)
    # What a last frame excludes is told by its own rule.
    if not count or count <= most or "last" in asked.parts:
        return None
    beside = "" if asked.kind is Kind.REFERENCES else f" beside {asked.model.words[asked.kind]}"
    if asked.kind is Kind.GUIDE and "first" in asked.parts:
        beside = f"{beside} and a first frame"
    if most < 1:
        return f"takes no reference images{beside}"
    return f"takes at most {most} reference images{beside}, not {count}"


def _elements(asked: Requirements, limits: Constraints) -> str | None:
    if asked.elements <= limits.max_elements or "last" in asked.parts:
        return None
    most = f"at most {limits.max_elements}" if limits.max_elements else "no"
    return f"takes {most} elements"


def _keep_audio(asked: Requirements, limits: Constraints) -> str | None:
    lost = asked.keep_audio and not limits.keep_audio
    return "cannot keep the sound of the clip" if lost else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is read against the model's limits and an offer's, and the part it is about."""

    slug: str
    part: str
    says: Callable[[Requirements, Constraints], str | None]


# The order counts: of a provider that is passed over only the first reason is told.
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
