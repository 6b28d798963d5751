"""`plan --compare`: one manifest at every provider, side by side; nothing is sent or written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from rich.console import Console

from pipeline.cli.amounts import counted_items, priced
from pipeline.cli.campaign import Campaign
from pipeline.domain import PricedItem
from pipeline.findings import Finding, Severity
from pipeline.providers import OFFERS


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
        rows = f" ({len(found.rows)} rows)" if found.rows else ""
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
        return priced(self)


def compared(campaign: Campaign) -> Mapping[str, Comparison]:
    """Return what each provider would make of the campaign, by its name."""
    found = {name: Comparison() for name in OFFERS}
    told = _warned(campaign)
    for name, comparison in found.items():
        asked = replace(campaign.asked, provider=name)
        for entry in replace(campaign, asked=asked).entries(None):
            # What is wrong with the manifest itself is no provider's doing.
            if isinstance(entry, PricedItem):
                comparison.add(entry, own=entry.item.provider == name)
            elif entry.message not in told:
                comparison.note(entry)
    return found


def _warned(campaign: Campaign) -> frozenset[str]:
    """Return what is said of the manifest whoever makes it: no provider can help that."""
    planned = campaign.entries(None)
    warnings = {
        each.message
        for each in planned
        if isinstance(each, Finding) and each.severity is Severity.WARNING
    }
    return frozenset(warnings | {finding.message for finding in campaign.findings})


def show_comparison(console: Console, found: Mapping[str, Comparison]) -> None:
    """Print who could make how much, at what price, and what each cannot honour."""
    for line in _lines(found):
        console.print(line, markup=False, soft_wrap=True)


def _lines(found: Mapping[str, Comparison]) -> Iterator[str]:
    whole = max(each.items + each.elsewhere for each in found.values())
    order = sorted(found, key=lambda name: (-found[name].items, found[name].high_usd, name))
    for name in order:
        comparison = found[name]
        much = "all" if comparison.items == whole else "only"
        makes = f"{much} {counted_items(comparison.items)}, {comparison.price}"
        yield f"{OFFERS[name].title}: {makes if comparison.items else 'nothing of it'}"
        for message, place in comparison.obstacles.items():
            yield f"    {message}  ({place})"
