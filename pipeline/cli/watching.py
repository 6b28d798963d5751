"""A run on the command line: its events drawn as they happen, its process's signals minded."""

from __future__ import annotations

import asyncio

import typer

from pipeline.api.campaign_request import RunSettings
from pipeline.api.campaign_run import NOTICE, Run, RunScope
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.cli.interrupts import StopRequest
from pipeline.cli.panel import Watcher, open_watcher
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.run.outcome import Outcome

TOLD = frozenset({NOTICE, "reassigned"})
"""Events whose message a person is told as it is."""


def watch_run(
    campaign: LoadedCampaign,
    settings: RunSettings,
    scope: RunScope,
    console: TerminalConsole,
    stops: StopRequest,
) -> Outcome:
    """Run and return the outcome; the first signal stops in order, the second leaves at once."""
    with open_watcher(console) as watcher:
        return asyncio.run(_steered(Run(campaign, settings, scope), watcher, console, stops))


async def _steered(
    run: Run, watcher: Watcher, console: TerminalConsole, stops: StopRequest
) -> Outcome:
    try:
        async with run:
            with stops.steering(run):
                async for event in run.iter_events():
                    if event.name in TOLD:
                        console.print_line(event.detail["message"])
                    else:
                        watcher(event)
        return await run.wait()
    except asyncio.CancelledError:
        raise typer.Exit(stops.exit) from None
