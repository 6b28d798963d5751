"""How many clips of a lane at once, and how often one more: the provider's replies set it.

Until its provider says no for the first time, a lane's width grows by one for each success: two or
three at once become sixteen within as many submits. A 429 or a full queue halves it, and from then
on it grows by about one for each width of successes. It never exceeds a most. Where other processes
work with the same account, this one has a share of its most, and of its pace.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque

from pipeline.clock import Clock
from pipeline.providers.base import RETRY_AFTER_MAX_S

_ONE_EVENT_S = 1.0
"""Refusals closer together than this are one event: they were sent at the same width."""
_CALM_S = 600.0
"""After so long without a refusal the next one is news again."""
_LOOK_EVERY_S = 1.0
"""How long at most a turn is slept for where the share of the pace may change."""
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
        self._most = max(self._own_width, most or 0)
        self._widest = self._own_width
        self._gap_s = 1.0 / per_s if per_s > 0 else 0.0
        self._share: int | None = None
        """How many of the most are this process's; None where it is alone with its ledger."""
        self._share_of = self._most
        """How many there are over all processes."""
        self.in_company = False
        """Another process worked with the account meanwhile."""
        self._clock = clock
        self._free_at = clock.monotonic()
        """When the next submit is due at the earliest, as its provider asked for."""
        self._turned_at = -math.inf
        """When the last one was due."""
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
        return self._own_width if self._share is None else min(self._own_width, self._share)

    @property
    def _own_width(self) -> int:
        """Return how many its provider takes, by what is known of it."""
        return int(self._width)

    @property
    def most(self) -> int:
        """Return how many its width may grow to."""
        return self._most

    @property
    def wanted(self) -> int:
        """Return how many it would have in flight if no other process had any."""
        waiting = sum(not place.done() for place in self._waiting)
        # It may be twice as wide by the time that it is asked again.
        can_use = min(self.in_flight + waiting, 2 * self._own_width, self._most)
        return max(self.in_flight, can_use)

    @property
    def kept(self) -> int:
        """Return how many may be in flight as long as its share is what it is."""
        return max(self.in_flight, self._share or 0)

    def take_share(self, places: int, *, of: int, is_alone: bool) -> None:
        """Have so many of its most and of its pace from now on: others have the rest.

        `of` is how many all have together. With no place nothing is submitted.
        """
        self._share, self._share_of = places, max(1, of)
        self.in_company = self.in_company or not is_alone
        self._admit()

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
        least = 1 if refused else self._own_width
        self._width = float(min(self._most, max(least, width)))
        self._widest, self._slow_start = self._own_width, not refused

    @property
    def learnt(self) -> tuple[int, bool] | None:
        """Return the width to begin with in the next run, and whether more was refused.

        None where nothing was learnt, a person said how many, or another process used the account
        as well: what was left to this one says little of what its provider takes. A width that
        nobody used is no knowledge, unless a refusal led to it.
        """
        if not self._accepted or self._steered or self.in_company:
            return None
        width = self._own_width
        return (min(width, self._peak), False) if self._slow_start else (width, True)

    async def turn(self) -> None:
        """Wait until the next submit is due."""
        # One waits for the time, the others for their place in the line.
        async with self._turns:
            while (left := self._next_turn() - self._clock.monotonic()) > 0:
                await self._clock.sleep(left if self._share is None else min(left, _LOOK_EVERY_S))
            self._turned_at = self._clock.monotonic() - min(-left, _LATE_S)

    def _next_turn(self) -> float:
        """Return when the next submit is due; where its share grows meanwhile, that is earlier."""
        # Who has its place already goes on, also where the share is none by now.
        part = 1.0 if self._share is None else max(1, self._share) / self._share_of
        return max(self._free_at, self._turned_at + self._gap_s / part)

    def slow_down(self, retry_after_s: float | None = None) -> bool:
        """Halve the width, once for each event, and submit nothing for as long as was asked.

        Tell whether that is news: the first refusal after a calm, or fewer at once than was told.
        A provider that lets one through per wait refuses hundreds of times, and says one thing.
        """
        now = self._clock.monotonic()
        self._slow_start = False
        if now - self._cut_at >= _ONE_EVENT_S:
            # What its share kept it from using was not refused, and is not there to be halved.
            used = self._width if self._share is None else min(self._width, float(self.kept))
            self._width, self._cut_at = halve(used), now
        # Refusals of one event may each name a time: the latest counts, and none shortens the wait.
        if retry_after_s is not None:
            self._free_at = max(self._free_at, now + min(retry_after_s, RETRY_AFTER_MAX_S))
        if now - self._refused_at > _CALM_S:
            self._told_width = None
        self._refused_at = now
        width = self._own_width
        news = self._told_width is None or width < self._told_width
        self._told_width = width if news else self._told_width
        return news

    def speed_up(self) -> bool:
        """Let the width grow after a success; tell whether it is wider than it ever was.

        Where it is wider than its share, it is not used, and nothing was learnt of it.
        """
        self._accepted = True
        if self._share is not None and self._share < self._own_width:
            return False
        if self._slow_start:
            self._width = min(float(self._most), self._width + 1.0)
        else:
            self._width = grow(self._width, self._most)
        self._admit()
        width = self._own_width
        wider, self._widest = width > self._widest, max(width, self._widest)
        return wider

    def _admit(self) -> None:
        while self._waiting and self.in_flight < self.width:
            place = self._waiting.popleft()
            # Who was cancelled in the line still stands in it, and takes no place.
            if not place.done():
                self.in_flight += 1
                self._peak = max(self._peak, self.in_flight)
                place.set_result(None)
