"""The process of a node in which its worker lives: called from afar by the engine of a cluster.

To it go integers and how the run was asked for, and no key: those are in its own environment.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Any

from pipeline.domain import Event
from pipeline.engine.dispatch import ShardRef
from pipeline.engine.local_engine import Worker
from pipeline.errors import LeaseLost

Observer = Callable[[Event], None]
OpenWorker = Callable[[Any, Observer], AbstractAsyncContextManager[tuple[Worker, Any]]]
"""Opens a worker, by an order that tells which run it is for, with what steers it: an object whose
methods are named as commands are. A function of a module, which nodes find by its name."""


class NodeActor:
    """A worker in a process of its own, called from afar; its first call opens it.

    It begins nothing before it was greeted. One that has lost its lease ends its process, for in
    its name nothing may be written any more: another one is started in its place.
    """

    def __init__(self, open_worker: OpenWorker, order: Any) -> None:
        self._open_worker, self._order = open_worker, order
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._parts: tuple[Worker, Any, asyncio.Task[None]] | None = None
        self._is_known = False
        """Whether the engine has heard that this process is there."""
        self._greeted = asyncio.Event()
        """Set once it was told what a person has commanded: nothing is begun before."""

    async def slots(self) -> int:
        """Return how many items its worker makes at once."""
        worker, _, _ = await self._open()
        return worker.slots

    async def run_shard(self, campaign: int, first: int, last: int) -> tuple[int, bool, int]:
        """Work on a shard; return what its report says, and the worker's slots by now."""
        worker, _, work = await self._open()
        await self._greeted.wait()
        shard = asyncio.create_task(worker.run_shard(ShardRef(campaign, first, last)))
        await asyncio.wait([shard, work], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        report = await shard
        return report.begun, report.closed, worker.slots

    async def next_events(self) -> list[Event]:
        """Wait until its worker tells something, and return all that it has told.

        The first answer of a process comes at once and is empty: it waits to be greeted.
        """
        if not self._is_known:
            self._is_known = True
            return []
        told = [await self._events.get()]
        while not self._events.empty():
            told.append(self._events.get_nowait())
        return told

    async def greet(self, commands: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        """Have its worker do what a person has commanded so far, and then begin.

        What it cannot do is passed over: a lane that others have, an item that is gone.
        """
        for name, words in commands:
            with suppress(ValueError):
                await self.steer(name, words)
        self._greeted.set()

    async def steer(self, name: str, words: tuple[Any, ...]) -> None:
        """Have its worker do what a person commands."""
        _, steering, _ = await self._open()
        done = getattr(steering, name)(*words)
        if inspect.isawaitable(done):
            await done

    async def end(self) -> tuple[list[Event], Mapping[str, str]]:
        """Wait for the end of what its worker has in hand; return what it told last.

        With it comes which lanes were stopped, and why.
        """
        worker, _, work = await self._open()
        await self._greeted.wait()
        worker.close()
        try:
            await work
        finally:
            await self._opened.aclose()
        told = [self._events.get_nowait() for _ in range(self._events.qsize())]
        return told, dict(worker.stopped)

    async def _open(self) -> tuple[Worker, Any, asyncio.Task[None]]:
        async with self._turn:
            if self._parts is None:
                opening = self._open_worker(self._order, self._events.put_nowait)
                worker, steering = await self._opened.enter_async_context(opening)
                self._parts = worker, steering, asyncio.create_task(_work(worker))
            return self._parts


async def _work(worker: Worker) -> None:
    try:
        await worker.work()
    except LeaseLost:
        os._exit(1)
