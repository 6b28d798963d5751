"""Beside other processes that run the same campaign: what one leaves by its end, another takes up.

Each takes what is planned and nobody's, so nothing is handed out. A run stays until all of the
campaign is at rest: until then there may be something that it has to go on with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta

from pipeline.domain import Event
from pipeline.ledger.session import PATIENCE_S
from pipeline.run.context import RunContext
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
    free_before, planned_before = 0, 0
    async with asyncio.TaskGroup() as group:
        while True:
            # A machine's second, not the run's: its clock may be another.
            await asyncio.sleep(every_s)
            ledger.lease.refuse_ended()
            await _end_leases(context)
            # What nobody takes up although it is free is not to be had here: a key is missing.
            free = await ledger.count_free(campaign=context.campaign)
            if free > free_before:
                working += [group.create_task(each.settle()) for each in _workers(context)]
            free_before = free
            if not all(task.done() for task in working):
                continue
            if context.stop.is_set():
                return
            found = await ledger.count_open(campaign=context.campaign)
            if context.settle_only:
                # What others work on is theirs; but some of them may have ended.
                if not found.others or ledger.lease.may_end_others():
                    return
            elif found.planned > planned_before:
                # What is planned still was left so on purpose, but for what others gave back.
                working += [group.create_task(each.work()) for each in _workers(context)]
            elif not found.others:
                return
            planned_before = found.planned


async def tell_absences(context: RunContext) -> None:
    """Tell since when the ledger's server is waited for, and when it is back; until cancelled."""
    longest_s = 0.0
    while True:
        away_s = context.ledger.away_s
        if away_s > _WORTH_TELLING_S and not longest_s:
            since = context.clock.now() - timedelta(seconds=away_s)
            what = f"has not answered since {since:%H:%M:%S} UTC: the run waits for it"
            _tell(context, "ledger_away", f"{what}, for {PATIENCE_S:.0f} s at most")
        if longest_s and not away_s:
            _tell(context, "ledger_back", f"is back after {longest_s:.0f} s: the run goes on")
        # What was no second is not told, neither its beginning nor its end.
        is_told = away_s and (longest_s or away_s > _WORTH_TELLING_S)
        longest_s = max(longest_s, away_s) if is_told else 0.0
        await asyncio.sleep(_AT_LEAST_EVERY_S / 2)


def _tell(context: RunContext, name: str, what: str) -> None:
    detail = {"message": f"the ledger's server {what}"}
    context.observer(Event(name=name, at=context.clock.now(), detail=detail))


def _workers(context: RunContext) -> list[LaneWorker]:
    return [LaneWorker(context, name) for name in context.lanes]


async def _end_leases(context: RunContext) -> None:
    silent = context.ledger.lease.may_end_others()
    for name in sorted(await context.ledger.end_leases(silent=silent)):
        at, told = context.clock.now(), f"{name} is gone: another run goes on with what it had"
        context.observer(Event(name="taken_over", at=at, detail={"message": told}))
