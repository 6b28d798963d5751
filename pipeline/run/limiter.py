"""How many clips of a lane at once, and how often one more: the provider's replies set it.

Until its provider says no for the first time, a lane's width grows by one for each success: two or
three at once become sixteen within as many submits. A 429 or a full queue halves it, and from then
on it grows by about one for each width of successes. It never exceeds a most.
"""

from __future__ import annotations

import asyncio
from collections import deque

from pipeline.clock import Clock
from pipeline.providers.base import RETRY_AFTER_MAX_S

_ONE_EVENT_S = 1.0
"""Refusals closer together than this are one event: they were sent at the same width."""
_CALM_S = 600.0
"""After so long without a refusal the next one is news again."""
_LATE_S = 0.05
"""How late a turn may be and still not delay the next: timers are that coarse."""


def halve(width: float) -> float:
    """Return a lane's width after a refusal: half, but never less than one."""
    return max(1.0, width / 2)


def grow(width: float, most: int) -> float:
    """Return a lane's width after a success: one more after a width of them."""
    return min(float(most), width + 1.0 / width)


class ConcurrencyLimiter:
    """One lane's pace: how many at once, and how often; the provider's replies set it.

    It begins with `concurrency` and grows to `most`, which is the same unless it is given. Those
    who wait may be cancelled at any time, and leave nothing behind.
    """

    def __init__(
        self, *, concurrency: int, per_s: float, clock: Clock, most: int | None = None
    ) -> None:
        self.in_flight = 0
        self._slow_start = True
        """Nothing was refused yet (the name is TCP's: RFC 5681, 3.1)."""
        self._peak = 0
        """The most that were in flight."""
        self._accepted = False
        self._steered = False
        """A person said how many."""
        self._width = float(max(1, concurrency))
        self._most = max(self.width, most or 0)
        self._widest = self.width
        self._gap_s = 1.0 / per_s if per_s > 0 else 0.0
        self._clock = clock
        self._free_at = clock.monotonic()
        # In the past, so that the very first refusal halves the width.
        self._cut_at = clock.monotonic() - _ONE_EVENT_S
        self._refused_at = clock.monotonic()
        self._told_width: int | None = None
        """The narrowest that `slow_down` has called news since it was calm."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turns = asyncio.Lock()

    @property
    def width(self) -> int:
        """Return how many may be in flight now."""
        return int(self._width)

    async def enter(self) -> None:
        """Wait for a place among those in flight: first come, first served."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            # The place may have been given in the same moment.
            if place.done() and not place.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place to the next."""
        self.in_flight -= 1
        self._admit()

    def count(self) -> None:
        """Count one that is in flight already, whether there is room or not.

        Nobody else enters until there is.
        """
        self.in_flight += 1

    def resize(self, most: int) -> None:
        """Have so many in flight from now on, and never more."""
        self._width, self._most, self._widest = float(most), most, most
        self._steered = True
        self._admit()

    def recall(self, width: int, *, refused: bool) -> None:
        """Begin with what an earlier run had; `refused`: where its provider said no to more."""
        # What nobody refused is at least what the lane begins with anyway.
        least = 1 if refused else self.width
        self._width = float(min(self._most, max(least, width)))
        self._widest, self._slow_start = self.width, not refused

    @property
    def learnt(self) -> tuple[int, bool] | None:
        """Return the width to begin with in the next run, and whether more was refused.

        None where nothing was learnt, or a person said how many. A width that nobody used is no
        knowledge, unless a refusal led to it.
        """
        if not self._accepted or self._steered:
            return None
        return (min(self.width, self._peak), False) if self._slow_start else (self.width, True)

    async def turn(self) -> None:
        """Wait until the next submit is due."""
        # One waits for the time, the others for their place in the line.
        async with self._turns:
            while (left := self._free_at - self._clock.monotonic()) > 0:
                await self._clock.sleep(left)
            due = self._clock.monotonic() - min(-left, _LATE_S)
            self._free_at = due + self._gap_s

    def slow_down(self, retry_after_s: float | None = None) -> bool:
        """Halve the width, once for each event, and submit nothing for as long as was asked.

        Tell whether that is news: the first refusal after a calm, or fewer at once than was told.
        A provider that lets one through per wait refuses hundreds of times, and says one thing.
        """
        now = self._clock.monotonic()
        self._slow_start = False
        if now - self._cut_at >= _ONE_EVENT_S:
            self._width, self._cut_at = halve(self._width), now
        # Refusals of one event may each name a time: the latest counts, and none shortens the wait.
        if retry_after_s is not None:
            self._free_at = max(self._free_at, now + min(retry_after_s, RETRY_AFTER_MAX_S))
        if now - self._refused_at > _CALM_S:
            self._told_width = None
        self._refused_at = now
        news = self._told_width is None or self.width < self._told_width
        self._told_width = self.width if news else self._told_width
        return news

    def speed_up(self) -> bool:
        """Let the width grow after a success; tell whether it is wider than it ever was."""
        self._accepted = True
        if self._slow_start:
            self._width = min(float(self._most), self._width + 1.0)
        else:
            self._width = grow(self._width, self._most)
        self._admit()
        wider, self._widest = self.width > self._widest, max(self.width, self._widest)
        return wider

    def _admit(self) -> None:
        while self._waiting and self.in_flight < self.width:
            place = self._waiting.popleft()
            # Who was cancelled in the line still stands in it, and takes no place.
            if not place.done():
                self.in_flight += 1
                self._peak = max(self._peak, self.in_flight)
                place.set_result(None)
