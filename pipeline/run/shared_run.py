"""Beside other processes that run the same campaign: what one leaves by its end, another takes up.

Each takes what is planned and nobody's, so nothing is handed out. A run stays until all of the
campaign is at rest: until then there may be something that it has to go on with. All share the
limits of each lane (`ledger.lane_shares`), and what one of them cannot make any more is held by the
last of them only: a process with a good key makes what one with a bad key has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pipeline.domain import Event
from pipeline.domain.states import State
from pipeline.ledger.owners import OpenWork
from pipeline.ledger.session import PATIENCE_S
from pipeline.run.context import ProviderQueue, RunContext
from pipeline.run.lane_worker import LaneWorker

_AT_LEAST_EVERY_S = 1.0
"""How often the ledger is looked at: a lease that has ended is seen well within 10 s."""
_WORTH_TELLING_S = 1.0
"""How long its server is away before a word is lost on it."""


async def work_beside_others(context: RunContext, own: Iterable[asyncio.Task[None]]) -> None:
    """Take up what others leave, until `own` work has ended and they have none under way.

    Raises LeaseLost where somebody else has taken what this run had.
    """
    ledger, working = context.ledger, list(own)
    every_s = min(_AT_LEAST_EVERY_S, ledger.lease.renew_every_s)
    free_before, planned_before = frozenset[tuple[str, State]](), dict[str, int]()
    leaves = False
    async with asyncio.TaskGroup() as group:
        while True:
            # One after the other: what is left for good must not be asked for again beside it.
            await _renew_shares(context, begins=not (context.settle_only or leaves))
            # A machine's second, not the run's: its clock may be another.
            await asyncio.sleep(every_s)
            ledger.lease.refuse_ended()
            await _end_leases(context)
            # What nobody takes up although it is free is not to be had here: a key is missing.
            free = await ledger.find_free(campaign=context.campaign) - context.parked
            if free - free_before:
                working += [group.create_task(each.settle()) for each in _workers(context)]
            free_before = free
            if not all(task.done() for task in working):
                continue
            if context.stop.is_set():
                await _give_up(context)
                return
            found = await ledger.count_open(campaign=context.campaign)
            planned = _count_own(context, found)
            if any(number > planned_before.get(name, 0) for name, number in planned.items()):
                # What is planned still was left so on purpose, but for what others gave back.
                leaves = False
                working += [group.create_task(each.work()) for each in _workers(context)]
            elif context.settle_only:
                # What others work on is theirs; but some of them may have ended.
                if not found.others or ledger.lease.may_end_others():
                    return
            else:
                # It says so until there is more to begin: who waits for the same must hear of it.
                leaves = await _leave(context, found, planned)
                if leaves and await _is_at_rest(context):
                    return
            planned_before = planned


def await_shares(context: RunContext) -> None:
    """Let no lane submit anything before it is known what others have of it."""
    for queue in _queues(context):
        queue.limiter.take_share(0, of=queue.limiter.most, is_alone=True)


async def _renew_shares(context: RunContext, *, begins: bool) -> None:
    queues = _queues(context)
    while True:
        demands = [queue.demand(begins=begins) for queue in queues]
        shares = await context.ledger.renew_shares(campaign=context.campaign, demands=demands)
        for queue, demand, share in zip(queues, demands, shares, strict=True):
            if queue.take_share(demand, share):
                told = {"message": f"{share.most} at once", "width": share.most}
                _tell(context, "concurrency", told, provider=queue.lane.name)
        # What is given up is others' only once that is written as well.
        if all(s.held <= q.limiter.kept for q, s in zip(queues, shares, strict=True)):
            return


def _count_own(context: RunContext, found: OpenWork) -> dict[str, int]:
    """Return what is planned for those providers whose lanes go on here; nothing if none buys."""
    if context.settle_only:
        return {}
    lanes = context.lanes.items()
    return {name: found.planned.get(name, 0) for name, its in lanes if not its.stopped}


async def _leave(context: RunContext, found: OpenWork, planned: Mapping[str, int]) -> bool:
    """Say that this run begins nothing more; False while others may leave it something."""
    if found.planned:
        await _give_up(context)
    # Said in one transaction with the last look: whoever gives something back later knows that it
    # is not taken up here.
    leaving = context.ledger.leave_lanes
    return not found.others and await leaving(campaign=context.campaign, known=planned)


async def _is_at_rest(context: RunContext) -> bool:
    """Tell whether nothing waits for what this run knows; what it cannot make it gives up."""
    await _give_up(context)
    left = await context.ledger.count_open(campaign=context.campaign)
    stopped = (name for name, lanes in context.lanes.items() if lanes.stopped)
    # What was not given up is another's, who may be told to stop before it is made: whoever knows
    # why it cannot be made here waits for that.
    return not any(left.planned.get(name) for name in stopped)


async def _give_up(context: RunContext) -> None:
    if not context.settle_only:
        for each in _workers(context):
            await each.give_up()


def _queues(context: RunContext) -> list[ProviderQueue]:
    return [queue for lanes in context.lanes.values() for queue in lanes.queues]


async def tell_absences(context: RunContext) -> None:
    """Tell since when the ledger's server is waited for, and when it is back; until cancelled."""
    longest_s = 0.0
    while True:
        away_s = context.ledger.away_s
        if away_s > _WORTH_TELLING_S and not longest_s:
            since = context.clock.now() - timedelta(seconds=away_s)
            what = f"the ledger's server has not answered since {since:%H:%M:%S} UTC"
            waits = f"{what}: the run waits for it, for {PATIENCE_S:.0f} s at most"
            _tell(context, "ledger_away", {"message": waits})
        if longest_s and not away_s:
            back = f"the ledger's server is back after {longest_s:.0f} s: the run goes on"
            _tell(context, "ledger_back", {"message": back})
        # What was no second is not told, neither its beginning nor its end.
        is_told = away_s and (longest_s or away_s > _WORTH_TELLING_S)
        longest_s = max(longest_s, away_s) if is_told else 0.0
        await asyncio.sleep(_AT_LEAST_EVERY_S / 2)


def _workers(context: RunContext) -> list[LaneWorker]:
    return [LaneWorker(context, name) for name in context.lanes]


async def _end_leases(context: RunContext) -> None:
    silent = context.ledger.lease.may_end_others()
    for name in sorted(await context.ledger.end_leases(silent=silent)):
        gone = f"{name} is gone: another run goes on with what it had"
        _tell(context, "taken_over", {"message": gone})


def _tell(context: RunContext, name: str, detail: Mapping[str, Any], *, provider: str = "") -> None:
    at = context.clock.now()
    context.observer(Event(name=name, at=at, provider=provider, detail=detail))
