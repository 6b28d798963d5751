"""A run's second pass from the command line: lanes open, the panel on, Ctrl-C minded."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

from rich.console import Console

from pipeline.cli.campaign import Campaign
from pipeline.cli.exits import Exit, Leave
from pipeline.cli.lanes import open_lanes, providers_at_work
from pipeline.cli.options import Job
from pipeline.cli.panel import watching
from pipeline.media import probe
from pipeline.providers import PROVIDERS
from pipeline.run import Admission, Lane, Ledger, Order, Outcome, Store, Tools, Transport, run


def made(
    job: Job, campaign: Campaign, admission: Admission, ledger: Ledger, console: Console
) -> Outcome:
    """Make what the admission says is missing; Leave on a second Ctrl-C."""
    budget = campaign.manifest.budget
    if job.spending.max_cost_usd is not None:
        caps = [job.spending.max_cost_usd, budget.per_run_usd]
        budget = replace(budget, per_run_usd=min(cap for cap in caps if cap is not None))
    order = Order(
        campaign=campaign.name,
        policy=campaign.manifest.policy,
        budget=budget,
        retry=job.retry,
        address_header=job.asked.rehearse,
    )
    return _carried_out(order, job, campaign, providers_at_work(job, admission), ledger, console)


def settled(
    job: Job, campaign: Campaign, names: frozenset[str], ledger: Ledger, console: Console
) -> Outcome:
    """Collect and settle what was sent through these providers; buy nothing."""
    order = Order(
        campaign=campaign.name,
        policy=campaign.manifest.policy,
        address_header=job.asked.rehearse,
        settle_only=True,
    )
    return _carried_out(order, job, campaign, names, ledger, console)


def _carried_out(
    order: Order,
    job: Job,
    campaign: Campaign,
    names: frozenset[str],
    ledger: Ledger,
    console: Console,
) -> Outcome:
    with (
        open_lanes(job, campaign, names, console) as lanes,
        watching(console, quiet=job.quiet) as watcher,
    ):
        return asyncio.run(_interruptible(ledger, order, lanes=lanes, job=job, watcher=watcher))


async def _interruptible(
    ledger: Ledger,
    order: Order,
    *,
    lanes: Mapping[str, Lane],
    job: Job,
    watcher: Callable[..., None],
) -> Outcome:
    """Run; the first Ctrl-C submits nothing more and collects, the second leaves at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    async with Transport() as transport:
        tools = Tools(
            transport=transport,
            store=Store(job.asked.home),
            probe=probe,
            observer=watcher,
            checkpoint=job.checkpoint,
            stop=stop,
        )
        work = asyncio.ensure_future(
            run(ledger, order, providers=PROVIDERS, lanes=lanes, tools=tools)
        )

        def interrupted() -> None:
            if stop.is_set():
                work.cancel()
            else:
                print("stopping: what is in flight is collected; again to leave", file=sys.stderr)
                stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupted)
        try:
            return await work
        except asyncio.CancelledError:
            raise Leave(Exit.INTERRUPTED) from None
