"""A ledger that has lost something, on the command line: what is lost, and the ways on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from pipeline.cli.console import TerminalConsole, print_error
from pipeline.cli.exits import Leave
from pipeline.cli.options import CampaignOptions, command_line
from pipeline.cli.selecting import as_typed
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit
from pipeline.errors import LedgerLost
from pipeline.ledger.loss_detection import Loss
from pipeline.ledger.repository import Ledger
from pipeline.run.plan_sync import Totals


def find_loss(asked: CampaignOptions, campaign: str) -> Loss | None:
    """Return what a root's ledger has lost of a campaign, beside whoever works in it."""
    try:
        ledger = Ledger.reader(asked.home, kind=asked.kind)
    except LedgerLost:
        ledger = Ledger.memory(asked.home, kind=asked.kind)
    if ledger is None:
        return None
    with ledger:
        return ledger.find_loss(campaign)


def loss_lines(loss: Loss, asked: CampaignOptions, buys: Totals | None = None) -> Iterator[str]:
    """Yield what is lost, then each way on as a command; without `buys` its sum is left open."""
    yield f"the ledger of {asked.home} has lost what it knew of {loss.campaign}:"
    yield from (f"  {line}" for line in loss.lines(asked.home))
    yield "what was paid for would be bought again, so nothing is sent. The ways on:"
    restore = shlex.join(["callsheet", "ledger", "restore", "FILE", "--root", str(asked.home)])
    yield f"  put a backup in its place:       {restore}"
    yield f"  take the clips that are there:   {command_line(asked, 'store adopt')}"
    # A sum is about what was selected.
    chosen = [*as_typed(asked), *(["--provider", asked.provider] if asked.provider else [])]
    command = shlex.join(["", *chosen]) if chosen else ""
    total = "SUM" if buys is None else exact_usd(buys.high_usd)
    yield f"  buy it again for {total} USD:  {command_line(asked)}{command} --buy-again {total}"
    if buys is None:
        yield f"  SUM is named by:                 {command_line(asked, 'plan')}"
    elif buys.unpriced:
        yield f"  {buys.unpriced} of unknown price are not in that sum, and are not bought by it"


def leave_if_lost(loss: Loss | None, asked: CampaignOptions, buys: Totals) -> None:
    """Leave with 12, as a run would, where a loss stands before what is to be made.

    It is told beside the output, which a program may read.
    """
    if loss is None:
        return
    for line in loss_lines(loss, asked, buys):
        print_error(line)
    if buys.items or not loss.uncounted:
        raise Leave(Exit.STOPPED)


def print_loss(loss: Loss, asked: CampaignOptions, buys: Totals | None = None) -> None:
    """Print what is lost and the ways on, however quiet the command is."""
    console = TerminalConsole()
    for line in loss_lines(loss, asked, buys):
        console.print(line, soft_wrap=True)
