"""A clock for tests: hours take no time.

It jumps to the next timer when the loop has turned a few times, no thread is at work and nobody has
set another.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.clock import RealClock

_TURNS = 25
"""Turns of the loop before a jump: enough for tasks that are ready to say what they wait for."""


class HastyClock(RealClock):
    """The real clock, but for its sleep, which takes a hundredth of what was asked for.

    For runs over real sockets: a poll that is due in 10 s is sent after 0.1 s, and no time jumps.
    """

    async def sleep(self, seconds: float) -> None:
        """Sleep for a hundredth of these seconds."""
        await super().sleep(seconds / 100)


async def brief_sleep(_: RealClock, seconds: float) -> None:
    """Sleep for a tenth of these seconds: put in the place of `RealClock.sleep`.

    For whole commands, whose clock cannot be handed in: what is due in 20 s is asked after two.
    """
    await asyncio.sleep(max(0.0, seconds) / 10)


class JumpingClock:
    """A `pipeline.clock.Clock` whose time passes only in jumps."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._timers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = itertools.count()
        self._turning = False
        self._at_work = 0

    def now(self) -> datetime:
        """Return the wall clock's time in UTC."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Return when the time has jumped so far."""
        ringing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watch_threads(asyncio.get_running_loop())
        due = self._elapsed + max(0.0, seconds)
        heapq.heappush(self._timers, (due, next(self._number), ringing))
        if not self._turning:
            self._turning = True
            self._turn(_TURNS)
        await ringing

    def advance(self, seconds: float) -> None:
        """Let time pass at once, as a suspended machine would: timers ring late."""
        self._elapsed += seconds

    def set_wall(self, moment: datetime) -> None:
        """Set the wall clock, in either direction; the monotonic one does not notice."""
        self._start = moment - timedelta(seconds=self._elapsed)

    def _watch_threads(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count what threads do for the loop: on a busy machine it is no idling."""
        run = loop.run_in_executor
        if getattr(run, "__self__", self) is not loop:
            return  # it is watched already
        # What was left behind in a loop that is closed by now never calls back.
        self._at_work, self._turning = 0, False
        self._timers.clear()

        def counted(*args: Any) -> asyncio.Future[Any]:
            self._at_work += 1
            future = run(*args)
            future.add_done_callback(self._worked)
            return future

        loop.run_in_executor = counted

    def _worked(self, _: asyncio.Future[Any]) -> None:
        self._at_work -= 1

    def _turn(self, left: int) -> None:
        loop = asyncio.get_running_loop()
        if self._at_work > 0:
            loop.call_later(0.001, self._turn, _TURNS)
            return
        if left:
            loop.call_soon(self._turn, left - 1)
            return
        while self._timers and self._timers[0][2].done():
            heapq.heappop(self._timers)
        if not self._timers:
            self._turning = False
            return
        due, _, ringing = heapq.heappop(self._timers)
        self._elapsed = max(self._elapsed, due)
        ringing.set_result(None)
        self._turn(_TURNS)
