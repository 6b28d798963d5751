"""`providers`: what each of them can do, and at what price."""

from __future__ import annotations

from rich.table import Table

from pipeline.api.price_list import provider_table
from pipeline.cli.options import command_app
from pipeline.cli.terminal_console import TerminalConsole

app = command_app()


@app.command(epilog="Example: callsheet providers")
def providers() -> None:
    """Print what each provider can do, and at what price, from what is shipped: nothing is sent."""
    titles, rows = provider_table()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    TerminalConsole().print(table)
