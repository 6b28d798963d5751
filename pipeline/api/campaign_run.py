"""A run of a campaign, as a handle: its ledger open, its lanes open, its events as they happen.

With a fallback in the manifest's policy, lanes are open to those too who make nothing unless
another's lane stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from pipeline.api.campaign_plan import require_admitted, sync_campaign
from pipeline.api.campaign_report import write_report
from pipeline.api.campaign_request import (
    NO_LIMIT,
    RunSettings,
    store_asked,
    usage,
)
from pipeline.api.forecasts import find_forecast, record_forecast
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.lock_file import write_lock_file
from pipeline.api.locked_run import require_locked
from pipeline.api.loss_consent import open_for_purchases, require_consent
from pipeline.api.node_worker import find_engine
from pipeline.api.provider_access import (
    providers_at_work,
    settings_with_keys,
)
from pipeline.api.run_handle import NOTICE, RunScope, open_handle
from pipeline.api.shared_clips import fetch_gone
from pipeline.domain import Event
from pipeline.errors import InvalidInput
from pipeline.run.outcome import Outcome
from pipeline.run.runner import (
    RunHandle,
    RunSnapshot,
)
from pipeline.storage.object_store import SharedStore


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
        self._noticed: set[str] = set()
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
        if fetch_gone(campaign.request, summary.damaged_clips):
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

    def _hand_on(self, event: Event) -> None:
        """Hand an event on; a notice that each machine would give in the same words, once."""
        if event.name == NOTICE:
            message = event.detail["message"]
            if message in self._noticed:
                return
            self._noticed.add(message)
        self._events.put_nowait(event)

    async def _make(self, scope: RunScope) -> Outcome:
        """Work to the end, here or on the machines of an engine."""
        campaign, settings = self._campaign, self._settings
        engine = find_engine(campaign, settings, scope)
        store = store_asked(campaign.request) if engine else ""
        opening = open_handle(
            campaign,
            settings,
            scope,
            observer=self._hand_on,
            stop=self._stop,
            engine=engine,
            shared=SharedStore(store) if store else None,
        )
        async with opening as self._handle:
            return await self._handle.work()
