"""Consent to buy again what a ledger has lost: `run --buy-again SUM`.

While a loss is open nothing is bought. SUM is what would be bought, as it was shown, and is the
most that the run spends. It settles the loss if nothing of the campaign is left out of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pipeline.cli.campaign import Campaign
from pipeline.cli.console import TerminalConsole
from pipeline.cli.exits import Leave
from pipeline.cli.losses import find_loss, print_loss
from pipeline.cli.options import RunOptions
from pipeline.cli.planning import drawn, foresee_settled
from pipeline.cli.roots import open_for_work
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit
from pipeline.errors import LedgerLost
from pipeline.ledger.loss_detection import Loss
from pipeline.ledger.repository import Ledger


@contextmanager
def open_for_purchases(job: RunOptions, campaign: Campaign) -> Iterator[Ledger]:
    """Yield the campaign's ledger, opened for work; Leave with 12 where it has lost something.

    Unless `--buy-again` says the sum: then the loss is settled first.
    """
    home, given = job.asked.home, job.spending.buy_again_usd
    try:
        opened = open_for_work(job.asked, clock=job.clock)
    except LedgerLost:
        loss = find_loss(job.asked, campaign.name)
        if loss is None:
            raise
        _refuse_unless_agreed(job, campaign, loss)
        opened = open_for_work(job.asked, clock=job.clock, anew=True)
    with opened as ledger:
        loss = ledger.find_loss(campaign.name)
        if loss is not None and given is None and _buys_nothing(job, campaign, loss):
            print_loss(loss, campaign.asked)
        elif loss is not None:
            whole = _refuse_unless_agreed(job, campaign, loss)
            ledger.settle_loss(loss, now=job.clock.now(), partly=not whole)
            _say("the limit counts what this ledger knows; what is lost was paid beside it")
        elif given is not None:
            _say(f"the ledger of {home} has lost nothing of {campaign.name}: leave --buy-again out")
            raise Leave(Exit.STOPPED)
        yield ledger


def _buys_nothing(job: RunOptions, campaign: Campaign, loss: Loss) -> bool:
    """Tell whether a loss that nobody can count stops no purchase: there is none to be made."""
    if not loss.uncounted:
        return False
    return not replace(foresee_settled(campaign, loss), retried=job.retry).to_make.items


def _refuse_unless_agreed(job: RunOptions, campaign: Campaign, loss: Loss) -> bool:
    """Leave with 12, everything told, unless a person named the sum that was shown.

    Tell whether that sum is for all that the campaign would buy: else the loss stays open.
    """
    given = job.spending.buy_again_usd
    admission = replace(foresee_settled(campaign, loss), retried=job.retry)
    buys = admission.to_make
    if given == buys.high_usd:
        # What stands in the way of the purchases is told while the loss is still open.
        foresee_settled(campaign, loss, files=True)
        return not (admission.others_to_make.items or buys.unpriced)
    if buys.items:
        TerminalConsole().print(drawn(admission))
    if given is not None:
        _say(f"--buy-again {exact_usd(given)} is not the sum: it is {exact_usd(buys.high_usd)}")
    print_loss(loss, campaign.asked, buys)
    raise Leave(Exit.STOPPED)


def _say(line: str) -> None:
    TerminalConsole().print(line, soft_wrap=True)
