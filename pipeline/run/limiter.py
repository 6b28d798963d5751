"""How long to wait and how much at once: pure figures, and the gate that acts on them.

A wait is what the provider asked for, else it grows with the tries and is spread by chance, so that
what failed together does not come back together. A lane's width grows by about one for each width
of successes, up to a most, and is halved by a 429 or a full queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Protocol, TypeVar

from pipeline.clock import Clock
from pipeline.providers.base import Fault

RETRY_AFTER_MAX_S = 300.0
"""The longest wait a provider is granted (none says how long it may be)."""
T = TypeVar("T")
_BASE_S = 1.0
_CAP_S = 60.0
_DOUBLINGS = 10
_ONE_EVENT_S = 1.0
"""Refusals closer together than this are one event: they were sent at the same width."""
_LATE_S = 0.05
"""How late a turn may be and still not delay the next: timers are that coarse."""


class RandomSource(Protocol):
    """Where randomness comes from: `random.Random` is one."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return a number between the two."""
        ...


def backoff(attempt: int, *, chance: RandomSource, retry_after_s: float | None = None) -> float:
    """Return how long to wait before trying again: what was asked for, at most 300 s.

    Nothing asked for: between 0 and 1, 2, 4 … 60 s after the attempts 0, 1, 2 … (full jitter).
    """
    if retry_after_s is not None and retry_after_s > 0:
        return min(retry_after_s, RETRY_AFTER_MAX_S)
    return chance.uniform(0.0, min(_CAP_S, _BASE_S * 2 ** min(max(attempt, 0), _DOUBLINGS)))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read `Retry-After`, in seconds or as a date seen from the reply's own `Date`."""
    stated = headers.get("retry-after", "").strip()
    if stated.isdecimal():
        return float(stated)
    with suppress(ValueError, TypeError):
        until = parsedate_to_datetime(stated) - parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, until.total_seconds())
    return None


def halved(width: float) -> float:
    """Return a lane's width after a refusal: half, but never less than one."""
    return max(1.0, width / 2)


def grown(width: float, most: int) -> float:
    """Return a lane's width after a success: one more after a width of them."""
    return min(float(most), width + 1.0 / width)


async def repeated(
    attempt: Callable[[], Awaitable[T | Fault]],
    *,
    again: Callable[[Fault, int], bool],
    clock: Clock,
    chance: RandomSource,
) -> T | Fault:
    """Return the first result that is no fault, or the fault for which `again` says no.

    `again` is asked with the fault and the number of tries that went before (0, 1, …).
    """
    tries = 0
    while True:
        result = await attempt()
        if not isinstance(result, Fault) or not again(result, tries):
            return result
        await clock.sleep(backoff(tries, chance=chance, retry_after_s=result.retry_after_s))
        tries += 1


class ConcurrencyLimiter:
    """One lane's pace: how many at once, and how often; the provider's replies set it.

    It begins with `concurrency` and grows to `most`, which is the same unless it is given. Those
    who wait may be cancelled at any time, and leave nothing behind.
    """

    def __init__(
        self, *, concurrency: int, per_s: float, clock: Clock, most: int | None = None
    ) -> None:
        self.in_flight = 0
        self._width = float(max(1, concurrency))
        self._most = max(self.width, most or 0)
        self._widest = self.width
        self._gap_s = 1.0 / per_s if per_s > 0 else 0.0
        self._clock = clock
        self._free_at = clock.monotonic()
        self._cut_at = clock.monotonic() - _ONE_EVENT_S
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
        self._admit()

    async def turn(self) -> None:
        """Wait until the next submit is due."""
        # One waits for the time, the others for their place in the line.
        async with self._turns:
            while (left := self._free_at - self._clock.monotonic()) > 0:
                await self._clock.sleep(left)
            due = self._clock.monotonic() - min(-left, _LATE_S)
            self._free_at = due + self._gap_s

    def throttled(self, retry_after_s: float | None = None) -> None:
        """Halve the width, once for each event, and submit nothing for as long as was asked."""
        now = self._clock.monotonic()
        if now - self._cut_at >= _ONE_EVENT_S:
            self._width, self._cut_at = halved(self._width), now
        if retry_after_s is not None:
            self._free_at = max(self._free_at, now + min(retry_after_s, RETRY_AFTER_MAX_S))

    def went_well(self) -> bool:
        """Let the width grow a little; tell whether it is wider than it ever was."""
        self._width = grown(self._width, self._most)
        self._admit()
        wider, self._widest = self.width > self._widest, max(self.width, self._widest)
        return wider

    def _admit(self) -> None:
        while self._waiting and self.in_flight < self.width:
            place = self._waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)
