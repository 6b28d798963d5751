"""References and settings → a wish; a wish and an offer → the item's settings and its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.domain import Kind, Media, Offer, Reference, Role, Settings, Spec
from pipeline.plan.compatible import Wish, ratio_for
from pipeline.plan.key import Ratios
from pipeline.plan.layers import Wanted
from pipeline.plan.references import Attached
from pipeline.plan.rules import AUTO, EDITS, FRAMED, RATIOS, USES, USUAL, USUAL_RATIO
from pipeline.plan.usable import near_ratio

_FOR_ALL = frozenset({"defaults", "overrides"})
_OPTIONS = ("format", "safety", "watermark")


def wish_for(
    kind: Kind, attached: Attached, references: tuple[Reference, ...], wanted: Wanted
) -> Wish:
    """Return what decides whether an item can be said; settings without a meaning left out."""
    used = {name: written.data for name, written in wanted.items() if name in USES[kind]}
    first = references[0].media[0] if references and references[0].role is Role.FIRST else None
    return Wish(
        kind=kind,
        mode=used.get("mode", USUAL["mode"]),
        duration=None if kind in EDITS else used.get("duration", USUAL["duration"]),
        ratio=_ratio(kind, wanted),
        frame_ratio=near_ratio(first.width, first.height) if first else None,
        parts=attached.parts,
        images=attached.images,
        elements=attached.elements,
        keep_audio=bool(used.get("keep_audio", attached.keep_audio)),
        options=frozenset([name for name in _OPTIONS if name in used]),
    )


def _ratio(kind: Kind, wanted: Wanted) -> str | None:
    written = wanted.get("aspect_ratio") if "aspect_ratio" in USES[kind] else None
    if written is None:
        return None
    # `auto` for all shots means: let it follow what there is to follow. Where a shot has nothing
    # of the kind, it is as if nobody had written a ratio.
    return None if written.data == AUTO and written.layer in _FOR_ALL else str(written.data)


def settings_for(wish: Wish, offer: Offer, options: Mapping[str, Any]) -> Settings:
    """Return the settings as the provider gets them; None for what the kind does not use."""
    return Settings(
        mode=wish.mode,
        duration=wish.duration,
        aspect_ratio=ratio_for(wish, offer.kinds[wish.kind]),
        keep_audio=wish.keep_audio if "keep_audio" in USES[wish.kind] else None,
        **options,
    )


def key_ratios(wish: Wish) -> Ratios:
    """Return an item's ratio as its key has it: the one somebody wrote, whoever makes the item."""
    if wish.kind in EDITS:
        return Ratios(written=None, measures=None, unwritten=())
    written = None if wish.ratio == AUTO else wish.ratio
    usual = wish.frame_ratio if "first" in wish.parts else USUAL_RATIO
    told = tuple(ratio for ratio in (usual, AUTO) if ratio is not None)
    return Ratios(written=written, measures=RATIOS.get(written or ""), unwritten=told)


def short_side(clip: Media | None) -> int | None:
    """Return the short side of the input clip, where it is known."""
    return (min(clip.width, clip.height) or None) if clip else None


def spec_for(
    wish: Wish, settings: Settings, offer: Offer, *, clip: Media | None, clip_seconds: float | None
) -> Spec:
    """Return what the clip must measure."""
    kind = wish.kind
    ratio = settings.aspect_ratio
    if ratio == AUTO and kind in FRAMED:
        ratio = wish.frame_ratio
    side = offer.pixels.get(settings.mode)
    if kind in EDITS:
        # "Size and length follow it" (Runware's model page): not larger than its clip.
        own = short_side(clip)
        side = min(side, own) if side and own else None
    elif kind in FRAMED and ratio is None:
        side = None
    return Spec(
        seconds=clip_seconds if kind in EDITS else settings.duration,
        ratio=RATIOS.get(ratio or ""),
        short_side=side,
    )
