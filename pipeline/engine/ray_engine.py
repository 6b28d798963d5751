"""The engine of several machines: one worker on each node of a Ray cluster (extra `ray`).

A worker that dies is started again on its node, and Ray hands it again what it had. With its node
it is gone: its shards are handed out again, and a node that joins gets a worker of its own. The
ledger refuses a second payment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pipeline.clock import RealClock
from pipeline.domain import Event
from pipeline.engine.dispatch import SHARD_ITEMS, LostWorker, ShardRef, ShardReport
from pipeline.engine.node_actor import NodeActor, Observer, OpenWorker
from pipeline.errors import CallsheetError, InvalidInput, Unusable, WorkerLost

_INSTALL = "is Callsheet, of this version, in the environment in which `ray start` was given there?"
MISSING = "several machines work through Ray: pip install 'callsheet[ray]', then run again"
NODE_RESOURCE = "callsheet"
"""Where nodes of the cluster have this resource, only those get a worker."""
_LOOK_EVERY_S = 3.0
"""How often it is looked which nodes there are."""
_ATTEMPTS = 4
"""How often it is tried to join a cluster that answers: a process of its own is started there for
each run, which takes long on a busy machine."""
PATIENCE_S = 300.0
"""For how long a run waits for a node once it has none."""
RESTARTS = 20
"""A worker whose process was started anew so often, and has ended no shard meanwhile, is given up:
what it works on ends it, or its node has no memory left."""


def import_ray() -> Any:
    """Return the package `ray`; Unusable with what to install where it is not there."""
    try:
        import ray  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as missing:
        raise Unusable(MISSING) from missing
    return ray


class _ClusterGone(Unusable):
    """Nobody answers for the cluster any more."""


@dataclass(slots=True, eq=False, kw_only=True)
class _NodeWorker:
    """The worker of a node, as whoever hands out shards knows it."""

    node: str
    machine: str
    """What its node is called, for a person."""
    actor: Any
    slots: int = 0
    items: int = 0
    """In sight of it."""
    closed: bool = False
    """It begins nothing more: each of its lanes was stopped."""
    restarts: int = 0
    """How often its process was started anew since it has ended a shard."""


class RayEngine:
    """Has shards worked on by one worker on each node of a cluster."""

    def __init__(
        self, address: str, open_worker: OpenWorker, order: Any, *, observer: Observer
    ) -> None:
        self._address, self._open_worker, self._order = address, open_worker, order
        self._observer = observer
        self._ray: Any = None
        self._workers: dict[str, _NodeWorker] = {}
        """By the id of their node."""
        self._unfit: dict[str, CallsheetError] = {}
        """Why nodes cannot work for the run, which was told, by their id."""
        self._is_marked = False
        """Whether nodes that are to work have the resource that says so."""
        self._shards: dict[asyncio.Task[ShardReport | LostWorker], ShardRef] = {}
        self._news = asyncio.Event()
        """Set when there is another worker."""
        self._starting = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._commands: list[tuple[str, tuple[Any, ...]]] = []
        """What a person has commanded so far: a worker that comes later is told as well."""
        self._told_stopped: list[Mapping[str, str]] = []
        self._aside: set[asyncio.Task[None]] = set()
        """What goes on beside the shards: events that come, commands that leave."""

    @property
    def slots(self) -> int:
        """Return how many items all workers make at once; each counts for a shard at least."""
        return sum(max(worker.slots, SHARD_ITEMS) for worker in self._open_workers())

    @property
    def stopped(self) -> Mapping[str, str]:
        """Return why lanes submit nothing more, by lane: those that were stopped on each node."""
        if not self._told_stopped:
            return {}
        first, *others = self._told_stopped
        return {lane: why for lane, why in first.items() if all(lane in other for other in others)}

    async def open(self) -> None:
        """Join the cluster and start a worker on each node; Unusable where that cannot be."""
        self._ray = import_ray()
        try:
            await self._join_cluster()
        except Exception as fault:
            told = f"the Ray cluster at {self._address} does not answer as one: {fault}"
            raise Unusable(told) from fault
        try:
            await self._start_all()
        except BaseException:
            await self.stop(hard=True)
            raise
        self._watching = asyncio.create_task(self._watch_nodes())

    async def _join_cluster(self) -> None:
        """Connect to the cluster; again where it answers that its part of it did not come up."""
        for left in reversed(range(_ATTEMPTS)):
            try:
                # In this thread: it is over in seconds, and Ray minds from which it was begun.
                self._ray.init(self._address, logging_level=logging.ERROR, log_to_driver=False)
            except ConnectionAbortedError:
                if not left:
                    raise
                await asyncio.sleep(_LOOK_EVERY_S)
            else:
                return

    async def _start_all(self) -> None:
        """Start a worker on each node; raise why one cannot work, or that there is none."""
        for fault in await self._start_workers():
            raise fault
        if not self._workers:
            raise self._no_node()

    async def submit(self, ref: ShardRef) -> None:
        """Have a shard worked on by the worker that has the fewest items in sight for its slots."""
        self._shards[asyncio.create_task(self._run_shard(ref))] = ref

    async def next_done(self) -> tuple[ShardRef, ShardReport | LostWorker] | None:
        """Wait for the next shard that has ended, or whose worker is gone; None for a new worker.

        Unusable once the cluster has had no node for some minutes, or is gone.
        """
        news = asyncio.create_task(self._news.wait())
        done, _ = await asyncio.wait([*self._shards, news], return_when=asyncio.FIRST_COMPLETED)
        news.cancel()
        for shard in self._shards:
            if shard in done:
                return self._shards.pop(shard), shard.result()
        self._news.clear()
        return None

    def steer(self, name: str, *words: Any) -> None:
        """Have all workers do what a person commands, as soon as they can."""
        self._commands.append((name, words))
        for worker in self._workers.values():
            self._begin_aside(self._call(worker.actor.steer.remote(name, words)))

    async def stop(self, *, hard: bool) -> None:
        """End the workers: once what they have in hand has ended, or, if `hard`, at once."""
        if self._watching is not None:
            self._watching.cancel()
        try:
            if not hard:
                await self._end_workers()
        finally:
            for task in (*self._aside, *self._shards):
                task.cancel()
            # A cluster that is gone needs no end.
            with suppress(Exception):
                for worker in self._workers.values():
                    self._ray.kill(worker.actor)
            with suppress(Exception):
                self._ray.shutdown()

    async def _run_shard(self, ref: ShardRef) -> ShardReport | LostWorker:
        worker = await self._find_worker()
        if worker is None:
            return ShardReport(begun=0, closed=True)
        worker.items += ref.items
        try:
            call = worker.actor.run_shard.remote(ref.campaign, ref.first, ref.last)
            begun, worker.closed, worker.slots = await self._call(call)
        except self._gone:
            self._lose(worker)
            return LostWorker()
        except (Unusable, WorkerLost) as fault:
            self._give_up(worker, fault)
            return LostWorker()
        finally:
            worker.items -= ref.items
        worker.restarts = 0
        # What one cannot go on with, because its own lanes were stopped, others may.
        return ShardReport(begun=begun, closed=worker.closed and not self._open_workers())

    async def _find_worker(self) -> _NodeWorker | None:
        """Return who gets the next shard; None if nobody is left who begins anything.

        Where all nodes are gone, the next one that joins is waited for.
        """
        if not self._workers:
            await self._await_worker()
        open_ = self._open_workers()
        return min(open_, key=lambda each: each.items / max(1, each.slots), default=None)

    def _open_workers(self) -> list[_NodeWorker]:
        return [worker for worker in self._workers.values() if not worker.closed]

    async def _watch_nodes(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self._start_workers()

    async def _await_worker(self) -> None:
        """Wait until there is a worker; Unusable if no node joins for some minutes."""
        for _ in range(round(PATIENCE_S / _LOOK_EVERY_S)):
            await self._start_workers()
            if self._workers:
                return
            await asyncio.sleep(_LOOK_EVERY_S)
        raise self._no_node()

    async def _start_workers(self) -> list[CallsheetError]:
        """Start a worker on each node that has none; return what those say that cannot work.

        That is told as well, once for each.
        """
        async with self._starting:
            return await self._start_missing()

    async def _start_missing(self) -> list[CallsheetError]:
        nodes = await self._find_nodes()
        for worker in [each for each in self._workers.values() if each.node not in nodes]:
            self._lose(worker)
        new = [
            _NodeWorker(node=node, machine=machine, actor=self._start_actor(node))
            for node, machine in nodes.items()
            if node not in self._workers and node not in self._unfit
        ]
        opened = await asyncio.gather(*(self._open(worker) for worker in new))
        return [fault for fault in opened if fault is not None]

    async def _open(self, worker: _NodeWorker) -> CallsheetError | None:
        """Have a worker open what it needs, and count it in; return why it cannot work."""
        try:
            worker.slots = await self._call(worker.actor.slots.remote())
        except _ClusterGone:
            raise
        except CallsheetError as fault:
            return self._refuse(worker, fault)
        except self._ray.exceptions.RayError as fault:
            if worker.node not in await self._find_nodes():
                return None
            *_, why = str(fault).strip().splitlines() or [type(fault).__name__]
            return self._refuse(worker, Unusable(f"no worker could be started ({why}): {_INSTALL}"))
        self._workers[worker.node] = worker
        self._begin_aside(self._listen(worker))
        self._news.set()
        begun = f"{worker.machine} has begun to work"
        self._tell(f"{begun}: {self._count()} by now")
        return None

    def _refuse(self, worker: _NodeWorker, fault: CallsheetError) -> CallsheetError:
        """Give a worker's node nothing for the rest of the run; return why, with its name."""
        told = f"{worker.machine} cannot work for this run: {_words(fault)}"
        self._tell(told)
        self._unfit[worker.node] = Unusable(told)
        with suppress(Exception):
            self._ray.kill(worker.actor)
        # What is wrong with the input has its places, and advice of its own.
        return fault if isinstance(fault, InvalidInput) else self._unfit[worker.node]

    def _give_up(self, worker: _NodeWorker, fault: CallsheetError) -> None:
        """Go on without a worker that cannot; raise why where it was the last one."""
        if isinstance(fault, _ClusterGone):
            raise fault
        if self._workers.get(worker.node) is worker:
            self._refuse(worker, fault)
            self._lose(worker)
        if not self._workers:
            raise self._no_node()

    def _lose(self, worker: _NodeWorker) -> None:
        """Count a worker out; each of its shards finds it gone as well."""
        if self._workers.get(worker.node) is worker:
            del self._workers[worker.node]
            self._tell(f"{worker.machine} is gone: {self._count()} left")

    def _count(self) -> str:
        """Return how many machines are at work, in words."""
        number = len(self._workers)
        return "1 machine" if number == 1 else f"{number} machines"

    async def _end_workers(self) -> None:
        """Have each worker end what it has in hand; what a lost one leaves another takes up."""
        lost = True
        while lost:
            if not self._workers:
                await self._await_worker()
            ending = list(self._workers.values())
            ended = await asyncio.gather(*(self._end(worker) for worker in ending))
            lost = not all(ended)

    async def _end(self, worker: _NodeWorker) -> bool:
        """Have a worker end; tell whether it did, or was lost meanwhile."""
        try:
            events, stopped = await self._call(worker.actor.end.remote())
        except self._gone:
            self._lose(worker)
            return False
        except (Unusable, WorkerLost) as fault:
            self._give_up(worker, fault)
            return False
        for event in events:
            self._observer(event)
        self._told_stopped.append(stopped)
        self._ray.kill(worker.actor)
        self._workers.pop(worker.node, None)
        return True

    async def _find_nodes(self) -> dict[str, str]:
        """Return the ids of the nodes that get a worker, with what their machines are called."""
        nodes = await asyncio.to_thread(self._ray.nodes)
        alive = [node for node in nodes if node["Alive"]]
        wanted = [node for node in alive if NODE_RESOURCE in node["Resources"]]
        # Where one was meant once, others are not because that one is gone.
        self._is_marked = self._is_marked or bool(wanted)
        if not self._is_marked:
            wanted = [node for node in alive if node["Resources"].get("CPU")]
        return {node["NodeID"]: node["NodeManagerHostname"] for node in wanted}

    def _no_node(self) -> Unusable:
        if self._unfit:
            whys = "; ".join(str(each) for each in self._unfit.values())
            return Unusable(f"no machine of the cluster at {self._address} can work: {whys}")
        return Unusable(f"the Ray cluster at {self._address} has no node with a CPU to work on")

    def _start_actor(self, node: str) -> Any:
        """Start a worker on a node, and there only."""
        affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        # Many calls wait in it at once: each shard in sight is one.
        limits = {"num_cpus": 0, "max_concurrency": 10_000}
        endless = {"max_restarts": -1, "max_task_retries": -1}
        placed = {"scheduling_strategy": affinity(node, soft=False)}
        actor = self._ray.remote(NodeActor).options(**placed, **limits, **endless)
        return actor.remote(self._open_worker, self._order)

    @property
    def _gone(self) -> tuple[type[Exception], ...]:
        """Return what a call to a worker raises that is gone for good."""
        faults = self._ray.exceptions
        return faults.RayActorError, faults.ActorUnschedulableError

    async def _call(self, call: Any) -> Any:
        """Return what a call returns; raise what is wrong as if it had been raised here."""
        try:
            return await call
        except self._ray.exceptions.RayTaskError as fault:
            if isinstance(fault.cause, CallsheetError):
                raise fault.cause from None
            raise
        except ConnectionError as fault:
            raise _ClusterGone(
                f"the Ray cluster at {self._address} is gone ({fault}): its workers end by"
                " themselves. Run again to go on with what they had"
            ) from fault

    async def _listen(self, worker: _NodeWorker) -> None:
        """Pass on what a worker tells; greet each process of it with all commands so far.

        A worker of whom nothing more can be heard is given up.
        """
        processes = 0
        with suppress(*self._gone, _ClusterGone):
            while worker.restarts < RESTARTS:
                events = await self._call(worker.actor.next_events.remote())
                if not events:
                    processes += 1
                    worker.restarts += processes > 1
                    await self._call(worker.actor.greet.remote(tuple(self._commands)))
                for event in events:
                    self._observer(event)
            # Its shards find it gone, and tell where it was the last one.
            times = "once" if worker.restarts == 1 else f"{worker.restarts} times"
            often = f"its process was started {times} and ended no shard"
            with suppress(Unusable):
                self._give_up(worker, Unusable(f"{often}: see Ray's logs, and the memory, there"))

    def _tell(self, message: str) -> None:
        at = RealClock().now()
        self._observer(Event(name="machines", at=at, detail={"message": message}))

    def _begin_aside(self, something: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(something)
        self._aside.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        """Look at what became of it: where a worker is gone, its shards tell."""
        self._aside.discard(task)
        if not task.cancelled():
            task.exception()


def _words(fault: CallsheetError) -> str:
    """Return what is wrong, in a line."""
    if not isinstance(fault, InvalidInput):
        return str(fault)
    return "; ".join(f"{each.message}: {each.hint}" for each in fault.findings)
