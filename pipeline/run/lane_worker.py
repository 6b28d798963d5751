"""One provider's lanes of a run: what was sent is settled, then what is planned is bought.

Jobs are read from the ledger in windows: a run holds as many as are being worked on, however
many there are. With several accounts there is a lane for each; what a stopped one has not bought
goes to the provider's others, and once none is left to the others of the items' lists.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from pipeline.domain import Event
from pipeline.domain.states import LANE, LEFT_OPEN, UNKNOWN_STATES, UNSETTLED, State
from pipeline.ledger.fallbacks import Leaving
from pipeline.ledger.jobs import CHARGED, Job, Stale, Taken
from pipeline.run.collect import handle_fetching, handle_overdue, handle_waiting
from pipeline.run.context import ProviderQueue, RunContext
from pipeline.run.first_purchases import PRICE
from pipeline.run.job import ActiveJob
from pipeline.run.reconcile import handle_in_doubt
from pipeline.run.submit import handle_planned, handle_staging, handle_submitting

_WINDOW = 200
_UNSETTLED_AT_ONCE = 10_000
Step = Callable[[ActiveJob], Awaitable[None]]

STEPS: Mapping[State, Step] = MappingProxyType(
    {
        State.PLANNED: handle_planned,
        State.STAGING: handle_staging,
        State.SUBMITTING: handle_submitting,
        State.IN_DOUBT: handle_in_doubt,
        State.WAITING: handle_waiting,
        State.OVERDUE: handle_overdue,
        State.FETCHING: handle_fetching,
    }
)
"""What is done with a job in each state; a job in any other has nothing more to do."""


async def run_job(active: ActiveJob) -> None:
    """Work on a job until it has ended or is parked; then let the brake know."""
    try:
        while not active.suspended and (step := STEPS.get(active.job.state)):
            active.context.ledger.check_root()
            await step(active)
    except Taken as taken:
        # Another process was faster, or has taken it over: it is none of this run's any more.
        active.suspended = True
        active.is_stale = isinstance(taken, Stale)
        return
    finally:
        active.leave_slot()
        # With an unknown end the price stays unknown, so it is shut for the rest of the run.
        active.leave_price(settled=active.job.state not in UNKNOWN_STATES)
    breaker = active.queue.circuit_breaker
    if active.doubted and active.job.state is not State.IN_DOUBT:
        breaker.take_back()
        active.doubted = False
    # What an earlier run left behind, and is still there, says nothing new of the provider.
    is_old = active.job.state in LEFT_OPEN and not active.intended_at
    if not (is_old or active.doubted):
        active.break_circuit(breaker.note(active.job.state, active.job.cause))
    if active.job.state in UNSETTLED and active.context.ledger.is_shared:
        await _park(active.context, [active.job])


async def _park(context: RunContext, left: Sequence[Job]) -> None:
    """Leave to other processes what this run cannot settle: none has to wait for its end."""
    # First: until it is nobody's, nobody takes it up here.
    context.parked.update((job.key, job.state) for job in left)
    await context.ledger.leave(left)


class LaneWorker:
    """Works a provider's lanes to their end, in tasks of one group."""

    def __init__(self, context: RunContext, name: str) -> None:
        self._context = context
        self._name = name
        self._lanes = context.lanes[name]
        self._begun: set[str] = set()
        """Keys that are being bought, or that were left planned: not begun again in this run."""
        self._ended: set[str] = set()
        """Those that ended since the plan was read: what was read still has them planned."""
        self._running = 0
        self._looked_at = -1
        """Of how many changes the last look at the plan, to its end, knows."""
        self._looks_no_more = False
        self._handed_over = False
        """Whether what nobody works on was given away; what comes after goes job by job."""

    async def work(self) -> None:
        """Settle, then buy, until each job has ended or only its own end is awaited."""
        context = self._context
        async with asyncio.TaskGroup() as group:
            await self._settle(group)
            if not context.settle_only:
                await self._buy_all(group)
        # Set back by what turned out to be stale when all had been read.
        while not (context.settle_only or self._looks_no_more):
            async with asyncio.TaskGroup() as group:
                await self._buy_all(group)
        if not context.settle_only:
            await self.hold_rest()

    async def hold_rest(self) -> None:
        """Hold what nobody makes, with its cause; what another process may still make is left."""
        context, name = self._context, self._name
        # Jobs that nobody has begun are in no worker's hands: the ledger holds them all at once.
        hold = partial(context.ledger.hold, campaign=context.campaign, provider=name)
        if self._lanes.stopped:
            await hold(cause=LANE, message=self._lanes.stopped)
        for price in () if context.stop.is_set() else context.prices.closed_prices(name):
            await hold(cause=PRICE, message=context.prices.shut(price), price=price)

    async def give_up(self) -> None:
        """Give what this run cannot make to other providers, and hold the rest."""
        if self._lanes.stopped:
            await self._hand_over()
        await self.hold_rest()

    async def settle(self) -> None:
        """Settle what was sent and is nobody's; return when it has ended, or is parked."""
        async with asyncio.TaskGroup() as group:
            await self._settle(group)

    async def _settle(self, group: asyncio.TaskGroup) -> None:
        """Start what was sent before, by this plan or an earlier one."""
        context = self._context
        sent = asyncio.Semaphore(_UNSETTLED_AT_ONCE)
        unsettled = partial(
            context.ledger.claim_unsettled,
            campaign=context.campaign,
            provider=self._name,
            without=context.parked,
        )
        missing: Counter[str] = Counter()
        left: list[Job] = []
        async for job in _pages(unsettled):
            purchase = job.purchase
            queue = self._lanes.find_queue(purchase)
            if queue is None:
                missing[purchase.account if purchase else ""] += 1
                left.append(job)
                continue
            # Of a price that is not confirmed it is under way, whichever run bought it.
            if purchase is not None and purchase.kind and purchase.outcome != CHARGED:
                context.prices.claim(purchase.price, purchase.seconds, job.key)
            await sent.acquire()
            self._start(group, job, queue, sent.release)
        if left:
            # Another process may have their key.
            await _park(context, left)
        for account, number in missing.items():
            named = f"account {account}" if account else "account without a name"
            told = f"{number} were sent from its {named}, whose key is not here: they are left"
            self._tell("account_missing", told)

    async def _buy_all(self, group: asyncio.TaskGroup) -> None:
        """Buy until nothing more is to be begun, and let the others know."""
        await self._buy(group)
        self._looks_no_more = True
        self._rest_if_idle()
        self._context.shards.note_end(self._name)

    async def _buy(self, group: asyncio.TaskGroup) -> None:
        """Start what is planned; again once an awaited price is open, or a lane hands over."""
        context, lanes = self._context, self._lanes
        while True:
            # Taken before the plan is read: what changes meanwhile is a reason to read it again.
            seen = context.changes.count
            await self._start_planned(group)
            if lanes.stopped:
                await self._hand_over()
            if lanes.stopped or context.stop.is_set():
                return
            if context.changes.count == seen:
                self._looked_at = seen
                self._rest_if_idle()
            # To rest is a change as well, which its own lane must not sleep through.
            if context.changes.count != seen:
                continue
            # What one account cannot make any more another of the provider's may.
            returns = lanes.several and self._running > 0
            opens = context.prices.may_open(self._name)
            waits = returns or opens or context.fallback.may_bring(self._name)
            if not opens:
                context.shards.note_look(self._name, *((seen,) if waits else ()))
            if waits:
                await context.changes.next()
            elif context.shards.is_open:
                await self._rest_until_more()
            else:
                return

    async def _rest_until_more(self) -> None:
        """Wait for the next shard: whatever else changes brings nothing to this lane."""
        self._looks_no_more = True
        self._rest_if_idle()
        await self._context.shards.next()
        self._looks_no_more = False

    async def _start_planned(self, group: asyncio.TaskGroup) -> None:
        context, name = self._context, self._name

        async def next_jobs(*, upto: int, after: int, limit: int) -> list[Job]:
            self._begun -= self._ended
            self._ended.clear()
            without = () if context.budget_guard.closed else context.prices.closed_prices(name)
            window = partial(
                context.ledger.planned_jobs, campaign=context.campaign, without=without
            )
            return await window(provider=name, after=after, upto=upto, limit=limit)

        for shard in context.shards.refs:
            async for job in _pages(partial(next_jobs, upto=shard.last), after=shard.first - 1):
                queue = await self._lanes.take_seat(job.purchase, context.stop)
                if queue is None:
                    return
                if job.key in self._begun or not _may_start(context, job):
                    queue.leave_seat()
                    continue
                self._begun.add(job.key)
                context.shards.begin(job.cursor)
                self._start(group, job, queue, partial(self._leave, queue, job.cursor))

    def _leave(self, queue: ProviderQueue, position: int) -> None:
        queue.leave_seat()
        self._context.shards.leave(position)

    def _start(
        self,
        group: asyncio.TaskGroup,
        job: Job,
        queue: ProviderQueue,
        leave: Callable[[], None],
    ) -> None:
        self._running += 1
        active = ActiveJob(job=job, context=self._context, queue=queue)
        # At once: a share of the lane that came free with this job must not be used beside it.
        is_shared = self._context.ledger.is_shared
        if job.state is State.WAITING or (is_shared and job.state is State.IN_DOUBT):
            active.count_in()
        # Whatever becomes of the task, and also if it is cancelled before it has begun.
        group.create_task(self._run(active)).add_done_callback(lambda _: leave())

    async def _run(self, active: ActiveJob) -> None:
        stopped = False
        try:
            await run_job(active)
        finally:
            stopped = bool(active.queue.stopped)
            if active.is_stale:
                self._looks_no_more = False
                self._context.changes.notify()
            if stopped or active.is_stale or active.job.state is not State.PLANNED:
                # What was left planned on purpose stays in: it would be begun over and over.
                self._ended.add(active.job.key)
        if self._lanes.stopped:
            await self._hand_over(active.job.key)
        self._running -= 1
        if self._lanes.several and (stopped or not self._running):
            self._context.changes.notify()
        self._rest_if_idle()

    def _rest_if_idle(self) -> None:
        looked = self._looks_no_more or self._looked_at == self._context.changes.count
        if looked and not self._running:
            self._context.fallback.rest(self._name)

    async def _hand_over(self, key: str = "") -> None:
        """Give what is not bought to others who may have it: all of it once, then job by job."""
        context = self._context
        receivers = context.fallback.receivers(self._name)
        if context.stop.is_set() or context.budget_guard.closed or not receivers:
            return
        # After the first time only what workers still had is left: all is not looked through again.
        only, self._handed_over = key if self._handed_over else "", True
        if only in context.left_out:
            return
        leaving = Leaving(
            campaign=context.campaign,
            provider=self._name,
            why=self._lanes.stopped,
            to=receivers,
            without={*(self._begun - self._ended), *context.left_out},
            only=only,
        )
        while moved := await context.ledger.reassign(leaving):
            if context.fallback.bring(self._name, moved):
                words = f"{self._name} was stopped ({self._lanes.stopped})"
                self._tell("reassigned", f"{words}: what others can make goes to them")

    def _tell(self, name: str, message: str) -> None:
        at, detail = self._context.clock.now(), {"message": message}
        self._context.observer(Event(name=name, at=at, provider=self._name, detail=detail))


def _may_start(context: RunContext, job: Job) -> bool:
    """Tell whether a job may be worked on now; it counts as being bought, if it will be.

    It has its seat by then: nobody may wait for one who waits for a seat.
    """
    # It starts all the same: its own step holds it, and writes down why.
    if context.budget_guard.closed or context.budget_guard.refuses(job.high_microusd or 0):
        return True
    if job.price in context.prices.closed_prices(job.provider):
        return False
    if context.prices.passes(job.price, job.seconds, job.key):
        context.prices.claim(job.price, job.seconds, job.key)
    return True


async def _pages(
    window: Callable[..., Awaitable[list[Job]]], after: int | None = -1
) -> AsyncIterator[Job]:
    """Yield jobs from the ledger, window by window."""
    while after is not None:
        page = await window(after=after, limit=_WINDOW)
        for job in page:
            yield job
        after = page[-1].cursor if len(page) == _WINDOW else None
