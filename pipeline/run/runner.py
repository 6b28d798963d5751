"""Pass 2: the ledger's plan is made, each provider's lane beside the others.

Jobs are read from the ledger in windows: a run holds as many as are being worked on, however
many there are. What was sent before comes first; then what is planned, in plan order.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from pipeline.clock import Clock, RealClock
from pipeline.domain import Budget, Event, Media, Policy
from pipeline.domain.states import LANE, State
from pipeline.ledger import budgets, event_log, jobs, purchases
from pipeline.ledger.jobs import Job
from pipeline.ledger.price_confirmations import seen_prices
from pipeline.ledger.repository import Ledger
from pipeline.net.client import Transport
from pipeline.net.lane import Lane
from pipeline.providers.base import Provider
from pipeline.run.circuit_breaker import Brake
from pipeline.run.context import Means, Station
from pipeline.run.job import Life
from pipeline.run.limiter import Gate
from pipeline.run.outcome import Outcome
from pipeline.run.price_gate import PRICE, PriceGate
from pipeline.run.publish import restore
from pipeline.run.uploads import Staging
from pipeline.run.worker import live
from pipeline.storage.blobs import Store

_WINDOW = 200
_UNSETTLED_AT_ONCE = 10_000
_AHEAD = 16
"""Jobs whose references are staged while others hold the slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
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
class Tools:
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
    order: Order,
    *,
    providers: Mapping[str, Provider],
    lanes: Mapping[str, Lane],
    tools: Tools,
) -> Outcome:
    """Make what the campaign's plan still lacks, as far as money and providers allow.

    `lanes` has one for each provider that may be used. Cancelling it loses nothing: what is in
    flight is collected, and what is in doubt settled, by the next run.
    """
    watch = _Watch(ledger, tools.observer)
    stations = {name: _station(order, providers[name], lane, tools) for name, lane in lanes.items()}
    begun = partial(purchases.begin, campaign=order.campaign, at=_unix(tools))
    run_id = await ledger.write(begun)
    means = _means(ledger, order, tools=tools, watch=watch, stations=stations, run_id=run_id)
    if not order.settle_only:
        await ledger.write(_revival(order, providers=list(stations)))
    try:
        restored = await restore(means)
        await _work(means)
    finally:
        # After all that still waits to be written: what a cancelled worker learned last is kept.
        await asyncio.shield(ledger.write(jobs.recover))
    outcome = _outcome(means, watch, restored=restored)
    ended = partial(purchases.end, run_id=run_id, exit_code=outcome.exit_code, at=_unix(tools))
    await ledger.write(ended)
    return outcome


class _Watch:
    """Passes events on, counts them, and has the notable ones written down."""

    def __init__(self, ledger: Ledger, observer: Callable[[Event], None]) -> None:
        self.seen: Counter[str] = Counter()
        self._ledger = ledger
        self._observer = observer

    def __call__(self, event: Event) -> None:
        self.seen[event.name] += 1
        if event.name in event_log.NOTABLE:
            self._ledger.soon(partial(event_log.note, event=event))
        self._observer(event)


async def _work(means: Means) -> None:
    """Work all lanes, until each has ended or only its own end is awaited."""
    closing = asyncio.create_task(_close_on(means))
    try:
        async with asyncio.TaskGroup() as group:
            for name in means.stations:
                group.create_task(_work_lane(means, name))
    except BaseExceptionGroup as several:
        # One fault stopped the others: a full disk is told as such, not as a group.
        raise _first(several) from several
    finally:
        closing.cancel()


def _first(fault: BaseException) -> BaseException:
    return _first(fault.exceptions[0]) if isinstance(fault, BaseExceptionGroup) else fault


async def _close_on(means: Means) -> None:
    """Let nothing more be submitted once the run is asked to stop."""
    await means.stop.wait()
    for station in means.stations.values():
        station.close()


async def _work_lane(means: Means, name: str) -> None:
    station = means.stations[name]
    async with asyncio.TaskGroup() as group:
        sent = asyncio.Semaphore(_UNSETTLED_AT_ONCE)
        async for job in _read(means, partial(jobs.unsettled, provider=name)):
            _count_in(means, job)
            await _start(group, sent, Life(job=job, means=means, station=station))
        if not means.settle_only:
            await _buy(group, means, name)
    if means.settle_only:
        return
    rest = partial(jobs.hold, campaign=means.campaign, provider=name)
    if station.stopped:
        await means.ledger.write(partial(rest, cause=LANE, message=station.stopped))
    for price in () if means.stop.is_set() else means.prices.closed(name):
        shut = partial(rest, cause=PRICE, message=means.prices.shut(price), price=price)
        await means.ledger.write(shut)


def _count_in(means: Means, job: Job) -> None:
    """Count a purchase of an earlier run as under way, if its price is not confirmed."""
    purchase = job.purchase
    if purchase is not None and purchase.kind and purchase.outcome != jobs.CHARGED:
        means.prices.claim(purchase.price, purchase.seconds, job.key)


async def _buy(group: asyncio.TaskGroup, means: Means, name: str) -> None:
    """Start what is planned; again from the top once a price that was awaited is open."""
    station, alive = means.stations[name], set[str]()
    seats = asyncio.Semaphore(2 * (station.lane.most or station.lane.concurrency) + _AHEAD)

    def planned(connection: Connection, **where: Any) -> list[Job]:
        without = () if means.till.closed else means.prices.closed(name)
        return jobs.planned(connection, provider=name, without=without, **where)

    while True:
        async for job in _read(means, planned):
            await seats.acquire()
            if means.stop.is_set() or station.stopped:
                return
            if job.key in alive or not _may_start(means, job):
                seats.release()
                continue
            life = Life(job=job, means=means, station=station)
            alive.add(job.key)
            _go(group, life, partial(_left, seats, alive, life))
        if not means.prices.awaited(name) or not await station.wait(means.prices.changed()):
            return


def _may_start(means: Means, job: Job) -> bool:
    """Tell whether a job may be worked on now; it counts as being bought, if it will be.

    It has its seat by then: nobody may wait for one who waits for a seat.
    """
    if means.till.closed or means.till.refuses(job.high_microusd or 0):
        return True
    if job.price in means.prices.closed(job.provider):
        return False
    if means.prices.passes(job.price, job.seconds, job.key):
        means.prices.claim(job.price, job.seconds, job.key)
    return True


def _left(seats: asyncio.Semaphore, alive: set[str], life: Life) -> None:
    # What was left planned is not begun again in this run.
    if life.job.state is not State.PLANNED:
        alive.discard(life.job.key)
    seats.release()


async def _read(means: Means, window: Callable[..., list[Job]]) -> AsyncIterator[Job]:
    """Yield jobs from the ledger, window by window."""
    after: int | None = -1
    while after is not None:
        page = means.ledger.read(
            partial(window, campaign=means.campaign, after=after, limit=_WINDOW)
        )
        for job in page:
            yield job
        after = page[-1].cursor if len(page) == _WINDOW else None


async def _start(group: asyncio.TaskGroup, seats: asyncio.Semaphore, life: Life) -> None:
    await seats.acquire()
    _go(group, life, seats.release)


def _go(group: asyncio.TaskGroup, life: Life, done: Callable[[], None]) -> None:
    group.create_task(live(life)).add_done_callback(lambda _: done())


def _station(order: Order, provider: Provider, lane: Lane, tools: Tools) -> Station:
    gate = Gate(
        concurrency=lane.concurrency,
        most=lane.most,
        per_s=lane.submit_per_s,
        clock=tools.clock,
    )
    return Station(provider=provider, lane=lane, gate=gate, brake=Brake(order.policy))


def _means(
    ledger: Ledger,
    order: Order,
    *,
    tools: Tools,
    watch: _Watch,
    stations: Mapping[str, Station],
    run_id: int,
) -> Means:
    staging = Staging(
        transport=tools.transport,
        store=tools.store,
        shelf=ledger,
        clock=tools.clock,
        chance=tools.chance,
        retries=order.policy.request_retries,
    )
    own = {name: getattr(tools, name) for name in _HANDED_ON}
    return Means(
        **own,
        ledger=ledger,
        staging=staging,
        campaign=order.campaign,
        run_id=run_id,
        policy=order.policy,
        limits=budgets.limits(order.budget),
        observer=watch,
        stations=stations,
        prices=PriceGate(ledger.read(seen_prices)),
        address_header=order.address_header,
        settle_only=order.settle_only,
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


def _revival(order: Order, providers: Collection[str]) -> Callable[[Connection], None]:
    revived = partial(jobs.revive, campaign=order.campaign, providers=providers)
    return partial(revived, purchases_allowed=order.policy.purchases, causes=order.retry)


def _outcome(means: Means, watch: _Watch, *, restored: int) -> Outcome:
    read, campaign = means.ledger.read, means.campaign
    counts = Counter(read(partial(jobs.counts, campaign=campaign)))
    counts.update((state, "") for _, _, state in means.ledger.left_behind(campaign))
    stations = means.stations.items()
    return Outcome(
        campaign=campaign,
        counts=counts,
        spent_usd=read(partial(purchases.spent, run_id=means.run_id)),
        bound_usd=read(partial(purchases.bound, run_id=means.run_id)),
        committed_usd=read(partial(budgets.committed, campaign=campaign)),
        stopped={name: station.stopped for name, station in stations if station.stopped},
        restored=restored,
        not_shown=watch.seen["not_shown"],
        damaged=watch.seen["damaged_clip"],
        overcharged=means.till.closed,
        interrupted=means.stop.is_set(),
    )


def _unix(tools: Tools) -> float:
    return tools.clock.now().timestamp()
