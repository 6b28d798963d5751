"""`reconcile`: settle what was sent and has no known end; say what only a person can decide."""

from __future__ import annotations

import asyncio
import shlex
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import zip_longest
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pipeline.api.campaign_plan import loss_of
from pipeline.api.campaign_report import only_rehearsed, write_report
from pipeline.api.campaign_request import RunSettings, usage
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.provider_access import keyless, variables_of
from pipeline.api.reconciliation import (
    Decisions,
    find_mass_decision,
    next_purchases,
    record_decisions,
    record_mass_decision,
    verify_tasks,
    word_for_many,
)
from pipeline.api.roots import open_for_work
from pipeline.api.run_handle import RunScope
from pipeline.api.run_start import settling_start
from pipeline.cli.campaigns import open_campaign, request_of
from pipeline.cli.console import person_is_there, print_error
from pipeline.cli.interrupts import stopping_in_order
from pipeline.cli.loss_text import print_loss
from pipeline.cli.options import (
    AccessOptions,
    CampaignOptions,
    Quiet,
    SelectionOptions,
    WorkOptions,
    command_app,
    dollars,
    with_options,
)
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.cli.watching import watch_run
from pipeline.domain.money import exact_usd
from pipeline.domain.states import GIVEN_UP_BY_WORD, Exit, State
from pipeline.ledger.repository import Ledger
from pipeline.run.manual import list_sent

app = command_app()
_SELECTED = "what is selected"
"""Stands for the address where `--resubmit` or `--abandon` go without one."""
_MANY = 3
"""From so many doubts on, the word that decides them all is told."""


class _OptionalAddress(TyperCommand):
    """A command whose `--resubmit` and `--abandon` may go without an address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give what stands alone the address that means: what is selected."""
        words = []
        # Behind the last word a "-" is put, like the next option: the last may stand alone too.
        for word, following in zip_longest(args, args[1:], fillvalue="-"):
            words.append(word)
            if word in {"--resubmit", "--abandon"} and following.startswith("-"):
                words.append(_SELECTED)
        return super().parse_args(ctx, words)


@app.command(
    cls=_OptionalAddress,
    epilog="Example: callsheet reconcile campaign.yaml --task 'spin[SKU-1001,calm]#1=task-8f2c'",
)
@with_options
def reconcile(
    options: CampaignOptions,
    access: AccessOptions,
    selection: SelectionOptions,
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
            "--resubmit",
            metavar="[ADDRESS]",
            help="Buy it again, whatever became of the first; alone, what --select selects.",
        ),
    ] = None,
    abandon: Annotated[
        list[str] | None,
        typer.Option(
            "--abandon",
            metavar="[ADDRESS]",
            help="Give it up: neither ask nor buy; alone, what --select selects.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask about many; needs --worst-case.")
    ] = False,
    worst_case: Annotated[
        str | None,
        typer.Option(
            "--worst-case",
            metavar="USD",
            help="What the many may have cost for nothing, as it was shown.",
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Settle doubts and overdue clips with the provider, and collect what is finished.

    Nothing is bought. What no machine can find out is listed with the commands that decide it.
    Many are decided by one word: --select WHAT with --resubmit or --abandon alone.
    """
    chosen = open_campaign(request_of(options, access, selection, work))
    campaign = replace(chosen, request=chosen.request.without_selection())
    console, request = TerminalConsole(quiet=quiet), campaign.request
    alone = [
        after
        for after, addresses in ((State.PLANNED, resubmit), (State.ABANDONED, abandon))
        if _SELECTED in (addresses or ())
    ]
    many = word_for_many(chosen.request, alone)
    agreed = _Agreement(
        yes=yes, usd=None if worst_case is None else dollars(worst_case, "--worst-case")
    )
    if many is None and (yes or agreed.usd is not None):
        raise usage("--yes and --worst-case are about many items: say --select WHAT --resubmit")
    decisions = Decisions(
        tasks=tuple(each.rpartition("=")[::2] for each in task or ()),
        resubmit=tuple(each for each in resubmit or () if each != _SELECTED),
        abandon=tuple(each for each in abandon or () if each != _SELECTED),
    )
    with open_for_work(request, notify=print_error) as ledger:
        loss = loss_of(ledger, request, campaign.name)
        if loss is not None:
            print_loss(loss, request)
        settings = RunSettings()
        if not request.rehearse:
            settings = replace(settings, variables=variables_of(settings, request))
        # Before it is written: with a mistyped id the item would wait for nothing, or for the
        # clip of another.
        if decisions.tasks:
            asyncio.run(
                verify_tasks(campaign, settings, ledger, decisions, notify=console.print_line)
            )
        record_decisions(campaign, ledger, decisions)
        providers = frozenset(sent.provider for sent in list_sent(ledger, campaign.name))
        unasked = keyless(settings, campaign, providers)
        for name, why in unasked.items():
            console.print_line(f"nothing is asked of {name}: {why}")
        asked = providers - unasked.keys()
        if asked:
            scope = RunScope(ledger=ledger, providers=asked, buys=False)
            with stopping_in_order() as stops:
                start = settling_start(campaign, settings, ledger, asked)
                watching = watch_run(
                    campaign, settings, scope, start=start, console=console, stops=stops
                )
                asyncio.run(watching)
                write_report(ledger, campaign)
        if many is not None:
            # After the providers were asked: what they know of is not for a person to decide.
            _decide_many(chosen, ledger, many, agreed)
        raise typer.Exit(_print_left(campaign, ledger, console))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agreement:
    """What was agreed to on the command line."""

    yes: bool
    usd: Decimal | None


def _decide_many(
    campaign: LoadedCampaign, ledger: Ledger, after: State, agreed: _Agreement
) -> None:
    """Ask once about all that is selected and undecided, and write it; leave with 12 on a no."""
    # What a person agrees to is told however quiet the command is.
    console, found = TerminalConsole(), find_mass_decision(campaign, ledger, after)
    for state, number in found.others.items():
        console.print_line(f"{number} of the selected stay as they are: {state.replace('_', ' ')}")
    if not found.items:
        console.print_line("nothing that is selected is to be decided")
        return
    doing = "bought again by the next run" if after is State.PLANNED else "given up"
    worst = found.sum_text
    console.print_line(
        f"{found.phrase.partition(',')[0]} in doubt or overdue to be {doing}: what was sent for"
        f" them may have been charged, {worst} USD at worst, and stays counted as possible"
    )
    if found.unpriced:
        console.print_line(f"{found.unpriced} of unknown price are not in that sum")
    if agreed.yes:
        if agreed.usd is None:
            raise usage("--yes needs the sum", f"say --worst-case {worst}")
        # The sum may have changed since it was shown: nobody has agreed to this one.
        if agreed.usd != found.worst_usd:
            console.print_line(
                f"--worst-case {exact_usd(agreed.usd)} is not the sum: it is {worst}"
            )
            raise typer.Exit(Exit.STOPPED)
    elif not person_is_there():
        raise usage("nobody is there to ask", f"say --yes --worst-case {worst}")
    elif " ".join(typer.prompt(f"Type '{found.phrase}' to agree").split()) != found.phrase:
        console.print_line("that is something else: nothing was decided")
        raise typer.Exit(Exit.STOPPED)
    whole = replace(campaign, request=campaign.request.without_selection())
    # Its report is that of the campaign, whatever was selected to be decided.
    record_mass_decision(whole, ledger, found)


def _print_left(campaign: LoadedCampaign, ledger: Ledger, console: TerminalConsole) -> Exit:
    """Print what only a person can decide, and what the next run would buy."""
    # What is still in flight is no more settled than a doubt: a key may have been refused.
    left = list_sent(ledger, campaign.name)
    command, times = campaign.request.command("reconcile"), Counter(task.address for task in left)
    for each in left:
        # Where its address means others too, a task goes by its client id.
        client_id = each.client_id if times[each.address] > 1 else ""
        address, money = shlex.quote(client_id or each.address), exact_usd(each.reserved_usd)
        stands = f"{each.state.replace('_', ' ')} at {each.provider}"
        console.print_line(f"{each.address}  {stands}, {money} USD reserved")
        sent_at = f"{each.sent_at:%Y-%m-%d %H:%M:%S} UTC"
        console.print_line(f"    sent {sent_at} as {each.client_id}: {each.message}")
        console.print_line(f"    prompt: {each.prompt}")
        if each.state is State.IN_DOUBT:
            console.print_line(f"    the provider has it:      {command} --task {address}=ID")
            console.print_line(f"    the provider has it not:  {command} --resubmit {address}")
        else:
            console.print_line(f"    task {each.task}; to ask again:  {command}")
        if each.state in GIVEN_UP_BY_WORD:
            console.print_line(f"    to give it up:  {command} --abandon {address}")
    if not left:
        console.print_line("nothing is in doubt or overdue")
    doubts = sum(each.state is State.IN_DOUBT for each in left)
    if doubts >= _MANY:
        console.print_line(
            f"to decide all {doubts} doubts at once:  {command} --select state:in_doubt --resubmit"
        )
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
