"""Why an item would be made again, or would not: which part of its key changed, and where.

The same question has an answer before a run, when it is to be bought, and after it, when it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any

from pipeline.api.campaign_plan import dry_run, find_loss, require_admitted
from pipeline.api.campaign_request import usage
from pipeline.api.item_description import other_key, plan_item
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.selection import matching_records
from pipeline.domain import Place, Record
from pipeline.domain.changes import ChangeClass, EarlierWork, ItemChange, PartChange
from pipeline.domain.money import exact_usd
from pipeline.ledger.item_changes import changed_parts
from pipeline.ledger.repository import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the next run does to an item, and why."""

    address: str
    change: ChangeClass
    status: str = ""
    cause: str = ""
    """Why it failed or is held, where it did or is."""
    provider: str = ""
    price_usd: Decimal | None = None
    """What making it is expected to cost; None where nobody knows."""
    bought: EarlierWork | None = None
    """What was bought under its key, if anything was."""
    earlier: EarlierWork | None = None
    """What it was bought as before that: what `changed` compares with."""
    changed: tuple[PartChange, ...] = ()
    """The parts of its key that are not what they were then."""
    beside: tuple[PartChange, ...] = ()
    """What else is not as it was when its clip was bought: it is in no key, and buys nothing."""
    satisfied_by: str = ""
    """Why a clip of another key satisfies it, if one does."""
    shared_with: str = ""
    now_at: tuple[str, ...] = ()
    """Of an orphan: the addresses that its work has in this plan."""

    def to_dict(self) -> Mapping[str, Any]:
        """Return it as plain data that JSON can hold; sums are in USD, as text."""
        return {
            "address": self.address,
            "class": self.change.value,
            "status": self.status,
            "cause": self.cause,
            "provider": self.provider,
            "price_usd": None if self.price_usd is None else str(self.price_usd),
            "changed": list(map(plain_change, self.changed)),
            "beside": list(map(plain_change, self.beside)),
            "bought": _plain_work(self.bought),
            "earlier": _plain_work(self.earlier),
            "satisfied_by": self.satisfied_by,
            "shared_with": self.shared_with,
            "now_at": list(self.now_at),
        }


def explain_item(campaign: LoadedCampaign) -> Explanation:
    """Return why the item of the request's address is made again, or not.

    InvalidInput where no item of this plan or an earlier one has it, or several have.
    """
    address = campaign.request.address
    whole = replace(campaign, request=campaign.request.without_selection())
    loss = find_loss(campaign.request, campaign.name)
    with dry_run(whole, loss, keeps=False) as (summary, ledger):
        require_admitted(summary, campaign)
        orphaned = ledger.orphan_key(campaign.name, address)
        if orphaned:
            return Explanation(
                address=address,
                change=ChangeClass.ORPHANED,
                bought=ledger.bought_work(orphaned),
                now_at=tuple(ledger.addresses_of(campaign.name, orphaned)),
            )
        meant = partial(matching_records, matcher=campaign.matcher(), sources=campaign.sources)
        found = list(islice(meant(ledger.records(campaign.name)), 2))
        if len(found) != 1:
            raise usage(f"several items have the address {address}: name one")
        record = found[0]
        (item,) = ledger.item_changes(campaign.name, address=record.address)
        return _explain(item, record, whole, ledger)


def _explain(
    item: ItemChange, record: Record, campaign: LoadedCampaign, ledger: Ledger
) -> Explanation:
    planned = plan_item(record, campaign)
    places = planned.item.places()
    bought = ledger.bought_work(item.key)
    earlier = item.earlier
    if earlier is None and bought is None:
        earlier = ledger.sibling_work(campaign.name, item.address)
    if record.stale:
        # It would differ from its own clip, were it made again.
        earlier = bought
    changed = changed_parts(earlier.content, item.content, places) if earlier else ()
    other = other_key(planned.item, record)
    return Explanation(
        address=item.address,
        change=item.change,
        status=item.status.value,
        cause=item.cause,
        provider=record.provider,
        price_usd=item.expected_usd,
        bought=bought,
        earlier=earlier,
        changed=changed,
        beside=tuple(_beside_key(item, bought, places, planned.item.provider)),
        satisfied_by=other["why"] if other else "",
        shared_with=item.shared_with,
    )


def _beside_key(
    item: ItemChange, bought: EarlierWork | None, places: Mapping[str, Place], provider: str
) -> list[PartChange]:
    """Return what is another than when the item's clip was bought, and is in no key."""
    found = [PartChange(part="path", old=item.old_output, new=item.output)]
    if bought is not None:
        was, now = bought.estimate_usd, item.expected_usd
        own = _names_of(item.content.values)
        found += [
            PartChange(part="provider", old=bought.provider, new=provider),
            PartChange(part="price", old=_usd(was), new=_usd(now)),
            PartChange(part="address", old=bought.address, new=item.address),
        ]
        for name, known in _names_of(bought.content.values).items():
            place = places.get(name)
            where = (place,) if place else ()
            new = own.get(name, known)
            found.append(
                PartChange(part="references", detail=name, old=known, new=new, places=where)
            )
    return [each for each in found if each.old and each.old != each.new]


def _names_of(values: Mapping[str, Any]) -> Mapping[str, str]:
    """Return what references are called: by themselves, and by their files."""
    return {
        f"{each['role']} {each['ordinal']}": " ".join(
            [f"@{each['name']}", *(media.get("file", "") for media in each["media"])]
        )
        for each in values.get("references", ())
    }


def _usd(amount: Decimal | None) -> str:
    return "" if amount is None else f"{exact_usd(amount)} USD"


def plain_change(change: PartChange) -> Mapping[str, Any]:
    """Return a changed part as plain data."""
    return {
        "part": change.part,
        "detail": change.detail,
        "old": change.old,
        "new": change.new,
        "places": [
            {"file": each.span.file, "line": each.span.line, "column": each.span.column}
            | ({"cell": each.cell} if each.cell else {})
            for each in change.places
        ],
    }


def _plain_work(work: EarlierWork | None) -> Mapping[str, Any] | None:
    if work is None:
        return None
    return {
        "key": work.key,
        "campaign": work.campaign,
        "address": work.address,
        "provider": work.provider,
        "at": purchase_time(work),
        "charged_usd": str(work.charged_usd),
        "open_usd": str(work.open_usd),
    }


def purchase_time(work: EarlierWork) -> str:
    """Return when something was bought, in UTC whatever this machine's zone is."""
    return datetime.fromtimestamp(work.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
