"""`reconcile`: settle what was sent and has no known end; say what only a person can decide."""

from __future__ import annotations

import asyncio
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app
from pipeline.cli.campaign import Campaign, open_campaign
from pipeline.cli.console import TerminalConsole
from pipeline.cli.exits import Leave
from pipeline.cli.interrupts import stopping_in_order
from pipeline.cli.lanes import variables_of
from pipeline.cli.losses import print_loss
from pipeline.cli.options import (
    AdoptRoot,
    BaseUrls,
    CampaignOptions,
    EnvFile,
    ManifestPath,
    Overrides,
    Profile,
    Quiet,
    Rehearse,
    Root,
    RunOptions,
    command_line,
)
from pipeline.cli.project import project_of
from pipeline.cli.reporting import only_rehearsed, write_report
from pipeline.cli.roots import open_for_work
from pipeline.domain.money import exact_usd
from pipeline.domain.states import MAKES, Exit, State
from pipeline.ledger.repository import Ledger
from pipeline.providers import PROVIDERS
from pipeline.run.manual import (
    Sent,
    abandon_item,
    adopt_task,
    check_decidable,
    find_claim,
    list_sent,
    resubmit_item,
    verify_claims,
)
from pipeline.run.plan_sync import latest_plan

_GIVEN_UP = frozenset({State.OVERDUE, State.WAITING})
"""What a person may want to be done with: a clip that is finished only has to be fetched."""


@app.command(
    epilog="Example: callsheet reconcile campaign.yaml --task 'spin[SKU-1001,calm]#1=task-8f2c'"
)
def reconcile(
    manifest: ManifestPath,
    profile: Profile = None,
    overrides: Overrides = None,
    root: Root = None,
    rehearse: Rehearse = False,
    env_file: EnvFile = None,
    base_url: BaseUrls = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            metavar="[ADDRESS=]ID",
            help="The item in doubt is this task at the provider: collect it.",
        ),
    ] = None,
    resubmitted: Annotated[
        list[str] | None,
        typer.Option(
            "--resubmit", metavar="ADDRESS", help="Buy it again, whatever became of the first."
        ),
    ] = None,
    abandoned: Annotated[
        list[str] | None,
        typer.Option("--abandon", metavar="ADDRESS", help="Give it up: neither ask nor buy."),
    ] = None,
    quiet: Quiet = False,
    adopt_root: AdoptRoot = False,
) -> None:
    """Settle doubts and overdue clips with the provider, and collect what is finished.

    Nothing is bought. What no machine can find out is listed with the commands that decide it.
    """
    asked = CampaignOptions(
        manifest=manifest,
        project=project_of(manifest),
        profile=profile,
        overrides=tuple(overrides or ()),
        root=root,
        adopt_root=adopt_root,
        rehearse=rehearse,
        env_file=env_file,
        base_urls=tuple(base_url or ()),
    )
    campaign = open_campaign(asked)
    console, asked = TerminalConsole(quiet=quiet), campaign.asked
    with open_for_work(asked) as ledger:
        loss = ledger.find_loss(campaign.name)
        if loss is not None:
            print_loss(loss, asked)
        job = RunOptions(asked=asked, quiet=quiet)
        job = replace(job, variables=None if rehearse else variables_of(job))
        words = {
            State.PLANNED: resubmitted or (),
            State.ABANDONED: abandoned or (),
        }
        if task:
            _verify(job, campaign, ledger, task, console)
        _decide(ledger, campaign.name, task or (), words)
        if task or resubmitted or abandoned:
            write_report(ledger, campaign)
        raise Leave(_settle(job, campaign, ledger, console))


def _verify(
    job: RunOptions, campaign: Campaign, ledger: Ledger, tasks: Sequence[str], console: Console
) -> None:
    """Ask the providers for the tasks that were named: what is mistyped is not written."""
    from pipeline.cli.lanes import open_lanes  # noqa: PLC0415 - slow to load, seldom needed

    claims = [find_claim(ledger, campaign.name, *_parted(told)) for told in tasks]
    names = frozenset(each.provider for each in claims)
    with open_lanes(job, campaign, names, console) as lanes:
        asyncio.run(verify_claims(claims, providers=PROVIDERS, lanes=lanes))


def _decide(
    ledger: Ledger,
    campaign: str,
    tasks: Sequence[str],
    words: Mapping[State, Sequence[str]],
) -> None:
    """Write what a person decided, once each word was found to fit what was sent."""
    now = datetime.now(UTC)
    for after, addresses in words.items():
        for address in addresses:
            check_decidable(ledger, campaign, address, after)
    for told in tasks:
        address, found = _parted(told)
        adopt_task(ledger, campaign, address, task=found, now=now)
    for address in words[State.PLANNED]:
        resubmit_item(ledger, campaign, address, now=now)
    for address in words[State.ABANDONED]:
        abandon_item(ledger, campaign, address, now=now)


def _parted(told: str) -> tuple[str, str]:
    address, _, task = told.rpartition("=")
    return address, task


def _settle(job: RunOptions, campaign: Campaign, ledger: Ledger, console: Console) -> Exit:
    from pipeline.cli.lanes import keyless  # noqa: PLC0415 - slow to load, seldom needed
    from pipeline.cli.making import settled  # noqa: PLC0415 - the same

    names = frozenset(task.provider for task in list_sent(ledger, campaign.name))
    unasked = keyless(job, names)
    for name, why in unasked.items():
        console.print(f"nothing is asked of {name}: {why}", markup=False, soft_wrap=True)
    if names - unasked.keys():
        with stopping_in_order() as stops:
            settled(job, campaign, names - unasked.keys(), ledger, console, stops)
            write_report(ledger, campaign)
    # What is still in flight is no more settled than a doubt: a key may have been refused.
    left = list_sent(ledger, campaign.name)
    _tell(left, campaign, console)
    hint = only_rehearsed(campaign, "reconcile")
    if hint:
        console.print(hint, markup=False, soft_wrap=True)
    for line in _to_be_made(ledger, campaign):
        console.print(line, soft_wrap=True)
    return Exit.UNKNOWN if left else Exit.OK


def _to_be_made(ledger: Ledger, campaign: Campaign) -> Iterator[str]:
    """Say what the next run would buy, and the command for that and no more."""
    plan = latest_plan(ledger, campaign.name)
    items, others = plan.to_make.items, plan.others_to_make.items
    if not items:
        return
    command = command_line(campaign.asked)
    if others and items <= _NAMED:
        chosen = ledger.records(campaign.name, selected=True)
        names = [each.address for each in chosen if each.status in MAKES]
        command = " ".join([command, *(f"--select {shlex.quote(name)}" for name in names)])
        others = 0
    besides = f" (and {others} that the last run did not select)" if others else ""
    yield f"{items} to be made{besides}: {command}"


_NAMED = 4
"""As many items are named one by one in a command."""


def _tell(left: Sequence[Sent], campaign: Campaign, console: Console) -> None:
    """List what only a person can decide, with all that is known and the commands for it."""
    command = command_line(campaign.asked, "reconcile")
    times = Counter(task.address for task in left)
    lines = [
        line
        for task in left
        for line in _case(task, command, task.client_id if times[task.address] > 1 else "")
    ]
    for line in lines or ["nothing is in doubt or overdue"]:
        console.print(line, markup=False, soft_wrap=True)


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
