"""Every provider known, and the one way from an item to the request that would buy it.

A request is checked against the provider's closed schema before `extra` is merged into it: what
this package writes is never loose. What a manifest adds never replaces it: a field that our request
has, or that the offer reserves (count, size, media, cost, callbacks …), is refused, for 20 results
quoted as one would empty a budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pipeline.domain import Item, Offer
from pipeline.domain.offer_rules import extra_fault, option_faults, wrong_prompt_length
from pipeline.errors import InvalidInput
from pipeline.findings import Finding
from pipeline.providers import schema_registry
from pipeline.providers.apimart import APIMart
from pipeline.providers.base import ASSET, CLIENT_ID, Provider, plain
from pipeline.providers.evolink import EvoLink
from pipeline.providers.inference import Inference
from pipeline.providers.plugins import plugins
from pipeline.providers.runware import Runware
from pipeline.providers.unifically import Unifically

_OWN: tuple[Provider, ...] = (APIMart(), EvoLink(), Inference(), Runware(), Unifically())
_PLUGINS = tuple(plugins(provider.offer.provider for provider in _OWN))
for _plugin in _PLUGINS:
    schema_registry.register(_plugin.offer.provider, _plugin.wire_schemas)

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {provider.offer.provider: provider for provider in (*_OWN, *_PLUGINS)}
)
OFFERS: Mapping[str, Offer] = MappingProxyType(
    {name: provider.offer for name, provider in PROVIDERS.items()}
)


PLUGIN_RATES: tuple[Mapping[str, Any], ...] = tuple(
    rate for plugin in _PLUGINS for rate in plugin.rates
)
"""Prices that providers from other packages bring along, as entries of rates.yaml."""


def compose(item: Item, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request that would buy the item, as plain data in placeholder form.

    Raises InvalidInput, at the item's shot, for a prompt whose rendered form is too short or too
    long, for what the provider's schema refuses, and for `extra` that touches our own fields.
    """
    return compose_with(PROVIDERS[item.provider], item, options)


def compose_with(provider: Provider, item: Item, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `compose` does, for an adapter at hand."""
    offer = provider.offer
    if options and (
        wrong := [(fault.slug, fault.message) for fault in option_faults(offer, options)]
    ):
        raise _refusal(item, wrong)
    try:
        data = plain(provider.submit_request(item, options))
    # What an adapter refuses as InvalidInput is a finding already, and no breakage of it.
    except InvalidInput:
        raise
    except Exception as error:
        broke = f"its adapter broke in submit_request: {type(error).__name__}: {error}"
        told = f"{offer.title} cannot be told this: {broke}"
        raise _refusal(item, [("wire-schema", told)]) from error
    wrong = _request_faults(item, offer, data)
    if wrong:
        raise _refusal(item, wrong)
    extra = item.extra.get(item.provider)
    if extra:
        body = data["body"]
        data["body"] = [_join(body[0], extra)] if isinstance(body, list) else _join(body, extra)
    return data


def sent_prompt(provider: str, request: Mapping[str, Any]) -> str:
    """Return the prompt inside a composed request: what the provider gets to read."""
    return _prompt_in(OFFERS[provider], request)


def _prompt_in(offer: Offer, request: Mapping[str, Any]) -> str:
    found: Any = _task(request["body"])
    for step in offer.prompt_field.split("."):
        found = found[step]
    return str(found)


def _refusal(item: Item, problems: Iterable[tuple[str, str]]) -> InvalidInput:
    return InvalidInput(
        Finding(slug=slug, message=message, span=item.origin.shot) for slug, message in problems
    )


def _request_faults(item: Item, offer: Offer, data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what forbids the request, as slugs and messages; the first cause hides the rest."""
    prompt = _prompt_in(offer, data)
    # It would be filled in like our own: with an id, or with the address of an upload.
    if prompt == CLIENT_ID or prompt.startswith(ASSET):
        return [("prompt-reserved", f"a prompt cannot be the placeholder {prompt!r}")]
    wrong = wrong_prompt_length(len(prompt), offer.models[item.model][item.kind])
    if wrong is not None:
        slug, bound = wrong
        return [(slug, f"the prompt has {len(prompt):,} characters as sent, {bound}")]
    refused = schema_registry.schema_error(item.provider, item.model, data["body"])
    if refused is not None:
        return [("wire-schema", f"{offer.title} cannot be told this: {refused}")]
    added = item.extra.get(item.provider)
    return list(_extra_faults(offer, data["body"], added)) if added else []


def _task(body: Any) -> Any:
    """Return the object that holds a request's fields: the body, or the only task in it."""
    return body[0] if isinstance(body, list) else body


def _extra_faults(offer: Offer, body: Any, extra: Any) -> Iterator[tuple[str, str]]:
    """Yield, as slug and message, each field of `extra` that must not be there."""
    if not isinstance(extra, Mapping):
        yield ("extra-form", f"extra for {offer.provider} is a map of request fields")
        return
    for field, value in _leaves(extra):
        fault = extra_fault(offer, field, value)
        # An unknown field is a warning only, which the plan gives where it is written.
        if fault is not None and fault.slug != "extra-unknown":
            yield (fault.slug, fault.message)
        elif _is_taken(_task(body), field.split("."), value):
            yield ("extra-taken", f"{offer.title}'s field {field!r} is set by the shot already")


def _join(ours: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with those of `extra` added; `_extra_faults` has found nothing."""
    nested = {
        name: _join(ours[name], value)
        for name, value in extra.items()
        if isinstance(ours.get(name), Mapping)
    }
    return {**ours, **extra, **nested}


def _leaves(extra: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in extra.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _is_taken(ours: Any, path: list[str], value: Any) -> bool:
    for name in path:
        if not isinstance(ours, Mapping):
            return True
        if name not in ours:
            return False
        ours = ours[name]
    return not (isinstance(ours, Mapping) and isinstance(value, Mapping))
