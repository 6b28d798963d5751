"""Settle what was sent and has no known end, and write down what only a person can decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pipeline.api.campaign_report import write_report
from pipeline.api.campaign_request import RunSettings
from pipeline.api.campaign_run import Run, RunScope
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.provider_access import open_lanes, variables_of
from pipeline.api.roots import open_for_work
from pipeline.domain.states import MAKES, State
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

_NAMED = 4
"""As many items are named one by one in a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What a person says of items that were sent."""

    tasks: Sequence[tuple[str, str]] = ()
    """Address (may be empty) and the provider's task that it is."""
    resubmit: Sequence[str] = ()
    """Addresses to buy again, whatever became of the first."""
    abandon: Sequence[str] = ()
    """Addresses to give up: neither asked of nor bought."""

    @property
    def any(self) -> bool:
        """Tell whether anything was decided."""
        return bool(self.tasks or self.resubmit or self.abandon)


async def verify_tasks(
    campaign: LoadedCampaign,
    settings: RunSettings,
    ledger: Ledger,
    decisions: Decisions,
    *,
    notify: Callable[[str], None],
) -> None:
    """Ask the providers for the tasks that were named: what is mistyped is not written."""
    claims = [find_claim(ledger, campaign.name, *named) for named in decisions.tasks]
    names = frozenset(each.provider for each in claims)
    with open_lanes(settings, campaign, names, notify) as lanes:
        await verify_claims(claims, providers=PROVIDERS, lanes=lanes)


def record_decisions(campaign: LoadedCampaign, ledger: Ledger, decisions: Decisions) -> None:
    """Write what a person decided, once each word was found to fit what was sent."""
    now = datetime.now(UTC)
    words: Mapping[State, Sequence[str]] = {
        State.PLANNED: decisions.resubmit,
        State.ABANDONED: decisions.abandon,
    }
    for after, addresses in words.items():
        for address in addresses:
            check_decidable(ledger, campaign.name, address, after)
    for address, task in decisions.tasks:
        adopt_task(ledger, campaign.name, address, task=task, now=now)
    for address in decisions.resubmit:
        resubmit_item(ledger, campaign.name, address, now=now)
    for address in decisions.abandon:
        abandon_item(ledger, campaign.name, address, now=now)
    if decisions.any:
        write_report(ledger, campaign)


async def settle(campaign: LoadedCampaign, decisions: Decisions) -> Sequence[Sent]:
    """Record the decisions, settle the rest with the providers, and return what is still open.

    InvalidInput where a provider's key is missing; Undecidable where a decision does not fit.
    """
    request, settings = campaign.request, RunSettings()
    if not request.rehearse:
        # Once: the file of keys may be a pipe.
        settings = replace(settings, variables=variables_of(settings, request))
    with open_for_work(request) as ledger:
        if decisions.tasks:
            await verify_tasks(campaign, settings, ledger, decisions, notify=lambda _: None)
        record_decisions(campaign, ledger, decisions)
        names = frozenset(task.provider for task in list_sent(ledger, campaign.name))
        if names:
            scope = RunScope(ledger=ledger, providers=names, buys=False)
            async with Run(campaign, settings, scope):
                pass
            write_report(ledger, campaign)
        return list_sent(ledger, campaign.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextPurchases:
    """What the next run of the last plan would buy."""

    items: int
    others: int
    """Besides, what that plan did not select."""
    addresses: Sequence[str] = ()
    """The items, where they are few beside others: what to select to buy no more."""


def next_purchases(campaign: LoadedCampaign, ledger: Ledger) -> NextPurchases:
    """Return what the next run would buy, as the ledger stands now."""
    plan = latest_plan(ledger, campaign.name)
    items, others = plan.to_make.items, plan.others_to_make.items
    if not others or not 0 < items <= _NAMED:
        return NextPurchases(items=items, others=others)
    chosen = ledger.records(campaign.name, selected=True)
    names = [each.address for each in chosen if each.status in MAKES]
    return NextPurchases(items=items, others=others, addresses=names)
