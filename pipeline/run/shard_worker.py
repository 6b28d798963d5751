"""The worker of a process: all its shards in sight share one ledger writer and one set of lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from pipeline.engine.dispatch import ShardRef, ShardReport
from pipeline.run.context import RunContext
from pipeline.run.lane_worker import LaneWorker
from pipeline.run.shared_run import await_shares, tell_absences, work_beside_others


class ShardWorker:
    """Works the lanes of a run over the shards that come in sight; one for each process."""

    def __init__(self, context: RunContext) -> None:
        self._context = context

    @property
    def slots(self) -> int:
        """Return how many items its lanes make at once, by now."""
        lanes = self._context.lanes.values()
        return sum(queue.limiter.width for each in lanes for queue in each.queues)

    @property
    def stopped(self) -> Mapping[str, str]:
        """Return why lanes submit nothing more until a person acted, by lane."""
        context = self._context
        return {
            queue.lane.name: queue.stopped
            for provider, lanes in context.lanes.items()
            # While another account goes on nothing waits for this one.
            if lanes.stopped and provider not in context.fallback.gave
            for queue in lanes.queues
        }

    async def run_shard(self, ref: ShardRef) -> ShardReport:
        """Have a shard in sight until there is nothing more to do with it."""
        self._context.fallback.wake()
        # Who gives up waiting takes nobody's report away.
        return await asyncio.shield(self._context.shards.add(ref))

    def close(self) -> None:
        """Say that no shard comes any more: the lanes end once nothing is left to do."""
        self._context.shards.close()

    async def work(self) -> None:
        """Work all lanes, until each has ended or only its own end is awaited."""
        context = self._context

        async def close_on_stop() -> None:
            await context.stop.wait()
            for lanes in context.lanes.values():
                for queue in lanes.queues:
                    queue.close()

        beside = [asyncio.create_task(close_on_stop())]
        if context.ledger.is_shared:
            await_shares(context)
            beside.append(asyncio.create_task(tell_absences(context)))
        try:
            async with asyncio.TaskGroup() as group:
                own = [
                    group.create_task(LaneWorker(context, name).work()) for name in context.lanes
                ]
                if context.ledger.is_shared:
                    group.create_task(work_beside_others(context, own))
        except BaseExceptionGroup as several:
            # One fault stopped the others: a full disk is told as such, not as a group.
            raise first_fault(several) from several
        finally:
            for task in beside:
                task.cancel()


def first_fault(fault: BaseException) -> BaseException:
    """Return the first fault of a group of them, or the one that it is."""
    return first_fault(fault.exceptions[0]) if isinstance(fault, BaseExceptionGroup) else fault
