"""What one row and cell ask for, once for all takes: kind, references, settings, candidates.

Everything is judged here that does not need the prompt: first what the model forbids, whoever
sells it, then each provider asked for. The first that can express the item gets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pipeline.domain import EMPTY, Kind, Media, Offer, Reference, Settings, Shot, Spec
from pipeline.findings import Diagnostic, Severity
from pipeline.plan import key
from pipeline.plan.compatible import Misfit, Wish, forbidden, inexpressible, kind_of
from pipeline.plan.frames import Frames
from pipeline.plan.layers import OWN, Wanted
from pipeline.plan.looking import Inspector
from pipeline.plan.places import Places
from pipeline.plan.providers import Asked, asked
from pipeline.plan.references import Attached
from pipeline.plan.rules import KIND_WORDS, USES
from pipeline.plan.scope import Scope
from pipeline.plan.usable import ADVICE, unusable
from pipeline.plan.wishes import key_ratios, settings_for, short_side, spec_for, wish_for

_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "duration": "take it out: an edit is as long as its clip",
        "aspect_ratio": "take it out: an edit has the ratio of its clip",
        "keep_audio": "take it out: there is no clip whose sound could be kept",
    }
)
"""What to do with a setting that its kind does not use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A provider asked for, and why it cannot make the item, if it cannot."""

    offer: Offer
    misfits: tuple[Misfit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What follows from a wish once a provider is chosen."""

    settings: Settings
    spec: Spec
    shared: key.Common
    extra: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Judged:
    """A distinct wish, and what was found out about it: most items share a few."""

    wish: Wish
    forbidden: tuple[Misfit, ...]
    candidates: dict[str, Candidate] = field(default_factory=dict)
    settled: dict[tuple[Any, ...], Settled] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a row and cell ask for, proven but for the prompt."""

    judged: Judged
    references: tuple[Reference, ...]
    described: Mapping[int, key.Base]
    """The references' part of the key, by recipe."""
    wanted: Wanted
    clip: Media | None
    seconds: float | None
    """Length of the input clip."""
    pinned: bool
    candidates: tuple[Candidate, ...]

    @property
    def kind(self) -> Kind:
        """What the clip is made from."""
        return self.judged.wish.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What each part of a shot's work depends on."""

    references: int
    settings: int
    brief: int
    prompt: int


class Briefs:
    """Makes the briefs of one shot."""

    def __init__(
        self,
        shot: Shot,
        scope: Scope,
        offers: Mapping[str, Offer],
        *,
        inspector: Inspector,
        provider: str,
        levels: Levels,
    ) -> None:
        self._shot = shot
        self._scope = scope
        self._offers = offers
        self._provider = provider
        self._levels = levels
        self._places = Places(shot, scope)
        self._frames = Frames(inspector, self._places, levels.brief)
        self._judged: dict[Wish, Judged] = {}

    def brief(self, attached: Attached, wanted: Wanted) -> Brief | None:
        """Return the brief for the row and cell at hand; None if anything has a finding."""
        once, levels = self._scope.once, self._levels
        kind = kind_of(attached.parts)
        sound = once(("used", kind), levels.settings, lambda: self._all_used(kind, wanted))
        buyers = once("asked", levels.settings, lambda: self._asked(wanted))
        references = self._frames.framed(attached, wanted)
        judged = self._judge(wish_for(kind, attached, references, wanted))
        for misfit in judged.forbidden:
            self._places.tell(misfit, wanted, attached, levels.brief)
        if not self._media_usable(kind, references, attached) or judged.forbidden or not sound:
            return None
        if buyers is None or attached.broken or len(references) < len(attached.references):
            return None
        return Brief(
            judged=judged,
            references=references,
            described=self._described(references, attached),
            wanted=wanted,
            clip=references[-1].media[0] if "video" in attached.spans else None,
            seconds=attached.seconds,
            pinned=buyers.pinned,
            candidates=tuple(
                [self._candidate(offer, judged, references, attached) for offer in buyers.offers]
            ),
        )

    def settled(self, brief: Brief, offer: Offer) -> Settled:
        """Return settings, spec and the shared part of the key for one provider."""
        options = {name: brief.wanted[name].data for name in brief.judged.wish.options}
        side = short_side(brief.clip)
        place = (offer.provider, brief.pinned, brief.seconds, side, *options.values())
        known = brief.judged.settled.get(place)
        if known is None:
            known = brief.judged.settled[place] = self._settle(brief, offer, options)
        return known

    def others(self, brief: Brief, attached: Attached) -> list[str]:
        """Return the titles of providers that nobody asked for, and that could."""
        known = {candidate.offer.provider for candidate in brief.candidates}
        return [
            offer.title
            for name, offer in sorted(self._offers.items())
            if name not in known
            and not self._candidate(offer, brief.judged, brief.references, attached).misfits
        ]

    def tell_nobody(self, brief: Brief, misfits: list[Misfit], attached: Attached) -> None:
        """Tell that no provider asked for can make the item, each with its reason."""
        by_prompt = misfits[0].part == "prompt"
        others = [] if by_prompt else self.others(brief, attached)
        told = Misfit(
            slug=misfits[0].slug,
            message="; ".join(dict.fromkeys(each.message for each in misfits)),
            part=misfits[0].part,
        )
        hint = f"{_listed(others)} could" if others else ""
        level = self._levels.brief | (self._levels.prompt if by_prompt else 0)
        self._places.tell(told, brief.wanted, attached, level, hint=hint)

    def tell_left_out(self, brief: Brief, misfit: Misfit, attached: Attached) -> None:
        """Warn that a run with one provider leaves the item to others, who could make it."""
        by_prompt = misfit.part == "prompt"
        others = [candidate.offer.title for candidate in brief.candidates if not candidate.misfits]
        others += [] if by_prompt else self.others(brief, attached)
        could = f"; {_listed(list(dict.fromkeys(others)))} could" if others else ""
        hint = f"left out of this run{could}"
        level = self._levels.brief | (self._levels.prompt if by_prompt else 0)
        self._places.tell(
            misfit, brief.wanted, attached, level, hint=hint, severity=Severity.WARNING
        )

    def _judge(self, wish: Wish) -> Judged:
        known = self._judged.get(wish)
        if known is None:
            known = self._judged[wish] = Judged(wish=wish, forbidden=tuple(forbidden(wish)))
        return known

    def _candidate(
        self,
        offer: Offer,
        judged: Judged,
        references: tuple[Reference, ...],
        attached: Attached,
    ) -> Candidate:
        known = judged.candidates.get(offer.provider)
        if known is None:
            misfits = tuple(inexpressible(judged.wish, offer))
            known = Candidate(offer=offer, misfits=misfits)
            judged.candidates[offer.provider] = known
        media = self._media(judged.wish.kind, references, attached, offer)
        if not media:
            return known
        return Candidate(offer=offer, misfits=known.misfits + tuple(each for _, each in media))

    def _media_usable(
        self, kind: Kind, references: tuple[Reference, ...], attached: Attached
    ) -> bool:
        found = self._media(kind, references, attached, None)
        for reference, misfit in found:
            advice = ADVICE.get(misfit.slug, "")
            self._places.tell_media(reference, misfit, attached, self._levels.brief, hint=advice)
        return not found

    def _media(
        self,
        kind: Kind,
        references: tuple[Reference, ...],
        attached: Attached,
        offer: Offer | None,
    ) -> tuple[tuple[Reference, Misfit], ...]:
        if references is not attached.references:  # made to fit, for this cell
            return tuple(unusable(references, kind, offer))
        return self._scope.once(
            ("usable", offer.provider if offer else ""),
            self._levels.references,
            lambda: tuple(unusable(references, kind, offer)),
        )

    def _asked(self, wanted: Wanted) -> Asked | None:
        found = asked(self._shot, wanted, self._offers, only=self._provider)
        if isinstance(found, Diagnostic):
            self._scope.tell(found, self._levels.settings)
            return None
        return found

    def _all_used(self, kind: Kind, wanted: Wanted) -> bool:
        idle = [
            (name, written)
            for name, written in wanted.items()
            if written.layer in OWN and name not in USES[kind]
        ]
        for name, written in idle:
            finding = Diagnostic(
                slug="unused-setting",
                message=f"'{name}' has no meaning for {KIND_WORDS[kind]}",
                span=written.span,
                hint=_ADVICE.get(name, "take it out"),
            )
            self._scope.tell(finding, self._levels.settings)
        return not idle

    def _settle(self, brief: Brief, offer: Offer, options: Mapping[str, Any]) -> Settled:
        wish = brief.judged.wish
        settings = settings_for(wish, offer, options)
        extra = self._shot.extra.get(offer.provider)
        provider = offer.provider if brief.pinned else ""
        return Settled(
            settings=settings,
            spec=spec_for(wish, settings, offer, clip=brief.clip, clip_seconds=brief.seconds),
            shared=key.common(
                wish.kind, settings, key_ratios(wish), provider=provider, extra=extra
            ),
            extra={offer.provider: extra} if extra else EMPTY,
        )

    def _described(
        self, references: tuple[Reference, ...], attached: Attached
    ) -> Mapping[int, key.Base]:
        if references is not attached.references:
            return key.described(references)
        return self._scope.once(
            "described", self._levels.references, lambda: key.described(references)
        )


def _listed(names: list[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
