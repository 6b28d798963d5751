"""A ledger that has lost something, as a person reads it: what is lost, and the ways on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import typer

from pipeline.api.campaign_request import CampaignRequest
from pipeline.cli.console import print_error
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit
from pipeline.ledger.loss_detection import Loss
from pipeline.run.plan_sync import Totals


def loss_lines(loss: Loss, request: CampaignRequest, buys: Totals | None = None) -> Iterator[str]:
    """Yield what is lost, then each way on as a command; without `buys` its sum is left open."""
    yield f"the ledger of {request.home} has lost what it knew of {loss.campaign}:"
    yield from (f"  {line}" for line in loss.lines(request.home))
    yield "what was paid for would be bought again, so nothing is sent. The ways on:"
    restore = shlex.join(["callsheet", "ledger", "restore", "FILE", "--root", str(request.home)])
    yield f"  put a backup in its place:       {restore}"
    yield f"  take the clips that are there:   {request.command('store adopt')}"
    # A sum is about what was selected.
    provider = ["--provider", request.provider] if request.provider else []
    chosen = [*request.selection_words, *provider]
    command = shlex.join(["", *chosen]) if chosen else ""
    total = "SUM" if buys is None else exact_usd(buys.high_usd)
    yield f"  buy it again for {total} USD:  {request.command()}{command} --buy-again {total}"
    if buys is None:
        yield f"  SUM is named by:                 {request.command('plan')}"
    elif buys.unpriced:
        yield f"  {buys.unpriced} of unknown price are not in that sum, and are not bought by it"


def exit_if_lost(loss: Loss | None, request: CampaignRequest, buys: Totals) -> None:
    """Exit with 12, as a run would, where a loss stands before what is to be made.

    It is told beside the output, which a program may read.
    """
    if loss is None:
        return
    for line in loss_lines(loss, request, buys):
        print_error(line)
    if buys.items or not loss.uncounted:
        raise typer.Exit(Exit.STOPPED)


def print_loss(loss: Loss, request: CampaignRequest, buys: Totals | None = None) -> None:
    """Print what is lost and the ways on, however quiet the command is."""
    TerminalConsole().print_lines(loss_lines(loss, request, buys))
