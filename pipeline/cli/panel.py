"""What a person sees while a campaign runs: a live panel, or one line per event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipeline.model import Event

_QUIET = frozenset({"polled", "uploaded", "staging"})


@contextmanager
def watching(console: Console, *, quiet: bool) -> Iterator[Watcher]:
    """Yield an observer of events that draws them until the run ends."""
    if quiet:
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


class Lines(Watcher):
    """One line per event, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: Event) -> None:
        """Print the event unless it is chatter."""
        if event.name in _QUIET:
            return
        told = ((name, value) for name, value in event.detail.items() if value not in {"", None})
        detail = " ".join(f"{name}={value}" for name, value in told)
        words = [f"{event.at:%H:%M:%S}", event.name, event.provider, event.address, detail]
        self._console.print(
            " ".join(word for word in words if word), highlight=False, markup=False, soft_wrap=True
        )


class Panel(Watcher):
    """A table of lanes that redraws itself."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._usd: dict[tuple[str, str], Decimal] = {}
        self._last: Mapping[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Count the event."""
        lane = event.provider
        self._counts[lane, event.name] += 1
        for figure in ("reserved_usd", "charged_usd"):
            if figure in event.detail:
                key = (lane, figure)
                self._usd[key] = self._usd.get(key, Decimal(0)) + Decimal(event.detail[figure])
        self._last = {**self._last, lane: f"{event.name} {event.address}"}

    def __rich__(self) -> Table:
        """Draw the lanes."""
        table = Table(box=None, padding=(0, 2))
        for title in ("provider", "in flight", "done", "failed", "charged", "latest"):
            table.add_column(title, justify="left" if title in {"provider", "latest"} else "right")
        for lane in sorted({lane for lane, _ in self._counts if lane}):
            table.add_row(*self._cells(lane))
        return table

    def _cells(self, lane: str) -> tuple[str, ...]:
        done = self._counts[lane, "done"] + self._counts[lane, "off_spec"]
        failed = self._counts[lane, "failed"] + self._counts[lane, "in_doubt"]
        in_flight = max(0, self._counts[lane, "submitting"] - done - failed)
        charged = self._usd.get((lane, "charged_usd"), Decimal(0))
        return (
            lane,
            str(in_flight),
            str(done),
            str(failed),
            f"{charged:.2f} USD",
            self._last[lane],
        )
