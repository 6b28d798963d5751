"""How long to wait before trying again, and the one loop that does.

A wait is what the provider asked for, else it grows with the tries and is spread by chance, so that
what failed together does not come back together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from pipeline.clock import Clock
from pipeline.providers.base import RETRY_AFTER_MAX_S, Fault

T = TypeVar("T")
_BASE_S = 1.0
_CAP_S = 60.0
_DOUBLINGS = 10


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
    # The exponent is bounded, since 1.0 * 2**1024 is an OverflowError and no infinity.
    return chance.uniform(0.0, min(_CAP_S, _BASE_S * 2 ** min(max(attempt, 0), _DOUBLINGS)))


async def retry(
    attempt: Callable[[], Awaitable[T | Fault]],
    *,
    again: Callable[[Fault, int], bool],
    clock: Clock,
    chance: RandomSource,
    rest: Callable[[float], Awaitable[bool]] | None = None,
) -> T | Fault:
    """Return the first result that is no fault, or the fault for which `again` says no.

    `again` is asked with the fault and the number of tries that went before (0, 1, …). `rest` waits
    for so many seconds instead of the clock, and tells whether to go on.
    """
    tries = 0
    while True:
        result = await attempt()
        if not isinstance(result, Fault) or not again(result, tries):
            return result
        pause_s = backoff(tries, chance=chance, retry_after_s=result.retry_after_s)
        if rest is None:
            await clock.sleep(pause_s)
        elif not await rest(pause_s):
            return result
        tries += 1
