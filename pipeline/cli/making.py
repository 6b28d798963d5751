"""A run's second pass from the command line: lanes open, the panel on, Ctrl-C minded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from rich.console import Console

from pipeline.cli.campaign import Campaign
from pipeline.cli.exits import Leave
from pipeline.cli.interrupts import StopRequest
from pipeline.cli.lanes import keyless, open_lanes, providers_at_work
from pipeline.cli.options import RunOptions
from pipeline.cli.panel import watching
from pipeline.cli.planning import admitted
from pipeline.ledger.repository import Ledger
from pipeline.media.video import probe
from pipeline.net.client import Transport
from pipeline.net.lane import Lane
from pipeline.providers import PROVIDERS
from pipeline.run.outcome import Outcome
from pipeline.run.plan_sync import PlanSummary
from pipeline.run.runner import RunConfig, RunDependencies, run
from pipeline.storage.blobs import Store


def made(
    job: RunOptions,
    campaign: Campaign,
    admission: PlanSummary,
    ledger: Ledger,
    console: Console,
    *,
    stops: StopRequest,
    buys: bool,
) -> Outcome:
    """Make what the admission says is missing; Leave on a second signal (`stops`).

    Unless it `buys`, it only collects what was sent, and puts back what the store has.

    With a fallback in the manifest's policy, what a stopped provider leaves goes to the next one
    that can make it; each such round has a provider less. After a charge above its reservation
    there is none.
    """
    order = replace(_order(job, campaign), settle_only=not buys)
    names, stopped = providers_at_work(job, admission), dict[str, str]()
    outcome: Outcome | None = None
    while True:
        earlier = outcome
        outcome = _carried_out(order, job, campaign, names - stopped.keys(), ledger, console, stops)
        outcome = _with_files_of(earlier, outcome) if earlier else outcome
        newly = {name: why for name, why in outcome.stopped.items() if name not in stopped}
        if not campaign.manifest.policy.fallback or not newly:
            return outcome
        if outcome.interrupted or outcome.overcharged:
            return outcome
        stopped |= newly
        order = _less(order, outcome)
        names = _left(job, campaign, ledger, stopped, console)
        if not names:
            return outcome
        for name, why in newly.items():
            console.print(f"{name} was stopped ({why}): what others can make goes to them")


def _left(
    job: RunOptions, campaign: Campaign, ledger: Ledger, stopped: dict[str, str], console: Console
) -> frozenset[str]:
    """Return who goes on when some were stopped; who has no key is passed over like them.

    Clips were bought by now: that the next provider cannot be used is no fault of the command.
    """
    while True:
        moved = admitted(campaign, ledger, stopped=stopped)
        names = providers_at_work(job, moved) - stopped.keys()
        unusable = keyless(job, names)
        if not unusable:
            return names
        for name, why in unusable.items():
            console.print(f"nothing goes to {name}: {why}", markup=False, soft_wrap=True)
        stopped |= unusable


def _order(job: RunOptions, campaign: Campaign) -> RunConfig:
    return RunConfig(
        campaign=campaign.name,
        policy=campaign.manifest.policy,
        budget=job.spending.budget(campaign.manifest.budget),
        retry=job.retry,
        address_header=job.asked.rehearse,
    )


def _less(order: RunConfig, outcome: Outcome) -> RunConfig:
    """Return the order for another round of the same run: its own limit is partly used up.

    What it was told to buy again it has bought again.
    """
    order, limit_usd = replace(order, retry=()), order.budget.per_run_usd
    if limit_usd is None:
        return order
    left = max(Decimal(0), limit_usd - outcome.bound_usd)
    return replace(order, budget=replace(order.budget, per_run_usd=left))


def _with_files_of(earlier: Outcome, outcome: Outcome) -> Outcome:
    """Return a later round's outcome with what the earlier ones met on the disk."""
    return replace(
        outcome,
        restored=earlier.restored + outcome.restored,
        not_shown=earlier.not_shown + outcome.not_shown,
        damaged=earlier.damaged + outcome.damaged,
    )


def settled(
    job: RunOptions,
    campaign: Campaign,
    names: frozenset[str],
    ledger: Ledger,
    console: Console,
    stops: StopRequest,
) -> Outcome:
    """Collect and settle what was sent through these providers; buy nothing."""
    order = RunConfig(
        campaign=campaign.name,
        policy=campaign.manifest.policy,
        address_header=job.asked.rehearse,
        settle_only=True,
    )
    return _carried_out(order, job, campaign, names, ledger, console, stops)


def _carried_out(
    order: RunConfig,
    job: RunOptions,
    campaign: Campaign,
    names: frozenset[str],
    ledger: Ledger,
    console: Console,
    stops: StopRequest,
) -> Outcome:
    with (
        open_lanes(job, campaign, names, console) as lanes,
        watching(console, quiet=job.quiet) as watcher,
    ):
        work = _steered(ledger, order, lanes=lanes, job=job, watcher=watcher, stops=stops)
        return asyncio.run(work)


async def _steered(
    ledger: Ledger,
    order: RunConfig,
    *,
    lanes: Mapping[str, Lane],
    job: RunOptions,
    watcher: Callable[..., None],
    stops: StopRequest,
) -> Outcome:
    """Run; the first signal submits nothing more and collects, the second leaves at once."""
    stop = asyncio.Event()
    async with Transport() as transport:
        dependencies = RunDependencies(
            transport=transport,
            store=Store(job.asked.home),
            probe=probe,
            clock=job.clock,
            observer=watcher,
            checkpoint=job.checkpoint,
            stop=stop,
        )
        work = asyncio.ensure_future(
            run(ledger, order, providers=PROVIDERS, lanes=lanes, dependencies=dependencies)
        )
        with stops.steering(stop, work):
            try:
                return await work
            except asyncio.CancelledError:
                raise Leave(stops.exit) from None
