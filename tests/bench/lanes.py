"""How long a lane takes for its clips, on a clock that jumps: the machine plays no part in it.

`makespan`: 500 tasks whose lengths scatter log-normally, on 50 slots, against a replay that hands
each slot its next task in the very moment it is free. `ramp`: 200 tasks on a lane whose limit of 16
is not known, against the same with the limit known.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.domain import EMPTY, Cadence
from pipeline.ledger.repository import Ledger
from pipeline.net.client import Lane
from pipeline.providers.base import Request, Response
from pipeline.run.runner import run
from tests.bench.bench import Bench, Figure
from tests.unit.run.campaign import Studio, entry
from tests.unit.run.shop import OFFER, Provider, Shop

_SCATTER = 0.5
_HURRY = Cadence(first_s=0.5, every_s=0.5, max_s=10.0)
"""Runware's, which names no gap of its own in its pages."""


class TimedShop(Shop):
    """Tasks take the times that are given, in the order of their submits."""

    def time(self, durations: Sequence[float]) -> None:
        """Have the next tasks take so long."""
        self._durations = iter(durations)

    async def submit(
        self,
        lane: Lane,
        request: Request,
        headers: Mapping[str, str] = EMPTY,
        *,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Response:
        """Take the next duration."""
        self.takes_s = next(self._durations)
        return await super().submit(lane, request, headers, may_send=may_send)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a run took: seconds of its clock, and questions for each task."""

    seconds: float
    polls: float


def draw_durations(number: int, median_s: float, seed: int) -> list[float]:
    """Return log-normal durations, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - a measurement is to be repeated
    return [median_s * math.exp(chance.gauss(0, _SCATTER)) for _ in range(number)]


def replay(durations: Sequence[float], slots: int) -> float:
    """Return when the last task ends if every slot is filled in the moment it is free."""
    free = [0.0] * slots
    for seconds in durations:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


async def play(
    studio: Studio, names: Iterator[str], durations: Sequence[float], *, most: int
) -> Figures:
    """Make so many clips with at most so many at once."""
    shop = studio.shop
    assert isinstance(shop, TimedShop)
    shop.time(durations)
    polls, began = shop.polls, studio.clock.monotonic()
    assert studio.admit(entry(next(names)) for _ in durations).ok
    config, parts = studio.parts()
    parts["lanes"] = {"shop": replace(parts["lanes"]["shop"], most=most)}
    with Ledger.open(studio.root) as ledger:
        outcome = await run(ledger, config, **parts)
    assert not outcome.exit_code, outcome
    return Figures(
        seconds=studio.clock.monotonic() - began, polls=(shop.polls - polls) / len(durations)
    )


def studio_of(folder: Path, cadence: Cadence, concurrency: int) -> Studio:
    """Return an empty root whose provider advises a cadence, its price confirmed."""
    provider = Provider(replace(OFFER, cadence=cadence))
    studio = Studio(folder, provider=provider, concurrency=concurrency)
    studio.shop = TimedShop(studio.clock)
    studio.confirm_price()
    return studio


def measure_makespan(median_s: float, cadence: Cadence, tasks: int) -> tuple[float, Figures]:
    """Return the ratio to the replay once durations are known, and what the run took."""
    with tempfile.TemporaryDirectory() as folder:
        studio = studio_of(Path(folder), cadence, 50)
        names = (f"clip-{number}" for number in range(10 * tasks))
        asyncio.run(play(studio, names, draw_durations(200, median_s, 1), most=50))
        durations = draw_durations(tasks, median_s, 2)
        found = asyncio.run(play(studio, names, durations, most=50))
    return found.seconds / replay(durations, 50), found


def measure_ramp(median_s: float, tasks: int) -> tuple[float, float]:
    """Return how much longer an unknown lane takes than a known one: at first, and again."""
    taken: dict[int, list[float]] = {}
    for begins in (16, OFFER.concurrency):
        with tempfile.TemporaryDirectory() as folder:
            studio = studio_of(Path(folder), OFFER.cadence, begins)
            names = (f"clip-{number}" for number in range(10 * tasks))
            taken[begins] = [
                asyncio.run(
                    play(studio, names, draw_durations(tasks, median_s, seed), most=16)
                ).seconds
                for seed in (1, 2)
            ]
    known, unknown = taken[16], taken[OFFER.concurrency]
    return unknown[0] / known[0], unknown[1] / known[1]


def measure(tasks: int) -> Iterator[Figure]:
    """Yield how much longer than possible a lane takes for so many tasks, and how often it asks."""
    for median_s, cadence in ((4.0, _HURRY), (90.0, OFFER.cadence)):
        ratio, found = measure_makespan(median_s, cadence, tasks)
        work = f"{tasks} tasks, median {median_s:g} s"
        yield Figure(work=f"makespan, {work}", value=ratio, against="replay", at_most=1.07)
        yield Figure(work=f"polls, {work}", value=found.polls, unit="per task", at_most=8.0)
    first, again = measure_ramp(90.0, 200)
    known = "limit known"
    yield Figure(work="ramp, 200 tasks, limit unknown", value=first, against=known, at_most=1.45)
    yield Figure(work="ramp, the run after it", value=again, against=known, at_most=1.05)


BENCH = Bench(name="lanes", measure=measure, size=500, full=500)
