"""A plan is handed out shard by shard, whatever becomes of the workers."""

from __future__ import annotations

import tracemalloc
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from pipeline.engine.dispatch import (
    DispatchOutcome,
    LostWorker,
    ShardRef,
    ShardReport,
    dispatch,
    plan_shards,
)
from pipeline.errors import Unusable


class Machines:
    """Machines of so many slots, which end shards in any order and break down now and then."""

    def __init__(self, *, slots: int, share_lost: float = 0.0) -> None:
        self.slots = slots
        self._share_lost = share_lost
        self._chance = Random(3)  # noqa: S311 - the same losses in each test
        self._working: list[ShardRef] = []
        self.late: deque[ShardRef] = deque()
        """What machines that counted as lost have ended after all, and tell next."""
        self.handed_out: Counter[ShardRef] = Counter()
        self.most_items = 0
        self.ends: list[bool] = []

    @property
    def stopped(self) -> Mapping[str, str]:
        """No lane of these is ever stopped."""
        return {}

    async def open(self) -> None:
        """Be ready at once."""

    async def submit(self, ref: ShardRef) -> None:
        """Take a shard."""
        self.handed_out[ref] += 1
        self._working.append(ref)
        self.most_items = max(self.most_items, sum(each.items for each in self._working))

    async def next_done(self) -> tuple[ShardRef, ShardReport | LostWorker] | None:
        """End some shard, or lose its machine."""
        if self.late:
            return self.late.popleft(), ShardReport(begun=0)
        ref = self._working.pop(self._chance.randrange(len(self._working)))
        if self._chance.random() < self._share_lost:
            return ref, LostWorker()
        return ref, self.report(ref)

    def report(self, ref: ShardRef) -> ShardReport:
        """Return what is told of a shard that has ended."""
        return ShardReport(begun=ref.items)

    def steer(self, name: str, *words: Any) -> None:
        """Nobody steers these."""

    async def stop(self, *, hard: bool) -> None:
        """Note how it was stopped."""
        self.ends.append(hard)


async def test_every_item_is_in_one_shard() -> None:
    """The shards of a plan follow one another without a gap; the last has what is left."""
    shards = list(plan_shards(7, 249, items=100))

    assert [ShardRef(7, 0, 99), ShardRef(7, 100, 199), ShardRef(7, 200, 249)] == shards
    assert [100, 100, 50] == [shard.items for shard in shards]


async def test_what_a_lost_worker_had_is_handed_out_again() -> None:
    """Each shard is reported once, however many workers are lost; so is what each has begun."""
    machines = Machines(slots=200, share_lost=0.3)

    outcome = await dispatch(machines, plan_shards(1, 9_999, items=50))

    assert (200, 10_000) == (outcome.shards, outcome.begun)
    assert outcome.lost == machines.handed_out.total() - 200 > 40
    assert [False] == machines.ends


async def test_a_worker_that_was_given_up_may_end_its_shard_after_all() -> None:
    """Its late report changes nothing: the shard was handed out again, or has ended."""
    machines = Machines(slots=4)
    machines.late.extend([ShardRef(1, 500, 501), ShardRef(9, 0, 1)])

    outcome = await dispatch(machines, plan_shards(1, 9, items=2))

    assert DispatchOutcome(shards=5, begun=10, lost=0) == outcome


async def test_no_more_is_in_sight_than_the_slots_ask_for() -> None:
    """Half as many again as there are slots, rounded up to whole shards."""
    machines = Machines(slots=400)

    await dispatch(machines, plan_shards(1, 9_999, items=50), look_ahead=1.5)

    assert 600 == machines.most_items


async def test_machines_that_come_later_get_shards_at_once() -> None:
    """Twice as many slots are filled before any shard has ended."""

    class Joined(Machines):
        async def next_done(self) -> tuple[ShardRef, ShardReport | LostWorker] | None:
            if self.slots == 100:
                self.slots = 200
                self.at_first = len(self.handed_out)
                return None
            self.later = self.later or len(self.handed_out)
            return await super().next_done()

        at_first = later = 0

    machines = Joined(slots=100)

    outcome = await dispatch(machines, plan_shards(1, 9_999, items=50), look_ahead=1.0)

    assert (2, 4) == (machines.at_first, machines.later)
    assert (200, 10_000) == (outcome.shards, outcome.begun)


async def test_memory_does_not_grow_with_the_plan() -> None:
    """Of a plan of 100,000 items no more is held than of one of 1,000."""

    class Forgetful(Machines):
        async def submit(self, ref: ShardRef) -> None:
            await super().submit(ref)
            self.handed_out.clear()

    async def measure_peak(items: int) -> int:
        tracemalloc.start()
        try:
            outcome = await dispatch(Forgetful(slots=200), plan_shards(1, items - 1, items=50))
            assert items == outcome.begun
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    await measure_peak(1_000)
    assert await measure_peak(100_000) < await measure_peak(1_000) + 5_000


async def test_nothing_is_handed_out_after_a_stop() -> None:
    """What is in sight is waited for, and no shard is asked for any more."""

    class Stopping(Machines):
        def report(self, ref: ShardRef) -> ShardReport:
            return replace(super().report(ref), closed=True)

    machines = Stopping(slots=100)

    outcome = await dispatch(machines, plan_shards(1, 9_999, items=50))

    assert DispatchOutcome(shards=3, begun=150, lost=0) == outcome
    assert 3 == machines.handed_out.total()
    assert [False] == machines.ends


async def test_a_fault_ends_all_workers_at_once() -> None:
    """What an engine, or the plan, raises is raised; the workers are not waited for."""

    def broken_plan() -> Iterator[ShardRef]:
        yield ShardRef(1, 0, 1)
        raise OSError("gone")

    machines = Machines(slots=100)

    with pytest.raises(OSError, match="gone"):
        await dispatch(machines, broken_plan())

    assert [True] == machines.ends


async def test_a_shard_that_ends_every_worker_ends_the_run() -> None:
    """It is not handed out for ever: the message says which items, and where to look."""
    with pytest.raises(Unusable, match="items 0 to 49 of the plan have ended 20 workers"):
        await dispatch(Machines(slots=10, share_lost=1.0), plan_shards(1, 99, items=50))
