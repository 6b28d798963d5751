"""Tables and colours on a terminal, for the commands that draw: rich is slow to load.

What comes from outside is text: never markup, never a control sequence.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from pipeline.cli.figure_table import FigureTable
from pipeline.foreign_text import printable


class TerminalConsole(Console):
    """A rich console on which no text is markup or controls the terminal.

    All other consoles are forbidden (tests/architecture/test_printing.py).
    """

    def __init__(self, *, quiet: bool = False, stderr: bool = False) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, quiet=quiet, stderr=stderr)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return plain text, whatever markup is in it."""
        return super().render_str(
            printable(text), **{**options, "markup": False, "emoji": False, "highlight": False}
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield what is drawn; a Text that was made elsewhere is made safe here."""
        for segment in super().render(renderable, options):
            # Only rich makes these, to redraw what is live: they are not text from outside.
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=printable(segment.text))

    def print_line(self, line: str) -> None:
        """Print a line that the terminal wraps, not we: it is there to be copied."""
        self.print(line, soft_wrap=True)

    def print_table(self, table: FigureTable) -> None:
        """Print a table as wide as the terminal; as wide as it is, where nobody says a width."""
        unlimited = not self.is_terminal and "COLUMNS" not in os.environ
        self.print(table.draw(table.width() if unlimited else self.width), crop=False)

    def print_lines(self, lines: Iterable[str]) -> None:
        """Print each of the lines like that."""
        for line in lines:
            self.print_line(line)
