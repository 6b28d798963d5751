"""`providers`: what each of them can do, and at what price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
        console.print_lines(_blocks(titles, rows))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _blocks(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the table one provider after the other, a line for each of its cells."""
    width = max(len(row[0]) for row in rows)
    for place, title in enumerate(titles):
        if not place:
            continue
        yield title
        for row in rows:
            if row[place] != NO:
                yield f"    {row[0]:<{width}}  {row[place]}"
