"""What a run begins with, from its plan and its ledger: the measure of its progress."""

from __future__ import annotations

from pipeline.api.campaign_request import RunSettings
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.domain.acceptance import PlaceState
from pipeline.domain.states import Status
from pipeline.ledger.repository import Ledger
from pipeline.report.run_progress import RunStart
from pipeline.run.manual import list_sent
from pipeline.run.plan_sync import PlanSummary


def run_start(
    campaign: LoadedCampaign, settings: RunSettings, ledger: Ledger, summary: PlanSummary
) -> RunStart:
    """Return what a run of a plan that was just admitted begins with."""
    budget = settings.spending.budget(campaign.manifest.budget)
    buys, left = summary.to_make, summary.to_make.items + summary.unsettled
    done = summary.count(Status.REUSED)
    not_again = sum(
        line.items
        for line in summary.lines
        if line.status in {Status.OFF_SPEC, Status.FAILED, Status.ABANDONED}
        and not summary.makes(line)
    )
    return RunStart(
        campaign=campaign.manifest.name,
        at=settings.clock.now(),
        profile=campaign.manifest.profile or "",
        rehearsal=campaign.request.rehearse,
        items=done + left + not_again,
        done=done,
        left=left,
        to_make=buys.items,
        expected_usd=buys.expected_usd,
        unpriced=buys.unpriced,
        committed_usd=summary.committed_usd,
        limit_usd=budget.limit_usd,
        cap_usd=budget.per_run_usd,
        reserved={each.address: each.reserved_usd for each in list_sent(ledger, campaign.name)},
        places=sum(summary.places.states.values()) if summary.places else 0,
        approved=summary.places.count(PlaceState.APPROVED) if summary.places else 0,
    )


def settling_start(
    campaign: LoadedCampaign, settings: RunSettings, ledger: Ledger, providers: frozenset[str]
) -> RunStart:
    """Return what a run begins with that only settles what was sent to these providers."""
    sent = list_sent(ledger, campaign.name)
    asked = sum(each.provider in providers for each in sent)
    return RunStart(
        campaign=campaign.manifest.name,
        at=settings.clock.now(),
        profile=campaign.manifest.profile or "",
        rehearsal=campaign.request.rehearse,
        items=asked,
        left=asked,
        committed_usd=ledger.committed_usd(campaign.name),
        limit_usd=campaign.manifest.budget.limit_usd,
        reserved={each.address: each.reserved_usd for each in sent},
    )
