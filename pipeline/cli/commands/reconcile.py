"""`reconcile`: settle what was sent and has no known end; say what only a person can decide."""

from __future__ import annotations

import asyncio
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import typer

from pipeline.api.campaign_plan import loss_of
from pipeline.api.campaign_report import only_rehearsed, write_report
from pipeline.api.campaign_request import RunSettings
from pipeline.api.campaign_run import RunScope
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.provider_access import keyless, variables_of
from pipeline.api.reconciliation import (
    Decisions,
    next_purchases,
    record_decisions,
    verify_tasks,
)
from pipeline.api.roots import open_for_work
from pipeline.cli.campaigns import open_campaign, request_of
from pipeline.cli.console import print_error
from pipeline.cli.interrupts import stopping_in_order
from pipeline.cli.loss_text import print_loss
from pipeline.cli.options import (
    AccessOptions,
    CampaignOptions,
    Quiet,
    WorkOptions,
    command_app,
    with_options,
)
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.cli.watching import watch_run
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit, State
from pipeline.ledger.repository import Ledger
from pipeline.run.manual import Sent, list_sent

app = command_app()
_GIVEN_UP = frozenset({State.OVERDUE, State.WAITING})
"""What a person may want to be done with: a clip that is finished only has to be fetched."""


@app.command(
    epilog="Example: callsheet reconcile campaign.yaml --task 'spin[SKU-1001,calm]#1=task-8f2c'"
)
@with_options
def reconcile(
    options: CampaignOptions,
    access: AccessOptions,
    work: WorkOptions,
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            metavar="[ADDRESS=]ID",
            help="The item in doubt is this task at the provider: collect it.",
        ),
    ] = None,
    resubmit: Annotated[
        list[str] | None,
        typer.Option(
            "--resubmit", metavar="ADDRESS", help="Buy it again, whatever became of the first."
        ),
    ] = None,
    abandon: Annotated[
        list[str] | None,
        typer.Option("--abandon", metavar="ADDRESS", help="Give it up: neither ask nor buy."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Settle doubts and overdue clips with the provider, and collect what is finished.

    Nothing is bought. What no machine can find out is listed with the commands that decide it.
    """
    campaign = open_campaign(request_of(options, access, work))
    console, request = TerminalConsole(quiet=quiet), campaign.request
    decisions = Decisions(
        tasks=tuple(each.rpartition("=")[::2] for each in task or ()),
        resubmit=tuple(resubmit or ()),
        abandon=tuple(abandon or ()),
    )
    with open_for_work(request, notify=print_error) as ledger:
        loss = loss_of(ledger, request, campaign.name)
        if loss is not None:
            print_loss(loss, request)
        settings = RunSettings()
        if not request.rehearse:
            settings = replace(settings, variables=variables_of(settings, request))
        if decisions.tasks:
            asyncio.run(
                verify_tasks(campaign, settings, ledger, decisions, notify=console.print_line)
            )
        record_decisions(campaign, ledger, decisions)
        raise typer.Exit(_settle(campaign, settings, ledger, console))


def _settle(
    campaign: LoadedCampaign, settings: RunSettings, ledger: Ledger, console: TerminalConsole
) -> Exit:
    providers = frozenset(task.provider for task in list_sent(ledger, campaign.name))
    unasked = keyless(settings, campaign.request, providers)
    for name, why in unasked.items():
        console.print_line(f"nothing is asked of {name}: {why}")
    asked = providers - unasked.keys()
    if asked:
        scope = RunScope(ledger=ledger, providers=asked, buys=False)
        with stopping_in_order() as stops:
            asyncio.run(watch_run(campaign, settings, scope, console, stops))
            write_report(ledger, campaign)
    # What is still in flight is no more settled than a doubt: a key may have been refused.
    left = list_sent(ledger, campaign.name)
    command, times = campaign.request.command("reconcile"), Counter(task.address for task in left)
    for each in left:
        # Where its address means others too, a task goes by its client id.
        client_id = each.client_id if times[each.address] > 1 else ""
        console.print_lines(_case(each, command, client_id))
    if not left:
        console.print_line("nothing is in doubt or overdue")
    hint = only_rehearsed(campaign, "reconcile")
    console.print_lines([hint] if hint else [])
    buys, command = next_purchases(campaign, ledger), campaign.request.command()
    if buys.items:
        # The command is for these items, and for no more.
        names = [f"--select {shlex.quote(address)}" for address in buys.addresses]
        besides = f" (and {buys.others} that the last run did not select)" if buys.others else ""
        console.print_line(
            f"{buys.items} to be made{'' if names else besides}: {' '.join([command, *names])}"
        )
    return Exit.UNKNOWN if left else Exit.OK


def _case(task: Sent, command: str, client_id: str) -> Iterator[str]:
    """Yield what is known of a task; where its address means others too it goes by `client_id`."""
    state, address = task.state.replace("_", " "), shlex.quote(client_id or task.address)
    yield f"{task.address}  {state} at {task.provider}, {exact_usd(task.reserved_usd)} USD reserved"
    yield f"    sent {task.sent_at:%Y-%m-%d %H:%M:%S} UTC as {task.client_id}: {task.message}"
    yield f"    prompt: {task.prompt}"
    if task.state is State.IN_DOUBT:
        yield f"    the provider has it:      {command} --task {address}=ID"
        yield f"    the provider has it not:  {command} --resubmit {address}"
    else:
        yield f"    task {task.task}; to ask again:  {command}"
    if task.state in _GIVEN_UP:
        yield f"    to give it up:  {command} --abandon {address}"
