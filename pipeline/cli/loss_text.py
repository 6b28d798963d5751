"""What was paid for and is not here, as a person reads it: what is lost, and the ways on.

Lost is what a ledger knew. What the lock file says was paid for elsewhere is absent.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import typer

from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.lock_file import lock_path
from pipeline.cli.console import print_error
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit
from pipeline.ledger.loss_detection import Loss
from pipeline.run.plan_sync import PlanSummary, Totals
from pipeline.storage.fs import STATE_FOLDER

_SHOWN = 20


def loss_lines(loss: Loss, request: CampaignRequest, buys: Totals | None = None) -> Iterator[str]:
    """Yield what is lost, then each way on as a command; without `buys` its sum is left open."""
    yield f"the ledger of {request.home} has lost what it knew of {loss.campaign}:"
    yield from (f"  {line}" for line in loss.lines(request.home))
    yield "what was paid for would be bought again, so nothing is sent. The ways on:"
    restore = shlex.join(["callsheet", "ledger", "restore", "FILE", "--root", str(request.home)])
    yield f"  put a backup in its place:       {restore}"
    yield f"  take the clips that are there:   {request.command('store adopt')}"
    yield from _lines_to_buy_again(request, buys)
    if buys is None:
        yield f"  SUM is named by:                 {request.command('plan')}"


def absent_lines(summary: PlanSummary, request: CampaignRequest) -> Iterator[str]:
    """Yield what was paid for elsewhere and is not here, then each way on as a command."""
    lock = lock_path(request, summary.campaign)
    yield f"paid for, as {lock} says, and neither in the ledger nor in the store:"
    for each in summary.absent[:_SHOWN]:
        price = exact_usd(each.price_usd)
        yield f"  {each.address}  paid {each.paid_at:%Y-%m-%d}, {price} USD at {each.provider}"
    if len(summary.absent) > _SHOWN:
        yield f"  and {len(summary.absent) - _SHOWN} more"
    yield "it would be bought a second time, so nothing is sent. The ways on:"
    store = request.home / STATE_FOLDER / "store"
    yield f"  put the clips into the store:    {store}, from whoever has them"
    yield from _lines_to_buy_again(request, summary.to_make)


def exit_if_refused(summary: PlanSummary, loss: Loss | None, request: CampaignRequest) -> None:
    """Exit with 12, as a run would, where what is to be made was paid for already.

    That is told beside the output, which a program may read.
    """
    buys = summary.to_make
    lines = [] if loss is None else [*loss_lines(loss, request, buys)]
    lines += absent_lines(summary, request) if summary.absent else ()
    for line in lines:
        print_error(line)
    if summary.absent or (loss is not None and loss.stops(buys=buys.items)):
        raise typer.Exit(Exit.STOPPED)


def print_absent(summary: PlanSummary, request: CampaignRequest) -> None:
    """Print what was paid for elsewhere and is not here, however quiet the command is."""
    TerminalConsole().print_lines(absent_lines(summary, request))


def _lines_to_buy_again(request: CampaignRequest, buys: Totals | None) -> Iterator[str]:
    # A sum is about what was selected.
    provider = ["--provider", request.provider] if request.provider else []
    chosen = [*request.selection_words, *provider]
    total = "SUM" if buys is None else exact_usd(buys.high_usd)
    words = shlex.join([*chosen, "--buy-again", total])
    yield f"  buy it again for {total} USD:  {request.command()} {words}"
    if buys is not None and buys.unpriced:
        yield f"  {buys.unpriced} of unknown price are not in that sum, and are not bought by it"


def print_loss(loss: Loss, request: CampaignRequest, buys: Totals | None = None) -> None:
    """Print what is lost and the ways on, however quiet the command is."""
    TerminalConsole().print_lines(loss_lines(loss, request, buys))
