"""A run on the command line: its events drawn as they happen, its process's signals minded.

What a person sees is a live panel, or one line per event.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import accumulate

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pipeline.api.campaign_request import RunSettings
from pipeline.api.campaign_run import NOTICE, Run, RunScope
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.cli.interrupts import StopRequest
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.clock import Clock
from pipeline.domain import Event
from pipeline.domain.money import exact_usd
from pipeline.domain.states import AT_REST, AT_WORK, BUSY, FINISHED, State
from pipeline.foreign_text import printable_line
from pipeline.run.outcome import Outcome

TOLD = frozenset({NOTICE, "reassigned", "account_missing"})
"""Events whose message a person is told as it is."""

HEARTBEAT_S = 60
_QUIET = frozenset(
    {"polled", "uploaded", "staging", "submitting", "waiting", "fetching", "done", "widened"}
)
"""Steps on the way, and what the next line says better: a clip that is done is shown."""

_BUSY = frozenset(kind.value for kind in BUSY)
"""Causes that an item goes back to the line for: the lane says once that it is slower."""


async def watch_run(
    campaign: LoadedCampaign,
    settings: RunSettings,
    scope: RunScope,
    console: TerminalConsole,
    stops: StopRequest,
) -> Outcome:
    """Run and return the outcome; the first signal stops in order, the second leaves at once."""
    run = Run(campaign, settings, scope)
    try:
        with _open_watcher(console) as watcher:
            beating = asyncio.create_task(tell_each_minute(watcher, settings.clock))
            try:
                async with run:
                    with stops.steering(run):
                        async for event in run.iter_events():
                            if event.name in TOLD:
                                console.print_line(event.detail["message"])
                            else:
                                watcher(event)
            finally:
                beating.cancel()
            return await run.wait()
    except asyncio.CancelledError:
        # A second signal. What is in flight stays in the ledger, for the next run to collect.
        raise typer.Exit(stops.exit) from None


async def tell_each_minute(watcher: Watcher, clock: Clock) -> None:
    """Have a watcher say once a minute that the run is at work."""
    while True:
        await clock.sleep(HEARTBEAT_S)
        watcher.beat(clock.now())


@contextmanager
def _open_watcher(console: Console) -> Iterator[Watcher]:
    """Yield an observer of events that draws them until the run ends."""
    if console.quiet:
        yield Watcher()
    elif console.is_terminal:
        panel = Panel()
        with Live(panel, console=console, refresh_per_second=4, transient=True):
            yield panel
    else:
        yield Lines(console)


class Watcher:
    """Sees every event of a run; this one keeps silent."""

    def __call__(self, event: Event) -> None:
        """Take one event."""

    def beat(self, now: datetime) -> None:
        """Show that the run is at work: a minute has passed."""


class Lines(Watcher):
    """One line per event, for logs; and one a minute, so that nobody takes a long wait for a halt.

    The log of a run of which nothing has come back yet would be silent for minutes.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._all = _Lane()

    def __call__(self, event: Event) -> None:
        """Print the event unless it is chatter."""
        self._all.take(event)
        if event.name in _QUIET or (event.name == "planned" and event.detail.get("cause") in _BUSY):
            return
        told = ((name, value) for name, value in event.detail.items() if value not in {"", None})
        detail = " ".join(f"{name}={value}" for name, value in told)
        words = [f"{event.at:%H:%M:%S}", event.name, event.provider, event.address, detail]
        line = printable_line(" ".join(word for word in words if word))
        self._console.print(line, markup=False, soft_wrap=True)

    def beat(self, now: datetime) -> None:
        """Print where the run stands."""
        in_flight, done, failed, charged = self._all.figures()
        told = f"{in_flight} in flight, {done} done, {failed} failed, {charged} charged"
        self._console.print(f"{now:%H:%M:%S} at work: {told}", markup=False, soft_wrap=True)


class Panel(Watcher):
    """A table of lanes that redraws itself."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}

    def __call__(self, event: Event) -> None:
        """Count the event."""
        if event.provider:
            self._lanes.setdefault(event.provider, _Lane()).take(event)

    def __rich__(self) -> Table:
        """Draw the lanes."""
        table = Table(box=None, padding=(0, 2))
        for title in ("provider", "in flight", "done", "failed", "charged", "latest"):
            table.add_column(title, justify="left" if title in {"provider", "latest"} else "right")
        for name, lane in sorted(self._lanes.items()):
            table.add_row(_ForeignLine(name), *lane.cells())
        return table


@dataclass(slots=True)
class _Lane:
    """What one lane has done since the run began."""

    counts: Counter[str] = field(default_factory=Counter)
    in_flight: set[str] = field(default_factory=set)
    charged_usd: Decimal = Decimal(0)
    latest: str = ""

    def take(self, event: Event) -> None:
        """Count the event; an item is in flight from its intent until it comes to rest."""
        self.counts[event.name] += 1
        if event.name in AT_WORK:
            self.in_flight.add(event.address)
        elif event.name in AT_REST:
            self.in_flight.discard(event.address)
        self.charged_usd += event.detail.get("charged_usd", 0)
        self.latest = f"{event.name} {event.address}"

    def figures(self) -> tuple[str, str, str, str]:
        """Return how many are in flight, done and failed, and what was charged."""
        done = sum(self.counts[state] for state in FINISHED)
        failed = self.counts[State.FAILED] + self.counts[State.IN_DOUBT]
        charged = f"{exact_usd(self.charged_usd)} USD"
        return str(len(self.in_flight)), str(done), str(failed), charged

    def cells(self) -> tuple[RenderableType, ...]:
        """Return the lane as it is drawn."""
        return (*self.figures(), _ForeignLine(self.latest))


class _ForeignLine:
    r"""Text from outside as one line of a table.

    Where there is no room for all of it, it is cut between its characters: half of an escape, such
    as `\u20` of `\u202e`, would be another text.
    """

    def __init__(self, text: str) -> None:
        self._signs = tuple(map(printable_line, text))
        self._width = sum(map(cell_len, self._signs))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return how narrow the line can be, and how wide it would be."""
        del console, options
        return Measurement(min(1, self._width), self._width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield as much of the line as there is room for."""
        del console
        text, room = "".join(self._signs), options.max_width
        if self._width > room:
            widths = accumulate(map(cell_len, self._signs))
            # One column is kept for the sign that stands for the rest.
            text = "".join(
                sign for sign, end in zip(self._signs, widths, strict=True) if end < room
            )
            text += "…"
        yield Text(text, no_wrap=True)
