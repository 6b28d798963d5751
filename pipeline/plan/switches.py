"""What a manifest sets for providers themselves → findings at the very key, before any item.

The request is checked again when it is composed; there the place is not known any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from pipeline.domain import Manifest, Offer, ProviderSettings, Shot, Value
from pipeline.findings import Diagnostic, Span, did_you_mean
from pipeline.plan.providers import unknown_provider


def switch_faults(manifest: Manifest, offers: Mapping[str, Offer]) -> Iterator[Diagnostic]:
    """Yield what is wrong under `providers`: names, options, and addresses that are foreign."""
    for name, settings in manifest.providers.items():
        offer = offers.get(name)
        if offer is None:
            yield unknown_provider(name, offers, settings.spans.get("", manifest.span))
            continue
        yield from _options(offer, settings)
        for address in (settings.base_url, settings.upload_url):
            if address is not None:
                yield from _address(offer, address)


def extra_faults(shot: Shot, offers: Mapping[str, Offer]) -> Iterator[Diagnostic]:
    """Yield each field of a shot's `extra` that an offer keeps for itself."""
    for name in shot.extra:
        offer = offers.get(name)
        for field, span in _fields(shot, name) if offer else ():
            if offer and _reserved(offer, field):
                yield Diagnostic(
                    slug="extra-reserved",
                    message=f"{offer.title}'s field '{field}' is not for extra to set",
                    span=span,
                    hint="the shot and its settings decide what is sent there",
                )


def _fields(shot: Shot, provider: str) -> Iterator[tuple[str, Span]]:
    """Yield the dotted fields that `extra` sets for a provider, without the maps around them."""
    below = f"extra.{provider}."
    for path, span in shot.field_spans.items():
        inner = any(other.startswith(f"{path}.") for other in shot.field_spans)
        if path.startswith(below) and not inner:
            yield path.removeprefix(below), span


def _reserved(offer: Offer, field: str) -> bool:
    return any(
        field == known or field.startswith(f"{known}.") or known.startswith(f"{field}.")
        for known in offer.reserved
    )


def _options(offer: Offer, settings: ProviderSettings) -> Iterator[Diagnostic]:
    for name, value in settings.options.items():
        span = settings.spans[name]
        allowed = offer.option_values.get(name)
        if name not in offer.options:
            yield Diagnostic(
                slug="unknown-option",
                message=f"{offer.title} has no option '{name}'",
                span=span,
                hint=did_you_mean(name, offer.options),
            )
        elif allowed is not None and value not in allowed:
            yield Diagnostic(
                slug="bad-option",
                message=f"{offer.title}'s option '{name}' is not {value!r}",
                span=span,
                hint=f"it is {' or '.join(sorted(allowed))}",
            )


def _address(offer: Offer, address: Value) -> Iterator[Diagnostic]:
    url = str(address.data)
    own = {urlsplit(base).hostname or "" for base in offer.hosts.values()} | offer.hosts_allowed
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname in own:
        return
    variable = f"{offer.provider}_BASE_URL".upper()
    yield Diagnostic(
        slug="foreign-address",
        message=f"a manifest may not send {offer.title}'s key to {parts.hostname or url}",
        span=address.span,
        hint=f"use {' or '.join(sorted(own))}; any other is set by {variable} or --base-url",
    )
