"""Rules over an offer that a plan, a request and the command line share: each stands here once.

They say whether something is allowed; where it is written, the caller knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pipeline.domain.accounts import holds_a_key, key_variable
from pipeline.domain.capabilities import Constraints, Offer
from pipeline.domain.manifest import AccountSettings
from pipeline.findings import Finding, Span, did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionFault:
    """An option that a provider does not have, or not with this value."""

    name: str
    slug: str
    message: str
    hint: str


def option_faults(offer: Offer, options: Mapping[str, Any]) -> Iterator[OptionFault]:
    """Yield what is wrong with a provider's options."""
    for name, value in options.items():
        allowed = offer.option_values.get(name)
        if name not in offer.options:
            yield OptionFault(
                name=name,
                slug="unknown-option",
                message=f"{offer.title} has no option '{name}'",
                hint=did_you_mean(name, offer.options),
            )
        elif allowed is not None and value not in allowed:
            yield OptionFault(
                name=name,
                slug="bad-option",
                message=f"{offer.title}'s option '{name}' is not {value!r}",
                hint=f"it is {' or '.join(sorted(allowed))}",
            )


def reserved_field(offer: Offer, field: str) -> str | None:
    """Return why `extra` may not set a dotted field, or None where it may.

    A field is reserved too if it lies below a reserved one, or would replace its parent.
    """
    for known in offer.reserved:
        if field == known or field.startswith(f"{known}.") or known.startswith(f"{field}."):
            return f"{offer.title}'s field '{field}' is not for extra to set"
    return None


def foreign_host(offer: Offer, url: str, span: Span) -> Finding | None:
    """Return the finding against a URL in a manifest that is not the provider's own, if it is not.

    A key is only ever sent to a host that the offer lists, over https.
    """
    own = {urlsplit(base).hostname or "" for base in offer.hosts.values()} | offer.hosts_allowed
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname in own:
        return None
    variable = f"{offer.provider}_BASE_URL".upper()
    return Finding(
        slug="foreign-address",
        message=f"a manifest may not send {offer.title}'s key to {parts.hostname or url}",
        span=span,
        hint=f"use {' or '.join(sorted(own))}; any other is set by {variable} or --base-url",
    )


def foreign_key(offer: Offer, account: str, settings: AccountSettings) -> Finding | None:
    """Return the finding against an account whose key a manifest takes from elsewhere, if it does.

    Any variable could be named, and its value would be sent to the provider as a key.
    """
    if not settings.key_env or holds_a_key(offer.key_env, settings.key_env):
        return None
    return Finding(
        slug="foreign-key",
        message=f"a manifest may not send {settings.key_env} to {offer.title} as a key",
        span=settings.span,
        hint=f"name it {key_variable(offer.key_env, account)}, or let it begin so",
    )


def wrong_prompt_length(length: int, constraints: Constraints) -> tuple[str, str] | None:
    """Return the slug, and the bound in words ("at most 2,500"), that a prompt's length breaks."""
    if length < constraints.prompt_min:
        return "prompt-short", f"at least {constraints.prompt_min}"
    if length > constraints.prompt_max:
        return "prompt-long", f"at most {constraints.prompt_max:,}"
    return None
