"""Settle what was sent and has no known end, and write down what only a person can decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from pipeline.api.campaign_report import select_records, write_report
from pipeline.api.campaign_request import CampaignRequest, RunSettings, usage
from pipeline.api.campaign_run import Run
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.places import CampaignReading
from pipeline.api.provider_access import open_lanes, variables_of
from pipeline.api.roots import open_for_work
from pipeline.api.run_handle import RunScope
from pipeline.domain.money import exact_usd
from pipeline.domain.states import DECIDED_TOGETHER, MAKES, State
from pipeline.ledger.repository import Ledger
from pipeline.providers import PROVIDERS
from pipeline.run.manual import (
    Decision,
    Sent,
    decide,
    find_claim,
    list_sent,
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
    """Write what a person decided, in one transaction: all of it, or nothing.

    Undecidable where a word does not fit what was sent.
    """
    words = [
        Decision(address=address, after=State.WAITING, task=task)
        for address, task in decisions.tasks
    ]
    words += [Decision(address=each, after=State.PLANNED) for each in decisions.resubmit]
    words += [Decision(address=each, after=State.ABANDONED) for each in decisions.abandon]
    if words:
        decide(ledger, campaign.name, words, now=datetime.now(UTC))
        write_report(ledger, campaign)


@dataclass(frozen=True, slots=True, kw_only=True)
class MassDecision:
    """One word for many items: which of the selected ones it can decide, and at what price."""

    after: State
    items: Sequence[Sent]
    others: Mapping[State, int]
    """What else is selected and was sent, by where it stands: decided one by one, if at all."""

    @property
    def worst_usd(self) -> Decimal:
        """Return what was paid for nothing if all of them were charged, as far as is known."""
        return sum((each.reserved_usd for each in self.items), Decimal(0))

    @property
    def unpriced(self) -> int:
        """Return how many have a price that nobody knows: they are not in that sum."""
        return sum(not each.is_priced for each in self.items)

    @property
    def sum_text(self) -> str:
        """Return the sum as it is typed: never with three places, which may be thousands."""
        text = exact_usd(self.worst_usd)
        return f"{text}0" if text[-4] == "." else text

    @property
    def phrase(self) -> str:
        """Return what a person types to agree: how many, and what they may have cost."""
        count = len(self.items)
        return f"{count} item{'s' if count > 1 else ''}, {self.sum_text} USD"

    def words(self) -> list[Decision]:
        """Return the decision on each of them."""
        return [Decision(address=each.client_id, after=self.after) for each in self.items]


def word_for_many(request: CampaignRequest, alone: Sequence[State]) -> State | None:
    """Return where one word puts all that is selected; None if nothing is said of many.

    `alone` are the words that stand without an address. InvalidInput where they do not go together.
    """
    if len(alone) > 1:
        raise usage("--resubmit and --abandon cannot both be about what is selected")
    if alone and not request.selects:
        raise usage(
            "--resubmit and --abandon without an address are about what is selected",
            "say --select, for instance --select state:in_doubt",
        )
    if request.selects and not alone:
        raise usage("a selection needs --resubmit or --abandon without an address")
    return alone[0] if alone else None


def find_mass_decision(campaign: LoadedCampaign, ledger: Ledger, after: State) -> MassDecision:
    """Return what one word would decide of the items that the request selects.

    Ask the providers first: what they can settle is not for a person to decide.
    """
    decided, sent = DECIDED_TOGETHER[after], list_sent(ledger, campaign.name)
    if not any(each.state in decided for each in sent):
        # A selection by state has nothing to fit then, which is no fault of it.
        return MassDecision(after=after, items=(), others={})
    keys = {record.key for record in select_records(CampaignReading(campaign, ledger))}
    sent = [each for each in sent if each.key in keys]
    return MassDecision(
        after=after,
        items=[each for each in sent if each.state in decided],
        others=Counter(each.state for each in sent if each.state not in decided),
    )


def record_mass_decision(campaign: LoadedCampaign, ledger: Ledger, decision: MassDecision) -> None:
    """Write one word for many items, in one transaction."""
    decide(ledger, campaign.name, decision.words(), now=datetime.now(UTC))
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
        # Asked before anything is written: one name that is mistyped leaves all words unsaid.
        if decisions.tasks:
            await verify_tasks(campaign, settings, ledger, decisions, notify=lambda _: None)
        record_decisions(campaign, ledger, decisions)
        names = frozenset(task.provider for task in list_sent(ledger, campaign.name))
        if names:
            # With what the decisions left open: what is bought again waits for a run.
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
