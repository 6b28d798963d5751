"""The process of a node, called as an engine calls it."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.domain import Event
from pipeline.engine.dispatch import ShardRef, ShardReport
from pipeline.engine.node_actor import NodeActor, Observer
from pipeline.errors import LeaseLost, Unusable


class PlainWorker:
    """A worker that ends each shard at once, and its work when it is told, or by a fault."""

    slots = 7
    stopped: Mapping[str, str] = {"shop": "the key is refused"}

    def __init__(self, fault: str, observer: Observer) -> None:
        self._closed = asyncio.Event()
        self._fault, self._observer = fault, observer
        self.heard: list[Any] = []

    async def work(self) -> None:
        """Work until it is closed, if nothing is wrong."""
        if self._fault == "lease":
            raise LeaseLost("another one went on")
        if self._fault:
            raise Unusable(self._fault)
        await self._closed.wait()
        self._tell("ended")

    async def run_shard(self, ref: ShardRef) -> ShardReport:
        """Tell of a shard, and end it."""
        if self._fault:
            await asyncio.Event().wait()
        self._tell("shard")
        return ShardReport(begun=ref.items)

    def close(self) -> None:
        """End."""
        self._closed.set()

    async def pause(self, lane: str) -> None:
        """Hear a command; ValueError for a lane that it has not."""
        if lane == "gone":
            raise ValueError(lane)
        self.heard.append(lane)

    def _tell(self, name: str) -> None:
        self._observer(Event(name=name, at=datetime.now(UTC)))


OPENED: list[PlainWorker] = []


@asynccontextmanager
async def open_plain(
    fault: str, observer: Observer
) -> AsyncIterator[tuple[PlainWorker, PlainWorker]]:
    """Open a worker that is steered by itself."""
    worker = PlainWorker(fault, observer)
    OPENED.append(worker)
    yield worker, worker


async def test_a_process_is_opened_once_and_tells_what_its_worker_tells() -> None:
    """All of it comes to whoever asks; its last words, and which lanes stopped, at its end."""
    actor = NodeActor(open_plain, "")

    assert [] == await actor.next_events()
    await actor.greet([])
    assert [(100, False, 7)] * 2 == [await actor.run_shard(1, 0, 99) for _ in range(2)]
    await actor.steer("pause", ("shop",))
    assert ["shard", "shard"] == [event.name for event in await actor.next_events()]
    events, stopped = await actor.end()

    assert (["ended"], {"shop": "the key is refused"}) == ([each.name for each in events], stopped)
    assert ["shop"] == OPENED.pop().heard
    assert not OPENED


async def test_a_process_begins_nothing_before_it_was_greeted() -> None:
    """It may stand in for one that died after a person had commanded something."""
    actor = NodeActor(open_plain, "")
    shard = asyncio.create_task(actor.run_shard(1, 0, 9))

    assert [] == await actor.next_events()
    assert 7 == await actor.slots()
    assert not shard.done()
    # One that it cannot do keeps it from nothing: the account may be another machine's alone.
    await actor.greet([("pause", ("shop",)), ("pause", ("gone",)), ("pause", ("",))])

    assert (10, False, 7) == await shard
    assert ["shop", ""] == OPENED.pop().heard


async def test_what_ends_its_work_ends_each_shard() -> None:
    """A fault is raised to whoever waits for a shard, which would never end."""
    with pytest.raises(Unusable, match="the disk is full"):
        await run_shard("the disk is full")
    OPENED.clear()


async def run_shard(fault: str) -> None:
    """Have a process work on a shard whose worker comes to grief."""
    actor = NodeActor(open_plain, fault)
    await actor.greet([])
    await actor.run_shard(1, 0, 9)


def lose_lease() -> None:
    """Work on a shard as a process that was silent for too long."""
    asyncio.run(run_shard("lease"))


def test_a_process_that_has_lost_its_lease_ends() -> None:
    """No word of it comes: another one is started, which is a new owner."""
    process = multiprocessing.get_context("forkserver").Process(target=lose_lease)
    process.start()
    process.join(60)

    assert 1 == process.exitcode
