"""`providers`: what each of them can do, and at what price."""

from __future__ import annotations

from rich.table import Table

from pipeline.api.price_list import provider_table
from pipeline.cli.options import command_app
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.report.capability_table import NO

app = command_app()
_GAP = 2
"""Columns between two cells."""


@app.command(epilog="Example: callsheet providers")
def providers() -> None:
    """Print what each provider can do, and at what price, from what is shipped: nothing is sent."""
    titles, rows = provider_table()
    console = TerminalConsole()
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    if sum(widths) + _GAP * len(widths) > console.width:
        # Side by side the names of keys would be broken, which are there to be copied.
        for place, title in enumerate(titles[1:], 1):
            cells = ((row[0], row[place]) for row in rows if row[place] != NO)
            console.print_line(title)
            console.print_lines(f"    {name:<{widths[0]}}  {cell}" for name, cell in cells)
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
