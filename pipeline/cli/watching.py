"""A run on the command line: its events drawn as they happen, its process's signals minded.

What a person sees is a live panel, or one line per event; a program reads one object per event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from threading import Lock

import typer
from rich.console import Console, ConsoleOptions, Group
from rich.live import Live

from pipeline.api.campaign_request import RunSettings
from pipeline.api.campaign_run import Run
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.run_handle import NOTICE, RunScope
from pipeline.cli.interrupts import StopRequest
from pipeline.cli.options import RunForm
from pipeline.cli.run_text import heartbeat_text, print_event
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.clock import Clock, RealClock
from pipeline.domain import Event
from pipeline.domain.states import BUSY
from pipeline.foreign_text import printable_line
from pipeline.report.event_lines import heartbeat_event, outcome_event, start_event
from pipeline.report.progress_panel import draw_progress
from pipeline.report.run_progress import PROGRESS, RunStart, RunTally
from pipeline.run.outcome import Outcome

TOLD = frozenset(
    {NOTICE, "machines", "reassigned", "account_missing", "ledger_away", "ledger_back"}
    | {"stray_task"}
)
"""Events whose message a person is told as it is."""

HEARTBEAT_S = 60
_QUIET = frozenset(
    {"polled", "uploaded", "staging", "submitting", "waiting", "fetching", "done", "widened"}
    | {PROGRESS}
)
"""Steps on the way, and what the next line says better: a clip that is done is shown."""

_BUSY = frozenset(kind.value for kind in BUSY)
"""Causes that an item goes back to the line for: the lane says once that it is slower."""


async def watch_run(
    campaign: LoadedCampaign,
    settings: RunSettings,
    scope: RunScope,
    *,
    start: RunStart,
    console: TerminalConsole,
    stops: StopRequest,
    form: RunForm = RunForm.TEXT,
) -> Outcome:
    """Run and return the outcome; the first signal stops in order, the second leaves at once."""
    run, clock = Run(campaign, settings, scope), settings.clock
    try:
        with _open_watcher(console, RunTally(start), clock, form) as watcher:
            beating = asyncio.create_task(tell_each_minute(watcher, clock))
            try:
                async with run:
                    with stops.steering(run):
                        async for event in run.iter_events():
                            watcher(event)
            finally:
                beating.cancel()
            outcome = await run.wait()
            watcher.end(outcome, clock.now())
            return outcome
    except asyncio.CancelledError:
        # A second signal. What is in flight stays in the ledger, for the next run to collect.
        raise typer.Exit(stops.exit) from None


async def tell_each_minute(watcher: Watcher, clock: Clock) -> None:
    """Have a watcher say once a minute that the run is at work."""
    while True:
        await clock.sleep(HEARTBEAT_S)
        watcher.beat(clock.now())


@contextmanager
def _open_watcher(
    console: TerminalConsole, tally: RunTally, clock: Clock, form: RunForm
) -> Iterator[Watcher]:
    """Yield an observer of events that draws them until the run ends."""
    if form is RunForm.NDJSON:
        print_event(start_event(tally.start))
        yield EventObjects(tally)
    elif console.quiet:
        yield Watcher(console, tally)
    elif console.is_terminal:
        panel = Panel(console, tally, clock)
        with Live(panel, console=console, refresh_per_second=4, transient=True):
            yield panel
    else:
        yield Lines(console, tally)


class Watcher:
    """Sees every event of a run; this one tells what a person must know, and keeps silent."""

    def __init__(self, console: Console, tally: RunTally) -> None:
        self._console, self._tally = console, tally

    def __call__(self, event: Event) -> None:
        """Take one event."""
        self._tally.take(event)
        if event.name in TOLD:
            self._console.print(event.detail["message"], markup=False, soft_wrap=True)

    def beat(self, now: datetime) -> None:
        """Show that the run is at work: a minute has passed."""

    def end(self, outcome: Outcome, now: datetime) -> None:
        """Take what the run came to."""


class Lines(Watcher):
    """One line per event, for logs; and one a minute, so that nobody takes a long wait for a halt.

    The log of a run of which nothing has come back yet would be silent for minutes.
    """

    def __call__(self, event: Event) -> None:
        """Print the event unless it is chatter."""
        super().__call__(event)
        is_told = event.name in TOLD or event.name in _QUIET
        if is_told or (event.name == "planned" and event.detail.get("cause") in _BUSY):
            return
        told = ((name, value) for name, value in event.detail.items() if value not in {"", None})
        detail = " ".join(f"{name}={value}" for name, value in told)
        words = [f"{event.at:%H:%M:%S}", event.name, event.provider, event.address, detail]
        line = printable_line(" ".join(word for word in words if word))
        self._console.print(line, markup=False, soft_wrap=True)

    def beat(self, now: datetime) -> None:
        """Print where the run stands."""
        told = heartbeat_text(self._tally.snapshot(now))
        self._console.print(f"{now:%H:%M:%S} at work: {told}", markup=False, soft_wrap=True)


class EventObjects(Watcher):
    """One JSON object per event and line, for programs (`callsheet schema event`)."""

    def __init__(self, tally: RunTally) -> None:
        self._tally = tally

    def __call__(self, event: Event) -> None:
        """Print the event, whatever it is."""
        self._tally.take(event)
        print_event(event)

    def beat(self, now: datetime) -> None:
        """Print where the run stands."""
        print_event(heartbeat_event(self._tally.snapshot(now)))

    def end(self, outcome: Outcome, now: datetime) -> None:
        """Print what the run came to."""
        print_event(outcome_event(outcome.counts, outcome.spent_usd, outcome.committed_usd, now))


class Panel(Watcher):
    """How the run stands, drawn anew four times a second."""

    def __init__(
        self,
        console: Console,
        tally: RunTally,
        clock: Clock | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        super().__init__(console, tally)
        self._clock, self._zone = clock or RealClock(), zone
        # It is drawn in a thread of rich's, while events come in another.
        self._lock = Lock()

    def __call__(self, event: Event) -> None:
        """Count the event."""
        with self._lock:
            self._tally.take(event)
        if event.name in TOLD:
            self._console.print(event.detail["message"], markup=False, soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Group]:
        """Draw how the run stands."""
        del console
        with self._lock:
            progress = self._tally.snapshot(self._clock.now())
        yield draw_progress(progress, options.max_width, self._zone)
