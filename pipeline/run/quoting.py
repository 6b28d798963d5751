"""Prices that a provider names itself, by its own dry run: nothing is made and nothing is charged.

One request stands for all items that cost the same: same provider, model, kind, mode and length.
What the dry run needs to see is uploaded first, once per content, as a purchase would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from pipeline.clock import RealClock
from pipeline.domain import Feature, PricedItem
from pipeline.domain.item import Alike, price_group
from pipeline.ledger import payload
from pipeline.ledger.repository import Ledger
from pipeline.net.client import Transport
from pipeline.net.lane import Lane
from pipeline.providers.base import Fault, Provider, Quote
from pipeline.run.provider_client import ProviderClient
from pipeline.run.uploads import Uploader
from pipeline.storage.blobs import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """What a provider says of items that cost the same, beside what the price list says."""

    alike: Alike
    items: int
    example: PricedItem
    usd: Decimal | None = None
    """For one of them; None where no figure was told."""
    message: str = ""
    """Why there is no figure."""


def group_by_price(entries: Iterable[PricedItem]) -> dict[Alike, Quoted]:
    """Return one example for each group of items that cost the same."""
    found: dict[Alike, Quoted] = {}
    for entry in entries:
        group = price_group(entry.item)
        known = found.get(group) or Quoted(alike=group, items=0, example=entry)
        found[group] = replace(known, items=known.items + 1)
    return found


async def quote(
    wanted: Iterable[Quoted],
    *,
    providers: Mapping[str, Provider],
    lanes: Mapping[str, Lane],
    ledger: Ledger,
    store: Store,
) -> list[Quoted]:
    """Return the groups with what their providers say; those without dry runs say nothing."""
    async with Transport() as transport:
        staging = Uploader(
            transport=transport,
            store=store,
            cache=ledger.for_run(),
            clock=RealClock(),
            chance=Random(),  # noqa: S311 - it spreads retries
        )
        # Any account tells the price.
        first = {lane.provider: lane for lane in reversed([*lanes.values()])}
        found = []
        for group in wanted:
            name = group.alike[0]
            provider = providers[name]
            if Feature.QUOTE not in provider.offer.features:
                found.append(replace(group, message="it has no dry run"))
                continue
            kept = payload.load_item(payload.dump_item(group.example))
            lifetime_s = provider.offer.upload_lifetime_s
            places = await staging.stage(first[name], provider, kept.assets, lifetime_s=lifetime_s)
            told: Quote | Fault
            if isinstance(places, Fault):
                told = places
            else:
                client = ProviderClient(provider, first[name], transport)
                told = await client.quote(payload.request(kept.request), places)
            if isinstance(told, Quote):
                found.append(replace(group, usd=told.charge.usd, message=""))
            else:
                found.append(replace(group, message=told.message))
    return found
