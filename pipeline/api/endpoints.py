"""Which addresses a provider is reached at; the manifest does not choose them.

A manifest may name hosts of the offer's own list only. Anything else comes from the environment
or the command line, must be https (http on loopback only), and is shown before the first
request (docs/design/secrets.md §2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import urlsplit

from pipeline.api.campaign_request import command_line_fault, usage
from pipeline.domain import Offer, ProviderSettings
from pipeline.domain.offer_rules import foreign_host
from pipeline.errors import InvalidInput
from pipeline.findings import did_you_mean
from pipeline.providers import OFFERS
from pipeline.web_addresses import is_loopback

_SETTINGS = MappingProxyType({"api": "base_url", "upload": "upload_url"})
STEERING = frozenset(
    f"{provider}_{setting}".upper() for provider in OFFERS for setting in _SETTINGS.values()
)
"""Variables that say where a key is sent."""


def hosts_of(
    offer: Offer,
    settings: ProviderSettings | None,
    variables: Mapping[str, str],
    given: Mapping[str, str],
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return host name to base URL, and those that came from outside (to be printed).

    `given` holds `--base-url` values as `{"api": url, "upload": url}`.
    """
    hosts, foreign = dict(offer.hosts), []
    for host, setting in _SETTINGS.items():
        if host not in hosts:
            continue
        variable = f"{offer.provider}_{setting}".upper()
        outside = given.get(host) or variables.get(variable, "")
        inside = getattr(settings, setting, None)
        if outside:
            parts = urlsplit(outside)
            near = parts.scheme == "http" and is_loopback(parts.hostname or "")
            if not parts.hostname or not (parts.scheme == "https" or near):
                raise command_line_fault(
                    "foreign-address", f"{outside} must be https (http only on loopback)"
                )
            hosts[host] = outside.rstrip("/")
            foreign.append(f"{offer.provider} {setting} = {hosts[host]}")
        elif inside is not None:
            foreign_address = foreign_host(offer, inside.data, inside.span)
            if foreign_address is not None:
                raise InvalidInput([foreign_address])
            hosts[host] = inside.data.rstrip("/")
    return MappingProxyType(hosts), tuple(foreign)


def base_urls(values: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """Read `--base-url runware=https://…` (`unifically.upload=…`) as `{provider: {host: url}}`."""
    read: dict[str, dict[str, str]] = {}
    for value in values:
        name, sign, url = value.partition("=")
        provider, _, host = name.partition(".")
        if not sign or not url:
            raise usage(f"--base-url takes PROVIDER=URL, not {value!r}")
        if provider not in OFFERS:
            hint = did_you_mean(provider, OFFERS)
            raise usage(f"--base-url: there is no provider {provider!r}", hint)
        read.setdefault(provider, {})[host or "api"] = url
    return read
