"""Time, as something that is handed in: the real one, or in tests one that jumps."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """What may ask for the time, or wait."""

    def now(self) -> datetime:
        """Return the wall clock's time in UTC; it may jump, in either direction."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow, and mean nothing but their differences."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        ...


class RealClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the wall clock's time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since an unknown moment; a suspended machine's sleep is counted.

        CLOCK_BOOTTIME where there is one: CLOCK_MONOTONIC stands still while a laptop sleeps
        (clock_gettime(2)), and an intent would look fresh that is hours old.
        """
        return time.clock_gettime(_GROWING)

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)


@cache
def boot() -> str:
    """Return what names this boot of the machine; empty where the system does not say.

    Within one boot `RealClock.monotonic` is the same clock for all processes.
    """
    with suppress(OSError):
        return _BOOT.read_text("ascii").strip()
    return ""


_BOOT = Path("/proc/sys/kernel/random/boot_id")
_GROWING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
