"""`plan --quote`: what the providers themselves say a clip costs, before any exact_usd."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.cli.campaign import Campaign
from pipeline.cli.lanes import open_lanes
from pipeline.cli.options import RunOptions
from pipeline.cli.roots import open_for_work
from pipeline.domain import PricedItem
from pipeline.domain.money import exact_usd
from pipeline.providers import PROVIDERS
from pipeline.run.quoting import Quoted, group_by_price, quote
from pipeline.storage.blobs import Store


def show_quotes(campaign: Campaign, console: Console) -> None:
    """Ask each provider that has a dry run, and print its price beside the price list's."""
    home = campaign.asked.home
    groups = group_by_price(_entries(campaign, home / ".callsheet" / "assets"))
    names = frozenset(alike[0] for alike in groups)
    with (
        open_for_work(campaign.asked) as ledger,
        open_lanes(RunOptions(asked=campaign.asked), campaign, names, console) as lanes,
    ):
        asked = quote(
            groups.values(), providers=PROVIDERS, lanes=lanes, ledger=ledger, store=Store(home)
        )
        console.print(_drawn(asyncio.run(asked)))


def _entries(campaign: Campaign, assets: Path) -> Iterator[PricedItem]:
    for entry in campaign.entries(assets):
        if isinstance(entry, PricedItem):
            yield entry


def _drawn(quotes: Sequence[Quoted]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("provider", "kind", "mode", "seconds", "items", "listed", "quoted"):
        table.add_column(title, justify="right" if title in {"items", "listed"} else "left")
    for quoted in quotes:
        provider, kind, mode, seconds = quoted.alike
        price = quoted.example.price
        listed = "unknown" if price is None else exact_usd(price.expected_usd)
        told = quoted.message if quoted.usd is None else f"{exact_usd(quoted.usd)} USD"
        length = "as its clip" if seconds is None else f"{seconds:g}"
        table.add_row(provider, kind, mode, length, str(quoted.items), listed, told)
    return table
