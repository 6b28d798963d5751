"""The handle of a run, its lanes open: the same on the machine of a run and on a cluster's node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Self

from pipeline.api.campaign_plan import sync_campaign
from pipeline.api.campaign_report import count_allowed
from pipeline.api.campaign_request import RunSettings
from pipeline.api.decision_file import load_decisions, unapproved_outputs
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.places import read_places
from pipeline.api.provider_access import open_lanes
from pipeline.domain import Event
from pipeline.domain.acceptance import PlaceTotals
from pipeline.domain.loop_places import total_places
from pipeline.engine.dispatch import SHARD_ITEMS
from pipeline.ledger.repository import Ledger
from pipeline.media.clip_workers import ClipWorkers
from pipeline.net.client import Transport
from pipeline.providers import PROVIDERS
from pipeline.run.output_check import Hides, hide_all
from pipeline.run.runner import OpenEngine, RunConfig, RunDependencies, RunHandle
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


@asynccontextmanager
async def open_handle(
    campaign: LoadedCampaign,
    settings: RunSettings,
    scope: RunScope,
    *,
    observer: Callable[[Event], None],
    stop: asyncio.Event,
    engine: OpenEngine | None = None,
    shared: SharedStore | None = None,
) -> AsyncIterator[RunHandle]:
    """Yield the handle of a run, its lanes open; whoever has it lets it work.

    Without an engine it works in this process. `shared` is the store through which files go where
    machines share no disk: one that has it without an engine is such a node, and lays no clip out.
    """

    def notify(message: str) -> None:
        observer(Event(name=NOTICE, at=settings.clock.now(), detail={"message": message}))

    hides: Hides = hide_all
    copy = None
    if shared is not None and engine is None:
        copy = shared.copy_reference
    else:
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
