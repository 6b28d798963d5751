"""What one row and cell ask for, once for all takes: kind, references, settings, candidates.

Everything is checked here that does not need the prompt: first what the model forbids, whoever
sells it, then each provider asked for. The first that can express the item gets it.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import jsonschema_rs

from pipeline.domain import EMPTY, Kind, Media, Offer, Reference, Role, Settings, Shot, Spec
from pipeline.domain.clip_spec import has_ratio
from pipeline.errors import MediaFault
from pipeline.findings import Finding, Severity
from pipeline.models import AUTO, EDITS, FRAMED, VideoModel
from pipeline.plan import keys
from pipeline.plan.attachments import Attachments, MediaInspector
from pipeline.plan.capability_checks import (
    Requirements,
    Violation,
    first_recipe_ratio,
    forbidden,
    inexpressible,
    kind_of,
    ratio_for,
)
from pipeline.plan.cells import ITEM_SETTINGS
from pipeline.plan.media_checks import doubtful, near_ratio, unusable
from pipeline.plan.provider_settings import choose_model, choose_providers
from pipeline.plan.setting_layers import OWN, WrittenSettings
from pipeline.plan.template_scope import TemplateScope

_UNUSED_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "duration": "take it out: an edit is as long as its clip",
        "aspect_ratio": "take it out: an edit has the ratio of its clip",
        "keep_audio": "take it out: there is no clip whose sound could be kept",
    }
)
"""What to do with a setting that its kind does not use."""
_FOR_ALL = frozenset({"defaults", "overrides"})
_PLANNED = frozenset({"mode", "duration", "aspect_ratio", "keep_audio"})
"""Settings that the plan itself reads; all others of a model are only handed on."""
_NAMED = frozenset({"format", "safety", "watermark"})
"""Those of the others that `Settings` names."""
_PART_OF = MappingProxyType({"keep_audio": "video", "seconds": "video"})
"""What is written as a part of a reference, for want of a place of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A provider asked for, and why it cannot make the item, if it cannot."""

    offer: Offer
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedSettings:
    """What follows from the requirements once a provider is chosen."""

    settings: Settings
    spec: Spec
    shared: keys.SharedKey
    extra: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Compatibility:
    """Distinct requirements, and what was found out about them: most items share a few."""

    requirements: Requirements
    forbidden: tuple[Violation, ...]
    candidates: dict[str, Candidate] = field(default_factory=dict)
    resolved: dict[tuple[Any, ...], ResolvedSettings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDraft:
    """What a row and cell ask for, proven but for the prompt."""

    compatibility: Compatibility
    references: tuple[Reference, ...]
    key_parts: keys.ReferenceParts
    written: WrittenSettings
    clip: Media | None
    seconds: float | None
    """Length of the input clip."""
    pinned: bool
    candidates: tuple[Candidate, ...]

    @property
    def model(self) -> VideoModel:
        """The model that is to make the clip."""
        return self.compatibility.requirements.model

    @property
    def kind(self) -> Kind:
        """What the clip is made from."""
        return self.compatibility.requirements.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What each part of a shot's work depends on."""

    references: int
    settings: int
    draft: int
    prompt: int


class FindingLocator:
    """Reports violations at the place in manifest or table that they are about."""

    def __init__(self, shot: Shot, scope: TemplateScope) -> None:
        self._shot = shot
        self._scope = scope

    def report(
        self,
        violation: Violation,
        written: WrittenSettings,
        attachments: Attachments,
        level: int,
        *,
        hint: str = "",
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Report a violation at the setting or reference it is about.

        What nobody wrote has no place: then it is told at the provider that wants it, else at what
        makes the item's kind.
        """
        setting = written.get(violation.part)
        if setting and violation.part == "provider" and setting.layer not in OWN:
            # The providers of all shots are no mistake; that this one is not made by them is.
            setting = None
        part = _PART_OF.get(violation.part, violation.part)
        spans = self._shot.field_spans
        if setting is not None:
            span = setting.span
        elif violation.part == "prompt":
            span = self._shot.prompt.span
        elif part in attachments.spans:
            span = spans.get("use") or spans.get("references") or self._shot.span
        else:
            maker = written.get("provider")
            own = maker.span if maker and maker.layer in OWN else None
            makes_kind = spans.get("use") or spans.get("references") or self._shot.prompt.span
            span = spans.get(part) or own or makes_kind
        there = attachments.spans.get(part)
        finding = Finding(
            slug=violation.slug,
            message=violation.message,
            span=span,
            hint=hint,
            severity=severity,
            row=setting.row if setting else "",
            column=setting.column if setting else "",
            related=(there,) if there and there != span else (),
        )
        self._scope.report(finding, level)

    def report_media(
        self,
        reference: Reference,
        violation: Violation,
        attachments: Attachments,
        level: int,
        *,
        hint: str = "",
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Report a medium's violation where it is named: in the table's cell, if from one."""
        value = attachments.values.get(reference.span)
        span = reference.span
        if violation.part == "seconds" and attachments.declared is not None:
            value = attachments.declared
            span = value.span
        finding = Finding(
            slug=violation.slug,
            message=violation.message,
            span=span,
            hint=hint,
            severity=severity,
        )
        # A message that names no file is the same for all rows: one finding at the frame itself.
        if value is not None and violation.slug != "frame-ratio":
            finding = self._scope.in_cell(finding, value)
        self._scope.report(finding, level)

    def warn_of_addresses(
        self, model: VideoModel, attachments: Attachments, levels: Dependencies
    ) -> None:
        """Warn of addresses that are probably no picture or video."""
        doubts = self._scope.memoize(
            ("doubtful", model.name),
            levels.references,
            lambda: tuple(doubtful(attachments.references, model)),
        )
        for reference, violation, hint in doubts:
            self.report_media(
                reference,
                violation,
                attachments,
                levels.draft,
                hint=hint,
                severity=Severity.WARNING,
            )


class ItemResolver:
    """Drafts the items of one shot."""

    def __init__(
        self,
        shot: Shot,
        scope: TemplateScope,
        offers: Mapping[str, Offer],
        *,
        inspector: MediaInspector,
        provider: str,
        levels: Dependencies,
    ) -> None:
        self._shot = shot
        self._scope = scope
        self._offers = offers
        self._inspector = inspector
        self._provider = provider
        self._levels = levels
        self._locator = FindingLocator(shot, scope)
        self._compatibilities: dict[Requirements, Compatibility] = {}

    def draft(self, attachments: Attachments, written: WrittenSettings) -> ItemDraft | None:
        """Return the draft for the row and cell at hand; None if anything has a finding."""
        memoize, levels = self._scope.memoize, self._levels
        kind = kind_of(attachments.parts)
        model = memoize("model", levels.settings, lambda: self._model(written))
        if model is None:
            return None
        all_used = memoize(
            ("used", kind), levels.settings, lambda: self._all_settings_used(model, kind, written)
        )
        choice = memoize(
            "asked",
            levels.settings,
            lambda: choose_providers(self._shot, written, self._offers, only=self._provider),
        )
        if isinstance(choice, Finding):
            self._scope.report(choice, levels.settings)
        references = self._prepare_frames(model, attachments, written)
        asked = requirements_for(model, kind, attachments, references, written=written)
        known = self._compatibilities.get(asked)
        if known is None:
            known = Compatibility(requirements=asked, forbidden=tuple(forbidden(asked)))
            self._compatibilities[asked] = known
        for violation in known.forbidden:
            self._locator.report(violation, written, attachments, levels.draft)
        unfit = self._media_violations(asked, references, attachments, None)
        for reference, violation in unfit:
            self._locator.report_media(
                reference, violation, attachments, levels.draft, hint=violation.hint
            )
        self._locator.warn_of_addresses(model, attachments, levels)
        # Not before: whatever is wrong with this item is told in one pass.
        if unfit or known.forbidden or not all_used:
            return None
        if isinstance(choice, Finding) or attachments.broken:
            return None
        if len(references) < len(attachments.references):
            return None
        if references is attachments.references:
            key_parts = memoize(
                "described", levels.references, lambda: keys.describe_references(references)
            )
        else:
            key_parts = keys.describe_references(references)
        return ItemDraft(
            compatibility=known,
            references=references,
            key_parts=key_parts,
            written=written,
            clip=references[-1].media[0] if "video" in attachments.spans else None,
            seconds=attachments.seconds,
            pinned=choice.pinned,
            candidates=tuple(
                [self._candidate(offer, known, references, attachments) for offer in choice.offers]
            ),
        )

    def settle(self, draft: ItemDraft, offer: Offer) -> ResolvedSettings:
        """Return settings, spec and the shared part of the key for one provider."""
        asked = draft.compatibility.requirements
        options = dict(sorted(asked.options))
        side = _short_side(draft.clip)
        # All that a result depends on beside the requirements: a new input of `settle` belongs in
        # here.
        place = (offer.provider, draft.pinned, draft.seconds, side)
        known = draft.compatibility.resolved.get(place)
        if known is not None:
            return known
        model = asked.model
        limits = offer.models[model.name][asked.kind]
        settings = Settings(
            mode=asked.mode,
            duration=asked.duration,
            aspect_ratio=ratio_for(asked, limits),
            keep_audio=asked.keep_audio if "keep_audio" in model.uses[asked.kind] else None,
            **{name: value for name, value in options.items() if name in _NAMED},
            more=MappingProxyType({n: v for n, v in options.items() if n not in _NAMED}) or EMPTY,
        )
        # An item's key has the ratio that somebody wrote, whoever makes the item.
        sent_then = first_recipe_ratio(asked, limits)
        ratios = keys.KeyRatios(written=None, measures=None, unwritten=(), first_recipe=sent_then)
        if asked.kind not in EDITS:
            ratio = None if asked.ratio == AUTO else asked.ratio
            usual = asked.frame_ratio if "first" in asked.parts else model.usual_ratio
            ratios = keys.KeyRatios(
                written=ratio,
                measures=model.ratios.get(ratio or ""),
                unwritten=(AUTO,) if usual is None else (usual, AUTO),
                first_recipe=sent_then,
            )
        extra = self._shot.extra.get(offer.provider)
        resolved = draft.compatibility.resolved[place] = ResolvedSettings(
            settings=settings,
            spec=_spec(draft, settings, offer),
            shared=keys.share_key(
                model.name,
                asked.kind,
                _settings_in_key(model, settings),
                ratios,
                provider=offer.provider if draft.pinned else "",
                extra=extra,
            ),
            extra={offer.provider: extra} if extra else EMPTY,
        )
        return resolved

    def report_nobody(
        self, draft: ItemDraft, violations: list[Violation], attachments: Attachments
    ) -> None:
        """Report that no provider asked for can make the item, each with its reason."""
        # Candidates are judged without the prompt, so nobody can be named who would take this one.
        by_prompt = violations[0].part == "prompt"
        others = [] if by_prompt else self._others(draft, attachments)
        whole = replace(
            violations[0], message="; ".join(dict.fromkeys(each.message for each in violations))
        )
        hint = f"{_and_list(others)} could" if others else ""
        level = self._levels.draft | (self._levels.prompt if by_prompt else 0)
        self._locator.report(whole, draft.written, attachments, level, hint=hint)

    def report_left_out(
        self, draft: ItemDraft, violation: Violation, attachments: Attachments
    ) -> None:
        """Warn that a run with one provider leaves the item to others, who could make it."""
        by_prompt = violation.part == "prompt"
        others = [each.offer.title for each in draft.candidates if not each.violations]
        others += [] if by_prompt else self._others(draft, attachments)
        could = f"; {_and_list(list(dict.fromkeys(others)))} could" if others else ""
        level = self._levels.draft | (self._levels.prompt if by_prompt else 0)
        self._locator.report(
            violation,
            draft.written,
            attachments,
            level,
            hint=f"left out of this run{could}",
            severity=Severity.WARNING,
        )

    def _others(self, draft: ItemDraft, attachments: Attachments) -> list[str]:
        """Return the titles of providers that nobody asked for, and that could."""
        asked = {candidate.offer.provider for candidate in draft.candidates}
        return [
            offer.title
            for name, offer in sorted(self._offers.items())
            if name not in asked
            and not self._candidate(
                offer, draft.compatibility, draft.references, attachments
            ).violations
        ]

    def _candidate(
        self,
        offer: Offer,
        compatibility: Compatibility,
        references: tuple[Reference, ...],
        attachments: Attachments,
    ) -> Candidate:
        known = compatibility.candidates.get(offer.provider)
        if known is None:
            violations = tuple(inexpressible(compatibility.requirements, offer))
            known = Candidate(offer=offer, violations=violations)
            compatibility.candidates[offer.provider] = known
        asked = compatibility.requirements
        # Not kept with the requirements: items that ask for the same may attach other files.
        media = self._media_violations(asked, references, attachments, offer)
        if not media:
            return known
        return Candidate(
            offer=offer, violations=known.violations + tuple(each for _, each in media)
        )

    def _media_violations(
        self,
        asked: Requirements,
        references: tuple[Reference, ...],
        attachments: Attachments,
        offer: Offer | None,
    ) -> tuple[tuple[Reference, Violation], ...]:
        declared_s = attachments.seconds if attachments.declared else None

        def look() -> tuple[tuple[Reference, Violation], ...]:
            found = unusable(references, asked.model, asked.kind, offer, declared_s=declared_s)
            return tuple(found)

        if references is not attachments.references:  # made to fit, for this cell
            return look()
        name = offer.provider if offer else ""
        return self._scope.memoize(
            ("usable", asked.model.name, name), self._levels.references, look
        )

    def _model(self, written: WrittenSettings) -> VideoModel | None:
        """Return the model that is asked for; report one that nobody knows."""
        model = choose_model(self._shot, written)
        if isinstance(model, Finding):
            self._scope.report(model, self._levels.settings)
            return None
        return model

    def _all_settings_used(self, model: VideoModel, kind: Kind, written: WrittenSettings) -> bool:
        """Tell whether each of the shot's own settings has a meaning; report those without."""
        used = ITEM_SETTINGS | model.uses.get(kind, frozenset(model.parameters))
        idle = [
            (name, setting)
            for name, setting in written.items()
            if setting.layer in OWN and name not in used
        ]
        for name, setting in idle:
            lacking = name not in model.parameters
            finding = Finding(
                slug="unused-setting",
                message=f"{model.title} has no setting '{name}'"
                if lacking
                else f"'{name}' has no meaning for {model.words[kind]}",
                span=setting.span,
                hint="take it out" if lacking else _UNUSED_ADVICE.get(name, "take it out"),
            )
            self._scope.report(finding, self._levels.settings)
        wrong = [
            (name, setting)
            for name, setting in written.items()
            # What the plan reads is held against the limits of the kind.
            if name in used and name in model.parameters.keys() - _PLANNED
            # Of two models' rules for one name, the manifest's schema holds the wider.
            if not jsonschema_rs.is_valid(dict(model.parameters[name].rule), setting.data)
        ]
        for name, setting in wrong:
            finding = Finding(
                slug="bad-setting",
                message=f"'{name}' is {model.parameters[name].says}, not {setting.data!r}",
                span=setting.span,
                row=setting.row,
                column=setting.column,
            )
            self._scope.report(finding, self._levels.settings)
        return not idle and not wrong

    def _prepare_frames(
        self, model: VideoModel, attachments: Attachments, written: WrittenSettings
    ) -> tuple[Reference, ...]:
        """Return the references, frames as they are sent; one with a finding is left out.

        They get the ratio asked for. With `auto` it is not checked, and of a URL nothing is known.
        """
        if not {"first", "last"} & attachments.parts:
            return attachments.references
        setting = written.get("aspect_ratio")
        stated = setting is not None and setting.data in model.ratios
        ratio = setting.data if setting and stated and "edit" not in attachments.parts else ""
        prepared: list[Reference] = []
        for reference in attachments.references:
            media = reference.media[0]
            if reference.role not in {Role.FIRST, Role.LAST}:
                prepared.append(reference)
                continue
            near = not ratio or has_ratio(media.width, media.height, model.ratios[ratio])
            if ratio and media.local and not near and not attachments.fit:
                message = f"the {reference.role} frame is not {ratio}"
                fault = MediaFault("frame-ratio", message, "say fit: crop, or fit: pad")
                self._report_frame(reference, fault, attachments)
                continue
            try:
                if ratio and attachments.fit and not (near and media.local):
                    sent = self._inspector.fit(media, ratio, attachments.fit)
                else:
                    sent = self._inspector.convert(media)
            except MediaFault as fault:
                self._report_frame(reference, fault, attachments)
                continue
            prepared.append(reference if sent is media else replace(reference, media=(sent,)))
        same = all(map(operator.is_, prepared, attachments.references))
        whole = len(prepared) == len(attachments.references)
        return attachments.references if same and whole else tuple(prepared)

    def _report_frame(
        self, reference: Reference, fault: MediaFault, attachments: Attachments
    ) -> None:
        violation = Violation(slug=fault.slug, message=fault.message, part=reference.name)
        self._locator.report_media(
            reference, violation, attachments, self._levels.draft, hint=fault.hint
        )


def requirements_for(
    model: VideoModel,
    kind: Kind,
    attachments: Attachments,
    references: tuple[Reference, ...],
    *,
    written: WrittenSettings,
) -> Requirements:
    """Return what decides whether an item can be said; settings without a meaning left out."""
    meant = model.uses.get(kind, frozenset[str]())
    used = {name: setting.data for name, setting in written.items() if name in meant}
    first = references[0].media[0] if references and references[0].role is Role.FIRST else None
    ratio = written.get("aspect_ratio") if "aspect_ratio" in used else None
    if ratio is not None and ratio.data == AUTO and ratio.layer in _FOR_ALL:
        # `auto` for all shots means: let it follow what there is to follow. Where a shot has
        # nothing of the kind, it is as if nobody had written a ratio.
        ratio = None
    return Requirements(
        model=model,
        kind=kind,
        mode=used.get("mode", model.parameters["mode"].default),
        duration=None
        if kind in EDITS
        else used.get("duration", model.parameters["duration"].default),
        ratio=None if ratio is None else str(ratio.data),
        frame_ratio=near_ratio(first.width, first.height, model) if first else None,
        parts=attachments.parts,
        images=attachments.images,
        elements=attachments.elements,
        keep_audio=bool(used.get("keep_audio", attachments.keep_audio)),
        options=frozenset((name, used[name]) for name in used.keys() - _PLANNED),
    )


def _settings_in_key(model: VideoModel, settings: Settings) -> Settings:
    """Return the settings without those that make no other clip."""
    kept = {name: v for name, v in settings.more.items() if model.parameters[name].in_key}
    return settings if len(kept) == len(settings.more) else replace(settings, more=kept)


def _short_side(clip: Media | None) -> int | None:
    """Return the short side of the input clip, where it is known."""
    return (min(clip.width, clip.height) or None) if clip else None


def _spec(draft: ItemDraft, settings: Settings, offer: Offer) -> Spec:
    """Return what the clip must measure."""
    asked = draft.compatibility.requirements
    ratio = settings.aspect_ratio
    if ratio == AUTO and asked.kind in FRAMED:
        ratio = asked.frame_ratio
    side = (asked.model.pixels if offer.pixels is None else offer.pixels).get(settings.mode)
    if asked.kind in EDITS:
        # "Size and length follow it" (Runware's model page): not larger than its clip.
        own = _short_side(draft.clip)
        side = min(side, own) if side and own else None
    elif asked.kind in FRAMED and ratio is None:
        side = None
    return Spec(
        seconds=draft.seconds if asked.kind in EDITS else settings.duration,
        ratio=asked.model.ratios.get(ratio or ""),
        short_side=side,
    )


def _and_list(names: list[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
