"""A run of a campaign, as a handle: its ledger open, its lanes open, its events as they happen.

With a fallback in the manifest's policy, what a stopped provider leaves goes to the next one that
can make it; each such round has a provider less. After a charge above its reservation there is
none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from types import TracebackType
from typing import Self

from pipeline.api.campaign_plan import require_admitted, sync_campaign
from pipeline.api.campaign_report import write_report
from pipeline.api.campaign_request import RunSettings, usage
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.loss_consent import open_for_purchases
from pipeline.api.provider_access import (
    keyless,
    open_lanes,
    providers_at_work,
    settings_with_keys,
)
from pipeline.domain import Event
from pipeline.errors import InvalidInput
from pipeline.ledger.repository import Ledger
from pipeline.media.video import probe
from pipeline.net.client import Transport
from pipeline.providers import PROVIDERS
from pipeline.run.outcome import Outcome
from pipeline.run.runner import RunConfig, RunDependencies, RunHandle, RunSnapshot
from pipeline.storage.blobs import Store

NOTICE = "notice"
"""The name of an event that is no provider's: its `message` is for a person."""
NO_LIMIT = "--yes needs a limit: `budget: {limit: …}` or --max-cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScope:
    """What a run is to do, in a ledger that is open."""

    ledger: Ledger
    providers: frozenset[str]
    buys: bool = True
    """Unless it buys, it collects what was sent, and puts back what the store has."""
    falls_back: bool = True


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
        self._round: RunHandle | None = None
        self._steered: dict[tuple[str, str], Callable[[RunHandle], None]] = {}
        """What was last said of each lane: it holds for the rounds of a fallback too."""

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
        self._steer("pause", lane, lambda handle: handle.pause(lane))

    def resume(self, lane: str = "") -> None:
        """Let a paused lane, or all, go on."""
        self._steer("pause", lane, lambda handle: handle.resume(lane))

    def set_concurrency(self, lane: str, most: int) -> None:
        """Have so many clips of a lane made at once, and no more; ValueError for less than one."""
        self._steer("concurrency", lane, lambda handle: handle.set_concurrency(lane, most))

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
        if self._round is None:
            raise RuntimeError("the run has not begun to work: wait for its first event")
        return self._round

    def _steer(self, what: str, lane: str, do: Callable[[RunHandle], None]) -> None:
        do(self._at_work())
        self._steered[what, lane] = do

    def _prepare(self, opened: ExitStack) -> RunScope:
        """Open the ledger and admit the plan, as `callsheet run --yes` does."""
        campaign, settings = self._campaign, self._settings
        ledger, _ = opened.enter_context(open_for_purchases(campaign, settings))
        summary = sync_campaign(campaign, ledger, retried=settings.retry)
        require_admitted(summary, campaign)
        self._settings, faults = settings_with_keys(settings, campaign, summary)
        spends = bool(summary.to_make.items) and not campaign.request.rehearse
        if spends and not settings.spending.is_agreed(campaign.manifest.budget):
            faults += usage(NO_LIMIT).findings
        if faults:
            raise InvalidInput(faults, campaign.sources)
        names = providers_at_work(self._settings, campaign.request, summary)
        return RunScope(ledger=ledger, providers=names)

    async def _execute(self, scope: RunScope, opened: ExitStack) -> Outcome:
        try:
            with opened:
                outcome = await self._run_rounds(scope)
                if self._scope is None:
                    write_report(scope.ledger, self._campaign)
                return outcome
        finally:
            self._events.put_nowait(None)

    async def _run_rounds(self, scope: RunScope) -> Outcome:
        campaign, names, stopped = self._campaign, scope.providers, dict[str, str]()
        config = self._config(buys=scope.buys)
        outcome: Outcome | None = None
        while True:
            earlier, outcome = outcome, await self._run_round(config, names, scope.ledger)
            outcome = _with_files_of(earlier, outcome) if earlier else outcome
            newly = {name: why for name, why in outcome.stopped.items() if name not in stopped}
            falls_back = scope.falls_back and campaign.manifest.policy.fallback
            if not falls_back or not newly or outcome.interrupted or outcome.overcharged:
                return outcome
            stopped |= newly
            config = _config_of_next_round(config, outcome)
            names = self._providers_left(scope.ledger, stopped)
            if not names:
                return outcome
            for name, why in newly.items():
                self._notify(f"{name} was stopped ({why}): what others can make goes to them")

    def _config(self, *, buys: bool) -> RunConfig:
        return RunConfig(
            campaign=self._campaign.name,
            policy=self._campaign.manifest.policy,
            budget=self._settings.spending.budget(self._campaign.manifest.budget),
            retry=self._settings.retry,
            address_header=self._campaign.request.rehearse,
            settle_only=not buys,
        )

    async def _run_round(self, config: RunConfig, names: frozenset[str], ledger: Ledger) -> Outcome:
        with ExitStack() as opened:
            # Not in a thread: who is cancelled meanwhile would leave a sandbox behind.
            lanes = opened.enter_context(
                open_lanes(self._settings, self._campaign, names, self._notify)
            )
            async with Transport() as transport:
                dependencies = RunDependencies(
                    transport=transport,
                    store=Store(self._campaign.request.home),
                    probe=probe,
                    clock=self._settings.clock,
                    observer=self._events.put_nowait,
                    checkpoint=self._settings.checkpoint,
                    stop=self._stop,
                )
                self._round = RunHandle(
                    ledger, config, providers=PROVIDERS, lanes=lanes, dependencies=dependencies
                )
                for do in self._steered.values():
                    # A lane that was steered before may be of a provider that was stopped since.
                    with suppress(ValueError):
                        do(self._round)
                return await self._round.work()

    def _providers_left(self, ledger: Ledger, stopped: dict[str, str]) -> frozenset[str]:
        """Return who goes on when some were stopped; who has no key is passed over like them.

        Clips were bought by now: that the next provider cannot be used is no fault of the request.
        """
        settings, request = self._settings, self._campaign.request
        while True:
            summary = sync_campaign(self._campaign, ledger, stopped=stopped)
            names = providers_at_work(settings, request, summary) - stopped.keys()
            unusable = keyless(settings, request, names)
            if not unusable:
                return names
            for name, why in unusable.items():
                self._notify(f"nothing goes to {name}: {why}")
            stopped |= unusable

    def _notify(self, message: str) -> None:
        event = Event(name=NOTICE, at=self._settings.clock.now(), detail={"message": message})
        self._events.put_nowait(event)


def _config_of_next_round(config: RunConfig, outcome: Outcome) -> RunConfig:
    """Return how the same run goes on: its own limit is partly used up.

    What it was told to buy again it has bought again.
    """
    config, limit_usd = replace(config, retry=()), config.budget.per_run_usd
    if limit_usd is None:
        return config
    left = max(Decimal(0), limit_usd - outcome.bound_usd)
    return replace(config, budget=replace(config.budget, per_run_usd=left))


def _with_files_of(earlier: Outcome, outcome: Outcome) -> Outcome:
    """Return a later round's outcome with what the earlier ones met on the disk."""
    return replace(
        outcome,
        restored=earlier.restored + outcome.restored,
        not_shown=earlier.not_shown + outcome.not_shown,
        damaged=earlier.damaged + outcome.damaged,
    )
