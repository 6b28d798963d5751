"""The engine of several machines: one worker on each node of a Ray cluster (extra `ray`).

To a node go integers and how the run was asked for, and no key: those are in its environment. A
worker that dies is started again, on another node where its own is gone, and Ray hands it again
what it had; the ledger refuses a second payment.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from pipeline.domain import Event
from pipeline.engine.dispatch import SHARD_ITEMS, LostWorker, ShardRef, ShardReport
from pipeline.engine.local_engine import Worker
from pipeline.errors import CallsheetError, Unusable

MISSING = "several machines work through Ray: pip install 'callsheet[ray]', then run again"
NODE_RESOURCE = "callsheet"
"""Where nodes of the cluster have this resource, only those get a worker."""
Observer = Callable[[Event], None]
OpenWorker = Callable[[Any, Observer], AbstractAsyncContextManager[tuple[Worker, Any]]]
"""Opens a worker, by an order that tells which run it is for, with what steers it: an object whose
methods are named as commands are. A function of a module, which nodes find by its name."""


def import_ray() -> Any:
    """Return the package `ray`; Unusable with what to install where it is not there."""
    try:
        import ray  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as missing:
        raise Unusable(MISSING) from missing
    return ray


class NodeActor:
    """A worker in a process of its own, called from afar; its first call opens it."""

    def __init__(self, open_worker: OpenWorker, order: Any) -> None:
        self._open_worker, self._order = open_worker, order
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._parts: tuple[Worker, Any, asyncio.Task[None]] | None = None

    async def slots(self) -> int:
        """Return how many items its worker makes at once."""
        worker, _, _ = await self._open()
        return worker.slots

    async def run_shard(self, campaign: int, first: int, last: int) -> tuple[int, bool, int]:
        """Work on a shard; return what its report says, and the worker's slots by now."""
        worker, _, work = await self._open()
        shard = asyncio.create_task(worker.run_shard(ShardRef(campaign, first, last)))
        await asyncio.wait([shard, work], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        report = await shard
        return report.begun, report.closed, worker.slots

    async def next_events(self) -> list[Event]:
        """Wait until its worker tells something, and return all that it has told."""
        told = [await self._events.get()]
        while not self._events.empty():
            told.append(self._events.get_nowait())
        return told

    async def steer(self, name: str, words: tuple[Any, ...]) -> None:
        """Have its worker do what a person commands."""
        _, steering, _ = await self._open()
        done = getattr(steering, name)(*words)
        if inspect.isawaitable(done):
            await done

    async def end(self) -> list[Event]:
        """Wait for the end of what its worker has in hand; return what it told last."""
        worker, _, work = await self._open()
        worker.close()
        try:
            await work
        finally:
            await self._opened.aclose()
        return [self._events.get_nowait() for _ in range(self._events.qsize())]

    async def _open(self) -> tuple[Worker, Any, asyncio.Task[None]]:
        async with self._turn:
            if self._parts is None:
                opening = self._open_worker(self._order, self._events.put_nowait)
                worker, steering = await self._opened.enter_async_context(opening)
                self._parts = worker, steering, asyncio.create_task(worker.work())
            return self._parts


class RayEngine:
    """Has shards worked on by one worker on each node of a cluster."""

    def __init__(
        self, address: str, open_worker: OpenWorker, order: Any, *, observer: Observer
    ) -> None:
        self._address, self._open_worker, self._order = address, open_worker, order
        self._observer = observer
        self._ray: Any = None
        self._actors: list[Any] = []
        self._slots: list[int] = []
        self._shards: dict[asyncio.Task[tuple[int, bool, int]], tuple[ShardRef, int, Any]] = {}
        """By their calls: which shard it is, and the place and the actor it went to."""
        self._aside: set[asyncio.Task[None]] = set()
        """What goes on beside the shards: events that come, commands that leave."""

    @property
    def slots(self) -> int:
        """Return how many items all workers make at once; each counts for a shard at least."""
        return sum(max(slots, SHARD_ITEMS) for slots in self._slots)

    async def open(self) -> None:
        """Join the cluster and start a worker on each node; Unusable where that cannot be."""
        self._ray = ray = import_ray()
        try:
            # In this thread: it is over in seconds, and Ray minds from which it was begun.
            ray.init(self._address, logging_level=logging.ERROR, log_to_driver=False)
        except Exception as fault:
            told = f"the Ray cluster at {self._address} does not answer as one: {fault}"
            raise Unusable(told) from fault
        try:
            self._actors = [self._start_actor(node) for node in self._find_nodes()]
            asked = (self._call(actor.slots.remote()) for actor in self._actors)
            self._slots = list(await asyncio.gather(*asked))
        except BaseException:
            await self.stop(hard=True)
            raise
        for actor in self._actors:
            self._begin_aside(self._listen(actor))

    async def submit(self, ref: ShardRef) -> None:
        """Have a shard worked on by the worker that has the fewest items in sight for its slots."""
        in_sight = [0] * len(self._actors)
        for shard, place, _ in self._shards.values():
            in_sight[place] += shard.items
        loads = [items / max(1, slots) for items, slots in zip(in_sight, self._slots, strict=True)]
        place = loads.index(min(loads))
        actor = self._actors[place]
        call = actor.run_shard.remote(ref.campaign, ref.first, ref.last)
        self._shards[asyncio.create_task(self._call(call))] = ref, place, actor

    async def next_done(self) -> tuple[ShardRef, ShardReport | LostWorker]:
        """Wait for the next shard that has ended, or whose worker is gone for good."""
        done, _ = await asyncio.wait(self._shards, return_when=asyncio.FIRST_COMPLETED)
        ended = done.pop()
        ref, place, actor = self._shards.pop(ended)
        try:
            begun, closed, self._slots[place] = ended.result()
        except self._ray.exceptions.RayActorError:
            # Its other shards find it gone as well.
            if actor is self._actors[place]:
                self._actors[place] = self._start_actor()
                self._begin_aside(self._listen(self._actors[place]))
            return ref, LostWorker()
        return ref, ShardReport(begun=begun, closed=closed)

    def steer(self, name: str, *words: Any) -> None:
        """Have all workers do what a person commands, as soon as they can."""
        for actor in self._actors:
            self._begin_aside(self._call(actor.steer.remote(name, words)))

    async def stop(self, *, hard: bool) -> None:
        """End the workers: once what they have in hand has ended, or, if `hard`, at once."""
        try:
            if not hard:
                ends = (self._call(actor.end.remote()) for actor in self._actors)
                for events in await asyncio.gather(*ends):
                    for event in events:
                        self._observer(event)
        finally:
            for task in (*self._aside, *self._shards):
                task.cancel()
            for actor in self._actors:
                self._ray.kill(actor)
            self._ray.shutdown()

    def _find_nodes(self) -> list[str]:
        """Return the ids of the nodes that get a worker; Unusable where there is none."""
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        wanted = [node for node in alive if NODE_RESOURCE in node["Resources"]]
        wanted = wanted or [node for node in alive if node["Resources"].get("CPU")]
        if not wanted:
            raise Unusable(f"the Ray cluster at {self._address} has no node with a CPU to work on")
        return [node["NodeID"] for node in wanted]

    def _start_actor(self, node: str = "") -> Any:
        """Start a worker, on the node of that id while it lives, else on any."""
        affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        placed = {"scheduling_strategy": affinity(node, soft=True) if node else "SPREAD"}
        # Many calls wait in it at once: each shard in sight is one.
        limits = {"num_cpus": 0, "max_concurrency": 10_000}
        endless = {"max_restarts": -1, "max_task_retries": -1}
        actor = self._ray.remote(NodeActor).options(**placed, **limits, **endless)
        return actor.remote(self._open_worker, self._order)

    async def _call(self, call: Any) -> Any:
        """Return what a call returns; raise what is wrong as if it had been raised here."""
        try:
            return await call
        except self._ray.exceptions.RayTaskError as fault:
            if isinstance(fault.cause, CallsheetError):
                raise fault.cause from None
            raise

    async def _listen(self, actor: Any) -> None:
        while True:
            for event in await self._call(actor.next_events.remote()):
                self._observer(event)

    def _begin_aside(self, something: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(something)
        self._aside.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        """Look at what became of it: where a worker is gone, its shards tell."""
        self._aside.discard(task)
        if not task.cancelled():
            task.exception()
