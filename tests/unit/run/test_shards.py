"""A run's lanes take up what comes in sight, shard by shard, and tell what has ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.domain import Budget, Event
from pipeline.engine.dispatch import ShardRef, ShardReport
from pipeline.ledger.repository import Ledger
from pipeline.run.context import ChangeSignal
from pipeline.run.outcome import Outcome
from pipeline.run.runner import RunHandle
from pipeline.run.shards_in_sight import ShardsInSight
from tests.unit.run.campaign import Studio, entry

NAMES = [f"n{number:02}" for number in range(23)]


def planned(root: Path, *, concurrency: int = 4, budget: Budget | None = None) -> Studio:
    """Return a root in which all items are planned, at a price that is known."""
    studio = Studio(root, concurrency=concurrency, budget=budget or Budget())
    studio.confirm_price()
    assert studio.admit(entry(name) for name in NAMES).ok
    return studio


async def run_in_shards(studio: Studio, items: int, stop: asyncio.Event | None = None) -> Outcome:
    """Run what was admitted, so many items coming in sight at a time."""
    config, parts = studio.parts(stop=stop)
    parts["dependencies"] = replace(parts["dependencies"], shard_items=items)
    with Ledger.open(studio.root) as ledger:
        return await RunHandle(ledger, config, **parts).work()


@pytest.mark.parametrize("items", [1, 2, 7])
async def test_shards_make_what_the_whole_plan_makes(tmp_path: Path, items: int) -> None:
    """The same clips, purchases and events, whether the plan comes in shards or at once."""
    whole, parted = planned(tmp_path / "whole"), planned(tmp_path / "parted")

    outcomes = await run_in_shards(whole, 0), await run_in_shards(parted, items)

    assert outcomes[0] == outcomes[1]
    assert ["done"] * 23 == whole.states() == parted.states()
    assert 23 == whole.shop.submits == parted.shop.submits
    assert _told(whole) == _told(parted)


def _told(studio: Studio) -> Counter[tuple[str, str]]:
    return Counter((event.name, event.address) for event in studio.events)


async def test_several_shards_are_worked_on_at_once(tmp_path: Path) -> None:
    """A lane is kept as wide as it is, although each shard has fewer items."""
    studio = planned(tmp_path, concurrency=5)

    await run_in_shards(studio, 2)

    assert 5 == studio.shop.most_at_once


async def test_no_more_is_in_sight_than_the_lanes_ask_for(tmp_path: Path) -> None:
    """Of 23 items, with two at once, no item is begun while three before it have not ended."""
    studio = planned(tmp_path, concurrency=2)

    await run_in_shards(studio, 1)

    open_, most = 0, 0
    for event in studio.events:
        open_ += {"staging": 1, "done": -1}.get(event.name, 0)
        most = max(most, open_)
    assert 3 == most


async def test_a_stop_ends_it_before_the_next_shard(tmp_path: Path) -> None:
    """What is in flight is collected; of the other shards nothing is begun."""
    studio, stop = planned(tmp_path, concurrency=1), asyncio.Event()

    class Stopping(list[Event]):
        def append(self, event: Event) -> None:
            super().append(event)
            if event.name == "waiting":
                stop.set()

    studio.events = Stopping()
    outcome = await run_in_shards(studio, 2, stop)

    assert outcome.interrupted
    assert {"done": 1, "planned": 22} == Counter(studio.states())


async def test_a_limit_holds_what_comes_in_later_shards(tmp_path: Path) -> None:
    """The budget is asked for each item of each shard: what it does not allow is held."""
    studio = planned(tmp_path, budget=Budget(limit_usd=Decimal("1.70")))

    outcome = await run_in_shards(studio, 2)

    assert 11 == outcome.exit_code
    assert {"done": 3, "held": 20} == Counter(studio.states())


async def test_a_shard_has_ended_once_each_lane_has_looked_and_none_has_any_in_hand() -> None:
    """A change makes every look stale; what is in hand keeps its own shard, and no other."""
    changes = ChangeSignal()
    shards = ShardsInSight(["one", "other"], changes)
    first, second = shards.add(ShardRef(1, 0, 9)), shards.add(ShardRef(1, 10, 19))

    shards.begin(10)
    shards.note_look("one", changes.count)
    assert not first.done()
    shards.note_look("other", changes.count)
    assert (ShardReport(begun=0), False) == (first.result(), second.done())

    changes.notify()
    shards.leave(10)
    assert not second.done()
    shards.note_look("one")
    shards.note_end("other")
    assert ShardReport(begun=1) == second.result()

    third = shards.add(ShardRef(1, 20, 29))
    assert not third.done()
    shards.note_end("one")
    assert ShardReport(begun=0, closed=True) == third.result()
    assert shards.add(ShardRef(1, 30, 39)).done()


async def test_after_the_last_shard_the_whole_plan_is_in_sight() -> None:
    """What came back late, out of doubt or from another lane, is found all the same."""
    shards = ShardsInSight(["one"], ChangeSignal())
    shards.add(ShardRef(1, 10, 19))
    shards.add(ShardRef(1, 0, 9))
    assert [0, 10] == [shard.first for shard in shards.refs]

    shards.close()

    (whole,) = shards.refs
    assert (0, True) == (whole.first, whole.last > 10**12)
