"""The engine of one machine: a worker in this very process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from pipeline.engine.dispatch import ShardRef, ShardReport


class Worker(Protocol):
    """Works on shards: `run.shard_worker.ShardWorker` is one."""

    @property
    def slots(self) -> int:
        """Return how many items it makes at once."""
        ...

    @property
    def stopped(self) -> Mapping[str, str]:
        """Return why lanes submit nothing more until a person acted, by lane."""
        ...

    async def work(self) -> None:
        """Work on what is in sight, until it is closed and nothing is left in hand."""
        ...

    async def run_shard(self, ref: ShardRef) -> ShardReport:
        """Have a shard in sight until there is nothing more to do with it."""
        ...

    def close(self) -> None:
        """Say that no shard comes any more."""
        ...


class LocalEngine:
    """Has all shards worked on by one worker in this process."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._work: asyncio.Task[None] | None = None
        self._shards: dict[asyncio.Task[ShardReport], ShardRef] = {}

    @property
    def slots(self) -> int:
        """Return how many items its worker makes at once."""
        return self._worker.slots

    @property
    def stopped(self) -> Mapping[str, str]:
        """Return why lanes submit nothing more, by lane."""
        return self._worker.stopped

    async def open(self) -> None:
        """Let the worker begin: it settles what was sent before."""
        self._work = asyncio.create_task(self._worker.work())

    async def submit(self, ref: ShardRef) -> None:
        """Have a shard worked on."""
        self._shards[asyncio.create_task(self._worker.run_shard(ref))] = ref

    async def next_done(self) -> tuple[ShardRef, ShardReport]:
        """Wait for the next shard that has ended; raise what ended the worker."""
        work = self._at_work()
        while True:
            if work.done():
                # One whose lanes have all been stopped ends before it is closed: no fault.
                work.result()
            for shard, ref in self._shards.items():
                if shard.done():
                    del self._shards[shard]
                    return ref, shard.result()
            waiting = [*self._shards, *(() if work.done() else (work,))]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    def steer(self, name: str, *words: Any) -> None:
        """Do nothing: the worker's lanes are the run's own, which are steered already."""

    async def stop(self, *, hard: bool) -> None:
        """End the worker: once what it has in hand has ended, or, if `hard`, at once."""
        work = self._at_work()
        if not hard:
            self._worker.close()
            await work
            return
        for task in (work, *self._shards):
            task.cancel()
        await asyncio.wait([work, *self._shards])
        if not work.cancelled():
            # Why it is stopped so is told by who stops it.
            work.exception()

    def _at_work(self) -> asyncio.Task[None]:
        if self._work is None:
            raise RuntimeError("the engine was not opened")
        return self._work
