"""A run of a campaign, as a handle: its ledger open, its lanes open, its events as they happen.

With a fallback in the manifest's policy, lanes are open to those too who make nothing unless
another's lane stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from pipeline.api.campaign_plan import require_admitted, sync_campaign
from pipeline.api.campaign_report import count_allowed, write_report
from pipeline.api.campaign_request import (
    NO_LIMIT,
    RunSettings,
    engine_asked,
    store_asked,
    usage,
)
from pipeline.api.decision_file import load_decisions, unapproved_outputs
from pipeline.api.forecasts import find_forecast, record_forecast
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.lock_file import write_lock_file
from pipeline.api.locked_run import require_locked
from pipeline.api.loss_consent import open_for_purchases, require_consent
from pipeline.api.places import read_places
from pipeline.api.provider_access import (
    open_lanes,
    providers_at_work,
    settings_with_keys,
)
from pipeline.api.shared_clips import fetch_gone
from pipeline.domain import Event
from pipeline.domain.acceptance import PlaceTotals
from pipeline.domain.loop_places import total_places
from pipeline.engine.dispatch import SHARD_ITEMS
from pipeline.errors import InvalidInput
from pipeline.ledger.repository import Ledger
from pipeline.media.clip_workers import ClipWorkers
from pipeline.net.client import Transport
from pipeline.providers import PROVIDERS
from pipeline.run.outcome import Outcome
from pipeline.run.output_check import Hides, hide_all
from pipeline.run.runner import (
    OpenEngine,
    RunConfig,
    RunDependencies,
    RunHandle,
    RunSnapshot,
)
from pipeline.storage.blobs import Store
from pipeline.storage.object_store import SharedStore

NOTICE = "notice"
"""The name of an event that is no provider's: its `message` is for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScope:
    """What a run is to do, in a ledger that is open."""

    ledger: Ledger
    providers: frozenset[str]
    standby: frozenset[str] = frozenset()
    """Providers who make nothing unless another's lane stops."""
    buys: bool = True
    """Unless it buys, it collects what was sent, and puts back what the store has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignLoop:
    """The loop of takes of a campaign's run, over its open ledger."""

    campaign: LoadedCampaign
    ledger: Ledger
    replaces: bool

    @classmethod
    def of(cls, campaign: LoadedCampaign, settings: RunSettings, ledger: Ledger) -> Self | None:
        """Return it; None where no shot has one."""
        if not campaign.manifest.budget.accepts or campaign.request.locked:
            return None
        # Items that are selected by where they stand would be others by now.
        lasting = not campaign.request.selects or campaign.selection().lasting
        return cls(campaign=campaign, ledger=ledger, replaces=settings.replaces and lasting)

    def plan_rest(self) -> bool:
        """Plan what is left of the rounds; tell whether anything is to be made."""
        places = read_places(self.campaign, self.ledger, begins=False)
        # Asked first: to plan a large campaign takes long, and mostly nothing is to be replaced.
        if not self.replaces or not any(place.next.buys for place in places):
            return False
        # Output paths were looked at when the run began.
        summary = sync_campaign(self.campaign, self.ledger, files=False, under_way=True)
        return bool(summary.ok and summary.to_make.items)

    def totals(self) -> PlaceTotals:
        """Return where the places stand now."""
        return total_places(read_places(self.campaign, self.ledger), selected=True)


class Run:
    """A run that makes what a campaign lacks; an async context manager.

        async with campaign.run(plan, max_cost_usd=40) as run:
            async for event in run.iter_events():
                print(event.name, event.address)
        outcome = await run.wait()

    Leaving it stops the run in order: nothing more is submitted, what is in flight is collected.
    """

    def __init__(
        self, campaign: LoadedCampaign, settings: RunSettings, scope: RunScope | None = None
    ) -> None:
        self._campaign = campaign
        self._settings = settings
        self._scope = scope
        """Without one, the run opens the ledger, admits the plan, and writes the report."""
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._stop = asyncio.Event()
        self._work: asyncio.Task[Outcome] | None = None
        self._handle: RunHandle | None = None

    async def __aenter__(self) -> Self:
        """Begin: InvalidInput, LedgerInUse or LedgerLost where that is not possible."""
        opened = ExitStack()
        with opened:
            scope = self._scope or self._prepare(opened)
            self._work = asyncio.create_task(self._execute(scope, opened.pop_all()))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self.cancel()
        self.stop()
        if self._work is not None:
            # Not awaited itself: its exception would take the place of the caller's own.
            await asyncio.wait([self._work])
            fault = None if self._work.cancelled() else self._work.exception()
            if kind is None and fault is not None:
                raise fault

    async def iter_events(self) -> AsyncIterator[Event]:
        """Yield each event of the run as it happens, until the run has ended."""
        while (event := await self._events.get()) is not None:
            yield event
        # Whoever asks again is told again that there is no more.
        self._events.put_nowait(None)

    def stop(self) -> None:
        """Submit nothing more, and collect what is in flight."""
        self._stop.set()

    def snapshot(self) -> RunSnapshot:
        """Return how the run stands now: its lanes, and how often each event came."""
        return self._at_work().snapshot()

    def pause(self, lane: str = "") -> None:
        """Submit nothing more through a provider's lane, or any; what is in flight is collected."""
        self._at_work().pause(lane)

    def resume(self, lane: str = "") -> None:
        """Let a paused lane, or all, go on."""
        self._at_work().resume(lane)

    def set_concurrency(self, lane: str, most: int) -> None:
        """Have so many clips of a lane made at once, and no more; ValueError for less than one."""
        self._at_work().set_concurrency(lane, most)

    async def leave_out(self, address: str) -> str:
        """Do not make an item in this run; return in words what became of that.

        The next run makes it. What was submitted is never cancelled, since that would not stop
        the charge: it is collected, and marked unwanted. ValueError if there is no such item.
        """
        return await self._at_work().leave_out(address)

    def cancel(self) -> None:
        """Leave at once: the next run collects what is in flight, and nothing is lost."""
        if self._work is not None:
            self._work.cancel()

    async def wait(self) -> Outcome:
        """Return what the run came to, once it has ended."""
        if self._work is None:
            raise RuntimeError("the run was not begun: use it with `async with`")
        return await self._work

    def _at_work(self) -> RunHandle:
        if self._handle is None:
            raise RuntimeError("the run has not begun to work: wait for its first event")
        return self._handle

    def _prepare(self, opened: ExitStack) -> RunScope:
        """Open the ledger and admit the plan, as `callsheet run --yes` does."""
        campaign, settings = self._campaign, self._settings
        ledger, _ = opened.enter_context(open_for_purchases(campaign, settings))
        summary = sync_campaign(campaign, ledger, retried=settings.retry)
        if fetch_gone(campaign.request, settings, summary.damaged_clips):
            summary = sync_campaign(campaign, ledger, retried=settings.retry)
        require_admitted(summary, campaign)
        if forecast := find_forecast(campaign, ledger):
            record_forecast(campaign, forecast, settings.clock.now())
        if campaign.request.locked:
            require_locked(campaign, summary, ledger)
        summary = require_consent(campaign, settings, summary, ledger)
        self._settings, faults = settings_with_keys(settings, campaign, summary)
        spends = bool(summary.to_make.items) and not campaign.request.rehearse
        if spends and not settings.spending.is_agreed(campaign.manifest.budget):
            # Told together with the keys: who mends one of them must not run into the other.
            faults += usage(NO_LIMIT).findings
        if faults:
            raise InvalidInput(faults, campaign.sources)
        names = providers_at_work(self._settings, campaign, summary)
        standby = summary.fallbacks - names
        return RunScope(ledger=ledger, providers=names, standby=standby)

    async def _execute(self, scope: RunScope, opened: ExitStack) -> Outcome:
        try:
            with opened:
                try:
                    outcome = await self._make(scope)
                finally:
                    if self._scope is None:
                        # Also where it was cut off: what it paid for is not bought elsewhere.
                        request, name = self._campaign.request, self._campaign.name
                        write_lock_file(scope.ledger, request, name)
                if self._scope is None:
                    write_report(scope.ledger, self._campaign)
                return outcome
        finally:
            self._events.put_nowait(None)

    async def _make(self, scope: RunScope) -> Outcome:
        """Work to the end, here or on the machines of an engine."""
        opening = open_handle(
            self._campaign,
            self._settings,
            scope,
            observer=self._events.put_nowait,
            notify=self._notify,
            stop=self._stop,
        )
        async with opening as self._handle:
            return await self._handle.work()

    def _notify(self, message: str) -> None:
        event = Event(name=NOTICE, at=self._settings.clock.now(), detail={"message": message})
        self._events.put_nowait(event)


@asynccontextmanager
async def open_handle(
    campaign: LoadedCampaign,
    settings: RunSettings,
    scope: RunScope,
    *,
    observer: Callable[[Event], None],
    notify: Callable[[str], None],
    stop: asyncio.Event,
    shared: SharedStore | None = None,
) -> AsyncIterator[RunHandle]:
    """Yield the handle of a run, its lanes open; whoever has it lets it work.

    `shared` is a node's that has a folder of its own: there no clip is laid out.
    """
    hides: Hides = hide_all
    copy = shared.copy_reference if shared else None
    if shared is None:
        decisions = load_decisions(campaign.request, campaign.name)
        hides = unapproved_outputs(campaign.manifest, decisions)
    config = RunConfig(
        campaign=campaign.name,
        policy=campaign.manifest.policy,
        budget=settings.spending.budget(campaign.manifest.budget),
        retry=settings.retry,
        address_header=campaign.request.rehearse,
        settle_only=not scope.buys,
        hides=hides,
        count_allowed=partial(count_allowed, scope.ledger, campaign),
        loop=CampaignLoop.of(campaign, settings, scope.ledger),
    )
    # What buys nothing hands nothing on: nobody need stand by.
    standby = scope.standby if scope.buys else frozenset[str]()
    engine = _find_engine(campaign, settings, scope)
    if engine is not None and (address := store_asked(campaign.request, settings)):
        shared = SharedStore(address)
    with ExitStack() as opened:
        # Not in a thread: who is cancelled meanwhile would leave a sandbox behind.
        lanes = opened.enter_context(
            open_lanes(settings, campaign, scope.providers, notify, standby=standby)
        )
        async with Transport() as transport, ClipWorkers() as clips:
            dependencies = RunDependencies(
                transport=transport,
                store=Store(campaign.request.home, copy),
                clips=clips,
                clock=settings.clock,
                observer=observer,
                checkpoint=settings.checkpoint,
                stop=stop,
                shard_items=SHARD_ITEMS if engine else 0,
                engine=engine,
                shared=shared,
            )
            yield RunHandle(
                scope.ledger, config, providers=PROVIDERS, lanes=lanes, dependencies=dependencies
            )


def _find_engine(
    campaign: LoadedCampaign, settings: RunSettings, scope: RunScope
) -> OpenEngine | None:
    if not engine_asked(campaign.request, settings):
        return None
    from pipeline.api.node_worker import find_engine  # noqa: PLC0415 - it imports this module

    return find_engine(campaign, settings, scope)
