"""Consent to buy again what was paid for and is not here: `run --buy-again SUM`.

It is for what a ledger has lost, and for what the lock file says was paid for elsewhere. Until a
person agrees nothing is bought. SUM is what would be bought, as it was shown, and is the most that
the run spends. It settles a loss if nothing of the campaign is left out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

from pipeline.api.campaign_plan import (
    dry_run_summary,
    find_loss,
    loss_of,
    require_admitted,
    sync_campaign,
)
from pipeline.api.campaign_request import RunSettings
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.lock_file import memory_of
from pipeline.api.roots import open_for_work, require_folder
from pipeline.domain.money import exact_usd
from pipeline.errors import CallsheetError, LedgerLost
from pipeline.ledger.loss_detection import Loss, is_missing
from pipeline.ledger.repository import Ledger
from pipeline.run.plan_sync import PlanSummary


class PurchasesRefused(CallsheetError):  # noqa: N818 - named for what it says, as its base's tree
    """Something was paid for and is not here, and nobody agreed to buy it again for its sum."""

    def __init__(self, loss: Loss | None, summary: PlanSummary, given_usd: Decimal | None) -> None:
        self.loss = loss
        """What the ledger has lost; None where it is the lock file that remembers more."""
        self.summary = summary
        """What would be bought once the loss is settled."""
        self.given_usd = given_usd
        """The sum that was agreed to, and is another."""
        buys = summary.to_make
        what = "the ledger has lost what it knew" if loss else "what was paid for is not here"
        super().__init__(
            f"{what} of {summary.campaign}: {buys.items} would be bought again for"
            f" {exact_usd(buys.high_usd)} USD"
        )


class NothingLost(CallsheetError):  # noqa: N818 - the same
    """A sum was agreed to for what is lost, and nothing is."""


@contextmanager
def open_for_purchases(
    campaign: LoadedCampaign,
    settings: RunSettings,
    notify: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[Ledger, Loss | None]]:
    """Yield the campaign's ledger, opened for work, and the loss that is open and stops nothing.

    PurchasesRefused where it has lost something, unless the settings say the sum: then the loss
    is settled first. InvalidInput where a file stands where the root would be.
    """
    request, given_usd = campaign.request, settings.spending.buy_again_usd
    require_folder(request)
    agreed: tuple[Loss, bool] | None = None
    try:
        if not request.locked and is_missing(request.where):
            _require_consent_in_advance(campaign, settings)
        opened = open_for_work(request, clock=settings.clock, notify=notify)
    except LedgerLost:
        loss = find_loss(request, campaign.name)
        # Without one the lock file remembers all that there was.
        if loss is not None and not request.locked:
            # Before the new ledger is made: whoever does not agree finds everything as it was.
            summary = _after_loss(campaign, settings, loss)
            if given_usd is not None or loss.stops(buys=summary.to_make.items):
                agreed = loss, _require_agreement(campaign, settings, loss, summary)
        opened = open_for_work(request, clock=settings.clock, anew=True, notify=notify)
    with opened as ledger:
        loss = loss_of(ledger, request, campaign.name)
        if request.locked:
            # It buys nothing, so that nothing can be bought twice.
            yield ledger, loss
            return
        if loss is not None:
            # The first look was beside whoever worked there: what is lost may be another by now.
            if agreed is None or agreed[0] != loss:
                summary = _after_loss(campaign, settings, loss)
                if given_usd is None and not loss.stops(buys=summary.to_make.items):
                    # There is no purchase to be made, and none that it could stop.
                    yield ledger, loss
                    return
                agreed = loss, _require_agreement(campaign, settings, loss, summary)
            _, whole = agreed
            ledger.settle_loss(loss, now=settings.clock.now(), partly=not whole)
            notify("the limit counts what this ledger knows; what is lost was paid beside it")
        elif given_usd is not None and not _dry_summary(campaign, settings).absent:
            raise NothingLost(
                f"the ledger of {request.home} has lost nothing of {campaign.name}, and its lock"
                " file holds nothing that is not here: leave --buy-again out"
            )
        yield ledger, None


def require_consent(
    campaign: LoadedCampaign, settings: RunSettings, summary: PlanSummary, ledger: Ledger
) -> PlanSummary:
    """Raise PurchasesRefused where what would be bought was paid for elsewhere.

    Unless a person named the sum that was shown, that of all that would be bought: then the lock
    file is asked about it no more. Return the plan that was agreed to.
    """
    given_usd = settings.spending.buy_again_usd
    while summary.absent:
        # The same sum, not one that is large enough: who agreed has seen this plan, and no other.
        if given_usd != summary.to_make.high_usd:
            raise PurchasesRefused(None, summary, given_usd)
        ledger.set_aside(summary.absent)
        if not any(each.stale for each in summary.absent):
            break
        # An approved clip that nobody waits for any more keeps nothing: its item is bought as the
        # manifest asks for it, and not under the key of the work that was approved.
        summary = sync_campaign(campaign, ledger, retried=settings.retry)
        require_admitted(summary, campaign)
    return summary


def _require_consent_in_advance(campaign: LoadedCampaign, settings: RunSettings) -> None:
    """Raise PurchasesRefused as `require_consent` would, while there is no ledger yet.

    Whoever does not agree finds everything as it was: nothing paid elsewhere is booked in a root
    that was named by a slip.
    """
    # Without a lock file there is nothing to ask about, and the campaign is planned once.
    if not memory_of(campaign.request, campaign.name).clips:
        return
    summary = _dry_summary(campaign, settings)
    given_usd = settings.spending.buy_again_usd
    if summary.absent and given_usd != summary.to_make.high_usd:
        raise PurchasesRefused(None, summary, given_usd)


def _require_agreement(
    campaign: LoadedCampaign, settings: RunSettings, loss: Loss, summary: PlanSummary
) -> bool:
    """Raise PurchasesRefused unless a person named the sum that was shown: that of `summary`.

    Tell whether that sum is for all that the campaign would buy: else the loss stays open.
    """
    given_usd = settings.spending.buy_again_usd
    if given_usd != summary.to_make.high_usd:
        raise PurchasesRefused(loss, summary, given_usd)
    # What stands in the way of the purchases is told while the loss is still open.
    _after_loss(campaign, settings, loss, files=True)
    return not (summary.others_to_make.items or summary.to_make.unpriced)


def _after_loss(
    campaign: LoadedCampaign, settings: RunSettings, loss: Loss, *, files: bool = False
) -> PlanSummary:
    """Return what the plan comes to once a loss is settled; InvalidInput if it has errors.

    With `files`, a file of somebody else's at an output path is one.
    """
    return _dry_summary(campaign, settings, loss, files=files)


def _dry_summary(
    campaign: LoadedCampaign,
    settings: RunSettings,
    loss: Loss | None = None,
    *,
    files: bool | None = None,
) -> PlanSummary:
    summary = dry_run_summary(campaign, loss, files=files)
    require_admitted(summary, campaign)
    return replace(summary, retried=settings.retry)
