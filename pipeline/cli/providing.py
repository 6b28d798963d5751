"""`providers`: what each of them can do, and at what price."""

from __future__ import annotations

from rich.table import Table

from pipeline.cli.app import app
from pipeline.cli.campaign import rates
from pipeline.cli.console import TerminalConsole
from pipeline.plan import Rates
from pipeline.providers import OFFERS
from pipeline.report.capability_table import Prices, capabilities


@app.command(epilog="Example: callsheet providers")
def providers() -> None:
    """Print what each provider can do, and at what price, from what is shipped: nothing is sent."""
    head, *rows = capabilities(OFFERS.values(), prices(rates()))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in head:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    TerminalConsole().print(table)


def prices(known: Rates) -> Prices:
    """Return the price a second of each provider, kind and mode."""
    return {work: rate.usd for work, rate in known.by_work.items()}
