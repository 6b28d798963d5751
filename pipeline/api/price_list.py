"""The price list: what is shipped with the package, and what providers from packages bring."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from pipeline.api.shipped_data import read_package_yaml
from pipeline.plan import Rates, parse_rates
from pipeline.providers import OFFERS, PLUGIN_RATES
from pipeline.report.capability_table import Prices, capabilities


@cache
def price_list() -> Rates:
    """Return the rates that plans are priced by."""
    data = read_package_yaml("pipeline.providers", "rates.yaml")
    return parse_rates({**data, "rates": [*data["rates"], *PLUGIN_RATES]})


def prices_per_second(known: Rates) -> Prices:
    """Return the price a second of each provider, model, kind and mode."""
    return {work: rate.usd for work, rate in known.by_work.items()}


def provider_table() -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the titles and the rows of what each provider can do, and at what price."""
    head, *rows = capabilities(OFFERS.values(), prices_per_second(price_list()))
    return head, rows
