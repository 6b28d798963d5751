"""Every provider known, and the one way from an item to the request that would buy it.

A request is checked against the provider's closed schema before `extra` is merged into it: what
this package writes is never loose, and what a manifest adds never replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pipeline.domain import Item, Offer, Terms
from pipeline.errors import InvalidInput
from pipeline.findings import Diagnostic
from pipeline.providers import extras, wire
from pipeline.providers.apimart import APIMart
from pipeline.providers.base import ASSET, CLIENT_ID, Provider, plain
from pipeline.providers.evolink import EvoLink
from pipeline.providers.guests import guests
from pipeline.providers.inference import Inference
from pipeline.providers.runware import Runware
from pipeline.providers.unifically import Unifically

_OWN: tuple[Provider, ...] = (APIMart(), EvoLink(), Inference(), Runware(), Unifically())
_GUESTS = tuple(guests(provider.offer.provider for provider in _OWN))
for _guest in _GUESTS:
    wire.bring(_guest.offer.provider, _guest.wire_schema)

PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {provider.offer.provider: provider for provider in (*_OWN, *_GUESTS)}
)
OFFERS: Mapping[str, Offer] = MappingProxyType(
    {name: provider.offer for name, provider in PROVIDERS.items()}
)


GUEST_RATES: tuple[Mapping[str, Any], ...] = tuple(
    rate for guest in _GUESTS for rate in guest.rates
)
"""Prices that providers from other packages bring along, as entries of rates.yaml."""


def compose(item: Item, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request that would buy the item, as plain data in placeholder form.

    Raises InvalidInput, at the item's shot, for a prompt whose rendered form is too short or too
    long, for what the provider's schema refuses, and for `extra` that touches our own fields.
    """
    return composed(PROVIDERS[item.provider], item, options)


def composed(provider: Provider, item: Item, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `compose` does, for an adapter at hand."""
    wrong = list(_option_problems(provider.offer, options))
    if wrong:
        raise _refusal(item, wrong)
    try:
        data = plain(provider.submit_request(item, options))
    except InvalidInput:
        raise
    except Exception as error:
        broke = f"its adapter broke in submit_request: {type(error).__name__}: {error}"
        told = f"{provider.offer.title} cannot be told this: {broke}"
        raise _refusal(item, [("wire-schema", told)]) from error
    problems = _problems(item, provider.offer, data)
    if problems:
        raise _refusal(item, problems)
    extra = item.extra.get(item.provider)
    if extra:
        data["body"] = extras.merged(data["body"], extra)
    return data


def sent_prompt(provider: str, request: Mapping[str, Any]) -> str:
    """Return the prompt inside a composed request: what the provider gets to read."""
    return _prompt_in(OFFERS[provider], request)


def _prompt_in(offer: Offer, request: Mapping[str, Any]) -> str:
    found: Any = extras.task(request["body"])
    for step in offer.prompt_field.split("."):
        found = found[step]
    return str(found)


def _refusal(item: Item, problems: Iterable[tuple[str, str]]) -> InvalidInput:
    return InvalidInput(
        Diagnostic(slug=slug, message=message, span=item.origin.shot) for slug, message in problems
    )


def _option_problems(offer: Offer, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in options.items():
        allowed = offer.option_values.get(name)
        if name not in offer.options:
            yield ("unknown-option", f"{offer.title} has no option {name!r}")
        elif allowed is not None and value not in allowed:
            known = ", ".join(sorted(allowed))
            yield ("bad-option", f"{offer.title}'s option {name!r} is one of {known}")


def _problems(item: Item, offer: Offer, data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what forbids the request, as slugs and messages; the first cause hides the rest."""
    prompt = _prompt_problem(offer.kinds[item.kind], _prompt_in(offer, data))
    if prompt is not None:
        return [prompt]
    refused = wire.complaint(item.provider, data["body"])
    if refused is not None:
        return [("wire-schema", f"{offer.title} cannot be told this: {refused}")]
    added = item.extra.get(item.provider)
    return list(extras.problems(offer, data["body"], added)) if added else []


def _prompt_problem(terms: Terms, prompt: str) -> tuple[str, str] | None:
    length = len(prompt)
    if prompt == CLIENT_ID or prompt.startswith(ASSET):
        return ("prompt-reserved", f"a prompt cannot be the placeholder {prompt!r}")
    if length < terms.prompt_min:
        least = terms.prompt_min
        return ("prompt-short", f"the prompt has {length} characters as sent, at least {least}")
    if length > terms.prompt_max:
        most = terms.prompt_max
        return ("prompt-long", f"the prompt has {length} characters as sent, at most {most}")
    return None
