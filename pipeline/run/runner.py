"""Pass 2: the ledger's plan is made, each provider's lane beside the others.

Jobs are read from the ledger in windows: a run holds as many as are being worked on, however
many there are. What was sent before comes first; then what is planned, in plan order.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from uuid import uuid4

from pipeline.clock import Clock, RealClock
from pipeline.domain import Budget, Event, Media, Policy
from pipeline.domain.states import LANE, State
from pipeline.ledger import event_log
from pipeline.ledger.budgets import limits
from pipeline.ledger.jobs import CHARGED, Job
from pipeline.ledger.price_confirmations import PriceClass, SeenPrice
from pipeline.ledger.repository import Ledger
from pipeline.ledger.run_ledger import RunLedger
from pipeline.net.client import Transport
from pipeline.net.lane import Lane
from pipeline.providers.base import Provider
from pipeline.run.circuit_breaker import CircuitBreaker
from pipeline.run.context import ProviderQueue, RunContext
from pipeline.run.first_purchases import PRICE, FirstPurchases
from pipeline.run.job import ActiveJob
from pipeline.run.limiter import ConcurrencyLimiter
from pipeline.run.outcome import Outcome
from pipeline.run.provider_client import ProviderClient
from pipeline.run.publish import restore
from pipeline.run.uploads import Uploader
from pipeline.run.worker import run_job
from pipeline.storage.blobs import Store

_WINDOW = 200
_UNSETTLED_AT_ONCE = 10_000
_AHEAD = 16
"""Jobs whose references are staged while others hold the slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What is to be run: a campaign that was admitted, and under which rules."""

    campaign: str
    policy: Policy = field(default_factory=Policy)
    budget: Budget = field(default_factory=Budget)
    retry: tuple[str, ...] = ()
    """Causes of failures that are bought again although they may cost, or fail, again."""
    address_header: bool = False
    """Tell each item's address with its submit: for a rehearsal's sandbox only."""
    settle_only: bool = False
    """Collect and settle what was sent; buy nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDependencies:
    """What a run acts with; tests bring their own clock, chance and ids."""

    transport: Transport
    store: Store
    probe: Callable[[Path], Media]
    clock: Clock = field(default_factory=RealClock)
    observer: Callable[[Event], None] = lambda _: None
    checkpoint: Callable[[str], None] = lambda _: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to submit nothing more and collect what is in flight; cancel the run to leave."""
    chance: Random = field(default_factory=Random)
    new_client_id: Callable[[], str] = lambda: str(uuid4())


async def run(
    ledger: Ledger,
    config: RunConfig,
    *,
    providers: Mapping[str, Provider],
    lanes: Mapping[str, Lane],
    dependencies: RunDependencies,
) -> Outcome:
    """Make what the campaign's plan still lacks, as far as money and providers allow.

    `lanes` has one for each provider that may be used. Cancelling it loses nothing: what is in
    flight is collected, and what is in doubt settled, by the next run.
    """
    store = ledger.for_run()
    watch = _Watch(store, dependencies.observer)
    queues = {
        name: _queue(config, providers[name], lane, dependencies) for name, lane in lanes.items()
    }
    run_id = await store.begin_run(campaign=config.campaign, at=_unix(dependencies))
    context = _context(
        store,
        config,
        dependencies=dependencies,
        watch=watch,
        queues=queues,
        run_id=run_id,
        prices=await store.seen_prices(),
    )
    if not config.settle_only:
        await store.revive(
            campaign=config.campaign,
            providers=list(queues),
            purchases_allowed=config.policy.purchases,
            causes=config.retry,
        )
    try:
        restored = await restore(context)
        await _work(context)
    finally:
        # After all that still waits to be written: what a cancelled worker learned last is kept.
        await asyncio.shield(store.recover())
    outcome = await _outcome(context, watch, restored=restored)
    await store.end_run(run_id=run_id, exit_code=outcome.exit_code, at=_unix(dependencies))
    return outcome


class _Watch:
    """Passes events on, counts them, and has the notable ones written down."""

    def __init__(self, ledger: RunLedger, observer: Callable[[Event], None]) -> None:
        self.seen: Counter[str] = Counter()
        self._ledger = ledger
        self._observer = observer

    def __call__(self, event: Event) -> None:
        self.seen[event.name] += 1
        if event.name in event_log.NOTABLE:
            self._ledger.note(event)
        self._observer(event)


async def _work(context: RunContext) -> None:
    """Work all lanes, until each has ended or only its own end is awaited."""
    closing = asyncio.create_task(_close_on(context))
    try:
        async with asyncio.TaskGroup() as group:
            for name in context.queues:
                group.create_task(_work_lane(context, name))
    except BaseExceptionGroup as several:
        # One fault stopped the others: a full disk is told as such, not as a group.
        raise _first(several) from several
    finally:
        closing.cancel()


def _first(fault: BaseException) -> BaseException:
    return _first(fault.exceptions[0]) if isinstance(fault, BaseExceptionGroup) else fault


async def _close_on(context: RunContext) -> None:
    """Let nothing more be submitted once the run is asked to stop."""
    await context.stop.wait()
    for queue in context.queues.values():
        queue.close()


async def _work_lane(context: RunContext, name: str) -> None:
    queue = context.queues[name]
    async with asyncio.TaskGroup() as group:
        sent = asyncio.Semaphore(_UNSETTLED_AT_ONCE)
        unsettled = partial(context.ledger.unsettled, campaign=context.campaign, provider=name)
        async for job in _pages(unsettled):
            _count_in(context, job)
            await _start(group, sent, ActiveJob(job=job, context=context, queue=queue))
        if not context.settle_only:
            await _buy(group, context, name)
    if context.settle_only:
        return
    hold = partial(context.ledger.hold, campaign=context.campaign, provider=name)
    if queue.stopped:
        await hold(cause=LANE, message=queue.stopped)
    for price in () if context.stop.is_set() else context.prices.closed(name):
        await hold(cause=PRICE, message=context.prices.shut(price), price=price)


def _count_in(context: RunContext, job: Job) -> None:
    """Count a purchase of an earlier run as under way, if its price is not confirmed."""
    purchase = job.purchase
    if purchase is not None and purchase.kind and purchase.outcome != CHARGED:
        context.prices.claim(purchase.price, purchase.seconds, job.key)


async def _buy(group: asyncio.TaskGroup, context: RunContext, name: str) -> None:
    """Start what is planned; again from the top once a price that was awaited is open."""
    queue, alive = context.queues[name], set[str]()
    seats = asyncio.Semaphore(2 * (queue.lane.most or queue.lane.concurrency) + _AHEAD)

    async def planned(*, after: int, limit: int) -> list[Job]:
        without = () if context.budget_guard.closed else context.prices.closed(name)
        campaign = context.campaign
        return await context.ledger.planned(
            campaign=campaign, provider=name, after=after, limit=limit, without=without
        )

    while True:
        changes = context.prices.changes
        async for job in _pages(planned):
            await seats.acquire()
            if context.stop.is_set() or queue.stopped:
                return
            if job.key in alive or not _may_start(context, job):
                seats.release()
                continue
            active = ActiveJob(job=job, context=context, queue=queue)
            alive.add(job.key)
            _go(group, active, partial(_left, seats, alive, active))
        if context.prices.changes != changes:
            continue
        if not context.prices.awaited(name) or not await queue.wait(context.prices.changed()):
            return


def _may_start(context: RunContext, job: Job) -> bool:
    """Tell whether a job may be worked on now; it counts as being bought, if it will be.

    It has its seat by then: nobody may wait for one who waits for a seat.
    """
    if context.budget_guard.closed or context.budget_guard.refuses(job.high_microusd or 0):
        return True
    if job.price in context.prices.closed(job.provider):
        return False
    if context.prices.passes(job.price, job.seconds, job.key):
        context.prices.claim(job.price, job.seconds, job.key)
    return True


def _left(seats: asyncio.Semaphore, alive: set[str], active: ActiveJob) -> None:
    # What was left planned is not begun again in this run.
    if active.job.state is not State.PLANNED:
        alive.discard(active.job.key)
    seats.release()


async def _pages(window: Callable[..., Awaitable[list[Job]]]) -> AsyncIterator[Job]:
    """Yield jobs from the ledger, window by window."""
    after: int | None = -1
    while after is not None:
        page = await window(after=after, limit=_WINDOW)
        for job in page:
            yield job
        after = page[-1].cursor if len(page) == _WINDOW else None


async def _start(group: asyncio.TaskGroup, seats: asyncio.Semaphore, active: ActiveJob) -> None:
    await seats.acquire()
    _go(group, active, seats.release)


def _go(group: asyncio.TaskGroup, active: ActiveJob, done: Callable[[], None]) -> None:
    group.create_task(run_job(active)).add_done_callback(lambda _: done())


def _queue(
    config: RunConfig, provider: Provider, lane: Lane, dependencies: RunDependencies
) -> ProviderQueue:
    limiter = ConcurrencyLimiter(
        concurrency=lane.concurrency,
        most=lane.most,
        per_s=lane.submit_per_s,
        clock=dependencies.clock,
    )
    return ProviderQueue(
        provider=provider,
        lane=lane,
        client=ProviderClient(provider, lane, dependencies.transport),
        limiter=limiter,
        circuit_breaker=CircuitBreaker(config.policy),
    )


def _context(
    ledger: RunLedger,
    config: RunConfig,
    *,
    dependencies: RunDependencies,
    watch: _Watch,
    queues: Mapping[str, ProviderQueue],
    run_id: int,
    prices: Mapping[PriceClass, SeenPrice],
) -> RunContext:
    staging = Uploader(
        transport=dependencies.transport,
        store=dependencies.store,
        cache=ledger,
        clock=dependencies.clock,
        chance=dependencies.chance,
        retries=config.policy.request_retries,
    )
    own = {name: getattr(dependencies, name) for name in _HANDED_ON}
    return RunContext(
        **own,
        ledger=ledger,
        staging=staging,
        campaign=config.campaign,
        run_id=run_id,
        policy=config.policy,
        limits=limits(config.budget),
        observer=watch,
        queues=queues,
        prices=FirstPurchases(prices),
        address_header=config.address_header,
        settle_only=config.settle_only,
    )


_HANDED_ON = (
    "transport",
    "store",
    "clock",
    "probe",
    "checkpoint",
    "stop",
    "chance",
    "new_client_id",
)


async def _outcome(context: RunContext, watch: _Watch, *, restored: int) -> Outcome:
    campaign = context.campaign
    totals = await context.ledger.run_totals(campaign=campaign, run_id=context.run_id)
    counts = Counter(totals.counts)
    counts.update((state, "") for _, _, state in totals.left_behind)
    queues = context.queues.items()
    return Outcome(
        campaign=campaign,
        counts=counts,
        spent_usd=totals.spent_usd,
        bound_usd=totals.bound_usd,
        committed_usd=totals.committed_usd,
        stopped={name: queue.stopped for name, queue in queues if queue.stopped},
        restored=restored,
        not_shown=watch.seen["not_shown"],
        damaged=watch.seen["damaged_clip"],
        overcharged=context.budget_guard.closed,
        interrupted=context.stop.is_set(),
    )


def _unix(dependencies: RunDependencies) -> float:
    return dependencies.clock.now().timestamp()
