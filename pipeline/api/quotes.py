"""What the providers themselves say a clip costs, before any money."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pipeline.api.campaign_request import RunSettings
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.provider_access import open_lanes
from pipeline.api.roots import open_for_work
from pipeline.domain import PricedItem
from pipeline.providers import PROVIDERS
from pipeline.run.quoting import Quoted, group_by_price, quote
from pipeline.storage.blobs import Store


def quote_campaign(
    campaign: LoadedCampaign, notify: Callable[[str], None], moved: Callable[[str], None]
) -> Sequence[Quoted]:
    """Ask each provider that has a dry run for its prices.

    `notify` is told of addresses from outside the manifest, `moved` of a root that was moved.
    """
    home = campaign.request.home
    found = campaign.entries(home / ".callsheet" / "assets")
    groups = group_by_price(entry for entry in found if isinstance(entry, PricedItem))
    names = frozenset(alike[0] for alike in groups)
    with (
        open_for_work(campaign.request, notify=moved) as ledger,
        open_lanes(RunSettings(), campaign, names, notify) as lanes,
    ):
        asked = quote(
            groups.values(), providers=PROVIDERS, lanes=lanes, ledger=ledger, store=Store(home)
        )
        return asyncio.run(asked)
