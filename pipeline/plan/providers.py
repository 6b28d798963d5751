"""Settings → the providers that are asked, in order, and whether the item is pinned to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from pipeline.domain import Offer, Shot
from pipeline.findings import Diagnostic, Span
from pipeline.plan.layers import Wanted
from pipeline.plan.rules import USUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The offers to try, in order; pinned: whose clip it is, is part of what it is."""

    offers: tuple[Offer, ...]
    pinned: bool


def asked(
    shot: Shot, wanted: Wanted, offers: Mapping[str, Offer], *, only: str = ""
) -> Asked | Diagnostic:
    """Return who is asked, or what is wrong.

    `only` is the provider of the command line: it is asked first. What it cannot make stays with
    the manifest's own, so that a clip made there before stays in the plan.
    """
    written = wanted.get("provider")
    names: tuple[str, ...] = written.data if written else USUAL["provider"]  # type: ignore[assignment]
    span = written.span if written else shot.span
    extra = shot.field_spans.get("extra", shot.span)
    typed = Span(file="--provider", end_column=len(only) + 1)
    for group, place in ((names, span), (tuple(shot.extra), extra), ((only,) * bool(only), typed)):
        unknown = next((name for name in group if name not in offers), None)
        if unknown is not None:
            return unknown_provider(unknown, offers, place)
    pinned = _pinned(shot, wanted)
    if shot.extra:
        names = tuple(name for name in names if name in shot.extra)
    if only and (not pinned or only in names):
        names = (only, *(name for name in names if name != only and not pinned))
    if not names:
        return _elsewhere(shot, only, extra if shot.extra else span)
    return Asked(offers=tuple(offers[name] for name in names), pinned=pinned)


def _pinned(shot: Shot, wanted: Wanted) -> bool:
    pin = wanted.get("pin_provider")
    written = wanted.get("provider")
    on_axis = written is not None and written.layer == "axis"
    return bool(shot.extra) or on_axis or (pin is not None and pin.data)


def unknown_provider(name: str, offers: Mapping[str, Offer], span: Span) -> Diagnostic:
    """Return the finding for a provider that nobody knows, with the nearest name."""
    close = get_close_matches(name, offers, n=1)
    known = ", ".join(sorted(offers))
    hint = f"did you mean '{close[0]}'?" if close else f"there are: {known}"
    return Diagnostic(
        slug="unknown-provider",
        message=f"there is no provider {name!r}",
        span=span,
        hint=f"several are a list: [{name}]" if "," in name else hint,
    )


def _elsewhere(shot: Shot, only: str, span: Span) -> Diagnostic:
    if shot.extra:
        message = f"'extra' is for {', '.join(sorted(shot.extra))}, which is not asked"
        hint = f"write provider: {min(shot.extra)}" if not only else ""
    else:
        message, hint = f"the item is pinned to another provider than {only}", ""
    return Diagnostic(slug="pinned-provider", message=message, span=span, hint=hint)
