"""What the providers themselves say a clip costs, before any money.

What they say is remembered for a day: plans and runs take it for the estimate, and for what is set
aside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pipeline.api.campaign_request import RunSettings
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.provider_access import open_lanes, variables_of
from pipeline.api.roots import open_for_work
from pipeline.domain import Feature, PricedItem
from pipeline.errors import InvalidInput
from pipeline.ledger.repository import Ledger
from pipeline.providers import OFFERS, PROVIDERS
from pipeline.run.quoting import Quoted, group_by_price, quote
from pipeline.storage.blobs import Store


def quote_campaign(
    campaign: LoadedCampaign, notify: Callable[[str], None], moved: Callable[[str], None]
) -> Sequence[Quoted]:
    """Ask each provider that has a dry run for its prices, and remember them.

    `notify` is told of addresses from outside the manifest, `moved` of a root that was moved.
    """
    with open_for_work(campaign.request, notify=moved) as ledger:
        return _ask(campaign, RunSettings(), ledger, notify, all_prices=True)


def ask_open_prices(
    campaign: LoadedCampaign,
    settings: RunSettings,
    ledger: Ledger,
    notify: Callable[[str], None],
) -> RunSettings:
    """Ask for the prices that nobody published, each once, before a person is asked to agree.

    Return the settings with the keys that were read. What keeps a provider from being asked is
    told, and is an error later on where nothing can be bought without it.
    """
    try:
        settings = replace(settings, variables=variables_of(settings, campaign.request))
        quotes = _ask(campaign, settings, ledger, notify, all_prices=False)
    except InvalidInput as invalid:
        for finding in invalid.findings:
            notify(f"no price could be asked for: {finding.message}")
        return settings
    for each in quotes:
        if each.usd is None:
            notify(f"{each.alike[0]} named no price: {each.message}")
    return settings


def _ask(
    campaign: LoadedCampaign,
    settings: RunSettings,
    ledger: Ledger,
    notify: Callable[[str], None],
    *,
    all_prices: bool,
) -> Sequence[Quoted]:
    """Return what dry runs say of each price; of all of them, or of those that are open."""
    home = campaign.request.home
    known = {} if all_prices else ledger.fresh_quotes(datetime.now(UTC))
    groups = group_by_price(
        entry
        for entry in campaign.entries(home / ".callsheet" / "assets", known)
        if isinstance(entry, PricedItem) and (all_prices or entry.price is None)
    )
    if not all_prices:
        features = {name: offer.features for name, offer in OFFERS.items()}
        # Nobody asked for these prices: only `--quote` is told who has no dry run.
        groups = {a: each for a, each in groups.items() if Feature.QUOTE in features[a[0]]}
    if not groups:
        return []
    names = frozenset(alike[0] for alike in groups)
    with open_lanes(settings, campaign, names, notify) as lanes:
        asked = quote(
            groups.values(), providers=PROVIDERS, lanes=lanes, ledger=ledger, store=Store(home)
        )
        found = asyncio.run(asked)
    told = [(each.alike, each.usd) for each in found if each.usd is not None]
    ledger.record_quotes(told, datetime.now(UTC))
    return found
