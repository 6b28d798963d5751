"""Workers of nodes on which something is wrong, for an engine that is to go on without them.

`python -m tests.machine.odd_workers ADDRESS FOLDER FAULT NODES` has a thousand items worked on, and
prints what was told, then what came of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pipeline.engine import ray_engine
from pipeline.engine.dispatch import ShardRef, ShardReport, dispatch, plan_shards
from pipeline.engine.node_actor import Observer
from pipeline.engine.ray_engine import RayEngine
from pipeline.errors import Unusable

KILLED, UNREADABLE = "killed", "unreadable"
"""Faults that no worker can raise; any other is raised as it is."""


class OddWorker:
    """Ends each shard at once, unless its node is one on which something is wrong."""

    slots = 100
    stopped: Mapping[str, str] = {}

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._closed = asyncio.Event()

    async def work(self) -> None:
        """Work until it is closed."""
        await self._closed.wait()

    async def run_shard(self, ref: ShardRef) -> ShardReport:
        """End a shard, or come to grief."""
        if self._fault == KILLED:
            os._exit(1)
        if self._fault:
            raise Unusable(self._fault)
        return ShardReport(begun=ref.items)

    def close(self) -> None:
        """End."""
        self._closed.set()


class Order:
    """Which fault there is, on how many nodes: each leaves a file in a folder that all share."""

    def __init__(self, folder: Path, fault: str, nodes: int) -> None:
        self.folder, self.fault, self.nodes = folder, fault, nodes


class UnreadableOrder(Order):
    """An order that no worker can read: what it is made of is not installed there."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Be read anywhere but in a worker's process."""
        return read_order, (self.folder, self.fault, self.nodes)


def read_order(folder: Path, fault: str, nodes: int) -> UnreadableOrder:
    """Return an order; ModuleNotFoundError in the process of a worker."""
    if Path("/proc/self/cmdline").read_bytes().startswith(b"ray::"):
        raise ModuleNotFoundError("No module named 'callsheet_of_another_day'")
    return UnreadableOrder(folder, fault, nodes)


@asynccontextmanager
async def open_odd(order: Order, observer: Observer) -> AsyncIterator[tuple[OddWorker, OddWorker]]:
    """Open the worker of a node: the first ones to come have the fault, and keep it."""
    del observer
    # A process that is started again on its node has the same parent.
    place = order.folder / str(os.getppid())
    if not place.exists():
        place.write_text(str(len(list(order.folder.iterdir()))))
    worker = OddWorker(order.fault if int(place.read_text()) < order.nodes else "")
    yield worker, worker


async def main(address: str, folder: str, fault: str, nodes: str) -> None:
    """Have a plan worked on."""
    # So that nothing is waited for: not for others to join, nor for many processes to end.
    ray_engine.RESTARTS, ray_engine.PATIENCE_S = 1, 0
    kind = UnreadableOrder if fault == UNREADABLE else Order
    engine = RayEngine(
        address,
        open_odd,
        kind(Path(folder), fault, int(nodes)),
        observer=lambda event: _print(event.detail["message"]),
    )
    try:
        _print(await dispatch(engine, plan_shards(1, 999)))
    except Unusable as fault_told:
        _print(f"unusable: {fault_told}")


def _print(what: object) -> None:
    sys.stdout.write(f"{what}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
