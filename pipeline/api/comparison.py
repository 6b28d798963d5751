"""`plan --compare`: one manifest at every provider, side by side; nothing is sent or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.money_text import price_text
from pipeline.domain import PricedItem
from pipeline.findings import Finding, Severity
from pipeline.providers import OFFERS
from pipeline.report.figures import count_text


@dataclass(slots=True)
class Comparison:
    """What one provider would make of a manifest."""

    items: int = 0
    elsewhere: int = 0
    unpriced: int = 0
    low_usd: Decimal = Decimal(0)
    high_usd: Decimal = Decimal(0)
    obstacles: dict[str, str] = field(default_factory=dict)
    """What it cannot honour, each once, with the place that asks for it."""

    def note(self, found: Finding) -> None:
        """Note what stands in the way of an item."""
        place = f"{Path(found.span.file).name}:{found.span.line}"
        rows = f" ({count_text(len(found.rows), 'row')})" if found.rows else ""
        self.obstacles.setdefault(f"{found.message}{rows}", place)

    def add(self, found: PricedItem, *, own: bool) -> None:
        """Count an item, unless others make it."""
        if not own:
            self.elsewhere += 1
            return
        self.items += 1
        if found.price is None:
            self.unpriced += 1
            return
        self.low_usd += found.price.low_usd
        self.high_usd += found.price.high_usd

    @property
    def price(self) -> str:
        """What it would cost, as far as it is known."""
        return price_text(self)


def compare_providers(campaign: LoadedCampaign) -> Mapping[str, Comparison]:
    """Return what each provider would make of the campaign, by its name."""
    found = {name: Comparison() for name in OFFERS}
    # What is said of the manifest whoever makes it: no provider can help that.
    known = {finding.message for finding in campaign.findings}
    known |= {
        each.message
        for each in campaign.entries(None)
        if isinstance(each, Finding) and each.severity is Severity.WARNING
    }
    for name, comparison in found.items():
        request = replace(campaign.request, provider=name)
        # The whole plan once for each: kinds, limits and prices are each provider's own.
        for entry in replace(campaign, request=request).entries(None):
            if isinstance(entry, PricedItem):
                comparison.add(entry, own=entry.item.provider == name)
            elif entry.message not in known:
                comparison.note(entry)
    return found
