"""What a manifest sets for providers themselves, and which of them an item asks, in order.

Findings stand at the very key, before any item. The request is checked again when it is composed;
there the place is not known any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.domain import Manifest, Offer, Shot
from pipeline.domain.offer_rules import extra_fault, foreign_host, foreign_key, option_faults
from pipeline.findings import Finding, Severity, Span, nearest
from pipeline.models import VideoModel, known_models
from pipeline.plan.setting_layers import USUAL, WrittenSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChoice:
    """The offers to try, in order; pinned: whose clip it is, is part of what it is."""

    offers: tuple[Offer, ...]
    pinned: bool


def choose_providers(
    shot: Shot, written: WrittenSettings, offers: Mapping[str, Offer], *, only: str = ""
) -> ProviderChoice | Finding:
    """Return who is asked, or what is wrong.

    `only` is the provider of the command line: it is asked first. What it cannot make stays with
    the manifest's own, so that a clip made there before stays in the plan.
    """
    setting, pin = written.get("provider"), written.get("pin_provider")
    names: tuple[str, ...] = setting.data if setting else USUAL["provider"]
    span = setting.span if setting else shot.span
    extra = shot.field_spans.get("extra", shot.span)
    typed = Span(file="--provider", end_column=len(only) + 1)
    # All names first: a misspelt one in `extra` would be told as a provider that nobody asks.
    for group, place in ((names, span), (tuple(shot.extra), extra), ((only,) * bool(only), typed)):
        unknown = next((name for name in group if name not in offers), None)
        if unknown is not None:
            return _unknown_provider(unknown, offers, place)
    # A provider axis compares providers: without the pin both cells would be one work, bought once.
    on_axis = setting is not None and setting.layer == "axis"
    pinned = bool(shot.extra) or on_axis or (pin is not None and pin.data)
    if shot.extra:
        # Such fields are of one provider's own request; another would make the clip without them.
        names = tuple(name for name in names if name in shot.extra)
    if only and (not pinned or only in names):
        # The others stay behind it, so that what they made before is not dropped from the plan; a
        # pinned item has nobody else to go to.
        names = (only, *(name for name in names if name != only and not pinned))
    if names:
        return ProviderChoice(offers=tuple(offers[name] for name in names), pinned=pinned)
    if shot.extra:
        message = f"'extra' is for {', '.join(sorted(shot.extra))}, which is not asked"
        hint = f"write provider: {min(shot.extra)}" if not only else ""
        return Finding(slug="pinned-provider", message=message, span=extra, hint=hint)
    message = f"the item is pinned to another provider than {only}"
    return Finding(slug="pinned-provider", message=message, span=span)


def choose_model(shot: Shot, written: WrittenSettings) -> VideoModel | Finding:
    """Return the model that is asked for, or what is wrong."""
    setting, models = written.get("model"), known_models()
    name = str(setting.data if setting else USUAL["model"])
    if name in models:
        return models[name]
    return Finding(
        slug="unknown-model",
        message=f"there is no model {name!r}",
        span=setting.span if setting else shot.span,
        hint=f"there {'are' if len(models) > 1 else 'is'}: {', '.join(sorted(models))}",
        row=setting.row if setting else "",
        column=setting.column if setting else "",
    )


def provider_setting_faults(manifest: Manifest, offers: Mapping[str, Offer]) -> Iterator[Finding]:
    """Yield what is wrong under `providers`: names, options, and foreign hosts."""
    for name, settings in manifest.providers.items():
        offer = offers.get(name)
        if offer is None:
            yield _unknown_provider(name, offers, settings.spans.get("", manifest.span))
            continue
        for fault in option_faults(offer, settings.options):
            yield Finding(
                slug=fault.slug,
                message=fault.message,
                span=settings.spans[fault.name],
                hint=fault.hint,
            )
        for account, its in settings.accounts.items():
            foreign = foreign_key(offer, account, its)
            if foreign is not None:
                yield foreign
        for url in (settings.base_url, settings.upload_url):
            foreign = foreign_host(offer, str(url.data), url.span) if url else None
            if foreign is not None:
                yield foreign


def extra_faults(shot: Shot, offers: Mapping[str, Offer]) -> Iterator[Finding]:
    """Yield what is wrong with a shot's `extra`, at each field: reserved, unknown, a bad value."""
    for name in shot.extra:
        offer = offers.get(name)
        if offer is None:
            continue
        below = f"extra.{name}."
        for path, span in shot.field_spans.items():
            # A map around other fields is none itself.
            outer = any(other.startswith(f"{path}.") for other in shot.field_spans)
            if not path.startswith(below) or outer:
                continue
            field = path.removeprefix(below)
            fault = extra_fault(offer, field, _value_at(shot.extra[name], field))
            if fault is not None:
                unknown = fault.slug == "extra-unknown"
                yield Finding(
                    slug=fault.slug,
                    message=fault.message,
                    span=span,
                    hint=fault.hint,
                    # A page may have been read before a field was added to it: sent all the same,
                    # and told.
                    severity=Severity.WARNING if unknown else Severity.ERROR,
                )


def _value_at(extra: Any, field: str) -> Any:
    """Return what stands at a dotted field; a name may hold dots itself."""
    for name, value in extra.items() if isinstance(extra, Mapping) else ():
        if field == name:
            return value
        if field.startswith(f"{name}."):
            return _value_at(value, field.removeprefix(f"{name}."))
    return None


def _unknown_provider(name: str, offers: Mapping[str, Offer], span: Span) -> Finding:
    close = nearest(name, offers)
    hint = f"did you mean '{close}'?" if close else f"there are: {', '.join(sorted(offers))}"
    return Finding(
        slug="unknown-provider",
        message=f"there is no provider {name!r}",
        span=span,
        hint=f"several are a list: [{name}]" if "," in name else hint,
    )
