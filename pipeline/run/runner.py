"""Pass 2: the ledger's plan is made, each provider's lane beside the others.

What was sent before comes first; then what is planned, in plan order (`lane_worker`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, Self
from uuid import uuid4

from pipeline.clock import Clock, RealClock
from pipeline.domain import Budget, Event, Policy
from pipeline.domain.acceptance import PlaceTotals
from pipeline.domain.accounts import DEFAULT
from pipeline.domain.states import FINISHED, UNBOUGHT, State, count_states
from pipeline.engine.dispatch import Engine, ShardRef, dispatch, plan_shards
from pipeline.engine.local_engine import LocalEngine
from pipeline.errors import LedgerInUse, Unusable
from pipeline.ledger import event_log
from pipeline.ledger.budgets import OVERCHARGED, limits
from pipeline.ledger.commands import NOT_DONE, Command
from pipeline.ledger.lane_history import LaneHistory, LaneWidth
from pipeline.ledger.price_confirmations import PriceClass, SeenPrice
from pipeline.ledger.repository import Ledger
from pipeline.net.client import Transport
from pipeline.net.lane import Lane
from pipeline.providers.base import Provider
from pipeline.run.context import ChangeSignal, Fallback, ProviderLanes, ProviderQueue, RunContext
from pipeline.run.fetch import ClipVerifier
from pipeline.run.first_purchases import FirstPurchases
from pipeline.run.outcome import Outcome
from pipeline.run.output_check import Hides, hide_nothing
from pipeline.run.provider_client import ProviderClient
from pipeline.run.publish import restore
from pipeline.run.shard_worker import ShardWorker, first_fault
from pipeline.run.shards_in_sight import ShardsInSight
from pipeline.run.shared_files import exchange_files
from pipeline.run.uploads import Uploader
from pipeline.storage.blobs import Store
from pipeline.storage.object_store import SharedStore


class TakeLoop(Protocol):
    """The loop of takes of a run whose shots have one (`accept:`)."""

    def plan_rest(self) -> bool:
        """Plan what is left of the rounds that were begun; tell whether anything is to be made.

        Called while nothing is at work. A clip that is off spec is replaced so, in its own round.
        """
        ...

    def totals(self) -> PlaceTotals:
        """Return where the places stand now."""
        ...


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
    hides: Hides = hide_nothing
    """Tells which clips are not laid out at their output paths for now."""
    count_allowed: Callable[[], int] = int
    """Counts the jobs off spec that are no failure, beside those of the loop."""
    loop: TakeLoop | None = None
    """None where no shot has a loop of takes."""


OpenEngine = Callable[[int, Callable[[Event], None]], Engine]
"""Returns the engine of a run, by its id, and an observer of what others do for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDependencies:
    """What a run acts with; tests bring their own clock, chance and ids."""

    transport: Transport
    store: Store
    clips: ClipVerifier
    clock: Clock = field(default_factory=RealClock)
    observer: Callable[[Event], None] = lambda _: None
    checkpoint: Callable[[str], None] = lambda _: None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to submit nothing more and collect what is in flight; cancel the run to leave."""
    chance: Random = field(default_factory=Random)
    new_client_id: Callable[[], str] = lambda: str(uuid4())
    commands_every_s: float = 1.0
    """How often the ledger is asked for commands of other processes."""
    shard_items: int = 0
    """How many items come in sight at a time; 0 for all: one worker has nobody to share with."""
    engine: OpenEngine | None = None
    """Where others work for the run; without one, it works in this process."""
    shared: SharedStore | None = None
    """Through which a run and those who work for it share files; None where they share a disk."""


async def run(
    ledger: Ledger,
    config: RunConfig,
    *,
    providers: Mapping[str, Provider],
    lanes: Mapping[str, Lane],
    dependencies: RunDependencies,
) -> Outcome:
    """Make what the campaign's plan still lacks, as far as money and providers allow.

    `lanes` has one for each account that may be used, by its name. Cancelling it loses nothing:
    what is in flight is collected, and what is in doubt settled, by the next run.
    """
    handle = RunHandle(ledger, config, providers=providers, lanes=lanes, dependencies=dependencies)
    return await handle.work()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSnapshot:
    """How one provider's lane stands at a moment."""

    in_flight: int
    concurrency: int
    paused: bool
    stopped: str
    """Why nothing more is submitted until a person acted; empty while it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """How a run stands at a moment."""

    lanes: Mapping[str, LaneSnapshot]
    events: Mapping[str, int]
    """How often each event was told so far, by name."""
    left_out: int
    stopping: bool


class RunHandle:
    """A run while it lasts: watched, steered and awaited.

    As a context manager it starts the run, and ends with it; leaving it by an exception cancels
    the run, which loses nothing::

        async with RunHandle(ledger, config, providers=..., lanes=..., dependencies=...) as run:
            async for event in run.iter_events():
                if event.name == "throttled":
                    run.set_concurrency(event.provider, 2)
        outcome = await run.wait()
    """

    def __init__(
        self,
        ledger: Ledger,
        config: RunConfig,
        *,
        providers: Mapping[str, Provider],
        lanes: Mapping[str, Lane],
        dependencies: RunDependencies,
    ) -> None:
        self._ledger = ledger.for_run()
        self._config = config
        self._dependencies = dependencies
        accounts = Counter(lane.provider for lane in lanes.values())
        self._queues = {
            name: ProviderQueue(
                ProviderClient(providers[lane.provider], lane, dependencies.transport),
                clock=dependencies.clock,
                policy=config.policy,
                is_one_of_several=accounts[lane.provider] > 1,
            )
            for name, lane in lanes.items()
        }
        self._seen: Counter[str] = Counter()
        self._listeners: list[asyncio.Queue[Event | None]] = []
        self._left_out: set[str] = set()
        self._sent_before = 0
        self._task: asyncio.Task[Outcome] | None = None
        self._engine: Engine | None = None
        self._landed: asyncio.Queue[str] = asyncio.Queue()
        """Addresses whose clip others have put into the shared store."""
        self._stopped: Mapping[str, str] = {}
        """Why lanes submit nothing more, by lane, as whoever works for the run told at its end."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.work())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._task is None:
            return
        if kind is not None:
            self._task.cancel()
        # What went wrong in the run is told by `wait`, or is the caller's own already.
        await asyncio.wait([self._task])
        if kind is None:
            self._task.result()

    def iter_events(self) -> AsyncIterator[Event]:
        """Yield the run's events from now on, to its end."""
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._listeners.append(events)
        # The end was told to those who listened then: who comes late would wait for ever.
        if self._task is not None and self._task.done():
            events.put_nowait(None)

        async def until_the_end() -> AsyncIterator[Event]:
            while (event := await events.get()) is not None:
                yield event

        return until_the_end()

    def snapshot(self) -> RunSnapshot:
        """Return how the run stands now."""
        lanes = {
            name: LaneSnapshot(
                in_flight=queue.limiter.in_flight,
                concurrency=queue.limiter.width,
                paused=queue.paused,
                stopped=queue.stopped,
            )
            for name, queue in self._queues.items()
        }
        return RunSnapshot(
            lanes=lanes,
            events=dict(self._seen),
            left_out=len(self._left_out),
            stopping=self._dependencies.stop.is_set(),
        )

    def pause(self, lane: str = "") -> None:
        """Submit nothing more through a lane, or any; what is in flight is collected."""
        for name in self._select_lanes(lane):
            self._queues[name].pause()
            self._tell("paused", name)
        self._steer("pause", lane)

    def resume(self, lane: str = "") -> None:
        """Let a paused lane, or all, go on."""
        for name in self._select_lanes(lane):
            self._queues[name].resume()
            self._tell("resumed", name)
        self._steer("resume", lane)

    def set_concurrency(self, lane: str, most: int) -> None:
        """Have so many clips of a lane made at once, and no more; ValueError for less than one."""
        if most < 1:
            raise ValueError("less than one clip at once is a pause")
        for name in self._select_lanes(lane):
            self._queues[name].set_concurrency(most)
            self._tell("concurrency", name, message=f"{most} at once", width=most)
        self._steer("set_concurrency", lane, most)

    async def leave_out(self, address: str) -> str:
        """Do not make an item in this run; return in words what became of that.

        The next run makes it. What was submitted is never cancelled: that would not stop the
        charge. It is collected, and marked unwanted. ValueError if there is no such item.
        """
        campaign = self._config.campaign
        wanted = await self._ledger.wanted_items(campaign=campaign, address=address)
        if not wanted:
            raise ValueError(f"there is no item {address} in this plan")
        alone = {item.key for item in wanted if not (item.shared or item.ended)}
        # First the workers, then the ledger: what they have written by then was submitted.
        self._left_out |= alone
        unwanted = await self._ledger.mark_unwanted(alone)
        # It was sent after all, so this run collects it: only what the next run makes is left out.
        self._left_out -= unwanted
        for item in wanted:
            name = "unwanted" if item.key in unwanted else "left_out"
            if item.key in alone:
                self._tell(name, item.provider, item.address)
        self._steer("leave_out", address)
        told = (
            (len(alone - unwanted), "not made in this run"),
            (len(unwanted), "submitted before: collected, and marked unwanted"),
            (sum(item.ended for item in wanted), "ended before"),
            (
                sum(item.shared and not item.ended for item in wanted),
                "made all the same: another item wants its clip",
            ),
        )
        return "; ".join(f"{number} {words}" for number, words in told if number)

    def stop(self) -> None:
        """Submit nothing more, and collect what is in flight."""
        self._dependencies.stop.set()

    async def wait(self) -> Outcome:
        """Return what the run came to, once it has ended."""
        if self._task is None:
            raise RuntimeError("the run was not started: use it as a context manager")
        # Who gives up waiting (a timeout, say) leaves the run at work.
        return await asyncio.shield(self._task)

    async def work(self) -> Outcome:
        """Run to the end, in the caller's own task."""
        ledger, config, dependencies = self._ledger, self._config, self._dependencies
        run_id = await ledger.begin_run(campaign=config.campaign, at=_unix(dependencies))
        context = self._context(run_id, prices=await ledger.seen_prices())
        self._recall(context, await ledger.lane_history())
        await self._revive(config.retry)
        try:
            async with asyncio.TaskGroup() as group:
                obeying = group.create_task(self._obey_commands())
                restored = await restore(context)
                await self._dispatch(context)
                while await self._plan_rest(context):
                    context = self._context(run_id, prices=await ledger.seen_prices())
                    # What a person said to buy again was bought again once.
                    await self._revive(())
                    await self._dispatch(context)
                if ledger.is_shared:
                    # Somebody else may have died between a clip's end and its place at its path.
                    restored += await restore(context)
                obeying.cancel()
        except BaseExceptionGroup as several:
            # Whichever fault was the first has stopped the other task.
            raise first_fault(several) from several
        finally:
            try:
                await self._leave(context)
            finally:
                for events in self._listeners:
                    events.put_nowait(None)
        outcome = await self._outcome(context, restored=restored)
        await ledger.end_run(run_id=run_id, exit_code=outcome.exit_code, at=_unix(dependencies))
        return outcome

    @asynccontextmanager
    async def open_worker(self, run_id: int) -> AsyncIterator[ShardWorker]:
        """Work for a run that another process has begun, on what that hands out."""
        context = self._context(run_id, prices=await self._ledger.seen_prices())
        self._recall(context, await self._ledger.lane_history())
        try:
            yield ShardWorker(context)
        finally:
            await self._leave(context)

    async def _leave(self, context: RunContext) -> None:
        # After all that still waits to be written: what a cancelled worker learned last is kept.
        await asyncio.shield(self._ledger.recover())
        await self._remember(context)

    async def _dispatch(self, context: RunContext) -> None:
        """Settle what was sent, and make what is planned."""
        shards: Iterator[ShardRef] = iter(())
        extent = await self._ledger.plan_extent(campaign=self._config.campaign)
        if extent is not None and not self._config.settle_only:
            campaign, last = extent
            items = self._dependencies.shard_items or last + 1
            shards = plan_shards(campaign, last, items=items)
        self._engine = engine = (
            self._dependencies.engine(context.run_id, self._pass_on)
            if self._dependencies.engine
            else LocalEngine(ShardWorker(context))
        )
        stopping = asyncio.create_task(self._steer_on_stop())
        try:
            async with exchange_files(context, self._landed):
                await dispatch(engine, shards)
            self._stopped = engine.stopped
        finally:
            stopping.cancel()
            self._engine = None

    async def _steer_on_stop(self) -> None:
        await self._dependencies.stop.wait()
        self._steer("stop")

    def _steer(self, name: str, *words: Any) -> None:
        if self._engine is not None:
            self._engine.steer(name, *words)

    async def _revive(self, causes: Sequence[str]) -> None:
        if not self._config.settle_only:
            await self._ledger.revive(
                campaign=self._config.campaign,
                providers=sorted({queue.lane.provider for queue in self._queues.values()}),
                purchases_allowed=self._config.policy.purchases,
                causes=causes,
            )

    async def _plan_rest(self, context: RunContext) -> bool:
        """Plan what is left of the rounds; tell whether this run is to make it."""
        loop, sent = self._config.loop, self._seen[State.SUBMITTING]
        idle = self._sent_before == sent
        self._sent_before = sent
        ended = context.stop.is_set() or self._seen[OVERCHARGED] or self._config.settle_only
        stopped = self._stopped or any(lanes.stopped for lanes in context.lanes.values())
        # Who sent nothing the last time would send nothing now: money or a lane keeps it.
        if loop is None or idle or ended or stopped:
            return False
        # After all that still waits to be written: a plan is drafted on the same connection.
        await self._ledger.recover()
        return loop.plan_rest()

    def _select_lanes(self, lane: str) -> tuple[str, ...]:
        """Return the lanes of a name: `runware` is all its accounts, `runware.b` is one.

        The account without a name is `runware.default`.
        """
        found = tuple(
            name
            for name, queue in self._queues.items()
            if lane in {"", queue.lane.provider, name, _full_name(queue.lane)}
        )
        if not found:
            known = ", ".join(sorted(self._queues))
            raise ValueError(f"there is no lane {lane} in this run: it has {known}")
        return found

    def _observe(self, event: Event) -> None:
        """Have a notable event written down, and pass it on."""
        if event.name in event_log.NOTABLE:
            self._ledger.note(event, campaign=self._config.campaign)
        self._pass_on(event)

    def _pass_on(self, event: Event) -> None:
        """Count an event, and tell it to all who listen."""
        self._seen[event.name] += 1
        if self._dependencies.shared is not None and event.name in FINISHED:
            self._landed.put_nowait(event.address)
        if event.name == OVERCHARGED:
            # Whoever else works for this run has not heard of it.
            self._steer("stop")
        self._dependencies.observer(event)
        for events in self._listeners:
            events.put_nowait(event)

    def _tell(self, name: str, provider: str, address: str = "", **detail: object) -> None:
        at = self._dependencies.clock.now()
        self._observe(Event(name=name, at=at, provider=provider, address=address, detail=detail))

    async def _obey_commands(self) -> None:
        """Look each second for what another process commands, do it, and answer."""
        campaign = self._config.campaign
        while True:
            # A person's second, not the run's: its clock may be another.
            await asyncio.sleep(self._dependencies.commands_every_s)
            # A fault that passes: it is asked again, as long as the run itself goes on.
            with suppress(LedgerInUse, Unusable):
                for command in await self._ledger.open_commands(campaign=campaign):
                    text = await self._obey(command)
                    await self._ledger.answer(command.id, text, at=_unix(self._dependencies))

    async def _obey(self, command: Command) -> str:
        lane, words = str(command.arguments.get("lane", "")), command.arguments
        try:
            match command.name:
                case "pause":
                    self.pause(lane)
                case "resume":
                    self.resume(lane)
                case "concurrency":
                    self.set_concurrency(lane, int(words["most"]))
                case "leave-out":
                    return await self.leave_out(str(words["address"]))
                case "stop":
                    self.stop()
                case unknown:
                    return f"this run knows no command {unknown}"
        except (KeyError, TypeError, ValueError) as wrong:
            return f"{NOT_DONE}{wrong}"
        return DONE

    def _context(self, run_id: int, *, prices: Mapping[PriceClass, SeenPrice]) -> RunContext:
        config, dependencies = self._config, self._dependencies
        uploader = Uploader(
            transport=dependencies.transport,
            store=dependencies.store,
            cache=self._ledger,
            clock=dependencies.clock,
            chance=dependencies.chance,
            retries=config.policy.request_retries,
        )
        own = {name: getattr(dependencies, name) for name in _HANDED_ON}
        changes, falls_back = ChangeSignal(), config.policy.fallback and not config.settle_only
        by_provider: dict[str, list[ProviderQueue]] = {}
        for queue in self._queues.values():
            by_provider.setdefault(queue.lane.provider, []).append(queue)
        lanes = {
            name: ProviderLanes(queues, changes.notify) for name, queues in by_provider.items()
        }
        return RunContext(
            **own,
            ledger=self._ledger,
            staging=uploader,
            campaign=config.campaign,
            run_id=run_id,
            policy=config.policy,
            limits=limits(config.budget),
            observer=self._observe,
            lanes=lanes,
            changes=changes,
            shards=ShardsInSight(lanes, changes),
            prices=FirstPurchases(prices, changes.notify),
            fallback=Fallback(lanes, changes.notify, allowed=falls_back),
            left_out=self._left_out,
            address_header=config.address_header,
            settle_only=config.settle_only,
            hides=config.hides,
        )

    def _recall(self, context: RunContext, history: LaneHistory) -> None:
        """Begin with what earlier runs learnt, but where a person says how many at once."""
        context.durations.recall(history.durations)
        for queue in self._queues.values():
            known = history.widths.get((queue.lane.provider, queue.lane.account))
            if known is not None and queue.lane.finds_width:
                queue.limiter.recall(known.width, refused=known.refused)

    async def _remember(self, context: RunContext) -> None:
        """Write what this run has learnt, for the next one."""
        widths = {
            (queue.lane.provider, queue.lane.account): LaneWidth(width=found[0], refused=found[1])
            for queue in self._queues.values()
            if queue.lane.finds_width and (found := queue.limiter.learnt) is not None
        }
        learnt = LaneHistory(durations=context.durations.learnt, widths=widths)
        if learnt.durations or learnt.widths:
            await self._ledger.record_history(learnt, at=_unix(self._dependencies))

    async def _outcome(self, context: RunContext, *, restored: int) -> Outcome:
        campaign = self._config.campaign
        totals = await self._ledger.run_totals(campaign=campaign, run_id=context.run_id)
        counts = Counter(totals.counts)
        counts.update((state, "") for _, _, state in totals.left_behind)
        is_off_spec = any(state is State.OFF_SPEC for state, _ in counts)
        is_all_begun = not count_states(counts, *UNBOUGHT)
        # Who works for this run may have lanes that it has not.
        in_company = {name for name, each in self._queues.items() if each.limiter.in_company}
        return Outcome(
            campaign=campaign,
            run_id=context.run_id,
            counts=counts,
            allowed_off_spec=self._config.count_allowed() if is_off_spec else 0,
            spent_usd=totals.spent_usd,
            bound_usd=totals.bound_usd,
            committed_usd=totals.committed_usd,
            stopped={
                name: why
                for name, why in self._stopped.items()
                # What another process has made is no reason to stop.
                if not (is_all_begun and name in in_company)
            },
            restored=restored,
            landed=sum(self._seen[state] for state in FINISHED),
            not_shown=self._seen["not_shown"],
            damaged=self._seen["damaged_clip"],
            places=self._config.loop.totals() if self._config.loop else None,
            left_out=len(self._left_out),
            overcharged=self._seen[OVERCHARGED] > 0,
            interrupted=context.stop.is_set(),
        )


DONE = "done"
"""What a run answers to a command of which there is nothing more to say."""


def _full_name(lane: Lane) -> str:
    return f"{lane.provider}.{lane.account or DEFAULT}"


_HANDED_ON = (
    "transport",
    "store",
    "clock",
    "clips",
    "checkpoint",
    "stop",
    "chance",
    "new_client_id",
    "shared",
)


def _unix(dependencies: RunDependencies) -> float:
    return dependencies.clock.now().timestamp()
